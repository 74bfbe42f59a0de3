"""Messages for errors of the operating system: which path, why, and what to do about it."""

import errno
import os
import re
import sys

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The disk is full, or the user's quota of it."""

_OPENING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_WRITING = (*FULL, errno.EROFS, errno.EFBIG)

_ANOTHER = "Free some space, or choose a path on another disk."
_REASONS = {
    errno.ENOSPC: ("no space is left on its disk", _ANOTHER),
    errno.EDQUOT: ("the disk quota is used up", _ANOTHER),
    errno.EFBIG: ("the file is larger than its file system allows", "Choose a path on another disk."),
    errno.EROFS: ("its file system is read-only", "Choose a path that is writable."),
    errno.EACCES: ("permission denied", "Change its permissions, or choose another path."),
    errno.EPERM: ("the operation is not permitted", "Change its permissions, or choose another path."),
    errno.ENOENT: ("there is no such file or folder", "Check the path."),
    errno.ENOTDIR: ("a part of the path is a file, but a folder is expected", "Check the path."),
    errno.EISDIR: ("it is a folder, but a file is expected", "Choose a file."),
    errno.EEXIST: ("it already exists", "Choose another path."),
    errno.ENOTEMPTY: ("the folder is not empty", "Another process may be writing to it: wait for it."),
    errno.ELOOP: ("a link in it leads back to itself", "Remove the link, or choose another path."),
    errno.ENAMETOOLONG: ("a name in it is longer than the file system allows", "Use a shorter one."),
    errno.EMFILE: ("too many files are open in this process", "Allow more: ulimit -n 4096."),
    errno.ENFILE: ("too many files are open on this machine", "Close other programs, or have the limit raised."),
    errno.EIO: ("the disk reports an input/output error", "Check the disk, or the connection to the drive."),
    errno.ESTALE: ("the drive no longer knows the file", "Mount the drive again."),
    errno.ENOTCONN: ("the drive is no longer connected", "Mount the drive again."),
    errno.ETIMEDOUT: ("the drive does not respond", "Check the connection to it."),
    errno.EHOSTDOWN: ("the drive's machine is down", "Check the connection to it."),
    errno.EHOSTUNREACH: ("the drive's machine is not reachable", "Check the connection to it."),
    errno.ENETDOWN: ("the network is down", "Check the connection."),
    errno.ENETUNREACH: ("the network is not reachable", "Check the connection."),
    errno.ENOMEM: ("out of memory", "Close other programs, or use a machine with more memory."),
}
_UNNAMED = "A file, or the target of the command's output,"

# By the text in TensorFlow's errors, which have other numbers: `PATH; No space left on device`.
_NUMBERS = {os.strerror(number): number for number in _REASONS}
_OPERATION = re.compile(r"\{\{.*?\}\}")  # precedes it, with a device name that looks like a path
_IN_TEXT = re.compile(rf"(?:(?P<path>/[^;\n]*); )?(?P<reason>{'|'.join(map(re.escape, _NUMBERS))})")


def as_os_error(error: BaseException) -> OSError | None:
    """The exception if it is an OSError, or the OSError behind one of TensorFlow's errors; None for anything else."""
    if isinstance(error, OSError):
        # Without a number it is not from the operating system: Pillow raises such ones for damaged images.
        return error if error.errno is not None else None
    # If it is TensorFlow's, TensorFlow is imported already; this module must not import it.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    if isinstance(error, (tensorflow.errors.UnavailableError, tensorflow.errors.DeadlineExceededError)):
        return OSError(errno.ETIMEDOUT, error.message)  # a store that does not respond
    found = _IN_TEXT.search(_OPERATION.sub("", error.message or ""))
    return OSError(_NUMBERS[found["reason"]], found["reason"], found["path"]) if found else None


def reason_of(error: OSError) -> str:
    """Why the system refused something, as a part of a sentence."""
    return _REASONS[error.errno][0] if error.errno in _REASONS else (error.strerror or str(error))


def describe(error: OSError, path: object = None) -> str:
    """One paragraph on an OSError: `path`, or the path in the error, the reason and the fix."""
    path = path or error.filename2 or error.filename
    reason, fix = reason_of(error), _REASONS.get(error.errno or 0, ("", ""))[1]
    subject = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else _UNNAMED
    done = "opened" if error.errno in _OPENING else "written" if error.errno in _WRITING else "used"
    return f"{subject} cannot be {done}: {reason}. {fix}".rstrip()


def in_bytes(count: int) -> str:
    """A number of bytes for people: "812 bytes", "1.2 MB"."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
