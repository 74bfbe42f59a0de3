"""Whether a checkpoint fits the model that a config describes, variable by variable, without changing either."""

from __future__ import annotations

from dataclasses import dataclass, field

from odtk.checkpoints.reader import SUFFIX, CheckpointReader
from odtk.detectors.build import build_detector


@dataclass(frozen=True)
class Variables:
    """The result of the comparison; names are keys of the checkpoint, without TensorFlow's ending."""

    prefix: str
    step: int | None
    restored: int
    missing: list[str] = field(default_factory=list)
    """The model's, that the checkpoint lacks."""
    different: list[str] = field(default_factory=list)
    """Of another shape, with both shapes."""
    unused: list[str] = field(default_factory=list)
    """The checkpoint's, that the model does not have."""
    slots: list[str] = field(default_factory=list)
    """The optimizer's kinds of slots: "optimizer/momentum"."""

    @property
    def fits(self) -> bool:
        """Whether every variable of both sides has its partner."""
        return not (self.missing or self.different or self.unused)


def compare(config, prefix: str) -> Variables:
    """Compares names and shapes of all variables, and reads every value of the checkpoint.

    Raises DamagedCheckpointError for values that cannot be read, or are not finite, and ConfigError for a model that
    odtk does not build.
    """
    reader, variables = CheckpointReader(prefix), build_detector(config).checkpoint_variables()
    reader.verify()
    names = {key: reader.tensor_name(key) for key in variables}
    missing, different = [], []
    for key, name in names.items():
        if name is None:
            missing.append(key)
        elif reader.shape(name) != tuple(variables[key].shape):
            different.append(f"{key}: {tuple(variables[key].shape)} here, {reader.shape(name)} in the checkpoint")
    taken = set(names.values())
    unused = [name.removesuffix(SUFFIX) for name in reader.variable_names("model") if name not in taken]
    restored = len(variables) - len(missing) - len(different)
    return Variables(prefix, reader.step, restored, missing, different, unused, sorted(reader.slots()))
