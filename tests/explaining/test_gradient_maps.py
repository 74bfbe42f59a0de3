"""Heat maps by gradients, on networks of which it is known what must come out."""

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import variant_case
from google.protobuf import text_format
from synthetic_weights import synthetic_image
from tiny_detector import tiny_config, tiny_parts

from odtk.errors import OdtkError
from odtk.explaining import anchors, feature_maps
from odtk.explaining.gradient_maps import gradient_map
from odtk.explaining.picture_run import run_picture
from odtk.protos import pipeline_pb2


@pytest.fixture(scope="module")
def white_finder():
    """Rates a cell of 8 x 8 pixels as class 2 by how white it is, and gives boxes of a quarter of each side."""
    config = text_format.Parse(fake_detector.CONFIG, pipeline_pb2.TrainEvalPipelineConfig())
    detector = fake_detector.FAMILY.build(config.model)
    detector.ensure_built()
    network = detector.network
    network.stem.kernel.assign(tf.fill([3, 3, 3, 4], 1 / 27))
    network.heat.kernel.assign(tf.constant([[[[0.0, 1.0]] * 4]][0])[None])
    network.heat.bias.assign([-9.0, -2.0])
    network.size.kernel.assign(tf.zeros([1, 1, 4, 2]))
    network.size.bias.assign([-1.0986] * 2)
    return detector


@pytest.fixture(scope="module")
def two_squares(white_finder):
    """The run of a picture of the model's own size with two squares, the lower of which is brighter."""
    pixels = np.zeros((48, 32, 3), np.uint8)
    pixels[8:16, 8:16] = 200  # the cell in row 1, column 1
    pixels[32:40, 24:32] = 255  # the cell in row 4, column 3
    return run_picture(white_finder, pixels)


