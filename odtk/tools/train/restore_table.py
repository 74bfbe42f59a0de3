"""The variables restored from a fine-tuning checkpoint, as a table."""

import itertools
from collections.abc import Iterable


def describe_restore(report) -> str:
    """Numbers of variables by part of the model, with reasons, from an odtk.checkpoints.restoring.RestoreReport."""
    rows: list[tuple[str, ...]] = [("part of the model", "restored", "initial", "not used", "")]
    groups = _by_group(report.restored), _by_group(report.skipped), _by_group(report.unused)
    for name in dict.fromkeys(name for group in groups for name in group):
        counts = [str(len(group[name])) if name in group else "-" for group in groups]
        reasons = dict.fromkeys(report.skipped[key] for key in groups[1].get(name, []))
        rows.append((name, *counts, "; ".join(reasons)))
    totals = [str(len(keys)) for keys in (report.restored, report.skipped, report.unused)]
    rows.append(("all", *totals, ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"Fine-tuning from {report.prefix}, numbers of variables (not used: the checkpoint's):"]
    for name, *counts, reason in rows:
        cells = [count.rjust(width) for count, width in zip(counts, widths[1:], strict=True)]
        lines.append("  ".join(["", name.ljust(widths[0]), *cells, reason]).rstrip())
    return "\n".join(lines)


def _by_group(keys: Iterable[str]) -> dict[str, list[str]]:
    """Groups keys by the first parts of their path below `model` that are names, not numbers; at most three."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        _, *parts = key.split("/")
        named = itertools.takewhile(lambda part: not part[-1:].isdigit(), parts[:-1])
        groups.setdefault("/".join(itertools.islice(named, 3)), []).append(key)
    return groups
