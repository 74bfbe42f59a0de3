"""The texts that a project's config has had: what a page was loaded with, what can be undone.

They are kept by digest in the studio's own folder. A page sends the digest of what it was loaded with, so that a change
made meanwhile, in another tab or a terminal, is noticed, and so that only what was changed on the page is set.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from odtk import pipeline
from odtk.atomic import write_text
from odtk.web.kept_files import keep_newest
from odtk.web.projects import Project

_KEPT = 100
_DIGEST = re.compile(r"[0-9a-f]{16}")


def digest_of(text: str) -> str:
    """Of a config's text; 16 hexadecimal digits."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True)
class ConfigHistory:
    """The earlier texts of a project's config."""

    project: Project

    @property
    def folder(self) -> Path:
        """Of the texts."""
        return self.project.workspace.hidden / "configs" / self.project.name

    def now(self) -> str:
        """The text of the config, which is remembered. Raises ConfigError if it cannot be read."""
        text = pipeline.read_text(self.project.config)
        self.keep(text)
        order = self._order()
        if not order or order[-1] != digest_of(text):
            self._write_order([*order, digest_of(text)])
        return text

    def keep(self, text: str) -> Path:
        """Keeps a text that need not be the config's, and returns its file."""
        place = self._place(digest_of(text))
        if not place.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(place, text)
            self._remove_oldest()
        return place

    def _remove_oldest(self) -> None:
        """Keeps the newest of the texts that never were the config's, as those that were only tried."""
        order = set(self._order())
        tried = [path for path in self.folder.glob("*.config") if path.stem not in order]
        keep_newest(tried, _KEPT)

    def text_of(self, digest: str) -> str | None:
        """A text that was kept; None if there is none (or the digest is none)."""
        place = self._place(digest) if _DIGEST.fullmatch(digest) else None
        return place.read_text(encoding="utf-8") if place is not None and place.exists() else None

    def earlier(self) -> str | None:
        """The text before the present one."""
        order = self._order()
        return self.text_of(order[-2]) if len(order) > 1 else None

    def undo(self) -> bool:
        """Writes the text before the present one, which is forgotten; False if there is none."""
        text = self.earlier()
        if text is None:
            return False
        write_text(self.project.config, text)
        self._write_order(self._order()[:-1])
        return True

    def _place(self, digest: str) -> Path:
        return self.folder / f"{digest}.config"

    def _order(self) -> list[str]:
        try:
            return self._order_file.read_text(encoding="ascii").split()
        except OSError:
            return []

    def _write_order(self, order: list[str]) -> None:
        for digest in set(order[:-_KEPT]) - set(order[-_KEPT:]):
            self._place(digest).unlink(missing_ok=True)
        write_text(self._order_file, "\n".join(order[-_KEPT:]) + "\n")

    @property
    def _order_file(self) -> Path:
        return self.folder / "order.txt"
