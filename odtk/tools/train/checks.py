"""Checks of a config before TensorFlow is imported."""

import os
from collections.abc import Callable
from dataclasses import replace

from odtk.checkpoints.files import is_resumable
from odtk.errors import ConfigError
from odtk.findings import ERROR, WARNING
from odtk.tools import schedule_edits, trained_classes
from odtk.tools.check_config import check_config, fixing_command, require_valid
from odtk.tools.train.config_changes import require_resumable
from odtk.tools.train.longer_schedule import describe_overrun


def check(
    config,
    filename: str | os.PathLike,
    model_dir: str | os.PathLike,
    num_steps: int | None,
    log: Callable[[str], None],
    accumulates: bool = False,
) -> bool:
    """Checks the whole config: its training part must be valid; errors of the evaluation part are only reported.

    `num_steps`: used instead of the config's; `accumulates`: whether the batch may be larger than what is computed at
    once, so that images of several sizes are no error yet. Returns whether the evaluation part is valid, too.
    """
    overridden = ["train_config.num_steps"] if num_steps is not None else []
    if accumulates and config.train_config.batch_size:
        overridden.append("train_config.batch_size")
    is_resumed = is_resumable(model_dir)
    if is_resumed:
        # A resumed run does not read it again.
        overridden.append("train_config.fine_tune_checkpoint")
    steps = num_steps if num_steps is not None else config.train_config.num_steps
    overrun = schedule_edits.overrun(config, steps)
    if overrun:
        # Reported here, for the requested steps.
        overridden += [path for path in (schedule_edits.end_field(config),) if path]
    found = require_valid(config, filename, overridden=overridden)
    if is_resumed:
        require_resumable(config, filename, model_dir, log)
        path = config.train_input_reader.label_map_path
        for note in trained_classes.require_trained_classes(model_dir, path, "train_input_reader", filename):
            log(f"warning: {note}")
    of_evaluation = [
        finding
        for finding in check_config(config, filename, paths_must_exist=True, needs=("eval",))
        if finding.path.startswith("eval_")
    ]
    found += [replace(each, severity=WARNING) if each.severity == ERROR else each for each in of_evaluation]
    for finding in found:
        # Notes are left to `odtk configure --check`.
        if finding.severity == WARNING:
            log(str(finding))
    if overrun:
        log(describe_overrun(overrun, fixing_command(config, filename, "--num-steps", steps)))
    if steps < 1:
        raise ConfigError(
            f"{filename} has train_config.num_steps 0, so training would never end. Set it: "
            f"{fixing_command(config, filename, '--num-steps', 25000)}"
        )
    return all(finding.severity != ERROR for finding in of_evaluation)
