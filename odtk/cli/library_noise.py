"""Hides the messages that libraries print: of images without naming the file, of conversions about themselves.

libjpeg, libpng and libtiff print to the process's stderr from C code, under both TensorFlow and Pillow; odtk reports
such files itself, by name. A child process filters stderr and passes on everything else, including the output of a
crash, which a thread would lose.
"""

import contextlib
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Iterator

_NOISE = re.compile(
    rb"Corrupt JPEG data|Premature end of JPEG|Warning: unknown JFIF|Invalid SOS parameters|Inconsistent progression"
    rb"|Unsupported marker type|Application transferred too|Unsupported JPEG|libpng (warning|error): |libjpeg: "
    rb"|TIFF\w*: |\w*(LZW|ZIP|Fax|Thunder|PackBits|LogL|Predictor|Dump|NeXT|LZMA|ZSTD|Deflate)\w*: "
    # TensorFlow Lite's converter and LiteRT, on what they are doing.
    rb"|INFO: (Created|Applying|Initialized|Replacing) |fully_quantize: "
    rb"|[IW]\d{4} [\d:. ]+ \d+ tf_tfl_flatbuffer_helpers"
)

_SECONDS_TO_END = 2.0


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Filters the libraries' messages while the block runs; Python's own stderr bypasses the filter.

    Must be called before any thread starts, as it forks. On a system without fork only Python's warnings are filtered.
    """
    warnings.filterwarnings("ignore", module=r"PIL\b")
    # The converter measures ranges by the interpreter that it says will leave TensorFlow.
    warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
    if not hasattr(os, "fork") or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    terminal, (out, into) = os.dup(2), os.pipe()
    child = os.fork()
    if child == 0:
        _pass_on(out, terminal, into)
    os.close(out)
    os.dup2(into, 2)
    os.close(into)
    before = sys.stderr
    with open(terminal, "w", buffering=1, encoding=before.encoding, errors=before.errors) as sys.stderr:
        try:
            yield
        finally:
            os.dup2(terminal, 2)  # closes the pipe, unless a worker process also has it open
            sys.stderr, stream = before, sys.stderr
            stream.flush()
            _wait_for(child)


def _wait_for(child: int) -> None:
    """Waits until everything is passed on, but not for long: a leftover process may still have stderr open."""
    deadline = time.monotonic() + _SECONDS_TO_END
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.001)


def _pass_on(source: int, target: int, into: int) -> None:
    """The child's only work: copies lines, except for the noise, from one file to another until the end."""
    try:
        os.setsid()  # so that Ctrl-C reaches only the parent
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for unused in {0, 1, 2, into} - {source, target}:
            with contextlib.suppress(OSError):  # the process was started without it
                os.close(unused)
        with open(source, "rb") as lines, open(target, "wb", buffering=0) as terminal:
            for line in lines:
                if not _NOISE.match(line):
                    terminal.write(line)
    finally:
        os._exit(0)
