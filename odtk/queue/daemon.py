"""A worker as a process of its own, in the background or attended by the process that started it.

Never in the caller's process: that may have TensorFlow and its threads, and jobs are forked.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from logging.handlers import RotatingFileHandler
from pathlib import Path

from odtk.errors import OdtkError
from odtk.queue.device_sets import ALL
from odtk.queue.queue_files import QueueFiles
from odtk.queue.signal_count import SignalCount
from odtk.queue.store import Store
from odtk.queue.worker import Log, Worker, WorkerSettings

_LOG_BYTES, _OLD_LOGS = 10**6, 3
_LAST = 2000  # characters of a log that are shown


def start(path: Path, settings: WorkerSettings) -> None:
    """Starts a worker in the background, and returns when it works; OdtkError if it cannot."""
    log = QueueFiles(path).worker_log(settings.device or ALL)
    with open(log, "ab") as output:
        process, answer = _launch(path, settings, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    process.wait()
    if not answer:
        raise OdtkError(f"The worker has ended. The end of its log, {log}: {log.read_text(errors='replace')[-_LAST:]}")
    _raise(answer)


def attend(path: Path, settings: WorkerSettings, log: Log) -> None:
    """Starts a worker, tells `log` what it does, and returns when it has ended; OdtkError if it cannot work.

    KeyboardInterrupt tells it to stop, is waited for, and raised. A second one does not let its jobs save anything. The
    worker also stops if this process is killed.
    """
    process, answer = _launch(path, settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    interrupted: KeyboardInterrupt | None = None
    while True:
        try:
            for line in process.stdout or ():
                log(**_message(line))
            process.wait()
            break
        except KeyboardInterrupt as error:
            interrupted = error
            process.terminate()
    if process.stdin:
        process.stdin.close()
    if interrupted:
        raise interrupted
    _raise(answer)
    if process.returncode:
        raise OdtkError(f"The worker ended with exit code {process.returncode}; what it said last is why.")


def _message(line: str) -> dict:
    """The arguments of a `log`, as `_ForAttendant` wrote them."""
    try:
        return json.loads(line)
    except ValueError:  # the rest of a line, of which Ctrl-C has taken the beginning
        return {"text": line.rstrip("\n")}


def _launch(path: Path, settings: WorkerSettings, **streams) -> tuple[subprocess.Popen, bytes]:
    """The process, and its answer, for `_raise`, once it works or has ended."""
    ready, report = os.pipe()
    is_attended = streams["stdin"] == subprocess.PIPE
    words = [str(report), str(path), json.dumps(asdict(settings)), *["attended"] * is_attended]
    with open(ready, "rb") as answer:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "odtk.queue", *words], pass_fds=[report], start_new_session=True, **streams
            )
        finally:
            os.close(report)
        return process, answer.read()


def _raise(answer: bytes) -> None:
    error = json.loads(answer or b"null")
    if error is not None:
        raise OdtkError(error["text"], argument=error["argument"])


def main() -> None:
    """The process of a worker, which `start` and `attend` start."""
    report, files = int(sys.argv[1]), QueueFiles(sys.argv[2])
    settings, is_attended = WorkerSettings(**json.loads(sys.argv[3])), "attended" in sys.argv[4:]
    # In the background this process ends at once, and its child, which can never get a terminal, works.
    if not is_attended and os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    _log_to(None if is_attended else files.worker_log(settings.device or ALL))
    signals = SignalCount(sys.stdin.fileno() if is_attended else None)
    with open(report, "wb") as answer:
        try:
            Worker(Store(files), settings, _log, signals).run(lambda: _answer(answer, None))
        except OdtkError as error:
            logging.error("%s", error)
            _answer(answer, {"text": str(error), "argument": error.argument})
            sys.exit(1)
        except Exception:
            logging.exception("the worker ended")
            sys.exit(1)


def _answer(answer, value: object) -> None:
    if not answer.closed:
        with contextlib.suppress(BrokenPipeError):  # who started it is gone
            answer.write(json.dumps(value).encode())
            answer.close()


def _log_to(path: Path | None) -> None:
    """A file that is kept small, or stdout, of which `attend` reads each line as the arguments of its `log`."""
    logging.raiseExceptions = False  # a full disk, or a reader that is gone
    handler: logging.Handler = logging.StreamHandler(sys.stdout)
    if path:
        handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_OLD_LOGS, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s") if path else _ForAttendant())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _log(text: str, is_change: bool = False) -> None:
    logging.info("%s", text, extra={"is_change": is_change})


class _ForAttendant(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"text": super().format(record), "is_change": getattr(record, "is_change", False)})
