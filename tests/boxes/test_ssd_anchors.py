import numpy as np
import pytest

from odtk.boxes.ssd_anchors import SsdAnchors
from odtk.boxes.ssd_shapes import even_scales, ssd_shapes

MAPS = [(4, 3), (2, 2)]


def slow_anchors(anchors: SsdAnchors, height: int, width: int, sizes) -> np.ndarray:
    """The definition, one anchor at a time, in float64 and pixels."""
    found, short = [], min(height, width)
    for index, (rows, columns) in enumerate(sizes):
        stride_y, stride_x = anchors.strides[index] if anchors.strides else (height / rows, width / columns)
        first_y, first_x = anchors.offsets[index] if anchors.offsets else (stride_y / 2, stride_x / 2)
        for row in range(rows):
            for column in range(columns):
                for scale, ratio in anchors.shapes[index]:
                    half_height = scale / ratio**0.5 * short * anchors.base_size[0] / 2
                    half_width = scale * ratio**0.5 * short * anchors.base_size[1] / 2
                    y, x = first_y + row * stride_y, first_x + column * stride_x
                    found.append([y - half_height, x - half_width, y + half_height, x + half_width])
    return np.array(found) / [height, width, height, width]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base_size": (0.5, 2.0)},
        {"strides": [(16, 20), (32, 33)]},
        {"offsets": [(7, 0), (16, 16)]},
        {"strides": [(16, 20), (32, 33)], "offsets": [(7, 0), (16, 16)]},
    ],
    ids=["plain", "base size", "strides", "offsets", "both"],
)
@pytest.mark.parametrize(("height", "width"), [(64, 48), (48, 64)])
def test_anchors_are_their_definition(options, height, width):
    anchors = SsdAnchors([[(0.1, 1.0), (0.4, 2.0), (0.4, 0.5)], [(0.9, 1.0), (0.95, 3.0)]], **options)
    assert anchors.per_location == (3, 2)
    found = anchors((height, width), MAPS)
    np.testing.assert_allclose(found, slow_anchors(anchors, height, width, MAPS), atol=1e-6)


def test_the_papers_shapes():
    """Six maps of a 300x300 image: 1917 anchors, as in TFOD's ssd_mobilenet_v2."""
    shapes = ssd_shapes(6, even_scales(6, 0.2, 0.95), [1.0, 2.0, 0.5, 3.0, 1 / 3])
    assert shapes[0] == [(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)]
    assert [len(each) for each in shapes] == [3, 6, 6, 6, 6, 6]
    assert [each[0][0] for each in shapes[1:]] == pytest.approx([0.35, 0.5, 0.65, 0.8, 0.95])
    assert shapes[1][-1] == (pytest.approx((0.35 * 0.5) ** 0.5), 1.0)
    assert shapes[5][-1] == (pytest.approx(0.95**0.5), 1.0)
    maps = [(side, side) for side in (19, 10, 5, 3, 2, 1)]
    assert len(SsdAnchors(shapes)((300, 300), maps)) == 1917


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"interpolated_aspect_ratio": 0.0}, [[(0.2, 1.0)], [(0.5, 1.0)]]),
        ({"interpolated_aspect_ratio": 2.0}, [[(0.2, 1.0), (0.1**0.5, 2.0)], [(0.5, 1.0), (0.35**0.5, 2.0)]]),
        (
            {"few_on_finest": True, "interpolated_aspect_ratio": 0.0},
            [[(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)], [(0.5, 1.0)]],
        ),
    ],
)
def test_shapes_of_given_scales(options, expected):
    """The scale after the last map's counts, if there is one; else it is 1."""
    found = ssd_shapes(2, [0.2, 0.5, 0.7], [1.0], **({"few_on_finest": False} | options))
    assert [[pytest.approx(shape) for shape in each] for each in expected] == found
