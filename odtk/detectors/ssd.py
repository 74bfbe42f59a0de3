"""The one-stage family: dense anchors, a box and class scores for each, one pass."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
import tf_keras

from odtk.boxes import targets
from odtk.boxes.anchors import MultiscaleAnchors
from odtk.boxes.coding import FasterRcnnCoder, MeanStddevCoder
from odtk.boxes.suppression import SuppressionParams, multiclass_suppression
from odtk.detectors.detector import Detector

# RGB, subtracted by TFOD's ResNet v1 feature extractors.
CHANNEL_MEANS = (123.68, 116.779, 103.939)


@dataclass(frozen=True)
class SsdTraining:
    """How an SSD's loss is put together; the functions are those of odtk.boxes and odtk.losses, bound to numbers."""

    similarity: Callable
    match: Callable
    localization_loss: Callable
    classification_loss: Callable
    unmatched_weight: float = 1.0
    localization_weight: float = 1.0
    classification_weight: float = 1.0
    normalize_by_num_matches: bool = True
    normalize_by_code_size: bool = False
    background_as_zeros: bool = True


class SsdNetwork(tf_keras.Model):
    """Backbone, pyramid and heads: images to (feature maps, box encodings, logits)."""

    def __init__(
        self, backbone: tf_keras.Model, pyramid: tf_keras.layers.Layer, heads: tf_keras.layers.Layer, **kwargs
    ):
        super().__init__(**kwargs)
        self.backbone, self.pyramid, self.heads = backbone, pyramid, heads

    def call(self, images, training=None, norm_training=None):
        """Preprocessed images [batch, h, w, 3]; `norm_training` rules the batch norms, `training` the dropout."""
        # C2 is computed on the way; the pyramid takes C3..C5.
        maps = self.pyramid(self.backbone(images, training=norm_training)[1:], training=norm_training)
        boxes, logits = self.heads(maps, training=training, norm_training=norm_training)
        return maps, boxes, logits


