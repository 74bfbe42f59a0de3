"""What is said of a config that differs from the one the checkpoint was trained with. Without TensorFlow."""

import re

import pytest

from odtk import pipeline
from odtk.errors import CheckpointError
from odtk.tools.train.config_changes import require_resumable

PIPELINE = "ssd_resnet50_v1_fpn_small"
OPTIMIZER = "train_config.optimizer"
MOMENTUM = f"{OPTIMIZER}.momentum_optimizer"


def said_of(folder, *sets) -> list[str]:
    """What is logged of a config with `sets`, where the model dir has the pipeline as it is shipped."""
    (folder / "model").mkdir()
    text = pipeline.read_text(PIPELINE)
    (folder / "model" / "pipeline.config").write_text(text)
    changed = folder / "changed.config"
    changed.write_text(pipeline.set_fields(text, sets, "c") if sets else text)
    said = []
    require_resumable(pipeline.read(changed), changed, folder / "model", said.append)
    return said


def test_nothing_is_said_of_an_equal_config_or_of_a_default_that_was_written_out(tmp_path):
    assert said_of(tmp_path, ("model.ssd.add_background_class", "true")) == []


@pytest.mark.parametrize(("path", "value", "shown"), [
    ("train_config.batch_size", "3", "train_config.batch_size 8 -> 3"),
    ("train_config.num_steps", "9000", "train_config.num_steps 600 -> 9000"),
    (f"{MOMENTUM}.learning_rate.cosine_decay_learning_rate.total_steps", "9", "total_steps 600 -> 9"),
    ("train_config.data_augmentation_options[0]", "{ random_vertical_flip {} }", "random_.* -> random_vertical_flip"),
    ("train_input_reader.label_map_path", "other.pbtxt", "label_map_path .* -> other.pbtxt"),
    ("eval_config.metrics_set", '["pascal_voc_detection_metrics"]', "metrics_set .* -> pascal_voc_detection_metrics"),
    ("model.ssd.post_processing.score_converter", "SOFTMAX", "post_processing.score_converter SIGMOID -> SOFTMAX"),
])  # fmt: skip
def test_some_changes_are_fine(tmp_path, path, value, shown):
    (line,) = said_of(tmp_path, (path, value))
    assert re.fullmatch(rf"Changed since {tmp_path}/model/pipeline.config, which is fine: .*{shown}.*\.", line)


@pytest.mark.parametrize(("path", "value", "shown"), [
    (f"{OPTIMIZER}.use_moving_average", "true", rf"{OPTIMIZER}.use_moving_average false -> true \(line \d+"),
    (f"{MOMENTUM}.momentum_optimizer_value", "0.5", r"_value 0.9 -> 0.5 \(line \d+, there line \d+\)"),
    (f"{OPTIMIZER}", "{ adam_optimizer {} }", rf"{OPTIMIZER} momentum_optimizer -> adam_optimizer \(line \d+, there"),
    ("train_config.freeze_variables", '[".*backbone"]', r"freeze_variables unset -> \.\*backbone"),
    ("model.ssd.loss.localization_weight", "2", "model.ssd.loss.localization_weight 1 -> 2"),
    ("model.ssd.matcher.argmax_matcher.matched_threshold", "0.4", "matched_threshold 0.5 -> 0.4"),
    ("model.ssd.freeze_batchnorm", "true", "freeze_batchnorm false -> true"),
])  # fmt: skip
def test_what_changes_the_training_is_a_warning_with_the_lines_of_both(tmp_path, path, value, shown):
    (line,) = said_of(tmp_path, (path, value))
    assert line.startswith("warning: What is trained changes with this run: ")
    assert re.search(shown, line)


@pytest.mark.parametrize(("path", "value", "shown"), [
    ("model.ssd.num_classes", "7", r"model.ssd.num_classes 1 -> 7 \(line 15, there line 15\)"),
    ("model.ssd.feature_extractor.type", "ssd_mobilenet_v2_fpn_keras", "ssd_resnet50_v1_fpn_keras -> ssd_mobilenet"),
    ("model.ssd.feature_extractor.depth_multiplier", "1", r"depth_multiplier 0.25 -> 1"),
    ("model.ssd.box_predictor.weight_shared_convolutional_box_predictor.depth", "8", r"depth \d+ -> 8"),
])  # fmt: skip
def test_what_changes_the_variables_is_refused_with_the_lines_of_both(tmp_path, path, value, shown):
    with pytest.raises(CheckpointError, match=shown) as error:
        said_of(tmp_path, (path, value), ("train_config.batch_size", "3"))
    assert "\n" not in str(error.value)
    assert str(tmp_path / "changed.config") in str(error.value)
    assert "Set these fields back to resume" in str(error.value)


def test_of_many_changes_the_first_are_named(tmp_path):
    options = "[" + ",".join(["{ random_horizontal_flip {} }"] * 4) + "]"
    sets = [("train_config.data_augmentation_options", options), ("train_config.num_steps", "1"),
            ("train_config.batch_size", "1"), ("eval_config.num_visualizations", "3"), ("eval_config.batch_size", "2"),
            ("eval_config.max_evals", "2"), ("eval_config.eval_interval_secs", "2"), ("eval_config.num_examples", "3"),
            ("train_config.max_number_of_boxes", "7"), ("train_config.fine_tune_checkpoint", "x" * 99)]  # fmt: skip
    (line,) = said_of(tmp_path, *sets)
    assert line.endswith(" and 2 more.")
    assert "x" * 58 not in line


def test_without_a_config_in_the_model_dir_nothing_is_compared(tmp_path):
    said = []
    require_resumable(pipeline.read(PIPELINE), PIPELINE, tmp_path, said.append)
    assert said == []
    (tmp_path / "pipeline.config").write_text("model { ssd { num")
    require_resumable(pipeline.read(PIPELINE), PIPELINE, tmp_path, said.append)
    assert said[0].startswith("warning: What changed since the checkpoint was saved is not known: ")
