"""The fields of a pipeline.config as a form shows them, in groups: those that exist for its family, from the schema."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from odtk.detectors import families
from odtk.detectors.family import Family
from odtk.pipeline.support import PIPELINE, Fields, Options
from odtk.pipeline.values import print_value
from odtk.prototext import schema
from odtk.prototext.comments import read_comments
from odtk.tools import schedule_edits
from odtk.web.model_views import optimizers

FLAGS = ("true", "false")
TRAIN = "train_config"
BATCH_SIZE, NUM_STEPS = f"{TRAIN}.batch_size", f"{TRAIN}.num_steps"
CHECKPOINT = f"{TRAIN}.fine_tune_checkpoint"
FREEZE = f"{TRAIN}.freeze_variables"

# Of train_config: what has a part of the page for itself, and what only old configs set.
_ELSEWHERE = ("data_augmentation_options", "fine_tune_checkpoint", "fine_tune_checkpoint_type",
              "fine_tune_checkpoint_version", "from_detection_checkpoint", "freeze_variables")  # fmt: skip

# Fields that are seen without asking for more.
_FIRST = {
    "height", "width", "min_dimension", "max_dimension", "type", "num_classes", "depth_multiplier", "min_level",
    "max_level", "additional_layer_depth", "num_iterations", "num_filters", "depth", "min_depth", "max_depth",
    "num_layers_before_predictor", "kernel_size", "kernel_sizes", "use_depthwise", "share_prediction_tower",
    "first_stage_box_predictor_depth", "first_stage_box_predictor_kernel_size", "anchor_scale", "aspect_ratios",
    "scales_per_octave", "scales", "min_scale", "max_scale", "num_layers", "height_stride", "width_stride",
}  # fmt: skip


@dataclass(frozen=True)
class FormField:
    """One field of the config."""

    path: str
    """Dotted, by which `odtk configure --set` knows it."""
    label: str
    value: str
    """What counts now, also if it is the default; a list as `1.0, 2.0`."""
    kind: str
    """number, text, list or choice."""
    choices: tuple[str, ...] = ()
    hint: str = ""
    is_text_list: bool = False
    error: str = ""

    @property
    def id(self) -> str:
        """For the page."""
        return "f-" + re.sub(r"\W+", "-", self.path).strip("-")

    @property
    def role(self) -> str:
        """What another field has in its stead, once another optimizer or schedule is chosen; empty: none has."""
        return optimizers.role(self.path)


@dataclass(frozen=True)
class Group:
    """Fields that stand together; `main` are always seen, `more` on request."""

    name: str
    title: str
    main: tuple[FormField, ...]
    more: tuple[FormField, ...] = ()

    @property
    def fields(self) -> tuple[FormField, ...]:
        """All of them."""
        return self.main + self.more


def groups(config) -> list[Group]:
    """The form of a config; empty groups are left out. Raises ConfigError for a model of no family."""
    family = families.of(config)
    model = list(fields_of(family.message(config.model), family.path, family.options))
    train = [field for field in fields_of(config.train_config, TRAIN, PIPELINE) if _has_place(field)]
    by_path = {field.path: field for field in train}
    schedule = _with_optimizer(config, by_path)
    freezing = [_freeze_field(config), *(field for field in model if field.path == _switch(family))]
    rest = [field for field in model if field.path != _switch(family)]
    rest = [_typed(field, family) for field in rest]
    found = [
        Group("images", "Images", *_of(rest, _is_of_images)),
        Group("training", "Training", (by_path.pop(BATCH_SIZE), by_path.pop(NUM_STEPS), *schedule),
              tuple(by_path.values())),
        Group("network", "Network", *_of(rest, _is_of_extractor)),
        Group("heads", "Towers and heads", *_of(rest, _is_of_heads)),
        Group("anchors", "Anchors", *_of(rest, _is_of_anchors)),
        Group("freezing", "What stays as it is", tuple(freezing)),
        Group("others", "Losses, matching, detections and layers", (), tuple(_others(rest))),
    ]  # fmt: skip
    return [_labeled(group) for group in found if group.fields]


def _with_optimizer(config, train: dict[str, FormField]) -> list[FormField]:
    """The choices of optimizer and schedule, each before the fields of its own, which are taken out of `train`."""
    optimizer = config.train_config.optimizer
    kind = optimizer.WhichOneof("optimizer")
    found = [_choice(optimizers.OPTIMIZER, "Optimizer", optimizer, kind)]
    if not kind:
        return found
    here = f"{optimizers.OPTIMIZER}.{kind}"
    rates = getattr(optimizer, kind).learning_rate
    schedule = _choice(f"{here}.learning_rate", "Learning rate schedule", rates, rates.WhichOneof("learning_rate"))
    below = [train.pop(path) for path in list(train) if path.startswith(f"{here}.")]
    of_schedule = [field for field in below if field.path.startswith(f"{here}.learning_rate.")]
    own = [field for field in below if field not in of_schedule]
    base = schedule_edits.base_rate(config)
    of_schedule = [field for field in of_schedule if "schedule[" not in field.path]
    of_schedule.sort(key=lambda field: base is not None and field.path != base[0])
    if rates.HasField("manual_step_learning_rate"):
        entries = rates.manual_step_learning_rate.schedule
        of_schedule.append(_entries(f"{here}.learning_rate.manual_step_learning_rate.schedule", entries))
    return [*found, *own, schedule, *of_schedule]


def _choice(path: str, label: str, message: Message, chosen: str | None) -> FormField:
    names = tuple(map(optimizers.short, optimizers.members(message)))
    hint = comments().get(f"{message.DESCRIPTOR.name}.{chosen}", "").replace("`", "")
    return FormField(path, label, optimizers.short(chosen or ""), "choice", names, hint)


def _entries(path: str, entries) -> FormField:
    shown, hint = optimizers.entries_text(entries), "400: 0.002 is the rate 0.002 from step 400 on."
    return FormField(path, "Rates by step", shown, "text", hint=hint)


def by_path(config) -> dict[str, FormField]:
    """All fields of the form, by path."""
    return {field.path: field for group in groups(config) for field in group.fields}


def fields_of(message: Message, path: str, options: Options) -> Iterator[FormField]:
    """The fields of a message, and of the messages that are set in it, which odtk implements for this family."""
    row = options.get(message.DESCRIPTOR.name, Fields())
    for field in message.DESCRIPTOR.fields:
        if field.name not in row.names or schema.is_map(field):
            continue
        here = f"{path}.{field.name}"
        if schema.is_message(field):
            if field.name != "data_augmentation_options":
                for place, child in _children(message, field, here):
                    yield from fields_of(child, place, options)
        elif _is_shown(message, field):
            yield form_field(message, field, here)


def form_field(message: Message, field: FieldDescriptor, path: str) -> FormField:
    """A field that is no message, with its value or default, and what the schema says of it."""
    value = getattr(message, field.name)
    hint = comments().get(f"{_scoped(field.containing_type)}.{field.name}", "").replace("`", "")
    if schema.is_repeated(field):
        is_text = schema.is_string(field)
        shown = ", ".join(each if is_text else print_value(field, each) for each in value)
        return FormField(path, words_of(field.name), shown, "list", hint=hint, is_text_list=is_text)
    if schema.is_bool(field) or schema.is_enum(field):
        choices = FLAGS if schema.is_bool(field) else tuple(schema.enum_names(field))
        return FormField(path, words_of(field.name), print_value(field, value), "choice", choices, hint)
    shown = value if schema.is_string(field) else print_value(field, value)
    return FormField(path, words_of(field.name), shown, "number" if schema.is_number(field) else "text", hint=hint)


def as_value(field: FormField, typed: str) -> str:
    """What was typed into a field as `odtk configure --set` takes it: a list in brackets; "" clears the field."""
    if field.kind != "list" or not typed.strip():
        return typed.strip()
    parts = [part.strip() for part in typed.strip().removeprefix("[").removesuffix("]").split(",")]
    return "[" + ", ".join(json.dumps(part, ensure_ascii=False) if field.is_text_list else part
                           for part in parts if part) + "]"  # fmt: skip


def words_of(name: str) -> str:
    """`Num layers before predictor`, of the name of a field."""
    return name.replace("_", " ").strip().capitalize()


@functools.cache
def comments() -> dict[str, str]:
    """What the schema says of each field: `Message.field` to sentences."""
    return read_comments()


def _scoped(descriptor) -> str:
    """`CenterNet.ObjectDetection`."""
    outer = descriptor.containing_type
    return f"{_scoped(outer)}.{descriptor.name}" if outer is not None else descriptor.name


def _children(message: Message, field: FieldDescriptor, path: str) -> list[tuple[str, Message]]:
    if schema.is_repeated(field):
        return [(f"{path}[{index}]", child) for index, child in enumerate(getattr(message, field.name))]
    return [(path, getattr(message, field.name))] if message.HasField(field.name) else []


def _is_shown(message: Message, field: FieldDescriptor) -> bool:
    """Whether a field could be set by itself: not an unset member of a oneof, nor a deprecated one."""
    if schema.is_repeated(field) or message.HasField(field.name):
        return True
    return field.containing_oneof is None and not field.GetOptions().deprecated


def _has_place(field: FormField) -> bool:
    return field.path.removeprefix(f"{TRAIN}.") not in _ELSEWHERE


def _freeze_field(config) -> FormField:
    descriptor = config.train_config.DESCRIPTOR.fields_by_name["freeze_variables"]
    return form_field(config.train_config, descriptor, FREEZE)


def _switch(family: Family) -> str:
    return f"{family.path}.{family.batch_norm_switch}" if family.batch_norm_switch else ""


def _typed(field: FormField, family: Family) -> FormField:
    """The extractor's type as a choice among those of the family, which differ in size only."""
    if field.path != f"{family.path}.feature_extractor.type" or field.value not in family.types:
        return field
    return replace(field, kind="choice", choices=family.types)


