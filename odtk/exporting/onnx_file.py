"""Writes a detector as an ONNX file, which ONNX Runtime, OpenVINO, TensorRT and browsers run.

Input, outputs, their types and the classes are those of the SavedModel. Non-maximum suppression is ONNX's own
operation; see odtk.boxes.onnx_suppression.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from odtk import files, onnx_operations, pipeline
from odtk.errors import OdtkError
from odtk.exporting import embedded
from odtk.exporting.signatures import INPUT_NAME, INPUT_TYPES

if TYPE_CHECKING:
    import onnx

    from odtk.exporting.formats import ExportOptions, Source
    from odtk.protos import pipeline_pb2

OPSET = 17
"""ONNX's version of the operations: of December 2022, which TensorRT 8.6 and OpenVINO 2023 read."""
_MOST_BYTES = 2**31 - 2**20
"""A file of protobuf cannot be larger."""
_CATCHES = "TF2ONNX_CATCH_ERRORS"


def refuses(config: pipeline_pb2.TrainEvalPipelineConfig, options: ExportOptions) -> str | None:
    """Why this cannot be an ONNX file, as a sentence with the fix; None if it can."""
    kind = INPUT_TYPES[options.input_type]
    if kind.dtype == "string":
        fitting = [one.name for one in INPUT_TYPES.values() if one.dtype != "string"]
        return (
            f"ONNX has no operation that decodes {kind.meaning}, so the input type {kind.name} cannot be converted. "
            f"Choose {' or '.join(fitting)}."
        )
    if options.precision != "float32":
        return (
            f"ONNX files are written in float32, as ONNX Runtime has no convolutions in {options.precision} on CPUs. "
            "Leave the precision at float32; OpenVINO and TensorRT choose their own when they load the file."
        )
    if options.winograd:
        return (
            "Winograd's method makes a SavedModel faster on CPUs, while runtimes of ONNX files choose how they compute "
            "convolutions. Leave it out."
        )
    soft = [path for path, value in pipeline.walk(config) if path.endswith("soft_nms_sigma") and value]
    if soft:
        return f"{soft[0]} is above 0, and ONNX has no suppression that lowers scores. Set it to 0 for this export."
    return None


def write(source: Source, path: str) -> None:
    """Writes the file; raises OdtkError if an operation of the model has no counterpart in ONNX."""
    model = convert(source)
    if model.ByteSize() > _MOST_BYTES:
        raise OdtkError(
            f"The model has {model.ByteSize() / 2**30:.1f} GiB of weights, more than the 2 GiB that an ONNX file can "
            "hold. Export a SavedModel."
        )
    files.write_bytes(path, model.SerializeToString())


def convert(source: Source) -> onnx.ModelProto:
    """The model, with what it says of itself."""
    from odtk.exporting.saved_model import ServedDetector

    served = ServedDetector(source.served, source.options.input_type, source.more_variables)
    with onnx_operations.needed(), _silent(), _collecting():
        try:
            with _without_copies():
                model = _from_function(served.serve)
        except MemoryError:  # copies would take more
            raise
        except Exception:
            # Maybe of an optimization, whose errors are of any class: with copies to go back to, it is left out.
            model = _from_function(served.serve)
    _require_onnx_alone(model)
    _name_input_sides(model)
    _enlarge_by_todays_mode(model)
    model.producer_name = "odtk"
    model.doc_string = "An object detector in the form of TFOD's exported models: see the metadata."
    put(model, embedded.texts_of(source))
    return model


def _from_function(function) -> onnx.ModelProto:
    from tf2onnx.convert import from_function

    model, _ = from_function(
        function,
        input_signature=function.input_signature,
        opset=OPSET,
        custom_op_handlers={onnx_operations.STAND_IN: (_suppression, [])},
    )
    return model


def put(model: onnx.ModelProto, texts: Mapping[str, str]) -> None:
    """Sets entries of the model's metadata, by name."""
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key not in texts]
    del model.metadata_props[:]
    for name, text in [*kept, *texts.items()]:
        model.metadata_props.add(key=name, value=text)


def embed(path: str, certificate: str) -> None:
    """Puts a certificate, a JSON document, into the metadata of a file that was written."""
    import onnx

    model = onnx.load(os.fspath(path), load_external_data=False)
    put(model, {embedded.CERTIFICATE: certificate})
    files.write_bytes(path, model.SerializeToString())


def _suppression(context, node, name: str, args) -> None:
    """Replaces the stand-in in tf2onnx's graph by ONNX's own operation."""
    inputs, outputs = list(node.input), list(node.output)
    context.remove_node(node.name)
    from onnx import TensorProto

    context.make_node(
        "NonMaxSuppression", inputs, outputs=outputs, name=name, dtypes=[TensorProto.INT64], shapes=[[-1, 3]]
    )


def _require_onnx_alone(model: onnx.ModelProto) -> None:
    """tf2onnx leaves an operation that it does not know as it is."""
    from onnx import defs

    def strangers(graph) -> Iterator[str]:
        for node in graph.node:
            if node.domain not in ("", "ai.onnx") or not defs.has(node.op_type):
                yield node.op_type
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from strangers(attribute.g)

    found = sorted(set(strangers(model.graph)))
    if found:
        raise OdtkError(
            f"ONNX has no counterpart of TensorFlow's {', '.join(found)}, which this model needs. Export a SavedModel, "
            "or change the part of pipeline.config that asks for it (image_resizer's resize_method: AREA, say)."
        )


def _name_input_sides(model: onnx.ModelProto) -> None:
    """Sides of the input that may be any have numbers for names."""
    (taken,) = [each for each in model.graph.input if each.name == INPUT_NAME]
    for side, name in zip(taken.type.tensor_type.shape.dim, ("batch", "height", "width", "channels"), strict=True):
        if not side.HasField("dim_value"):
            side.dim_param = name


def _enlarge_by_todays_mode(model: onnx.ModelProto) -> None:
    """Nearest neighbors of a whole factor: the same cells by a mode that ONNX has not given up since opset 13."""
    from onnx import numpy_helper

    known = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for node in model.graph.node:
        scales = known.get(node.input[2]) if node.op_type == "Resize" else None
        for attribute in node.attribute:
            if attribute.s == b"tf_half_pixel_for_nn" and scales is not None and (scales == scales.round()).all():
                attribute.s = b"asymmetric"


@contextlib.contextmanager
def _without_copies() -> Iterator[None]:
    """tf2onnx copies the whole graph before each of its optimizations, in case one fails.

    That is 24 times the weights and more. It does not where this variable is set, to whatever value.
    """
    before = os.environ.get(_CATCHES)
    os.environ[_CATCHES] = "FALSE"
    try:
        yield
    finally:
        del os.environ[_CATCHES]
        if before is not None:
            os.environ[_CATCHES] = before


@contextlib.contextmanager
def _collecting() -> Iterator[None]:
    """Python collects cycles, which tf2onnx's graphs are, when their number has grown by a quarter of all objects.

    TensorFlow has so many that this hardly comes; they are left out of the count.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # by which the count is made
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """tf2onnx logs its progress, and warnings that no user can act upon."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
