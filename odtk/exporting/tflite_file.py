"""Writes a detector as a .tflite file: built-in operations and TFLite_Detection_PostProcess, with TFLite's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odtk import pipeline
from odtk.detectors import families
from odtk.exporting import tflite_archive
from odtk.exporting.formats import ExportOptions
from odtk.exporting.tflite_metadata import DetectorFacts, encode_metadata

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector
    from odtk.exporting.formats import Source
    from odtk.exporting.tflite_graph import Normalization

_POSTPROCESS_TENSORS = ("", ":1", ":2", ":3")  # behind the operation's name, as TensorFlow 1 called them


def write(source: Source, path: str) -> None:
    """Writes the model of `source` to `path`; raises OdtkError if it cannot be converted or calibrated.

    Its input is an image float32 [1, height, width, 3], normalized as the network was trained where all channels are
    normalized alike, else (and for `uint8_input`) pixel values 0..255: MediaPipe cannot normalize by channel.
    """
    from odtk.exporting import tflite_graph
    from odtk.exporting.tflite_conversion import convert, require_built_in
    from odtk.exporting.tflite_model_tables import ModelTables

    detector, options = source.detector, source.options
    _log_what_differs(source)
    own = tflite_graph.normalization_of(detector)
    outside = own if own is not None and own.is_uniform and not options.uint8_input else tflite_graph.IDENTITY
    inside = outside is tflite_graph.IDENTITY
    first, *others = tflite_graph.stages(detector, inside, int8=options.quantize == "int8")
    tables = ModelTables(convert(first, options.quantize, _calibration(source, outside), options.uint8_input))
    for stage in others:
        tables.append(ModelTables(convert(stage)))
    require_built_in(tables.operations())
    tables.name_outputs(tflite_graph.OUTPUTS, [tflite_graph.POSTPROCESS + end for end in _POSTPROCESS_TENSORS])
    tables.add_attributes(tflite_graph.POSTPROCESS, tflite_graph.later_attributes(detector))
    files = _files(source)
    facts = _facts(source, outside, tables.output_shape(2)[1], files)
    tables.describe(facts.description)
    tables.add_metadata(encode_metadata(facts))
    Path(path).write_bytes(tflite_archive.with_files(tables.encoded(), files))


def embed(path: str, certificate: str) -> None:
    """Puts the certificate's JSON into a file that `write` wrote."""
    model = tflite_archive.read_model(path)
    files = tflite_archive.files_in(model) | {tflite_archive.CERTIFICATE: certificate}
    Path(path).write_bytes(tflite_archive.with_files(model, files))


def _log_what_differs(source: Source) -> None:
    options = source.options
    if options.quantize == "int8":
        source.log(f"Calibrating int8 with up to {options.calibration} images of the config's records.")
    if options.input_type != ExportOptions.input_type:
        source.log(f"Input type {options.input_type} is the SavedModel's; the TFLite file takes one image.")
    if families.of(source.config).image_resizer(source.config.model).HasField("keep_aspect_ratio_resizer"):
        source.log(
            "The TFLite file takes images padded at the bottom and right, as the model was trained with. MediaPipe and "
            "Android's Task library stretch images instead, which makes detections worse there."
        )


def _calibration(source: Source, outside: Normalization):
    if source.options.quantize != "int8":
        return None
    from odtk.exporting.tflite_conversion import calibration_inputs

    def to_input(pixels: np.ndarray) -> np.ndarray:
        return ((pixels - outside.mean) / outside.std).astype(np.float32)

    reach = source.options.uint8_input
    return calibration_inputs(source.detector, source.config, source.options.calibration, to_input, reach, source.log)


def _files(source: Source) -> dict[str, str]:
    files = {
        tflite_archive.CONFIG: pipeline.format(source.config),
        tflite_archive.INPUT: json.dumps({"padding": _padding(source.detector)}),
    }
    if source.names:
        # TFOD's own name of an id without a class.
        lines = [source.names.get(number, "???") for number in range(1, source.detector.num_classes + 1)]
        files[tflite_archive.LABELS] = "".join(" ".join(line.split()) + "\n" for line in lines)
    if source.label_map is not None:
        files[tflite_archive.LABEL_MAP] = source.label_map.decode(errors="replace")
    return files


def _padding(detector: Detector) -> list[float]:
    """The color that `detector.resize` pads with."""
    import tensorflow as tf

    wide, _ = detector.resize(tf.zeros([1, 64, 3]))
    return [float(value) for value in wide[-1, -1]]


def _facts(source: Source, outside: Normalization, boxes: int, files: dict[str, str]) -> DetectorFacts:
    detector, options = source.detector, source.options
    assert detector.image_size is not None  # other configs were refused
    step = "" if source.step is None else f", step {source.step}"
    kind = "float32" if options.quantize == "none" else options.quantize
    classes = f"{detector.num_classes} classes" if detector.num_classes > 1 else "one class"
    texts = {
        tflite_archive.CONFIG: "The pipeline.config that it was trained with.",
        tflite_archive.LABEL_MAP: "The label map.",
        tflite_archive.INPUT: "How images are padded.",
    }
    width = slice(1) if (np.ptp(outside.mean), np.ptp(outside.std)) == (0, 0) else slice(3)
    return DetectorFacts(
        name=detector.name,
        description=f"Detects objects of {classes}. Exported by odtk ({kind}{step}).",
        size=detector.image_size,
        mean=outside.mean[width].tolist(),
        std=outside.std[width].tolist(),
        boxes=boxes,
        label_file=tflite_archive.LABELS if tflite_archive.LABELS in files else None,
        more_files=tuple((name, texts[name]) for name in files if name in texts),
        takes_pixels=options.uint8_input,
    )
