"""Writes a detector in OpenVINO's form: model.xml, the operations, beside model.bin, the weights in float32."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from odtk import files
from odtk.exporting import embedded, onnx_file

if TYPE_CHECKING:
    from odtk.exporting.formats import ExportOptions, Source
    from odtk.protos import pipeline_pb2

_INFO = "rt_info"
"""OpenVINO's name for what a model's file says of it."""


def refuses(config: pipeline_pb2.TrainEvalPipelineConfig, options: ExportOptions) -> str | None:
    """Why this cannot be a model of OpenVINO; None if it can. It is made from the ONNX file."""
    return onnx_file.refuses(config, options)


def write(source: Source, path: str) -> None:
    """Writes model.xml to `path`, and the weights beside it."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        onnx_path = os.path.join(folder, "model.onnx")
        onnx_file.write(source, onnx_path)
        model = openvino.convert_model(onnx_path)
        os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        openvino.save_model(model, path, compress_to_fp16=False)
    put(path, embedded.texts_of(source))


def embed(path: str, certificate: str) -> None:
    """Puts a certificate, a JSON document, into a file that was written."""
    put(path, {embedded.CERTIFICATE: certificate})


def put(path: str, texts: Mapping[str, str]) -> None:
    """Sets texts in the XML, by their names."""
    from lxml import etree

    tree = etree.fromstring(files.read_bytes(path), _PARSER)
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
    from lxml import etree

    tree = etree.fromstring(files.read_bytes(path), _PARSER)
    return {each.tag: each.get("value") for each in tree.iterfind(f"{_INFO}/*") if each.get("value") is not None}
