"""official.core's Trainer with TFOD's checkpoint layout and scalars, which measures its time."""

from collections.abc import Callable, Iterator

import tensorflow as tf
from official.core import base_trainer

from odtk.inputs.freeing import let_go
from odtk.inputs.graph_filter import GraphRecordFilter
from odtk.layers.precision import FLOAT16
from odtk.training.input_wait import InputWait
from odtk.training.log_rows import LogRow, LogRows
from odtk.training.logged_steps import NEVER, is_logged
from odtk.training.loss_scale import LossScale
from odtk.training.micro_batches import finer
from odtk.training.optimizer import current_learning_rate, unwrap
from odtk.training.split_step import SplitStep
from odtk.training.task import GRADIENT_NORM
from odtk.training.times import COMPILING, INPUT, STEP, Times

LAST_POSITION = "last_position"
"""The key in a checkpoint of the number of the last record's position that was trained on."""

LOSS_SCALE = "loss_scale"
"""The key in a checkpoint of what a run in float16 scales its loss with; see LossScale."""

_IS_SKIPPED = "is_skipped"


class DetectionTrainer(base_trainer.Trainer):
    """Saves variables under TFOD's keys and reports the last step's losses instead of their means."""

    _train_iter: Iterator | None  # Orbit's

    def __init__(
        self,
        config,
        task,
        model,
        optimizer,
        build_dataset: Callable,
        times: Times | None = None,
        wait: InputWait | None = None,
        log_every: int = NEVER,
    ):
        """`build_dataset` is called now, and each time that the data starts again.

        Of each step `log_every` the logs are kept until `take_rows`.
        """
        dataset, self._build_dataset = build_dataset(), build_dataset
        super().__init__(config, task, model, optimizer, train=True, evaluate=False, train_dataset=dataset)
        self._split = self._build_split()
        # TFOD names it `step`, official.core `global_step`.
        steps = {"step": self.global_step, "global_step": self.global_step}
        # TFOD does not know it, and restores the rest.
        position = {LAST_POSITION: task.last_position}
        if self.loss_scale is not None:
            position[LOSS_SCALE] = self.loss_scale
        self._checkpoint = tf.train.Checkpoint(**steps, **position, optimizer=optimizer, **model.checkpoint_objects())
        self._times, self._wait, self._is_compiled = times or Times(), wait or InputWait(), False
        self._log_every = log_every
        self._table: LogRows | None = None  # made with the loop
        self._rows: list[LogRow] | None = []  # None during a loop

    def _build_split(self) -> SplitStep | None:
        """None if a step is one whole batch."""
        loss_scale = LossScale() if self.task.precision == FLOAT16 else None
        if self.task.micro_batches == 1 and loss_scale is None:
            return None
        return SplitStep(self.task, self.model, self.optimizer, self.train_metrics, loss_scale)

    @property
    def loss_scale(self) -> LossScale | None:
        """None unless the network computes in float16."""
        return self._split.loss_scale if self._split is not None else None

    @property
    def skipped_steps(self) -> int | None:
        """How many steps were skipped since the run began, as their gradients overflowed; None unless in float16."""
        return None if self.loss_scale is None else int(self.loss_scale.overflows.numpy())

    def train(self, num_steps: tf.Tensor) -> dict:
        """Orbit's method: a loop of steps, whose time is measured; the first one compiles them."""
        phase = STEP if self._is_compiled else COMPILING
        before = self._wait.read()
        with self._times.phase(phase):
            logs = super().train(num_steps)  # waits for the device
        seconds, batches = (now - then for now, then in zip(self._wait.read(), before, strict=True))
        if self._is_compiled and batches:
            self._times.move(seconds / batches * int(num_steps) * self.task.micro_batches, phase, INPUT)
        self._is_compiled = True
        return logs

    def train_again(self, num_steps: int) -> None:
        """Trains steps of which nothing is logged; `rows` stay those of the loop before."""
        before = self.rows
        self.train(tf.constant(num_steps))
        self._rows = before

    def create_train_loop_fn(self) -> Callable:
        """Orbit's hook: its loop, which also keeps the logs of some steps."""
        table = self._table = LogRows(self._log_every, list(self._logs()))

        @tf.function
        def loop(iterator, first, num_steps):
            for number in tf.range(num_steps):
                with tf.name_scope(""):  # as in Orbit's loop: nothing is named after it
                    self.train_step(iterator)
                row = table.row_of(number, first, num_steps)
                if row >= 0:
                    table.note(row, self._logs())

        def run(iterator, num_steps):
            self._rows = None
            first = int(self.global_step.numpy())
            table.begin(first, int(num_steps))
            loop(iterator, tf.constant(first), num_steps)

        return run

    def train_loop_end(self) -> dict[str, float]:
        """Orbit's hook: the logs of the last step."""
        self._rows = self._read_rows()
        return dict(self._rows[-1].logs)

    @property
    def rows(self) -> list[LogRow]:
        """What is to be logged of the last loop, until it is taken; of a loop that failed, the steps before that."""
        self._rows = self._read_rows() if self._rows is None else self._rows
        return [row for row in self._rows if is_logged(row.step, self._log_every)]

    def take_rows(self) -> list[LogRow]:
        """`rows`, once."""
        rows, self._rows = self.rows, []
        return rows

    def _read_rows(self) -> list[LogRow]:
        rows = self._table.read() if self._table else []
        for row in rows:
            if row.logs.pop(_IS_SKIPPED, False):
                del row.logs[GRADIENT_NORM]
        return rows

    @tf.autograph.experimental.do_not_convert
    def _logs(self) -> dict[str, tf.Tensor]:
        """The losses of the last step, and the learning rate of the next one (as TFOD logs it).

        In float16 also the loss scale and how many steps were skipped so far; a skipped step has no gradient's norm.
        """
        logs = {metric.name: metric.result() for metric in self.train_metrics}
        logs["learning_rate"] = current_learning_rate(self.optimizer)
        if self.loss_scale is not None:
            logs["loss_scale"] = self.loss_scale.scale.read_value()
            logs["skipped_steps"] = self.loss_scale.overflows.read_value()
            logs[_IS_SKIPPED] = self.loss_scale.last_overflow.read_value() == self.global_step
        return logs

    def train_step(self, iterator):
        """official's hook: one step, of the next batch or of the micro-batches that make one."""
        if self._split is None:
            self.strategy.run(self._step_on, args=(self.next_train_inputs(iterator),))
        else:
            self._step_in_parts(self._split, iterator)

    def _step_on(self, inputs) -> None:
        self.task.train_step(inputs, self.model, self.optimizer, self.train_metrics)
        self.global_step.assign_add(1)

    def _step_in_parts(self, split: SplitStep, iterator) -> None:
        run = self.strategy.run
        run(split.start)
        for _ in tf.range(self.task.micro_batches):
            run(split.add, args=(self.next_train_inputs(iterator),))
        loss, norm = (self.strategy.experimental_local_results(each)[0] for each in run(split.combine))
        if split.loss_scale is None:
            run(split.update)
        else:
            has_overflowed = split.loss_scale.has_overflowed(loss, norm)
            # Outside of replicas, because an update talks to all of them. A NaN of other causes is trained on, as in
            # float32: it reaches the NaN guard.
            if has_overflowed:
                run(split.skip)
            else:
                run(split.update)
            split.loss_scale.after_step(self.global_step + 1, has_overflowed)
        self.global_step.assign_add(1)

    def next_train_inputs(self, iterator):
        """official's hook: the next batch, with the time that the step waits for it."""
        # Counted after a step's updates; global_step is counted at any time during it.
        ended = self.optimizer.iterations
        if self._split is not None:
            ended = self.strategy.experimental_local_results(self._split.counter)[0]
        batch = self._wait.fetch(lambda: next(iterator), ended)
        record_filter = self.task.record_filter
        if isinstance(record_filter, GraphRecordFilter):  # the step has no use for what was skipped
            batch = record_filter.without_skipped(batch, self.strategy.experimental_local_results)
        return batch

    def let_data_go(self) -> None:
        """Frees the input pipeline, which further steps would build again, from where this process began."""
        iterators = [self._train_iter]
        del self._train_iter  # where an assignment would leave TensorFlow's dependency of a checkpoint on it
        self._train_iter = None
        let_go(iterators)

    def restart_data(self) -> None:
        """Reads on behind `last_position`, as a resumed run does; for weights that were set back."""
        self.task.restart_inputs()
        self.train_dataset = self._build_dataset()

    def split_further(self) -> str | None:
        """Goes on with more micro-batches, after a step that ran out of memory; returns how. None if each has 1 image.

        The weights are those before that step, whose records are read again. (Batch norms' statistics may hold the
        failed step's, too.)
        """
        task, per_replica = self.task, self.task.config.train_config.batch_size // self.strategy.num_replicas_in_sync
        parts = finer(per_replica, task.micro_batches)
        if parts is None:
            return None
        before, task.micro_batches = task.micro_batches, parts
        with self.strategy.scope():
            # A loss scale that is there already goes on.
            self._split = self._split or self._build_split()
        self.finished_step()
        self.restart_data()
        self._train_loop_fn, self._is_compiled = None, False
        return f"{parts} micro-batches of {per_replica // parts} instead of {before} of {per_replica // before} images"

    def finished_step(self) -> int:
        """The last step that changed the weights, to which the count of steps is set: one more failed in its data."""
        step = int(self.optimizer.iterations.numpy())
        self.global_step.assign(step)
        return step

    def saved_variables(self) -> list[tf.Variable]:
        """All that a checkpoint holds."""
        descendants = tf.train.TrackableView(self.checkpoint).descendants()
        found = [each for each in descendants if isinstance(each, tf.Variable)]
        # An optimizer's slots are no descendants: TensorFlow saves them along with the variables that they belong to.
        found += [weight for optimizer in unwrap(self.optimizer) for weight in optimizer.weights]
        return list({id(variable): variable for variable in found}.values())

    def checkpoint_bytes(self) -> int:
        """About the size of a checkpoint: that of all variables."""
        variables = {id(each): each for each in [*self.model.variables, *self.optimizer.variables()]}.values()
        return sum(each.shape.num_elements() * each.dtype.size for each in variables)
