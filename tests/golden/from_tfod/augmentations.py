"""Figures of what TFOD's augmentations make of ../augmentation.npz, for those that ../augmentation.json does not have.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/augmentations.py

The figures are those of ../augmentation.json: mean, deviation and three quantiles of 1,200 draws, through TFOD's input.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from object_detection import inputs
from object_detection.builders import preprocessor_builder
from object_detection.core import standard_fields
from object_detection.protos import preprocessor_pb2

JITTER = "random_jitter_boxes{ratio:0.6 jitter_mode:%s}"
CONFIGS = [
    "random_self_concat_image{}",
    "random_self_concat_image{concat_vertical_probability:0.6 concat_horizontal_probability:0.3}",
    "random_downscale_to_target_pixels{min_target_pixels:3000 max_target_pixels:15000}",
    "random_downscale_to_target_pixels{random_coef:0.3 min_target_pixels:10000 max_target_pixels:30000}",
    *(JITTER % mode for mode in ("DEFAULT", "EXPAND", "SHRINK")),
    *(JITTER % f"{mode}_SYMMETRIC{both}" for mode in ("EXPAND", "SHRINK") for both in ("", "_XY")),
]
STATISTICS = ("area_fraction", "aspect_ratio", "boxes_kept", "sum_of_box_areas", "image_mean")
DRAWS = 1200
FIELDS = standard_fields.InputDataFields


def main() -> None:
    """Writes augmentations.json beside this file."""
    tf.random.set_seed(7)
    with np.load(Path(__file__).parents[1] / "augmentation.npz") as file:
        arrays = dict(file)
    figures = [{"config": config, "draws": DRAWS, **measured(config, arrays)} for config in CONFIGS]
    Path(__file__).with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")


def measured(config: str, arrays: dict[str, np.ndarray]) -> dict:
    """The figures of one option."""
    step = preprocessor_builder.build(text_format.Parse(config, preprocessor_pb2.PreprocessingStep()))
    height, width = arrays["augment_image"].shape[:2]

    def draw(_):
        example = {
            FIELDS.image: tf.constant(arrays["augment_image"]),
            FIELDS.groundtruth_boxes: tf.constant(arrays["augment_boxes"]),
            FIELDS.groundtruth_classes: tf.constant(arrays["augment_classes"], tf.int64),
            FIELDS.groundtruth_weights: tf.ones(len(arrays["augment_boxes"])),
        }
        found = inputs.augment_input_data(example, [step])
        size = tf.cast(tf.shape(found[FIELDS.image]), tf.float32)
        ymin, xmin, ymax, xmax = tf.unstack(found[FIELDS.groundtruth_boxes], axis=1)
        return tf.stack(
            [
                size[0] * size[1] / (height * width),
                size[1] / size[0],
                tf.cast(tf.shape(ymin)[0], tf.float32),
                tf.reduce_sum((ymax - ymin) * (xmax - xmin)),
                tf.reduce_mean(found[FIELDS.image]),
            ]
        )

    rows = next(iter(tf.data.Dataset.range(DRAWS).map(draw).batch(DRAWS))).numpy().astype(np.float64)
    named = {name: figures_of(values) for name, values in zip(STATISTICS, rows.T, strict=True)}
    return named | {"unchanged_size_fraction": round(float((rows[:, 0] == 1).mean()), 4)}


def figures_of(values: np.ndarray) -> list[float]:
    """Mean, deviation, and the quantiles 0.1, 0.5 and 0.9."""
    return [round(float(value), 4) for value in (values.mean(), values.std(), *np.quantile(values, [0.1, 0.5, 0.9]))]


if __name__ == "__main__":
    main()
