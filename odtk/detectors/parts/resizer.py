"""An ImageResizer message to the function that brings images to the detector's size."""

from collections.abc import Callable

from odtk import images
from odtk.detectors.parts.image_validation import image_resizer
from odtk.errors import ConfigError
from odtk.protos import image_resizer_pb2

_METHODS = {
    image_resizer_pb2.BILINEAR: "bilinear",
    image_resizer_pb2.NEAREST_NEIGHBOR: "nearest",
    image_resizer_pb2.BICUBIC: "bicubic",
    image_resizer_pb2.AREA: "area",
}


def build_resizer(message: image_resizer_pb2.ImageResizer, color_of: Callable = tuple) -> Callable:
    """The function image [h, w, 3] (uint8 or float32) -> (float32 image, true_image_shape int32 [3]).

    true_image_shape is the part of the result that shows the image; the rest, bottom and right, is padding, of which
    the config says the values. Where TFOD pads images that are preprocessed already (SSD; not Faster R-CNN, CenterNet),
    `color_of` gives the color that preprocessing turns into three values: odtk preprocesses last. ConfigError where
    no resizer is set or its numbers cannot be used.
    """
    kind = message.WhichOneof("image_resizer_oneof")
    if kind is None:
        raise ConfigError(
            "image_resizer is empty: no size for the detector's input; "
            "add, say, image_resizer { fixed_shape_resizer { height: 640 width: 640 } }."
        )
    resizer = getattr(message, kind)
    errors = [f"{error.path} {error.text}" for error in image_resizer(message, "image_resizer")]
    if errors:
        raise ConfigError(" ".join(errors))
    return _BUILDERS[kind](resizer, color_of)


def _build_fixed_shape(resizer, color_of) -> Callable:
    height, width, method = resizer.height, resizer.width, _METHODS[resizer.resize_method]
    return lambda image: images.resize_to_fixed(image, height, width, method)


def _build_keep_aspect_ratio(resizer, color_of) -> Callable:
    options = {
        "min_dimension": resizer.min_dimension,
        "max_dimension": resizer.max_dimension,
        "method": _METHODS[resizer.resize_method],
        "pad_to_max_dimension": resizer.pad_to_max_dimension,
        "pad_value": color_of(resizer.per_channel_pad_value or (0.0, 0.0, 0.0)),
    }
    return lambda image: images.resize_keeping_aspect_ratio(image, **options)


def _build_identity(resizer, color_of) -> Callable:
    return images.keep_size


def _build_conditional_shape(resizer, color_of) -> Callable:
    limit, method = resizer.size_threshold, _METHODS[resizer.resize_method]
    if resizer.condition == image_resizer_pb2.ConditionalShapeResizer.GREATER:
        return lambda image: images.resize_long_side_down(image, limit, method)
    return lambda image: images.resize_short_side_up(image, limit, method)


def _build_pad_to_multiple(resizer, color_of) -> Callable:
    multiple, color = resizer.multiple, color_of((0.0, 0.0, 0.0))
    return lambda image: images.pad_to_multiple(image, multiple, color)


_BUILDERS = {
    "fixed_shape_resizer": _build_fixed_shape,
    "keep_aspect_ratio_resizer": _build_keep_aspect_ratio,
    "identity_resizer": _build_identity,
    "conditional_shape_resizer": _build_conditional_shape,
    "pad_to_multiple_resizer": _build_pad_to_multiple,
}
