"""Feature vectors of boxes, on networks whose maps are known."""

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tiny_detector import tiny_config, tiny_parts

from odtk.errors import OdtkError
from odtk.explaining.box_features import BoxFeatures, _pooled
from odtk.protos import pipeline_pb2


@pytest.fixture(scope="module")
def gray_meter():
    """Its layer `stem` says how bright each cell of 8 x 8 pixels is, in four channels; no pyramid."""
    config = text_format.Parse(fake_detector.CONFIG, pipeline_pb2.TrainEvalPipelineConfig())
    detector = fake_detector.FAMILY.build(config.model)
    detector.ensure_built()
    detector.network.stem.kernel.assign(tf.fill([3, 3, 3, 4], 255 / 27) * tf.constant([1.0, 2.0, 0.0, 3.0]))
    return detector


def test_a_box_has_the_mean_of_its_cells(gray_meter):
    features = BoxFeatures(gray_meter, "stem")
    pixels = np.zeros((96, 64, 3), np.uint8)  # twice the model's size, 48 x 32
    pixels[:48, :32] = 200
    pixels[48:, 32:] = 100
    quarters = np.float32([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.5, 0, 1, 0.5], [0.2, 0.2, 0.2, 0.2]])
    inner = quarters + np.float32([1, 1, -1, -1]) * [0.1, 0.2, 0.1, 0.2]  # away from cells that see two of them
    vectors = features(pixels, inner[:3])
    np.testing.assert_allclose(vectors.boxes[:, 0], [200, 100, 0], atol=6)
    np.testing.assert_allclose(vectors.boxes[:, 1:], vectors.boxes[:, :1] * [2, 0, 3], rtol=1e-4, atol=1e-3)
    assert vectors.picture[0] == pytest.approx(75, abs=6)
    assert features(pixels, quarters[3:]).boxes.shape == (1, 4)  # without an area
    assert features(pixels, quarters[:0]).boxes.shape == (0, 4)


def test_layers_that_give_no_maps_are_refused(gray_meter):
    with pytest.raises(OdtkError, match=r"no pyramid.*its 3 layers, such as stem") as caught:
        BoxFeatures(gray_meter)
    assert caught.value.argument == "layer"
    with pytest.raises(OdtkError, match=r"no layer stam. Similar ones are stem"):
        BoxFeatures(gray_meter, "stam")
    with pytest.raises(OdtkError, match=r"s\* means 2 layers, stem, size"):
        BoxFeatures(gray_meter, "s*")
    with pytest.raises(OdtkError, match=r"outputs of size have the shapes \(1, 2\); feature maps .* are needed"):
        BoxFeatures(gray_meter, "size")._check([tf.zeros([1, 2])], [])


def test_each_box_is_read_where_its_size_is_detected():
    """Maps whose value is their own number, of an image of 128 x 128 pixels."""
    maps = [tf.fill([1, side, side, 1], float(number)) for number, side in enumerate((16, 8, 4))]
    sides = np.float32([20, 40, 60, 100, 128, 3])
    corners = np.stack([np.zeros(6), np.zeros(6), sides, sides], axis=1).astype(np.float32)
    assert _pooled(maps, corners, (128, 128))[:, 0].tolist() == [0, 0, 1, 1, 2, 0]


def test_a_map_is_read_between_its_cells():
    ramp = tf.reshape(tf.range(8.0), [1, 1, 8, 1]) + tf.zeros([1, 8, 1, 1])  # the cell x has the value x, at x + 0.5
    corners = np.float32([[8, 8, 40, 24], [16, 32, 40, 40]])  # of 64 pixels
    assert _pooled([ramp], corners, (64, 64))[:, 0] == pytest.approx([1.5, 4.0], abs=1e-5)


def test_the_levels_of_a_pyramid_are_the_default():
    _, detector, _, _ = tiny_parts(tiny_config())
    image = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
    vectors = BoxFeatures(detector)(image, np.float32([[0.1, 0.1, 0.3, 0.3], [0, 0, 1, 1]]))
    assert vectors.boxes.shape == (2, 64)
    np.testing.assert_allclose(vectors.boxes[1], vectors.picture, rtol=1e-5)
    assert np.abs(vectors.boxes).sum() > 0
    # The whole picture has about five cells in one of the coarser levels.
    assert any(np.array_equal(BoxFeatures(detector, name)(image, np.zeros([0, 4])).picture, vectors.picture)
               for name in ("P5", "P6", "P7"))  # fmt: skip
    # A layer that all levels share has as many outputs, from which is chosen in the same way.
    tower = BoxFeatures(detector, "heads/class_tower")(image, np.float32([[0.1, 0.1, 0.3, 0.3]]))
    assert tower.boxes.shape == (1, 8)
