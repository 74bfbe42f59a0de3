"""Runs TFOD's own training steps on the goldens' batches: in double precision, and again and again in single.

usage (from the repository's root, where `make tfod` has been): .tfod/bin/python tests/golden/from_tfod/training.py

Why double. The reference's goldens were trained in single precision. Every relu6 is a switch, and a weight that
differs in its last place throws some of them, so that from the second or third step on TFOD does not repeat its own
numbers: on another CPU, with other kernels, or from weights changed by 1e-7 (that is `single.npz`). In double precision
the same code gives the same numbers everywhere, to six digits, and whatever differs then is no rounding.

What is done to TFOD for that, and to odtk in tests/training/test_training_in_double.py alike:
- Keras makes the network in float64; the classification loss is computed in float64.
- The localization loss is computed in float32, as TFOD's Huber loss casts to it, from box targets that are rounded to
  1/4096: their last place depends on the logarithm at hand.
- The learning rate is a number, not a tensor, so that no machine rounds it in its own way.
- No graph: Grappler reorders what it finds in one.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
GOLDEN = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(GOLDEN))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from object_detection import model_lib_v2  # noqa: E402
from object_detection.builders import model_builder, optimizer_builder  # noqa: E402
from object_detection.core import losses, standard_fields  # noqa: E402
from object_detection.meta_architectures import ssd_meta_arch  # noqa: E402
from object_detection.utils import config_util  # noqa: E402
from synthetic_weights import synthetic_groundtruth, synthetic_image, synthetic_value  # noqa: E402

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
TAGS = [f"Loss/{name}_loss" for name in ("classification", "localization", "regularization", "total")]
FULL = "ssd_resnet50_320"
# Relative change of every weight, about one unit in its last place, in all but the first of the repeated runs.
LAST_PLACE, REPEATS = 1e-7, 6


def main() -> None:
    """Writes double.npz and single.npz beside this file, or the one that is named."""
    wanted = sys.argv[1:] or ["single", "double"]
    # First: what makes TFOD's networks double cannot be taken back.
    if "single" in wanted:
        _write("single", {name: _single(name) for name in (FULL, "variants/base")})
    if "double" in wanted:
        in_double_precision()
        paths = sorted((GOLDEN / "variants").glob("*.npz"))
        variants = [f"variants/{path.stem}" for path in paths if "train_losses" in np.load(path)]
        _write("double", {name: _double(name) for name in [FULL, *variants]})


def _single(name: str) -> dict[str, np.ndarray]:
    """Losses [runs, steps, tags], and norms of the weights and of their changes [runs, keys], of repeated runs."""
    run = TrainingRun(name)
    runs = [(run.train(seed), run.norms(), run.norms(of_changes=True)) for seed in range(REPEATS)]
    losses, norms, changes = (np.stack(values) for values in zip(*runs, strict=True))
    return {"losses": losses, "norms": norms, "changes": changes}


def _double(name: str) -> dict[str, np.ndarray]:
    """Losses [steps, tags], and norms of what changed in the weights [keys], of the one run that there is."""
    run = TrainingRun(name)
    return {"losses": run.train(), "changes": run.norms(of_changes=True)}


def _write(name: str, runs: dict[str, dict[str, np.ndarray]]) -> None:
    arrays = {f"{run}/{part}": values for run, parts in runs.items() for part, values in parts.items()}
    np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), tags=TAGS, **arrays)


class TrainingRun:
    """One of the goldens' training runs: `name` as its files below tests/golden; `value` gives its weights."""

    def __init__(self, name: str, value=synthetic_value):
        self.value = value
        full = name == FULL
        size, images, counts = ((320, 320), (1, 2), (3, 4)) if full else ((150, 200), (50, 51), (3, 4))
        self.configs = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"{name}.config"))
        self.steps = len(np.load(GOLDEN / f"{name}.npz")["train_losses"])
        self.shapes = dict(json.loads((GOLDEN / f"{name}-keys.json").read_text()))
        self.model = model_builder.build(self.configs["model"], is_training=True)
        processed = [self.model.preprocess(tf.constant(synthetic_image(s, *size)[None], tf.float32)) for s in images]
        fields = standard_fields.InputDataFields
        self.features = {
            fields.image: tf.concat([image for image, _ in processed], 0),
            fields.true_image_shape: tf.concat([shape for _, shape in processed], 0),
        }
        self.labels = batch_labels(images, counts, self.configs["model"].ssd.num_classes)
        self._forward()
        self.variables = self._variables()
        assert {key: v.shape.as_list() for key, v in self.variables.items()} == self.shapes

    def train(self, seed: int = 0) -> np.ndarray:
        """Losses [steps, tags] from the golden's weights; a seed other than 0 changes each in its last place."""
        self.load(seed)
        config = self.configs["train_config"]
        step = tf.Variable(0, dtype=tf.int64)
        optimizer, (rate,) = optimizer_builder.build(config.optimizer, global_step=step)
        rows = []
        for _ in range(self.steps):
            getattr(optimizer, "_optimizer", optimizer).learning_rate = float(rate() if callable(rate) else rate)
            row = model_lib_v2.eager_train_step(
                self.model, self.features, self.labels, config.unpad_groundtruth_tensors, optimizer, step,
                add_regularization_loss=config.add_regularization_loss,
                clip_gradients_value=config.gradient_clipping_by_norm or None,
            )  # fmt: skip
            step.assign_add(1)
            rows.append([float(row.get(tag, 0.0)) for tag in TAGS])
        return np.array(rows)

    def load(self, seed: int = 0) -> None:
        """Gives the variables the golden's weights; a seed other than 0 changes each in its last place."""
        random = np.random.default_rng(seed)
        for key, variable in self.variables.items():
            value = self.value(key, self.shapes[key])
            noise = LAST_PLACE * random.standard_normal(value.shape).astype(np.float32) if seed else 0
            variable.assign((value * (1 + noise)).astype(variable.dtype.as_numpy_dtype))

    def norms(self, of_changes: bool = False) -> np.ndarray:
        """Norm of each variable, or of what training changed in it, float32 in the order of the golden's keys."""
        norms = []
        for key, shape in self.shapes.items():
            value = self.variables[key].numpy().astype(np.float64)
            norms.append(np.linalg.norm(value - self.value(key, shape) if of_changes else value))
        return np.array(norms, np.float32)

    def _forward(self) -> None:
        """Makes the variables, as TFOD does ahead of training."""
        self.model._is_training = False
        tf.keras.backend.set_learning_phase(False)
        self.model.predict(*self.features.values())

    def _variables(self) -> dict[str, tf.Variable]:
        """By checkpoint key: the variables are told apart by numbers written through a checkpoint's own keys."""
        checkpoint = tf.train.Checkpoint(model=self.model)
        found = {}
        for number, variable in enumerate(self.model.variables):
            variable.assign(tf.fill(variable.shape, tf.cast(number, variable.dtype)))
        with tempfile.TemporaryDirectory() as folder:
            reader = tf.train.load_checkpoint(checkpoint.write(f"{folder}/ckpt"))
            for key in self.shapes:
                found[key] = self.model.variables[int(reader.get_tensor(key + SUFFIX).flat[0])]
        return found


