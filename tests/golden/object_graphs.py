"""The object graphs of checkpoints: which object stands under which names."""

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

Graph = trackable_object_graph_pb2.TrackableObjectGraph


def graph_of(prefix: str) -> Graph:
    """That of a checkpoint."""
    return Graph.FromString(tf.train.load_checkpoint(prefix).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))


def paths_of(graph: Graph) -> dict[str, int]:
    """Every path from the root, to its node."""
    found, waiting = {}, [("", 0)]
    while waiting:
        path, node_id = waiting.pop()
        found[path] = node_id
        waiting += [(f"{path}/{child.local_name}", child.node_id) for child in graph.nodes[node_id].children]
    return found


def names_of(graph: Graph) -> set[frozenset[str]]:
    """For every object the set of its paths: what the graph says, whatever its nodes are numbered."""
    names: dict[int, set[str]] = {}
    for path, node_id in paths_of(graph).items():
        names.setdefault(node_id, set()).add(path)
    return {frozenset(paths) for paths in names.values()}
