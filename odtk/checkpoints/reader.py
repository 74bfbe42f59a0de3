"""Reads a TensorFlow checkpoint in TFOD's layout: its variables are found through its own object graph.

A variable can be saved under any of its paths, and TensorFlow versions differ in which one they use; the object graph
in the checkpoint has all of them.
"""

import os

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2

from odtk.checkpoints.files import missing_file, prefixes_in, prefixes_near, split
from odtk.checkpoints.object_graph import attributes_of
from odtk.errors import CheckpointError, DamagedCheckpointError

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
"""What the names of variables end with, behind their path."""

_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SLOT = "/.OPTIMIZER_SLOT/"
# Errors of TensorFlow's reader; a truncated file is an IndexError.
_READING_ERRORS = (tf.errors.OpError, IndexError, ValueError, RuntimeError)
_COPY_AGAIN = "Copy the checkpoint again from where it is complete, or use another one."


class CheckpointReader:
    """The variables of one checkpoint, by attribute path from its root (`model/_feature_extractor/...`)."""

    def __init__(self, prefix: str | os.PathLike):
        """Raises CheckpointError if no checkpoint has this prefix, DamagedCheckpointError if a file is damaged."""
        self.prefix = checked_prefix(prefix)
        try:
            # tf.train.load_checkpoint takes a prefix for a folder if there is one of that name, or a store begins so.
            self._reader = tf.compat.v1.train.NewCheckpointReader(self.prefix)
            self._shapes = self._reader.get_variable_to_shape_map()
            self._types = self._reader.get_variable_to_dtype_map()
        except _READING_ERRORS as error:
            raise _damaged(f"{self.prefix}.index", error) from error
        if _GRAPH_KEY not in self._shapes:
            raise CheckpointError(
                f"{self.prefix} has no object graph: it is a TensorFlow 1 checkpoint. Use the TensorFlow 2 checkpoint "
                "of the model (in TFOD's model zoo: the TF2 zoo's `checkpoint/ckpt-0`)."
            )
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        try:
            graph.ParseFromString(self.value(_GRAPH_KEY))
        except DecodeError as error:
            raise _damaged(f"{self.prefix}.index", error) from error
        self._nodes = graph.nodes
        self._children = [{c.local_name: c.node_id for c in node.children} for node in graph.nodes]

    def tensor_name(self, key: str) -> str | None:
        """The name under which the variable at attribute path `key` was saved; None if there is none."""
        node = 0
        for name in attributes_of(key):
            if name not in self._children[node]:
                return None
            node = self._children[node][name]
        for attribute in self._nodes[node].attributes:
            if attribute.name == "VARIABLE_VALUE" and attribute.checkpoint_key in self._shapes:
                return attribute.checkpoint_key
        return None

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the tensor saved as `name`."""
        return tuple(self._shapes[name])

    def value(self, name: str) -> np.ndarray:
        """Value of the tensor saved as `name`; raises DamagedCheckpointError if it cannot be read."""
        try:
            return self._reader.get_tensor(name)
        except _READING_ERRORS as error:
            whole = f"{self.prefix}.data-00000-of-00001"
            raise _damaged(whole if os.path.isfile(whole) else f"{self.prefix}.data-*", error) from error

    def finite_value(self, name: str) -> np.ndarray:
        """`value`, if it is finite; otherwise DamagedCheckpointError: training had failed before it was saved."""
        value = self.value(name)
        if self._types[name].is_floating and not np.isfinite(value).all():
            raise DamagedCheckpointError(
                f"The checkpoint {self.prefix} was saved when training had already failed: "
                f"{name.removesuffix(SUFFIX)} is not finite (NaN or infinite)."
            )
        return value

    def verify(self) -> None:
        """Reads every tensor with its checksum; DamagedCheckpointError if one cannot be read, or is not finite."""
        for name in self._shapes:
            self.finite_value(name)

    def slot(self, name: str, slot: str) -> str | None:
        """The name of an optimizer's slot ("average", "momentum") for the variable saved as `name`."""
        slot_name = f"{name.removesuffix(SUFFIX)}{_SLOT}optimizer/{slot}{SUFFIX}"
        return slot_name if slot_name in self._shapes else None

    def slots(self) -> set[str]:
        """Paths from the root of all optimizers' slots, without the variables: `optimizer/momentum` and the like."""
        return {name.partition(_SLOT)[2].removesuffix(SUFFIX) for name in self._shapes if _SLOT in name}

    def variable_names(self, root: str) -> list[str]:
        """Names of all tensors saved below `root`, without optimizer slots, sorted."""
        below = (name for name in self._shapes if name.startswith(f"{root}/") and name.endswith(SUFFIX))
        return sorted(name for name in below if _SLOT not in name and not name.endswith(f"save_counter{SUFFIX}"))

    @property
    def step(self) -> int | None:
        """The training step it was saved at (odtk's `global_step`, TFOD's `step`); None if it has none."""
        for key in ("global_step", "step"):
            name = self.tensor_name(key)
            if name is not None:
                return int(self.value(name))
        return None


def checked_prefix(path: str | os.PathLike) -> str:
    """`path` if a checkpoint with that prefix exists; otherwise raises a CheckpointError with nearby prefixes."""
    path = os.fspath(path)
    folder, name = split(path)
    if name in (split(prefix)[1] for prefix in prefixes_in(folder)):
        missing = missing_file(path)
        if missing:
            raise DamagedCheckpointError(f"The checkpoint {path} is incomplete: {missing} is missing. {_COPY_AGAIN}")
        return path
    stem, extension = os.path.splitext(path)
    if extension == ".index" or ".data-" in extension:
        raise CheckpointError(f"{path} is one file of a checkpoint; give the checkpoint by its prefix: {stem}")
    nearby = prefixes_near(path)
    hint = f"There are: {', '.join(nearby)}." if nearby else "There is no other checkpoint near it."
    raise CheckpointError(
        f"There is no checkpoint {path} (with the files {path}.index and {path}.data-...). A checkpoint is given by "
        f"its prefix, such as .../checkpoint/ckpt-0. {hint}"
    )


def _damaged(file: str, error: Exception) -> DamagedCheckpointError:
    # TensorFlow's error if bytes are missing at the end.
    cause = "it ends too early" if isinstance(error, IndexError) else str(getattr(error, "message", error)).rstrip(".")
    return DamagedCheckpointError(f"The checkpoint file {file} is damaged ({cause}). {_COPY_AGAIN}")
