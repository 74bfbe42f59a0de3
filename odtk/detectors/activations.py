"""What the layers of a detector's network compute: their names, the shapes of their outputs, and the outputs.

Works for any network of Keras layers, functional or subclassed, whose layers may be called several times (a head that
all levels of a pyramid share).
"""

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from odtk.detectors.detector import Detector
from odtk.errors import OdtkError

_NAMED = 12  # layers that an error lists

Shape = tuple[int | None, ...]


class LayerCall(NamedTuple):
    """One call of a layer, when it has returned."""

    layer: tf_keras.layers.Layer
    name: str
    """Its path in the network, unique: "heads/class_tower/conv_0"."""
    inputs: list
    """Its input tensors."""
    outputs: list
    """Its output tensors."""


class FailedCall(NamedTuple):
    """The call of a layer that raised an error."""

    name: str
    kind: str  # the class
    inputs: list
    """Its input tensors."""
    error: Exception


class LayerCalls(list[LayerCall]):
    """Calls of layers in the order in which they returned, and the one that failed, if any: the innermost."""

    failed: FailedCall | None = None


@dataclass(frozen=True)
class LayerInfo:
    """A layer that the network calls: what `odtk explain --list-layers` shows."""

    name: str
    kind: str  # the class: "Conv2D"
    shapes: tuple[Shape, ...]  # of the outputs of all its calls, the batch included
    parameters: int  # of all its weights, inner layers included
    is_group: bool  # whether other layers are inside

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs: its own, or with the number of the output (`heads/class_conv:3`) of several."""
        several = len(self.shapes) > 1
        return [f"{self.name}:{number}" if several else self.name for number in range(len(self.shapes))]


def layers_of(network: tf_keras.Model) -> dict[str, tf_keras.layers.Layer]:
    """Every layer inside a network by its path: attributes where a layer is one, else the layers' own names."""
    found: dict[str, tf_keras.layers.Layer] = {}
    _add_inner(network, "", found, set())
    return found


@contextlib.contextmanager
def watched(network: tf_keras.Model) -> Iterator[LayerCalls]:
    """The calls of the network's layers while the block runs, in the order in which they return: inner before outer.

    After an error in a layer the calls are those that returned before it, and `failed` is that layer. For eager calls
    and for those that a tf.function traces.
    """
    calls = LayerCalls()
    layers = layers_of(network)
    for name, layer in layers.items():
        # In the instance, where it hides the class's method: Keras looks it up at each call.
        vars(layer)["call"] = _watched(layer, name, calls)
    try:
        yield calls
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)


def list_layers(detector: Detector, images, true_image_shapes) -> list[LayerInfo]:
    """The layers that `predict` calls for resized images float32 [batch, height, width, 3], in their order."""
    with watched(detector.network) as calls:
        detector.predict(detector.preprocess(images, true_image_shapes), true_image_shapes)
    return layer_infos(calls)


def layer_infos(calls: Sequence[LayerCall]) -> list[LayerInfo]:
    """The layers of these calls, in the order in which they first returned."""
    by_name: dict[str, list[LayerCall]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).append(call)
    return [_info(name, of_layer) for name, of_layer in by_name.items()]


def find_outputs(wanted: Sequence[str], outputs: Iterable[str], argument: str = "layer") -> list[str]:
    """The names among `outputs` (see LayerInfo.outputs) that `wanted` means: layers, single outputs, or patterns.

    Raises OdtkError, about the keyword `argument`, for one that means none, with the most similar names.
    """
    layers = {output: output.split(":")[0] for output in outputs}
    chosen: dict[str, None] = {}
    for name in wanted:
        found = [each for each, layer in layers.items() if name in (each, layer) or fnmatchcase(layer, name)]
        if not found:
            raise OdtkError(_no_such_layer(name, list(dict.fromkeys(layers.values()))), argument=argument)
        chosen.update(dict.fromkeys(found))
    return list(chosen)


class Activations(NamedTuple):
    """What a detector predicts, and the outputs of some layers on the way."""

    predictions: dict
    """See Detector.predict."""
    outputs: dict[str, tf.Tensor]
    """By name (see LayerInfo.outputs)."""


def run_with_outputs(
    detector: Detector, preprocessed, true_image_shapes, names: Sequence[str] | None = None
) -> Activations:
    """`Detector.predict` with the outputs `names` (as `find_outputs` gives them) of layers, None for all.

    Eager, and differentiable: a tape around it has the predictions as functions of the outputs. Raises OdtkError for a
    name that is not an output.
    """
    with watched(detector.network) as calls:
        predictions = detector.predict(preprocessed, true_image_shapes)
    outputs = _by_output(calls)
    names = list(outputs) if names is None else names
    missing = [name for name in names if name not in outputs]
    if missing:
        raise OdtkError(_no_such_layer(missing[0], list(dict.fromkeys(call.name for call in calls))), argument="layer")
    return Activations(predictions, {name: outputs[name] for name in names})


def compiled(detector: Detector, names: Sequence[str]) -> Callable[..., Activations]:
    """A function (resized images in 0..255, true_image_shapes) -> Activations for many batches, traced per shape."""

    @tf.function(reduce_retracing=True)
    def run(images, true_image_shapes):
        return run_with_outputs(detector, detector.preprocess(images, true_image_shapes), true_image_shapes, names)

    return run


def _add_inner(layer: tf_keras.layers.Layer, prefix: str, found: dict, seen: set[int]) -> None:
    attributes = {id(value): name for name, value in vars(layer).items() if not name.startswith("_")}
    for inner in layer._flatten_layers(recursive=False, include_self=False):
        if id(inner) in seen or isinstance(inner, tf_keras.layers.InputLayer):
            continue
        seen.add(id(inner))
        name = _free(prefix + attributes.get(id(inner), inner.name), found)
        found[name] = inner
        _add_inner(inner, f"{name}/", found, seen)


def _free(name: str, taken: dict) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _watched(layer: tf_keras.layers.Layer, name: str, calls: LayerCalls) -> Callable:
    call = layer.call

    def watched_call(*inputs, **options):
        try:
            outputs = call(*inputs, **options)
        except Exception as error:
            calls.failed = calls.failed or FailedCall(name, _kind(layer), _tensors(inputs), error)
            raise
        calls.append(LayerCall(layer, name, _tensors(inputs), _tensors(outputs)))
        return outputs

    return watched_call


def _tensors(values) -> list:
    return [tensor for tensor in tf.nest.flatten(values) if tf.is_tensor(tensor)]


def _info(name: str, calls: list[LayerCall]) -> LayerInfo:
    layer = calls[0].layer
    shapes = tuple(tuple(output.shape) for call in calls for output in call.outputs)
    inner = next(iter(layer._flatten_layers(recursive=False, include_self=False)), None)
    return LayerInfo(name, _kind(layer), shapes, layer.count_params() if layer.built else 0, inner is not None)


def _kind(layer: tf_keras.layers.Layer) -> str:
    return type(layer).__name__


def _by_output(calls: list[LayerCall]) -> dict[str, tf.Tensor]:
    tensors: dict[str, list] = {}
    for call in calls:
        tensors.setdefault(call.name, []).extend(call.outputs)
    return {
        f"{name}:{number}" if len(outputs) > 1 else name: output
        for name, outputs in tensors.items()
        for number, output in enumerate(outputs)
    }


def _no_such_layer(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.4) or [
        each for each in known if name.lower() in each.lower()
    ]
    hint = f"Similar ones are {', '.join(near)}." if near else f"The first of them are {', '.join(known[:_NAMED])}."
    return f"The network has no layer {name}. {hint} List all of its {len(known)} layers first."
