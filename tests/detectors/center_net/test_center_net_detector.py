"""A small CenterNet: targets at the map's edge, parts of a batch, fine-tuning, what explain shows."""

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case

from odtk.checkpoints.object_graph import attributes_of
from odtk.detectors import families
from odtk.detectors.build import build_detector
from odtk.detectors.center_net.peaks import boxes_at, find_peaks
from odtk.detectors.center_net.targets import box_targets, heat_maps
from odtk.errors import ConfigError
from odtk.layers.hourglass import SHAPES
from odtk.tools.train.frozen_parts import BATCH_NORM_VARIABLES, with_frozen
from odtk.training.fine_tune import fine_tune
from odtk.training.freezing import freeze

NAME = "centernet_hourglass-ten"


@pytest.fixture(scope="module")
def case():
    return family_case(NAME)


@pytest.fixture(scope="module")
def detector(case):
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    return detector


@pytest.fixture(scope="module")
def batch(case, detector) -> tuple:
    return case.images(detector.resize)


class TestTargets:
    def test_a_box_whose_center_is_off_the_map_has_no_cell(self):
        """TFOD reads another cell, or fails. Its bump stays, as far as the map reaches."""
        boxes = tf.constant([[[0.9, 0.4, 1.3, 0.6], [-0.3, 0.4, 0.1, 0.6], [0.5, 0.5, 1.5, 0.5], [0.0, 0.0, 0.5, 0.5]]])
        targets = box_targets(boxes, tf.ones([1, 4]), (8, 8))
        np.testing.assert_array_equal(targets.weights, [[0, 0, 0, 1]])
        assert tf.reduce_all((targets.cells >= 0) & (targets.cells < 8))
        heat = heat_maps(boxes[:, :1], tf.zeros([1, 1], tf.int32), tf.ones([1, 1]), (8, 8), 1, 0.7)
        assert 0 < float(tf.reduce_max(heat)) < 1

    def test_without_a_box_there_is_no_heat(self):
        for count in (0, 2):
            boxes, classes, weights = tf.zeros([2, count, 4]), tf.zeros([2, count], tf.int32), tf.zeros([2, count])
            heat = heat_maps(boxes, classes, weights, (4, 6), 3, 0.7)
            assert heat.shape == (2, 4, 6, 3)
            assert not heat.numpy().any()

    def test_a_peak_is_exactly_one_and_in_its_class_alone(self):
        boxes = tf.constant([[[0.1, 0.2, 0.5, 0.9], [0.3, 0.1, 0.9, 0.8]]])
        heat = heat_maps(boxes, tf.constant([[0, 2]]), tf.ones([1, 2]), (16, 24), 3, 0.7).numpy()
        cells = box_targets(boxes, tf.ones([1, 2]), (16, 24)).cells.numpy()
        for (row, column), own in zip(cells[0], (0, 2), strict=True):
            assert (heat[0, row, column] == 1).tolist() == [each == own for each in range(3)]
        assert (heat == 1).sum() == 2


class TestPeaks:
    def test_neighbors_of_a_peak_are_none_but_other_classes_may_be(self):
        heat = np.zeros([1, 4, 5, 2], np.float32)
        heat[0, 1, 1], heat[0, 1, 2], heat[0, 3, 4] = (0.9, 0.1), (0.8, 0.3), (0.5, 0.0)
        peaks = find_peaks(tf.constant(heat), 4, 3)
        np.testing.assert_allclose(peaks.scores[0], [0.9, 0.5, 0.3, 0])
        np.testing.assert_array_equal(peaks.cells[0, :3], [[1, 1], [3, 4], [1, 2]])
        np.testing.assert_array_equal(peaks.classes[0, :3], [0, 0, 1])
        np.testing.assert_allclose(find_peaks(tf.constant(heat), 4, 1).scores[0], [0.9, 0.8, 0.5, 0.3])
        assert find_peaks(tf.constant(heat), 100, 3).scores.shape == (1, 40)

    @pytest.mark.parametrize("pool_size", [3, 5])
    def test_of_equal_neighbors_one_is_a_peak_where_values_are_rounded(self, pool_size):
        """Two and three in a row, four in a square, the corner, and a lower neighbor, which is no peak afterward."""
        heat = np.zeros([1, 9, 20, 2], np.float32)
        heat[0, 4, 2:5, 0] = 0.9, 0.9, 0.7
        heat[0, 4, 8:11, 0] = 0.8
        heat[0, 3:5, 15:17, 0] = 0.6
        heat[0, 8, 19, 0], heat[0, 4, 2, 1] = 0.5, 0.4
        all_of_them, one_each = (find_peaks(tf.constant(heat), 11, pool_size, rounded) for rounded in (False, True))
        np.testing.assert_allclose(all_of_them.scores[0], [0.9] * 2 + [0.8] * 3 + [0.6] * 4 + [0.5, 0.4])
        np.testing.assert_allclose(one_each.scores[0], [0.9, 0.8, 0.6, 0.5, 0.4] + [0] * 6)
        np.testing.assert_array_equal(one_each.cells[0, :5], [[4, 2], [4, 8], [3, 15], [8, 19], [4, 2]])
        np.testing.assert_array_equal(one_each.classes[0, :5], [0, 0, 0, 0, 1])

    @pytest.mark.parametrize(
        "cells",
        [
            [(2, 4), (3, 3), (3, 2)],
            [(2, 4), (2, 5), *((3, column) for column in range(2, 8))],
            [(row, column) for row in range(2, 5) for column in range(3, 7)],
            [(5, 2), (4, 3), (3, 4), (2, 5)],
        ],
    )
    def test_a_flat_top_is_one_peak_even_where_its_first_cell_does_not_touch_all(self, cells):
        heat = np.full([1, 8, 9, 1], 0.1, np.float32)
        for row, column in cells:
            heat[0, row, column] = 0.7
        peaks = find_peaks(tf.constant(heat), 72, 3, rounded=True)
        assert (peaks.scores[0].numpy() > 0.5).sum() == 1
        assert tuple(peaks.cells[0, 0].numpy()) == min(cells)
        assert (find_peaks(tf.constant(heat), 72, 3).scores[0].numpy() > 0.5).sum() == len(cells)

    def test_targets_are_decoded_to_their_boxes(self):
        boxes = tf.constant([[[0.1, 0.2, 0.5, 0.9], [0.3, 0.1, 0.9, 0.8]]])
        targets = box_targets(boxes, tf.ones([1, 2]), (16, 24))
        found = boxes_at(targets.cells, targets.sizes, targets.offsets, (16, 24))
        np.testing.assert_allclose(found, boxes * [16, 24, 16, 24], atol=1e-5)


