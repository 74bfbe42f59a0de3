"""Changes the tables of a converted model: the names and order of its outputs, its metadata, what comes after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers
from tensorflow.lite.python import schema_py_generated as schema

from odtk.exporting.tflite_metadata import BUFFER_NAME

_ALIGNMENT = 16  # of a buffer's data, by TFLite's schema


class _Builder(flatbuffers.Builder):
    """Aligns vectors of bytes as the schema says of weights: the generated classes do not."""

    def StartVector(self, elemSize, numElems, alignment):
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)


class ModelTables:
    """A model taken apart; `encoded` puts it together."""

    def __init__(self, model: bytes):
        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
        self._graph = self._model.subgraphs[0]
        self._signature = self._model.signatureDefs[0]

    def operations(self) -> dict[str, int]:
        """How many there are of each operation: "CONV_2D", and "custom NAME" for those that TFLite does not know."""
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        codes = []
        for code in self._model.operatorCodes:
            # Codes up to 127 were a byte once, which older files have alone.
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            codes.append(f"custom {_text(code.customCode)}" if code.customCode else names[number])
        return dict(Counter(codes[each.opcodeIndex] for graph in self._model.subgraphs for each in graph.operators))

    def append(self, later: ModelTables) -> None:
        """Adds a model that takes the outputs of this one, by their names, and whose outputs become the model's.

        Both have one graph, without control flow. The tables of `later` are part of this model afterward; metadata are
        this model's alone.
        """
        assert len(self._model.subgraphs) == len(later._model.subgraphs) == 1
        graph, added = self._graph, later._graph
        buffers, codes = len(self._model.buffers), len(self._model.operatorCodes)
        given = {_text(each.name): each.tensorIndex for each in self._signature.outputs}
        places = {each.tensorIndex: given[_text(each.name)] for each in later._signature.inputs}
        for taken, found in places.items():
            one, other = added.tensors[taken], graph.tensors[found]
            assert (one.type, list(one.shape)) == (other.type, list(other.shape)), (one.name, other.name)
        places[-1] = -1  # an input that an operation is left without
        for index, tensor in enumerate(added.tensors):
            if index not in places:
                places[index] = len(graph.tensors)
                tensor.buffer += buffers
                graph.tensors.append(tensor)

        def moved(indices):
            return np.array([places[index] for index in indices], np.int32)

        for operator in added.operators:
            operator.opcodeIndex += codes
            operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
            graph.operators.append(operator)
        self._model.buffers += later._model.buffers
        self._model.operatorCodes += later._model.operatorCodes
        for each in later._signature.outputs:
            each.tensorIndex = places[each.tensorIndex]
        self._signature.outputs, graph.outputs = later._signature.outputs, moved(added.outputs)

    def name_outputs(self, names: Sequence[str], tensors: Sequence[str]) -> None:
        """Puts the outputs in the order of the signature's `names`, and calls their tensors as `tensors` says.

        The converter orders them by the alphabet, and runtimes that read no metadata go by the order.
        """
        found = {_text(each.name): each for each in self._signature.outputs}
        self._signature.outputs = [found[name] for name in names]
        self._graph.outputs = np.array([each.tensorIndex for each in self._signature.outputs], np.int32)
        for index, tensor in zip(self._graph.outputs, tensors, strict=True):
            self._graph.tensors[index].name = tensor

    def add_attributes(self, operation: str, attributes: Mapping[str, int]) -> None:
        """Adds attributes to a custom operation, which the converter may not know of."""
        for operator in self._graph.operators:
            code = self._model.operatorCodes[operator.opcodeIndex].customCode
            if code is not None and _text(code) == operation:
                known = flexbuffers.Loads(np.asarray(operator.customOptions, np.uint8).tobytes())
                options = flexbuffers.Dumps(dict(sorted((known | attributes).items())))
                operator.customOptions = np.frombuffer(bytes(options), np.uint8)

    def output_shape(self, place: int) -> list[int]:
        """The shape of an output."""
        return [int(side) for side in self._graph.tensors[self._graph.outputs[place]].shape]

    def describe(self, text: str) -> None:
        """Sets the model's description."""
        self._model.description = text

    def add_metadata(self, metadata: bytes) -> None:
        """Adds TFLite's model metadata."""
        entry, buffer = schema.MetadataT(), schema.BufferT()
        buffer.data = np.frombuffer(metadata, np.uint8)
        entry.name, entry.buffer = BUFFER_NAME, len(self._model.buffers)
        self._model.buffers.append(buffer)
        self._model.metadata = [*(self._model.metadata or []), entry]

    def encoded(self) -> bytes:
        """The model."""
        builder = _Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
