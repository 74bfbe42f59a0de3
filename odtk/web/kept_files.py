"""Files that the studio keeps for itself, of which only the newest stay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path


def keep_newest(paths: Iterable[Path], most: int) -> None:
    """Removes all but the `most` files that were written last; another thread may remove some of them, too."""
    with contextlib.suppress(OSError):
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[most:]:
            path.unlink(missing_ok=True)
