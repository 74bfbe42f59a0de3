"""A folder as TFOD leaves it behind: trained, evaluated and exported by TFOD's own scripts' functions.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/workspace.py WORKSPACE

WORKSPACE has models/mine/pipeline.config, whose paths are relative to WORKSPACE. Afterwards checkpoints, events and
exported-models/mine are there, too. tests/tools/test_migrate_workspace.py migrates it.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_ops

# tf-slim, with which TFOD reads records, looks for these where TensorFlow had them until 2.13.
control_flow_ops.case, control_flow_ops.cond = tf.compat.v1.case, tf.compat.v1.cond
np.float, np.bool = float, bool

from google.protobuf import text_format  # noqa: E402
from object_detection import exporter_lib_v2, model_lib_v2  # noqa: E402
from object_detection.protos import pipeline_pb2  # noqa: E402

STEPS = 4
CONFIG, MODEL_DIR = "models/mine/pipeline.config", "models/mine"


def main(workspace: Path) -> None:
    """Trains, evaluates and exports in a workspace."""
    os.chdir(workspace)
    model_lib_v2.train_loop(
        CONFIG, MODEL_DIR, train_steps=STEPS, checkpoint_every_n=2, num_steps_per_iteration=1, record_summaries=False
    )
    tf.keras.backend.clear_session()
    model_lib_v2.eval_continuously(CONFIG, model_dir=MODEL_DIR, checkpoint_dir=MODEL_DIR, wait_interval=1, timeout=1)
    tf.keras.backend.clear_session()
    config = text_format.Parse(Path(CONFIG).read_text(), pipeline_pb2.TrainEvalPipelineConfig())
    exporter_lib_v2.export_inference_graph("image_tensor", config, MODEL_DIR, "exported-models/mine")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
