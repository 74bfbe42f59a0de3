"""Writes a detector in OpenVINO's form: model.xml, the operations, beside model.bin, the weights in float32."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from odtk import files
from odtk.exporting import embedded, onnx_file
from odtk.exporting.openvino_import import import_openvino
from odtk.exporting.signatures import INPUT_TYPES

if TYPE_CHECKING:
    from odtk.exporting.formats import ExportOptions, Source
    from odtk.protos import pipeline_pb2

FILE = "model.xml"
_INFO = "rt_info"
"""OpenVINO's name for what a model's file says of it."""


def refuses(config: pipeline_pb2.TrainEvalPipelineConfig, options: ExportOptions) -> str | None:
    """Why this cannot be a model of OpenVINO; None if it can: what cannot be an ONNX file."""
    return onnx_file.refuses(config, options)


def write(source: Source, folder: str) -> None:
    """Writes the model to a folder."""
    openvino = import_openvino()
    with tempfile.TemporaryDirectory() as temporary:
        model = openvino.convert_model(_to_convert(source, temporary))
        os.makedirs(folder, exist_ok=True)
        openvino.save_model(model, os.path.join(folder, FILE), compress_to_fp16=False)
    put(os.path.join(folder, FILE), embedded.texts_of(source))


def _to_convert(source: Source, folder: str) -> str:
    """The ONNX file, or the SavedModel of a Faster R-CNN that takes one image.

    Of equal scores OpenVINO's counterpart of ONNX's suppression takes any, TensorFlow's the first. A first stage has
    many that are equal, and other proposals are other detections.
    """
    if source.config.model.HasField("faster_rcnn") and INPUT_TYPES[source.options.input_type].takes_one_image:
        from odtk.exporting import saved_model

        path = os.path.join(folder, "saved_model")
        saved_model.write(source, path)
        return path
    path = os.path.join(folder, "model.onnx")
    onnx_file.write(source, path)
    return path


def embed(folder: str, certificate: str) -> None:
    """Puts a certificate, a JSON document, into a model that was written."""
    put(os.path.join(folder, FILE), {embedded.CERTIFICATE: certificate})


def put(path: str, texts: Mapping[str, str]) -> None:
    """Sets texts in the XML, by their names."""
    from lxml import etree

    tree = _read(path)
    info = tree.find(_INFO)
    if info is None:
        info = etree.SubElement(tree, _INFO)
    for name, text in texts.items():
        for old in info.findall(name):
            info.remove(old)
        etree.SubElement(info, name, value=text)
    files.write_bytes(path, etree.tostring(tree, xml_declaration=True, encoding="utf-8"))


def texts_in(path: str) -> dict[str, str]:
    """The texts of a file by their names."""
    return {each.tag: each.get("value") for each in _read(path).iterfind(f"{_INFO}/*") if each.get("value") is not None}


def _read(path: str):
    from lxml import etree

    parser = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)
    return etree.fromstring(files.read_bytes(path), parser)
