"""What a model in a single file says of itself: texts by name in the metadata of ONNX, OpenVINO's XML and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from odtk import label_map, pipeline

if TYPE_CHECKING:
    from odtk.exporting.formats import Source

CONFIG, LABEL_MAP, CERTIFICATE = "odtk.pipeline_config", "odtk.label_map", "odtk.certificate"
"""The text of the pipeline.config, that of the label map, and the certificate, a JSON document."""
INPUT_TYPE = "odtk.input_type"
"""One of odtk.exporting.signatures.INPUT_TYPES."""


def texts_of(source: Source) -> dict[str, str]:
    """What goes into the file of an export, without its certificate."""
    texts = {CONFIG: pipeline.format(source.config), INPUT_TYPE: source.options.input_type}
    if source.label_map is not None:
        texts[LABEL_MAP] = source.label_map.decode("utf-8", "replace")
    return texts


def names_in(texts: Mapping[str, str], path: str) -> dict[int, str]:
    """The names of the classes by their 1-based ids, empty if there are none; LabelMapError for a damaged text."""
    if LABEL_MAP not in texts:
        return {}
    return {item["id"]: item["name"] for item in label_map.parse(texts[LABEL_MAP], path).categories()}
