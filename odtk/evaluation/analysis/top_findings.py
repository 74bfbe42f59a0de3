"""The things to do next about a detector, in words, ranked by what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.suspects import Suspect
from odtk.evaluation.results import Results
from odtk.findings import Finding


@dataclass(frozen=True)
class Threshold:
    """The score from which on users see detections, and a better one, with F1 at both."""

    used: float
    best: float
    used_f1: float
    best_f1: float


@dataclass(frozen=True)
class Commands:
    """The commands that a fix may name, as the user would type them; None of what there is no command for."""

    config: str | None = None  # path of the pipeline config
    model: str | None = None  # model dir or exported model
    suspects: str | None = None  # CSV file with the suspected label errors, if it was written


def top_findings(
    results: Results,
    oracle: Oracle,
    suspects: Sequence[Suspect],
    explanations: Sequence[Finding] = (),
    *,
    threshold: Threshold | None = None,
    input_size: tuple[int, int] | None = None,
    training_boxes: Mapping[int, int] | None = None,
    commands: Commands = Commands(),
    most: int = 3,
) -> list[Finding]:
    """The `most` things to do next: what explains a broken evaluation first, then by what each costs.

    `oracle` is of all detections at an IoU of 0.5, `suspects` those of find_suspects, `explanations` those of
    explain_metrics. `input_size` is the model's (height, width), in which small objects are measured; without it, in
    pixels of the images. `training_boxes` says how many boxes of each class it was trained on.
    """
    return list(explanations)[:most]
