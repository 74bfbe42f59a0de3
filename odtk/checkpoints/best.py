"""A model dir's folder best/, with the weights that were measured to be best; and which of its checkpoints to use.

Its metrics.json names the checkpoint that is valid: it is renamed into place when the checkpoint's files are complete,
and older ones are removed only then, so that whoever reads after a kill finds the old or the new best, as a whole.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from odtk import files
from odtk.checkpoints.files import BEST_FOLDER as FOLDER
from odtk.checkpoints.files import BEST_METRICS as FILE
from odtk.checkpoints.files import name_of, names_in, prefixes_in
from odtk.checkpoints.newest import find_checkpoint
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.state_file import STATE_FILE, read_state
from odtk.errors import CheckpointError, DamagedCheckpointError

BEST, LAST = "best", "last"
"""What `checkpoint` may be instead of a prefix."""

_CHUNK = 2**24  # bytes


@dataclass(frozen=True)
class Best:
    """The best weights of a model dir: their checkpoint, and what was measured of them."""

    prefix: str
    step: int
    metric: str
    """The one by which they are best."""
    value: float
    metrics: Mapping[str, float]
    """All of that evaluation, without those that are not finite."""


def read_best(model_dir: str | os.PathLike) -> Best | None:
    """What best/ holds; None if there is none, or not as a whole (a copy that was cut)."""
    folder = files.join(model_dir, FOLDER)
    try:
        read = json.loads(files.read_text(files.join(folder, FILE)))
        prefix = files.join(folder, read["checkpoint"])
        metrics = {name: value for name, value in read["metrics"].items() if value is not None}
        best = Best(prefix, int(read["step"]), read["metric"], float(read["value"]), metrics)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return best if files.exists(f"{prefix}.index") else None


def write_best(
    model_dir: str | os.PathLike,
    step: int,
    metric: str,
    metrics: Mapping[str, float],
    save: Callable[[str], object],
) -> Best:
    """Replaces what best/ holds; `save` writes a checkpoint under a prefix. A kill leaves the old or the new best."""
    folder, name = files.join(model_dir, FOLDER), f"ckpt-{step}"
    files.make_folder(folder)
    if any(each.startswith(f"{name}.") for each in files.names_in(folder)):
        name += "-again"  # over its own files, the old one would be lost before the new one is complete
    save(files.join(folder, name))
    finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
    contents = {"checkpoint": name, "step": step, "metric": metric, "value": metrics[metric], "metrics": finite}
    files.write_text(files.join(folder, FILE), json.dumps(contents, indent=2, ensure_ascii=False) + "\n")
    tidy(model_dir)
    known = {key: value for key, value in finite.items() if value is not None}
    return Best(files.join(folder, name), step, metric, metrics[metric], known)


def tidy(model_dir: str | os.PathLike) -> None:
    """Lets best/ hold the checkpoint of its metrics.json alone, which TFOD's file `checkpoint` then names, too."""
    best, folder = read_best(model_dir), files.join(model_dir, FOLDER)
    if best is None:
        return
    name = os.path.basename(best.prefix)
    text = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    state = read_state(folder)
    if (state.newest, list(state.listed)) != (name, [name]):
        files.write_text(files.join(folder, STATE_FILE), text)
    for other in files.names_in(folder):
        if other.startswith("ckpt-") and not other.startswith(f"{name}."):
            path = files.join(folder, other)
            (files.remove_folder if files.is_folder(path) else files.remove)(path)


def copy_as_last(model_dir: str | os.PathLike, log: Callable[[str], None]) -> bool:
    """Copies the best checkpoint to where those of a model dir are, if it is whole; whether it was.

    For a run that was killed before its first checkpoint, but after an evaluation. `log` is called.
    """
    best = read_best(model_dir)
    if best is None:
        return False
    try:
        CheckpointReader(best.prefix).verify()
    except DamagedCheckpointError as error:
        log(str(error))
        return False
    log(f"{model_dir} has no checkpoint to resume from but the best one, {best.prefix}, which is copied there.")
    source, name = name_of(best.prefix), f"ckpt-{best.step}"
    folder = files.join(model_dir, FOLDER)
    for file in sorted(each for each in names_in(folder) if each.startswith(f"{source}.")):
        target = files.join(model_dir, name + file.removeprefix(source))
        with tf.io.gfile.GFile(files.join(folder, file), "rb") as whole, files.create(target) as copy:
            shutil.copyfileobj(whole, copy, _CHUNK)
    return True


def choose_checkpoint(
    model_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    log: Callable[[str], None] = lambda line: None,
    verb: str = "Using",
) -> str:
    """The prefix meant by `checkpoint`: BEST, LAST, or a prefix; None is the best, where there is one, or the last.

    `model_dir` may be a prefix or an exported folder, too. `log` is told which it is, and why: "Evaluating
    model/best/ckpt-400, ...". Raises CheckpointError.
    """
    best = read_best(model_dir) if checkpoint in (None, BEST) else None
    if checkpoint == BEST and best is None:
        raise CheckpointError(
            f"{model_dir} has no best checkpoint in best/, where training keeps what evaluations found best. Take the "
            "last one.",
            argument="checkpoint",
        )
    if best is not None:
        try:
            CheckpointReader(best.prefix).verify()
        except DamagedCheckpointError as error:
            if checkpoint == BEST:
                raise
            log(f"{error} The last checkpoint is used instead.")
        else:
            log(f"{verb} {best.prefix}, the best by {_short(best.metric)} ({best.value:.4g} at step {best.step})"
                f"{_last_in_words(model_dir)}.")  # fmt: skip
            return best.prefix
    if checkpoint not in (None, BEST, LAST):
        assert checkpoint is not None
        prefix = find_checkpoint(checkpoint, log)
        log(f"{verb} {prefix}.")
        return prefix
    prefix = _find_last(model_dir, log)
    log(f"{verb} {prefix}{', the last' if files.is_folder(model_dir) else ''}.")
    return prefix


def _find_last(model_dir: str | os.PathLike, log: Callable[[str], None]) -> str:
    try:
        return find_checkpoint(model_dir, log)
    except DamagedCheckpointError:
        raise
    except CheckpointError as error:
        best = read_best(model_dir)
        if best is None:
            raise
        raise CheckpointError(
            f"{model_dir} holds no checkpoint but the best one, {best.prefix}. Take that one.", argument="checkpoint"
        ) from error


def _short(metric: str) -> str:
    return metric if metric.startswith(("AP/", "Loss/")) else metric.rpartition("/")[2]


def _last_in_words(model_dir: str | os.PathLike) -> str:
    last = next(iter(prefixes_in(model_dir)), None)
    return f"; the last is {os.path.basename(last)}" if last else ""
