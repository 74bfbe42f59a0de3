"""The exported SavedModel has TFOD's signatures, tensor by tensor."""

import json

import numpy as np
import pytest
import tensorflow as tf

from odtk import pipeline, saved_model
from odtk.detectors.build import build_detector

INPUT_TYPES = ["image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example"]


@pytest.fixture(scope="module")
def detector(golden_dir):
    # The golden signatures were read off this model; neither its weights nor its width matter to them.
    config = pipeline.read(golden_dir / "ssd_resnet50_320.config")
    config.model.ssd.feature_extractor.depth_multiplier = 0.1
    config.model.ssd.box_predictor.weight_shared_convolutional_box_predictor.depth = 16
    return build_detector(config)


@pytest.fixture(scope="module")
def signatures(golden_dir):
    return json.loads((golden_dir / "export_signatures.json").read_text())


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_signature_is_tfods(detector, signatures, input_type, tmp_path):
    saved_model.save(detector, input_type, str(tmp_path))
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    golden = signatures[input_type]
    assert _described(served.structured_input_signature[1]) == golden["inputs"]
    assert _described(served.structured_outputs) == golden["outputs"]


def test_encoded_images_and_arrays_give_the_same_detections(detector, tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (70, 90, 3), np.uint8)
    by_type = {
        "image_tensor": tf.constant(image[None]),
        "float_image_tensor": tf.constant(image[None], tf.float32),
        "encoded_image_string_tensor": tf.io.encode_png(image)[None],
        "tf_example": tf.constant([_example(tf.io.encode_png(image).numpy())]),
    }
    answers = [saved_model.ServedDetector(detector, kind).serve(value) for kind, value in by_type.items()]
    for answer in answers[1:]:
        for name in answer:
            np.testing.assert_allclose(answer[name], answers[0][name], atol=1e-5, err_msg=name)


def _described(specs: dict) -> dict:
    return {name: [spec.dtype.name, spec.shape.as_list()] for name, spec in specs.items()}


def _example(encoded: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    return tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature})).SerializeToString()
