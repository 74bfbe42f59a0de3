"""What an SSD promises beyond its goldens: padding, freezing, fine-tuning keys, unknown sizes, and refusals."""

import copy

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import same_detections, variant_case

from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.errors import ConfigError

# Nothing here depends on how deep the backbone is.
pytestmark = pytest.mark.usefixtures("shallow_resnet")

CASE = variant_case("base")


@pytest.fixture(scope="module")
def detector() -> Detector:
    detector = build_detector(CASE.config)
    CASE.draw_weights(detector.checkpoint_variables())
    return detector


@pytest.fixture(scope="module")
def images(detector):
    return CASE.images(detector.resize)


@pytest.fixture(scope="module")
def predictions(detector, images):
    return detector.predict(detector.preprocess(images[0], None), None)


def changed_config(**fields):
    """The base variant's with fields of model.ssd set."""
    config = copy.deepcopy(CASE.config)
    for name, value in fields.items():
        setattr(config.model.ssd, name, value)
    return config


def moving_statistics(detector) -> list[np.ndarray]:
    return [v.numpy() for key, v in detector.checkpoint_variables().items() if "/moving_" in key]


class TestLoss:
    def test_padding_of_the_groundtruth_changes_nothing(self, detector, predictions):
        groundtruth = CASE.groundtruth()
        padded = {
            name: value if name == "num_boxes" else tf.pad(value, [[0, 0], [0, 96], [0, 0]][: value.shape.rank])
            for name, value in groundtruth.items()
        }
        assert padded["boxes"].shape == (2, 100, 4)
        before, after = detector.losses(predictions, groundtruth, None), detector.losses(predictions, padded, None)
        assert {tag: float(loss) for tag, loss in before.items()} == {tag: float(loss) for tag, loss in after.items()}

    def test_a_batch_without_any_box_is_divided_by_one(self, detector, predictions):
        nothing = {
            "boxes": tf.zeros([2, 100, 4]),
            "classes": tf.zeros([2, 100], tf.int32),
            "weights": tf.zeros([2, 100]),
            "num_boxes": tf.zeros([2], tf.int32),
        }
        losses = detector.losses(predictions, nothing, None)
        assert float(losses["Loss/localization_loss"]) == 0
        # Focal loss of pure background, undivided.
        score = tf.sigmoid(predictions["class_logits"])
        background = 0.75 * tf.reduce_sum(-(score**2) * tf.math.log(1 - score))
        assert float(losses["Loss/classification_loss"]) == pytest.approx(float(background), rel=1e-4)

    def test_regularization_is_left_to_the_trainer(self, detector, predictions):
        assert set(detector.losses(predictions, CASE.groundtruth(), None)) == {
            "Loss/localization_loss",
            "Loss/classification_loss",
        }
        assert detector.add_regularization_loss is True
        config = copy.deepcopy(CASE.config)
        config.train_config.add_regularization_loss = False
        assert build_detector(config).add_regularization_loss is False


class TestFreezing:
    @pytest.mark.parametrize("freeze", [False, True])
    def test_frozen_statistics_neither_move_nor_are_replaced(self, images, freeze):
        detector = build_detector(changed_config(freeze_batchnorm=freeze))
        CASE.draw_weights(detector.checkpoint_variables())
        preprocessed, before = detector.preprocess(images[0], None), moving_statistics(detector)
        inference = detector.predict(preprocessed, None)["box_encodings"]
        training = detector.predict(preprocessed, None, training=True)["box_encodings"]
        moved = [not np.array_equal(*pair) for pair in zip(before, moving_statistics(detector), strict=True)]
        assert set(moved) == {not freeze}
        assert np.array_equal(training, inference) == freeze


class TestDetections:
    def test_unknown_sizes_give_the_same_where_every_stride_divides(self, detector):
        images = tf.random.stateless_uniform([1, 256, 384, 3], seed=[1, 2], maxval=255)
        graph = tf.function(
            detector.detect,
            input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None, 3], tf.int32)],
        )
        shapes = tf.constant([[256, 384, 3]])
        eager = {name: value.numpy() for name, value in detector.detect(images, shapes).items()}
        same_detections(graph(images, shapes), eager)

    def test_a_batch_is_its_images_one_by_one(self, detector, images):
        together = detector.detect(*images)
        for index in range(2):
            alone = detector.detect(*(part[index : index + 1] for part in images))
            same_detections(alone, {name: value[index : index + 1].numpy() for name, value in together.items()})

    def test_boxes_are_relative_to_the_true_image(self, detector, predictions):
        """The upper left quarter as the true image: the same boxes in the frame, twice as large in the result."""
        quarter = tf.constant([[80, 80, 3]] * 2)
        got = {name: value.numpy() for name, value in detector.postprocess(predictions, quarter).items()}
        assert got["num_detections"].tolist() == [20, 20]
        raw = np.take_along_axis(got["raw_detection_boxes"], got["detection_anchor_indices"][..., None], axis=1)
        np.testing.assert_allclose(got["detection_boxes"], np.clip(raw * 2, 0, 1), atol=1e-5)


class TestFineTuning:
    def test_keys_by_type(self, detector):
        keys = {name: set(detector.fine_tune_plan(name).keys) for name in ("full", "detection", "classification")}
        assert keys["full"] == set(detector.checkpoint_variables())
        assert keys["detection"] == {key for key in keys["full"] if key.startswith("model/_feature_extractor/")}
        assert keys["classification"] < keys["detection"] < keys["full"]
        assert not any("_fpn" in key or "_coarse" in key for key in keys["classification"])
        # 17 convolutions' kernels, 17 batch norms of four.
        assert len(keys["classification"]) == 17 * 5


class TestRefusals:
    def test_another_feature_extractor(self):
        config = copy.deepcopy(CASE.config)
        config.model.ssd.feature_extractor.type = "ssd_mobilenet_v9_fpn_keras"
        with pytest.raises(ConfigError, match=r"ssd_mobilenet_v9_fpn_keras.*ssd_resnet50_v1_fpn_keras"):
            build_detector(config)

    def test_no_model(self):
        config = copy.deepcopy(CASE.config)
        config.ClearField("model")
        with pytest.raises(ConfigError, match=r"model\.nothing|model"):
            build_detector(config)

    @pytest.mark.parametrize("levels", [(3, 6), (2, 7)])
    def test_anchors_for_other_than_five_maps(self, levels):
        config = copy.deepcopy(CASE.config)
        grid = config.model.ssd.anchor_generator.multiscale_anchor_generator
        grid.min_level, grid.max_level = levels
        with pytest.raises(ConfigError, match=rf"levels {levels[0]} to {levels[1]}.*min_level \+ 4"):
            build_detector(config)
