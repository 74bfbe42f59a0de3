"""Checks of the image sizes that the SSD-ResNet-FPN family can take."""

import math

from odtk.tools.check_config.findings import Inspection, setting

# The feature pyramid merges maps by doubling, from stride 32 down; its coarsest stride is 128.
_MERGE_STRIDE, _COARSEST_STRIDE = 32, 128
# TFOD's feature extractor refuses smaller images, before it pads them.
_LEAST_SIDE = 129


def check_image_size(inspection: Inspection, ssd) -> None:
    """Reports on the sides of the images that `image_resizer` gives, and on batches of them."""
    resizer = ssd.image_resizer
    kind = resizer.WhichOneof("image_resizer_oneof")
    if kind is None:
        return
    path, multiple = f"model.ssd.image_resizer.{kind}", max(ssd.feature_extractor.pad_to_multiple, 1)
    if kind == "fixed_shape_resizer":
        fixed = resizer.fixed_shape_resizer
        _check_sides(inspection, path, {"height": fixed.height, "width": fixed.width}, multiple)
    elif kind == "keep_aspect_ratio_resizer":
        _check_keep_aspect_ratio(inspection, path, resizer.keep_aspect_ratio_resizer, multiple)
    else:
        own = resizer.pad_to_multiple_resizer.multiple if kind == "pad_to_multiple_resizer" else 1
        _check_any_size(inspection, path, math.lcm(multiple, max(own, 1)))


def _check_sides(inspection: Inspection, path: str, sides: dict[str, int], multiple: int) -> None:
    for name, side in sides.items():
        padded = math.ceil(side / multiple) * multiple
        if side >= _LEAST_SIDE and padded % _MERGE_STRIDE == 0:
            continue
        good = [max(math.ceil(value / _MERGE_STRIDE) * _MERGE_STRIDE, _LEAST_SIDE + 31) for value in sides.values()]
        height, width = (good * 2)[:2]
        if side < _LEAST_SIDE:
            text = f"is {side}; this model takes no side below {_LEAST_SIDE}."
        else:
            text = f"is {side}, which is no multiple of {_MERGE_STRIDE}: the levels of the feature pyramid do not meet."
        inspection.error(f"{path}.{name}", text, ("--image-size", f"{height}x{width}"))
        return
    odd = {name: side for name, side in sides.items() if side % _COARSEST_STRIDE}
    if odd:
        listed = " and ".join(f"{name} {side}" for name, side in odd.items())
        text = (
            f"{listed}: no multiple of {_COARSEST_STRIDE}. It works; as in TFOD, anchors of the coarse levels whose "
            "stride does not divide the side begin at the image's edge, half a stride off."
        )
        inspection.information(path, text)


def _check_keep_aspect_ratio(inspection: Inspection, path: str, resizer, multiple: int) -> None:
    least, most = resizer.min_dimension, resizer.max_dimension
    if least > most:
        text = f"is {least}, above max_dimension {most}; it is the length of the short side."
        inspection.error(f"{path}.min_dimension", text, setting(f"{path}.min_dimension", most))
    elif resizer.pad_to_max_dimension:
        _check_sides(inspection, path, {"max_dimension": most}, multiple)
    else:
        _check_any_size(inspection, path, multiple)


def _check_any_size(inspection: Inspection, path: str, multiple: int) -> None:
    """For resizers whose output has the image's own proportions."""
    config, padding = inspection.config, "model.ssd.feature_extractor.pad_to_multiple"
    if multiple % _MERGE_STRIDE:
        text = f"gives images of any size, and this model takes multiples of {_MERGE_STRIDE} only; pad them."
        inspection.error(path, text, setting(padding, _COARSEST_STRIDE))
    else:
        text = f"gives images of any size; those with a side below {_LEAST_SIDE} cannot be used."
        inspection.information(path, text)
    for section in ("train_config", "eval_config"):
        batch_size = getattr(config, section).batch_size
        if batch_size > 1:
            field = f"{section}.batch_size"
            text = f"is {batch_size}, but {path} gives images of several sizes, which cannot share a batch."
            inspection.error(field, text, ("--image-size", "640x640"))
