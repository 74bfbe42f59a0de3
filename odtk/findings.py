"""What a check finds, in one form for configs, label maps, data sets and records."""

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)
"""An error breaks or spoils what comes next, a warning most likely does, a note is good to know."""


@dataclass(frozen=True)
class Finding:
    """One thing that the user of a config, a label map or a data set should know."""

    severity: str
    text: str
    """What is so and what was expected: a sentence, or, where `path` comes before it, one that begins with "is"."""
    path: str = ""
    """The field of a config that it is about, dotted: `model.ssd.num_classes`."""
    edits: tuple[tuple[str, str], ...] = ()
    """Fields of the config, dotted, and the values that fix it; an empty value takes a field away."""
