"""What a detector's network costs: parameters, multiply-adds and memory, layer by layer, from its graph alone.

Nothing is computed: the network is traced as TensorFlow would run it, and the operations of the graph are counted. The
numbers are those of one image.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from odtk.detectors.activations import FailedCall, LayerCalls, LayerInfo, Shape, layer_infos, watched
from odtk.detectors.detector import Detector

# Operations whose output is their input, or no tensor of this image.
_WITHOUT_MEMORY = frozenset(
    ("Identity", "IdentityN", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient", "ReadVariableOp",
     "Placeholder", "Const", "Shape", "ShapeN", "NoOp")
)  # fmt: skip
# Those that TensorFlow lets write into the memory of an input that is read for the last time.
_IN_PLACE = frozenset(
    ("Relu", "Relu6", "BiasAdd", "Add", "AddV2", "AddN", "Mul", "Sub", "Maximum", "Minimum", "Sigmoid", "Tanh",
     "ReluGrad", "Relu6Grad", "SigmoidGrad", "Cast", "Exp")
)  # fmt: skip


@dataclass(frozen=True)
class LayerCost:
    """A layer that the network calls, in the order in which its calls end: what is inside comes before."""

    info: LayerInfo
    multiply_adds: int  # of all its calls, inner layers included
    activation_bytes: int  # of its outputs


@dataclass(frozen=True)
class BrokenLayer:
    """The layer at which a network cannot take an image of this size."""

    name: str
    kind: str
    inputs: tuple[Shape, ...]
    reason: str


@dataclass(frozen=True)
class NetworkCosts:
    """The costs of one image; sums are without what is inside a layer, or they would count it twice."""

    layers: Sequence[LayerCost]
    broken: BrokenLayer | None
    multiply_adds: int
    inference_bytes: int | None  # the peak of what has to be in memory at once, without weights; None if it is broken
    training_bytes: int | None  # the same for a training step, which keeps what its gradients read
    parameters: int
    trainable_parameters: int


def measure_costs(detector: Detector, image_size: tuple[int, int]) -> NetworkCosts:
    """Of an image of this (height, width) after `resize`; the detector has its variables.

    If the network cannot take that size, the layers are those before the one that fails.
    """
    graph, calls, broken = _traced(detector, image_size)
    counted = {operation: multiply_adds(operation) for operation in graph.get_operations()}
    of_layers: dict[str, int] = {}
    for call in calls:
        own = sum(counted[operation] for operation in _between(call.inputs, call.outputs))
        of_layers[call.name] = of_layers.get(call.name, 0) + own
    infos = layer_infos(calls)
    variables = detector.variables
    return NetworkCosts(
        layers=[LayerCost(info, of_layers[info.name], _bytes_of(info.shapes)) for info in infos],
        broken=broken,
        multiply_adds=sum(counted.values()),
        inference_bytes=None if broken else peak_bytes(graph),
        training_bytes=None if broken else peak_bytes(_training_graph(detector, image_size)),
        parameters=sum(math.prod(variable.shape) for variable in variables),
        trainable_parameters=sum(math.prod(variable.shape) for variable in detector.trainable_variables),
    )


def peak_bytes(graph: tf.Graph) -> int:
    """The most that the tensors of a graph occupy at once, if its operations run in the order they were made.

    A tensor is freed after the last operation that reads it; element-wise operations write in place where TensorFlow
    does. What kernels need beside (the workspaces of convolutions) is not in a graph.
    """
    operations = graph.get_operations()
    last_use = {source(tensor).ref(): index for index, op in enumerate(operations) for tensor in op.inputs}
    present, peak = 0, 0
    for index, op in enumerate(operations):
        made = 0 if op.type in _WITHOUT_MEMORY else sum(map(_size, op.outputs))
        ended = {source(tensor).ref() for tensor in op.inputs}
        freed = sum(_size(ref.deref()) for ref in ended if last_use[ref] == index and _has_memory(ref.deref()))
        reused = min(made, freed) if op.type in _IN_PLACE else 0
        peak = max(peak, present + made - reused)
        present += made - freed
    return peak


def source(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor whose memory this one shares: reshaped or passed on, it is the same."""
    while tensor.op.type in _WITHOUT_MEMORY and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return tensor


def _has_memory(tensor: tf.Tensor) -> bool:
    return tensor.op.type not in _WITHOUT_MEMORY


