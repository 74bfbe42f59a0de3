"""Training over several processes: each one's folder, what they must have in common, and why one of them ends."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator

from google.protobuf.json_format import MessageToDict

from odtk.cluster import Cluster, unreachable
from odtk.errors import OdtkError
from odtk.growing_folder import growing_folder
from odtk.protos import pipeline_pb2
from odtk.retrying import Retrying, Writes, at_once, while_locked
from odtk.tools.train import surroundings
from odtk.tools.train.options import AUTO, TrainingOptions
from odtk.training.run_info import RunInfo

_OWN_OPTIONS = ("workers", "worker_index", "log_to", "max_time", "devices", "cache")
_PATHS = ("input_path", "label_map_path", "fine_tune_checkpoint")
_SECONDS_TO_END = 5.0
"""In which the port of a process that ends is closed."""


@contextlib.contextmanager
def own_folder(
    model_dir: str | os.PathLike, cluster: Cluster | None, kept: str, log: Callable[[str], None]
) -> Iterator[tuple[str | os.PathLike, Writes]]:
    """The folder that this process writes, and how: the model dir, locked, or of a worker a folder that is removed.

    All workers save checkpoints together, so the chief cannot wait alone for a drive that is away.
    """
    if cluster is not None and not cluster.is_chief:
        with tempfile.TemporaryDirectory(prefix="odtk-worker-", ignore_cleanup_errors=True) as folder:
            yield folder, at_once
        return
    # First of all: two runs in one folder would delete each other's checkpoints.
    with growing_folder(model_dir, kept, log) as lock:
        yield model_dir, Retrying(model_dir, lock, log) if cluster is None else while_locked(lock)


def warnings_alone(log: Callable[[str], None]) -> Callable[[str], None]:
    """The `log` of a worker that is not the chief: what the chief says, too, is said once."""
    return lambda line: log(line) if line.startswith("warning:") else None


def require_fit(options: TrainingOptions, config: pipeline_pb2.TrainEvalPipelineConfig, cluster: Cluster) -> None:
    """Raises OdtkError for what several workers cannot do."""
    for name in ("batch_size", "accumulate"):
        if getattr(options, name) == AUTO:
            raise OdtkError(
                "What fits is found by trial steps of one process, and here several train together. Find it on one of "
                "the machines alone, and give all workers the number (the batch size is that of all together).",
                argument=name,
            )
    if options.tpu is not None:
        raise OdtkError(
            "A TPU, also one with several hosts, is one run of its own: its TPU system connects the hosts. Leave out "
            "the workers (and TF_CONFIG), or the TPU.",
            argument="tpu",
        )
    if config.train_input_reader.num_epochs:
        raise OdtkError(
            "train_input_reader.num_epochs ends the data of one worker before that of another. Remove it, and set "
            "train_config.num_steps."
        )
    if config.train_config.batch_size % cluster.count:
        size = config.train_config.batch_size
        raise OdtkError(
            f"train_config.batch_size is {size}, which {cluster.count} workers cannot share evenly: set a multiple of "
            f"{cluster.count}. It is the size of the whole batch, of all workers together."
        )


def facts(config: pipeline_pb2.TrainEvalPipelineConfig, options: TrainingOptions, info: RunInfo) -> dict[str, str]:
    """What all workers must have in common; files may lie in different places."""
    of_config = dict(_fields("", MessageToDict(config, preserving_proto_field_name=True)))
    of_options = {name: value for name, value in dataclasses.asdict(options).items() if name not in _OWN_OPTIONS}
    numbers = {"training records": info.num_records, "last step": info.num_steps}
    return {
        name: str(value) for name, value in {**surroundings.versions(), **of_options, **numbers, **of_config}.items()
    }


def _fields(path: str, value: object) -> Iterator[tuple[str, object]]:
    """The fields of a config that are set, but for those of files, by path."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in _PATHS:
                yield from _fields(f"{path}.{name}".removeprefix("."), each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _fields(f"{path}[{index}]", each)
    else:
        yield path, value


@contextlib.contextmanager
def explained_worker_errors(
    cluster: Cluster | None, step: Callable[[], int], last_step: Callable[[], int | None]
) -> Iterator[None]:
    """Raises TensorFlow's error about a worker that has ended as an OdtkError with what to do."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError) as e:
        if cluster is None:
            raise
        gone = _gone(cluster)
        if not gone and isinstance(e, tf.errors.InternalError):
            raise
        who = " and ".join(cluster.name(index) for index in gone) or "another worker"
        saved = last_step()
        resume = f"the newest checkpoint, of step {saved}" if saved else "the start, as no checkpoint was saved yet"
        raise OdtkError(
            f"At step {step()} {who} ended or is no longer reachable{_detail(e.message or '')}, so all workers end. "
            f"Its own output says why. Start all workers again with the same commands: they go on from {resume}."
        ) from e


def _detail(message: str) -> str:
    """What TensorFlow says of it in its first line, where that says something."""
    first = message.partition("\n")[0].strip()
    return "" if first in ("", "Graph execution error:") else f" ({first[:200]})"


def _gone(cluster: Cluster) -> list[int]:
    """Those that cannot be reached any more, or a few seconds later."""
    end = time.monotonic() + _SECONDS_TO_END
    while not (gone := unreachable(cluster)) and time.monotonic() < end:
        time.sleep(0.2)
    return gone
