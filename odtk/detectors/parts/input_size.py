"""What images have to be for a network to take them, and the size that a resizer gives them. No TensorFlow."""

import itertools
import math
from dataclasses import dataclass

from odtk.protos import image_resizer_pb2


@dataclass(frozen=True)
class InputSize:
    """`pad_to_multiple` is the config's; a network takes sides from `least_side`, multiples of `side_multiple`.

    The least side counts before images are padded, the multiple once they are. Sides are in pixels. It is
    the side rounded up to `finest_stride` that counts, where the maps that have to meet are no finer than that.
    """

    pad_to_multiple: int = 1
    least_side: int = 1
    side_multiple: int = 1
    finest_stride: int = 1

    def padded_side(self, side: int) -> int:
        """A side once its image is padded."""
        return side + -side % self.pad_to_multiple

    def takes(self, side):
        """Whether the network takes images of this side, a number or an int tensor of any shape."""
        padded = self.padded_side(side)
        rounded_up = padded + -padded % self.finest_stride
        return (side >= self.least_side) & (rounded_up % self.side_multiple == 0)

    def usable_side(self, side: int) -> int:
        """The least multiple of `side_multiple`, from this side up, that the network takes."""
        first = math.ceil(max(side, self.least_side) / self.side_multiple)
        # Padding may spoil a multiple, but not the common one of both.
        multiples = (count * self.side_multiple for count in itertools.count(first))
        return next(multiple for multiple in multiples if self.takes(multiple))


def output_size(resizer: image_resizer_pb2.ImageResizer) -> tuple[int, int] | None:
    """(height, width) of every resized image, padding included, or None where it depends on the image."""
    sides = list(fixed_sides(resizer).values())
    return (sides[0], sides[-1]) if sides else None


def fixed_sides(resizer: image_resizer_pb2.ImageResizer) -> dict[str, int]:
    """The fields that set a side, and the sides: height and width, or one for both; empty where the image decides."""
    match resizer.WhichOneof("image_resizer_oneof"):
        case "fixed_shape_resizer":
            return {"height": resizer.fixed_shape_resizer.height, "width": resizer.fixed_shape_resizer.width}
        case "keep_aspect_ratio_resizer" if resizer.keep_aspect_ratio_resizer.pad_to_max_dimension:
            return {"max_dimension": resizer.keep_aspect_ratio_resizer.max_dimension}
    return {}
