"""What an inspection says: counts, histograms, anchor coverage and findings; `document` is the JSON of all of it."""

import dataclasses
import shlex
from dataclasses import dataclass, field

from odtk.terminal_text import on_one_line

ERROR, WARNING, INFORMATION = "error", "warning", "information"
SEVERITIES = (ERROR, WARNING, INFORMATION)
"""An error breaks or spoils training, a warning most likely does, information is good to know."""

RECORDS, CONFIG = "records", "pipeline.config"
"""Kinds of targets that are no annotated data set."""

NO_SPLIT = "all"
"""The name of the only split where a data set has none."""


@dataclass(frozen=True)
class Example:
    """One case of a finding: where it is, and what is so there.

    `rows` are positions in the inspection's `Rows` (see scan.py), of the image and, for look-alikes, of the others;
    empty where there is no image to show. `boxes` are positions among the first image's boxes.
    """

    text: str  # "cat is 3 x 2 pixels"
    file: str  # annotation, image or record file
    line: int | None = None
    offset: int | None = None  # of the record in its file, bytes
    image: str | None = None  # its name: the key in the data set, the source_id or filename of the record
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
    """Something about the data that its user should know; `kind` is a stable word for it, `fix` what mends it."""

    severity: str
    kind: str  # "tiny-boxes"
    text: str  # a sentence, the count in it
    fix: str
    count: int = 1
    examples: tuple[Example, ...] = ()


@dataclass
class Counts:
    """Images that have a class, and its boxes in them."""

    images: int = 0
    boxes: int = 0


@dataclass
class Split:
    """One split in numbers."""

    name: str
    images: int = 0
    boxes: int = 0
    negatives: int = 0  # images without boxes
    unusable: int = 0  # listed images or records that cannot be read
    decoded: int = 0  # images whose pixels were all decoded


@dataclass(frozen=True)
class Histogram:
    """How many of something there are by size: the bins in order, each a name and its count."""

    name: str  # "image-sizes"
    caption: str  # "Image sizes"
    unit: str  # what the bins are of: "pixels"
    of: str  # what is counted: "images"
    bins: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Coverage:
    """Groundtruth against the anchors of a config: boxes that no anchor overlaps enough to match."""

    config: str
    frame: str  # the model's input: "640x640", or "as the image"
    similarity: str  # "iou", "ioa", ...
    threshold: float
    force_match: bool
    sizes: tuple[str, ...]  # bins of box size, the square root of the area in pixels of the model's frame
    classes: dict[str, list[tuple[int, int]]]  # (unmatched, all) for each of `sizes`
    boxes: int = 0
    unmatched: int = 0  # no anchor at the threshold
    forced: int = 0  # of these, matched by force alone
    lost: int = 0  # of these, with no anchor at all


@dataclass
class Inspection:
    """The whole report."""

    target: str
    kind: str  # "voc data set", "records", "pipeline.config", ...
    config: str | None
    label_map: str | None
    verified: bool
    splits: list[Split] = field(default_factory=list)
    classes: dict[str, dict[str, Counts]] = field(default_factory=dict)  # class to split
    histograms: list[Histogram] = field(default_factory=list)
    coverage: Coverage | None = None
    findings: list[Finding] = field(default_factory=list)  # worst first
    not_looked_at: list[str] = field(default_factory=list)  # sentences
    page: str | None = None  # the HTML file, where one was asked for
    format: str | None = None  # of a data set, where one was given
    boxes: str | None = None  # the order of the boxes' numbers, where one was given

    @property
    def num_errors(self) -> int:
        """Findings that would break or spoil training."""
        return sum(finding.severity == ERROR for finding in self.findings)

    @property
    def next_command(self) -> str | None:
        """What comes after the inspection, None where there are errors to be fixed first."""
        target = shlex.quote(self.target)
        if self.num_errors:
            return None
        if self.kind == CONFIG:
            return f"odtk train {target} MODEL_DIR"
        if self.kind == RECORDS:
            return f"odtk configure ssd_resnet50_v1_fpn_small --output pipeline.config --train-records {target}"
        chosen = {"--format": self.format, "--boxes": self.boxes}
        options = "".join(f" {option} {value}" for option, value in chosen.items() if value)
        return f"odtk make-tfrecords {target} OUTPUT_DIR{options}"


def document(inspection: Inspection) -> dict:
    """The inspection as JSON takes it."""
    return {
        **dataclasses.asdict(inspection),
        "num_errors": inspection.num_errors,
        "next": inspection.next_command,
    }
