"""Dotted paths: looked up, listed, and refused with a hint."""

import pytest

from odtk import pipeline
from odtk.errors import ConfigError

TEXT = """
model { ssd { num_classes: 37 post_processing { score_converter: SIGMOID } similarity_calculator { iou_similarity {}}}}
train_config {
  batch_size: 64
  data_augmentation_options { random_horizontal_flip { } }
  data_augmentation_options { random_crop_image { min_area: 0.75 } }
}
eval_config { super_categories { key: "cat" value: "a,b" } }
eval_input_reader { label_map_path: "x" tf_record_input_reader { input_path: ["a", "b"] } }
"""
CONFIG = pipeline.parse(TEXT, "x.config")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.ssd.num_classes", 37),
        ("model.ssd.post_processing.score_converter", "SIGMOID"),
        ("train_config.data_augmentation_options[1].random_crop_image.min_area", 0.75),
        ("train_config.data_augmentation_options[-1].random_crop_image.max_area", 1.0),  # the schema's default
        ("train_config.optimizer.use_moving_average", True),
        ("eval_input_reader.label_map_path", "x"),  # a list of one element needs no index
        ("eval_input_reader[0].tf_record_input_reader.input_path", ["a", "b"]),
        ("eval_input_reader.tf_record_input_reader.input_path[1]", "b"),
        ("eval_config.super_categories[cat]", "a,b"),
        ("eval_config.super_categories", {"cat": "a,b"}),
        ("eval_config.metrics_set", []),
    ],
)
def test_get_field(path, value):
    assert pipeline.get_field(CONFIG, path) == value


def test_walk_lists_what_is_set_and_get_field_agrees():
    values = dict(pipeline.walk(CONFIG))
    assert list(values) == [
        "model.ssd.num_classes",
        "model.ssd.similarity_calculator.iou_similarity",
        "model.ssd.post_processing.score_converter",
        "train_config.batch_size",
        "train_config.data_augmentation_options[0].random_horizontal_flip",
        "train_config.data_augmentation_options[1].random_crop_image.min_area",
        "eval_config.super_categories[cat]",
        "eval_input_reader[0].label_map_path",
        "eval_input_reader[0].tf_record_input_reader.input_path[0]",
        "eval_input_reader[0].tf_record_input_reader.input_path[1]",
    ]
    assert all(pipeline.get_field(CONFIG, path) == value for path, value in values.items())
    assert all(pipeline.is_set(CONFIG, path) for path in values)


@pytest.mark.parametrize(
    "path",
    [
        "train_config.num_steps",
        "train_config.optimizer.adam_optimizer.epsilon",
        "train_config.data_augmentation_options[2]",
        "eval_config.super_categories[dog]",
        "eval_config.metrics_set",
        "train_input_reader",
    ],
)
def test_is_set_is_false_for_what_is_not(path):
    assert not pipeline.is_set(CONFIG, path)
    assert pipeline.locate(TEXT, path) is None


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("model.ssd.num_classes", 2),
        ("train_config", 3),
        ("train_config.data_augmentation_options", 5),
        ("train_config.data_augmentation_options[1]", 6),
        ("train_config.data_augmentation_options[-1].random_crop_image.min_area", 6),
        ("eval_config.super_categories", 8),
        ("eval_config.super_categories[cat]", 8),
        ("eval_input_reader.tf_record_input_reader.input_path[1]", 9),
    ],
)
def test_locate(path, line):
    assert pipeline.locate(TEXT, path) == line


def test_locate_finds_the_elements_of_a_list_over_several_lines():
    text = 'train_input_reader {\n tf_record_input_reader {\n  input_path: [\n   "a",\n   "b"]\n }\n}'
    path = "train_input_reader.tf_record_input_reader.input_path"
    assert [pipeline.locate(text, f"{path}[{i}]") for i in (0, 1)] == [4, 5]


def test_field_names():
    assert pipeline.field_names()[:3] == ["model", "train_config", "train_input_reader"]
    assert "momentum_optimizer" in pipeline.field_names("train_config.optimizer")
    assert "random_crop_image" in pipeline.field_names("train_config.data_augmentation_options")
    assert pipeline.field_names("train_config.batch_size") == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("train_config.batch_sise", r"no field train_config\.batch_sise. Did you mean train_config\.batch_size\?"),
        ("batch_size", r"It belongs elsewhere: train_config\.batch_size\."),  # where this config has it
        ("num_steps", r"It belongs elsewhere: train_config\.num_steps\."),
        ("frobnicate", "TrainEvalPipelineConfig has model, train_config"),
        ("train_config.batch_size.x", "takes a whole number of 0 or more and has no fields"),
        ("train_config.batch_size[0]", r"batch_size is not a list; write it without \[0\]"),
        ("train_config.data_augmentation_options.random_crop_image", r"has 2 elements. Choose one: .*\[0\] or .*\[1\]"),
        ("train_config.data_augmentation_options[5]", r"has 2 elements, \[0\] to \[1\]\. Use \[\+\]"),
        ("train_config.data_augmentation_options[first]", r"\[first\] is not an index"),
        ("train_config.data_augmentation_options[2].random_crop_image.min_area", "there is no element"),
        ("train_config.", "is not a path of fields"),
        ("train config", "is not a path of fields"),
        ("", "is not a path of fields"),
    ],
)
def test_paths_that_lead_nowhere(path, words):
    with pytest.raises(ConfigError, match=words):
        pipeline.get_field(CONFIG, path)
