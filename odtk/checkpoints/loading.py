"""TensorFlow checkpoints in TFOD's layout: variables found by walking the checkpoint's own object graph.

A variable can be saved under any of its paths, and which one differs between TensorFlow versions; the object graph that
travels in the checkpoint knows them all.
"""

import glob
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from odtk.checkpoints.files import missing_file, prefixes_in, stated_newest
from odtk.errors import CheckpointError, DamagedCheckpointError

_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT/"
# What TensorFlow's reader raises; a file that ends too early is an IndexError.
_READING_ERRORS = (tf.errors.OpError, IndexError, ValueError, RuntimeError)


class CheckpointReader:
    """The variables of one checkpoint, by attribute path from its root (`model/_feature_extractor/...`)."""

    def __init__(self, prefix: str | os.PathLike):
        """Raises CheckpointError where there is none of this prefix, DamagedCheckpointError where a file is damaged."""
        self.prefix = checked_prefix(prefix)
        try:
            self._reader = tf.train.load_checkpoint(self.prefix)
            self._shapes = self._reader.get_variable_to_shape_map()
        except _READING_ERRORS as error:
            raise _damaged(f"{self.prefix}.index", error) from error
        if _GRAPH_KEY not in self._shapes:
            raise CheckpointError(
                f"{self.prefix} has no object graph: it is a TensorFlow 1 checkpoint. Use the TensorFlow 2 checkpoint "
                "of the model (in TFOD's model zoo: the TF2 zoo's `checkpoint/ckpt-0`)."
            )
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(self.value(_GRAPH_KEY))
        self._nodes = graph.nodes
        self._children = [{c.local_name: c.node_id for c in node.children} for node in graph.nodes]

    def tensor_name(self, key: str) -> str | None:
        """The name under which the variable at attribute path `key` was saved, None where there is none."""
        node = 0
        for name in key.split("/"):
            node = self._children[node].get(name)
            if node is None:
                return None
        for attribute in self._nodes[node].attributes:
            if attribute.name == "VARIABLE_VALUE" and attribute.checkpoint_key in self._shapes:
                return attribute.checkpoint_key
        return None

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the tensor saved as `name`."""
        return tuple(self._shapes[name])

    def value(self, name: str) -> np.ndarray:
        """Value of the tensor saved as `name`; DamagedCheckpointError where it cannot be read."""
        try:
            return self._reader.get_tensor(name)
        except _READING_ERRORS as error:
            found = glob.glob(f"{glob.escape(self.prefix)}.data-*")
            raise _damaged(found[0] if len(found) == 1 else f"{self.prefix}.data-*", error) from error

    def verify(self) -> None:
        """Reads every tensor with its checksum; DamagedCheckpointError where one cannot be read."""
        for name in self._shapes:
            self.value(name)

    def slot(self, name: str, slot: str) -> str | None:
        """The name of an optimizer's slot ("average", "momentum") for the variable saved as `name`."""
        slot_name = f"{name.removesuffix(_SUFFIX)}{_SLOT}optimizer/{slot}{_SUFFIX}"
        return slot_name if slot_name in self._shapes else None

    def slots(self) -> set[str]:
        """Paths from the root of all optimizers' slots, whatever the variable: `optimizer/momentum` and the like."""
        return {name.partition(_SLOT)[2].removesuffix(_SUFFIX) for name in self._shapes if _SLOT in name}

    def variable_names(self, root: str) -> list[str]:
        """Names of all tensors saved below `root`, optimizer slots left out, sorted."""
        below = (name for name in self._shapes if name.startswith(f"{root}/") and name.endswith(_SUFFIX))
        return sorted(name for name in below if _SLOT not in name and not name.endswith(f"save_counter{_SUFFIX}"))

    @property
    def step(self) -> int | None:
        """The training step it was saved at (odtk's `global_step`, TFOD's `step`), None where it does not say."""
        for key in ("global_step", "step"):
            name = self.tensor_name(key)
            if name is not None:
                return int(self.value(name))
        return None


