"""Groundtruth against anchors: what `odtk inspect` says of a box is what the matcher of the training does with it."""

from dataclasses import replace
from pathlib import Path

import inspected_records as made
import listed_dataset
import numpy as np
import pytest
import tensorflow as tf

from odtk import images, pipeline
from odtk.annotations.annotated_image import AnnotatedObject
from odtk.boxes import geometry
from odtk.datasets.checks import anchors
from odtk.datasets.open_dataset import Target
from odtk.datasets.sources import DatasetSource
from odtk.detectors import families
from odtk.detectors.build import build_detector
from odtk.detectors.faster_rcnn.anchors import build_anchors
from odtk.detectors.faster_rcnn.first_stage import MATCHED_THRESHOLD, FirstStage
from odtk.detectors.faster_rcnn.groundtruth import PixelGroundtruth
from odtk.detectors.parts.input_size import output_size
from odtk.detectors.ssd.build import build_training
from odtk.detectors.ssd.resnet_fpn import ResnetFpn
from odtk.errors import ConfigError
from odtk.findings import NOTE
from odtk.tools.inspect import inspect, survey

CONFIG = Path(__file__).parents[1] / "golden" / "ssd_resnet50_320.config"


@pytest.fixture
def config():
    return pipeline.read(CONFIG)


def _any_size(config):
    """Images keep their size, padded to multiples of 32 inside the network only."""
    config.model.ssd.image_resizer.identity_resizer.SetInParent()
    config.model.ssd.feature_extractor.pad_to_multiple = 32
    return config


def _boxes(count: int, seed: int = 0) -> np.ndarray:
    """Of all sizes and shapes, some on the edge, some without an area."""
    rng = np.random.default_rng(seed)
    centers, sides = rng.random((count, 2)), 2.0 ** rng.uniform(-7, 0, (count, 2))
    boxes = np.clip(np.concatenate([centers - sides / 2, centers + sides / 2], axis=1), 0, 1)
    boxes[::17, 2] = boxes[::17, 0]
    return boxes.astype(np.float32)


def _by_the_matcher(config, boxes, image, frame_anchors):
    """by_threshold and by_force, from odtk.boxes on whole images."""
    training = build_training(config.model.ssd)
    enough, forced = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    for row in np.unique(image):
        own = np.flatnonzero(image == row)
        similarity = training.similarity(tf.constant(boxes[None, own]), tf.constant(frame_anchors))
        matched = training.match(similarity, tf.ones([1, len(own)], tf.bool))[0].numpy()
        enough[own] = similarity[0].numpy().max(axis=1) >= 0.5
        forced[own] = np.isin(np.arange(len(own)), matched)
    return enough, forced & ~enough


