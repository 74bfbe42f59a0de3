"""What an exported model takes, as its file says it, for the card's example. TensorFlow is not loaded for that."""

from __future__ import annotations

import functools
from pathlib import Path

from odtk.exporting.signatures import input_type_of

_SIGNATURE = "serving_default"
_AXES = {1: ("batch",), 4: ("batch", "height", "width", "channels")}
_NUMPYS = {"float": "float32", "double": "float64", "half": "float16"}
_UNKNOWN = ("input_tensor", "see detect.structured_input_signature")


def saved_input(folder: Path) -> tuple[str, str]:
    """The name of the input of a SavedModel, and what it is: "uint8 [1, height, width, 3], one image"."""
    from google.protobuf.message import DecodeError

    try:
        graphs = saved_model_type().FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    except DecodeError:
        return _UNKNOWN
    found = [(graph, graph.signature_def[_SIGNATURE].inputs) for graph in graphs if _SIGNATURE in graph.signature_def]
    if len(found) != 1 or len(found[0][1]) != 1:
        return _UNKNOWN
    graph, inputs = found[0]
    ((name, given),) = inputs.items()
    return name, _in_words(given, graph.graph_def)


def _in_words(given, graph_def) -> str:
    """Type, shape and meaning of a TensorInfo."""
    from tensorboard.compat.proto.types_pb2 import DataType

    said = DataType.Name(given.dtype).removeprefix("DT_").lower()
    dtype = _NUMPYS.get(said, said)
    sizes = [axis.size for axis in given.tensor_shape.dim]
    axes = _AXES.get(len(sizes), ("?",) * len(sizes))
    shape = ", ".join(axis if size < 0 else str(size) for axis, size in zip(axes, sizes, strict=True))
    kind = input_type_of(dtype, lambda: _op_types(graph_def))
    values = ["values from 0 to 255"] if dtype.startswith("float") else []
    return ", ".join([f"{dtype} [{shape}]", *([kind.meaning.removeprefix(f"{dtype}, ")] if kind else []), *values])


def _op_types(graph_def) -> set[str]:
    inside = {node.op for function in graph_def.library.function for node in function.node_def}
    return inside | {node.op for node in graph_def.node}


@functools.cache
def saved_model_type():
    """The message of saved_model.pb, which is all that TensorBoard's copy of TensorFlow's messages lacks."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorboard.compat.proto import meta_graph_pb2

    meta_graph, field = meta_graph_pb2.MetaGraphDef.DESCRIPTOR, descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="odtk/saved_model.proto", package="odtk", syntax="proto3", dependency=[meta_graph.file.name]
    )
    file.message_type.add(name="SavedModel").field.add(
        name="meta_graphs", number=2, label=field.LABEL_REPEATED, type=field.TYPE_MESSAGE,
        type_name=f".{meta_graph.full_name}",
    )  # fmt: skip
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("odtk.SavedModel"))
