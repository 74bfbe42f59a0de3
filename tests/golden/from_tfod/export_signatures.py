"""Inputs and outputs of what TFOD exports of other detectors than SSDs, whose ../export_signatures.json has.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/export_signatures.py
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow.python.ops import control_flow_ops

# tf-slim, with which TFOD reads records, looks for these where TensorFlow had them until 2.13.
control_flow_ops.case, control_flow_ops.cond = tf.compat.v1.case, tf.compat.v1.cond

from object_detection import exporter_lib_v2  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.utils import config_util  # noqa: E402

FAMILIES = Path(__file__).parents[1] / "families"
CONFIGS = ("faster_rcnn-base", "faster_rcnn_fpn-static", "centernet_resnet_v1_fpn-base", "efficientdet-d0")
INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")


def main() -> None:
    """Writes export_signatures.json beside this file: config to input type to dtypes and shapes."""
    written = {}
    for name in CONFIGS:
        config = config_util.get_configs_from_pipeline_file(str(FAMILIES / f"{name}.config"))["model"]
        tf.keras.backend.clear_session()
        tf.keras.backend.set_learning_phase(False)
        model = model_builder.build(config, is_training=False)
        # Its variables, as a checkpoint's are there in an export.
        model.predict(*model.preprocess(tf.zeros([1, 160, 160, 3])))
        written[name] = {input_type: signature(model, input_type) for input_type in INPUT_TYPES}
    Path(__file__).with_suffix(".json").write_text(json.dumps(written, indent=1) + "\n")


def signature(model, input_type: str) -> dict:
    """As exporter_lib_v2.export_inference_graph makes it."""
    module = exporter_lib_v2.DETECTION_MODULE_MAP[input_type](model)
    function = module.__call__.get_concrete_function()
    (spec,) = function.structured_input_signature[0]
    return {
        "inputs": {"input_tensor": described(spec)},
        "outputs": {name: described(tensor) for name, tensor in sorted(function.structured_outputs.items())},
    }


def described(tensor) -> list:
    """[dtype, shape]"""
    return [tensor.dtype.name, tensor.shape.as_list()]


if __name__ == "__main__":
    main()