def _by_the_first_stage(config, boxes, image):
    """by_threshold and by_force of boxes in images of 4, from the targets of the training of a Faster R-CNN."""
    model = config.model.faster_rcnn
    (height, width), layout = output_size(model.image_resizer), build_anchors(model.first_stage_anchor_generator)
    levels = families.of(config).anchor_grid(config.model, (height, width)).levels
    stage = FirstStage(*layout, proposals=None, sampling=None, clips_anchors=model.clip_anchors_to_image)
    maps = [tf.zeros([1, *level.shape[:2], 1]) for level in levels]
    every, counted = stage.anchors_of(maps, tf.constant([height, width]), training=True)
    scaled = (boxes * np.float32([height, width, height, width])).reshape(-1, 4, 4)
    ones = np.ones(scaled.shape[:2], np.float32)
    truth = PixelGroundtruth(tf.constant(scaled), tf.zeros_like(ones, tf.int32), ones, tf.fill([len(scaled)], 4))
    match = stage.assign(every, counted, truth).match.numpy()
    overlaps = geometry.iou(scaled.reshape(-1, 4), tf.boolean_mask(every, counted)).numpy()
    enough = overlaps.max(axis=1) >= MATCHED_THRESHOLD
    got_one = np.array([row % 4 in match[row // 4] for row in range(len(boxes))])
    return enough, got_one & ~enough


@pytest.mark.parametrize("size", [(320, 320), (330, 200)])
def test_anchors_are_those_of_the_detector(config, size):
    if size != (320, 320):
        config = _any_size(config)
    detector = build_detector(config)
    expected = detector.predict(tf.zeros([1, *size, 3]), None)["anchors"].numpy()
    grid = families.of(config).anchor_grid(config.model, size)
    np.testing.assert_array_equal(grid.anchors, expected)
    assert len(grid.levels) == 5


@pytest.mark.parametrize("boxes_per_image", [1, 4, 30])
def test_matched_by_threshold_and_by_force_as_the_matcher_says(config, boxes_per_image):
    boxes = _boxes(240)
    image = np.arange(240) // boxes_per_image
    count = image[-1] + 1
    seen = anchors.frames(config, np.full(count, 90), np.full(count, 120))
    matched = anchors.match(config, seen, boxes, image)
    enough, forced = _by_the_matcher(
        config, boxes, image, families.of(config).anchor_grid(config.model, (320, 320)).anchors
    )
    np.testing.assert_array_equal(matched.by_threshold, enough)
    np.testing.assert_array_equal(matched.by_force, forced)
    assert 20 < enough.sum() < 220
    assert forced.any()


@pytest.mark.parametrize("clips", [False, True])
@pytest.mark.parametrize("name", ["faster_rcnn_resnet50_fpn_small", "faster_rcnn_resnet50_v1_640x640_pets"])
def test_matched_as_the_first_stage_of_a_faster_rcnn_says(name, clips):
    config = pipeline.read(name)
    model = config.model.faster_rcnn
    model.clip_anchors_to_image = clips
    model.use_static_shapes = model.use_static_balanced_label_sampler = False  # for which all anchors must count
    boxes, image = _boxes(240), np.arange(240) // 4
    seen = anchors.frames(config, np.full(60, 90), np.full(60, 120))
    matched = anchors.match(config, seen, boxes, image)
    enough, forced = _by_the_first_stage(config, boxes, image)
    np.testing.assert_array_equal(matched.by_threshold, enough)
    np.testing.assert_array_equal(matched.by_force, forced)
    assert 5 < enough.sum() < 220
    assert forced.any()


def test_an_image_that_all_anchors_reach_over_matches_nothing():
    config = pipeline.read("faster_rcnn_resnet50_fpn_small")
    config.model.faster_rcnn.clip_anchors_to_image = False
    config.model.faster_rcnn.image_resizer.identity_resizer.SetInParent()
    seen = anchors.frames(config, np.array([4, 200]), np.array([4, 200]))
    matched = anchors.match(config, seen, _boxes(6), np.repeat([0, 1], 3))
    assert (matched.by_threshold | matched.by_force).tolist() == [False] * 3 + [True] * 3


def test_boxes_that_want_the_same_anchor_have_it_in_the_order_of_the_image(config):
    tiny = np.array([[0.5, 0.5, 0.503, 0.503]], np.float32)
    boxes = np.concatenate([tiny, tiny, tiny])
    seen = anchors.frames(config, np.array([90, 90]), np.array([120, 120]))
    matched = anchors.match(config, seen, boxes, np.array([0, 0, 1]))
    assert matched.by_force.tolist() == [True, False, True]
    config.model.ssd.matcher.argmax_matcher.force_match_for_each_row = False
    assert not anchors.match(config, seen, boxes, np.array([0, 0, 1])).by_force.any()


@pytest.mark.parametrize("pad", [True, False])
def test_frames_are_those_of_the_resizer(config, pad):
    keep = config.model.ssd.image_resizer.keep_aspect_ratio_resizer
    keep.min_dimension, keep.max_dimension, keep.pad_to_max_dimension = 128, 256, pad
    heights, widths = np.array([90, 300, 90]), np.array([120, 100, 120])
    seen = anchors.frames(config, heights, widths)
    for row, (height, width) in enumerate(zip(heights, widths, strict=True)):
        resized, true_shape = images.resize_keeping_aspect_ratio(
            tf.zeros([height, width, 3]), 128, 256, pad_to_max_dimension=pad
        )
        assert seen.true[row].tolist() == true_shape[:2].numpy().tolist()
        assert seen.padded[row].tolist() == list(resized.shape[:2])
    moved = seen.boxes(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([1]))
    np.testing.assert_allclose(moved, [[0, 0, *(seen.true[1] / seen.padded[1])]], rtol=1e-6)


def test_the_report_counts_by_class_and_size(tmp_path):
    train = made.sound_images(12, 0)
    # 8 x 12 pixels of 90 x 120 are 28.4 x 32 of 320 x 320: 30 across; the longer one is too thin for any anchor.
    train[0] = made.with_objects(
        train[0],
        AnnotatedObject((0.1, 0.5, 0.1 + 12 / 320, 0.5 + 12 / 320), 1, "cat"),
        AnnotatedObject((0.9, 0.1, 0.93, 0.95), 2, "dog"),
    )
    inspection = inspect(made.write(tmp_path / "records", train), config=CONFIG)
    coverage = inspection.coverage
    assert (coverage.frame, coverage.threshold, coverage.similarity) == ("320x320", 0.5, "iou")
    assert (coverage.boxes, coverage.unmatched, coverage.forced, coverage.lost) == (46, 2, 2, 0)
    assert dict(zip(coverage.sizes, coverage.classes["cat"], strict=True))["under 16"] == (1, 1)
    assert sum(whole for _, whole in coverage.classes["dog"]) == 23
    assert [sum(part for part, _ in cells) for cells in coverage.classes.values()] == [1, 1]
    (finding,) = [each for each in inspection.findings if each.kind == "unmatched-boxes"]
    assert [(example.rows, example.boxes) for example in finding.examples] == [((0,), (2,)), ((0,), (3,))]
    assert [each.name for each in inspection.histograms if "320x320" in each.caption] == ["box-sizes", "box-shapes"]


def test_tiny_is_said_of_the_resized_image(tmp_path):
    train = made.sound_images(12, 0)
    # 2.6 x 3.5 pixels, enlarged to 9.4 x 9.4
    train[0] = made.with_objects(train[0], AnnotatedObject((0.1, 0.6, 0.1294, 0.6294), 1, "cat"))
    folder = made.write(tmp_path / "records", train)
    assert {each.kind for each in inspect(folder).findings} == {"tiny-boxes"}
    assert {each.kind for each in inspect(folder, config=CONFIG).findings} == {"unmatched-boxes"}


def test_without_a_box_there_is_nothing_to_cover(tmp_path):
    folder = made.write(tmp_path / "records", [], [])
    coverage = inspect(folder, config=CONFIG).coverage
    assert (coverage.boxes, coverage.unmatched, coverage.classes) == (0, 0, {})


def test_without_anchors_the_rest_is_looked_at_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(ResnetFpn, "anchor_matching", lambda family, model: None)
    train = made.sound_images(12, 0)
    train[0] = made.with_objects(train[0], AnnotatedObject((0.1, 0.6, 0.12, 0.62), 1, "cat"))
    inspection = inspect(made.write(tmp_path / "records", train), config=CONFIG)
    assert inspection.coverage is None
    assert "Boxes were not compared with anchors: the config's model has none." in inspection.not_looked_at
    (finding,) = inspection.findings
    assert finding.kind == "tiny-boxes"
    assert "pixels of the model's input, 320x320" in finding.text


def test_a_model_without_known_anchors_is_refused(config, tmp_path):
    config.model.ssd.anchor_generator.multiscale_anchor_generator.max_level = 6
    with pytest.raises(ConfigError, match=r"max_level"):
        anchors.match(config, anchors.frames(config, np.array([9]), np.array([9])), _boxes(1), np.array([0]))


def test_images_much_larger_than_the_models_input_are_told_to_be_shrunk(tmp_path):
    dataset = listed_dataset.draw(tmp_path / "data", 8, size=(900, 500))
    large, other = dataset.listed[:3], listed_dataset.draw(tmp_path / "small", 5, size=(640, 480)).listed
    dataset = replace(dataset, listed=(*large, *other))
    config = pipeline.read(CONFIG)
    source = DatasetSource("all", dataset, dataset.listed)
    target = Target("data", "voc dataset", [source], is_annotated=True, config=config, config_path="c.config")
    (finding,) = (each for each in survey(target)[0].findings if each.kind == "large-images")
    assert (finding.severity, finding.count, finding.examples[0].text) == (NOTE, 3, "900 x 500 pixels")
    assert "--max-side 640" in finding.fix


def test_the_sizes_of_anchors_are_those_of_the_grid(config):
    model, family = config.model, families.of(config)
    for scale in (4.0, 2.0):
        model.ssd.anchor_generator.multiscale_anchor_generator.anchor_scale = scale
        grid = family.anchor_grid(model, (320, 320)).anchors * 320
        found = {tuple(sides) for sides in np.rint(grid[:, 2:] - grid[:, :2]).tolist()}
        assert found == {tuple(sides) for sides in np.rint(family.anchor_sizes(model)).tolist()}
