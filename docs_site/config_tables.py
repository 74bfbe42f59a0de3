"""What a config's fields mean and who honors them: the schema, its comments, and the families' tables of options.

No TensorFlow: `odtk.pipeline` and `odtk.detectors.families` need none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from odtk.detectors import families
from odtk.inputs.augmentations.supported import AUGMENTATIONS
from odtk.inputs.augmentations.supported import REFUSED as NOT_AUGMENTATIONS
from odtk.pipeline.support import NOT_IMPLEMENTED, PIPELINE, Fields, Options
from odtk.protos import pipeline_pb2

ROOT = pipeline_pb2.TrainEvalPipelineConfig.DESCRIPTOR
MODEL, STEP = "DetectionModel", "PreprocessingStep"
PACKAGE = "odtk.protos."

HONORED, NO_EFFECT, REFUSED = "honored", "no effect", "refused"

NAMES = {
    "odtk.detectors.ssd.resnet_fpn": "SSD ResNet FPN",
    "odtk.detectors.ssd.mobilenet_fpn": "SSD MobileNet FPN",
    "odtk.detectors.ssd.mobilenet": "SSD MobileNet",
    "odtk.detectors.ssd.efficientdet": "EfficientDet",
    "odtk.detectors.faster_rcnn.resnet": "Faster R-CNN",
    "odtk.detectors.faster_rcnn.resnet_fpn": "Faster R-CNN FPN",
    "odtk.detectors.faster_rcnn.inception_resnet_v2": "Faster R-CNN Inception",
    "odtk.detectors.center_net.resnet_v1_fpn": "CenterNet ResNet v1 FPN",
    "odtk.detectors.center_net.resnet_v2": "CenterNet ResNet v2",
    "odtk.detectors.center_net.mobilenet_v2_fpn": "CenterNet MobileNet v2 FPN",
    "odtk.detectors.center_net.mobilenet_v2": "CenterNet MobileNet v2",
    "odtk.detectors.center_net.hourglass": "CenterNet Hourglass",
}
"""The families' modules and their names in the tables."""

KINDS = {"ssd": "SSDs", "faster_rcnn": "Faster R-CNNs", "center_net": "CenterNets"}
"""The members of `model`, and what all families of one are called together."""


class Verdict(NamedTuple):
    """What happens if a config sets a field: HONORED, NO_EFFECT or REFUSED, and why ("" for HONORED)."""

    what: str
    why: str = ""


@dataclass
class Message:
    """A message of the schema, with the paths at which configs have it, and what of it is known to whom.

    `readers` are the families whose models can have it, by name; [""] outside of `model`. `verdicts` has, for each
    field, the verdict of each of them.
    """

    descriptor: Descriptor
    paths: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Without the package: "XYPairs.XYPair"."""
        return self.descriptor.full_name.removeprefix(PACKAGE)

    @property
    def kinds(self) -> list[str]:
        """The members of `model` below which it is found."""
        return [kind for kind in KINDS if any(path.startswith(f"model.{kind}") for path in self.paths)]


def known_messages() -> dict[str, Message]:
    """Every message that odtk reads of a config, by name, in the order of the schema."""
    found: dict[str, Message] = {}
    _walk(ROOT, "", PIPELINE, "", found)
    for module, family in zip(families.MODULES, families.families(), strict=True):
        _walk(ROOT.fields_by_name["model"].message_type, "model", family.options, NAMES[module], found)
    _walk_augmentations(found)
    return found


def unknown_messages(known: Mapping[str, Message]) -> list[str]:
    """The names of the schema's messages that no config of odtk's can have: what holds them is refused."""
    every = {message.full_name.removeprefix(PACKAGE) for message in _all_messages(ROOT, set())}
    return sorted(name for name in every - set(known) if not name.endswith("Entry"))


def _all_messages(descriptor: Descriptor, seen: set[str]) -> Iterator[Descriptor]:
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    yield descriptor
    for spec in descriptor.fields:
        if spec.message_type is not None:
            yield from _all_messages(spec.message_type, seen)


def _walk(descriptor: Descriptor, path: str, options: Options, reader: str, found: dict[str, Message]) -> None:
    """Adds a message and those below it that `options` lets a config have."""
    name = descriptor.full_name.removeprefix(PACKAGE)
    message = found.setdefault(name, Message(descriptor))
    seen_before = reader in message.readers
    message.readers += [] if seen_before else [reader]
    message.paths += [] if path in message.paths else [path]
    row = options.get(descriptor.name, Fields())
    for spec in descriptor.fields:
        verdict = _verdict(row, spec.name)
        if descriptor.name != MODEL or verdict.what == HONORED or spec.name not in KINDS:
            message.verdicts.setdefault(spec.name, {})[reader] = verdict
        below = value_type(spec)
        elsewhere = not reader and spec.name in ("model", "data_augmentation_options")
        if verdict.what == HONORED and below is not None and not elsewhere and not seen_before:
            _walk(below, f"{path}.{spec.name}".strip("."), options, reader, found)


def _verdict(row: Fields, name: str) -> Verdict:
    if name in row.names:
        return Verdict(HONORED)
    if name in row.without_effect:
        return Verdict(NO_EFFECT, row.without_effect[name])
    return Verdict(REFUSED, row.refused.get(name, NOT_IMPLEMENTED))


def _walk_augmentations(found: dict[str, Message]) -> None:
    path = "train_config.data_augmentation_options"
    steps = ROOT.fields_by_name["train_config"].message_type.fields_by_name["data_augmentation_options"].message_type
    everything = {STEP: Fields(" ".join(AUGMENTATIONS), refused=NOT_AUGMENTATIONS)}
    for spec in steps.fields:
        if spec.name in AUGMENTATIONS:
            everything |= {each.name: _augmentation_fields(each) for each in _all_messages(spec.message_type, set())}
    _walk(steps, path, everything, "", found)


def _augmentation_fields(descriptor: Descriptor) -> Fields:
    """All fields count but the permutations of keypoints (see odtk.inputs.augmentations.build)."""
    names = [spec.name for spec in descriptor.fields]
    keypoints = [name for name in names if name.startswith("keypoint_")]
    why = "it is about keypoints, and odtk's models predict boxes"
    return Fields(" ".join(name for name in names if name not in keypoints), dict.fromkeys(keypoints, why))


def value_type(spec: FieldDescriptor) -> Descriptor | None:
    """The message that a field holds, that of a map's values, or None."""
    if spec.message_type is None:
        return None
    if spec.message_type.GetOptions().map_entry:
        return spec.message_type.fields_by_name["value"].message_type
    return spec.message_type
