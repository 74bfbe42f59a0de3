"""Checks of `model`: whether odtk has its family, the family's own findings, and image sizes in a batch."""

from odtk.detectors import families
from odtk.detectors.family import Family
from odtk.tools.check_config.config_checks import ConfigChecks, setting
from odtk.tools.check_config.start_over import start_over


def is_of_another_family(config) -> bool:
    """Whether the config's model is of a family that odtk does not have, and not a misspelling of one that it has."""
    is_set = config.model.WhichOneof("model") is not None
    return is_set and families.find(config) is None and families.meant(config) is None


def check_model(checks: ConfigChecks) -> None:
    """Reports on `model`; if odtk does not have its family, only that, and how to start over."""
    config = checks.config
    family = families.find(config)
    if family is None:
        _report_family(checks, config.model)
        return
    for finding in family.validate(config.model):
        checks.add(finding, otherwise=lambda: start_over(config))
    if family.image_resizer(config.model).WhichOneof("image_resizer_oneof") and not family.fixed_sides(config.model):
        _check_batches(checks, family)


def _report_family(checks: ConfigChecks, model) -> None:
    kind, name, other_detector = model.WhichOneof("model"), families.type_of(model), families.other_detector(model)
    meant = "" if other_detector else families.meant(model)
    field = f"model.{kind}.feature_extractor.type"
    if kind is None:
        checks.error("model", "is empty: there is nothing to train.", start_over(checks.config))
    elif meant:
        checks.error(field, f"odtk has no model '{name}'. Did you mean {meant}?", setting(field, meant))
    elif kind in families.kinds():
        text = f"odtk does not implement '{name}'{other_detector}; it has" if name else "is not set; odtk has"
        text += f" {', '.join(families.names(kind))}."
        checks.error(field, text, start_over(checks.config))
    else:
        text = f"odtk does not implement this model; it has {families.described()}."
        checks.error(f"model.{kind}", text, start_over(checks.config))


def _check_batches(checks: ConfigChecks, family: Family) -> None:
    """Checks resizers that keep the image's aspect ratio."""
    resizer = family.image_resizer(checks.config.model)
    path = f"{family.image_resizer_field}.{resizer.WhichOneof('image_resizer_oneof')}"
    for section in ("train_config", "eval_config"):
        batch_size = getattr(checks.config, section).batch_size
        if batch_size > 1:
            text = f"is {batch_size}, but {path} gives images of several sizes, which cannot share a batch"
            micro = f", except in micro-batches of 1: `odtk train --accumulate {batch_size}`"
            text += f"{micro if section == 'train_config' else ''}."
            checks.error(f"{section}.batch_size", text, _one_size(checks, family, path))


def _one_size(checks: ConfigChecks, family: Family, path: str) -> tuple[str, ...]:
    """The edits that give all images the same size; only padding keeps the chosen size."""
    if not path.endswith(".keep_aspect_ratio_resizer"):
        return "--image-size", "HEIGHTxWIDTH"
    most = family.image_resizer(checks.config.model).keep_aspect_ratio_resizer.max_dimension
    usable = family.input_size(checks.config.model).usable_side(most)
    padding = setting(f"{path}.pad_to_max_dimension", "true")
    return padding if usable == most else padding + setting(f"{path}.max_dimension", usable)
