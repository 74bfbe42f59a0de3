import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from golden_cases import variant_case

from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.protos import pipeline_pb2
from odtk.tools.train.frozen_parts import with_frozen
from odtk.training.freezing import freeze
from odtk.training.optimizer import create_variables
from odtk.training.task import DetectionTask

# Nothing here depends on how deep the backbone is.
pytestmark = pytest.mark.usefixtures("shallow_resnet")


def trained_one_step(what):
    """(values before by key, values after by key, detector, optimizer) of an SSD's step with `what` frozen."""
    case = variant_case("base")
    task = DetectionTask(with_frozen(case.config, what, lambda line: None))
    model = task.build_model()
    variables = model.checkpoint_variables()
    case.draw_weights(variables)
    optimizer = tf_keras.optimizers.legacy.SGD(0.1, momentum=0.9)
    create_variables(optimizer, model)
    images, shapes = case.images(model.resize)
    before = {key: variable.numpy() for key, variable in variables.items()}
    batch = {"image": images, "true_image_shape": shapes}, case.groundtruth()
    task.build_metrics()
    task.train_step(batch, model, optimizer)
    after = {key: variable.numpy() for key, variable in variables.items()}
    return before, after, model, optimizer


def is_norm(key):
    return key.rpartition("/")[2] in ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.mark.parametrize(
    ("what", "is_frozen"),
    [("backbone", lambda key: key.startswith("model/_feature_extractor/classification_backbone/")), ("bn", is_norm)],
)
def test_frozen_weights_and_statistics_stay_bit_for_bit_and_have_no_slots(what, is_frozen):
    before, after, model, optimizer = trained_one_step(what)
    same = {key for key in before if np.array_equal(before[key], after[key])}
    frozen = {key for key in before if is_frozen(key)}
    assert frozen
    assert frozen == model.frozen_keys
    # Levels of the pyramid to which no box is matched do not learn boxes.
    assert {key for key in same if "box_encodings" not in key} == {key for key in frozen if "box_encodings" not in key}
    assert frozen <= same
    trained = [key for key in before if not is_frozen(key) and "/moving_" not in key]
    assert len(model.trainable_variables) == len(trained)
    assert len(optimizer.variables()) == 1 + len(trained)  # and the count of steps


def test_frozen_batch_norms_of_the_backbone_use_their_statistics():
    config = with_frozen(variant_case("base").config, "backbone", lambda line: None)
    model = DetectionTask(config).build_model()
    images = tf.random.uniform([1, 160, 160, 3])
    maps = [model.network.backbone(images, training=training) for training in (True, False)]
    for one, other in zip(*maps, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_config_says_what_is_frozen_and_none_removes_it():
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.CopyFrom(variant_case("base").config)
    config.train_config.freeze_variables.append("heads")
    both = with_frozen(with_frozen(config, "backbone", print), "bn", print)
    pattern = families.of(config).backbone_variables
    assert list(both.train_config.freeze_variables) == ["heads", pattern, "/(gamma|beta|moving_mean|moving_variance)$"]
    assert with_frozen(both, "bn", print) == both, "as in a resumed run"
    assert both.model.ssd.freeze_batchnorm
    none = with_frozen(both, "none", print)
    assert not none.train_config.freeze_variables
    assert not none.model.ssd.freeze_batchnorm
    assert list(config.train_config.freeze_variables) == ["heads"]


@pytest.mark.parametrize(("pattern", "message"), [
    ("Conv1", "'Conv1' matches none of the .* compared with the keys of a checkpoint, such as model/_"),
    ("(", r"'\(' is no regular expression: "),
    (".", "matches all variables, so nothing would be trained"),
    ("/moving_mean$", "matches statistics of the batch norm .* Match all of them; or set freeze_batchnorm"),
])  # fmt: skip
def test_patterns_that_cannot_be_meant_are_refused(pattern, message):
    model = DetectionTask(variant_case("base").config).build_model()
    with pytest.raises(ConfigError, match=f"train_config.freeze_variables.*{message}"):
        freeze(model, [pattern])
