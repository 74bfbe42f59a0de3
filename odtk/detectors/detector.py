"""The contract between a detector and everything that trains, evaluates or exports it."""

import abc

import tensorflow as tf
import tf_keras

from odtk.checkpoints.loading import as_trackable


class Detector(tf_keras.Model, abc.ABC):
    """A network together with its anchors, losses and post-processing.

    Training, evaluation and export know a detector by these methods alone. Images are float32 [batch, height, width,
    3] in RGB 0..255, resized and padded by `resize`; boxes are yxyx, normalised to that padded frame.
    """

    num_classes: int
    image_size: tuple[int, int] | None
    """(height, width) that `resize` always gives, None where it depends on the image."""
    add_regularization_loss: bool = True

    @abc.abstractmethod
    def resize(self, image):
        """One image [h, w, 3] float32 to (resized and padded image, true_image_shape int32 [3])."""

    @abc.abstractmethod
    def preprocess(self, images):
        """Images in 0..255 to what the network takes, same shape."""

    @abc.abstractmethod
    def predict_batch(self, images, training: bool = False) -> dict[str, tf.Tensor]:
        """Preprocessed images to predictions: box_encodings, class_logits, anchors and what the family adds."""

    @abc.abstractmethod
    def loss(self, predictions: dict, groundtruth: dict) -> dict[str, tf.Tensor]:
        """Scalar losses of a batch by TFOD's tag, without regularisation; their sum is trained on.

        groundtruth: boxes [batch, n, 4], classes int32 [batch, n] (0-based), weights [batch, n], num_boxes [batch].
        """

    @abc.abstractmethod
    def postprocess(self, predictions: dict, true_image_shapes) -> dict[str, tf.Tensor]:
        """Predictions to detections under TFOD's names, classes 0-based; true_image_shapes: int32 [batch, 3]."""

    @abc.abstractmethod
    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """Every variable by its key in a TFOD checkpoint, from the root (`model/...`)."""

    @abc.abstractmethod
    def fine_tune_keys(self, checkpoint_type: str) -> list[str]:
        """Keys of `checkpoint_variables` that a fine_tune_checkpoint_type ("full", "detection", ...) restores."""

    def reusable_heads(self) -> dict[str, tuple[str, ...]]:
        """Parts of the heads that do not depend on the classes: name to the beginnings of their checkpoint keys."""
        return {}

    def use_winograd(self) -> list[tf.Variable]:
        """From here on 3x3 convolutions are computed in the way that is quickest on CPUs, for inference only.

        Returns the variables that this needs besides the detector's own, made from the weights as they are now; empty
        where there are no such convolutions.
        """
        return []

    def checkpoint_objects(self) -> dict[str, tf.train.Checkpoint]:
        """What `tf.train.Checkpoint(**...)` takes to save the detector in TFOD's layout."""
        return as_trackable(self.checkpoint_variables())

    def detect(self, images, true_image_shapes) -> dict[str, tf.Tensor]:
        """Resized images in 0..255 to detections: preprocess, predict, postprocess."""
        return self.postprocess(self.predict_batch(self.preprocess(images), training=False), true_image_shapes)

    def regularization_loss(self):
        """Sum of the network's weight penalties, a scalar."""
        return tf.add_n(self.losses) if self.losses else tf.constant(0.0)

    def call(self, images, training=None):
        """Keras's entry: preprocessed images to predictions."""
        return self.predict_batch(images, training=bool(training))
