"""Projects as trainings, evaluations and exports leave them, without TensorFlow: small copies of what these write."""

import io
import json
import sys
from pathlib import Path

from PIL import Image

from odtk.web.projects import Project, create_project

FAKE_MODEL = (sys.executable, str(Path(__file__).with_name("fake_model_process.py")))

LABEL_MAP = """\
item {
  id: 1
  name: "cat"
}
item {
  id: 2
  name: "<b>dog</b>"
}
"""


def trained_project(workspace, name="pets", sections=None) -> Project:
    """A project whose run has a best and a last checkpoint."""
    project = create_project(workspace, name, sections or {"train": {"pipeline-config": "pipeline.config"}})
    project.config.write_text("model { ssd { num_classes: 2 } }\n")
    for folder, step in ((project.run, 20), (project.run / "best", 10)):
        folder.mkdir(parents=True)
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "ckpt-{step}"\n')
        for suffix in ("index", "data-00000-of-00001"):
            (folder / f"ckpt-{step}.{suffix}").write_bytes(f"{folder.name} {step} {suffix}".encode())
    (project.run / "pipeline.config").write_text(project.config.read_text())
    (project.run / "label_map.pbtxt").write_text(LABEL_MAP)
    (project.run / "metrics.csv").write_text("step,Loss/total_loss\n10,1.5\n20,0.5\n")
    return project


def evaluate(project: Project) -> None:
    """What `odtk evaluate` leaves."""
    folder = project.run / "eval"
    (folder / "report").mkdir(parents=True)
    metrics = {"DetectionBoxes_Precision/mAP": 0.4904, "DetectionBoxes_Precision/mAP@.50IOU": 0.8872}
    explained = {
        "model": "runs/pets/best/ckpt-10 (step 10)", "images": 12, "boxes": 1300,
        "micro": {"precision": 0.8333, "recall": None, "f1": 0.7},
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "report" / "explanation.json").write_text(json.dumps(explained))
    (folder / "thresholds.json").write_text(json.dumps({"score": 0.4, "classes": {"cat": 0.6}}))
    (folder / "report.html").write_text("<!doctype html><title>R</title><h1>The report of cats</h1>")


def export(project: Project, name="onnx") -> None:
    """What `odtk export` leaves."""
    folder = project.exports / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"o" * 2_500_000)
    (folder / ".hidden").write_text("not in the zip")
    certificate = {
        "step": 10, "images": 12, "source": "evaluation images", "machine": "a machine", "note": None,
        "formats": [{
            "format": "onnx", "path": "model.onnx", "map_before": 0.49, "map_after": 0.489,
            "agreement": {"objects": 44, "missing": 1, "extra": 2, "boxes": 0.00012, "scores": 0.0003},
            "tolerance": {"boxes": 0.001, "scores": 0.001, "missing": 0.0, "points": 1.0},
            "milliseconds_before": 73.48, "milliseconds_after": 41.0,
        }],
    }  # fmt: skip
    (folder / "certificate.json").write_text(json.dumps(certificate))


def jpeg(width=64, height=48, color=(200, 30, 30)) -> bytes:
    """A picture of one color."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, "JPEG")
    return file.getvalue()