class SsdDetector(Detector):
    """An SSD: see `Detector` for the contract and `SsdTraining` for the loss."""

    def __init__(
        self,
        network: SsdNetwork,
        anchors: MultiscaleAnchors,
        coder: FasterRcnnCoder | MeanStddevCoder,
        resize: Callable,
        image_size: tuple[int, int] | None,
        num_classes: int,
        training: SsdTraining,
        suppression: SuppressionParams,
        score_converter: Callable,
        freeze_batch_norm: bool = False,
        add_regularization_loss: bool = True,
        pad_to_multiple: int = 1,
        keys: Callable[[SsdNetwork], dict[str, tf.Variable]] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network = network
        self.anchors, self.coder = anchors, coder
        self._resize, self.image_size = resize, image_size
        self.num_classes = num_classes
        self.training_params, self.suppression = training, suppression
        self.score_converter = score_converter
        self.freeze_batch_norm = freeze_batch_norm
        self.add_regularization_loss = add_regularization_loss
        self.pad_to_multiple = pad_to_multiple
        self._keys = keys

    def resize(self, image):
        """As the config's image_resizer says."""
        return self._resize(image)

    def preprocess(self, images):
        """Subtracts the channel means; no scaling."""
        return images - tf.constant(CHANNEL_MEANS, images.dtype)

    def predict_batch(self, images, training: bool = False) -> dict[str, tf.Tensor]:
        """Adds feature_maps (finest first) and anchors [anchors, 4] to box_encodings and class_logits."""
        padded = self._pad(images)
        maps, boxes, logits = self.network(
            padded, training=training, norm_training=training and not self.freeze_batch_norm
        )
        return {
            "feature_maps": maps,
            "box_encodings": boxes,
            "class_logits": logits,
            "anchors": self.anchors_of(images, maps),
            "image_size": tf.shape(images)[1:3],
        }

    def anchors_of(self, images, maps):
        """Anchors yxyx [anchors, 4] of feature maps of these (unpadded) images."""
        static = None not in images.shape[1:3]
        image_size = tuple(images.shape[1:3]) if static else tuple(tf.unstack(tf.shape(images)[1:3]))
        sizes = [tf.unstack(tf.shape(m)[1:3]) if None in m.shape[1:3] else m.shape[1:3] for m in maps]
        return self.anchors(image_size, sizes, static=static)

    def loss(self, predictions: dict, groundtruth: dict) -> dict[str, tf.Tensor]:
        """`Loss/localization_loss` and `Loss/classification_loss`, weighted and normalised as the config says."""
        params = self.training_params
        assigned = self.assign_targets(predictions["anchors"], groundtruth)
        class_targets = self._one_hot(assigned.classes)
        localization = params.localization_loss(
            predictions["box_encodings"], assigned.box_encodings, assigned.box_weights
        )
        classification = params.classification_loss(predictions["class_logits"], class_targets, assigned.class_weights)
        normalizer = 1.0
        if params.normalize_by_num_matches:
            normalizer = tf.maximum(tf.reduce_sum(assigned.box_weights), 1.0)
        code_size = 4.0 if params.normalize_by_code_size else 1.0
        return {
            "Loss/localization_loss": params.localization_weight
            * tf.reduce_sum(localization)
            / (normalizer * code_size),
            "Loss/classification_loss": params.classification_weight * tf.reduce_sum(classification) / normalizer,
        }

    def assign_targets(self, anchors, groundtruth: dict) -> targets.Targets:
        """Targets of a batch for anchors [anchors, 4]; groundtruth as in `loss`."""
        params = self.training_params
        num_boxes = groundtruth["num_boxes"]
        boxes, classes, weights = targets.trim(
            groundtruth["boxes"], groundtruth["classes"], groundtruth["weights"], num_boxes
        )
        return targets.assign(
            boxes, classes, weights, num_boxes, anchors, params.similarity, params.match, self.coder.encode,
            params.unmatched_weight,
        )  # fmt: skip

    def postprocess(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Decodes, scores and suppresses; see odtk.boxes.suppression for the order of operations."""
        boxes = self.coder.decode(predictions["box_encodings"], predictions["anchors"])
        all_scores = self.score_converter(predictions["class_logits"])
        window = _true_windows(true_image_shapes, predictions["image_size"])
        kept = multiclass_suppression(boxes, all_scores[..., 1:], window, self.suppression)
        filled = tf.sequence_mask(kept.count, self.suppression.max_total, dtype=tf.float32)
        return {
            "detection_boxes": kept.boxes,
            "detection_classes": kept.classes,
            "detection_scores": kept.scores,
            "detection_multiclass_scores": tf.gather(all_scores, kept.anchors, batch_dims=1) * filled[..., None],
            "detection_anchor_indices": kept.anchors,
            "num_detections": tf.cast(kept.count, tf.float32),
            "raw_detection_boxes": boxes,
            "raw_detection_scores": all_scores,
        }

    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """By TFOD's keys; the network is built on the way where it was not yet."""
        self.ensure_built()
        return self._keys(self.network)

    def fine_tune_keys(self, checkpoint_type: str) -> list[str]:
        """full: everything; detection: backbone and pyramid; classification: backbone."""
        prefix = {
            "full": "model/",
            "detection": "model/_feature_extractor/",
            "classification": "model/_feature_extractor/classification_backbone/",
        }[checkpoint_type]
        return [key for key in self.checkpoint_variables() if key.startswith(prefix)]

    def ensure_built(self) -> None:
        """Makes the variables, by one run of the network on a blank image of the smallest size that it takes."""
        if not self.network.built:
            self.network(self._pad(tf.zeros([1, 160, 160, 3])))
            self.built = True

    def _pad(self, images):
        """Zeros at the bottom and right up to multiples of `pad_to_multiple`."""
        if self.pad_to_multiple == 1:
            return images
        height, width = tf.unstack(tf.shape(images)[1:3])
        rows, columns = -height % self.pad_to_multiple, -width % self.pad_to_multiple
        padded = tf.pad(images, [[0, 0], [0, rows], [0, columns], [0, 0]])
        if None not in images.shape[1:3]:
            multiple = self.pad_to_multiple
            padded = tf.ensure_shape(padded, [None, *(side + -side % multiple for side in images.shape[1:3]), 3])
        return padded

    def _one_hot(self, classes):
        """int32 [batch, anchors], -1 for background, to [batch, anchors, 1 + classes] with the background first."""
        one_hot = tf.one_hot(classes, self.num_classes)
        background = tf.cast(classes < 0, tf.float32)
        if self.training_params.background_as_zeros:
            background = tf.zeros_like(background)
        return tf.concat([background[..., None], one_hot], axis=-1)


def _true_windows(true_image_shapes, image_size):
    """The true images' part of the frame, yxyx normalised: int32 [batch, 3] and int32 [2] to float32 [batch, 4]."""
    fraction = tf.cast(true_image_shapes[:, :2], tf.float32) / tf.cast(image_size, tf.float32)
    return tf.concat([tf.zeros_like(fraction), fraction], axis=-1)
