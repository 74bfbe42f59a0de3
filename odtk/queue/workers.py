"""The workers of a queue: which ones live, what they run, and how they are told to stop."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator

from odtk.errors import OdtkError
from odtk.process_identity import ProcessIdentity, identify
from odtk.queue.device_sets import ALL
from odtk.queue.job import RUNNING, WorkerRecord
from odtk.queue.locks import is_locked, open_locked
from odtk.queue.queue_files import QueueFiles
from odtk.queue.store import Store

AFTER, NOW = "after", "now"

ASKED, TOLD = 1, 2
"""Of a job that is being cancelled: its worker is to send SIGTERM, or it was sent."""


def read_all(database: sqlite3.Connection, files: QueueFiles) -> list[WorkerRecord]:
    """The workers that live."""
    rows = database.execute("SELECT * FROM workers ORDER BY device").fetchall()
    running = database.execute(f"SELECT number, worker FROM jobs WHERE state = '{RUNNING}' ORDER BY number").fetchall()
    found = []
    for row in rows:
        if is_locked(files.worker_lock(row["device"])):
            process = ProcessIdentity.from_text(row["process"])
            found.append(
                WorkerRecord(
                    device=None if row["device"] == ALL else row["device"],
                    pid=process.pid,
                    host=process.host,
                    started=row["started"],
                    jobs=tuple(each["number"] for each in running if each["worker"] == row["device"]),
                    stop=row["stop"],
                    log_path=files.worker_log(row["device"]),
                )
            )
    return found


@contextlib.contextmanager
def registered(store: Store, device: str | None) -> Iterator[None]:
    """Makes this process the worker of a device for the block; OdtkError if there is one."""
    key = device or ALL
    lock = open_locked(store.files.worker_lock(key))
    if lock is None:
        raise OdtkError(_taken(store, key), argument="device")
    try:
        with store.writing() as database:
            values = (key, identify().as_text(), time.time())
            database.execute("INSERT OR REPLACE INTO workers VALUES (?, ?, ?, NULL)", values)
        yield
    finally:
        os.close(lock)


def ask_to_stop(store: Store, how: str) -> list[WorkerRecord]:
    """Tells all workers to stop AFTER their jobs or NOW, and returns them."""
    with store.writing() as database:
        database.execute("UPDATE workers SET stop = ? WHERE stop IS NOT ?", (how, NOW))
        return read_all(database, store.files)


def asked_to_stop(database: sqlite3.Connection, device: str | None) -> str | None:
    """How the worker of a device was told to stop: AFTER, NOW or None."""
    return database.execute("SELECT stop FROM workers WHERE device = ?", (device or ALL,)).fetchone()["stop"]


def terminate_orphan(store: Store, number: int) -> None:
    """Sends SIGTERM to a running job whose worker is gone; the next worker notes its end."""
    with store.reading() as database:
        row = database.execute("SELECT process, worker, cancelling FROM jobs WHERE number = ?", (number,)).fetchone()
    if row["cancelling"] == ASKED and row["process"] and not is_locked(store.files.worker_lock(row["worker"])):
        process = ProcessIdentity.from_text(row["process"])
        if process.is_alive():
            with store.writing() as database:
                database.execute("UPDATE jobs SET cancelling = ? WHERE number = ?", (TOLD, number))
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)


def _taken(store: Store, key: str) -> str:
    with store.reading() as database:
        device = None if key == ALL else key
        other = next((each for each in read_all(database, store.files) if each.device == device), None)
    who = f"process {other.pid} on {other.host}" if other else "another process"
    what = f"A worker of {key}" if device else "A worker"
    fix = "It ends soon: wait for it." if other and other.stop else "It takes new jobs by itself."
    return f"{what} works for the queue {store.files.database} already: {who}. {fix}"
