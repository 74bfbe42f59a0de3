"""What a model card says of a model, found in its exported folder and in its run."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odtk import label_map, pipeline
from odtk.detectors import families
from odtk.errors import LabelMapError, OdtkError
from odtk.exporting.formats import CERTIFICATE
from odtk.protos import pipeline_pb2
from odtk.tools.push.saved_input import saved_input

_STEP = re.compile(r"step-(\d+)\.png")


@dataclass(frozen=True)
class Facts:
    """Of one model. Empty where nothing is known."""

    config: pipeline_pb2.TrainEvalPipelineConfig
    classes: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    by_class: tuple[dict[str, Any], ...] = ()
    """Rows of classes.json."""
    records: dict[str, int] = field(default_factory=dict)
    """How many records each set of shards has: "pet_faces_train.record" to 112."""
    session: dict[str, Any] = field(default_factory=dict)
    """The last one of run.json."""
    certificate: tuple[dict[str, Any], ...] = ()
    """How each exported model answers, compared with its checkpoint: the formats of certificate.json."""
    picture: Path | None = None
    input: tuple[str, str] | None = None
    """Of the SavedModel: the name of what it takes, and what that is."""

    @property
    def model(self) -> str:
        """`ssd_resnet50_v1_fpn_keras`."""
        return families.type_of(self.config.model)


def find_facts(folder: Path, run: str | os.PathLike | None, picture: str | os.PathLike | None) -> Facts:
    """The facts of an exported folder. Raises OdtkError if `run` or `picture` is not there."""
    if run is not None and not Path(run).is_dir():
        raise OdtkError(f"{run} is not a folder. Name the model dir of the run.", argument="run")
    if picture is not None and not Path(picture).is_file():
        raise OdtkError(f"{picture} is not a file. Name a picture.", argument="picture")
    model_dir = Path(run) if run is not None else None
    # odtk evaluate writes beside an exported folder, and into a model dir.
    measured = [folder.with_name(f"{folder.name}-eval")] + ([model_dir / "eval"] if model_dir else [])
    evaluation = next((place for place in measured if (place / "metrics.json").is_file()), None)
    saved = folder / "saved_model"
    description = _json(model_dir / "run.json", {}) if model_dir else {}
    return Facts(
        config=pipeline.read(folder / "pipeline.config"),
        classes=_classes(folder / "label_map.pbtxt"),
        metrics=_json(evaluation / "metrics.json", {}) if evaluation else {},
        by_class=tuple(_json(evaluation / "classes.json", [])) if evaluation else (),
        records=_records(description.get("records", {})),
        session=(description.get("sessions") or [{}])[-1],
        certificate=tuple(_json(folder / CERTIFICATE, {}).get("formats", [])),
        picture=Path(picture) if picture is not None else _newest_picture(model_dir),
        input=saved_input(saved) if (saved / "saved_model.pb").is_file() else None,
    )


def _classes(path: Path) -> tuple[str, ...]:
    with contextlib.suppress(LabelMapError):
        return tuple(item.shown for item in label_map.read(path).items)
    return ()


def _records(by_file: dict[str, dict]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for path, facts in by_file.items():
        name = re.sub(r"-\d{5}-of-\d{5}$", "", os.path.basename(path))
        counts[name] = counts.get(name, 0) + (facts.get("records") or 0)
    return counts


def _newest_picture(model_dir: Path | None) -> Path | None:
    """The groundtruth beside detections of the last evaluation while it trained."""
    found = list((model_dir / "evaluations").glob("step-*.png")) if model_dir else []
    steps = {path: int(match[1]) for path in found if (match := _STEP.fullmatch(path.name))}
    return max(steps, key=steps.__getitem__, default=None)


def _json(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return otherwise
    except ValueError as error:
        raise OdtkError(f"{path} is not what odtk wrote: {error}. Remove it, or evaluate again.") from error