def test_each_detection_has_its_own_heat_inside_its_box(two_squares):
    assert two_squares.detections.classes[:2].tolist() == [2, 2]
    for index, cell in enumerate([(4, 3), (1, 1)]):
        heat = gradient_map(two_squares, index)
        assert np.unravel_index(heat.values.argmax(), heat.values.shape) == cell
        assert heat.share_inside(two_squares.detections.boxes[index]) > 0.6
        row, column = np.unravel_index(heat.on_picture((48, 32)).argmax(), (48, 32))
        assert (row // 8, column // 8) == cell


def test_the_heat_is_activation_times_gradient(two_squares):
    score = float(two_squares.detections.scores[0])
    activations = two_squares.outputs["stem"][0].numpy()
    expected = np.zeros((6, 4))
    expected[4, 3] = score * (1 - score) * activations[4, 3].sum()  # the weights of class 2 are 1
    np.testing.assert_allclose(gradient_map(two_squares, 0, ["stem"]).values, expected, rtol=1e-4, atol=1e-7)


def test_a_layer_that_the_score_does_not_depend_on_is_refused(two_squares):
    with pytest.raises(
        OdtkError, match=r"does not depend on the output of size, .* a layer before the last ones"
    ) as caught:
        gradient_map(two_squares, 0, ["size"])
    assert caught.value.argument == "heat_layer"


def test_a_detector_without_anchors_shows_its_layers_but_no_anchors(white_finder, two_squares):
    assert anchors.fired(two_squares, 0.5) is None
    assert anchors.match(white_finder, two_squares, np.array([[0, 0, 1, 1]]), [1]) is None
    assert feature_maps.map_outputs(two_squares) == ["stem", "heat", "size"]


@pytest.fixture(scope="module")
def ssd_run():
    """A small SSD, and its run of the picture of a golden."""
    detector = tiny_parts(tiny_config())[1]
    return detector, run_picture(detector, np.asarray(synthetic_image(50, *variant_case("base").image_size), np.uint8))


def test_the_heat_of_an_anchor_is_around_it_on_its_level(ssd_run):
    _, run = ssd_run
    for level, start, cells in (("P3", 0, 4), ("P4", run.candidates.levels[0].size, 4)):
        index = next(i for i, row in enumerate(run.rows) if run.candidates.level_of(row).name == level)
        heat = gradient_map(run, index)
        assert heat.source == level
        of_level = run.candidates.level_of(run.rows[index])
        cell = (run.rows[index] - start) // of_level.per_cell
        row, column = divmod(int(cell), of_level.columns)
        rows, columns = np.nonzero(heat.values)
        shared = [name for name in run.outputs if name.startswith("heads/class_tower/conv_0:")]
        assert gradient_map(run, index, shared).source == f"heads/class_tower/conv_0:{run.levels.index(level)}"
        # Two 3 x 3 convolutions lie between a map and the predictions: nothing farther away has an influence.
        assert len(rows)
        assert max(abs(rows - row).max(), abs(columns - column).max()) <= cells


def test_fired_anchors_are_those_with_the_score(ssd_run):
    _, run = ssd_run
    scores = run.candidates.scores[0].numpy()
    least = float(np.sort(scores.max(axis=1))[-10])
    found = anchors.fired(run, least)
    assert len(found.rows) == (scores.max(axis=1) >= least).sum() >= 10
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_array_equal(found.classes, scores[found.rows].argmax(axis=1) + 1)
    table = anchors.levels(run.candidates, found, None)
    assert sum(level.fired for level in table) == len(found.rows)
    assert max(level.best_score for level in table) == pytest.approx(found.scores[0])


def test_matched_anchors_are_those_of_training(ssd_run):
    detector, run = ssd_run
    # In the picture's own frame, which the network sees padded or stretched: the box of an anchor matches that anchor.
    finest = run.candidates.levels[0]
    row = (finest.rows // 2 * finest.columns + finest.columns // 2) * finest.per_cell
    box = run.frame.to_picture(run.candidates.anchors.numpy())[row]
    boxes = np.array([box, [0.0, 0.0, 0.9, 0.9]])
    matched = anchors.match(detector, run, boxes, [2, 1])
    assert matched[row] == 0
    small, large = anchors.matched_boxes(run, boxes, [2, 1], matched, min_score=2.0)
    assert small.best_iou == pytest.approx(1, abs=1e-3)
    assert small.levels[0] == "P3"
    assert "P3" not in large.levels
    assert (small.is_found, small.class_id) == (False, 2)
    table = anchors.levels(run.candidates, anchors.fired(run, 2.0), matched)
    assert sum(level.matched for level in table) == (matched >= 0).sum() == len(small.anchors) + len(large.anchors)


def test_score_maps_have_the_best_anchor_of_each_cell(ssd_run):
    _, run = ssd_run
    maps = feature_maps.score_maps(run.candidates)
    scores, level = run.candidates.scores[0].numpy(), run.candidates.levels[0]
    assert list(maps) == ["P3", "P4", "P5", "P6", "P7"]
    cell = 2 * level.columns + 3
    expected = scores[cell * level.per_cell : (cell + 1) * level.per_cell].max(axis=0)
    np.testing.assert_array_equal(maps["P3"][:, 2, 3], expected)


def test_channels_are_chosen_or_those_that_vary_most(ssd_run):
    _, run = ssd_run
    output = run.outputs["P3"][0].numpy()
    chosen = feature_maps.feature_maps(run, "P3", [5, 2], 3)
    assert chosen.channels == (5, 2)
    np.testing.assert_array_equal(chosen.values[0], output[:, :, 5])
    strongest = feature_maps.feature_maps(run, "P3", None, 3)
    assert strongest.channels[0] == output.std(axis=(0, 1)).argmax()
    assert len(strongest.channels) == 3
    with pytest.raises(OdtkError, match=r"P3 has no channel 999; it has \d+, numbered from 0"):
        feature_maps.feature_maps(run, "P3", [0, 999], 3)
    with pytest.raises(OdtkError, match="P3 has no channel -1"):
        feature_maps.feature_maps(run, "P3", [-1], 3)
