"""The result of an inspection: counts, histograms, anchor coverage and findings; `document` is all of it as JSON."""

import dataclasses
import shlex
from dataclasses import dataclass, field

from odtk.datasets.checks.coverage import Coverage
from odtk.datasets.open_dataset import CONFIG, RECORDS, configuring
from odtk.findings import ERROR, Finding
from odtk.report.charts import Histogram

# For records that were inspected without a config.
_SMALL_PIPELINE = "ssd_resnet50_v1_fpn_small"


@dataclass
class Counts:
    """The numbers of images with a class, and of its boxes."""

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


@dataclass
class Inspection:
    """The whole report."""

    target: str
    kind: str  # "voc dataset", "records", "pipeline.config", ...
    config: str | None
    label_map: str | None
    verified: bool
    splits: list[Split] = field(default_factory=list)
    classes: dict[str, dict[str, Counts]] = field(default_factory=dict)  # class to split
    histograms: list[Histogram] = field(default_factory=list)
    coverage: Coverage | None = None
    findings: list[Finding] = field(default_factory=list)  # worst first
    not_looked_at: list[str] = field(default_factory=list)  # sentences
    page: str | None = None  # the HTML file, if one was requested
    index: str | None = None  # the SQLite file, if one was requested
    format: str | None = None  # of a dataset, if it was given
    boxes: str | None = None  # the order of the boxes' numbers, if it was given

    @property
    def num_errors(self) -> int:
        """The number of findings that would break or degrade training."""
        return sum(finding.severity == ERROR for finding in self.findings)

    @property
    def next_command(self) -> str | None:
        """The next command after the inspection; None if there are errors to fix first."""
        target = shlex.quote(self.target)
        if self.num_errors:
            return None
        if self.kind == CONFIG:
            return f"odtk train {target} MODEL_DIR"
        if self.kind == RECORDS:
            return f"{configuring(self.config or _SMALL_PIPELINE)} --train-records {target}"
        chosen = {"--format": self.format, "--boxes": self.boxes}
        options = "".join(f" {option} {value}" for option, value in chosen.items() if value)
        return f"odtk make-tfrecords {target} OUTPUT_DIR{options}"


def document(inspection: Inspection) -> dict:
    """The inspection as JSON data."""
    return {
        **dataclasses.asdict(inspection),
        "findings": [{key: found[key] for key in _FINDING} for found in map(dataclasses.asdict, inspection.findings)],
        "num_errors": inspection.num_errors,
        "next": inspection.next_command,
    }


_FINDING = ("severity", "kind", "text", "fix", "options", "count", "examples")
