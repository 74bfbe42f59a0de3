"""The objects that a checkpoint is saved through, so that it has TFOD's layout."""

from collections.abc import Iterable, Mapping

import tensorflow as tf


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
            # One by one: if given all at once they are sorted, and a variable is saved under its first name.
            for name, child in node.items():
                setattr(made[id(node)], name, trackable(child))
        return made[id(node)]

    return {name: trackable(child) for name, child in tree.items()}
