"""One-stage detectors: dense anchors, with a box and class scores for each, in one pass."""

from collections.abc import Callable
from types import MappingProxyType

import tensorflow as tf
import tf_keras

from odtk.boxes import targets
from odtk.boxes.coding import FasterRcnnCoder, MeanStddevCoder, SquareCoder
from odtk.boxes.sampling import hard_examples, sample_negatives
from odtk.boxes.suppression import SuppressionParams, class_agnostic_suppression, multiclass_suppression
from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.candidates import Candidates, Level
from odtk.detectors.detector import Detector, FineTunePlan, LossSums
from odtk.detectors.parts import image_padding
from odtk.detectors.parts.anchors import AnchorLayout
from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.kept_detections import named
from odtk.detectors.ssd.checkpoint_parts import CheckpointParts
from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths
from odtk.detectors.ssd.training import Background, SsdTraining, by_confidence


class SsdNetwork(tf_keras.Model):
    """Backbone, pyramid and heads: images to (feature maps, box encodings, logits)."""

    def __init__(
        self,
        backbone: tf_keras.Model,
        pyramid: tf_keras.layers.Layer,
        heads: tf_keras.layers.Layer,
        first_map: int = 0,
        backbone_always_trains: bool = False,
        **kwargs,
    ):
        """The pyramid uses the backbone's maps from index `first_map` on; finer ones are not used.

        `backbone_always_trains`: in training, even where the other batch norms do not.
        """
        super().__init__(**kwargs)
        self.backbone, self.pyramid, self.heads, self.first_map = backbone, pyramid, heads, first_map
        self.backbone_always_trains = backbone_always_trains

    def call(self, images, training=None, norm_training=None):
        """Preprocessed images [batch, h, w, 3]; `norm_training` is for the batch norms, `training` for dropout."""
        backbone_training = training if self.backbone_always_trains else norm_training
        maps = self.backbone(images, training=backbone_training)[self.first_map :]
        maps = self.pyramid(maps, training=norm_training)
        boxes, logits = self.heads(maps, training=training, norm_training=norm_training)
        return maps, boxes, logits


