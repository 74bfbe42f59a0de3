"""Detectors whose 3x3 convolutions are computed by Winograd's method find what TFOD finds."""

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import resnet50_case, same_detections, variant_case
from tensorflow.core.protobuf import saved_model_pb2

from odtk.detectors.build import build_detector
from odtk.exporting import saved_model
from odtk.exporting.winograd import use_winograd
from odtk.layers import resnet_v1, winograd

# What changes the layers that take part, or the sizes.
VARIANTS = (
    "base",
    "depthwise_heads",
    "kernel_1_no_tower",
    "no_batch_norm_heads",
    "pad_to_multiple",
    "relu_l1_no_center",
    "share_prediction_tower",
)
QUICK = ("depthwise_heads", "pad_to_multiple")


def answers(case, detector) -> tuple[dict, dict]:
    images, shapes = case.images(detector.resize)
    predictions = detector.predict(detector.preprocess(images, None), None)
    return predictions, detector.postprocess(predictions, shapes)


@pytest.mark.parity(
    what="with `odtk export --winograd`: box encodings and logits, and detections",
    against="ssd_resnet50_320.npz",
    tolerance="1e-3; the same 100 boxes, swaps between scores closer than 1e-4",
)
def test_the_full_network_finds_the_same_hundred_boxes():
    case = resnet50_case()
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    direct, _ = answers(case, detector)
    # Two towers of four, the class predictions and two of the pyramid.
    assert len(use_winograd(detector)) == 11
    predictions, detections = answers(case, detector)
    for name in ("box_encodings", "class_logits"):
        np.testing.assert_allclose(predictions[name][:, ::13], case.arrays[name], rtol=0, atol=1e-3)
        np.testing.assert_allclose(predictions[name], direct[name], rtol=1e-5, atol=1e-5)
    golden = {name.removeprefix("post_"): value for name, value in case.arrays.items() if name.startswith("post_")}
    same_detections(detections, golden)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS]
)
def test_small_networks_with_one_option_changed(name, monkeypatch):
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)
    case = variant_case(name)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    direct, _ = answers(case, detector)
    use_winograd(detector)
    predictions, detections = answers(case, detector)
    for name in ("box_encodings", "class_logits"):
        np.testing.assert_allclose(predictions[name], direct[name], rtol=1e-5, atol=1e-5)
    same_detections(detections, case.arrays)


def constants(folder) -> set[bytes]:
    """The values of all weights in a SavedModel's graph."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    library = saved.meta_graphs[0].graph_def.library
    nodes = (node for function in library.function for node in function.node_def if node.op == "Const")
    return {tf.make_ndarray(node.attr["value"].tensor).tobytes() for node in nodes}


def test_the_saved_model_answers_as_the_detector(monkeypatch, tmp_path):
    """Its kernels travel with it, and the detector's own variables stay TFOD's."""
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)
    monkeypatch.setitem(resnet_v1.BLOCKS, 50, (1, 1, 1, 1))  # no layer of a backbone takes part
    case = variant_case("base")
    detector = build_detector(case.config)
    case.draw_weights(detector.checkpoint_variables())
    keys, variables = set(detector.checkpoint_variables()), len(detector.variables)
    picture = tf.cast(tf.random.stateless_uniform([1, 97, 141, 3], [1, 2], 0, 256), tf.uint8)
    image, shape = detector.resize(tf.cast(picture[0], tf.float32))
    expected = detector.detect(image[None], shape[None])
    more = use_winograd(detector)
    assert more
    saved_model.save(detector, "image_tensor", str(tmp_path), more)
    assert (set(detector.checkpoint_variables()), len(detector.variables)) == (keys, variables)
    kept = constants(tmp_path)
    assert [kernel.name for kernel in more if kernel.numpy().tobytes() not in kept] == []
    loaded = tf.saved_model.load(str(tmp_path))
    answer = loaded(picture)
    assert set(answer) == set(expected)
    expected["detection_classes"] += 1
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], tf.cast(value, tf.float32), rtol=1e-5, atol=1e-5, err_msg=name)
