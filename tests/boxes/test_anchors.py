import numpy as np
import pytest
import tensorflow as tf

from odtk.boxes.anchors import MultiscaleAnchors

RETINANET = MultiscaleAnchors(3, 7, 4.0, (1.0, 2.0, 0.5), 2)


def map_sizes(grid, height, width):
    return [(-(-height // 2**level), -(-width // 2**level)) for level in grid.levels]


def slow_anchors(grid, height, width, sizes, static=True):
    """The definition, one anchor at a time, in float64."""
    anchors = []
    for level, (rows, columns) in zip(grid.levels, sizes, strict=True):
        stride = 2**level
        offset_y, offset_x = (stride / 2 if side % stride == 0 or not static else 0 for side in (height, width))
        for row in range(rows):
            for column in range(columns):
                for ratio in grid.aspect_ratios:
                    for octave in range(grid.scales_per_octave):
                        size = stride * grid.anchor_scale * 2 ** (octave / grid.scales_per_octave)
                        half_height, half_width = size / ratio**0.5 / 2, size * ratio**0.5 / 2
                        cy, cx = row * stride + offset_y, column * stride + offset_x
                        anchors.append([cy - half_height, cx - half_width, cy + half_height, cx + half_width])
    return np.array(anchors) / [height, width, height, width]


@pytest.mark.parametrize(
    ("grid", "height", "width"),
    [
        (RETINANET, 128, 256),
        (RETINANET, 160, 288),  # 160 is not a multiple of 64 and 128, 288 none of 64 and 128
        (RETINANET, 150, 210),  # not a multiple of anything
        (MultiscaleAnchors(2, 6, 3.0, (0.5, 1.5), 3), 96, 64),
        (MultiscaleAnchors(5, 5, 2.0, (1.0,), 1), 64, 64),
    ],
    ids=["divisible", "partly", "nowhere", "levels 2 to 6", "one level"],
)
def test_against_the_definition(grid, height, width):
    sizes = map_sizes(grid, height, width)
    np.testing.assert_allclose(grid((height, width), sizes), slow_anchors(grid, height, width, sizes), atol=1e-6)


def test_640_has_51150_anchors():
    assert RETINANET.per_location == (6,) * 5
    assert RETINANET((640, 640), map_sizes(RETINANET, 640, 640)).shape == (51150, 4)


def test_first_center_of_each_axis_by_divisibility():
    grid = MultiscaleAnchors(5, 5, 4.0, (1.0,), 1)
    top, left, bottom, right = grid((64, 80), [(2, 3)])[0].numpy()
    assert (top + bottom) / 2 * 64 == pytest.approx(16)  # 64 is a multiple of 32: stride / 2
    assert (left + right) / 2 * 80 == pytest.approx(0, abs=1e-5)  # 80 is not: 0


def test_unknown_size_always_starts_at_half_a_stride():
    sizes = map_sizes(RETINANET, 150, 210)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int32)])
    def anchors(size):
        return RETINANET(tuple(tf.unstack(size)), sizes, static=False)

    got = anchors(tf.constant([150, 210]))
    np.testing.assert_allclose(got, slow_anchors(RETINANET, 150, 210, sizes, static=False), atol=1e-6)


def test_static_and_dynamic_agree_where_every_stride_divides():
    sizes = map_sizes(RETINANET, 128, 256)
    static = RETINANET((128, 256), sizes)
    np.testing.assert_array_equal(static, RETINANET((tf.constant(128), tf.constant(256)), sizes, static=False))


def test_as_many_maps_as_levels():
    with pytest.raises(ValueError, match="shorter"):
        RETINANET((128, 128), map_sizes(RETINANET, 128, 128)[:-1])
