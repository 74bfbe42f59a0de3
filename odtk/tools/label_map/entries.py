"""The items of a label map as written, including invalid ones, each value with its line."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import text_encoding

from odtk.label_map import BACKGROUND, line_finder
from odtk.prototext import syntax

FIELDS = ("id", "name", "display_name")


@dataclass
class LabelMapEntry:
    """An item as written, valid or not; a repeated field has several values."""

    line: int
    values: dict[str, list[tuple[str, int]]]  # by field: value, line

    def one(self, name: str) -> str | None:
        """The value of a field; None if it has no value or several."""
        values = self.values.get(name, [])
        return values[0][0] if len(values) == 1 else None

    @property
    def number(self) -> int | None:
        """The id; None if it is missing or not an integer."""
        text = self.one("id")
        try:
            return None if text is None else int(text, 0)
        except ValueError:
            return None

    @property
    def name(self) -> str | None:
        """The name that annotations use."""
        return self.one("name") or self.one("display_name")

    @property
    def is_background(self) -> bool:
        """Whether it is the item with id 0 for the background, which is not a class."""
        return self.number == 0 and BACKGROUND in (self.one("name"), self.one("display_name"))


def read_items(text: str) -> Iterator[LabelMapEntry]:
    """The items; raises ValueError if the text is not in text format."""
    line_of = line_finder(text)
    for entry in syntax.read_tree(text).named("item"):
        for value in entry.values:
            item = LabelMapEntry(line_of(entry.start), defaultdict(list))
            for inner in getattr(value, "entries", []):
                for scalar in inner.values:
                    item.values[inner.name].append((_plain(text[scalar.start : scalar.end]), line_of(inner.start)))
            yield item


def _plain(written: str) -> str:
    """A scalar's value: strings without quotes and escapes."""
    strings = [token.text[1:-1] for token in syntax.tokenize(written) if token.kind == "string"]
    try:
        return b"".join(map(text_encoding.CUnescape, strings)).decode("utf-8", "replace") if strings else written
    except ValueError:
        return written
