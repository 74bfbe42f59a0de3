"""Checks of the config that is trained: the one that configure would write, or the one that is given."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

from odtk import pipeline
from odtk.errors import ConfigError, OdtkError
from odtk.findings import ERROR, Finding
from odtk.prototext.schema import nearest, some
from odtk.tools.run.project import Project

_READERS = ("train_input_reader", "eval_input_reader")
_NEAREST = 5


def check_configure(project: Project, arguments: dict[str, Any], running: Sequence[str]):
    """The config that configure would write, as far as it can be known; raises ConfigError if it has errors."""
    from odtk.tools.configure import configure

    output, are_made = arguments["output"], "make-tfrecords" in running and _reads_made_records(project)
    if are_made:
        arguments = {name: value for name, value in arguments.items() if name not in ("train_records", "eval_records")}
    with tempfile.TemporaryDirectory(prefix="odtk-config-") as folder:
        planned = os.path.join(folder, os.path.basename(output))
        try:
            report = configure(**(arguments | {"output": planned}))
        except OdtkError as error:
            raise type(error)(str(error).replace(planned, output), argument=error.argument) from error
        if project.stages.keys() & {"train", "evaluate", "export"}:
            known = [finding for finding in report.findings if _is_known(finding, project, are_made)]
            _require_none(known, "the config that it would write has errors; set these fields by its keys", planned)
        config = pipeline.read(planned)
    if "train" in running:
        _require_weights(config, output)
    return config


def _is_known(finding: Finding, project: Project, are_made: bool) -> bool:
    """Whether a finding is about what the project uses, and not about records that are still to be made."""
    unread = () if "evaluate" in project.stages else ("eval_",)
    return not finding.path.startswith((*unread, *(_READERS if are_made else ())))


def _require_none(findings: Sequence[Finding], text: str, temporary: str = "") -> None:
    """Raises ConfigError that lists the errors among the findings, if there are any."""
    errors = [finding for finding in findings if finding.severity == ERROR]
    if errors:
        listed = "".join(f"\n  {error.path}: {error.text}".replace(temporary or "\0", "it") for error in errors)
        raise ConfigError(f"{text}:{listed}")


def _reads_made_records(project: Project) -> bool:
    made = project.stages["make-tfrecords"].values["output-dir"]
    return made in project.stages["configure"].values.get("train-records", [])


def check_train(project: Project, arguments: dict[str, Any], config, is_first: bool) -> None:
    """`config`: the one that configure would write; None if that does not run, so that the file counts.

    Of the stage that is first to run the config is not checked here: it does that itself, at once.
    """
    from odtk.tools.check_config import check_config
    from odtk.tools.train import check_options, require_checkpoint_to_reuse
    from odtk.tools.train.options import TrainingOptions
    from odtk.tools.train.profiled_steps import profiled_steps, require_within

    arguments = dict(arguments)
    filename = arguments.pop("pipeline_config")
    del arguments["model_dir"]
    options = TrainingOptions(**(arguments | {"log_to": tuple(arguments.get("log_to", ()))}))
    check_options(options)
    if config is None:
        config = pipeline.read(filename)
        if not is_first:
            findings = check_config(config, filename, needs=("train",))
            _require_none([each for each in findings if _is_known(each, project, True)], f"{filename} has errors")
        _require_weights(config, filename)
    require_checkpoint_to_reuse(config, filename, options)
    _require_metric(options.best_metric, config.eval_config)
    if options.profile is not None:
        require_within(profiled_steps(options.profile), options.num_steps or config.train_config.num_steps)


def _require_weights(config, filename: str) -> None:
    """Raises ConfigError if the checkpoint to fine-tune from is not there."""
    from odtk.tools.check_config.checkpoint import check_checkpoint
    from odtk.tools.check_config.config_checks import ConfigChecks

    checks = ConfigChecks(config, filename, paths_must_exist=True)
    check_checkpoint(checks)
    for finding in checks.findings:
        if finding.severity == ERROR and finding.path == "train_config.fine_tune_checkpoint":
            raise ConfigError(
                f"train_config.fine_tune_checkpoint of {filename}: {finding.text}", argument="fine_tune_checkpoint"
            )


def _require_metric(name: str, eval_config) -> None:
    """Raises ConfigError for a `best_metric` that no evaluation measures.

    Names of losses and of classes are left to training, which knows the detector and the label map.
    """
    from odtk.evaluation.metrics_sets import EVALUATORS, build_evaluators

    is_by_class = eval_config.include_metrics_per_category or eval_config.super_categories or name.startswith("AP/")
    if name == "mAP" or "loss" in name.lower() or is_by_class or set(eval_config.metrics_set) - EVALUATORS.keys():
        return
    evaluators = build_evaluators(eval_config, [{"id": 1, "name": "class 1"}])
    names = [metric for evaluator in evaluators for metric in evaluator.metric_meanings]
    ends = [metric.rpartition("/")[2] for metric in names]
    if name not in names and not any(metric.endswith(f"/{name}") for metric in names):
        near = nearest(name, ends) or ends
        raise ConfigError(
            f"No metric is called {name!r}. The nearest: {some(near, _NEAREST)}. The config's eval_config.metrics_set "
            "decides what is measured.",
            argument="best_metric",
        )
