"""Where a queue keeps its files: FILE is the database, and FILE.files holds logs, locks and what jobs report."""

import contextlib
import os
from pathlib import Path

from odtk.errors import OutputError
from odtk.system_errors import describe


class QueueFiles:
    """The paths of one queue."""

    def __init__(self, path: str | os.PathLike | None = None):
        self.database = Path(os.path.abspath(path or _default_path()))
        self.folder = self.database.with_name(self.database.name + ".files")

    def make(self) -> None:
        """Makes the folders, which only the user can read: logs and environments may hold secrets."""
        try:
            self.database.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            # Never opened once it is there: closing a file drops all locks that SQLite holds on it in this process, and
            # another process would then remove the log of changes that this one still writes.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise OutputError(describe(error, self.database), argument="queue") from error

    def log(self, number: int) -> Path:
        """What a job printed, in all attempts."""
        return self.folder / f"{number}.log"

    def progress(self, number: int) -> Path:
        """Where a job reports its progress."""
        return self.folder / f"{number}.progress"

    def end(self, number: int, start: int) -> Path:
        """Where the end of a job's `start`-th start is noted; the file is locked as long as the job lives."""
        return self.folder / f"{number}.{start}.end"

    def of_job(self, number: int) -> list[Path]:
        """All files of a job that are there."""
        return list(self.folder.glob(f"{number}.*"))

    def remove_leftovers(self) -> None:
        """Removes the files of an earlier queue of this name, whose jobs had the same numbers."""
        for path in self.folder.glob("[0-9]*.*"):
            path.unlink(missing_ok=True)

    def worker_lock(self, device: str) -> Path:
        """Locked as long as the worker of a device lives."""
        return self.folder / f"worker-{device}.lock".replace(":", "-")

    def worker_log(self, device: str) -> Path:
        """What the worker of a device did."""
        return self.folder / f"worker-{device}.log".replace(":", "-")


def _default_path() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "odtk" / "queue.db"
