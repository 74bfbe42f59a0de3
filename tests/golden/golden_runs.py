"""What a detector computes of a golden's batch, in inference and in training."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import tensorflow as tf
from golden_cases import GoldenCase

from odtk.training.optimizer import build_optimizer

LOSSES = ["Loss/localization_loss", "Loss/classification_loss"]
REGULARIZATION = "Loss/regularization_loss"


def computed(case: GoldenCase, detector, golden: dict[str, np.ndarray]) -> SimpleNamespace:
    """In inference: images, predictions and losses, beside case, detector and golden."""
    images, shapes = case.images(detector.resize)
    preprocessed = detector.preprocess(images, shapes)
    predictions = detector.predict(preprocessed, shapes)
    losses = detector.losses(predictions, case.groundtruth(), shapes)
    return SimpleNamespace(
        case=case,
        detector=detector,
        golden=golden,
        shapes=shapes,
        preprocessed=preprocessed,
        predictions=predictions,
        losses={tag: float(loss) for tag, loss in losses.items()},
    )


def train(case: GoldenCase, detector, preprocess: Callable, steps: int) -> tuple[list[dict[str, float]], float]:
    """The losses of some steps, and the norm of the first one's gradient."""
    images, shapes, groundtruth = case.preprocessed(preprocess), case.images(detector.resize)[1], case.groundtruth()
    optimizer, rows, norm = build_optimizer(case.config.train_config.optimizer), [], None
    for _ in range(steps):
        with tf.GradientTape() as tape:
            losses = detector.losses(detector.predict(images, shapes, training=True), groundtruth, shapes)
            losses[REGULARIZATION] = detector.regularization_loss()
            losses["Loss/total_loss"] = tf.add_n(list(losses.values()))
        gradients = tape.gradient(losses["Loss/total_loss"], detector.trainable_variables)
        norm = float(tf.linalg.global_norm(gradients)) if norm is None else norm
        optimizer.apply_gradients(zip(gradients, detector.trainable_variables, strict=True))
        rows.append({tag: float(loss) for tag, loss in losses.items()})
    return rows, norm


def assert_same_predictions(run: SimpleNamespace) -> None:
    """The run's images, feature maps, anchors, box encodings and logits are the golden's."""
    golden, predictions = run.golden, run.predictions
    np.testing.assert_array_equal(run.shapes, golden["true_image_shapes"])
    assert [tuple(m.shape) for m in predictions["feature_maps"]] == [tuple(m) for m in golden["feature_map_shapes"]]
    assert len(predictions["anchors"]) == golden["anchor_count"]
    stride = int(golden["stride"])
    np.testing.assert_allclose(predictions["anchors"][::stride], golden["anchors"], rtol=0, atol=1e-6)
    for name in ("box_encodings", "class_logits"):
        ours = predictions[name][:, ::stride]
        np.testing.assert_allclose(ours, golden[name], rtol=0, atol=1e-3, err_msg=name)
