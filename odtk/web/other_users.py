"""Who else has an account on this machine: all its users reach what listens on its loopback interface."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_FIRST, _LAST = 1000, 60000  # numbers of people's accounts, by Debian's and Fedora's rules
_NO_SHELLS = ("", "nologin", "false", "sync")
_NO_HOMES = ("", "/", "/nonexistent", "/dev/null", "/var/empty")
_ADMINISTRATORS = ("sudo", "wheel", "admin", "google-sudoers")


def other_users(accounts: str, groups: str, logged_in: Iterable[str], me: str) -> list[str]:
    """The names of people other than `me`, sorted.

    Those in `accounts` (the text of /etc/passwd) that can log in, and those who are logged in: these may come from a
    directory of the network, which is not asked for all its names. Who may become root by `groups` (the text of
    /etc/group) is left out, as a token keeps nothing from root: such is the first account of a cloud's machine, and of
    many a container. Homes are not looked at: a drive that is away would hold up the start.
    """
    people = {row[0] for row in _rows(accounts, 7) if _is_of_a_person(row)} | set(logged_in)
    administrators = {name for row in _rows(groups, 4) if row[0] in _ADMINISTRATORS for name in row[3].split(",")}
    return sorted(people - administrators - {me, "root"})


def others_here() -> list[str]:
    """Those of this machine."""
    import psutil  # type: ignore[import-untyped]

    logged_in = []
    with contextlib.suppress(OSError):
        logged_in = [user.name for user in psutil.users()]
    return other_users(_text_of("/etc/passwd"), _text_of("/etc/group"), logged_in, _my_name())


def without_token_note(others: list[str]) -> str:
    """What is said of a studio without a token; empty if there is no one else."""
    if not others:
        return ""
    named = others[0] if len(others) == 1 else f"{others[0]} and {len(others) - 1} more"
    return (
        f"note: This machine has other users ({named}). They can open this studio, too, and do all that it does with "
        "your rights. Start it with --token to keep it to yourself."
    )


def _rows(text: str, columns: int) -> list[list[str]]:
    rows = (line.strip().split(":") for line in text.splitlines())
    return [row for row in rows if len(row) == columns]


def _is_of_a_person(row: list[str]) -> bool:
    number, home, shell = row[2], row[5], os.path.basename(row[6])
    return number.isdecimal() and _FIRST <= int(number) < _LAST and shell not in _NO_SHELLS and home not in _NO_HOMES


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _my_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
