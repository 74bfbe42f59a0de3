"""Sides that a network takes, and what a resizer makes of images."""

import pytest
from google.protobuf import text_format

from odtk.detectors.parts.input_size import InputSize, fixed_sides, output_size
from odtk.protos import image_resizer_pb2

RESNET, PADDED, ODDLY_PADDED = InputSize(1, 129, 32), InputSize(128, 129, 32), InputSize(40, 129, 32)


@pytest.mark.parametrize(
    ("size", "taken", "refused"),
    [(RESNET, [160, 640], [128, 129, 161]), (PADDED, [129, 160, 300], [128]), (ODDLY_PADDED, [160, 288], [170, 192])],
)
def test_the_least_side_counts_before_padding_and_the_multiple_after_it(size, taken, refused):
    assert all(size.takes(side) for side in taken)
    assert not any(size.takes(side) for side in refused)


@pytest.mark.parametrize("size", [RESNET, PADDED, ODDLY_PADDED])
@pytest.mark.parametrize("side", [1, 129, 160, 170, 1000])
def test_the_usable_side_is_taken(size, side):
    usable = size.usable_side(side)
    assert usable >= side
    assert usable % 32 == 0
    assert size.takes(usable)


@pytest.mark.parametrize(
    ("text", "sides", "output"),
    [
        ("fixed_shape_resizer { height: 320 width: 640 }", {"height": 320, "width": 640}, (320, 640)),
        (
            "keep_aspect_ratio_resizer { max_dimension: 512 pad_to_max_dimension: true }",
            {"max_dimension": 512},
            (512, 512),
        ),
        ("keep_aspect_ratio_resizer { max_dimension: 512 }", {}, None),
        ("identity_resizer { }", {}, None),
        ("", {}, None),
    ],
)
def test_sides_that_do_not_depend_on_the_image(text, sides, output):
    resizer = text_format.Parse(text, image_resizer_pb2.ImageResizer())
    assert (fixed_sides(resizer), output_size(resizer)) == (sides, output)
