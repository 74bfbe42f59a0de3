"""The database of a queue: any number of processes read and write it at once, and each change is whole or none."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator

from odtk.errors import OdtkError, OutputError
from odtk.queue.locks import locked
from odtk.queue.queue_files import QueueFiles

_PATIENCE = 60.0  # seconds for which a change waits for those of other processes
_VERSION = 1
_APPLICATION = int.from_bytes(b"odtk", "big")  # in the header of SQLite's file: whose database it is

_SCHEMA = """
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT,
  command TEXT NOT NULL,        -- JSON, as all that may hold bytes that are no text
  folder TEXT NOT NULL,         -- JSON
  environment TEXT NOT NULL,    -- JSON
  python TEXT NOT NULL,         -- JSON
  device TEXT,                  -- that was asked for
  uses TEXT,                    -- that is kept free for it: `device`, or what the command's own --devices says
  attempts INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL,
  note TEXT,                    -- what happened to it
  cancelling INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0,
  starts INTEGER NOT NULL DEFAULT 0,  -- as `attempt`, but never reset: names the file of its end
  exit_code INTEGER,
  added REAL NOT NULL,
  started REAL,
  ended REAL,
  seconds REAL,
  started_clock REAL,           -- of the clock that nothing sets
  process TEXT,                 -- JSON of its ProcessIdentity
  runs_on TEXT,
  worker TEXT                   -- the device of the worker that runs it
);
CREATE INDEX jobs_in_order ON jobs (state, priority, number);
CREATE TABLE predecessors (
  job INTEGER NOT NULL, predecessor INTEGER NOT NULL, PRIMARY KEY (job, predecessor)
) WITHOUT ROWID;
CREATE INDEX successors ON predecessors (predecessor);
CREATE TABLE workers (
  device TEXT PRIMARY KEY, process TEXT NOT NULL, started REAL NOT NULL, stop TEXT
);
"""

_FIX = "Free some space there, or choose a queue on another disk."
# By a part of SQLite's message, as Python 3.10 has no error codes: the reason, the fix, and whether it may pass.
_REASONS = {
    "database or disk is full": ("no space is left on its disk", _FIX, True),
    "disk I/O error": ("its disk is full or does not respond", _FIX, True),
    "database is locked": ("another process has locked it for a minute", "Try again.", True),
    "unable to open": ("it cannot be opened", "Check its folder, or choose another queue.", True),
    "readonly database": ("it is read-only", "Change its permissions, or choose another queue.", False),
    "not a database": ("it is not a queue of odtk", "Choose another file.", False),
    "malformed": ("it is damaged", "Remove it with the files beside it, or choose another queue.", False),
}

# Connections of the process that this one was forked from: they are not even closed here.
_inherited: list[sqlite3.Connection | None] = []


class QueueUnavailableError(OutputError):
    """A queue that cannot be read or written now, but perhaps later: its disk is full."""


class Store:
    """Connections to a queue's database, one for each thread; `files` says where it is."""

    def __init__(self, files: QueueFiles):
        self.files = files
        self._of_thread = threading.local()
        self._require_own()
        files.make()
        self._create()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the database for the whole block."""
        with self._block("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A block whose changes become visible together at its end, or not at all if it raises; one at a time."""
        with self._block("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _block(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._explaining():
            connection = self._connection()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _connection(self) -> sqlite3.Connection:
        # SQLite's connections must not be used in a process that was forked.
        if getattr(self._of_thread, "pid", None) != os.getpid():
            # rw: a queue that was removed under a worker is not made again.
            connection = self._connect("mode=rw")
            connection.row_factory = sqlite3.Row
            # FULL: what was acknowledged outlives a power failure.
            connection.execute("PRAGMA synchronous = FULL")
            _inherited.append(getattr(self._of_thread, "connection", None))
            self._of_thread.connection, self._of_thread.pid = connection, os.getpid()
        return self._of_thread.connection

    def _require_own(self) -> None:
        """Raises OutputError for a file of something else, to which, and beside which, nothing is written."""
        if os.path.exists(self.files.database):
            with self._explaining(), contextlib.closing(self._connect("mode=ro&immutable=1")) as connection:
                try:
                    _require_application(connection)
                except sqlite3.DatabaseError as error:
                    # A file looks damaged while another process writes, for which this connection does not wait.
                    if "not a database" in str(error):
                        raise

    def _connect(self, how: str) -> sqlite3.Connection:
        uri = f"{self.files.database.as_uri()}?{how}"
        return sqlite3.connect(uri, timeout=_PATIENCE, isolation_level=None, uri=True)

    def _create(self) -> None:
        with self._explaining(), locked(self.files.folder / "create.lock"):
            connection = self._connection()
            _require_application(connection)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise OdtkError(
                    f"{self.files.database} is a queue of a newer odtk. Update odtk, or choose another queue.",
                    argument="queue",
                )
            if version < _VERSION:
                self.files.remove_leftovers()
                ids = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION};"
                connection.executescript(f"BEGIN; {_SCHEMA} {ids} COMMIT;")
            # Not before: whose it is then stands in the file itself, never in the log of changes alone.
            connection.execute("PRAGMA journal_mode = WAL")

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            known = next((row for text, row in _REASONS.items() if text in str(error)), None)
            reason, fix, may_pass = known or (f"SQLite says: {error}", "Choose another queue.", False)
            kind = QueueUnavailableError if may_pass else OutputError
            text = f"The queue {self.files.database} cannot be used: {reason}. Nothing was changed. {fix}"
            raise kind(text, argument="queue") from error


def _require_application(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError, as for a file of another kind, for a database of another program."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == _APPLICATION:
        return
    if application or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError("not a database of odtk")