def _size(tensor: tf.Tensor) -> int:
    """Bytes; 0 for what has no size before it is computed, or is no number."""
    if tensor.shape.rank is None or None in tensor.shape or tensor.dtype.size is None:
        return 0
    return math.prod(tensor.shape) * tensor.dtype.size


def _traced(detector: Detector, image_size: tuple[int, int]) -> tuple[tf.Graph, LayerCalls, BrokenLayer | None]:
    """The graph of a prediction, the calls of its layers, and the layer at which it fails."""
    graphs: list[tf.Graph] = []

    def predict(images):
        graphs.append(tf.compat.v1.get_default_graph())
        shapes = _shapes(images)
        preprocessed = detector.preprocess(images, shapes)
        try:
            detector.predict(preprocessed, shapes)
        except Exception:
            if calls.failed is None:
                # It was refused beforehand; the network itself shows where it does not fit.
                detector.network(preprocessed, training=False)
            raise

    with watched(detector.network) as calls:
        try:
            _trace(predict, image_size)
        except Exception:
            if calls.failed is None:
                raise
            return graphs[0], calls, _broken(calls.failed)
    return graphs[0], calls, None


def _broken(failed: FailedCall) -> BrokenLayer:
    inputs = tuple(tuple(tensor.shape) for tensor in failed.inputs)
    return BrokenLayer(failed.name, failed.kind, inputs, _reason(failed.error))


def _training_graph(detector: Detector, image_size: tuple[int, int]) -> tf.Graph:
    """Prediction and gradients, with one object, for detectors that sample with groundtruth."""

    def train(images):
        groundtruth = {
            "boxes": tf.zeros([1, 1, 4]), "classes": tf.zeros([1, 1], tf.int32),
            "weights": tf.ones([1, 1]), "num_boxes": tf.ones([1], tf.int32),
        }  # fmt: skip
        with tf.GradientTape() as tape:
            shapes = _shapes(images)
            predictions = detector.predict(detector.preprocess(images, shapes), shapes, True, groundtruth)
            outputs = [tensor for tensor in tf.nest.flatten(predictions) if tensor.dtype.is_floating]
        return tape.gradient(outputs, detector.trainable_variables, unconnected_gradients="zero")

    return _trace(train, image_size)


def _trace(function: Callable, image_size: tuple[int, int]) -> tf.Graph:
    images = tf.TensorSpec([1, *image_size, 3], tf.float32)
    return tf.function(function, autograph=False).get_concrete_function(images).graph


def _shapes(images) -> tf.Tensor:
    return tf.constant([images.shape[1:].as_list()], tf.int32)


def _between(inputs: Iterable[tf.Tensor], outputs: Iterable[tf.Tensor]) -> set[tf.Operation]:
    """The operations that compute the outputs from the inputs."""
    ends, found = {tensor.ref() for tensor in inputs}, set()
    waiting = [tensor for tensor in outputs if tensor.ref() not in ends]
    while waiting:
        operation = waiting.pop().op
        if operation not in found:
            found.add(operation)
            waiting += [tensor for tensor in operation.inputs if tensor.ref() not in ends]
    return found


def multiply_adds(operation: tf.Operation) -> int:
    """Of convolutions and products of matrices, which is nearly all there is."""
    match operation.type:
        case "Conv2D" | "DepthwiseConv2dNative":
            kernel, output = operation.inputs[1].shape, operation.outputs[0].shape
            per_value = kernel[0] * kernel[1] * (kernel[2] if operation.type == "Conv2D" else 1)
        case "Conv2DBackpropInput":  # a transposed convolution, which spreads each value of its input
            kernel, output = operation.inputs[1].shape, operation.inputs[2].shape
            per_value = kernel[0] * kernel[1] * kernel[2]
        case "MatMul" | "BatchMatMulV2":
            inner = -2 if operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x") else -1
            per_value, output = operation.inputs[0].shape[inner], operation.outputs[0].shape
        case _:
            return 0
    return 0 if None in output or per_value is None else math.prod(output) * per_value


def _bytes_of(shapes: Sequence[Shape]) -> int:
    return sum(4 * math.prod(side or 0 for side in shape) for shape in shapes)


def _reason(error: BaseException) -> str:
    """What of TensorFlow's or Keras's message says what does not fit."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if not line.startswith(("Exception encountered", "in user code"))), str(error))
    return said.partition(" for '{{node")[0].rstrip(".") + "."
