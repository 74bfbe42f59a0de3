"""The metrics sets of `eval_config.metrics_set`: one table of their names and evaluators.

To add one, write a subclass of `Evaluator` and add a row here. No TensorFlow: the check of a config imports this.
"""

import functools
from collections.abc import Callable, Sequence

from odtk import label_map
from odtk.errors import ConfigError
from odtk.evaluation import pascal
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.pascal import PascalEvaluator
from odtk.pipeline.support import NOT_IMPLEMENTED


def build_coco(categories: list[dict], eval_config) -> CocoEvaluator:
    """The 12 COCO metrics, and those of classes and super-categories if `eval_config` requests them.

    Raises DataError for super-categories of unknown classes.
    """
    groups = eval_config.super_categories
    return CocoEvaluator(
        categories,
        include_metrics_per_category=eval_config.include_metrics_per_category,
        all_metrics_per_category=eval_config.all_metrics_per_category,
        super_categories={group: [name.strip() for name in groups[group].split(",")] for group in sorted(groups)},
    )


def build_pascal(name: str, categories: list[dict], eval_config) -> PascalEvaluator:
    """The average precision of one of Pascal VOC's and Open Images' protocols."""
    return PascalEvaluator(categories, name)


EVALUATORS: dict[str, Callable[[list[dict], object], Evaluator]] = {
    "coco_detection_metrics": build_coco,
    **{name: functools.partial(build_pascal, name) for name in pascal.PROTOCOLS},
}
"""Name in `eval_config.metrics_set` to a function of (categories, eval_config). TFOD takes the first where a config
names none."""

_MASKS = "it measures masks, and this model predicts boxes"
_VERIFIED = "it needs the verified image-level labels of Open Images, which odtk does not read"
_RENAMED = "its name is now oid_V2_detection_metrics"
# TFOD's others, with the reason why odtk does not have them.
REFUSED = {
    "coco_mask_metrics": _MASKS,
    "coco_panoptic_metrics": _MASKS,
    "lvis_mask_metrics": _MASKS,
    "pascal_voc_instance_segmentation_metrics": _MASKS,
    "weighted_pascal_voc_instance_segmentation_metrics": _MASKS,
    "oid_challenge_segmentation_metrics": _MASKS,
    "coco_keypoint_metrics": "it measures keypoints, and this model predicts boxes",
    "oid_challenge_detection_metrics": _VERIFIED,
    "precision_at_recall_detection_metrics": NOT_IMPLEMENTED,
    "open_images_metrics": _RENAMED,
    "open_images_detection_metrics": _RENAMED,
    "open_images_V2_detection_metrics": _RENAMED,
}


def refusal(name: str) -> str | None:
    """Why a config cannot have this metrics set, as text that follows its field's name; None if it can."""
    if name in EVALUATORS:
        return None
    reason = REFUSED.get(name, "there is no metrics set of that name")
    return f"is '{name}': {reason}. odtk has {', '.join(EVALUATORS)}."


def build_categories(config, num_classes: int) -> list[dict]:
    """{"id": int, "name": str} of every class: the first eval_input_reader's label map, or else numbers from 1."""
    path = config.eval_input_reader[0].label_map_path if config.eval_input_reader else ""
    if path:
        return label_map.read(path).categories()
    return [{"id": number, "name": f"class {number}"} for number in range(1, num_classes + 1)]


def build_evaluators(eval_config, categories: list[dict]) -> Sequence[Evaluator]:
    """One evaluator for each of `eval_config.metrics_set` (COCO's if it is empty), in that order.

    `categories`: see build_categories. Raises ConfigError for a metrics set that odtk does not have,
    DataError for what an evaluator cannot measure.
    """
    names = eval_config.metrics_set or list(EVALUATORS)[:1]
    for name in names:
        if reason := refusal(name):
            raise ConfigError(f"eval_config.metrics_set {reason}")
    return [EVALUATORS[name](categories, eval_config) for name in dict.fromkeys(names)]
