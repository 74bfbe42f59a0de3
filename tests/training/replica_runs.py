"""A program: trains and evaluates a small detector on logical CPUs, and prints what came out as JSON.

Arguments: a folder to write to, and "case, number of CPUs" of each run. It needs a process of its own: TensorFlow can
split its CPU into devices only before it computes.
"""

import dataclasses
import json
import sys
from pathlib import Path
from unittest.mock import patch

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from google.protobuf import text_format
from inspected_records import write
from quick_runs import draw_nothing, leave_imports_alone

from odtk.detectors.total_loss import logged_losses
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.protos import pipeline_pb2
from odtk.training.build import build_experiment
from odtk.training.callbacks.callback import Callback
from odtk.training.callbacks.nan_guard import NanGuard, NotFiniteError
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.first_bad_layer import diagnose
from odtk.training.loop import run
from odtk.training.out_of_memory import SumsCutOff
from odtk.training.run_info import RunInfo
from odtk.training.strategy import build_strategy
from odtk.training.task import DetectionTask

STEPS, BATCH = 3, 8

CASES = {
    "frozen": {"freeze": True},
    "frozen, in parts": {"freeze": True, "micro_batches": 2},
    "synced": {"synchronized": True},
    "synced, in parts": {"synchronized": True, "micro_batches": 2},
    "own": {},
    "diverging": {"synchronized": True},
    "out of memory": {"synchronized": True, "has_room": 0},
    "out of memory later": {"freeze": True, "has_room": 1},
}


class NormedNetwork(fake_detector.FakeNetwork):
    """With a batch norm behind its first convolution."""

    def __init__(self, num_classes: int, synchronized: bool, freeze: bool):
        super().__init__(num_classes)
        self.norm = ConvParams(
            tf_keras.initializers.Ones, None, BatchNormParams(0.9, scale=True, synchronized=synchronized)
        ).norm("norm")
        self.freeze = freeze

    def call(self, images, training=False):
        features = tf.nn.relu(self.norm(self.stem(images), training=training and not self.freeze))
        return self.heat(features), self.size(features)


class NormedDetector(fake_detector.FakeDetector):
    """With the same weights each time."""

    def __init__(self, resizer, num_classes: int, synchronized: bool, freeze: bool, has_room: int | None = None):
        """`has_room`: for how many steps more than two images have room on the first replica; None: always."""
        super().__init__(resizer, num_classes)
        self.room = None if has_room is None else tf.Variable(has_room > 0, trainable=False)
        self.network = NormedNetwork(num_classes, synchronized, freeze)
        self.ensure_built()
        drawn = np.random.default_rng(1)
        for variable in self.trainable_variables:
            variable.assign(drawn.normal(0.2, 0.3, variable.shape))

    def predict(self, images, true_image_shapes, training=False, groundtruth=None):
        replica = tf.distribute.get_replica_context()
        if training and self.room is not None and replica is not None and replica._replica_id_in_sync_group == 0:
            images += self.runs_out(images)
        heat, size = self.network(images, training=training)
        return {"cells": {"heat": heat, "size": size}}

    def runs_out(self, images):
        """Zero, or out of memory: late, so that the other replica waits for this one's part of its first sum.

        By operations alone that have no side effect, because TensorFlow computes one that has before any sum.
        """
        slow = tf.fill([900, 900], images[0, 0, 0, 0] * 1e-6)
        for _ in range(40):
            slow = tf.tanh(tf.matmul(slow, slow))
        fails = tf.logical_and(tf.shape(images)[0] > 2, tf.logical_not(self.room))
        size = tf.where(fails, tf.constant(2**46, tf.int64), 1) + tf.cast(slow[0, 0] / 2, tf.int64)
        return 0 * tf.reduce_sum(tf.fill([size], slow[0, 0]))

    def checkpoint_variables(self):
        norm = {f"model/_center/norm/{v.name.split('/')[-1][:-2]}": v for v in self.network.norm.variables}
        return super().checkpoint_variables() | norm


class NormedTask(DetectionTask):
    """Trains it."""

    norms: dict

    def build_model(self):
        model = NormedDetector(self.config.model.center_net.image_resizer, 2, **self.norms)
        self.loss_names = logged_losses(model)
        return model


class Told(Callback):
    """The logs of each step, and the images of each batch of the evaluation."""

    def __init__(self):
        self.logs, self.advanced = [], []

    def during_evaluation(self, step, num_images):
        self.advanced.append(num_images)

    def before_training(self, experiment, num_steps):
        self.room = experiment.model.room

    def after_loop(self, step, logs):
        self.logs.append(logs)
        if self.room is not None:
            self.room.assign(False)


def copies(experiment) -> dict:
    """The norm's moving averages by their keys in a checkpoint, of each replica."""
    found = {name: v for name, v in experiment.model.checkpoint_variables().items() if "/moving_" in name}
    local = experiment.controller.strategy.experimental_local_results
    return {name: [copy.numpy().tolist() for copy in local(variable)] for name, variable in found.items()}


