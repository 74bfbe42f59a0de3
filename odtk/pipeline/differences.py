"""How two pipeline.configs differ: as text, and field by field."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from odtk.pipeline.fields import named, walk
from odtk.protos import pipeline_pb2
from odtk.prototext import schema


@dataclass(frozen=True)
class Change:
    """A field's values in the base and in the result, as text; None if unset."""

    path: str
    before: str | None
    after: str | None


def unified_diff(before: str, after: str, base: str, output: str) -> str:
    """Two texts as a unified diff with the names `base` and `output`; empty if they are equal."""
    old, new = before.splitlines(), after.splitlines()
    # difflib.unified_diff treats frequent lines such as "}" as junk, and then shows them as changed.
    groups = list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(3))
    lines = [f"--- {base}", f"+++ {output}"] if groups else []
    for group in groups:
        lines.append(f"@@ -{_range(group[0][1], group[-1][2])} +{_range(group[0][3], group[-1][4])} @@")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                lines += [f" {line}" for line in old[old_start:old_end]]
                continue
            lines += [f"-{line}" for line in old[old_start:old_end]]
            lines += [f"+{line}" for line in new[new_start:new_end]]
    return "\n".join(lines)


def _range(start: int, end: int) -> str:
    """Lines `start` to `end` (0-based, half-open) in a hunk's heading."""
    return f"{start + 1},{end - start}"


def changed_fields(
    before: pipeline_pb2.TrainEvalPipelineConfig, after: pipeline_pb2.TrainEvalPipelineConfig
) -> list[Change]:
    """The fields whose values differ, in the order of `after`; removed ones last."""
    old, new = ({path: _shown(value) for path, value in walk(config)} for config in (before, after))
    paths = [*new, *(path for path in old if path not in new)]
    return [Change(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path)]


def effective_changes(before: Message, after: Message, prefix: str = "") -> Iterator[Change]:
    """The fields whose values in effect differ: one that is unset has its default. In the schema's order.

    Where another member of a oneof is set, this is the change (of `train_config.optimizer`, from "momentum_optimizer"
    to "adam_optimizer"), not the fields of the two; a message that was set or removed is a change from or to None.
    """
    chosen = {oneof.name: (before.WhichOneof(oneof.name), after.WhichOneof(oneof.name))
              for oneof in before.DESCRIPTOR.oneofs}  # fmt: skip
    for old, new in chosen.values():
        if old != new:
            yield Change(prefix.removesuffix("."), old, new)
    for field in before.DESCRIPTOR.fields:
        old, new = chosen[field.containing_oneof.name] if field.containing_oneof else (None, None)
        if old == new:
            yield from _changes_of(field, before, after, f"{prefix}{field.name}")


def _changes_of(field: FieldDescriptor, before: Message, after: Message, path: str) -> Iterator[Change]:
    old, new = getattr(before, field.name), getattr(after, field.name)
    if schema.is_repeated(field):
        if schema.is_message(field) and not schema.is_map(field) and len(old) == len(new):
            for index, pair in enumerate(zip(old, new, strict=True)):
                yield from effective_changes(*pair, f"{path}[{index}].")
        elif old != new:
            yield Change(path, _listed(field, old), _listed(field, new))
    elif schema.is_message(field):
        if before.HasField(field.name) == after.HasField(field.name):
            yield from effective_changes(old, new, f"{path}.")
        else:
            yield Change(path, *("{}" if each.HasField(field.name) else None for each in (before, after)))
    elif old != new:
        yield Change(path, _in_short(named(field, old)), _in_short(named(field, new)))


def _listed(field: FieldDescriptor, values) -> str:
    if schema.is_map(field):
        return ", ".join(f"{key}: {values[key]}" for key in sorted(values))
    return (
        f"{len(values)} of them" if schema.is_message(field) else ", ".join(_in_short(named(field, v)) for v in values)
    )


def _in_short(value) -> str:
    return f"{value:.7g}" if isinstance(value, float) else _shown(value)  # of single precision


def _shown(value) -> str:
    return "{}" if hasattr(value, "DESCRIPTOR") else str(value).lower() if isinstance(value, bool) else str(value)
