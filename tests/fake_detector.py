"""A detector family that is unlike odtk's own, to keep the contracts honest: what works with it hangs on them alone.

It has no anchors, finds boxes by a heat map of their centers, has losses under tags of its own, reads other
groundtruth and knows other fine_tune_checkpoint_types. Everything is as small as can be.
"""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk import pipeline
from odtk.detectors import families
from odtk.detectors.detector import Detector, FineTunePlan, LossSums
from odtk.detectors.family import Family
from odtk.detectors.parts.input_size import InputSize, output_size
from odtk.detectors.parts.options import IMAGE_RESIZER
from odtk.detectors.parts.resizer import build_resizer
from odtk.findings import ERROR, Finding
from odtk.pipeline.support import Fields

HEAT, SIZE = "Loss/center/heat", "Loss/size"
STRIDE, PEAKS = 8, 3

CONFIG = """
model {
  center_net {
    num_classes: 2
    feature_extractor { type: "fake_center" }
    image_resizer { fixed_shape_resizer { height: 48 width: 32 } }
  }
}
train_config {
  batch_size: 2
  num_steps: 3
  optimizer { momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } } }
}
train_input_reader {
  label_map_path: "{records}/label_map.pbtxt"
  tf_record_input_reader { input_path: "{records}/train.record-00000-of-00001" }
}
eval_config { batch_size: 4 }
eval_input_reader {
  label_map_path: "{records}/label_map.pbtxt"
  tf_record_input_reader { input_path: "{records}/val.record-00000-of-00001" }
}
"""


def write_config(folder: Path, records: Path) -> Path:
    """The pipeline.config of a fake detector that reads `records`, a folder that inspected_records.write made."""
    path = folder / "pipeline.config"
    path.write_text(CONFIG.replace("{records}", str(records)))
    return path


