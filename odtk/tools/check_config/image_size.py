"""Checks of the image sizes that the SSD-ResNet-FPN family can take."""

from odtk.detectors.ssd.validation import LEAST_SIDE, image_sides, image_size_refusals, usable_side
from odtk.tools.check_config.findings import Inspection, setting

_COARSEST_STRIDE = 128


def check_image_size(inspection: Inspection, ssd) -> None:
    """Reports on the sides of the images that `image_resizer` gives, and on batches of them."""
    kind = ssd.image_resizer.WhichOneof("image_resizer_oneof")
    if kind is None:
        return
    path, sides = f"model.ssd.image_resizer.{kind}", image_sides(ssd)
    if kind == "keep_aspect_ratio_resizer" and _check_order(inspection, path, ssd.image_resizer):
        return
    refused = False
    for field, text in image_size_refusals(ssd):
        refused = True
        inspection.error(field, text, _good_size(path, sides))
    if not sides:
        _check_any_size(inspection, path, ssd.image_resizer, refused)
    elif not refused:
        _report_odd_sides(inspection, path, sides)


def _check_order(inspection: Inspection, path: str, resizer) -> bool:
    """Whether it found, and reported, a minimum above the maximum."""
    least = resizer.keep_aspect_ratio_resizer.min_dimension
    most = resizer.keep_aspect_ratio_resizer.max_dimension
    if least > most:
        text = f"is {least}, above max_dimension {most}; it is the length of the short side."
        inspection.error(f"{path}.min_dimension", text, setting(f"{path}.min_dimension", most))
    return least > most


def _good_size(path: str, sides: dict[str, int]) -> tuple[str, ...]:
    """What makes these sides good, or pads images of any size."""
    if not sides:
        return setting("model.ssd.feature_extractor.pad_to_multiple", _COARSEST_STRIDE)
    if "max_dimension" in sides:
        return setting(f"{path}.max_dimension", usable_side(sides["max_dimension"]))
    return "--image-size", "x".join(str(usable_side(side)) for side in sides.values())


def _report_odd_sides(inspection: Inspection, path: str, sides: dict[str, int]) -> None:
    odd = {name: side for name, side in sides.items() if side % _COARSEST_STRIDE}
    if odd:
        listed = " and ".join(f"{name} {side}" for name, side in odd.items())
        text = (
            f"{listed}: no multiple of {_COARSEST_STRIDE}. It works; as in TFOD, anchors of the coarse levels whose "
            "stride does not divide the side begin at the image's edge, half a stride off."
        )
        inspection.information(path, text)


def _check_any_size(inspection: Inspection, path: str, resizer, refused: bool) -> None:
    """For resizers whose output has the image's own proportions."""
    if not refused:
        text = f"gives images of any size; those with a side below {LEAST_SIDE} cannot be used."
        inspection.information(path, text)
    for section in ("train_config", "eval_config"):
        batch_size = getattr(inspection.config, section).batch_size
        if batch_size > 1:
            field = f"{section}.batch_size"
            text = f"is {batch_size}, but {path} gives images of several sizes, which cannot share a batch."
            inspection.error(field, text, _one_size(path, resizer))


def _one_size(path: str, resizer) -> tuple[str, ...]:
    """What makes all images as large; only padding keeps the size that was chosen."""
    if not path.endswith(".keep_aspect_ratio_resizer"):
        return "--image-size", "HEIGHTxWIDTH"
    most = resizer.keep_aspect_ratio_resizer.max_dimension
    padding = setting(f"{path}.pad_to_max_dimension", "true")
    return padding if usable_side(most) == most else padding + setting(f"{path}.max_dimension", usable_side(most))
