"""The table of metrics sets: which config gets which evaluators."""

import pytest
from google.protobuf import text_format

from odtk.errors import ConfigError
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.metrics_sets import EVALUATORS, REFUSED, build_evaluators, refusal
from odtk.protos import eval_pb2

CATEGORIES = [{"id": 1, "name": "cat"}]


def built(text: str) -> list[Evaluator]:
    return build_evaluators(text_format.Parse(text, eval_pb2.EvalConfig()), CATEGORIES)


def test_every_row_builds_an_evaluator_with_a_meaning_for_what_it_measures():
    for name in EVALUATORS:
        (evaluator,) = built(f"metrics_set: '{name}'")
        assert set(evaluator.metric_meanings) <= set(evaluator.evaluate()), name
        assert all(evaluator.metric_meanings.values())


def test_the_commands_help_names_every_row():
    from odtk.cli.evaluate import evaluate

    assert all(name in evaluate.help for name in EVALUATORS)


def test_cocos_is_measured_where_a_config_names_none_and_none_twice():
    assert [type(each) for each in built("")] == [type(each) for each in built("metrics_set: 'coco_detection_metrics'")]
    assert len(built("metrics_set: 'oid_V2_detection_metrics' metrics_set: 'oid_V2_detection_metrics'")) == 1


def test_what_odtk_does_not_have_is_refused_with_the_reason():
    assert not set(REFUSED) & set(EVALUATORS)
    with pytest.raises(ConfigError, match=r"coco_mask_metrics': it measures masks.* odtk has coco_detection_metrics, "):
        built("metrics_set: 'coco_detection_metrics' metrics_set: 'coco_mask_metrics'")
    assert "no metrics set of that name" in refusal("coco")
