"""From what was measured to what explains it."""

from __future__ import annotations

from collections.abc import Iterator

from odtk.evaluation.analysis.evidence import Commands
from odtk.evaluation.analysis.self_check import SelfCheck
from odtk.records.box_errors import count_in_words
from odtk.tools.evaluate.explanation import Explanation, Measured, Other, explain
from odtk.tools.evaluate.measurement import Measurement
from odtk.tools.evaluate.model_facts import read_facts


def explain_measured(
    target: str, commands: Commands, measured: Measurement, other: Measurement | None, check: SelfCheck
) -> Explanation:
    """All analyses of a measurement, in comparison with `other` if there is one; `target`: see Measured."""
    evaluation = measured.evaluation
    assert evaluation.results is not None
    input_size, training_boxes = read_facts(commands.config, evaluation.results.names)
    facts = Measured(
        model=measured.title,
        groundtruth=measured.groundtruth,
        metrics=evaluation.metrics,
        meanings=evaluation.meanings,
        losses=evaluation.losses,
        seconds=evaluation.seconds,
        first_images=evaluation.first_images,
        notes=[*measured.notes, *_left_out(measured)],
        target=target,
        commands=commands,
        input_size=input_size,
        training_boxes=training_boxes,
    )
    compared = None if other is None else _other(other)
    return explain(evaluation.results, facts, other=compared, checkpoints=measured.curve, self_check=check)


def _other(other: Measurement) -> Other:
    assert other.evaluation.results is not None
    return Other(other.title, other.evaluation.results, other.evaluation.metrics)


def _left_out(measured: Measurement) -> Iterator[str]:
    if measured.bad_records:
        yield f"{len(measured.bad_records)} bad records are left out."
    if measured.bad_boxes:
        yield f"{count_in_words(measured.bad_boxes)} are left out."
    if measured.evaluation.repeated_images:
        yield f"{measured.evaluation.repeated_images} images are ignored, as they repeat an earlier image's source_id."
