"""The text of the training script, see odtk.exporting.training_script._filled for its marks."""

SCRIPT = '''\
"""Trains what was trained by {{origin}}.

Written by `odtk export --format script`, to be read and changed. It reads pipeline.config beside it; run it where that
config's paths lead to the records: python train.py [MODEL_DIR]

With the same versions on the same device its losses are those of that run. It leaves out what `odtk train` has around a
training: the best weights, curves and pictures, and what happens after a NaN, without memory, or on a full disk.
"""

import shutil  #? has_label_map
import sys
from pathlib import Path

import tensorflow as tf
import tf_keras

import odtk

CONFIG = Path(__file__).with_name("pipeline.config")
MODEL_DIR = Path(sys.argv[1] if len(sys.argv) > 1 else {{model_dir}})
MODEL_DIR.mkdir(parents=True, exist_ok=True)
SEED = {{seed}}
NUM_STEPS = {{num_steps}}
LOG_EVERY, CHECKPOINT_EVERY, KEPT_CHECKPOINTS = {{log_every}}, {{checkpoint_every}}, {{keep}}
EVALUATE_EVERY = {{evaluate_every}}  #? is_watched

config = odtk.read_config(CONFIG{{changes}})
tf_keras.utils.set_random_seed(SEED)
tf.config.experimental.enable_op_determinism()  #? is_deterministic

# The network, its anchors or centers, targets, losses and post-processing: {{kind}}.
detector = odtk.build_detector(config{{precision}})
# Before: {{checkpoint}}  #? is_fine_tuned
odtk.restore_fine_tune_checkpoint(config, detector{{reuse}})  #? is_fine_tuned

{{optimizer}}
optimizer = odtk.build_optimizer(config, detector)


@tf.function(autograph=False)
def train_step(features, groundtruth):
    """One update; returns the losses by TFOD's names."""
    shapes = features["true_image_shape"]
    with odtk.step_randomness(SEED, optimizer.iterations), tf.GradientTape() as tape:
        images = detector.preprocess(features["image"], shapes)
        predictions = detector.predict(images, shapes, training=True, groundtruth=groundtruth)
        losses = detector.losses(predictions, groundtruth, shapes)
        losses["Loss/regularization_loss"] = detector.regularization_loss()  #? is_regularized
        losses["Loss/total_loss"] = tf.add_n(list(losses.values()))
    gradients = tape.gradient(losses["Loss/total_loss"], detector.trainable_variables)
    gradients, _ = tf.clip_by_global_norm(gradients, {{clip_norm}})  #? is_clipped
    optimizer.apply_gradients(zip(gradients, detector.trainable_variables))
    return losses


# Checkpoints with TFOD's keys: odtk and TFOD evaluate and export them, and this script goes on from the last one.
step = tf.Variable(0, dtype=tf.int64)
last_position = tf.Variable(-1, dtype=tf.int64)  # of the last record that was trained on
checkpoint = tf.train.Checkpoint(
    step=step, global_step=step, last_position=last_position, optimizer=optimizer, **detector.checkpoint_objects()
)
manager = tf.train.CheckpointManager(checkpoint, str(MODEL_DIR), max_to_keep=KEPT_CHECKPOINTS)
checkpoint.restore(manager.latest_checkpoint)
(MODEL_DIR / "pipeline.config").write_text(str(config))
shutil.copy(CONFIG.with_name("label_map.pbtxt"), MODEL_DIR)  #? has_label_map

# Records in an order that depends on the seed alone, decoded, augmented, resized and batched.
batches = odtk.TrainingBatches(
    config, detector, seed=SEED, after=int(last_position), max_bad_records={{max_bad_records}}, log=print
)
evaluation = odtk.build_evaluation(config, detector)  #? is_watched
for features, groundtruth in batches:
    if int(step) == NUM_STEPS:
        break
    losses = train_step(features, groundtruth)
    step.assign_add(1)
    last_position.assign(tf.reduce_max(features["position"]))
    number = int(step)
    if number % LOG_EVERY == 0 or number in (1, NUM_STEPS):
        print(f"step {number}: " + ", ".join(f"{name} {float(loss):.7g}" for name, loss in losses.items()), flush=True)
    if number % CHECKPOINT_EVERY == 0 or number == NUM_STEPS:
        manager.save(checkpoint_number=number)
    if number % EVALUATE_EVERY == 0:  #? is_watched
        metrics = evaluation.run().metrics  #? is_watched
        print(f"step {number}: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))  #? is_watched

if int(step) < NUM_STEPS:
    sys.exit(f"The records ended after step {int(step)} (train_input_reader.num_epochs).")
report = odtk.evaluate(MODEL_DIR / "pipeline.config", MODEL_DIR, checkpoint="last", log=print)  #? is_evaluated
for name, value in report.summary.items():  #? is_evaluated
    print(f"{name} {value:.4g}")  #? is_evaluated
'''
