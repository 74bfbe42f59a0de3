"""`odtk migrate`: what TFOD left behind becomes a folder that goes on under odtk, with a report of what fits."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from odtk import atomic, pipeline
from odtk.errors import OdtkError, OutputError
from odtk.files import names_in
from odtk.findings import ERROR
from odtk.tools.check_config import check_config
from odtk.tools.migrate import paths
from odtk.tools.migrate.find import Chosen, Found, choose, find
from odtk.tools.migrate.new_config import LABEL_MAP, NewConfig, make_config
from odtk.tools.migrate.options import options_of
from odtk.tools.migrate.report import MigrationReport, document, in_words

__all__ = ["MigrationReport", "migrate"]

CONFIG, MODEL, TEXT, JSON = "pipeline.config", "model", "migration.txt", "migration.json"
_RUN = "run.json"
"""What training leaves in a model dir."""
_OURS = (CONFIG, MODEL, TEXT, JSON, LABEL_MAP)


def migrate(
    old_dir: str | os.PathLike,
    output: str | os.PathLike,
    *,
    config: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    evaluate: bool = True,
    devices: str = "auto",
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> MigrationReport:
    """Writes pipeline.config, label_map.pbtxt, model/ and the report to `output`, from a folder of TFOD's.

    `old_dir` is a model dir, an exported model, or the folder around everything; it is not changed. `config` and
    `checkpoint` (a prefix or a model dir) choose where there are several. Paths in the config become those of this
    machine, all variables are compared, and with `evaluate` the newest checkpoint is scored on the config's evaluation
    records. What does not fit is in the report and no error. Raises DataError if there is nothing of TFOD, OdtkError if
    there is more than one run, CheckpointError if the checkpoint is damaged, OutputError if `output` has other
    contents or is in the old folder.
    """
    target = Path(output).absolute()
    replace = _may_replace(target, Path(old_dir).absolute(), overwrite)
    found = find(old_dir)
    chosen = choose(found, config, checkpoint)
    text = pipeline.read_text(chosen.config)
    old = pipeline.parse(text, str(chosen.config))
    new = make_config(text, paths.locate_all(old, chosen.config, found), chosen, target)
    with atomic.atomic_directory(target, replace) as part:
        report = _migrated(part, target, found, chosen, new, evaluate, devices, log)
        (part / TEXT).write_text(in_words(report) + "\n", "utf-8")
        (part / JSON).write_text(json.dumps(document(report), indent=2) + "\n", "utf-8")
    return report


def _migrated(
    part: Path, target: Path, found: Found, chosen: Chosen, new: NewConfig, evaluate: bool, devices: str, log
) -> MigrationReport:
    from odtk.checkpoints.newest import find_checkpoint

    prefix = find_checkpoint(chosen.checkpoints, log)
    (part / CONFIG).write_text(new.text, "utf-8")
    if new.label_map:
        shutil.copyfile(new.label_map, part / LABEL_MAP)
    # The label map's new place is not filled yet.
    checked = pipeline.parse(new.text_with_label_map(part), str(target / CONFIG))
    findings = [_moved(each, part, target) for each in check_config(checked, target / CONFIG, new.text)]
    options = options_of(pipeline.parse(new.text, CONFIG), findings)
    report = MigrationReport(
        old_dir=str(found.root),
        output=str(target),
        config=str(chosen.config),
        checkpoint=prefix,
        found=found,
        paths=new.paths,
        options=options,
        findings=findings,
        is_training=chosen.is_training,
    )
    if any(each.severity == ERROR and each.path.startswith("model") for each in findings):
        return dataclasses.replace(report, not_restored="the config's model has errors, see above")
    return _with_checkpoint(part, report, new, chosen, evaluate, devices, log)


def _moved(finding, part: Path, target: Path):
    return dataclasses.replace(finding, text=finding.text.replace(str(part), str(target)))


def _with_checkpoint(
    part: Path, report: MigrationReport, new: NewConfig, chosen: Chosen, evaluate: bool, devices: str, log
) -> MigrationReport:
    """The report with the comparison of all variables and, if they fit, the checkpoint's scores."""
    from odtk.device_choice import find_chosen, use_only
    from odtk.tools.migrate.checkpoint_files import copy_checkpoint
    from odtk.tools.migrate.variables import compare

    use_only(find_chosen(devices))
    config = pipeline.parse(new.text, CONFIG)
    log(f"Comparing {report.checkpoint} with the model of {report.config} ...")
    variables = compare(config, report.checkpoint)
    report = dataclasses.replace(report, variables=variables)
    if not variables.fits:
        return dataclasses.replace(report, not_scored="the checkpoint does not fit the model")
    copied = copy_checkpoint(report.checkpoint, part / MODEL, variables.step)
    if (part / LABEL_MAP).exists():
        shutil.copyfile(part / LABEL_MAP, part / MODEL / LABEL_MAP)
    report = dataclasses.replace(report, copied=f"{MODEL}/{copied}")
    reason = _why_not_scored(report, evaluate)
    if reason:
        return dataclasses.replace(report, not_scored=reason)
    return _scored(part, report, new, devices, log)


def _why_not_scored(report: MigrationReport, evaluate: bool) -> str:
    if not evaluate:
        return "not asked for"
    records = [each for each in report.paths if each.field.startswith("eval_input_reader[0].tf_record")]
    if not records:
        return "the config names no evaluation records"
    absent = [each.written for each in records if each.here is None]
    if absent:
        return f"the evaluation records are not here: {absent[0]}"
    errors = [each for each in report.findings if each.severity == ERROR and each.path.startswith("eval")]
    return f"the config's evaluation has errors: {errors[0].path} {errors[0].text}" if errors else ""


def _scored(part: Path, report: MigrationReport, new: NewConfig, devices: str, log) -> MigrationReport:
    from odtk.tools.migrate.scores import Scores, score, tfods_scores

    # With the label map where it is now: OUTPUT appears when all is done.
    config_file = part / "evaluated.config"
    config_file.write_text(new.text_with_label_map(part), "utf-8")
    try:
        measured = score(config_file, part / MODEL, devices, log)
    except OdtkError as error:
        return dataclasses.replace(report, not_scored=str(error).replace(str(part), report.output))
    finally:
        config_file.unlink()
    step = report.variables.step if report.variables else None
    old = tfods_scores(Path(report.checkpoint).parent, step)
    scores = Scores(measured.metrics, old, measured.num_images, len(measured.bad_records))
    return dataclasses.replace(report, scores=scores)


def _may_replace(target: Path, old_dir: Path, overwrite: bool) -> bool:
    """Whether `target` is an earlier migration that is replaced. Raises OutputError for anything else that is there."""
    new, old = target.resolve(), old_dir.resolve()
    if old.is_relative_to(new):
        raise OutputError(f"{target} is or holds the old folder, which stays as it is. Choose another folder.")
    if new.is_relative_to(old):
        raise OutputError(f"{target} is in the old folder, which stays as it is. Choose a folder beside {old_dir}.")
    if (target / MODEL / _RUN).exists():
        raise OutputError(f"{target / MODEL} was trained on since it was migrated, and is kept. Choose another folder.")
    return atomic.may_replace(target, names_in(target), _OURS, JSON, overwrite)
