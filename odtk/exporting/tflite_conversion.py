"""From the graph of tflite_graph to the bytes of a model, by TensorFlow's converter."""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.errors import ConfigError, DataError, OdtkError
from odtk.exporting.tflite_graph import INPUT, POSTPROCESS, Stage
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_fault_finder
from odtk.inputs.record_errors import naming_the_record
from odtk.inputs.skipped_records import BadRecord


def convert(
    stage: Stage, quantize: str = "none", calibration: Callable[[], Iterator] | None = None, uint8: bool = False
) -> bytes:
    """The model; `calibration` gives the inputs that int8 is calibrated with, `uint8` makes its input uint8."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(stage, folder, signatures={"serving_default": stage.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = True  # for POSTPROCESS; any other is refused below
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantize != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantize == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = calibration
            converter.inference_input_type = tf.uint8 if uint8 else tf.float32
        return converter.convert()


def calibration_inputs(
    detector: Detector,
    config,
    count: int,
    to_input: Callable[[np.ndarray], np.ndarray],
    reach: bool,
    log: Callable[[str], None],
) -> Callable[[], Iterator[dict[str, np.ndarray]]]:
    """A function that gives the model's inputs for `count` images of the config's records, spread evenly over them.

    `to_input`: resized pixels float32 [h, w, 3] to the input. `reach`: the first pixels are black and white, so that
    the range of the input is that of pixels. Training records come first, as evaluation should judge by others; where
    none of them can be used, the evaluation's are taken. Records that cannot be used are skipped, as in training; `log`
    is told how many images there are. Raises DataError if there are none.
    """
    images = _images(detector, config, count, log)

    def give():
        for image in images:
            if reach:
                image[0, 0], image[0, 1] = 0.0, 255.0
            yield {INPUT: to_input(image)[None]}

    return give


def _images(detector: Detector, config, count: int, log: Callable[[str], None]) -> list[np.ndarray]:
    problems: list[str] = []
    for reader in (config.train_input_reader, *config.eval_input_reader):
        paths = ", ".join(reader.tf_record_input_reader.input_path)
        if not paths:
            continue
        try:
            images, skipped = _images_of(reader, detector, config, count)
        except (ConfigError, DataError) as error:
            problems.append(str(error))
            continue
        if images:
            for problem in problems:
                log(f"warning: int8 is not calibrated with training images: {problem}")
            without = f"; {len(skipped)} records cannot be used, the first: {skipped[0]}" if skipped else ""
            log(f"int8 is calibrated with {len(images)} images of {paths}{without}.")
            return images
        problems.append(f"No record of {paths} can be used{f', the first: {skipped[0]}' if skipped else ''}.")
    raise DataError(
        "int8 is calibrated with pictures of the config's records, and there are none that can be used. Check them "
        f"with `odtk inspect`, or choose float16 or dynamic, which need none. {' '.join(problems)}"
    )


def _images_of(reader, detector: Detector, config, count: int) -> tuple[list[np.ndarray], list[BadRecord]]:
    """The images, and the records that were skipped; raises ConfigError or DataError for files that are not there."""
    read_alone = copy.deepcopy(config)
    del read_alone.eval_input_reader[:]
    read_alone.eval_input_reader.add().CopyFrom(reader)
    skipping = BadRecordFilter(sys.maxsize)  # how many of them a training may skip is not known here
    records = build_eval_dataset(
        read_alone, detector.resize, detector.num_classes, 1, record_filter=skipping, max_images=count
    )
    images = []
    with naming_the_record(build_fault_finder(reader, detector.num_classes)):
        for features, _ in records:
            images.append(features["image"][0].numpy())
    return images, skipping.finish()


def require_built_in(operations: dict[str, int]) -> None:
    """Raises OdtkError for operations, by name, that are neither TFLite's own nor POSTPROCESS."""
    foreign = [name.removeprefix("custom ") for name in operations if name.startswith("custom ")]
    foreign = [name for name in foreign if name != POSTPROCESS]
    if foreign:
        raise OdtkError(
            f"This model needs {', '.join(foreign)}, which TFLite does not build in; phones could not run the file. "
            "Export another format."
        )