def test_losses_of_a_batch_are_those_of_its_parts(case, detector, batch):
    images, shapes = batch
    groundtruth = case.groundtruth()
    preprocessed = detector.preprocess(images, shapes)
    whole = detector.losses(detector.predict(preprocessed, shapes), groundtruth, shapes)
    parts = [
        detector.loss_sums(
            detector.predict(preprocessed[i : i + 1], shapes[i : i + 1]),
            {name: values[i : i + 1] for name, values in groundtruth.items()},
            shapes[i : i + 1],
        )
        for i in (0, 1)
    ]
    divisor = sum(float(part.normalizer) for part in parts)
    assert divisor == 7
    for tag, value in whole.items():
        assert sum(float(part.sums[tag]) for part in parts) / divisor == pytest.approx(float(value), rel=1e-5)


def test_images_of_unknown_sizes_give_the_same(case, detector, batch):
    """As with a pad_to_multiple_resizer."""
    groundtruth = case.groundtruth()

    def everything(images, shapes):
        predictions = detector.predict(detector.preprocess(images, shapes), shapes)
        return detector.losses(predictions, groundtruth, shapes), detector.postprocess(predictions, shapes)

    specs = tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None, 3], tf.int32)
    traced = tf.function(everything, input_signature=specs, autograph=False)
    for ours, known in zip(tf.nest.flatten(traced(*batch)), tf.nest.flatten(everything(*batch)), strict=True):
        np.testing.assert_allclose(ours, known, rtol=1e-4, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiples of 8"):
        traced(tf.zeros([1, 100, 104, 3]), tf.constant([[100, 104, 3]]))


def test_what_a_loss_needs_is_asked_for(case):
    config = type(case.config)()
    config.CopyFrom(case.config)
    assert "labeled_classes" not in build_detector(config).groundtruth_fields
    config.model.center_net.object_center_params.use_labeled_classes = True
    assert "labeled_classes" in build_detector(config).groundtruth_fields


def test_sides_are_multiples_of_the_stride_of_an_hourglass_innermost_map(case):
    config = type(case.config)()
    config.CopyFrom(case.config)
    for number, shape in SHAPES.items():
        config.model.center_net.feature_extractor.type = f"hourglass_{number}"
        assert families.of(config).input_size(config.model).side_multiple == shape.coarsest_stride


def test_all_batch_norms_can_be_frozen_without_a_field_for_it(case):
    """TFOD's CenterNet has none."""
    detector = build_detector(with_frozen(case.config, "bn", lambda text: None))
    freeze(detector, [BATCH_NORM_VARIABLES])
    norms = [each for each in detector.network.submodules if hasattr(each, "moving_mean")]
    assert norms
    assert not any(norm.trainable for norm in norms)
    before = [norm.moving_mean.numpy() for norm in norms]
    images, shapes = case.images(detector.resize)
    detector.predict(detector.preprocess(images, shapes), shapes, training=True)
    for norm, mean in zip(norms, before, strict=True):
        np.testing.assert_array_equal(norm.moving_mean, mean)


class TestFineTuning:
    def test_names_of_attributes_may_have_slashes(self):
        assert attributes_of("model/_heads/box.Sscale/0/a..b") == ["model", "_heads", "box/scale", "0", "a.b"]

    def test_detection_takes_all_but_the_heads_and_may_reuse_those_of_boxes(self, detector, tmp_path):
        values = self.doubled(detector)
        prefix = self.written(detector, values, tmp_path)
        report = fine_tune(detector, prefix, "detection")
        heads = {key for key in values if "/_prediction_head_dict/" in key}
        assert set(report.skipped) == heads
        report = fine_tune(detector, prefix, "detection", reuse_heads=True)
        assert set(report.skipped) == {key for key in heads if "/object_center/" in key}
        self.restored(detector, values)

    def test_full_takes_everything(self, detector, tmp_path):
        values = self.doubled(detector)
        report = fine_tune(detector, self.written(detector, values, tmp_path), "full")
        assert not report.skipped
        self.restored(detector, values)

    def test_an_hourglass_has_no_classifier(self, detector):
        with pytest.raises(ConfigError, match="it is one of full, detection"):
            fine_tune(detector, "none", "classification")

    def test_a_backbone_is_taken_from_a_classifier(self, tmp_path):
        """As TFOD's: the network below an attribute `feature_extractor`, with layers that no map depends on."""
        config = family_case("centernet_resnet_v1_fpn-resnet18_loose_iou").config
        detector = build_detector(config)
        variables = detector.checkpoint_variables()
        own = "model/_feature_extractor/_base_model/"
        values = {key: np.full(v.shape, 0.25, np.float32) for key, v in variables.items() if key.startswith(own)}
        classifier = tf.Module()
        classifier.feature_extractor = tf.Module()
        for key, value in values.items():
            layer, name = key.removeprefix(own).split("/")
            node = getattr(classifier.feature_extractor, layer, None) or tf.Module()
            setattr(classifier.feature_extractor, layer, node)
            setattr(node, name, tf.Variable(value))
        prefix = tf.train.Checkpoint(feature_extractor=classifier.feature_extractor).write(str(tmp_path / "classifier"))
        report = fine_tune(detector, prefix, "classification")
        assert set(report.restored) == set(values)
        for key, value in values.items():
            np.testing.assert_array_equal(variables[key], value)
        last = "model/_feature_extractor/_base_model/layer_with_weights-45/gamma"  # of the unused batch norm
        assert last in values
        assert not any(variables[last] is each for each in detector.trainable_variables)

    def doubled(self, detector) -> dict[str, np.ndarray]:
        return {key: 2 * variable.numpy() for key, variable in detector.checkpoint_variables().items()}

    def written(self, detector, values, folder) -> str:
        kept = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
        for key, variable in detector.checkpoint_variables().items():
            variable.assign(values[key])
        prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(folder / "ckpt"))
        for key, variable in detector.checkpoint_variables().items():
            variable.assign(kept[key])
        return prefix

    def restored(self, detector, values) -> None:
        """The values before, for the tests that follow."""
        for key, variable in detector.checkpoint_variables().items():
            if "object_center" not in key:
                np.testing.assert_array_equal(variable, values[key], err_msg=key)
        family_case(NAME).assign_weights(detector.checkpoint_variables())


