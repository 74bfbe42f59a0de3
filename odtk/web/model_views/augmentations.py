"""The augmentations of a config as a form shows them: all that odtk has, which are on, and their values."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

from odtk.inputs.augmentations.supported import AUGMENTATIONS
from odtk.protos import preprocessor_pb2
from odtk.prototext import schema
from odtk.web.model_views.config_fields import FormField, comments, form_field, words_of

OPTIONS = "train_config.data_augmentation_options"
_TITLES = {
    "flips": "Flips and turns",
    "crops": "Crops",
    "padding": "Padding and scale",
    "square_crops": "Square crops",
    "color": "Color and light",
    "noise": "Noise, patches and resizing",
    "labels": "Boxes and labels",
}


@dataclass(frozen=True)
class Augmentation:
    """One augmentation: a step of the config, or one that could be added."""

    name: str
    title: str
    hint: str
    place: int | None
    """Its index among the config's steps, which are applied in this order; None: it is off."""
    fields: tuple[FormField, ...] = ()

    @property
    def key(self) -> str:
        """The name of its switch in the form: the index of a step, or a plus and the name of what is off."""
        return f"+{self.name}" if self.place is None else str(self.place)

    @property
    def id(self) -> str:
        """For the page."""
        return f"aug-{self.name}" + ("" if self.place is None else f"-{self.place}")


@dataclass(frozen=True)
class AugmentationGroup:
    """Augmentations of one kind."""

    title: str
    steps: tuple[Augmentation, ...]

    @property
    def num_on(self) -> int:
        """How many of them are on."""
        return sum(step.place is not None for step in self.steps)


def augmentation_groups(config) -> list[AugmentationGroup]:
    """Every augmentation that odtk has, by kind; those that are on with their fields, as often as they are there."""
    on: dict[str, list[Augmentation]] = {}
    for step in steps(config):
        on.setdefault(step.name, []).append(step)
    found: dict[str, list[Augmentation]] = {}
    for name, module in AUGMENTATIONS.items():
        found.setdefault(module, []).extend(on.get(name) or [_augmentation(name, None)])
    return [AugmentationGroup(_TITLES.get(module, words_of(module)), tuple(each)) for module, each in found.items()]


def steps(config) -> list[Augmentation]:
    """Those that are on, in their order; a step without a name, or of one that odtk lacks, is left to the check."""
    options = config.train_config.data_augmentation_options
    named = [(index, option, option.WhichOneof("preprocessing_step")) for index, option in enumerate(options)]
    return [_augmentation(name, index, getattr(option, name)) for index, option, name in named if name in AUGMENTATIONS]


def switch_changes(config, switched_on: Collection[str]) -> dict[str, str]:
    """The changes (path to value) that turn on and off what the form says, by `Augmentation.key`."""
    present = [step.key for step in steps(config)]
    # From the last on, so that the places of the others hold.
    off = [key for key in reversed(present) if key not in switched_on]
    on = [key[1:] for key in switched_on if key.startswith("+") and key[1:] in AUGMENTATIONS]
    return {f"{OPTIONS}[{key}]": "" for key in off} | {f"{OPTIONS}[+].{name}": "{}" for name in on}


def fields_by_path(config) -> dict[str, FormField]:
    """The fields of those that are on, by path."""
    return {field.path: field for step in steps(config) for field in step.fields}


def _augmentation(name: str, place: int | None, message: Message | None = None) -> Augmentation:
    path = f"{OPTIONS}[{place}].{name}"
    fields = tuple(_fields(message, path)) if message is not None else ()
    descriptor = preprocessor_pb2.PreprocessingStep.DESCRIPTOR
    hint = comments().get(f"{descriptor.name}.{name}", "").replace("`", "")
    return Augmentation(name, words_of(name.removeprefix("random_")), hint, place, fields)


def _fields(message: Message, path: str) -> Iterator[FormField]:
    """All fields of an augmentation; of the repeated operations in it those that are there."""
    for field in message.DESCRIPTOR.fields:
        if field.name.startswith("keypoint_") or schema.is_map(field):
            continue
        if not schema.is_message(field):
            yield form_field(message, field, f"{path}.{field.name}")
        elif schema.is_repeated(field):
            for index, child in enumerate(getattr(message, field.name)):
                yield from _fields(child, f"{path}.{field.name}[{index}]")
