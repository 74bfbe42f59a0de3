"""What happens when the loss becomes NaN or infinite: the batch is kept, and training stops or goes on more slowly."""

import math
from collections.abc import Callable

import tensorflow as tf

from odtk import files
from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.devices import QUICK_BATCH_NORMS, has_quick_batch_norms
from odtk.errors import OdtkError
from odtk.layers.precision import FLOAT16
from odtk.training.callbacks.callback import Callback, GoBack
from odtk.training.experiment import Experiment
from odtk.training.failed_batch import FailedBatch, investigate
from odtk.training.halvings import (
    FOLDER,
    Halving,
    as_json,
    from_json,
    in_words,
    path_of,
    rate_scale,
    read_halvings,
    write_halvings,
)
from odtk.training.last_good_state import LastGoodState
from odtk.training.optimizer import scale_learning_rate
from odtk.training.task import GRADIENT_NORM

LOWER_RATE = "lower-rate"
MOST_HALVINGS = 3

_RECORDS_NAMED = 16


class NotFiniteError(OdtkError):
    """The loss became NaN or infinite."""


class NanGuard(Callback):
    """Goes back to the last good state, and raises NotFiniteError or, with LOWER_RATE, goes on with half the rate.

    Official's RecoveryAction is not used. It restores a checkpoint inside of Orbit's loop, which then logs the NaN at
    the restored step; it looks at the last step of a loop alone, keeps the rate and all weights of the batch that
    failed, counts in memory, and without a checkpoint restores nothing.
    """

    def __init__(self, on_nan: str = "stop", log: Callable[[str], None] = lambda line: None):
        self._lowers, self._log = on_nan == LOWER_RATE, log
        self._is_failing = False

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment, self._model_dir = experiment, experiment.info.model_dir
        self._good = LastGoodState(experiment)
        self._logs: dict[str, float] = {}
        with experiment.workers.together():
            found = read_halvings(self._model_dir, experiment.step)
            self._halvings = from_json(experiment.workers.chiefs_text(as_json(found)))
        if self._halvings:
            scale_learning_rate(experiment.trainer.optimizer, rate_scale(self._halvings))
            self._log(
                f"note: earlier in this run {in_words(self._halvings)}. Remove {path_of(self._model_dir)} to go on at "
                "the config's rate."
            )
        experiment.checkpoints.check = self._check_weights

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        self._logs = logs
        found = self._experiment.task.first_failure.read()
        if (
            self._no_worker_found(found)
            and math.isfinite(logs[TOTAL_LOSS])
            and math.isfinite(logs.get(GRADIENT_NORM, 0.0))
        ):
            self._good.forget_start()
            return
        failed_at, places = found or (step - 1, [])
        # A step that failed on one worker has changed the weights of all.
        first = self._experiment.workers.least(failed_at)
        self._fail(
            FailedBatch(first + 1, places if first == failed_at else [], logs), "The loss became NaN or infinite"
        )

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        self._experiment.checkpoints.check = lambda: None
        if self._halvings and error is None:
            self._log(f"note: {in_words(self._halvings)}. See {files.join(self._model_dir, FOLDER)}.")

    def _no_worker_found(self, found: object) -> bool:
        return bool(self._experiment.workers.least(found is None))

    def _check_weights(self) -> None:
        """Before weights are saved or measured: a step may have a finite loss and leave weights that are not."""
        if not all(_is_finite(variable) for variable in self._experiment.model.variables):
            batch = FailedBatch(self._experiment.step, [], self._logs)
            self._fail(batch, "Weights became NaN or infinite, which was seen when they were to be saved or evaluated,")

    def _fail(self, batch: FailedBatch, what: str) -> None:
        if self._is_failing:  # an interruption ended what follows, and now a checkpoint is to be saved
            raise NotFiniteError(f"{what} at step {batch.step}. The next run resumes from the last checkpoint.")
        self._is_failing = True
        try:
            self._recover(batch, what)
        except Exception:
            self._is_failing = False
            raise

    def _recover(self, batch: FailedBatch, what: str) -> None:
        is_alone = self._experiment.workers.count == 1  # a step of one worker's batch takes all workers
        found = investigate(batch, self._experiment, self._good.restore) if is_alone else ""
        state = self._good.restore()
        story = f"{what} at step {batch.step} ({_in_words(batch.logs)}). {self._named(batch)}{found}".rstrip()
        if self._lowers and len(self._halvings) < MOST_HALVINGS:
            self._lower_rate(batch, story, state)
        raise NotFiniteError(f"{story} {self._advice(state)}", argument=None if self._lowers else "on_nan")

    def _lower_rate(self, batch: FailedBatch, story: str, state: str) -> None:
        halvings = [*self._halvings, Halving(batch.step, self._experiment.step)]
        # Waits here for a drive that is away: a save that waits for it would go on with the weights that are set back.
        self._experiment.write(lambda: write_halvings(self._model_dir, halvings))
        self._halvings = halvings
        scale_learning_rate(self._experiment.trainer.optimizer, rate_scale(self._halvings))
        self._experiment.task.first_failure.forget()
        left = MOST_HALVINGS - len(self._halvings)
        text = (
            f"warning: {story} Training goes on from {state}, with {rate_scale(self._halvings):g} of the config's "
            f"learning rate; {left or 'no'} more such halving{'s' * (left != 1)} may follow."
        )
        self._log(text)
        raise GoBack(text)

    def _named(self, batch: FailedBatch) -> str:
        if not batch.places:
            return ""
        names = batch.records(self._experiment)
        more = f" and {len(names) - _RECORDS_NAMED} more" if len(names) > _RECORDS_NAMED else ""
        if self._experiment.workers.count > 1:
            return f"This worker's part of the batch of that step: {', '.join(names[:_RECORDS_NAMED])}{more}. "
        kept = files.join(self._model_dir, FOLDER)
        return f"The batch of that step: {', '.join(names[:_RECORDS_NAMED])}{more}; it is kept in {kept}. "

    def _advice(self, state: str) -> str:
        again = f"The rate was halved {len(self._halvings)} times: {in_words(self._halvings)}. " if self._lowers else ""
        float16 = ""
        if self._experiment.task.precision == FLOAT16:
            float16 = "float16 has no number above 65504: bfloat16 or float32 may be the remedy. "
        norms = ""
        if has_quick_batch_norms():
            norms = f"{QUICK_BATCH_NORMS}=0 in the environment shows whether cuDNN's quick batch norms overflow. "
        other = "" if self._lowers else " (or let training halve it by itself)"
        return (
            f"{again}Usually the learning rate is too high for the batch size: lower it{other}, lengthen the warm-up, "
            "or set train_config.gradient_clipping_by_norm: 10. If it happens at the same records again, check their "
            f"images and boxes. {float16}{norms}The next run goes on from {state}."
        )


def _in_words(logs: dict[str, float]) -> str:
    return ", ".join(f"{tag} {value:.3g}" for tag, value in logs.items())


def _is_finite(variable: tf.Variable) -> bool:
    return not variable.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(variable)))
