"""The training of a run as a short Python file on odtk's public calls and TensorFlow's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format

from odtk import files, pipeline
from odtk.errors import ExportError, OdtkError
from odtk.exporting.script_template import SCRIPT
from odtk.pipeline.differences import changed_fields

if TYPE_CHECKING:
    from odtk.exporting.formats import ExportOptions, Source
    from odtk.protos import pipeline_pb2

_RUN, _CONFIG = "run.json", "pipeline.config"
_INSIDE = ("best", "checkpoint")
_TRAINED = ("model.", "train_config.", "train_input_reader.")
"""The parts of a config that decide what is trained."""
_EVALUATIONS = 10
_WIDTH = 110


@dataclass(frozen=True)
class Run:
    """What a run's folder says of it; the defaults of `odtk train` where it does not."""

    model_dir: str
    command: str | None = None
    seed: int | None = None
    num_steps: int | None = None
    checkpoint_every: int = 1000
    keep: int = 7
    log_every: int = 10
    eval_every: int | None = None
    max_bad_records: int = 100
    precision: str = "float32"
    micro_batches: int = 1
    replicas: int = 1
    reuse_head_weights: bool = False
    deterministic: bool = False


def refuses(config: pipeline_pb2.TrainEvalPipelineConfig, options: ExportOptions) -> str | None:
    """See odtk.exporting.formats: why there can be no script for a config."""
    if not config.train_input_reader.tf_record_input_reader.input_path:
        return "the config names no training records. Set train_input_reader.tf_record_input_reader.input_path."
    if not config.train_config.optimizer.WhichOneof("optimizer"):
        return "the config has no train_config.optimizer. Set one."
    return None


def write(source: Source, path: str) -> None:
    """Writes the script, which reads the pipeline.config beside it; raises ExportError for a run that it cannot be."""
    run = read_run(source.prefix)
    _require_possible(run)
    changes = _changes(source.config, run.model_dir)
    with open(path, "w", encoding="utf-8") as file:
        file.write(_text_of(source, run, changes))
    if run.seed is None:
        source.log(
            f"note: {run.model_dir} has no {_RUN}, so train.py has the seed 0 and the settings of the config: the "
            "losses will not be those of that training."
        )


def read_run(prefix: str) -> Run:
    """The run that a checkpoint is of; raises ExportError for a run.json that is none of odtk's."""
    folder = os.path.dirname(prefix) or os.curdir
    while os.path.basename(folder) in _INSIDE:
        folder = os.path.dirname(folder) or os.curdir
    place = files.join(folder, _RUN)
    if not files.exists(place):
        return Run(folder)
    try:
        document = json.loads(files.read_bytes(place))
        return _run_of(folder, document["seed"], document["sessions"][-1])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{place} is not the description of a run that odtk wrote ({error}). Remove it.") from error


def _run_of(folder: str, seed: int, session: Mapping[str, Any]) -> Run:
    arguments, batch = session["arguments"], session.get("batch", {})
    names = ("num_steps", "checkpoint_every", "keep", "log_every", "eval_every", "max_bad_records",
             "reuse_head_weights", "deterministic")  # fmt: skip
    chosen = {name: arguments[name] for name in names if arguments.get(name) is not None}
    return Run(
        model_dir=folder,
        command=session["command"],
        seed=seed,
        precision=session.get("precision", Run.precision),
        micro_batches=batch.get("micro_batches", 1),
        replicas=batch.get("replicas", 1),
        **chosen,
    )


def _require_possible(run: Run) -> None:
    if run.precision == "float16":
        raise ExportError(
            "The run computed in float16, whose gradients need a loss scale that changes as it goes: more than a short "
            "script should do. Train in float32 or bfloat16, or repeat the run with `odtk train --repeat`."
        )
    if run.micro_batches > 1:
        raise ExportError(
            f"The run computed each batch in {run.micro_batches} micro-batches, whose gradients are added up and whose "
            "batch norms see a part each; the script trains on whole batches. Train without accumulation, or repeat "
            "the run with `odtk train --repeat`."
        )


def _changes(config: pipeline_pb2.TrainEvalPipelineConfig, model_dir: str) -> dict[str, str]:
    """What the run's config has that the exported one has not, such as the batch size of an option; by paths."""
    place = files.join(model_dir, _CONFIG)
    try:
        trained = pipeline.parse(files.read_text(place), place) if files.exists(place) else config
    except (OdtkError, OSError, UnicodeDecodeError):
        trained = config
    found = [each for each in changed_fields(config, trained) if each.path.startswith(_TRAINED)]
    for each in found:
        if each.after in (None, "{}"):
            raise ExportError(
                f"The run was trained with {place}, which differs from the exported config in {each.path}. Export with "
                f"that config instead: odtk export {place} {model_dir} OUTPUT_DIR --format script"
            )
    return {each.path: str(each.after) for each in found}


