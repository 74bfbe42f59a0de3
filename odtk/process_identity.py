"""Which process is meant, also after its number was given to another, or the machine restarted."""

import json
import os
import socket
from dataclasses import asdict, dataclass

from odtk.unfinished import is_running


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of some machine."""

    host: str
    boot: str  # of the machine's kernel; "" if unknown
    processes: str  # the namespace of its process numbers; "" if unknown
    pid: int
    started: str  # when it began, in the system's own units; "" if unknown

    @classmethod
    def from_text(cls, text: str) -> "ProcessIdentity":
        """What `as_text` wrote."""
        return cls(**json.loads(text))

    def as_text(self) -> str:
        """To be kept in a file."""
        return json.dumps(asdict(self))

    def can_be_seen(self) -> bool:
        """Whether its number means something here: it is of this machine, since it started, and of this container."""
        # A machine may be renamed while it runs.
        is_here = self.boot == boot_id() and (self.boot != "" or self.host == socket.gethostname())
        return is_here and self.processes == pid_namespace()

    def is_alive(self) -> bool:
        """Whether it is running; only for one that can be seen."""
        return self.can_be_seen() and is_running(self.pid) and start_of(self.pid) == self.started


def identify(pid: int | None = None) -> ProcessIdentity:
    """A process of this machine; without `pid` this one."""
    pid = pid or os.getpid()
    return ProcessIdentity(socket.gethostname(), boot_id(), pid_namespace(), pid, start_of(pid))


def boot_id() -> str:
    """Of the running kernel; "" if it has none."""
    return _text_of("/proc/sys/kernel/random/boot_id")


def pid_namespace() -> str:
    """Within which this process's number is unique; "" if unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def start_of(pid: int) -> str:
    """When a process began, in the system's units; "" if it is unknown: numbers are given again after a while."""
    # Its name, in parentheses, may contain anything.
    fields = _text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
