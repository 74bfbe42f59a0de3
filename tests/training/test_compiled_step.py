"""A step that XLA compiles has the losses and gradients of one that it does not, and consists of what TPUs can run."""

import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case, variant_case
from tensorflow.python.framework import kernels
from tiny_detector import tiny_batch, tiny_config, tiny_parts

from odtk.errors import OdtkError
from odtk.protos import pipeline_pb2
from odtk.training.split_step import SplitStep
from odtk.training.strategy import build_strategy
from odtk.training.task import DetectionTask
from odtk.training.tpu import connect

TPU_OPS = set(
    " ".join(
        line for line in (Path(__file__).parent / "tpu_ops.txt").read_text().splitlines() if not line.startswith("#")
    ).split()
)
HOST = ("custom-call", "infeed", "outfeed", "send", "recv")


def random_config():
    """With dropout, and negatives that are drawn."""
    config = tiny_config("dropout")
    config.model.ssd.loss.random_example_sampler.positive_sample_fraction = 0.25
    config.train_config.gradient_clipping_by_norm = 10
    return config


def losses_and_gradients(task, model, batch, is_compiled: bool):
    """As train_step has them; eager operations are slow."""
    compute = task.compiled(task._losses_and_gradients) if is_compiled else tf.function(task._losses_and_gradients)
    losses, gradients = compute(model, *batch, task.step_seed(tf.constant(3, tf.int64)))
    return {tag: float(loss) for tag, loss in losses.items()}, [gradient.numpy() for gradient in gradients]


def require_equal(plain, compiled, gradients: float):
    assert compiled[0] == pytest.approx(plain[0], rel=1e-5)
    for one, other in zip(plain[1], compiled[1], strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=gradients * np.abs(one).max() + 1e-9)


