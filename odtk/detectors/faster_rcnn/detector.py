"""Two-stage detectors: proposals from dense anchors, then a class and a better box for each proposal."""

from collections.abc import Callable
from types import MappingProxyType

import tensorflow as tf

from odtk.boxes.rows import take_rows
from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.candidates import Candidates
from odtk.detectors.detector import Detector, FineTunePlan, LossSums
from odtk.detectors.faster_rcnn import checkpoint_keys
from odtk.detectors.faster_rcnn.checkpoint_objects import tfod_other_paths
from odtk.detectors.faster_rcnn.detections import Detections
from odtk.detectors.faster_rcnn.first_stage import CODER, FirstStage
from odtk.detectors.faster_rcnn.groundtruth import in_pixels, sides_of
from odtk.detectors.faster_rcnn.network import FasterRcnnNetwork
from odtk.detectors.faster_rcnn.second_stage import SecondStage

_FIRST = {
    "Loss/RPNLoss/localization_loss": "loss of the proposals' boxes",
    "Loss/RPNLoss/objectness_loss": "loss of object or background",
}
_SECOND = {
    "Loss/BoxClassifierLoss/localization_loss": "loss of the boxes",
    "Loss/BoxClassifierLoss/classification_loss": "loss of the classes",
}
# Some side of an image on which the network's variables are made; any would do.
_SOME_SIDE = 64


