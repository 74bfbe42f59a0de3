"""Orbit's training loop, with evaluations and callbacks."""

import contextlib
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from odtk.errors import OdtkError
from odtk.inputs.build import build_fault_finder
from odtk.inputs.record_errors import naming_the_record
from odtk.retrying import is_of_writing
from odtk.training.callbacks.callback import Callback, GoBack, StopTraining
from odtk.training.evaluator import EvaluationImpossible
from odtk.training.experiment import Experiment
from odtk.training.loggers.csv_files import read_evaluations
from odtk.training.loggers.csv_table import STEP
from odtk.training.orbit_output import without_printing
from odtk.training.out_of_memory import EvaluationOutOfMemory, SumsCutOff, are_sums_cut_off, is_out_of_memory
from odtk.training.strategy import has_several_workers
from odtk.training.times import EVALUATION
from odtk.training.workers import Workers, require_same_weights

ALL_STEPS_DONE = "all steps are done"


@dataclass
class Outcome:
    """How training ended: the last loop's logs ({} if none ran), and why."""

    logs: dict[str, float] = field(default_factory=dict)
    reason: str = ALL_STEPS_DONE


def run(
    experiment: Experiment,
    num_steps: int,
    callbacks: Sequence[Callback] = (),
    log: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Trains to step `num_steps`, evaluates by `experiment.schedule`, and saves a checkpoint at the end.

    An evaluation that a killed run owes is made first. A step that runs out of memory is tried again in more
    micro-batches, which `log` is told, and with them training goes on. Raises SumsCutOff where several devices cannot.

    See Callback for when `callbacks` are called. An error of the data is raised as a DataError that names the record;
    KeyboardInterrupt, TensorFlow's errors (OutOfRangeError at the end of the data) and callbacks' errors are raised as
    they are.
    """
    task = experiment.task
    find_fault = build_fault_finder(task.config.train_input_reader, experiment.model.num_classes, task.record_filter)
    with without_printing(), contextlib.ExitStack() as ends:
        experiment.logger.start(experiment.info, experiment.step)
        ends.push(_at_end(experiment.logger.close))
        for callback in callbacks:
            callback.before_training(experiment, num_steps)
            ends.push(_at_end(callback.at_end))
        ends.callback(experiment.trainer.let_data_go)
        with naming_the_record(find_fault):
            return _Loop(experiment, num_steps, callbacks, log).run()


def owes_evaluation(experiment: Experiment) -> bool:
    """Whether the evaluation of the present step is due and was not made to its end: the run was killed meanwhile."""
    if experiment.evaluator is None or not experiment.workers.chiefs(experiment.schedule.is_due(experiment.step)):
        return False
    made = any(row[STEP] == experiment.step for row in read_evaluations(experiment.info.model_dir))
    return not experiment.workers.chiefs(made)


class _Loop:
    """The calls of Orbit's controller, and what its actions note down."""

    def __init__(
        self, experiment: Experiment, num_steps: int, callbacks: Sequence[Callback], log: Callable[[str], None]
    ):
        self._experiment, self._num_steps, self._callbacks, self._log = experiment, num_steps, callbacks, log
        self._outcome = Outcome()
        self._stop: StopTraining | None = None
        self._evaluated: int | None = None
        self._ran_out: int | None = None
        """In how many micro-batches the last step was that ran out of memory."""
        self._can_evaluate = experiment.evaluator is not None
        experiment.controller.train_actions = (self._after_loop,)
        experiment.controller.eval_actions = (self._after_evaluation,)
        if experiment.evaluator:
            experiment.evaluator.advance = self._during_evaluation

    def run(self) -> Outcome:
        self._experiment.schedule.start()
        while True:
            try:
                self._train()
                break
            except GoBack:
                self._start_again()
            except tf.errors.OpError as error:
                if not self._goes_on_with_less(error):
                    raise
        if self._stop is not None and self._stop.evaluate and self._evaluated != self._experiment.step:
            self._evaluate()
        require_same_weights(self._experiment.workers, self._experiment.model)
        if self._stop is not None:
            self._outcome.reason = str(self._stop)
        return self._outcome

    def _train(self) -> None:
        experiment, controller = self._experiment, self._experiment.controller
        first = experiment.step
        if self._stop is None and owes_evaluation(experiment):
            self._evaluate()
        while experiment.step < self._num_steps and self._stop is None:
            step = experiment.step
            # One loop: the summaries and the checkpoint of the loop in which a callback stops are still written.
            end = min(step + experiment.workers.chiefs(experiment.pace(step)), self._num_steps)
            if controller.step_timer:
                controller.step_timer.start()  # steps_per_sec is without evaluations and checkpoints
            with self._logging_a_part():
                controller.train(end, checkpoint_at_completion=False)
            if self._stop is None and experiment.workers.chiefs(experiment.schedule.is_due(experiment.step)):
                self._save_at_last_step()
                self._evaluate()
        if experiment.step > first:
            controller.save_checkpoint()

    @contextlib.contextmanager
    def _logging_a_part(self):
        """Of a loop that does not come to its end, because of a step or a callback, the log gets what was trained."""
        try:
            yield
        except (KeyboardInterrupt, OdtkError, tf.errors.OpError) as error:
            if not is_of_writing(error):
                self._experiment.controller.summary_manager.write_rest()
            raise

    def _start_again(self) -> None:
        """What a resumed run would do after a kill."""
        experiment = self._experiment
        experiment.trainer.restart_data()
        self._evaluated, self._outcome.logs = None, {}
        experiment.controller.step_timer = None  # or else the next steps per second would be negative
        experiment.logger.close(None)
        experiment.logger.start(experiment.info, experiment.step)
        for callback in self._callbacks:
            experiment.write(functools.partial(callback.after_going_back, experiment.step))

    def _goes_on_with_less(self, error: tf.errors.OpError) -> bool:
        """Whether a step that ran out of memory is tried again in more micro-batches; other workers would not know."""
        experiment = self._experiment
        if has_several_workers(experiment.controller.strategy):
            return False
        cut_off = are_sums_cut_off(error)
        if is_out_of_memory(error) and not (cut_off and self._ran_out):
            self._ran_out = experiment.task.micro_batches
        if cut_off and (self._ran_out or isinstance(error, tf.errors.CancelledError)):  # or by an earlier run
            experiment.trainer.finished_step()
            raise SumsCutOff(self._ran_out) from error
        if not is_out_of_memory(error):
            return False
        how = experiment.trainer.split_further()
        if how is None:
            return False
        experiment.controller.step_timer = None  # it started with the loop that failed
        self._log(f"warning: Out of memory in step {experiment.step + 1}. It is tried again with {how}.")
        return True

    def _evaluate(self) -> None:
        """The callbacks are called while the measured weights, which may be averages, are still in place."""
        experiment = self._experiment
        if experiment.evaluator is None or not self._can_evaluate:
            return
        experiment.checkpoints.check()  # what is not saved is not measured, or kept as the best, either
        self._evaluated = experiment.step
        measuring = experiment.times.phase(EVALUATION), experiment.schedule.measuring()
        agreeing = experiment.workers.together(), self._noting_stop()
        try:
            with agreeing[0], agreeing[1], measuring[0], measuring[1], experiment.evaluator.weights.in_place():
                experiment.controller.evaluate()
        except EvaluationImpossible:
            self._can_evaluate = False
        except tf.errors.OpError as error:
            if is_out_of_memory(error):
                raise EvaluationOutOfMemory from error
            raise

    def _save_at_last_step(self) -> None:
        """Before the evaluation, which can be interrupted; CheckpointManager saves the same step only once."""
        if self._experiment.step >= self._num_steps:
            self._experiment.controller.save_checkpoint()

    def _after_loop(self, output: dict) -> None:
        self._outcome.logs = {tag: float(value) for tag, value in output.items()}
        with self._experiment.workers.together():
            for callback in self._callbacks:
                with self._noting_stop():
                    after = functools.partial(callback.after_loop, self._experiment.step, dict(self._outcome.logs))
                    self._experiment.write(after)
            self._agree_on_stop()

    def _during_evaluation(self, num_images: int) -> None:
        workers, stop = self._experiment.workers, None
        with workers.together():
            try:
                for callback in self._callbacks:
                    callback.during_evaluation(self._experiment.step, num_images)
            except StopTraining as asked:
                stop = asked
            stop = agreed_stop(stop, workers)
        if stop is not None:
            raise stop

    def _after_evaluation(self, output: dict) -> None:
        assert self._experiment.evaluator is not None
        evaluation = self._experiment.evaluator.latest
        assert evaluation is not None
        with self._experiment.workers.together():
            for callback in self._callbacks:
                with self._noting_stop():
                    after = functools.partial(callback.after_evaluation, self._experiment.step, evaluation)
                    self._experiment.write(after)
            self._agree_on_stop()

    def _agree_on_stop(self) -> None:
        self._stop = agreed_stop(self._stop, self._experiment.workers)

    @contextlib.contextmanager
    def _noting_stop(self):
        try:
            yield
        except StopTraining as stop:
            self._stop = self._stop or stop


def agreed_stop(stop: StopTraining | None, workers: Workers) -> StopTraining | None:
    """The stop of the first worker that has one, on all workers."""
    if workers.count == 1:
        return stop
    text = workers.first(None if stop is None else json.dumps([str(stop), stop.evaluate]))
    if text is None:
        return None
    reason, evaluate = json.loads(text)
    return StopTraining(reason, evaluate=evaluate)


def _at_end(end: Callable) -> Callable:
    def leave(kind, error: BaseException | None, traceback) -> None:
        try:
            end(error)
        except Exception as later:
            # The first file that cannot be written is the one to be told of.
            if not (is_of_writing(error) and is_of_writing(later)):
                raise

    return leave