def statistics_at_an_evaluation(experiment) -> dict:
    """The copies before, during and after an evaluation, and after a checkpoint was saved."""
    experiment.trainer.train(tf.constant(1))  # since the last checkpoint
    found = {"before": copies(experiment)}
    with experiment.evaluator.weights.in_place():
        found["measured"] = copies(experiment)
    found["after"] = copies(experiment)
    experiment.checkpoints.save(check_interval=False)
    return found | {"saved": copies(experiment)}


def evaluated_in_two_parts(task: DetectionTask, experiment) -> dict:
    """The metrics of the present weights, by the step of a TPU, not compiled."""
    with (
        patch("odtk.evaluation.step.is_on_tpu", return_value=True),
        experiment.controller.strategy.scope(),
        experiment.evaluator.weights.in_place(),
    ):
        return ConfiguredEvaluation(task.config, experiment.model).run().metrics


def the_config(folder: Path) -> pipeline_pb2.TrainEvalPipelineConfig:
    config = text_format.Parse(
        fake_detector.CONFIG.replace("{records}", str(folder)), pipeline_pb2.TrainEvalPipelineConfig()
    )
    config.train_config.batch_size = BATCH
    config.train_config.gradient_clipping_by_norm = 1.0
    rate = config.train_config.optimizer.momentum_optimizer.learning_rate
    rate.constant_learning_rate.learning_rate = 0.1
    config.train_config.optimizer.use_moving_average = True
    config.eval_config.use_moving_averages = True
    config.eval_config.batch_size = 4  # of ten images
    return config


def trained(folder: Path, case: str, count: int) -> dict:
    """What came out of a run on `count` devices: logs, variables, averages and an evaluation."""
    options = dict(CASES[case])
    task = NormedTask(the_config(folder / "records"), seed=1, micro_batches=options.pop("micro_batches", 1))
    task.norms = {"synchronized": False, "freeze": False} | options
    # TensorFlow takes the sums of a process's strategies for each other unless they count from different numbers.
    tf.distribute.MirroredStrategy._collective_key_base = count
    strategy = build_strategy("cpu:" + ",".join(map(str, range(count))), batch_size=BATCH // task.micro_batches)
    assert strategy.num_replicas_in_sync == count
    info = RunInfo(str(folder / f"{case}-{count}"), "", batch_size=BATCH, num_records=12, num_steps=STEPS)
    often = {"checkpoint_every": STEPS, "keep": 7, "log_every": 1, "schedule": EvaluationSchedule(STEPS, STEPS)}
    told, seen, lines = Told(), [], []
    if case == "diverging":
        rate = task.config.train_config.optimizer.momentum_optimizer.learning_rate
        rate.constant_learning_rate.learning_rate = 1e25
        often |= {"checkpoint_every": 1}
    experiment = build_experiment(task, strategy, info, **often)
    experiment.evaluator.on_batch = lambda images, features, *_: seen.append(
        [each.decode() for each in features["source_id"]]
    )
    try:
        run(experiment, STEPS, [NanGuard("lower-rate", lines.append), told], lines.append)
    except SumsCutOff as error:
        return {"lines": lines, "failed": error.failed, "step": experiment.step}
    except NotFiniteError as error:
        return {"lines": lines, "error": str(error), "step": experiment.step}
    assert not lines or "has_room" in options, lines
    evaluation = dataclasses.asdict(experiment.evaluator.latest)
    in_two_parts = evaluated_in_two_parts(task, experiment) if case == "frozen" else {}
    model, optimizer = experiment.model, experiment.trainer.optimizer
    batch = task.read_batch(model, [(0, record, record) for record in range(4)])
    diagnosis = diagnose(task, model, *batch) if case == "own" else None
    variables = dict(model.checkpoint_variables())
    averages = [optimizer.get_slot(variable, "average") for variable in model.trainable_variables]
    variables |= {f"average {number}": average for number, average in enumerate(averages)}
    found = {
        "logs": told.logs,
        "lines": lines,
        "variables": {name: np.asarray(value.numpy()).tolist() for name, value in variables.items()},
        "position": int(task.last_position.numpy()),
        "metrics": evaluation["metrics"],
        "metrics in two parts": in_two_parts,
        "num_images": evaluation["num_images"],
        "diagnosis": diagnosis.text if diagnosis else None,
        "seen": seen,
        "advanced": told.advanced,
    }
    return found | {"statistics": statistics_at_an_evaluation(experiment) if case == "own" else None}


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    folder = Path(sys.argv[1])
    write(folder / "records")
    runs = [word.rsplit(", ", 1) for word in sys.argv[2:]]
    print(json.dumps({f"{case}, {count}": trained(folder, case, int(count)) for case, count in runs}))


if __name__ == "__main__":
    leave_imports_alone()
    with pytest.MonkeyPatch.context() as undrawn:
        draw_nothing(undrawn)
        main()
