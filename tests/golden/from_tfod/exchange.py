"""TFOD with what odtk exported: it restores the checkpoint, detects, evaluates, and trains on from there.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/exchange.py EXPORTED IMAGE OUTPUT

EXPORTED is a folder of `odtk export`, whose config names records; IMAGE an .npy file of uint8 pixels. In OUTPUT stands
afterwards what TFOD finds in the image: detections.npz with the exported checkpoint, saved_model.npz with the exported
SavedModel, and trained.npz after two steps of training, whose
checkpoints are in trained/; and metrics.json, what it measures on the evaluation records with the exported checkpoint.
tests/test_checkpoint_exchange.py compares all that with odtk's.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_ops

# tf-slim, with which TFOD reads records, looks for these where TensorFlow had them until 2.13.
control_flow_ops.case, control_flow_ops.cond = tf.compat.v1.case, tf.compat.v1.cond
# Its Pascal VOC metrics ask for dtypes by names that NumPy dropped in 1.24.
np.float, np.bool = float, bool

from object_detection import inputs, model_lib_v2  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.utils import config_util  # noqa: E402

STEPS = 2


def main(exported: Path, image_file: Path, output: Path) -> None:
    """Writes OUTPUT, a new folder."""
    output.mkdir(parents=True)
    image, config = np.load(image_file), exported / "pipeline.config"
    np.savez(output / "detections.npz", **detected(config, exported / "checkpoint", image))
    found = tf.saved_model.load(str(exported / "saved_model"))(tf.constant(image[None]))
    np.savez(output / "saved_model.npz", **{name: value.numpy() for name, value in found.items()})
    metrics = evaluated(config, exported / "checkpoint")
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    train(config, exported / "checkpoint/ckpt-0", output / "trained")
    np.savez(output / "trained.npz", **detected(config, output / "trained", image))


def detected(config: Path, folder: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """What TFOD's model finds with the last checkpoint in the folder, from which it must take every variable it has."""
    # Its training loop leaves this on, and batch norms of CenterNet and of EfficientDet's backbone go by it.
    tf.keras.backend.set_learning_phase(False)
    model = model_builder.build(config_util.get_configs_from_pipeline_file(str(config))["model"], is_training=False)
    detect(model, image)
    status = tf.train.Checkpoint(model=model).restore(tf.train.latest_checkpoint(str(folder)))
    # A checkpoint of a training run holds more: the optimizer.
    status.expect_partial().assert_existing_objects_matched().assert_nontrivial_match()
    return {name: value.numpy() for name, value in detect(model, image).items()}


def detect(model, image: np.ndarray) -> dict[str, tf.Tensor]:
    """Detections in a batch of one image; the first call makes the model's variables."""
    preprocessed, shapes = model.preprocess(tf.constant(image[None], tf.float32))
    return model.postprocess(model.predict(preprocessed, shapes), shapes)


def evaluated(config: Path, folder: Path) -> dict[str, float]:
    """TFOD's metrics and losses with the last checkpoint in the folder, by the loop of its eval_continuously."""
    configs = config_util.get_configs_from_pipeline_file(str(config))
    # Only eval_continuously puts it there.
    configs["eval_input_config"] = configs["eval_input_configs"][0]
    # Its drawing needs an older Pillow.
    configs["eval_config"].num_visualizations = 0
    model = model_builder.build(configs["model"], is_training=True)
    status = tf.train.Checkpoint(model=model).restore(tf.train.latest_checkpoint(str(folder)))
    dataset = inputs.eval_input(
        eval_config=configs["eval_config"],
        eval_input_config=configs["eval_input_config"],
        model_config=configs["model"],
        model=model,
    )
    metrics = model_lib_v2.eager_eval_loop(model, configs, dataset, global_step=tf.Variable(0, dtype=tf.int64))
    status.assert_existing_objects_matched()
    return {name: float(value) for name, value in metrics.items()}


def train(config: Path, checkpoint: Path, folder: Path) -> None:
    """TFOD's own loop, which writes step, model and optimizer: before the first step, and after the last."""
    fields = {"": f'"{checkpoint}"', "_type": '"full"', "_version": "V2"}
    override = " ".join(f"fine_tune_checkpoint{name}: {value}" for name, value in fields.items())
    model_lib_v2.train_loop(
        str(config),
        str(folder),
        config_override=f"train_config {{ {override} }}",
        train_steps=STEPS,
        checkpoint_every_n=STEPS,
        num_steps_per_iteration=1,
        record_summaries=False,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
