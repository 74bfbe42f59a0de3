"""What findings about a detector are made from, and what a cause of errors is."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odtk.evaluation.analysis.average_precision import AveragePrecision
from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.suspects import Suspect
from odtk.evaluation.results import Results
from odtk.findings import Finding
from odtk.thresholds import reaches


@dataclass(frozen=True)
class Threshold:
    """The score from which on users see detections, and a better one, with F1 at both."""

    used: float
    best: float
    used_f1: float
    best_f1: float


@dataclass(frozen=True)
class Commands:
    """What the commands to run next have to name; None of what is not known, whose commands are then not shown."""

    config: str | None = None  # path of the pipeline config
    model: str | None = None  # model dir or exported model
    suspects: str | None = None  # CSV file with the suspected label errors, if it was written


@dataclass(frozen=True)
class Evidence:
    """Everything that findings are drawn from; see top_findings."""

    results: Results
    oracle: Oracle
    suspects: Sequence[Suspect] = ()
    threshold: Threshold | None = None
    input_size: tuple[int, int] | None = None
    training_boxes: Mapping[int, int] | None = None
    commands: Commands = Commands()
    precision: AveragePrecision | None = None

    @property
    def min_score(self) -> float:
        """From which on detections are counted."""
        return self.threshold.best if self.threshold else 0.0

    @property
    def scores_in_words(self) -> str:
        """Appended to a count of them; empty if all scores count."""
        return f" (scores from {self.min_score:.3g} on)" if self.min_score else ""

    @cached_property
    def seen(self) -> np.ndarray:
        """bool [D]: the detections of at least this score."""
        return reaches(self.oracle.matching.detected.scores, self.min_score)

    def rows(self, suspects: Iterable[Suspect]) -> np.ndarray:
        """bool [D]: the detections of these suspects."""
        wanted = {(suspect.image, suspect.detection) for suspect in suspects}
        detected = self.oracle.matching.detected
        places = zip(detected.image.tolist(), detected.index.tolist(), strict=True)
        return np.fromiter((place in wanted for place in places), bool, len(detected.scores))


def command(*words: str | None) -> str:
    """A command to paste, in backquotes."""
    return f"`{shlex.join(word for word in words if word is not None)}`"


@dataclass(frozen=True)
class Cause:
    """A finding about errors, with what they cost and which they are."""

    cost: float  # mAP or F1, at an IoU of 0.5
    finding: Finding
    detections: np.ndarray | None = None  # bool [D]: the false positives that it is about
    missed: np.ndarray | None = None  # bool [G]: the missed objects
