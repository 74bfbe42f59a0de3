"""An evaluation whose network a TPU compiles finds what the others find, and its compiled part is what TPUs can run."""

from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case, variant_case
from test_compiled_step import random_config, require_runs_on_tpu
from tiny_detector import tiny_batch, tiny_config, tiny_parts

from odtk.detectors.build import build_detector
from odtk.errors import OdtkError
from odtk.evaluation import step as steps
from odtk.evaluation.step import compiled_part, evaluation_step

WHOLE = [
    variant_case("base"), family_case("mobilenet_v2_fpnlite-base"),
    family_case("mobilenet_v2-depthwise_explicit_padding"),
]  # fmt: skip


def inputs_of(batch):
    features, groundtruth = batch
    return features["image"], features["true_image_shape"], groundtruth


def two_parts(model, is_compiled: bool = False):
    """The step of a TPU, on the CPU; with its compiled part compiled, or not."""

    def part(*args):
        return tf.function(compiled_part(*args), jit_compile=is_compiled, autograph=False)

    with patch.object(steps, "is_on_tpu", return_value=True), patch.object(steps, "compiled_part", part):
        return evaluation_step(model, None)


@pytest.fixture(scope="module")
def tiny():
    """A model whose losses draw negatives, two batches, and what the step in one part finds on them."""
    _, model, *_ = tiny_parts(random_config())
    batches = [tiny_batch(model), tiny_batch(model, size=1)]
    open_size = tf.nest.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), batches[0])
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=open_size)
    whole = evaluation_step(model, dataset)
    return model, batches, [whole.run([batch])[0] for batch in batches]


@pytest.mark.parametrize("config", [random_config, lambda: tiny_config("hard_example_miner")], ids=["drawn", "mined"])
def test_the_compiled_part_is_one_static_program_of_operations_that_tpus_have(config):
    _, model, *_ = tiny_parts(config(), precision="bfloat16")
    operations = require_runs_on_tpu(compiled_part(model, True), *inputs_of(tiny_batch(model)))
    assert {"FusedBatchNormV3", "L2Loss"} <= operations
    assert "NonMaxSuppressionV5" not in operations


def require_same_losses(found: dict, expected: dict, rel: float):
    values = [{tag: float(loss) for tag, loss in losses.items()} for losses in (found, expected)]
    assert values[0] == pytest.approx(values[1], rel=rel)


def test_in_two_parts_detections_are_the_same_bit_for_bit(tiny):
    """Losses are sums, in another order where padding of the groundtruth stays."""
    model, batches, expected = tiny
    step = two_parts(model)
    for batch, (detections, losses) in zip(batches, expected, strict=True):
        found, found_losses = step.run([batch])[0]
        tf.nest.map_structure(np.testing.assert_array_equal, found, detections)
        require_same_losses(found_losses, losses, rel=1e-6)


def test_a_compiled_evaluation_finds_the_same(tiny):
    model, (_, batch), (_, (detections, losses)) = tiny
    ((found, found_losses),) = two_parts(model, is_compiled=True).run([batch])
    require_same_losses(found_losses, losses, rel=1e-5)
    assert found["count"].numpy().tolist() == detections["count"].numpy().tolist() != [0]
    for name in ("scores", "boxes"):
        np.testing.assert_allclose(found[name], detections[name], rtol=0, atol=1e-5)


def test_only_what_is_postprocessed_leaves_the_device(tiny):
    model, (batch, _), _ = tiny
    predictions, losses = compiled_part(model, False)(*inputs_of(batch))
    assert sorted(predictions) == ["anchors", "box_encodings", "class_logits", "image_size"]
    assert not losses


@pytest.mark.slow
@pytest.mark.parametrize("case", WHOLE, ids=lambda c: c.name)
def test_whole_networks_are_static_programs(case):
    model = build_detector(case.config)
    case.assign_weights(model.checkpoint_variables())
    require_runs_on_tpu(compiled_part(model, True), *case.images(model.resize), case.groundtruth())


def test_images_of_several_sizes_are_refused_on_a_tpu():
    _, model, *_ = tiny_parts(tiny_config())
    model.image_size = None
    with pytest.raises(OdtkError, match=r"compile the evaluation again for each") as error:
        two_parts(model)
    assert error.value.argument == "tpu"
