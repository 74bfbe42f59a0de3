"""The objects that a checkpoint is saved through, so that it has TFOD's layout."""

import re
from collections.abc import Iterable, Mapping

import tensorflow as tf


def attributes_of(key: str) -> list[str]:
    """The names of the attributes along a path such as `model/_head_dict/box.Ssize/0`, from the root.

    As TensorFlow writes paths, a "/" within a name stands there as ".S", and a "." as "..".
    """
    return [re.sub(r"\.(S|\.)", lambda found: "/" if found[1] == "S" else ".", name) for name in key.split("/")]


def as_trackable(
    variables: dict[str, tf.Variable], aliases: Mapping[str, str] | None = None, bare: Iterable[str] = ()
) -> dict[str, tf.train.Checkpoint]:
    """Trackable objects that give each variable its path, for `tf.train.Checkpoint(**...)`.

    A checkpoint saved with them has TFOD's layout, whatever the attributes of the variables' Python objects. `aliases`
    maps further paths of objects to their path in `variables` or `bare`; `bare` are paths of objects without variables.
    TFOD has both, and TensorFlow up to about 2.10 requires every object of TFOD's in the checkpoint
    (`assert_existing_objects_matched`), while later versions only require those with variables.
    """
    tree: dict = {}

    def node_at(names: list[str]) -> dict:
        node = tree
        for name in names:
            node = node.setdefault(name, {})
        return node

    for key, variable in variables.items():
        *parents, leaf = attributes_of(key)
        node_at(parents)[leaf] = variable
    for path in bare:
        node_at(attributes_of(path))
    for path, target in (aliases or {}).items():
        *parents, leaf = attributes_of(path)
        node_at(parents)[leaf] = node_at(attributes_of(target))

    made: dict[int, tf.train.Checkpoint] = {}

    def trackable(node):
        if not isinstance(node, dict):
            return node
        if id(node) not in made:
            made[id(node)] = tf.train.Checkpoint()
            # One by one: if given all at once they are sorted, and a variable is saved under its first name.
            for name, child in node.items():
                setattr(made[id(node)], name, trackable(child))
        return made[id(node)]

    return {name: trackable(child) for name, child in tree.items()}
