"""Edits of a config's text that keep its layout: adds, replaces or removes an entry."""

import re

from odtk.prototext.syntax import Entry, Message, Scalar


class Layout:
    """The style of a text, its line end and its indentation; every method returns the edited text."""

    def __init__(self, text: str):
        self._text = text
        self._eol = "\r\n" if "\r\n" in text else "\n"
        step = re.search(r"[{<][ \t]*(?:#[^\n]*)?\r?\n([ \t]*)[^\s#}>]", text)
        self._unit = self._unit_from(step) if step else "  "

    def _unit_from(self, match: re.Match) -> str:
        outer, inner = self._indentation(match.start()), match.group(1)
        return inner[len(outer) :] if inner.startswith(outer) and inner != outer else "  "

    def replace_scalar(self, value: Scalar, text: str) -> str:
        """Replaces a scalar by another; comments around it stay."""
        return self._text[: value.start] + text + self._text[value.end :]

    def replace_message(self, entry: Entry, value: Message, lines: list[str]) -> str:
        """Replaces the body of a message by `lines`, which are indented by 2 spaces per level."""
        opening, closing = self._text[value.start], self._text[value.end - 1]
        if self._shares_its_lines(value.start if entry.is_list else entry.start, value.end):
            body = " ".join(["", *(line.strip() for line in lines), ""])
        else:
            indentation = self._indentation(entry.start)
            body = self._eol + self._indented(lines, indentation + self._unit) + self._eol * bool(lines) + indentation
        return self._text[: value.start] + opening + body + closing + self._text[value.end :]

    def replace_entry(self, entry: Entry, lines: list[str]) -> str:
        """Replaces a field by another."""
        if self._shares_its_lines(entry.start, entry.end):
            new = " ".join(line.strip() for line in lines)
        else:
            new = self._indented(lines, self._indentation(entry.start)).lstrip()
        return self._text[: entry.start] + new + self._text[entry.end :]

    def remove_entry(self, entry: Entry) -> str:
        """Removes a field, with its lines and the comment after it if nothing else is on them."""
        start, end = entry.start, entry.end
        if self._shares_its_lines(start, end):
            while start and self._text[start - 1] in " \t":
                start -= 1
        else:
            start = self._line_start(start)
            end = self._line_end(end) + 1
        return self._text[:start] + self._text[end:]

    def remove_element(self, entry: Entry, index: int) -> str:
        """Removes a value from a list in square brackets (or the whole field, if it is the last one)."""
        if len(entry.values) == 1:
            return self.remove_entry(entry)
        if index + 1 < len(entry.values):
            start, end = entry.values[index].start, entry.values[index + 1].start
        else:
            start, end = entry.values[index - 1].end, entry.values[index].end
        return self._text[:start] + self._text[end:]

    def append_element(self, entry: Entry, text: str) -> str:
        """Adds a value at the end of a list in square brackets."""
        if entry.values:
            at = entry.values[-1].end
            return f"{self._text[:at]}, {text}{self._text[at:]}"
        at = self._text.index("[", entry.start + len(entry.name)) + 1
        return self._text[:at] + text + self._text[at:]

    def insert(self, owner: Entry | None, message: Message, lines: list[str], after: Entry | None) -> str:
        """Adds a field to a message, after `after` or as its only one; `owner` is the entry that holds the message."""
        if message.is_root or owner is None:
            return self._insert_at_root(lines, after)
        if after is None:
            return self._insert_first(owner, message, lines)
        if "\n" not in self._text[message.start : message.end]:
            return self._splice(after.end, " " + " ".join(line.strip() for line in lines))
        return self._insert_behind(after, lines, self._indentation(owner.start) + self._unit)

    def _insert_at_root(self, lines: list[str], after: Entry | None) -> str:
        if after is None:
            gap = "" if not self._text or self._text.endswith("\n") else self._eol
            return self._text + gap + self._indented(lines, "") + self._eol
        return self._insert_behind(after, lines, "")

    def _insert_first(self, owner: Entry, message: Message, lines: list[str]) -> str:
        outer, closing = self._indentation(owner.start), message.end - 1
        if self._is_first_on_line(closing):  # only comments may be before the brace
            return self._splice(self._line_start(closing), self._indented(lines, outer + self._unit) + self._eol)
        inner = self._text[message.start + 1 : closing].rstrip()
        if self._shares_its_lines(owner.start, owner.end):
            body = " ".join([inner, *(line.strip() for line in lines), ""])
        else:
            body = inner + self._eol + self._indented(lines, outer + self._unit) + self._eol + outer
        return self._text[: message.start + 1] + body + self._text[closing:]

    def _insert_behind(self, after: Entry, lines: list[str], indentation: str) -> str:
        if self._is_first_on_line(after.start):
            indentation = self._indentation(after.start)
        at = self._line_end(after.end) if self._is_last_on_line(after.end) else after.end
        at -= self._text[:at].endswith("\r")
        rest = self._text[at:].lstrip(" \t")
        closes_here = rest.startswith(("}", ">"))
        tail = self._eol + indentation.removesuffix(self._unit) if closes_here else ""
        return (
            self._text[:at]
            + self._eol
            + self._indented(lines, indentation)
            + tail
            + (rest if closes_here else self._text[at:])
        )

    def _splice(self, at: int, text: str) -> str:
        return self._text[:at] + text + self._text[at:]

    def _indented(self, lines: list[str], indentation: str) -> str:
        depths = [(len(line) - len(line.lstrip(" "))) // 2 for line in lines]
        return self._eol.join(
            indentation + self._unit * depth + line.lstrip(" ") for depth, line in zip(depths, lines, strict=True)
        )

    def _line_start(self, offset: int) -> int:
        return self._text.rfind("\n", 0, offset) + 1

    def _line_end(self, offset: int) -> int:
        end = self._text.find("\n", offset)
        return len(self._text) if end < 0 else end

    def _indentation(self, offset: int) -> str:
        line = self._text[self._line_start(offset) :]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _is_first_on_line(self, offset: int) -> bool:
        return not self._text[self._line_start(offset) : offset].strip()

    def _is_last_on_line(self, offset: int) -> bool:
        """Whether only a comment follows."""
        return re.fullmatch(r"\s*(#.*)?", self._text[offset : self._line_end(offset)]) is not None

    def _shares_its_lines(self, start: int, end: int) -> bool:
        return not (self._is_first_on_line(start) and self._is_last_on_line(end))
