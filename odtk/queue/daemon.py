"""A worker in the background: no terminal, a session of its own, its log in a file."""

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
from odtk.queue.store import Store
from odtk.queue.worker import Worker, WorkerSettings

_LOG_BYTES, _OLD_LOGS = 10**6, 3
_LAST = 2000  # characters of a log that are shown


def start(path: Path, settings: WorkerSettings) -> None:
    """Starts a worker in the background, and returns when it works; OdtkError if it cannot."""
    log = QueueFiles(path).worker_log(settings.device or ALL)
    ready, report = os.pipe()
    with open(ready, "rb") as answer, open(log, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "odtk.queue", str(report), str(path), json.dumps(asdict(settings))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[report],
            start_new_session=True,
        )
        os.close(report)
        text = answer.read()
    process.wait()
    if not text:
        last = log.read_text(errors="replace")[-_LAST:].strip()
        raise OdtkError(f"The worker ended before it worked. The end of its log, {log}: {last}")
    if (error := json.loads(text)) is not None:
        raise OdtkError(error["text"], argument=error["argument"])


def main() -> None:
    """The process that `start` starts: it ends at once, and its child, which can never get a terminal, works."""
    report = int(sys.argv[1])
    files, settings = QueueFiles(sys.argv[2]), WorkerSettings(**json.loads(sys.argv[3]))
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    with open(report, "wb") as answer:
        try:
            _log_to(files.worker_log(settings.device or ALL))
            Worker(Store(files), settings, logging.info).run(lambda: _answer(answer, None))
        except OdtkError as error:
            logging.error("%s", error)
            _answer(answer, {"text": str(error), "argument": error.argument})
        except Exception:
            logging.exception("the worker ended")
            raise


def _answer(answer, value: object) -> None:
    if not answer.closed:
        with contextlib.suppress(BrokenPipeError):  # who started it is gone
            answer.write(json.dumps(value).encode())
            answer.close()


def _log_to(path: Path) -> None:
    logging.raiseExceptions = False  # a full disk
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_OLD_LOGS, encoding="utf-8")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=[handler], force=True
    )
