"""Starts over from a shipped pipeline if odtk does not have a config's model, and keeps the data and sizes."""

import re

from odtk import pipeline, resources
from odtk.detectors import families
from odtk.tools.check_config.config_checks import PLACEHOLDER, configure_command, setting

# Among shipped pipelines that are equally close, these come first.
_PREFERRED = ("ssd_resnet50_v1_fpn_640x640_pets", "ssd_mobilenet_v2_fpnlite_320x320_pets")


def start_over(config) -> str:
    """The command that copies a shipped pipeline to another file, with this config's data, classes, sizes and steps."""
    shipped = _closest(config.model)
    options = [*_data(config), *_classes(config.model), *_length(config.train_config)]
    options += _image_size(config.model, pipeline.read(shipped).model)
    return configure_command(shipped, "new_pipeline.config", options)


def _closest(model) -> str:
    """The shipped pipeline for fine-tuning whose model is the most similar: its kind, then the words of its type."""
    known = resources.shipped_files("pipelines", ".config")
    closeness: dict[str, tuple[bool, int]] = {}
    for name in sorted(known, key=lambda name: (*(name != each for each in _PREFERRED), name)):
        shipped = pipeline.read(known[name])
        if shipped.train_config.fine_tune_checkpoint:
            is_same_kind = shipped.model.WhichOneof("model") == model.WhichOneof("model")
            closeness[name] = is_same_kind, len(_words(shipped.model) & _words(model))
    return max(closeness, key=closeness.__getitem__)


def _words(model) -> set[str]:
    """The words of a model's type: {"ssd", "mobilenet", "fpn"}. Numbers, versions and Keras tell nothing."""
    return set(re.findall(r"[a-z]{3,}", families.type_of(model).lower())) - {"keras"}


def _data(config) -> list[str]:
    train, evals = config.train_input_reader, config.eval_input_reader[:1]
    options = [("--label-map", train.label_map_path)]
    options += [("--train-records", path) for path in train.tf_record_input_reader.input_path]
    options += [("--eval-records", path) for reader in evals for path in reader.tf_record_input_reader.input_path]
    return [word for option in options if option[1] and PLACEHOLDER not in option[1] for word in option]


def _of_model(model, name: str):
    """A field of the model that is set; None if there is none, or if it has no such field."""
    kind = model.WhichOneof("model")
    return getattr(getattr(model, kind), name, None) if kind else None


def _classes(model) -> list[str]:
    count = _of_model(model, "num_classes")
    return ["--num-classes", str(count)] if count else []


def _length(train) -> list[str]:
    options = []
    if train.HasField("batch_size") and train.batch_size:
        options += ["--batch-size", str(train.batch_size)]
    if train.num_steps:
        options += ["--num-steps", str(train.num_steps)]
    return options


def _image_size(model, shipped) -> list[str]:
    """The resizer's size, rounded up to one that the `shipped` model accepts."""
    family, resizer = families.of(shipped), _of_model(model, "image_resizer")
    usable_side = family.input_size(shipped).usable_side
    kind = resizer.WhichOneof("image_resizer_oneof") if resizer else None
    if kind == "fixed_shape_resizer":
        fixed = resizer.fixed_shape_resizer
        return ["--image-size", f"{usable_side(fixed.height)}x{usable_side(fixed.width)}"]
    if kind == "keep_aspect_ratio_resizer":
        sides = resizer.keep_aspect_ratio_resizer
        most = usable_side(sides.max_dimension)
        least = min(sides.min_dimension, most)
        # Padded, because images of several sizes cannot share a batch.
        block = f"{{ min_dimension: {least} max_dimension: {most} pad_to_max_dimension: true }}"
        return list(setting(f"{family.image_resizer_field}.keep_aspect_ratio_resizer", block))
    return []
