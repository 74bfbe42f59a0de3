"""From the graph of tflite_graph to the bytes of a model, by TensorFlow's converter."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.errors import ConfigError, DataError, OdtkError
from odtk.exporting.tflite_graph import INPUT, POSTPROCESS, TfliteDetector
from odtk.inputs.build import build_eval_dataset


def convert(module: TfliteDetector, quantize: str, calibration: Callable[[], Iterator] | None, uint8: bool) -> bytes:
    """The model; `calibration` gives the inputs that int8 is calibrated with, `uint8` makes its input uint8.

    Raises OdtkError if the graph has an operation that TFLite does not build in.
    """
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
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
    detector: Detector, config, count: int, to_input: Callable[[np.ndarray], np.ndarray], reach: bool
) -> Callable[[], Iterator[dict[str, np.ndarray]]]:
    """A function that gives the model's inputs for `count` images of the config's records, spread evenly over them.

    `to_input`: resized pixels float32 [h, w, 3] to the input. `reach`: the first pixels are black and white, so that
    the range of the input is that of pixels. Training records come first, as evaluation should judge by others. Raises
    ConfigError or DataError if there are none.
    """
    images = list(_images(detector, config, count))
    if not images:
        raise DataError(
            "No image of the config's records can be used to calibrate int8. Check them with `odtk inspect`, or choose "
            "float16 or dynamic, which need none."
        )

    def give():
        for image in images:
            if reach:
                image[0, 0], image[0, 1] = 0.0, 255.0
            yield {INPUT: to_input(image)[None]}

    return give


def _images(detector: Detector, config, count: int) -> Iterator[np.ndarray]:
    first: OdtkError | None = None
    for reader in (config.train_input_reader, *config.eval_input_reader):
        if not reader.tf_record_input_reader.input_path:
            continue
        other = copy.deepcopy(config)
        del other.eval_input_reader[:]
        other.eval_input_reader.add().CopyFrom(reader)
        try:
            records = build_eval_dataset(other, detector.resize, detector.num_classes, 1, max_images=count)
        except (ConfigError, DataError) as error:
            first = first or error
            continue
        with contextlib.suppress(tf.errors.OpError):  # damaged ones end it
            for features, _ in records:
                yield features["image"][0].numpy()
        return
    if first is not None:
        raise DataError(
            f"int8 is calibrated with pictures of the config's records, and there are none: {first}"
        ) from first


def require_built_in(operations: dict[str, int]) -> None:
    """Raises OdtkError for operations, by name, that are neither TFLite's own nor POSTPROCESS."""
    foreign = [name.removeprefix("custom ") for name in operations if name.startswith("custom ")]
    foreign = [name for name in foreign if name != POSTPROCESS]
    if foreign:
        raise OdtkError(
            f"This model needs {', '.join(foreign)}, which TFLite does not build in; phones could not run the file. "
            "Export another format."
        )