def _text_of(source: Source, run: Run, changes: Mapping[str, str]) -> str:
    is_regularized = source.detector.add_regularization_loss
    return text(source.config, run, changes, is_regularized, source.label_map is not None)


def text(
    config: pipeline_pb2.TrainEvalPipelineConfig,
    run: Run,
    changes: Mapping[str, str],
    is_regularized: bool,
    has_label_map: bool,
) -> str:
    """The script.

    `changes` are the values of fields, by their paths, that the run had and `config` has not; `is_regularized`: there
    is a regularization loss; `has_label_map`: there is a label map beside the script.
    """
    trained = pipeline.parse(pipeline.set_fields(pipeline.format(config), list(changes.items()), _CONFIG), _CONFIG)
    train = trained.train_config
    num_steps = run.num_steps or train.num_steps
    parts = {
        "is_fine_tuned": bool(train.fine_tune_checkpoint),
        "is_regularized": is_regularized,
        "is_clipped": train.gradient_clipping_by_norm > 0,
        "is_deterministic": run.deterministic,
        "is_evaluated": bool(config.eval_input_reader) and run.eval_every != 0,
        "has_averages": config.eval_config.use_moving_averages,
        "has_label_map": has_label_map,
    }
    parts["is_watched"] = parts["is_evaluated"] and not parts["has_averages"]
    values = {
        "origin": _origin(run),
        "model_dir": json.dumps(f"{os.path.basename(os.path.abspath(run.model_dir)) or 'model'}_by_script"),
        "seed": run.seed or 0,
        "num_steps": num_steps,
        "log_every": run.log_every,
        "checkpoint_every": run.checkpoint_every,
        "evaluate_every": run.eval_every or max(min(run.checkpoint_every, num_steps // _EVALUATIONS), 1),
        "keep": run.keep,
        "max_bad_records": run.max_bad_records,
        "changes": _dict_of(changes),
        "kind": _kind(trained),
        "precision": "" if run.precision == Run.precision else f', precision="{run.precision}"',
        "reuse": ", reuse_head_weights=True" if run.reuse_head_weights else "",
        "checkpoint": train.fine_tune_checkpoint,
        "optimizer": _commented(text_format.MessageToString(train.optimizer)),
        "clip_norm": f"{train.gradient_clipping_by_norm:.7g}",
    }
    return _filled(SCRIPT, parts, values)


def _filled(template: str, parts: Mapping[str, bool], values: Mapping[str, object]) -> str:
    """The template: lines that end in `  #? NAME` only if that part is wanted, and {{NAME}} replaced by values."""
    lines = []
    for line in template.splitlines():
        line, _, condition = line.partition("  #? ")
        if not condition or parts[condition]:
            lines.append(line)
    result = "\n".join(lines) + "\n"
    for name, value in values.items():
        result = result.replace(f"{{{{{name}}}}}", str(value))
    return result


def _origin(run: Run) -> str:
    said = f"`{run.command}`" if run.command else f"the run of {run.model_dir}, whose seed is not known"
    devices = (
        f".\nThat ran on {run.replicas} devices, this on one: batch norms see the whole batch, and sums are rounded "
        "otherwise"
    )
    return f"{said}{devices if run.replicas > 1 else ''}".replace("\\", "\\\\").replace('"""', "'''")


def _kind(config: pipeline_pb2.TrainEvalPipelineConfig) -> str:
    """`ssd, ssd_resnet50_v1_fpn_keras, 3 classes`."""
    name = config.model.WhichOneof("model") or "a model"
    model = getattr(config.model, name)
    extractor = getattr(model, "feature_extractor", None)
    kind = getattr(extractor, "type", "") if extractor is not None else ""
    return ", ".join(filter(None, (name, kind, f"{model.num_classes} class{'es' * (model.num_classes != 1)}")))


def _dict_of(changes: Mapping[str, str]) -> str:
    """As a second argument; one field to a line."""
    lines = "".join(f"    {json.dumps(path)}: {_literal(value)},\n" for path, value in changes.items())
    return f", {{\n{lines}}}" if changes else ""


def _literal(value: str) -> str:
    """A number as it is, anything else as a string."""
    try:
        float(value)
    except ValueError:
        return json.dumps(value)
    return value if value.lstrip("-")[:1].isdigit() else json.dumps(value)


def _commented(message: str) -> str:
    return "\n".join(f"# {line}"[:_WIDTH] for line in message.rstrip().splitlines())