def _of(fields: list[FormField], belongs) -> tuple[tuple[FormField, ...], tuple[FormField, ...]]:
    """Those that belong to a group: what people change first, and the rest; all together where nothing is first."""
    found = [field for field in fields if belongs(field.path)]
    first = tuple(field for field in found if field.path.rpartition(".")[2] in _FIRST)
    return (first, tuple(field for field in found if field not in first)) if first else (tuple(found), ())


def _is_of_images(path: str) -> bool:
    return ".image_resizer." in path


def _is_of_layers(path: str) -> bool:
    return "hyperparams." in path or ".batch_norm." in path


def _is_of_extractor(path: str) -> bool:
    return not _is_of_layers(path) and (".feature_extractor." in path or path.endswith(".num_classes"))


def _is_of_heads(path: str) -> bool:
    return not _is_of_layers(path) and ("box_predictor" in path or "head_params" in path)


def _is_of_anchors(path: str) -> bool:
    return "anchor" in path


def _others(fields: list[FormField]) -> list[FormField]:
    placed = (_is_of_images, _is_of_extractor, _is_of_heads, _is_of_anchors)
    return [field for field in fields if not any(belongs(field.path) for belongs in placed)]


def _labeled(group: Group) -> Group:
    """With the names of enclosing messages before labels that would stand there twice."""
    counts = Counter(field.label for field in group.fields)

    def named(field: FormField) -> FormField:
        if counts[field.label] == 1:
            return field
        outer = [re.sub(r"\[\d+\]", "", part) for part in field.path.split(".")[2:-1]]
        return replace(field, label=f"{words_of(' '.join(outer))}: {field.label.lower()}" if outer else field.label)

    return replace(group, main=tuple(map(named, group.main)), more=tuple(map(named, group.more)))
