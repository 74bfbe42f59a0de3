"""Checks an image_resizer's numbers, and whether a network accepts the resulting images. No TensorFlow."""

import math
from collections.abc import Iterator

from odtk.detectors.parts.input_size import InputSize, fixed_sides
from odtk.detectors.parts.validation import error
from odtk.findings import NOTE, Finding

_SIZES = ("height", "width", "min_dimension", "max_dimension", "size_threshold", "multiple")


def no_resizer(path: str, side: int) -> Finding:
    """That the resizer at `path` has no member set; the edits make images squares of this side."""
    fixed = f"{path}.fixed_shape_resizer"
    text = "is empty, so images have no size; TFOD refuses that, and so does odtk."
    return error(path, text, (f"{fixed}.height", side), (f"{fixed}.width", side))


def image_resizer(resizer, path: str) -> Iterator[Finding]:
    """The findings about the numbers of the resizer at `path`, which must have a member set."""
    kind = resizer.WhichOneof("image_resizer_oneof")
    numbers, path = getattr(resizer, kind), f"{path}.{kind}"
    for name in _SIZES:
        if getattr(numbers, name, 1) < 1:
            yield error(
                f"{path}.{name}", f"is {getattr(numbers, name)}; it must be at least 1.", (f"{path}.{name}", "")
            )
    if getattr(numbers, "convert_to_grayscale", False):
        field = f"{path}.convert_to_grayscale"
        yield error(field, "is true, but odtk's detectors take RGB images.", (field, ""))
    if kind == "keep_aspect_ratio_resizer":
        least, most = numbers.min_dimension, numbers.max_dimension
        if least > most:
            text = f"is {least}, above max_dimension {most}; it is the length of the short side."
            yield error(f"{path}.min_dimension", text, (f"{path}.min_dimension", most))
        count = len(numbers.per_channel_pad_value)
        if count not in (0, 3):
            field = f"{path}.per_channel_pad_value"
            text = f"has {count} values; give three (red, green, blue) or none, which is (0, 0, 0)."
            yield error(field, text, (field, ""))
    if kind == "conditional_shape_resizer" and not numbers.condition:
        field = f"{path}.condition"
        yield error(field, "is INVALID; it is GREATER or SMALLER.", (field, "GREATER"))


def image_sides(resizer, path: str, size: InputSize, coarsest_stride: int, padding_field: str) -> Iterator[Finding]:
    """The findings about images that the network does not accept.

    `padding_field` is the field of the model that pads images to a multiple, `coarsest_stride` that of the network's
    coarsest feature map.
    """
    sides, kind = fixed_sides(resizer), resizer.WhichOneof("image_resizer_oneof")
    path = f"{path}.{kind}"
    if not sides:
        yield from _any_size(resizer, path, size, (padding_field, coarsest_stride))
        return
    edits = [(f"{path}.{name}", size.usable_side(side)) for name, side in sides.items()]
    for name, side in sides.items():
        if side < size.least_side:
            only = f", and only multiples of {size.side_multiple}" if size.side_multiple > 1 else ""
            text = f"is {side}; this model takes no side below {size.least_side}{only}."
            yield error(f"{path}.{name}", text, *edits)
            return
        if not size.takes(side):
            multiple = f"is {side}, which is not a multiple of {size.side_multiple}"
            text = f"{multiple}: the levels of the feature pyramid do not meet."
            yield error(f"{path}.{name}", text, *edits)
            return


def moved_anchors(resizer, path: str, coarsest_stride: int) -> Iterator[Finding]:
    """A note for a resizer to fixed sides where a multiscale_anchor_generator's coarse levels are moved.

    Their anchors begin at the image's edge, not half a stride from it. Other generators have no such rule.
    """
    sides = fixed_sides(resizer)
    odd = " and ".join(f"{name} {side}" for name, side in sides.items() if side % coarsest_stride)
    if odd:
        text = (
            f"{odd}: no multiple of {coarsest_stride}. It works; as in TFOD, anchors of the coarse levels whose stride "
            "does not divide the side begin at the image's edge, half a stride off."
        )
        yield Finding(NOTE, text, f"{path}.{resizer.WhichOneof('image_resizer_oneof')}")


def _any_size(resizer, path: str, size: InputSize, padding: tuple[str, int]) -> Iterator[Finding]:
    own = resizer.pad_to_multiple_resizer.multiple if path.endswith(".pad_to_multiple_resizer") else 1
    if math.lcm(size.pad_to_multiple, own) % size.side_multiple:
        text = f"gives images of any size, and this model takes multiples of {size.side_multiple} only; pad them."
        yield error(path, text, padding)
    else:
        text = f"gives images of any size; those with a side below {size.least_side} cannot be used."
        yield Finding(NOTE, text, path)
