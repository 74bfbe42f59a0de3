"""The contract between a detector and everything that trains, evaluates or exports it."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import tensorflow as tf
import tf_keras

from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.family import FINE_TUNE_TYPES

BOX_FIELDS = ("boxes", "classes", "weights", "num_boxes")
"""The groundtruth of a batch that every detector of boxes learns from; see `Detector.losses`."""


@dataclass(frozen=True)
class FineTunePlan:
    """What a fine_tune_checkpoint_type takes of a checkpoint, by keys from its root (`model/...`)."""

    keys: list[str]
    """Of `Detector.checkpoint_variables`: the variables to be restored."""
    may_be_unused: tuple[str, ...] = ()
    """How keys begin that a checkpoint may hold besides; any other variable that is left over is an error."""
    renamed: tuple[tuple[str, str], ...] = ()
    """(beginning of our keys, beginning of a checkpoint's): where else the variables may stand, all of them."""
    reusable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Parts besides `keys` that do not depend on the classes: name to how their keys begin; empty where the type has
    no such choice."""


class Detector(tf.Module, abc.ABC):
    """A network together with its losses and post-processing.

    Training, evaluation, export and inspect know a detector by these members alone. Images are float32 [batch, height,
    width, 3] in RGB 0..255, resized and padded by `resize`, and true_image_shapes int32 [batch, 3] say how much of each
    is not padding; boxes are yxyx, normalised to the padded image.
    """

    network: tf_keras.Model
    """Everything that has variables."""
    num_classes: int
    image_size: tuple[int, int] | None
    """(height, width) that `resize` always gives, None where it depends on the image."""
    loss_names: tuple[str, ...]
    """TFOD's tags of what `losses` gives."""
    loss_meanings: Mapping[str, str] = MappingProxyType({})
    """What each of `loss_names` is the loss of, in words, for who reads a table: "loss of the boxes"."""
    groundtruth_fields: tuple[str, ...] = BOX_FIELDS
    """What of a batch's groundtruth `losses` (and `predict`, in training) read."""
    fine_tune_types: tuple[str, ...] = FINE_TUNE_TYPES
    """Those that `fine_tune_plan` knows."""
    add_regularization_loss: bool = True

    @abc.abstractmethod
    def resize(self, image):
        """One image [h, w, 3] float32 to (resized and padded image, true_image_shape int32 [3])."""

    @abc.abstractmethod
    def preprocess(self, images, true_image_shapes):
        """Images in 0..255 to what the network takes, same shape."""

    @abc.abstractmethod
    def predict(
        self, images, true_image_shapes, training: bool = False, groundtruth: dict | None = None
    ) -> dict[str, tf.Tensor]:
        """Preprocessed images to predictions under names that are the family's own.

        `groundtruth`, as in `losses`, is given in training: a two-stage detector samples proposals against it.
        """

    @abc.abstractmethod
    def losses(self, predictions: dict, groundtruth: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Scalar losses of a batch under `loss_names`, without regularisation; their sum is trained on.

        groundtruth: `groundtruth_fields`, of boxes [batch, n, 4], classes int32 [batch, n] (0-based), weights [batch,
        n] and num_boxes [batch].
        """

    @abc.abstractmethod
    def postprocess(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Predictions to detections under TFOD's names, classes 0-based.

        detection_boxes [batch, n, 4], normalised to the image without its padding, detection_classes, detection_scores
        [batch, n] and num_detections [batch], and what else TFOD's exported models of the family give.
        """

    @abc.abstractmethod
    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """Every variable by its key in a TFOD checkpoint, from the root (`model/...`)."""

    @abc.abstractmethod
    def fine_tune_plan(self, checkpoint_type: str) -> FineTunePlan:
        """What one of `fine_tune_types` takes of a checkpoint."""

    @abc.abstractmethod
    def ensure_built(self) -> None:
        """Makes the variables, where they are not there yet."""

    def checkpoint_objects(self) -> dict[str, tf.train.Checkpoint]:
        """What `tf.train.Checkpoint(**...)` takes to save the detector in TFOD's layout."""
        return as_trackable(self.checkpoint_variables())

    def detect(self, images, true_image_shapes) -> dict[str, tf.Tensor]:
        """Resized images in 0..255 to detections: preprocess, predict, postprocess."""
        preprocessed = self.preprocess(images, true_image_shapes)
        return self.postprocess(self.predict(preprocessed, true_image_shapes), true_image_shapes)

    def regularization_loss(self):
        """Sum of the network's weight penalties, a scalar."""
        return tf.add_n(self.network.losses) if self.network.losses else tf.constant(0.0)

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """The network's, in the order in which Keras has them."""
        return tuple(self.network.variables)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those of `variables` that training changes."""
        return tuple(self.network.trainable_variables)
