"""The findings of checks, in one form for configs, label maps, datasets and records."""

from collections.abc import Iterable
from dataclasses import dataclass

from odtk.errors import Option
from odtk.terminal_text import on_one_line

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)
"""An error breaks the next step or its results, a warning probably does, a note is good to know."""


@dataclass(frozen=True)
class Example:
    """One example of a finding about data: where it is, and what is wrong there.

    `rows` are indices among the scanned images: of the image itself and, for near-duplicates, of the others; empty if
    there is no image to show. `boxes` are indices among the boxes of the first image.
    """

    text: str  # "cat is 3 x 2 pixels"
    file: str  # annotation, image or record file
    line: int | None = None
    offset: int | None = None  # of the record in its file, bytes
    image: str | None = None  # its name: the key in the dataset, the source_id or filename of the record
    split: str | None = None
    rows: tuple[int, ...] = ()
    boxes: tuple[int, ...] = ()

    @property
    def where(self) -> str:
        """`cat.xml:12`, or `train.record, byte 5120, image cat.jpg`."""
        if self.line is not None:
            return f"{self.file}:{self.line}"
        parts = [self.file, f"byte {self.offset}" if self.offset is not None else ""]
        parts += [f"image {self.image}"] * bool(self.image and not self.file.endswith(self.image))
        return ", ".join(filter(None, parts))

    def __str__(self) -> str:
        return on_one_line(f"{self.where}: {self.text}")


@dataclass(frozen=True)
class Finding:
    """One issue that the user of a config, a label map or a dataset should know about."""

    severity: str
    text: str
    """What was found and what was expected: a sentence, or, with a `path` before it, one that begins with "is"."""
    path: str = ""
    """The field of a config, dotted: `model.ssd.num_classes`."""
    edits: tuple[tuple[str, str], ...] = ()
    """Fields of the config, dotted, and the values that fix it; an empty value removes a field."""
    kind: str = ""
    """A stable name for the kind of finding: `tiny-boxes`."""
    fix: str = ""
    """What to do about it, in sentences; it may be a command to paste."""
    count: int = 1
    """How many boxes, images, files ... it is about."""
    examples: tuple[Example, ...] = ()
    """The first few of these."""
    options: tuple[Option, ...] = ()
    """Options of commands that are the fix, or may be."""
    file: str = ""
    line: int | None = None  # of the file, from 1; None if it is about the whole file

    @property
    def where(self) -> str:
        """`label_map.pbtxt:12`, the file alone, or the field of the config: `train_config.batch_size (line 7)`."""
        if self.file:
            return f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.path} (line {self.line})" if self.line else self.path

    def __str__(self) -> str:
        where = f"{on_one_line(self.where)}: " if self.where else ""
        # For a config it is a command.
        fix = f" Fix it: {self.fix}" if self.path and self.fix else ""
        return f"{self.severity}: {where}{self.text}{fix}"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 box`, `1,200 boxes`; `many` is `one` with an s if it is not given."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings sorted by severity, otherwise in the given order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding is an error."""
    return any(finding.severity == ERROR for finding in findings)


def summary(findings: Iterable[Finding]) -> str:
    """The number of findings of each severity: `1 error, no warnings, 2 notes.`"""
    found = [finding.severity for finding in findings]
    counts = [(found.count(severity), severity) for severity in SEVERITIES]
    return ", ".join(f"{count or 'no'} {word}{'s' * (count != 1)}" for count, word in counts) + "."
