"""The interface between a detector and the code that trains, evaluates or exports it."""

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.candidates import Candidates
from odtk.pipeline.support import FINE_TUNE_TYPES

BOX_FIELDS = ("boxes", "classes", "weights", "num_boxes")
"""The groundtruth fields of a batch that every box detector uses; see `Detector.losses`."""


@dataclass(frozen=True)
class FineTunePlan:
    """The part of a checkpoint that a fine_tune_checkpoint_type restores, by keys from the root (`model/...`)."""

    keys: list[str]
    """Keys of `Detector.checkpoint_variables` to be restored."""
    may_be_unused: tuple[str, ...] = ()
    """Prefixes of other keys that a checkpoint may have; any other unused variable is an error."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """For each of `keys`, its name in the other kind of checkpoint that the type also restores from (a classifier's);
    empty if there is only one kind."""
    reusable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other parts than `keys` that do not depend on the classes: name to prefixes of their keys; empty if the type has
    no such parts."""


class LossSums(NamedTuple):
    """Losses that a part of a batch adds to the batch's; the batch may be spread over devices and micro-batches.

    A loss of the batch is the sum of its parts' `sums` divided by the sum of their `normalizer`, or by 1 if that is
    less.
    """

    sums: dict[str, tf.Tensor]
    """Scalars by the detector's `loss_names`."""
    normalizer: tf.Tensor
    """A scalar that adds up over parts, without gradient: the number of matched anchors, of images; 0 for losses that
    are plain sums."""

    def divided(self, normalizer) -> dict[str, tf.Tensor]:
        """The losses, with the batch's normalizer."""
        divisor = tf.maximum(normalizer, 1.0)
        return {tag: loss / divisor for tag, loss in self.sums.items()}


class Detector(tf.Module, abc.ABC):
    """A network together with its losses and post-processing.

    Training, evaluation, export and inspect only use these members. Images are float32 [batch, height, width, 3] in RGB
    0..255, resized and padded by `resize`; true_image_shapes int32 [batch, 3] are their shapes without padding; boxes
    are yxyx, normalized to the padded image.
    """

    network: tf_keras.Model
    """Everything that has variables."""
    resize: Callable
    """One image [h, w, 3] float32 to (resized and padded image, true_image_shape int32 [3]), by the config's resizer.

    A function that does not know the detector: TensorFlow keeps what a dataset calls for as long as the process lives.
    """
    num_classes: int
    image_size: tuple[int, int] | None
    """The (height, width) of all images after `resize`, None if it depends on the image."""
    loss_names: tuple[str, ...]
    """TFOD's tags of the `losses`."""
    loss_meanings: Mapping[str, str] = MappingProxyType({})
    """A description of each of `loss_names`, for tables: "loss of the boxes"."""
    groundtruth_fields: tuple[str, ...] = BOX_FIELDS
    """The groundtruth fields of a batch that `losses` (and `predict`, in training) read."""
    postprocess_reads: tuple[str, ...] | None = None
    """The predictions that `postprocess` reads, which is what of them has to leave a TPU; None for all."""
    has_fixed_raw_detections: bool = False
    """Whether an image has as many raw detections as any other, whatever its size; they are not those of anchors then.
    TFOD's signatures say so."""
    fine_tune_types: tuple[str, ...] = FINE_TUNE_TYPES
    """The types that `fine_tune_plan` supports; those of its family, once `build_detector` has built it."""
    has_penalties: bool = True
    """Whether its weights have penalties if the config sets any; without them there is no regularization loss."""
    add_regularization_loss: bool = True
    frozen_keys: frozenset[str] = frozenset()
    """The keys of `checkpoint_variables` that training leaves as they are; see odtk.training.freezing."""

    @abc.abstractmethod
    def preprocess(self, images, true_image_shapes):
        """Images in 0..255 to the network's input range, with the same shape."""

    @abc.abstractmethod
    def predict(
        self, images, true_image_shapes, training: bool = False, groundtruth: dict | None = None
    ) -> dict[str, tf.Tensor]:
        """Preprocessed images to predictions, under names that the family chooses.

        In any precision of the network, what losses and postprocess compute with is float32.

        `groundtruth`, as in `losses`, is given in training, so that a two-stage detector can sample proposals with it.
        """

    @abc.abstractmethod
    def loss_sums(self, predictions: dict, groundtruth: dict, true_image_shapes) -> LossSums:
        """The losses under `loss_names`, without regularization, before they are divided by the batch's normalizer.

        groundtruth: `groundtruth_fields`, such as boxes [batch, n, 4], classes int32 [batch, n] (0-based), weights
        [batch, n] and num_boxes [batch].
        """

    def losses(self, predictions: dict, groundtruth: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Scalar losses of a whole batch under `loss_names`, without regularization; their sum is minimized."""
        found = self.loss_sums(predictions, groundtruth, true_image_shapes)
        return found.divided(found.normalizer)

    @abc.abstractmethod
    def postprocess(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Predictions to detections under TFOD's names, classes 0-based.

        detection_boxes [batch, n, 4], normalized to the image without its padding, detection_classes, detection_scores
        [batch, n] and num_detections [batch], and the other outputs of TFOD's exported models of the family.
        """

    def as_exported(self, predictions: dict) -> dict:
        """The predictions of `predict`, which are those of training and evaluation, as exported models have them."""
        return predictions

    def pyramid(self, predictions: dict) -> dict[str, tf.Tensor]:
        """The feature maps [batch, rows, columns, channels] that boxes are predicted from, by level, finest first.

        Empty for a detector that has none; this and the next two are what `odtk explain` shows of a detector.
        """
        return {}

    def candidates(self, predictions: dict) -> Candidates | None:
        """The boxes and scores before suppression, of eager predictions; None where they are not there one by one."""
        return None

    def matched_groundtruth(self, predictions: dict, groundtruth: dict) -> tf.Tensor | None:
        """What training would match with each anchor, int32 [batch, anchors]: a row of the groundtruth, or below 0.

        `groundtruth` as in `loss_sums`; the anchors are those of `candidates`. None for a detector without anchors.
        """
        return None

    @abc.abstractmethod
    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """Every variable by its key in a TFOD checkpoint, relative to the root (`model/...`)."""

    @abc.abstractmethod
    def fine_tune_plan(self, checkpoint_type: str) -> FineTunePlan:
        """The part of a checkpoint to restore for one of `fine_tune_types`."""

    @abc.abstractmethod
    def ensure_built(self) -> None:
        """Creates the variables, if they do not exist yet."""

    def checkpoint_objects(self) -> dict[str, tf.train.Checkpoint]:
        """Objects for `tf.train.Checkpoint(**...)` that save the detector in TFOD's layout."""
        return as_trackable(self.checkpoint_variables())

    def detect(self, images, true_image_shapes) -> dict[str, tf.Tensor]:
        """Resized images in 0..255 to the detections of an exported model: preprocess, predict, postprocess."""
        preprocessed = self.preprocess(images, true_image_shapes)
        predictions = self.as_exported(self.predict(preprocessed, true_image_shapes))
        return self.postprocess(predictions, true_image_shapes)

    def regularization_loss(self):
        """Sum of the network's weight penalties, a scalar."""
        return tf.add_n(self.network.losses) if self.network.losses else tf.constant(0.0)

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """The network's variables, in Keras's order."""
        return tuple(self.network.variables)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """The network's trainable variables, without those of `frozen_keys`."""
        if not self.frozen_keys:
            return tuple(self.network.trainable_variables)
        frozen = {id(variable) for key, variable in self.checkpoint_variables().items() if key in self.frozen_keys}
        return tuple(each for each in self.network.trainable_variables if id(each) not in frozen)
