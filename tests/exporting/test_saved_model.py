"""The exported SavedModel has TFOD's signatures, tensor by tensor."""

import copy
import functools
import json

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import variant_case
from google.protobuf import text_format
from synthetic_weights import synthetic_value

from odtk import pipeline
from odtk.detectors.build import build_detector
from odtk.exporting import saved_model
from odtk.exporting.signatures import INPUT_TYPES

pytestmark = pytest.mark.usefixtures("shallow_resnet")


@pytest.fixture(scope="module")
def detector(golden_dir):
    # The golden signatures were read off this model; its width and depth do not matter to them.
    config = pipeline.read(golden_dir / "ssd_resnet50_320.config")
    config.model.ssd.feature_extractor.depth_multiplier = 0.1
    predictor = config.model.ssd.box_predictor.weight_shared_convolutional_box_predictor
    predictor.depth, predictor.num_layers_before_predictor = 16, 1
    return _with_weights(build_detector(config))


@pytest.fixture(scope="module")
def signatures(golden_dir):
    return json.loads((golden_dir / "export_signatures.json").read_text())


@pytest.mark.parametrize("input_type", INPUT_TYPES)
@pytest.mark.parity(
    what="signatures and files of four export types", against="export_signatures.json", tolerance="exact"
)
def test_signature_and_files_are_tfods_and_answers_the_detectors(detector, signatures, input_type, tmp_path):
    saved_model.save(detector, input_type, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    served, golden = loaded.signatures["serving_default"], signatures[input_type]
    assert _described(served.structured_input_signature[1]) == golden["inputs"]
    assert _described(served.structured_outputs) == golden["outputs"]
    files = {f"saved_model/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {name for name in golden["files"] if name.startswith("saved_model/")}
    _assert_answers(served, detector, input_type, (97, 141))
    # TFOD's tutorials call what was loaded, without a signature.
    _assert_answers(loaded, detector, input_type, (97, 141))


RESIZERS = {
    "padded": "keep_aspect_ratio_resizer { min_dimension: 130 max_dimension: 192 pad_to_max_dimension: true }",
    "unpadded": "keep_aspect_ratio_resizer { min_dimension: 130 max_dimension: 192 }",
}
SIZES = ((97, 141), (211, 175), (33, 40))


@pytest.fixture(scope="module", params=RESIZERS)
def small_detector(request):
    """(name of the resizer, detector)."""
    config = copy.deepcopy(variant_case("base").config)
    config.model.ssd.ClearField("image_resizer")
    text_format.Merge(RESIZERS[request.param], config.model.ssd.image_resizer)
    if request.param == "unpadded":
        config.model.ssd.feature_extractor.pad_to_multiple = 32
    config.model.ssd.box_predictor.weight_shared_convolutional_box_predictor.num_layers_before_predictor = 1
    return request.param, _with_weights(build_detector(config))


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_the_function_that_is_exported_answers_as_the_detector(small_detector, input_type):
    """Images larger and smaller than the frame, upright and not; those of a batch differ where padding makes up."""
    resizer, detector = small_detector
    served = saved_model.ServedDetector(detector, input_type).serve
    for size in SIZES:
        _assert_answers(served, detector, input_type, size)
    if resizer == "padded" and input_type in ("encoded_image_string_tensor", "tf_example"):
        _assert_answers(served, detector, input_type, *SIZES, (1, 9))


def _assert_answers(served, detector, input_type: str, *sizes: tuple[int, int]) -> None:
    """To 1e-5, in a batch of images of these sizes; of one size: in a batch of three, where the type takes one."""
    if len(sizes) == 1 and input_type != "image_tensor":
        sizes *= 3
    pictures, expected = _detected(detector, sizes)
    answer = served(input_tensor=_as_input(pictures, input_type))
    assert set(answer) == set(expected)
    for name, value in expected.items():
        offset = 1.0 if name == "detection_classes" else 0.0
        ours = tf.cast(value, tf.float32) + offset
        np.testing.assert_allclose(answer[name], ours, rtol=1e-5, atol=1e-5, err_msg=f"{name} of {sizes}")


@functools.cache
def _detected(detector, sizes: tuple[tuple[int, int], ...]) -> tuple[list[np.ndarray], dict[str, tf.Tensor]]:
    """Pictures of these sizes, and what the detector itself finds in them; the same for every input type."""
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    resized, shapes = zip(*(detector.resize(tf.constant(one, tf.float32)) for one in pictures), strict=True)
    expected = detector.detect(tf.stack(resized), tf.stack(shapes))
    assert float(tf.reduce_min(expected["num_detections"])) > 0
    return pictures, expected


def _with_weights(detector):
    """The goldens' weights, by their formula: those of a new detector give every box the same score."""
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(synthetic_value(key, tuple(variable.shape)))
    return detector


def _as_input(pictures: list[np.ndarray], input_type: str):
    if input_type in ("image_tensor", "float_image_tensor"):
        return tf.constant(np.stack(pictures), INPUT_TYPES[input_type].dtype)
    encoded = [tf.io.encode_png(picture).numpy() for picture in pictures]
    return tf.constant(encoded if input_type != "tf_example" else [_example(one) for one in encoded])


def _described(specs: dict) -> dict:
    return {name: [spec.dtype.name, spec.shape.as_list()] for name, spec in specs.items()}


def _example(encoded: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    return tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature})).SerializeToString()
