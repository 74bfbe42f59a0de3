"""Model dirs as `odtk train` writes them, made by hand: CSV files by its own writer, run.json, pictures and a lock."""

import json
import shutil
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from PIL import Image

from odtk.process_identity import ProcessIdentity, identify
from odtk.training.loggers.csv_table import CsvTable
from odtk.unfinished import LOCK_NAME
from odtk.web.projects import Project, create_project

STEPS = 200
_CONFIG = Path(__file__).parents[2] / "pipelines" / "ssd_resnet50_v1_fpn_small.config"


def make_project(workspace, name: str = "pets", train: dict | None = None) -> Project:
    """A project whose config is a shipped one of STEPS steps; its records are not there."""
    project = create_project(workspace, name, {"train": {"pipeline-config": "pipeline.config", **(train or {})}})
    text = _CONFIG.read_text(encoding="utf-8").replace("total_steps: 600", f"total_steps: {STEPS}")
    project.config.write_text(text.replace("num_steps: 600", f"num_steps: {STEPS}"), encoding="utf-8")
    return project


def now() -> str:
    """As run.json has times."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class FakeRun:
    """A run that is written step by step."""

    def __init__(self, project: Project, scale: float = 1.0):
        self.folder, self._scale = project.run, scale
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(project.config, self.folder / "pipeline.config")
        self._metrics, self._evaluations = (
            CsvTable(str(self.folder / name)) for name in ("metrics.csv", "evaluations.csv")
        )
        self.sessions: list[dict] = []

    def begin(self, step: int = 0, **arguments) -> None:
        """A process starts or resumes, behind the rows up to `step`."""
        for table in (self._metrics, self._evaluations):
            table.start(step, print)
        machine = {"host": "lab3", "processor": "Xeon", "cores": 2.0, "gpus": [], "tpus": []}
        self.sessions.append(
            {"command": "odtk train pets.config runs/pets", "arguments": arguments, "started": now(), "ended": None,
             "first_step": step, "last_step": None, "reason": None, "precision": "float32", "machine": machine}
        )  # fmt: skip
        self._write()

    def end(self, step: int, reason: str) -> None:
        """The process ends."""
        self.sessions[-1] |= {"ended": now(), "last_step": step, "reason": reason}
        self._write()

    def train(self, *steps: int, **columns: float) -> None:
        """Rows of metrics.csv."""
        self._metrics.append([self._row(step) | columns for step in steps])

    def _row(self, step: int) -> dict[str, float]:
        loss = self._scale * 2 / (1 + step / 50)
        return {
            "step": step, "epoch": step / 10, "seconds": step * 0.5, "images_per_sec": 16.0,
            "Loss/localization_loss": loss / 2, "Loss/total_loss": loss, "learning_rate": 0.02, "gradient_norm": 3.0,
        }  # fmt: skip

    def evaluate(self, step: int, quality: float) -> None:
        """A row of evaluations.csv, its picture, and the best weights."""
        names = {"mAP": quality, "mAP@.50IOU": min(1.5 * quality, 1.0), "mAP (small)": -1.0}
        row = {f"DetectionBoxes_Precision/{name}": value for name, value in names.items()}
        self._evaluations.append(
            [{"step": step, **row, "Loss/total_loss": 1.0, "AP/cat": quality, "AP/dog": quality / 2}]
        )
        self.picture(f"evaluations/step-{step}.png", "navy")
        best = {"step": step, "metric": "DetectionBoxes_Precision/mAP", "value": quality, "metrics": row}
        self._file("best/metrics.json").write_text(json.dumps(best))

    def picture(self, name: str, color: str) -> None:
        """A small picture."""
        Image.new("RGB", (60, 40), color).save(self._file(name))

    def lock(self, identity: ProcessIdentity | None = None) -> None:
        """The lock file of a process, by default of the test's own."""
        holder = {"id": "1", **asdict(identity or identify()), "since": "2026-11-27 20:00:00 UTC", "beat": "0" * 10}
        (self.folder / LOCK_NAME).write_text(json.dumps(holder))

    def _file(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        return path

    def _write(self) -> None:
        part = self.folder / "run.json.part"
        part.write_text(json.dumps({"seed": 7, "sessions": self.sessions}))
        part.rename(self.folder / "run.json")


def finished_run(project: Project, scale: float = 1.0, quality: float = 0.5, **arguments) -> FakeRun:
    """A run of STEPS steps with two evaluations."""
    run = FakeRun(project, scale)
    run.begin(**arguments)
    run.train(*range(10, STEPS + 1, 10))
    run.evaluate(STEPS // 2, quality / 2)
    run.evaluate(STEPS, quality)
    run.picture("batches/first.png", "olive")
    run.end(STEPS, "all steps are done")
    return run
