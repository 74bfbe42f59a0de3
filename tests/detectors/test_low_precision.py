"""In low precision only the network computes in it; variables, losses and what is done with boxes are float32."""

import pytest
import tensorflow as tf
from golden_cases import family_case, variant_case

from odtk.detectors.build import build_detector
from odtk.layers.precision import BFLOAT16, FLOAT16

# With their gradients; casts, and what only moves numbers, beside them.
NETWORK = {
    "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "DepthwiseConv2dNative",
    "DepthwiseConv2dNativeBackpropInput", "DepthwiseConv2dNativeBackpropFilter", "FusedBatchNormV3",
    "FusedBatchNormGradV3", "Relu6", "Relu6Grad", "BiasAdd", "BiasAddGrad", "MaxPool", "MaxPoolGrad", "Add", "AddV2",
    "AddN", "Cast", "Reshape", "Slice", "StridedSlice", "StridedSliceGrad", "ConcatV2", "Pad", "PadV2", "Identity",
    "ResizeNearestNeighbor", "ResizeNearestNeighborGrad", "Tile", "BroadcastTo", "Sum", "ZerosLike", "Const", "Pack",
    "Fill", "IdentityN", "Relu", "ReluGrad",
}  # fmt: skip
# Swish, squeezing and exciting, stochastic depth and the weights of a pyramid's inputs, with their gradients.
EFFICIENTDET = {
    "Mul", "Sigmoid", "SigmoidGrad", "Sub", "Square", "Mean", "SelectV2", "Unpack", "RealDiv", "Neg",
}  # fmt: skip
# How deep the backbone is does not matter.
pytestmark = pytest.mark.usefixtures("shallow_resnet")

CASES = {
    "resnet": (variant_case("box_encodings_clip_range"), FLOAT16, set()),
    "mobilenet": (family_case("mobilenet_v2_fpnlite-base"), FLOAT16, set()),
    "heads of each map": (family_case("mobilenet_v2-depthwise_explicit_padding"), BFLOAT16, set()),
    "efficientdet": (family_case("efficientdet-d0_frozen_own_decay"), FLOAT16, EFFICIENTDET),
    "center_net": (family_case("centernet_resnet_v1_fpn-resnet18_loose_iou"), BFLOAT16, set()),
    "faster_rcnn": (family_case("faster_rcnn-base"), FLOAT16, {"MatMul"}),
    "faster_rcnn with a pyramid": (family_case("faster_rcnn_fpn-base"), BFLOAT16, {"MatMul"}),
}
QUICK = ("resnet", "center_net")


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_only_the_network_computes_in_low_precision(case):
    case, precision, own = CASES[case]
    detector = build_detector(case.config, precision)
    images, shapes = case.images(detector.resize)
    groundtruth = case.groundtruth()

    def compute(images, shapes):
        with tf.GradientTape() as tape:
            predictions = detector.predict(detector.preprocess(images, shapes), shapes, True, groundtruth)
            losses = detector.losses(predictions, groundtruth, shapes)
            total = tf.add_n(list(losses.values())) + detector.regularization_loss()
        return losses, tape.gradient(total, detector.trainable_variables), detector.detect(images, shapes)

    traced = tf.function(compute, autograph=False).get_concrete_function(images, shapes)
    assert {variable.dtype for variable in detector.variables} == {tf.float32}
    assert {tensor.dtype for tensor in tf.nest.flatten(traced.structured_outputs)} <= {tf.float32, tf.int32, tf.int64}
    low = [each for each in traced.graph.get_operations() if any(of.dtype == precision for of in each.outputs)]
    assert {each.type for each in low} - NETWORK == own
    assert {"Conv2D", "FusedBatchNormV3", "Conv2DBackpropFilter"} <= {each.type for each in low}
    # The images come in as float32, and no convolution is left out.
    convolutions = [each for each in traced.graph.get_operations() if "Conv" in each.type]
    assert all(each in low for each in convolutions)
    norms = [each for each in traced.graph.get_operations() if each.type == "FusedBatchNormV3"]
    assert {tuple(tensor.dtype for tensor in norm.inputs[1:]) for norm in norms} == {(tf.float32,) * 4}
