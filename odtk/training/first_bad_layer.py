"""Finds where numbers stop being finite in one training step: the layer, the loss or the gradient."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from odtk import step_random
from odtk.detectors.detector import Detector
from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.training.strategy import first_copies
from odtk.training.task import DetectionTask


@dataclass(frozen=True)
class _Call:
    """One call of a layer, when it has returned."""

    layer: tf_keras.layers.Layer
    bad_values: int
    """How many values of its outputs are not finite."""
    values: int


@dataclass(frozen=True)
class Diagnosis:
    """What one step gave; `text` is a sentence about the first place without finite numbers."""

    text: str
    losses: dict[str, float]
    is_finite: bool


def diagnose(task: DetectionTask, model: Detector, features: dict, groundtruth: dict, step: int = 0) -> Diagnosis:
    """Runs a batch in training mode as in the step after `step`, eagerly, and looks at all that is computed in order.

    Moving averages of batch normalization are updated, as in a step; other weights are not.
    """
    names = {id(variable): key for key, variable in model.checkpoint_variables().items()}
    with step_random.seeded(task.step_seed(step)), _watched_layers(model) as calls, tf.GradientTape() as tape:
        losses = task.losses(model, features, groundtruth)
    numbers = {tag: float(loss) for tag, loss in losses.items()}
    text = (
        _in_weights(model, names)
        or _in_inputs({"image": features["image"]} | groundtruth)
        or _in_layers(calls)
        or _in_losses(numbers)
        or _in_gradients(
            tape.gradient(losses[TOTAL_LOSS], first_copies(model.trainable_variables)), model, names, calls
        )
    )
    return Diagnosis(text or "All weights, outputs of layers, losses and gradients are finite.", numbers, not text)


@contextlib.contextmanager
def _watched_layers(model: Detector) -> Iterator[list[_Call]]:
    """The calls of the model's Keras layers in the order in which they return: inner layers before outer ones."""
    calls: list[_Call] = []
    layers = [layer for layer in model.submodules if isinstance(layer, tf_keras.layers.Layer)]
    for layer in layers:
        # In the instance, where it hides the class's method: Keras looks it up at each call.
        vars(layer)["call"] = _watched(layer, calls)
    try:
        yield calls
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _watched(layer: tf_keras.layers.Layer, calls: list[_Call]):
    call = layer.call

    def watched(*inputs, **options):
        outputs = call(*inputs, **options)
        floats = [tensor for tensor in tf.nest.flatten(outputs) if tf.is_tensor(tensor) and tensor.dtype.is_floating]
        calls.append(_Call(layer, sum(map(_bad_values, floats)), sum(int(tf.size(tensor)) for tensor in floats)))
        return outputs

    return watched


def _in_weights(model: Detector, names: dict[int, str]) -> str:
    bad = [variable for variable in model.variables if variable.dtype.is_floating and _bad_values(variable)]
    return f"Weights are not finite: {_some([_name(each, names) for each in bad])}." if bad else ""


def _in_inputs(batch: dict) -> str:
    bad = [name for name, value in batch.items() if value.dtype.is_floating and _bad_values(value)]
    return f"The batch itself is not finite: {_some(bad)}." if bad else ""


def _in_layers(calls: list[_Call]) -> str:
    first = next((call for call in calls if call.bad_values), None)
    if first is None:
        return ""
    largest = max((float(tf.reduce_max(tf.abs(each))) for each in first.layer.weights if tf.size(each)), default=None)
    weights = "" if largest is None else f", whose weights are up to {largest:.3g}"
    return (
        f"The first layer whose output is not finite is {_layer(first.layer)}{weights}: {first.bad_values} of "
        f"{first.values} values."
    )


def _in_losses(losses: dict[str, float]) -> str:
    bad = [tag for tag, value in losses.items() if not np.isfinite(value) and tag != TOTAL_LOSS]
    if bad:
        return f"The outputs of all layers are finite, but not {_some(bad)}."
    return "" if np.isfinite(losses[TOTAL_LOSS]) else "All losses are finite, but not their sum."


def _in_gradients(gradients: list, model: Detector, names: dict[int, str], calls: list[_Call]) -> str:
    """Gradients are computed from the last layer to the first: the first bad one is the last in the order of calls."""
    pairs = zip(gradients, model.trainable_variables, strict=True)
    bad = [variable for gradient, variable in pairs if gradient is not None and _bad_values(gradient)]
    if not bad:
        return ""
    ids = {id(variable) for variable in bad}
    inner = (call.layer for call in reversed(calls) if not list(call.layer._flatten_layers(include_self=False)))
    first = next((layer for layer in inner if ids & {id(each) for each in layer.trainable_variables}), None)
    where = f"that of {_layer(first)} is the first" if first else _some([_name(each, names) for each in bad])
    return (
        f"All losses are finite, but not the gradients of {len(bad)} of {len(gradients)} weights; on the way back from "
        f"the loss, {where}."
    )


def _bad_values(tensor) -> int:
    return int(tf.math.count_nonzero(~tf.math.is_finite(tf.convert_to_tensor(tensor))))


def _layer(layer: tf_keras.layers.Layer) -> str:
    return f"{layer.name} ({type(layer).__name__})"


def _name(variable: tf.Variable, names: dict[int, str]) -> str:
    return names.get(id(variable), variable.name)


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
