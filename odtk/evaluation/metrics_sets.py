"""The metrics sets of `eval_config.metrics_set`: the one table of names, and who measures each.

A new one is a subclass of `Evaluator` and a row here. There is no TensorFlow, because the check of a config asks.
"""

import functools
from collections.abc import Callable, Sequence

from odtk.evaluation import pascal
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.pascal import PascalEvaluator


def build_coco(categories: list[dict], eval_config) -> CocoEvaluator:
    """The 12 COCO numbers, and those of classes and of groups of classes that `eval_config` asks for.

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


def build_evaluators(eval_config, categories: list[dict]) -> Sequence[Evaluator]:
    """One evaluator for each of `eval_config.metrics_set` (COCO's where there is none), in that order.

    `categories`: {"id": int, "name": str} of every class. Raises DataError for what an evaluator cannot measure.
    """
    names = eval_config.metrics_set or list(EVALUATORS)[:1]
    return [EVALUATORS[name](categories, eval_config) for name in dict.fromkeys(names)]
