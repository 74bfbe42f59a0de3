"""sync_batch_norm in a whole detector: the same variables and the same numbers in inference.

What shared heads make of it is TFOD's golden, in test_golden_mobilenet_fpn.py.
"""

import numpy as np
import pytest
import tf_keras
from golden_cases import variant_case

from odtk.detectors.build import build_detector
from odtk.protos import pipeline_pb2

# Nothing here depends on how deep the backbone is.
pytestmark = pytest.mark.usefixtures("shallow_resnet")


def synchronized(config) -> pipeline_pb2.TrainEvalPipelineConfig:
    """The config with the feature extractor's batch_norm renamed."""
    changed = pipeline_pb2.TrainEvalPipelineConfig()
    changed.CopyFrom(config)
    params = changed.model.ssd.feature_extractor.conv_hyperparams
    norm = type(params.batch_norm)()
    norm.CopyFrom(params.batch_norm)
    params.sync_batch_norm.CopyFrom(norm)  # a oneof: this takes batch_norm's place
    return changed


def test_all_norms_of_backbone_and_pyramid_are_synchronized():
    case = variant_case("base")
    assert case.config.model.ssd.feature_extractor.override_base_feature_extractor_hyperparams
    plain, detector = build_detector(case.config), build_detector(synchronized(case.config))
    variables = detector.checkpoint_variables()
    assert {key: value.shape for key, value in variables.items()} == {
        key: value.shape for key, value in plain.checkpoint_variables().items()
    }
    network = detector.network
    norms = [
        layer
        for part in (network.backbone, network.pyramid)
        for layer in part.submodules
        if isinstance(layer, tf_keras.layers.BatchNormalization)
    ]
    assert len(norms) == sum("_feature_extractor/" in key and "moving_mean" in key for key in variables)
    assert all(norm.synchronized for norm in norms)
    case.draw_weights(variables)
    case.draw_weights(plain.checkpoint_variables())
    images = detector.preprocess(case.images(detector.resize)[0], None)
    for training, rounding in ((False, 1e-4), (True, 1e-3)):
        found, expected = (each.predict(images, None, training=training) for each in (detector, plain))
        np.testing.assert_allclose(found["class_logits"], expected["class_logits"], atol=rounding)
    # In training, the statistics moved alike, but for the estimate of the variance (see BatchNormParams).
    for key, value in plain.checkpoint_variables().items():
        if key.endswith("moving_mean"):
            np.testing.assert_allclose(variables[key], value, rtol=1e-4, atol=1e-4)


def test_frozen_synchronized_norms_keep_their_statistics():
    case = variant_case("base")
    config = synchronized(case.config)
    config.model.ssd.freeze_batchnorm = True
    detector = build_detector(config)
    variables = detector.checkpoint_variables()
    case.draw_weights(variables)
    statistics = {key: value.numpy() for key, value in variables.items() if "/moving_" in key}
    detector.predict(detector.preprocess(case.images(detector.resize)[0], None), None, training=True)
    assert statistics
    assert all(np.array_equal(variables[key], value) for key, value in statistics.items())