class FasterRcnnDetector(Detector):
    """A Faster R-CNN: see `Detector` for the contract, `FirstStage` and `SecondStage` for what follows the network.

    Without `second` it detects its proposals, as objects of the first class.
    """

    network: FasterRcnnNetwork
    has_fixed_raw_detections = True  # those of the proposals

    def __init__(
        self,
        network: FasterRcnnNetwork,
        preprocess: Callable,
        resize: Callable,
        image_size: tuple[int, int] | None,
        num_classes: int,
        first: FirstStage,
        second: SecondStage | None,
        detections: Detections | None,
        layout: checkpoint_keys.Layout,
        train_batch_norm: bool = False,
        returns_raw: bool = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.network, self.num_classes = network, num_classes
        self.resize, self._preprocess, self.image_size = resize, preprocess, image_size
        self.first, self.second, self.detections = first, second, detections
        self.layout, self.train_batch_norm, self.returns_raw = layout, train_batch_norm, returns_raw
        self.loss_meanings = MappingProxyType(_FIRST if second is None else _FIRST | _SECOND)
        self.loss_names = tuple(self.loss_meanings)
        self.postprocess_reads = _reads(detections)

    def preprocess(self, images, true_image_shapes):
        """Maps pixel values to the backbone's input range."""
        return self._preprocess(images)

    def predict(
        self, images, true_image_shapes, training: bool = False, groundtruth: dict | None = None
    ) -> dict[str, tf.Tensor]:
        """The first stage's predictions for all anchors, then the second's for the proposals.

        features_to_crop are the maps, finest first; anchors [anchors, 4] are in pixels of the images, those not in
        `anchors_used` bool [anchors] do not count; rpn_box_encodings [batch, anchors, 4] and rpn_objectness [batch,
        anchors, 2] (column 0 is the background); proposal_boxes [batch, n, 4] in pixels, of which num_proposals [batch]
        are real; refined_box_encodings [batch, n, classes or 1, 4] and class_logits [batch, n, columns].
        """
        found = self._first_stage(images, training)
        if self.second is None:
            return found
        boxes = self.first.decode(found["rpn_box_encodings"], found["anchors"])
        proposals = self.first.propose(boxes, found["rpn_objectness"], found["anchors_used"], true_image_shapes)
        if training:
            assert groundtruth is not None
            proposals = self.second.sample(proposals, in_pixels(groundtruth, found["image_size"]))
        return found | self._second_stage(found, proposals, true_image_shapes, training)

    def _first_stage(self, images, training: bool) -> dict[str, tf.Tensor]:
        norm_training = training and self.train_batch_norm
        maps, features, encodings, objectness = self.network.first_stage(images, training, norm_training)
        static = images.shape[1:3]
        image_size = tf.constant(static.as_list()) if None not in static else tf.shape(images)[1:3]
        anchors, used = self.first.anchors_of(maps, image_size, training)
        found = {
            "features_to_crop": maps,
            "rpn_features": features,
            "rpn_box_encodings": encodings,
            "rpn_objectness": objectness,
            "anchors": anchors,
            "anchors_used": used,
            "image_size": image_size,
        }
        return found | {"is_training": tf.constant(True)} if training else found

    def _second_stage(self, found: dict, proposals, true_image_shapes, training: bool) -> dict[str, tf.Tensor]:
        # By the reciprocal, as in TFOD: the last bit decides whether a sample at the border lies outside the map.
        relative = proposals.boxes * (1.0 / sides_of(found["image_size"]))
        features, encodings, logits = self.network.second_stage(
            found["features_to_crop"], relative, found["image_size"], training, training and self.train_batch_norm
        )
        count = proposals.boxes.shape[1]
        predictions = {
            "proposal_boxes": proposals.boxes,
            "num_proposals": proposals.count,
            "box_classifier_features": features,
            "refined_box_encodings": tf.reshape(encodings, [-1, count, *encodings.shape[1:]]),
            "class_logits": tf.reshape(logits, [-1, count, logits.shape[1]]),
        }
        if self.returns_raw:
            boxes = self.refined_boxes(predictions)
            whole = sides_of(true_image_shapes[:, :2])[:, None, None]
            predictions["raw_detection_boxes"] = tf.clip_by_value(boxes / whole, 0.0, 1.0)
            predictions["raw_detection_feature_map_indices"] = tf.zeros_like(boxes[..., 0], tf.int32)
        return predictions

    def refined_boxes(self, predictions: dict):
        """The second stage's boxes in pixels, [batch, n, classes or 1, 4]."""
        return CODER.decode(predictions["refined_box_encodings"], predictions["proposal_boxes"][:, :, None])

    def loss_sums(self, predictions: dict, groundtruth: dict, true_image_shapes) -> LossSums:
        """Those of both stages, weighted; each is a mean over images."""
        truth = in_pixels(groundtruth, predictions["image_size"])
        of_images = [
            *self.first.losses(
                predictions["rpn_box_encodings"],
                predictions["rpn_objectness"],
                predictions["anchors"],
                predictions["anchors_used"],
                truth,
                training="is_training" in predictions,
            )
        ]
        if self.second is not None:
            of_images += self.second.losses(
                predictions["refined_box_encodings"],
                predictions["class_logits"],
                predictions["proposal_boxes"],
                predictions["num_proposals"],
                truth,
            )
        sums = {tag: tf.reduce_sum(losses) for tag, losses in zip(self.loss_names, of_images, strict=True)}
        return LossSums(sums, tf.cast(tf.shape(truth.boxes)[0], tf.float32))

    def postprocess(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Decodes, scores and suppresses the second stage's boxes; without one, the proposals."""
        if self.detections is None:
            return self._detected_proposals(predictions, true_image_shapes)
        found = self.detections.find(
            self.refined_boxes(predictions),
            predictions["class_logits"],
            predictions["num_proposals"],
            true_image_shapes,
        )
        return found | self._features_of(found["detection_boxes"], predictions)

    def _features_of(self, boxes, predictions: dict) -> dict[str, tf.Tensor]:
        """What the config asks for of detections at `boxes` [batch, n, 4]: the second stage's features, the crops."""
        assert self.detections is not None
        # As in TFOD, whose boxes are here relative to the image without its padding, which crops take them not to be.
        found, count, image_size = {}, self.detections.suppression.max_total, predictions["image_size"]
        if self.detections.adds_features:
            features = self.network.features_at(predictions["features_to_crop"], boxes, image_size)
            found["detection_features"] = tf.reshape(features, [-1, count, *features.shape[1:]])
        if self.detections.adds_crops:
            crops = self.network.cropping.crops(predictions["features_to_crop"], boxes, image_size)
            found["cropped_rpn_box_features"] = tf.reshape(crops, [-1, count, *crops.shape[1:]])
        return found

    def _detected_proposals(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """The proposals as detections of the first class; as in TFOD their boxes are relative to the padded image."""
        sides = sides_of(predictions["image_size"])
        boxes = self.first.decode(predictions["rpn_box_encodings"], predictions["anchors"])
        scores = tf.nn.softmax(predictions["rpn_objectness"])
        proposals = self.first.propose(
            boxes, predictions["rpn_objectness"], predictions["anchors_used"], true_image_shapes
        )
        filled = tf.sequence_mask(proposals.count, tf.shape(proposals.boxes)[1], dtype=tf.float32)
        # Those of the proposals once more, as these have no gradient, which explanations need.
        kept = take_rows(scores, proposals.rows) * filled[..., None]
        return {
            "detection_boxes": proposals.boxes / sides,
            "detection_classes": tf.zeros_like(proposals.scores),
            "detection_scores": kept[..., 1],
            "detection_multiclass_scores": kept,
            "num_detections": tf.cast(proposals.count, tf.float32),
            "raw_detection_boxes": boxes / sides,
            "raw_detection_scores": scores,
        }

    def pyramid(self, predictions: dict) -> dict[str, tf.Tensor]:
        """The maps that both stages read, by level: "P4" has a stride of 2 ** 4 pixels."""
        maps = predictions["features_to_crop"]
        return {f"P{level}": each for level, each in enumerate(maps, start=self.layout.finest_level)}

    def candidates(self, predictions: dict) -> Candidates:
        """The boxes of the proposals, each for its best class, with the scores of all classes.

        Of a detector without second stage, the boxes of all anchors.
        """
        sides = sides_of(predictions["image_size"])
        if self.detections is None:
            boxes = self.first.decode(predictions["rpn_box_encodings"], predictions["anchors"])
            scores = tf.nn.softmax(predictions["rpn_objectness"])[..., 1:]
            return Candidates(boxes / sides, scores, anchors=predictions["anchors"] / sides, of_any_class=True)
        scores = self.detections.scores(predictions["class_logits"])[..., 1:]
        boxes = self.detections.best_boxes(self.refined_boxes(predictions), predictions["class_logits"])
        filled = tf.sequence_mask(predictions["num_proposals"], tf.shape(boxes)[1])
        scores = tf.where(filled[..., None], scores, 0.0)
        return Candidates(boxes / sides, scores, anchors=predictions["proposal_boxes"] / sides, called="proposals")

    def matched_groundtruth(self, predictions: dict, groundtruth: dict) -> tf.Tensor:
        """Which box the second stage would match with each proposal; without one, the first stage with each anchor."""
        truth = in_pixels(groundtruth, predictions["image_size"])
        if self.second is None:
            return self.first.assign(predictions["anchors"], predictions["anchors_used"], truth).match
        return self.second.assign(predictions["proposal_boxes"], truth).match

    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """All variables by TFOD's keys; builds the network if needed."""
        self.ensure_built()
        return checkpoint_keys.tfod_keys(self.network, self.layout)

    def checkpoint_objects(self) -> dict[str, tf.train.Checkpoint]:
        """TFOD's objects, including those without variables and those with several names."""
        return as_trackable(self.checkpoint_variables(), *tfod_other_paths(self.network, self.layout))

    def fine_tune_plan(self, checkpoint_type: str) -> FineTunePlan:
        """See `checkpoint_keys.fine_tune_plan`."""
        return checkpoint_keys.fine_tune_plan(checkpoint_type, list(self.checkpoint_variables()), self.layout)

    def ensure_built(self) -> None:
        """Creates the variables by running the network on a blank image."""
        if not self.network.built:
            self.network(tf.zeros([1, _SOME_SIDE, _SOME_SIDE, 3]))


def _reads(detections: Detections | None) -> tuple[str, ...]:
    """See `Detector.postprocess_reads`."""
    if detections is None:
        return ("rpn_box_encodings", "rpn_objectness", "anchors", "anchors_used", "image_size")
    reads = ("refined_box_encodings", "class_logits", "proposal_boxes", "num_proposals", "image_size")
    return (*reads, "features_to_crop") if detections.adds_features or detections.adds_crops else reads
