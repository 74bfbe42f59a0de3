"""How two pipeline.configs differ: as text, and field by field."""

import difflib
from dataclasses import dataclass

from odtk.pipeline.fields import walk
from odtk.protos import pipeline_pb2


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


def _shown(value) -> str:
    return "{}" if hasattr(value, "DESCRIPTOR") else str(value).lower() if isinstance(value, bool) else str(value)
