"""Results and evaluators to metrics; without TensorFlow, as detections may come from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.results import ImageResult, Results


@dataclass(frozen=True)
class Evaluation:
    """The metrics, and on how many images."""

    metrics: dict[str, float]  # by TFOD's name: those of each evaluator, then the losses
    losses: dict[str, float]  # only the losses, means over batches; empty if not requested
    meanings: dict[str, str]  # of the losses and of all metrics that are not about a single class or super-category
    classes: list[dict]  # of the first evaluator, see Evaluator.classes
    num_images: int
    repeated_images: int  # ignored, because their source_id was repeated
    results: Results | None = field(default=None, compare=False)  # what was found on each image, if requested
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)  # of each stage, see stopwatch
    first_images: int = field(default=0, compare=False)  # how many of the images the first step had


def score(results: Results, evaluators: Sequence[Evaluator]) -> Evaluation:
    """Measures what was found; `evaluators` must be new. Of images with the same name only the first counts."""
    for image in results.images:
        for evaluator in evaluators:
            evaluator.add_image(image.source_id, _groundtruth(image), _detections(image))
    return measured(evaluators, results=results)


def measured(
    evaluators: Sequence[Evaluator],
    losses: Mapping[str, float] | None = None,
    loss_meanings: Mapping[str, str] | None = None,
    results: Results | None = None,
) -> Evaluation:
    """The metrics of what was added to the evaluators, with the losses behind them."""
    metrics = {name: value for evaluator in evaluators for name, value in evaluator.evaluate().items()}
    meanings = {name: text for evaluator in evaluators for name, text in evaluator.metric_meanings.items()}
    first = evaluators[0]
    return Evaluation(
        metrics=metrics | dict(losses or {}),
        losses=dict(losses or {}),
        meanings=meanings | dict(loss_meanings or {}),
        classes=first.classes,
        num_images=first.num_images,
        repeated_images=len(first.repeated_images),
        results=results,
    )


def _groundtruth(image: ImageResult) -> dict:
    # Whichever flag an evaluator ignores: those of many objects are crowds to COCO and groups to Open Images.
    crowds = image.crowds if len(image.crowds) else image.ignored & False
    flags = {"is_crowd": crowds, "group_of": crowds, "difficult": image.ignored & ~crowds}
    return {"boxes": image.boxes, "classes": image.classes, "area": image.areas, **flags}


def _detections(image: ImageResult) -> dict:
    return {"boxes": image.detected_boxes, "classes": image.detected_classes, "scores": image.scores}