# XLA compiles each for ten seconds; the gate compares an evaluation (test_compiled_evaluation.py).
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(random_config, id="dropout, sampled negatives", marks=pytest.mark.slow),
        pytest.param(lambda: tiny_config("hard_example_miner"), id="mining", marks=pytest.mark.slow),
    ],
)
def test_compiled_losses_and_gradients_are_those_of_the_plain_step(config):
    results = []
    for is_compiled in (False, True):
        task, model, *_ = tiny_parts(config(), xla=is_compiled)
        results.append(losses_and_gradients(task, model, tiny_batch(model), is_compiled))
    require_equal(*results, gradients=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("case", [variant_case("base"), family_case("mobilenet_v2_fpnlite-base")], ids=lambda c: c.name)
@pytest.mark.parametrize(("frozen", "tolerance"), [(True, 1e-5), (False, 5e-5)])
def test_whole_networks_are_compiled_with_the_same_losses(case, frozen, tolerance):
    """Of their gradients, rounding decides too much in single precision: see test_training_in_double.py.

    With batch norms of two images, noise of 3e-7 in the images alone changes 5e-6 of the losses without XLA; and each
    of some 60 layers rounds.
    """
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.CopyFrom(case.config)
    config.model.ssd.freeze_batchnorm = frozen
    results = []
    for is_compiled in (False, True):
        task = DetectionTask(config, xla=is_compiled)
        model = task.build_model()
        case.assign_weights(model.checkpoint_variables())
        images, shapes = case.images(model.resize)
        batch = {"image": images, "true_image_shape": shapes}, case.groundtruth()
        results.append(losses_and_gradients(task, model, batch, is_compiled))
    (plain, _), (compiled, _) = results
    assert compiled == pytest.approx(plain, rel=tolerance)


def require_runs_on_tpu(function, *args) -> set[str]:
    """Compiles a function of static shapes into HLO, and looks at the graph and the program; returns its operations."""
    # Without values, which XLA would take for constants, and flat, as the compiler's answer is only had for such.
    flat = [tf.TensorSpec.from_tensor(tensor) for tensor in tf.nest.flatten(args)]
    compiled = tf.function(
        lambda *tensors: function(*tf.nest.pack_sequence_as(args, tensors)), jit_compile=True, autograph=False
    )
    graph = compiled.get_concrete_function(*flat).graph.as_graph_def()
    operations = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
    assert operations <= TPU_OPS, operations - TPU_OPS
    program = compiled.experimental_get_compiler_ir(*flat)(stage="hlo")
    assert "<=" not in re.sub(r'metadata=\{.*?"\}|".*?"', "", program), "a dimension is only bounded"
    for word in HOST:
        assert f" {word}(" not in program, word
    for shape, constant, axis in re.findall(
        r"= \w+\[([\d,]*)\]\S* set-dimension-size\(.*?, s32\[\] (\S+)\), dimensions=\{(\d+)\}", program
    ):
        # As tf2xla writes TopKV2: all of it.
        size = re.search(rf"{re.escape(constant)} = s32\[\] constant\((\d+)\)", program)
        assert size
        assert size[1] == shape.split(",")[int(axis)]
    return operations


# The next ones' programs are in float32.
@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_a_whole_step_is_one_static_program_of_operations_that_tpus_have(precision):
    """Forward, losses, backward, update, metrics, and the notes of the first failure and of the position."""
    task, model, optimizer, metrics = tiny_parts(random_config(), xla=True, precision=precision)

    def step(batch):
        task.train_step(batch, model, optimizer, metrics)

    operations = require_runs_on_tpu(step, tiny_batch(model))
    assert {"FusedBatchNormGradV3", "ResourceApplyKerasMomentum", "StatelessRandomUniformFullIntV2"} <= operations


def test_the_parts_of_a_step_are_static_programs_too():
    task, model, optimizer, metrics = tiny_parts(random_config(), xla=True, micro_batches=2)
    split = SplitStep(task, model, optimizer, metrics)
    require_runs_on_tpu(split.start)
    require_runs_on_tpu(lambda batch: split.add(batch), tiny_batch(model, size=1))
    require_runs_on_tpu(split.combine)
    require_runs_on_tpu(split.update)


def test_mining_is_a_static_program():
    task, model, *_ = tiny_parts(tiny_config("hard_example_miner"), xla=True)
    seed = tf.constant([1, 2], tf.int64)
    operations = require_runs_on_tpu(lambda batch: task._losses_and_gradients(model, *batch, seed), tiny_batch(model))
    assert "NonMaxSuppressionV4" in operations


def test_a_dynamic_program_would_be_noticed():
    """What `trim` does where shapes need not be static."""
    with pytest.raises((AssertionError, tf.errors.InvalidArgumentError)):
        require_runs_on_tpu(lambda x, n: x[: tf.reduce_max(n)] * 2, tf.ones([4]), tf.constant([1, 2]))
    with pytest.raises(AssertionError):
        require_runs_on_tpu(lambda x: tf.numpy_function(np.sin, [x], tf.float32), tf.ones([4]))


def test_the_written_operations_are_those_that_xla_compiles_on_any_device():
    tf.function(lambda: tf.constant(1.0), jit_compile=True)()  # registers the kernels
    registered = {device: set() for device in ("XLA_CPU_JIT", "XLA_GPU_JIT")}
    for kernel in kernels.get_all_registered_kernels().kernel:
        registered.get(kernel.device_type, set()).add(kernel.op)
    assert TPU_OPS - {"Placeholder"} <= registered["XLA_CPU_JIT"] & registered["XLA_GPU_JIT"]


def test_what_cannot_be_compiled_is_refused_before_the_first_step():
    config = tiny_config()
    config.model.ssd.feature_extractor.pad_to_multiple = 32
    resizer = config.model.ssd.image_resizer.keep_aspect_ratio_resizer
    resizer.min_dimension = resizer.max_dimension = 160
    with pytest.raises(OdtkError, match="images of several sizes") as error:
        DetectionTask(config, xla=True).build_model()
    assert error.value.argument == "xla"
    with patch("odtk.training.task.num_replicas", return_value=2), pytest.raises(OdtkError, match="this run has 2"):
        tiny_parts(tiny_config(), xla=True)


def test_on_a_tpu_shapes_are_static_and_the_step_is_not_compiled_twice():
    with patch("odtk.training.task.is_on_tpu", return_value=True):
        task, model, *_ = tiny_parts(tiny_config())
        assert task.needs_static_shapes
        assert DetectionTask(tiny_config(), xla=True).compiled(len) is len
        seed = tf.constant([1, 2], tf.int64)
        require_runs_on_tpu(lambda batch: task._losses_and_gradients(model, *batch, seed), tiny_batch(model))


def test_a_tpu_that_is_not_there_is_explained():
    with pytest.raises(OdtkError, match=r"No TPU was found on this machine: TPUs not found .*tensorflow-tpu"):
        connect("local")
    with pytest.raises(OdtkError, match="leave one out"):
        build_strategy("cpu", tpu="local")
