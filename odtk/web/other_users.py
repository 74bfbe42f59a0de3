"""Who else has an account on this machine: all its users reach what listens on its loopback interface."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_FIRST, _LAST = 1000, 60000  # numbers of people's accounts, by Debian's and Fedora's rules
_NO_SHELLS = ("nologin", "false", "sync")


def other_users(accounts: str, logged_in: Iterable[str], me: str) -> list[str]:
    """The names of people other than `me`, sorted.

    Those in `accounts` (the text of /etc/passwd) that can log in and have a home, and those who are logged in: these
    may come from a directory of the network, which is not asked for all its names.
    """
    rows = [line.split(":") for line in accounts.splitlines() if line.count(":") == 6]
    people = {row[0] for row in rows if row[2].isdecimal() and _FIRST <= int(row[2]) < _LAST and _can_log_in(row)}
    return sorted((people | set(logged_in)) - {me, "root"})


def others_here() -> list[str]:
    """Those of this machine."""
    import psutil  # type: ignore[import-untyped]

    accounts, logged_in = "", []
    with contextlib.suppress(OSError):
        accounts = Path("/etc/passwd").read_text(encoding="utf-8", errors="replace")
    with contextlib.suppress(OSError):
        logged_in = [user.name for user in psutil.users()]
    return other_users(accounts, logged_in, _my_name())


def without_token_note(others: list[str]) -> str:
    """What is said of a studio without a token; empty if there is no one else."""
    if not others:
        return ""
    named = others[0] if len(others) == 1 else f"{others[0]} and {len(others) - 1} more"
    return (
        f"note: This machine has other users ({named}). They can open this studio, too, and do all that it does with "
        "your rights. Start it with --token to keep it to yourself."
    )


def _can_log_in(row: list[str]) -> bool:
    return os.path.basename(row[6].strip()) not in ("", *_NO_SHELLS) and os.path.isdir(row[5])


def _my_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
