"""A page of a gallery: which images are asked for, those of one page, and the addresses of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from odtk.datasets.image_index import SIZES, ImageIndex, IndexedImage, Wanted
from odtk.errors import OdtkError

PER_PAGE = 24


@dataclass(frozen=True)
class Filters:
    """What the form of a gallery says."""

    wanted: Wanted
    page: int = 1

    def query(self, path: str, **changes: int) -> str:
        """The query of an address that asks for the same."""
        wanted = self.wanted
        values = {
            "path": path, "class": wanted.class_name, "size": wanted.size, "split": wanted.split,
            "finding": wanted.finding, "name": wanted.name, "empty": "on" if wanted.is_empty else "",
            "page": self.page, **changes,
        }  # fmt: skip
        return urlencode({key: value for key, value in values.items() if value not in ("", None)})


def filters_of(query: Mapping[str, str]) -> Filters:
    """The filters in a query; OdtkError for a size, finding or page that cannot be."""
    size, finding, page = query.get("size", ""), query.get("finding", ""), query.get("page", "1")
    if size not in ("", *SIZES) or not (finding == "" or finding.isdecimal()) or not page.isdecimal():
        raise OdtkError(f"These filters are not known: size {size!r}, finding {finding!r}, page {page!r}.")
    wanted = Wanted(
        query.get("class", ""), size, query.get("split", ""), int(finding[:9]) if finding else None,
        query.get("name", "").strip(), "empty" in query,
    )  # fmt: skip
    return Filters(wanted, max(int(page[:9]), 1))


@dataclass(frozen=True)
class GalleryPage:
    """Some images of those that are asked for."""

    filters: Filters
    images: list[IndexedImage]
    count: int

    @property
    def last(self) -> int:
        """The number of the last page."""
        return _last_page(self.count)

    @property
    def first_shown(self) -> int:
        """The place of the first image among all that are asked for, from 1."""
        return (self.filters.page - 1) * PER_PAGE + 1


def _last_page(count: int) -> int:
    return max(-(-count // PER_PAGE), 1)


def gallery_page(index: ImageIndex, filters: Filters) -> GalleryPage:
    """The page that is asked for, or the last one if there are fewer."""
    count = index.count(filters.wanted)
    page = min(filters.page, _last_page(count))
    found = index.some(filters.wanted, (page - 1) * PER_PAGE, PER_PAGE)
    return GalleryPage(Filters(filters.wanted, page), found, count)