def batch_labels(seeds, counts, num_classes: int) -> dict[str, tf.Tensor]:
    """The batch's groundtruth as TFOD's input gives it, padded to 100 boxes."""
    fields, most = standard_fields.InputDataFields, 100
    drawn = [synthetic_groundtruth(seed, count, num_classes) for seed, count in zip(seeds, counts, strict=True)]
    one_hot = np.eye(num_classes, dtype=np.float32)
    return {
        fields.groundtruth_boxes: tf.stack([_padded(boxes, most) for boxes, _ in drawn]),
        fields.groundtruth_classes: tf.stack([_padded(one_hot[classes], most) for _, classes in drawn]),
        fields.groundtruth_weights: tf.sequence_mask(counts, most, dtype=tf.float32),
        fields.num_groundtruth_boxes: tf.constant(counts, tf.int32),
    }


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    return np.pad(rows, [(0, count - len(rows)), (0, 0)])


def in_double_precision() -> None:
    """From here on TFOD's networks are made in float64; see the top of this file."""
    tf.keras.backend.set_floatx("float64")
    model_lib_v2.ops.bfloat16_to_float32_nested = lambda tensors: tensors
    losses.Loss.__call__ = _loss_of(losses.Loss.__call__)
    detector = ssd_meta_arch.SSDMetaArch
    penalties, mining = detector.regularization_losses, detector._apply_hard_mining

    def mined(self, boxes, classes, predictions, matches):
        encodings = tf.cast(predictions["box_encodings"], tf.float32)
        return mining(self, boxes, classes, {**predictions, "box_encodings": encodings}, matches)

    detector.regularization_losses = lambda self: [tf.cast(penalty, tf.float32) for penalty in penalties(self)]
    detector._apply_hard_mining = mined


def _loss_of(original):
    def call(self, prediction_tensor, target_tensor, weights=None, **others):
        dtype = tf.float32 if isinstance(self, LOCALIZATION) else tf.float64
        targets = tf.cast(tf.round(target_tensor * 4096) / 4096, dtype)
        value = original(self, tf.cast(prediction_tensor, dtype), targets, weights=tf.cast(weights, dtype), **others)
        return tf.cast(value, tf.float32)

    return call


LOCALIZATION = tuple(kind for name, kind in vars(losses).items() if name.endswith("LocalizationLoss"))

if __name__ == "__main__":
    main()
