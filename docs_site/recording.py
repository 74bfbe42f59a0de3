"""Records a command in a terminal, as an asciicast (https://docs.asciinema.org/manual/asciicast/v2/).

    python -m docs_site.recording docs/demo.cast.gz odtk demo

runs the command in a terminal of its own, of 100 columns and 30 rows, and writes what it printed and when. It needs
Linux or macOS.
"""

import argparse
import fcntl
import gzip
import json
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

COLUMNS, ROWS = 100, 30
_CHUNK = 65536


def record(command: Sequence[str], columns: int = COLUMNS, rows: int = ROWS) -> tuple[list[tuple[float, str]], int]:
    """What a command prints on a terminal: (seconds since its start, text), and its exit code."""
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(columns), "LINES": str(rows)}
        os.execvp(command[0], list(command))
    started = time.monotonic()
    events = [(moment - started, text) for moment, text in _output(terminal)]
    return events, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _output(terminal: int) -> Iterator[tuple[float, str]]:
    left = b""
    while True:
        select.select([terminal], [], [])
        try:
            read = os.read(terminal, _CHUNK)
        except OSError:  # Linux says so when the command has ended
            read = b""
        if not read:
            return
        # A character may be cut in two.
        whole = (left + read).decode("utf-8", "ignore")
        left = (left + read)[len(whole.encode()) :]
        yield time.monotonic(), whole


def write_cast(path: Path, events: Sequence[tuple[float, str]], typed: str, columns: int, rows: int) -> None:
    """Writes an asciicast of version 2: a line of JSON for the terminal, and one for each piece of output.

    A path that ends in .gz is compressed: a panel that is drawn again and again is mostly repetition.
    """
    header = {"version": 2, "width": columns, "height": rows, "title": typed, "command": typed}
    lines = [json.dumps(header), *(json.dumps([round(moment, 3), "o", text]) for moment, text in events)]
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def read_cast(path: Path) -> tuple[dict, list[tuple[float, str]]]:
    """The header and the output of an asciicast."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    header, *lines = (json.loads(line) for line in text.splitlines() if line)
    return header, [(moment, text) for moment, kind, text in lines if kind == "o"]


def main() -> None:
    """Records the command of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cast", type=Path, help="the asciicast to write")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    given = parser.parse_args()
    events, code = record(given.command)
    write_cast(given.cast, events, " ".join(given.command), COLUMNS, ROWS)
    print(f"Wrote {given.cast}: {len(events)} pieces in {events[-1][0]:.0f} s, exit code {code}.")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
