"""Measures the parts one after the other, and writes the results after each."""

import argparse
import tempfile
import time
from pathlib import Path

from bench.accelerator.document import printed, write
from bench.accelerator.parts import PARTS, Part, chosen
from bench.accelerator.workers import Workers

_LONGEST = 3
"""A part is ended after so many times the seconds that it is expected to take."""


def main() -> None:
    """Prints a line for each part, and the table at the end."""
    parser = argparse.ArgumentParser(prog="python -m bench.accelerator", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="for all parts together [30]")
    names = ", ".join(part.name for part in PARTS)
    only = f"parts with one of these words in their names: {names}"
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help=only)
    parser.add_argument("--out", type=Path, metavar="FILE", help="file or folder of the results [bench/]")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the script")
    options = parser.parse_args()
    try:
        parts = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    with (
        tempfile.TemporaryDirectory(prefix="odtk-accelerator-") as folder,
        Workers(options.small, Path(folder)) as workers,
    ):
        document = measure(parts, workers, 60 * options.minutes, options.small, options.out)
    print(f"\n{printed(document)}")


def measure(parts: list[Part], workers: Workers, seconds: float, small: bool, out: Path | None) -> dict:
    """Measures what there is time for; returns the document, which is also written after each part."""
    ends, began = time.monotonic() + seconds, time.time()
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(began))
    document: dict = {"started": started, "small": small, "parts": {}}
    for part in parts:
        document["parts"][part.name] = found = _measure(part, workers, ends - time.monotonic())
        document["seconds"] = round(time.time() - began)
        place = write(document, out)
        print(f"{part.name}: {found['status']} in {found['seconds']} s {found.get('error', '')}"[:600], flush=True)
    print(f"Wrote {place}.")
    return document


def _measure(part: Part, workers: Workers, left: float) -> dict:
    if left < part.seconds / 2:
        return {"status": "left out", "error": f"{max(left, 0):.0f} s were left", "seconds": 0}
    began = time.monotonic()
    answer = workers.measure(part, min(left, _LONGEST * part.seconds))
    status = "measured" if "figures" in answer else "failed"
    return {"status": status, "seconds": round(time.monotonic() - began, 1), **answer}


if __name__ == "__main__":
    main()