def write_model_dir(folder: Path, seed: int = 1) -> Path:
    """A model dir, as training leaves it, of a fake detector whose weights are drawn; registered() is needed."""
    folder.mkdir(parents=True)
    config = write_config(folder, folder / "records")
    detector = families.of(pipeline.read(config)).build(pipeline.read(config).model)
    detector.ensure_built()
    draw_weights(detector, seed)
    tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(folder / f"ckpt-{seed}"))
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "ckpt-{seed}"\n')
    (folder / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\n")
    return folder


def draw_weights(detector, seed: int) -> None:
    """Other weights for each seed, so large that images which differ have other detections."""
    random = np.random.default_rng(seed)
    for variable in detector.variables:
        variable.assign(random.normal(0, 1, variable.shape))


class FakeNetwork(tf_keras.Model):
    """Images to (heat logits, sizes) of every cell of STRIDE x STRIDE pixels."""

    def __init__(self, num_classes: int):
        super().__init__(name="network")
        penalty = tf_keras.regularizers.L2(0.01)
        self.stem = tf_keras.layers.Conv2D(4, 3, STRIDE, "same", activation="relu", kernel_regularizer=penalty)
        self.heat = tf_keras.layers.Conv2D(num_classes, 1)
        self.size = tf_keras.layers.Conv2D(2, 1, activation="sigmoid")

    def call(self, images):
        features = self.stem(images)
        return self.heat(features), self.size(features)


class FakeDetector(Detector):
    """Every cell says how likely the center of a box is there, and how large that box is."""

    loss_names = (HEAT, SIZE)
    groundtruth_fields = ("boxes", "classes", "num_boxes", "group_of")

    def __init__(self, resizer, num_classes: int):
        super().__init__(name="fake")
        self.network, self.num_classes = FakeNetwork(num_classes), num_classes
        self.resize, self.image_size = build_resizer(resizer), output_size(resizer)

    def preprocess(self, images, true_image_shapes):
        assert true_image_shapes.shape[1:] == [3]
        return images / 255.0

    def predict(self, images, true_image_shapes, training=False, groundtruth=None):
        assert true_image_shapes.shape[1:] == [3]
        # In training it is what the batch holds, and all that was asked for.
        assert (groundtruth is not None) == training
        assert not training or sorted(groundtruth) == sorted(self.groundtruth_fields)
        heat, size = (tf.cast(each, tf.float32) for each in self.network(images))
        return {"cells": {"heat": heat, "size": size}}

    def loss_sums(self, predictions, groundtruth, true_image_shapes):
        heat, size = predictions["cells"]["heat"], predictions["cells"]["size"]
        boxes = groundtruth["boxes"]
        real = tf.sequence_mask(groundtruth["num_boxes"], tf.shape(boxes)[1]) & ~groundtruth["group_of"]
        rows, columns = tf.unstack(tf.shape(heat)[1:3])  # of images of several sizes they are not known before
        cells = _cells((boxes[..., :2] + boxes[..., 2:]) / 2, rows, columns)  # [batch, n]
        marks = tf.one_hot(cells, rows * columns)[..., None]  # [batch, n, cells, 1]
        marks *= tf.one_hot(groundtruth["classes"], self.num_classes)[..., None, :]
        target = tf.reduce_max(marks * tf.cast(real, tf.float32)[..., None, None], axis=1)
        found = tf.gather(_flat(size), cells, batch_dims=1)
        wrong = tf.abs(found - (boxes[..., 2:] - boxes[..., :2])) * tf.cast(real, tf.float32)[..., None]
        heats = tf.nn.sigmoid_cross_entropy_with_logits(target, _flat(heat))
        sums = {HEAT: tf.reduce_sum(tf.reduce_mean(heats, axis=[1, 2])), SIZE: tf.reduce_sum(wrong)}
        return LossSums(sums, tf.cast(tf.shape(boxes)[0], tf.float32))

    def postprocess(self, predictions, true_image_shapes):
        heat, size = predictions["cells"]["heat"], predictions["cells"]["size"]
        rows, columns = heat.shape[1:3]
        scores = tf.reshape(tf.sigmoid(heat), [-1, rows * columns * self.num_classes])
        best = tf.math.top_k(scores, PEAKS)
        cells, classes = best.indices // self.num_classes, best.indices % self.num_classes
        centers = (tf.cast(tf.stack([cells // columns, cells % columns], axis=-1), tf.float32) + 0.5) / [rows, columns]
        sizes = tf.gather(_flat(size), cells, batch_dims=1)
        return {
            "detection_boxes": tf.concat([centers - sizes / 2, centers + sizes / 2], axis=-1),
            "detection_classes": classes,  # int32, where others have float32
            "detection_scores": best.values,
            "num_detections": tf.fill([tf.shape(heat)[0]], PEAKS),
        }

    def checkpoint_variables(self):
        self.ensure_built()
        layers = {"stem": self.network.stem, "heads/heat": self.network.heat, "heads/size": self.network.size}
        return {
            f"model/_center/{name}/{kind}": getattr(layer, kind)
            for name, layer in layers.items()
            for kind in ("kernel", "bias")
        }

    def fine_tune_plan(self, checkpoint_type):
        keys = list(self.checkpoint_variables())
        if checkpoint_type == "full":
            return FineTunePlan(keys)
        stem = [key for key in keys if key.startswith("model/_center/stem/")]
        return FineTunePlan(stem, may_be_unused=("model/_center/heads/",))

    def ensure_built(self):
        if not self.network.built:
            self.network(tf.zeros([1, STRIDE, STRIDE, 3]))


class FakeFamily(Family):
    """As a newcomer would write it."""

    kind = "center_net"
    types = ("fake_center",)
    options = IMAGE_RESIZER | {
        "DetectionModel": Fields("center_net"),
        "CenterNet": Fields("num_classes feature_extractor image_resizer"),
        "CenterNetFeatureExtractor": Fields("type"),
    }
    fine_tune_types = ("full", "stem")
    has_batch_norms = False
    backbone_variables = "^model/_center/stem/"

    def input_size(self, model):
        return InputSize()

    def validate(self, model):
        if not self.num_classes(model):
            return [Finding(ERROR, "is 0; there is nothing to find.", self.num_classes_field)]
        return []

    def build(self, model):
        return FakeDetector(self.image_resizer(model), self.num_classes(model))

    def anchor_matching(self, model):
        return None

    def anchor_grid(self, model, image_size):
        return None


FAMILY = FakeFamily()


@contextlib.contextmanager
def registered():
    """The fake family has its line in the registry while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "MODULES", (*families.MODULES, "fake_detector"))
        families._families.cache_clear()
        yield
    families._families.cache_clear()


def _cells(points, rows, columns):
    """The cells, counted row by row, in which normalized points [..., 2] lie: int32 [...]."""
    size = tf.stack([rows, columns])
    inside = tf.clip_by_value(tf.cast(points * tf.cast(size, tf.float32), tf.int32), 0, size - 1)
    return inside[..., 0] * columns + inside[..., 1]


def _flat(cells):
    """[batch, rows, columns, c] to [batch, rows * columns, c]."""
    return tf.reshape(cells, [tf.shape(cells)[0], -1, cells.shape[3]])
