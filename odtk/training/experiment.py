"""Puts official.core's and Orbit's objects together for one training run."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orbit
import tensorflow as tf
from official.core import config_definitions

from odtk.checkpoints.files import stated_newest
from odtk.checkpoints.newest import newest_checkpoint
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.detector import Detector
from odtk.training.optimizer import build_optimizer, slot_paths
from odtk.training.task import DetectionTask
from odtk.training.trainer import DetectionTrainer, Pace, TfodSummaries, stop_at_nan

# TFOD's default.
CHECKPOINTS_KEPT = 7


class StepCheckpoints(tf.train.CheckpointManager):
    """Saves at multiples of the interval; TensorFlow's own also saves after the first step of every run."""

    def save(self, checkpoint_number=None, check_interval=True, options=None):
        """The path saved, None where `check_interval` and the step is no multiple."""
        if check_interval and int(self._step_counter) % self.checkpoint_interval:
            return None
        return super().save(checkpoint_number, check_interval=False, options=options)


def create_variables(model: Detector, optimizer) -> None:
    """Makes the variables of both; left to the first training step, they would have TensorFlow trace it twice."""
    model.checkpoint_variables()
    # official's moving average wraps the optimizer that has the momenta.
    for each in (getattr(optimizer, "_optimizer", optimizer), optimizer):
        # Keras has no public way to this, short of an update.
        each._create_all_weights(model.trainable_variables)


@dataclass
class Experiment:
    """A run that is ready to go: `controller.train(steps)` does the rest."""

    controller: orbit.Controller
    trainer: DetectionTrainer
    manager: tf.train.CheckpointManager
    resumed_from: str | None
    slots_anew: list[str]  # of the optimizer, which the checkpoint that is resumed does not have


def build_experiment(
    task: DetectionTask,
    model_dir: str | os.PathLike,
    checkpoint_every: int,
    log_every: int,
    actions=(),
    log: Callable[[str], None] = lambda line: None,
) -> Experiment:
    """Model, data, optimizer and loop; a checkpoint in `model_dir` is resumed, a fine-tuning one otherwise loaded.

    `log` is told where another than the newest checkpoint is resumed (see newest_checkpoint).
    """
    model_dir = Path(model_dir)
    model = task.build_model()
    optimizer = build_optimizer(task.config.train_config.optimizer)
    create_variables(model, optimizer)
    latest = newest_checkpoint(model_dir, log)
    reader = CheckpointReader(latest) if latest else None
    if reader and task.seed is not None:
        # A resumed run goes on with data of its own, instead of those that it began with.
        task.seed += reader.step or 0
    trainer = DetectionTrainer(
        config_definitions.ExperimentConfig(
            task=task.task_config, trainer=config_definitions.TrainerConfig(train_tf_while_loop=True)
        ),
        task,
        model,
        optimizer,
        train_dataset=orbit.utils.make_distributed_dataset(tf.distribute.get_strategy(), task.build_inputs(model)),
    )
    if latest:
        _name_as_newest(model_dir, latest)
    manager = StepCheckpoints(
        trainer.checkpoint,
        os.fspath(model_dir),
        max_to_keep=CHECKPOINTS_KEPT,
        step_counter=trainer.global_step,
        checkpoint_interval=checkpoint_every,
        init_fn=trainer.initialize,
    )
    slots_anew = []
    if reader:
        # Orbit restores whatever matches; this says first, strictly, whether all of it does.
        restore(model.checkpoint_variables(), reader)
        slots_anew = sorted(path.rpartition("/")[2] for path in slot_paths(optimizer) - reader.slots())
    controller = orbit.Controller(
        global_step=trainer.global_step,
        trainer=trainer,
        train_actions=[stop_at_nan(trainer), *actions],
        steps_per_loop=Pace([log_every, checkpoint_every]),
        checkpoint_manager=manager,
        summary_manager=TfodSummaries(model_dir / "train", trainer.global_step, log_every),
    )
    if slots_anew:
        _begin_anew(optimizer, model, trainer.global_step)
    return Experiment(controller, trainer, manager, latest, slots_anew)


def _name_as_newest(model_dir: Path, prefix: str) -> None:
    """Corrects the file that TensorFlow's manager goes by; checkpoints that it then does not name are never deleted."""
    if os.path.abspath(model_dir / (stated_newest(model_dir) or "")) != os.path.abspath(prefix):
        name = os.path.relpath(prefix, model_dir)
        tf.compat.v1.train.update_checkpoint_state(os.path.abspath(model_dir), name, [name])


def _begin_anew(optimizer, model: Detector, step: tf.Variable) -> None:
    """Of an optimizer that the checkpoint does not know: the schedule goes on, and averages begin at the weights."""
    optimizer.iterations.assign(step)
    if "average" in optimizer.get_slot_names():
        for variable in model.trainable_variables:
            optimizer.get_slot(variable, "average").assign(variable)
