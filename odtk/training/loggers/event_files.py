"""TensorBoard's event files in the folder of one run (MODEL_DIR/train, MODEL_DIR/eval)."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from odtk import files
from odtk.hardware import on_this_machine
from odtk.records import shards
from odtk.training.loggers.logger import TrainingRow


class EventFiles:
    """Appends to a folder, which is made with its first entry; there is never a second value of one tag and step.

    A step that is not above the last one of its tag means that training went back to before it: then everything from
    this step on is removed.
    """

    def __init__(self, folder: str, first_step: int):
        """Removes what an earlier process wrote for `first_step` and later ones, and records that it cut off."""
        self._folder, self._first_step = folder, first_step
        self._last_steps = remove_events(folder, first_step)
        self._writer: tf.summary.SummaryWriter | None = None

    def add_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds values by tag."""
        self.add_rows([TrainingRow(step, scalars)])

    def add_rows(self, rows: Sequence[TrainingRow]) -> None:
        """Adds the values of rising steps, each step's in one event (tf.summary's, one for each value, take longer)."""
        tags = list(dict.fromkeys(itertools.chain(*(row.scalars for row in rows))))
        with self._adding(rows[0].step, tags) as writer:
            for row in rows:
                # Bytes of messages, one behind the other, are those of the merged message.
                summary = b"".join(scalar_pb(*each).SerializeToString() for each in row.scalars.items())
                summary = tf.compat.v1.Summary.FromString(summary)
                _add_event(writer, step=row.step, wall_time=time.time() - row.seconds_ago, summary=summary)
        self._last_steps.update({tag: row.step for row in rows for tag in row.scalars})

    def add_picture(self, step: int, tag: str, pixels: np.ndarray) -> None:
        """Adds a picture, uint8 [height, width, 3]."""
        with self._adding(step, [tag]):
            tf.summary.image(tag, pixels[None])

    def reopen(self) -> None:
        """Goes on in a new file, because the open one is no longer valid."""
        self._writer = None
        self._first_step = max(self._last_steps.values(), default=self._first_step - 1) + 1

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextlib.contextmanager
    def _adding(self, step: int, tags: list[str]) -> Iterator[tf.summary.SummaryWriter]:
        if any(step <= self._last_steps.get(tag, -1) for tag in tags):
            self.close()
            self._first_step, self._last_steps = step, remove_events(self._folder, step)
        with on_this_machine():
            writer = self._writer = self._writer or _start_file(self._folder, self._first_step)
            with writer.as_default(step):
                yield writer
            writer.flush()
        self._last_steps.update(dict.fromkeys(tags, step))


def add_measurement(folder: str, step: int, scalars: dict[str, float]) -> None:
    """Adds scalars of `step`, whatever later steps the folder has, unless the same values already stand there.

    For a process beside the training: it may be writing to the folder, so no file is changed.
    """
    found = {tag: value for at, tag, value in scalars_of(folder) if at == step}
    wanted = {tag: np.float32(value) for tag, value in scalars.items()}
    if not all(tag in found and np.array_equal(found[tag], value, equal_nan=True) for tag, value in wanted.items()):
        with on_this_machine():
            writer = tf.summary.create_file_writer(folder)
            with writer.as_default(step):
                for tag, value in scalars.items():
                    tf.summary.scalar(tag, value)
            writer.close()


def remove_events(folder: str, first_step: int) -> dict[str, int]:
    """Removes values of `first_step` and later, and records that were cut; returns the last step of each tag left."""
    last_steps: dict[str, int] = {}
    for path in _paths(folder):
        kept: list[tuple[int, int]] = []
        with tf.io.gfile.GFile(path, "rb") as file:
            for start, end, event in _events(path, file):
                if event is None or (event.summary.value and event.step >= first_step):
                    continue
                kept.append((start, end))
                for value in event.summary.value:
                    last_steps[value.tag] = max(event.step, last_steps.get(value.tag, -1))
            if sum(end - start for start, end in kept) < tf.io.gfile.stat(path).length:
                _keep_only(path, file, kept)
    return last_steps


def _keep_only(path: str, file: tf.io.gfile.GFile, ranges: list[tuple[int, int]]) -> None:
    with files.create(path) as shorter:
        for start, end in ranges:
            file.seek(start)
            shorter.write(file.read(end - start))


def _start_file(folder: str, first_step: int) -> tf.summary.SummaryWriter:
    """A writer whose file begins with the mark by which a running TensorBoard drops what it has of later steps."""
    writer = tf.summary.create_file_writer(folder)
    mark = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    _add_event(writer, step=first_step, wall_time=time.time(), session_log=mark)
    return writer


def _add_event(writer: tf.summary.SummaryWriter, **fields) -> None:
    """tf.summary has no function for it."""
    event = tf.compat.v1.Event(**fields)
    tf.raw_ops.ImportEvent(writer=writer._resource, event=event.SerializeToString())


def scalars_of(folder: str) -> Iterator[tuple[int, str, np.ndarray]]:
    """(step, tag, value) of each scalar."""
    for path in _paths(folder):
        with tf.io.gfile.GFile(path, "rb") as file:
            for _, _, event in _events(path, file):
                for value in event.summary.value if event else ():
                    if value.HasField("tensor") and value.tensor.dtype == tf.float32.as_datatype_enum:
                        yield event.step, value.tag, tf.make_ndarray(value.tensor)


def _paths(folder: str) -> list[str]:
    return [files.join(folder, name) for name in files.names_in(folder) if "tfevents" in name]


def _events(path: str, file: tf.io.gfile.GFile) -> Iterator[tuple]:
    """Where each record begins and ends, and its event; None where a killed process left only a part of it."""
    offset = 0
    for found in shards.walk(file, tf.io.gfile.stat(path).length):
        is_whole = isinstance(found, shards.Record)
        yield offset, found.end, tf.compat.v1.Event.FromString(found.data) if is_whole else None
        offset = found.end
