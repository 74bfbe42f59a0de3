"""The image sizes that a network accepts, and the size of a resizer's output. No TensorFlow."""

import itertools
import math
from dataclasses import dataclass

from odtk.protos import image_resizer_pb2


@dataclass(frozen=True)
class InputSize:
    """`pad_to_multiple` is the config's; a network accepts sides from `least_side`, in multiples of `side_multiple`.

    The minimum is for images before padding, the multiple for those after it. Sides are in pixels. Before it is checked
    against the multiple, a side is rounded up to `finest_stride`, the stride of the finest maps that have to match.
    """

    pad_to_multiple: int = 1
    least_side: int = 1
    side_multiple: int = 1
    finest_stride: int = 1

    def padded_side(self, side: int) -> int:
        """A side after padding."""
        return side + -side % self.pad_to_multiple

    def takes(self, side):
        """Whether the network accepts images with this side, a number or an int tensor of any shape."""
        padded = self.padded_side(side)
        rounded_up = padded + -padded % self.finest_stride
        return (side >= self.least_side) & (rounded_up % self.side_multiple == 0)

    def usable_side(self, side: int) -> int:
        """The smallest multiple of `side_multiple` that is at least this side and that the network accepts."""
        first = math.ceil(max(side, self.least_side) / self.side_multiple)
        # After padding a multiple may not be one anymore, except for common multiples of both.
        multiples = (count * self.side_multiple for count in itertools.count(first))
        return next(multiple for multiple in multiples if self.takes(multiple))


def output_size(resizer: image_resizer_pb2.ImageResizer) -> tuple[int, int] | None:
    """(height, width) of every resized image, including padding; None if it depends on the image."""
    sides = list(fixed_sides(resizer).values())
    return (sides[0], sides[-1]) if sides else None


def fixed_sides(resizer: image_resizer_pb2.ImageResizer) -> dict[str, int]:
    """Fields that set a side, and the sides: height and width, or one for both; empty if they depend on the image."""
    match resizer.WhichOneof("image_resizer_oneof"):
        case "fixed_shape_resizer":
            return {"height": resizer.fixed_shape_resizer.height, "width": resizer.fixed_shape_resizer.width}
        case "keep_aspect_ratio_resizer" if resizer.keep_aspect_ratio_resizer.pad_to_max_dimension:
            return {"max_dimension": resizer.keep_aspect_ratio_resizer.max_dimension}
    return {}
