"""Reports or stretches a learning rate schedule that ends before the last step."""

from collections.abc import Callable

from odtk import pipeline
from odtk.tools import schedule_edits


def with_longer_schedule(config, num_steps: int, log: Callable[[str], None]):
    """The config with its schedule stretched to `num_steps` if it ends before."""
    if schedule_edits.overrun(config, num_steps) is None:
        log(f"The learning rate schedule already reaches step {num_steps}, so it is not stretched.")
        return config
    edits = schedule_edits.set_num_steps(config, num_steps)
    log(
        "Stretched the learning rate schedule: "
        + ", ".join(f"{path.rpartition('.')[2]} is {value}" for path, value in edits)
        + "."
    )
    return pipeline.parse(pipeline.set_fields(pipeline.format(config), edits, "the config"), "the config")


def describe_overrun(overrun: schedule_edits.Overrun, command: str) -> str:
    """The learning rate beyond its schedule, and the two ways to stretch it; `command` changes the config."""
    severity = "warning" if overrun.is_idle else "note"
    return (
        f"{severity}: the learning rate {overrun.text}. To stretch the schedule: {command}; or, for this run alone, "
        "`odtk train --extend-schedule`."
    )
