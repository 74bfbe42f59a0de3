"""Restores variables from a checkpoint, strictly: missing and left-over variables are errors."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import tensorflow as tf

from odtk.checkpoints.reader import SUFFIX, CheckpointReader
from odtk.errors import CheckpointError

_NAMED = 5


@dataclass
class RestoreReport:
    """The result for every variable of the model, and the unused variables of the checkpoint."""

    prefix: str
    restored: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Key of a variable that keeps its initial value, to the reason."""
    unused: list[str] = field(default_factory=list)
    """Names in the checkpoint that no variable took."""


def restore(
    variables: dict[str, tf.Variable],
    reader: CheckpointReader,
    keys: Collection[str] | None = None,
    may_be_unused: Iterable[str] = (),
    renamed: Mapping[str, str] | None = None,
    slot: str | None = None,
) -> RestoreReport:
    """Assigns the checkpoint's values to the variables at `keys` (all of them by default).

    Strict both ways: raises a CheckpointError with sorted lists, and changes no variable, if the checkpoint lacks a
    key, a shape differs, or a variable of the checkpoint's model is not used and its name starts with none of
    `may_be_unused`. `renamed` maps keys to other paths in the checkpoint. `slot` ("average") reads an optimizer's slot
    instead of the value, if the variable has one, and raises if none has. DamagedCheckpointError is raised for values
    that cannot be read, or are not finite; variables may have changed then.
    """
    wanted = list(variables) if keys is None else list(keys)
    found, unused = _matched({key: variables[key] for key in wanted}, reader, may_be_unused, renamed or {})
    if slot is not None:
        found = _slots_of(reader, found, slot)
    for key, name in found.items():
        variables[key].assign(reader.finite_value(name))
    skipped = {key: "not asked for" for key in variables if key not in found}
    return RestoreReport(reader.prefix, wanted, skipped, unused)


def require_match(variables: dict[str, tf.Variable], reader: CheckpointReader) -> None:
    """Raises the CheckpointError that `restore` would raise; no values are read."""
    _matched(variables, reader)


def _matched(
    variables: dict[str, tf.Variable],
    reader: CheckpointReader,
    may_be_unused: Iterable[str] = (),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, str], list[str]]:
    """The variables' names in the checkpoint by key, and the names of the checkpoint's model that are not used."""
    names = {key: reader.tensor_name(renamed.get(key, key)) for key in variables}
    found = {key: name for key, name in names.items() if name is not None}
    different = sorted(
        f"{key} (here {tuple(variables[key].shape)}, in the checkpoint {reader.shape(name)})"
        for key, name in found.items()
        if reader.shape(name) != tuple(variables[key].shape)
    )
    taken, allowed = set(found.values()), tuple(may_be_unused) or ("\0",)
    unused = [name for name in reader.variable_names("model") if name not in taken]
    unexplained = [name for name in unused if not name.startswith(allowed)]
    if len(found) < len(names) or different or unexplained:
        missing = sorted(key for key in names if key not in found)
        raise CheckpointError(_mismatch(reader.prefix, missing, different, unexplained))
    return found, unused


def _slots_of(reader: CheckpointReader, names: dict[str, str], slot: str) -> dict[str, str]:
    slots = {key: reader.slot(name, slot) for key, name in names.items()}
    if not any(slots.values()):
        raise CheckpointError(
            f"{reader.prefix} has no '{slot}' of its weights. eval_config.use_moving_averages needs averages from "
            "training (train_config.optimizer.use_moving_average: true); otherwise set it to false."
        )
    # Batch norm statistics are averages already and have no slot.
    return {key: slots[key] or name for key, name in names.items()}


def _mismatch(prefix: str, missing: list[str], different: list[str], unexplained: list[str]) -> str:
    parts = [f"The checkpoint {prefix} does not fit this model."]
    for title, names in (
        ("Missing in the checkpoint", missing),
        ("With another shape", different),
        ("Unused in the checkpoint", unexplained),
    ):
        if names:
            named = ", ".join(name.removesuffix(SUFFIX) for name in names[:_NAMED])
            more = f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
            parts.append(f"{title} ({len(names)}): {named}{more}.")
    parts.append("Check that the config is the one the checkpoint was trained with (type, depth, num_classes, heads).")
    return "\n".join(parts)