class SsdDetector(Detector):
    """An SSD: see `Detector` for the contract and `SsdTraining` for the loss."""

    loss_meanings = MappingProxyType(
        {"Loss/localization_loss": "loss of the boxes", "Loss/classification_loss": "loss of the classes"}
    )
    loss_names = tuple(loss_meanings)
    postprocess_reads = ("box_encodings", "class_logits", "anchors", "image_size")

    def __init__(
        self,
        network: SsdNetwork,
        preprocess: Callable,
        anchors: AnchorLayout,
        finest_level: int,
        coder: FasterRcnnCoder | MeanStddevCoder | SquareCoder,
        resize: Callable,
        image_size: tuple[int, int] | None,
        num_classes: int,
        training: SsdTraining,
        suppression: SuppressionParams,
        score_converter: Callable,
        background: Background,
        input_size: InputSize,
        paths: Callable[[SsdNetwork], CheckpointPaths],
        parts: CheckpointParts,
        sigmoid_in_exports: bool = False,
        class_agnostic: bool = False,
        freeze_batch_norm: bool = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.network = network
        self.anchors, self.finest_level, self.coder = anchors, finest_level, coder
        self.resize, self._preprocess, self.image_size = resize, preprocess, image_size
        self.num_classes = num_classes
        self.training_params, self.suppression = training, suppression
        self.score_converter, self.background = score_converter, background
        self.sigmoid_in_exports = sigmoid_in_exports
        self.class_agnostic = class_agnostic
        self._suppress = class_agnostic_suppression if class_agnostic else multiclass_suppression
        self.freeze_batch_norm = freeze_batch_norm
        self.input_size = input_size
        self._paths, self._parts = paths, parts

    def preprocess(self, images, true_image_shapes):
        """Maps pixel values to the backbone's input range."""
        return self._preprocess(images)

    def predict(
        self, images, true_image_shapes, training: bool = False, groundtruth: dict | None = None
    ) -> dict[str, tf.Tensor]:
        """Adds feature_maps (finest first) and anchors [anchors, 4] to box_encodings and class_logits."""
        padded = image_padding.padded(image_padding.checked(images, self.input_size), self.input_size)
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
        """Anchors yxyx [anchors, 4] for feature maps of these (unpadded) images.

        If the resizer's output size is not fixed, TFOD trains with a graph of unknown sizes; a size that happens to be
        known elsewhere must not change the anchors then.
        """
        known = None not in images.shape[1:3]
        static = known and self.image_size is not None
        image_size = tuple(images.shape[1:3]) if known else tuple(tf.unstack(tf.shape(images)[1:3]))
        sizes = [tf.unstack(tf.shape(m)[1:3]) if None in m.shape[1:3] else m.shape[1:3] for m in maps]
        return self.anchors(image_size, sizes, static=static)

    def loss_sums(self, predictions: dict, groundtruth: dict, true_image_shapes) -> LossSums:
        """`Loss/localization_loss` and `Loss/classification_loss`, weighted and normalized according to the config."""
        params = self.training_params
        assigned = self.assign_targets(predictions["anchors"], groundtruth)
        class_targets = self.background.one_hot(assigned.classes, self.num_classes)
        if params.implicit_weight is not None:
            assigned, class_targets = by_confidence(assigned, class_targets, params.implicit_weight)
        if params.positive_fraction is not None:
            assigned = _sampled(assigned, self.background, params.positive_fraction)
        localization = params.localization_loss(
            predictions["box_encodings"], assigned.box_encodings, assigned.box_weights
        )
        classification = params.classification_loss(predictions["class_logits"], class_targets, assigned.class_weights)
        if params.mining is not None:
            localization, classification = self._mined(predictions, localization, classification, assigned.match)
        code_size = float(self.coder.code_size) if params.normalize_by_code_size else 1.0
        sums = {
            "Loss/localization_loss": params.localization_weight / code_size * tf.reduce_sum(localization),
            "Loss/classification_loss": params.classification_weight * tf.reduce_sum(classification),
        }
        matches = tf.reduce_sum(assigned.box_weights)
        return LossSums(sums, matches if params.normalize_by_num_matches else tf.zeros_like(matches))

    def assign_targets(self, anchors, groundtruth: dict) -> targets.Targets:
        """Targets of a batch for anchors [anchors, 4]; groundtruth as in `losses`."""
        params = self.training_params
        num_boxes = groundtruth["num_boxes"]
        boxes, classes, weights = targets.trim(
            groundtruth["boxes"], groundtruth["classes"], groundtruth["weights"], num_boxes
        )
        return targets.assign(
            boxes, classes, weights, num_boxes, anchors, params.similarity, params.match, self.coder.encode,
            params.unmatched_weight,
        )  # fmt: skip

    def _mined(self, predictions: dict, localization, classification, match):
        """Losses by anchor, each [batch, anchors], 0 for anchors that hard example mining does not select."""
        params, mining = self.training_params, self.training_params.mining
        assert mining is not None
        if classification.shape.rank == 3:
            classification = tf.reduce_sum(classification, axis=-1)
        looked_at = {
            "both": params.classification_weight * classification + params.localization_weight * localization,
            "classification": classification,
            "localization": localization,
        }[mining.by]
        kept = hard_examples(
            self.coder.decode(predictions["box_encodings"], predictions["anchors"]), looked_at, match,
            mining.num_hard_examples, mining.iou_threshold, mining.max_negatives_per_positive,
            mining.min_negatives_per_image,
        )  # fmt: skip
        return localization * kept, classification * kept

    def postprocess(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Decodes, scores and suppresses; see odtk.boxes.suppression for the order of operations."""
        boxes = self.coder.decode(predictions["box_encodings"], predictions["anchors"])
        all_scores = self.score_converter(predictions["class_logits"])
        window = _true_windows(true_image_shapes, predictions["image_size"])
        kept = self._suppress(boxes, self.background.without(all_scores), window, self.suppression)
        return named(kept, all_scores) | {
            "raw_detection_boxes": boxes,
            "raw_detection_scores": all_scores,
        }

    def as_exported(self, predictions: dict) -> dict:
        """With sigmoids in place of the logits, if the config's box predictor makes them.

        TFOD's does where it is built for inference; the one that TFOD evaluates is built for training.
        """
        if not self.sigmoid_in_exports:
            return predictions
        return predictions | {"class_logits": tf.sigmoid(predictions["class_logits"])}

    def pyramid(self, predictions: dict) -> dict[str, tf.Tensor]:
        """The maps that boxes are predicted from: "P3" has a stride of 2 ** 3 pixels."""
        maps = predictions["feature_maps"]
        return {f"P{level}": each for level, each in enumerate(maps, start=self.finest_level)}

    def candidates(self, predictions: dict) -> Candidates:
        """The decoded boxes of all anchors, with the scores of all classes."""
        maps = self.pyramid(predictions)
        levels = tuple(
            Level(name, each.shape[1], each.shape[2], per_cell)
            for (name, each), per_cell in zip(maps.items(), self.anchors.per_location, strict=True)
        )
        return Candidates(
            boxes=self.coder.decode(predictions["box_encodings"], predictions["anchors"]),
            scores=self.background.without(self.score_converter(predictions["class_logits"])),
            levels=levels,
            anchors=predictions["anchors"],
        )

    def matched_groundtruth(self, predictions: dict, groundtruth: dict) -> tf.Tensor:
        """The matches of `assign_targets`."""
        return self.assign_targets(predictions["anchors"], groundtruth).match

    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """All variables by TFOD's keys; builds the network if needed."""
        self.ensure_built()
        return self._paths(self.network).variables()

    def checkpoint_objects(self) -> dict[str, tf.train.Checkpoint]:
        """TFOD's objects, including those without variables and those with several names."""
        self.ensure_built()
        paths = self._paths(self.network)
        return as_trackable(paths.variables(), paths.aliases, [*paths.bare, *paths.batch_norm_axes()])

    def fine_tune_plan(self, checkpoint_type: str) -> FineTunePlan:
        """See `CheckpointParts`."""
        return self._parts.fine_tune_plan(checkpoint_type, list(self.checkpoint_variables()))

    def ensure_built(self) -> None:
        """Creates the variables by running the network on a blank image of the smallest accepted size."""
        if not self.network.built:
            side = self.input_size.usable_side(1)
            self.network(image_padding.padded(tf.zeros([1, side, side, 3]), self.input_size))


def _sampled(assigned: targets.Targets, background: Background, positive_fraction: float) -> targets.Targets:
    """The targets, with weight 0 for anchors that sampling does not select."""
    weights = assigned.class_weights
    counted = (tf.reduce_mean(weights, axis=2) if weights.shape.rank == 3 else weights) > 0
    drawn = sample_negatives(background.positive(assigned.classes), counted, positive_fraction)
    of_classes = drawn[..., None] if weights.shape.rank == 3 else drawn
    return assigned._replace(class_weights=weights * of_classes, box_weights=assigned.box_weights * drawn)


def _true_windows(true_image_shapes, image_size):
    """The unpadded part of each image, yxyx normalized: int32 [batch, 3] and int32 [2] to float32 [batch, 4]."""
    fraction = tf.cast(true_image_shapes[:, :2], tf.float32) / tf.cast(image_size, tf.float32)
    return tf.concat([tf.zeros_like(fraction), fraction], axis=-1)
