"""Builds the function from logits to scores, including calibration, from a PostProcessing message."""

import functools
from collections.abc import Callable

import tensorflow as tf

from odtk.protos import calibration_pb2, post_processing_pb2

_CONVERTERS = {
    post_processing_pb2.PostProcessing.IDENTITY: tf.identity,
    post_processing_pb2.PostProcessing.SIGMOID: tf.sigmoid,
    post_processing_pb2.PostProcessing.SOFTMAX: tf.nn.softmax,
}


def build_score_converter(message: post_processing_pb2.PostProcessing) -> Callable:
    """The function logits [..., columns] -> scores of the same shape.

    Temperature divides the logits, as does `logit_scale`; the other calibrations map the scores.
    """
    convert, scale, calibration = _CONVERTERS[message.score_converter], message.logit_scale, message.calibration_config
    match calibration.WhichOneof("calibrator"):
        case "temperature_scaling_calibration":
            scale *= calibration.temperature_scaling_calibration.scaler
            calibrate = tf.identity
        case "function_approximation":
            calibrate = _build_curve(calibration.function_approximation.x_y_pairs)
        case "class_id_function_approximations":
            curves = calibration.class_id_function_approximations.class_id_xy_pairs_map
            calibrate = _build_class_curves({column: _build_curve(curves[column]) for column in curves})
        case _:
            calibrate = tf.identity
    return lambda logits: calibrate(convert(logits / scale))


def _build_curve(pairs: calibration_pb2.XYPairs) -> Callable:
    points = [(pair.x, pair.y) for pair in pairs.x_y_pair]
    return functools.partial(piecewise_linear, xs=[x for x, _ in points], ys=[y for _, y in points])


def _build_class_curves(curves: dict[int, Callable]) -> Callable:
    """Curves by score column, including the background's; columns without a curve are unchanged."""

    def calibrate(scores):
        columns = tf.unstack(scores, axis=-1)
        return tf.stack([curves.get(index, tf.identity)(column) for index, column in enumerate(columns)], axis=-1)

    return calibrate


def piecewise_linear(values, xs: list[float], ys: list[float]):
    """Interpolates values [...] between the points (xs, ys) with increasing xs; constant beyond the first and last."""
    if len(xs) == 1:
        return tf.fill(tf.shape(values), ys[0])
    xs, ys = tf.constant(xs), tf.constant(ys)
    values = tf.clip_by_value(values, xs[0], xs[-1])
    index = tf.searchsorted(xs[1:-1], tf.reshape(values, [-1]), side="right")
    left, right = tf.reshape(index, tf.shape(values)), tf.reshape(index + 1, tf.shape(values))
    fraction = (values - tf.gather(xs, left)) / (tf.gather(xs, right) - tf.gather(xs, left))
    return (1 - fraction) * tf.gather(ys, left) + fraction * tf.gather(ys, right)
