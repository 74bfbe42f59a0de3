"""What the operating system refused, in words: which path, why, and what to do about it."""

import errno
import os
import re
import sys

FULL = (errno.ENOSPC, errno.EDQUOT)
"""No room: on the disk, or in what a user may have of it."""

_OPENING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_WRITING = (*FULL, errno.EROFS, errno.EFBIG)

_ANOTHER = "Free some space, or name a place on another disk."
_REASONS = {
    errno.ENOSPC: ("no space is left on its disk", _ANOTHER),
    errno.EDQUOT: ("the disk quota is used up", _ANOTHER),
    errno.EFBIG: ("the file is larger than its file system takes", "Name a place on another disk."),
    errno.EROFS: ("its file system is read-only", "Name a place that may be written to."),
    errno.EACCES: ("permission denied", "Change its permissions, or name another place."),
    errno.EPERM: ("the operation is not permitted", "Change its permissions, or name another place."),
    errno.ENOENT: ("there is no such file or folder", "Check the path."),
    errno.ENOTDIR: ("a part of the path is a file, where a folder is expected", "Check the path."),
    errno.EISDIR: ("it is a folder, where a file is expected", "Name a file."),
    errno.EEXIST: ("it exists already", "Name another place."),
    errno.ENOTEMPTY: ("the folder is not empty", "Another process may be writing to it: wait for it."),
    errno.ELOOP: ("a link in it leads back to itself", "Remove the link, or name another place."),
    errno.ENAMETOOLONG: ("a name in it is longer than the file system takes", "Use a shorter one."),
    errno.EMFILE: ("too many files are open in this process", "Allow more: ulimit -n 4096."),
    errno.ENFILE: ("too many files are open on this machine", "Close some programs, or let the limit be raised."),
    errno.EIO: ("the disk answers with an input/output error", "Check the disk, or the connection to the drive."),
    errno.ESTALE: ("the drive does not know the file any more", "Mount the drive again."),
    errno.ENOTCONN: ("the drive is not connected any more", "Mount the drive again."),
    errno.ETIMEDOUT: ("the drive does not answer", "Check the connection to it."),
    errno.ENOMEM: ("no memory is left", "Close some programs, or use a machine that has more."),
}
_UNNAMED = "A file, or what the output of the command goes to,"

# By TensorFlow's text, which has a number of its own; what it writes is `PATH; No space left on device`.
_NUMBERS = {os.strerror(number): number for number in _REASONS}
_OPERATION = re.compile(r"\{\{.*?\}\}")  # before it, with a device that looks like a path
_IN_TEXT = re.compile(rf"(?:(?P<path>/[^;\n]*); )?(?P<reason>{'|'.join(map(re.escape, _NUMBERS))})")


def as_os_error(error: BaseException) -> OSError | None:
    """The OSError that an exception is, or that TensorFlow made an error of its own of; None for anything else."""
    if isinstance(error, OSError):
        # Without a number it is no word of the operating system: Pillow raises such ones on damaged images.
        return error if error.errno is not None else None
    # Whoever raised it has imported TensorFlow; this module must not.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    found = _IN_TEXT.search(_OPERATION.sub("", error.message or ""))
    return OSError(_NUMBERS[found["reason"]], found["reason"], found["path"]) if found else None


def describe(error: OSError, path: object = None) -> str:
    """One paragraph on an OSError: `path`, or the one that the error names, the reason and the fix."""
    path = path or error.filename2 or error.filename
    reason, fix = _REASONS.get(error.errno or 0, (error.strerror or str(error), ""))
    subject = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else _UNNAMED
    done = "opened" if error.errno in _OPENING else "written" if error.errno in _WRITING else "used"
    return f"{subject} cannot be {done}: {reason}. {fix}".rstrip()


def in_bytes(count: int) -> str:
    """A number of bytes for people: "812 bytes", "1.2 MB"."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
