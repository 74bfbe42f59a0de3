"""Scores from logits by TFOD's converters and calibrations.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/score_converters.py

Curves follow a sigmoid or softmax only: a value that lies 1 or more beyond a curve's last point gets the first point's
score in TFOD, and only bare logits can lie there.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from object_detection.builders import post_processing_builder
from object_detection.protos import post_processing_pb2

CURVE = "x_y_pair { x: 0.2 y: 0.1 } x_y_pair { x: 0.5 y: 0.6 } x_y_pair { x: 0.9 y: 0.7 }"
FALLING = "x_y_pair { x: 0 y: 1 } x_y_pair { x: 1 y: 0 }"
TEMPERATURES = ["", "temperature_scaling_calibration { scaler: 3 }"]
CURVES = [
    f"function_approximation {{ x_y_pairs {{ {CURVE} }} }}",
    f"function_approximation {{ x_y_pairs {{ {FALLING} }} }}",
    f"""class_id_function_approximations {{ class_id_xy_pairs_map {{ key: 0 value {{ {FALLING} }} }}
    class_id_xy_pairs_map {{ key: 2 value {{ {CURVE} }} }} }}""",
]
CONVERTERS = ["", "score_converter: SIGMOID", "score_converter: SOFTMAX", "score_converter: SIGMOID logit_scale: 2.5"]


def main() -> None:
    """Writes score_converters.npz beside this file: the logits, and the scores by config."""
    rng = np.random.default_rng(24)
    logits = np.concatenate([rng.normal(0, 3, [2, 9, 3]), rng.choice([0, -1, 30, -30, 200], [2, 9, 3])], axis=1)
    written = {"logits": logits.astype(np.float32)}
    for converter in CONVERTERS:
        for calibration in TEMPERATURES + (CURVES if converter else []):
            config = f"{converter} calibration_config {{ {calibration} }}" if calibration else converter
            written[f"scores {config}"] = converted(config, written["logits"])
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


def converted(config: str, logits: np.ndarray) -> np.ndarray:
    """TFOD's scores."""
    message = text_format.Parse(config, post_processing_pb2.PostProcessing())
    # Its suppression is built along.
    message.batch_non_max_suppression.iou_threshold = 0.5
    _, convert = post_processing_builder.build(message)
    # Calibrations look at the shape of a graph's tensor.
    return tf.function(convert)(tf.constant(logits)).numpy()


if __name__ == "__main__":
    main()
