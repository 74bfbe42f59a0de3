"""What images have to be for a network to take them, and the size that a resizer gives them. No TensorFlow."""

import math
from dataclasses import dataclass

from odtk.protos import image_resizer_pb2


@dataclass(frozen=True)
class InputSize:
    """`pad_to_multiple` is the config's; a network takes sides from `least_side`, multiples of `side_multiple`.

    The least side counts before images are padded, the multiple once they are. Sides are in pixels.
    """

    pad_to_multiple: int = 1
    least_side: int = 1
    side_multiple: int = 1

    def padded_side(self, side: int) -> int:
        """A side once its image is padded."""
        return side + -side % self.pad_to_multiple

    def takes(self, side):
        """Whether the network takes images of this side, a number or an int tensor of any shape."""
        return (side >= self.least_side) & (self.padded_side(side) % self.side_multiple == 0)

    def usable_side(self, side: int) -> int:
        """The least side from this one up that the network takes without padding."""
        return math.ceil(max(side, self.least_side) / self.side_multiple) * self.side_multiple


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