@dataclass
class RestoreReport:
    """What became of every variable of the model, and of what the checkpoint held besides."""

    prefix: str
    restored: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Key of a variable that keeps its initial value, to the reason."""
    unused: list[str] = field(default_factory=list)
    """Names in the checkpoint that no variable took."""


def restore(
    variables: dict[str, tf.Variable],
    reader: CheckpointReader,
    keys: Collection[str] | None = None,
    may_be_unused: Iterable[str] = (),
    renamed: dict[str, str] | None = None,
    slot: str | None = None,
) -> RestoreReport:
    """Assigns the checkpoint's values to the variables at `keys` (all of them by default).

    Strict both ways: a key that the checkpoint lacks, a shape that differs, or a variable of the checkpoint's model
    that no key takes and whose name starts with none of `may_be_unused`, raises CheckpointError with sorted lists, and
    then no variable has changed. `renamed` gives other paths to look a key up at. `slot` ("average") takes an
    optimizer's slot instead of the value itself where the variable has one, and raises where none has.
    """
    wanted = list(variables) if keys is None else list(keys)
    names = {key: reader.tensor_name((renamed or {}).get(key, key)) for key in wanted}
    missing = sorted(key for key, name in names.items() if name is None)
    different = sorted(
        f"{key} (here {tuple(variables[key].shape)}, in the checkpoint {reader.shape(name)})"
        for key, name in names.items()
        if name is not None and reader.shape(name) != tuple(variables[key].shape)
    )
    taken = {name for name in names.values() if name}
    unused = [name for name in reader.variable_names("model") if name not in taken]
    unexplained = [name for name in unused if not name.startswith(tuple(may_be_unused) or ("\0",))]
    if missing or different or unexplained:
        raise CheckpointError(_mismatch(reader.prefix, missing, different, unexplained))
    if slot is not None:
        names = _slots_of(reader, names, slot)
    for key, name in names.items():
        variables[key].assign(reader.value(name))
    skipped = {key: "not asked for" for key in variables if key not in names}
    return RestoreReport(reader.prefix, wanted, skipped, unused)


def _slots_of(reader: CheckpointReader, names: dict[str, str], slot: str) -> dict[str, str]:
    slots = {key: reader.slot(name, slot) for key, name in names.items()}
    if not any(slots.values()):
        raise CheckpointError(
            f"{reader.prefix} holds no '{slot}' of its weights. Where eval_config.use_moving_averages asks for "
            "averages, training must have kept them (train_config.optimizer.use_moving_average: true); otherwise set "
            "it to false."
        )
    # Batch norm statistics are averages already and have no slot.
    return {key: slots[key] or name for key, name in names.items()}


def as_trackable(
    variables: dict[str, tf.Variable], aliases: Mapping[str, str] | None = None, bare: Iterable[str] = ()
) -> dict[str, tf.train.Checkpoint]:
    """Trackable objects that give each variable its path: what to hand to `tf.train.Checkpoint(**...)`.

    A checkpoint saved through them has TFOD's layout, whatever the Python objects behind the variables are called.
    `aliases` are further paths of objects, to the path that each has in `variables` or `bare`; `bare` are paths of
    objects without variables. TFOD has both, and TensorFlow until 2.10 or so insists on every object of TFOD's being
    in the checkpoint (`assert_existing_objects_matched`), where later ones ask for those with variables.
    """
    tree: dict = {}

    def node_at(names: list[str]) -> dict:
        node = tree
        for name in names:
            node = node.setdefault(name, {})
        return node

    for key, variable in variables.items():
        *parents, leaf = key.split("/")
        node_at(parents)[leaf] = variable
    for path in bare:
        node_at(path.split("/"))
    for path, target in (aliases or {}).items():
        *parents, leaf = path.split("/")
        node_at(parents)[leaf] = node_at(target.split("/"))

    made: dict[int, tf.train.Checkpoint] = {}

    def trackable(node):
        if not isinstance(node, dict):
            return node
        if id(node) not in made:
            made[id(node)] = tf.train.Checkpoint()
            # One by one: given all at once they are sorted, and the first name is the one a variable is saved under.
            for name, child in node.items():
                setattr(made[id(node)], name, trackable(child))
        return made[id(node)]

    return {name: trackable(child) for name, child in tree.items()}


def checked_prefix(path: str | os.PathLike) -> str:
    """`path` where a checkpoint of that prefix exists; CheckpointError that names the prefixes nearby otherwise."""
    path = os.fspath(path)
    is_here = os.path.exists(f"{path}.index")
    has_files = Path(path).name in (Path(prefix).name for prefix in prefixes_in(Path(path).parent))
    missing = missing_file(path) if has_files else None
    if missing:
        raise DamagedCheckpointError(f"The checkpoint {path} is not whole: {missing} is missing. {_COPY_AGAIN}")
    if is_here or tf.io.gfile.exists(f"{path}.index"):
        return path
    stem, extension = os.path.splitext(path)
    if extension == ".index" or ".data-" in extension:
        raise CheckpointError(f"{path} is one file of a checkpoint; name the checkpoint by its prefix: {stem}")
    nearby = prefixes_near(Path(path))
    hint = f"Here are: {', '.join(nearby)}." if nearby else "There is no checkpoint near it either."
    raise CheckpointError(
        f"There is no checkpoint {path} (that would be {path}.index and {path}.data-...). A checkpoint is named by its "
        f"prefix, such as .../checkpoint/ckpt-0. {hint}"
    )


def prefixes_near(path: Path) -> list[str]:
    """Prefixes of the checkpoints in the folder `path`, in its `checkpoint/`, or beside it; the 5 newest of each."""
    folders = [path, path / "checkpoint"] if path.is_dir() else [path.parent]
    return [prefix for folder in folders for prefix in prefixes_in(folder)][:5]


def find_checkpoint(path: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> str:
    """The prefix meant by `path`: a prefix itself, a model dir (its newest that can be read), or an exported folder.

    `log` is told where another than the newest checkpoint is taken, and why. Raises CheckpointError.
    """
    if not os.path.isdir(path):
        return checked_prefix(path)
    for folder in (path, os.path.join(path, "checkpoint")):
        newest = newest_checkpoint(folder, log)
        if newest is not None:
            return newest
    raise CheckpointError(f"{path} holds no checkpoint. Train first: odtk train PIPELINE_CONFIG {path}")


def newest_checkpoint(folder: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> str | None:
    """The newest checkpoint of a folder that can be read, None where it has none at all.

    The newest is the one that the file `checkpoint` names, or the one of the highest number where that is not in the
    folder (a folder that was moved or copied). Where it is damaged, the one before is taken, and `log` is told. Raises
    DamagedCheckpointError where none can be read.
    """
    damages = []
    for prefix in _by_preference(folder, log):
        try:
            CheckpointReader(prefix).verify()
        except DamagedCheckpointError as error:
            damages.append(str(error))
            continue
        for damage in damages:
            log(f"{damage} {prefix} is taken instead.")
        return prefix
    if damages:
        raise DamagedCheckpointError(
            f"{folder} holds no checkpoint that can be read:" + "".join(f"\n  {damage}" for damage in damages)
        )
    return None


def _by_preference(folder: str | os.PathLike, log: Callable[[str], None]) -> list[str]:
    """The checkpoints in a folder, the one to take first."""
    prefixes, stated = prefixes_in(folder), stated_newest(folder)
    place = os.path.join(folder, stated) if stated else None
    if place and os.path.abspath(place) in map(os.path.abspath, prefixes):
        return sorted(prefixes, key=lambda prefix: os.path.abspath(prefix) != os.path.abspath(place))
    if not prefixes and place and tf.io.gfile.exists(f"{place}.index"):
        return [place]
    if place:
        newest = f"the newest in this folder is {prefixes[0]}" if prefixes else "the folder holds none"
        log(f"{os.path.join(folder, 'checkpoint')} names the checkpoint {stated}, which is not there; {newest}.")
    elif prefixes:
        log(f"{folder} has no file `checkpoint` that names the newest; by its number that is {prefixes[0]}.")
    return prefixes


_COPY_AGAIN = "Copy the checkpoint again from where it is whole, or name another one."


def _damaged(file: str, error: Exception) -> DamagedCheckpointError:
    # TensorFlow says so of bytes that are missing at the end.
    cause = "it ends too early" if isinstance(error, IndexError) else str(getattr(error, "message", error)).rstrip(".")
    return DamagedCheckpointError(f"The checkpoint file {file} is damaged ({cause}). {_COPY_AGAIN}")


def _mismatch(prefix: str, missing: list[str], different: list[str], unexplained: list[str]) -> str:
    parts = [f"The checkpoint {prefix} does not fit this model."]
    for title, names in (
        ("Missing in the checkpoint", missing),
        ("Of another shape", different),
        ("Left over in the checkpoint", unexplained),
    ):
        if names:
            parts.append(f"{title} ({len(names)}): " + ", ".join(name.removesuffix(_SUFFIX) for name in names) + ".")
    parts.append("Check that the config is the one the checkpoint was trained with (type, depth, num_classes, heads).")
    return "\n".join(parts)