class TestExplaining:
    def test_every_cell_is_a_candidate_and_peaks_are_among_them(self, detector, batch):
        images, shapes = batch
        predictions = detector.predict(detector.preprocess(images, shapes), shapes)
        found, candidates = detector.postprocess(predictions, shapes), detector.candidates(predictions)
        (level,) = candidates.levels
        assert (level.rows, level.columns, level.per_cell) == (32, 32, 1)
        assert candidates.boxes.shape == (2, 1024, 4)
        assert [tuple(each.shape) for each in detector.pyramid(predictions).values()] == [(2, 32, 32, 64)]
        for image in (0, 1):
            best = found["detection_boxes_strided"][image, 0] / 32
            assert float(tf.reduce_min(tf.reduce_max(tf.abs(candidates.boxes[image] - best), axis=-1))) < 1e-5
        assert detector.matched_groundtruth(predictions, {}) is None

    @pytest.mark.parametrize("suppresses", [False, True])
    def test_scores_have_gradients(self, case, batch, suppresses):
        config = type(case.config)()
        config.CopyFrom(case.config)
        if suppresses:
            nms = config.model.center_net.post_processing.batch_non_max_suppression
            nms.change_coordinate_frame, nms.max_total_detections, nms.max_detections_per_class = False, 10, 10
        detector = build_detector(config)
        case.assign_weights(detector.checkpoint_variables())
        images, shapes = batch
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = detector.detect(images, shapes)["detection_scores"][0, 0]
        assert score > 0
        assert tf.reduce_any(tape.gradient(score, images) != 0)
