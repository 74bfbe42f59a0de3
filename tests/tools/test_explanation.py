"""What explains an evaluation, and the page and files that it is written to."""

import json

import numpy as np

from odtk.evaluation.results import ImageResult, Results
from odtk.tools.evaluate.explanation import Measured, explain
from odtk.tools.evaluate.report_files import write_report


def _image(name: str) -> ImageResult:
    box = np.array([[10, 10, 60, 60]], np.float32)
    one = np.ones(1, int)
    return ImageResult(name, (80, 100), box, one, np.array([2500.0]), np.zeros(1, bool), box, one, np.array([0.9]))


def _measured() -> Measured:
    metrics = {"DetectionBoxes_Precision/mAP": 1.0, "DetectionBoxes_Recall/AR@100 (small)": float("nan")}
    return Measured("model/ckpt-6", "val.record", metrics, dict.fromkeys(metrics, "a metric"))


def test_the_report_is_a_page_and_json(tmp_path):
    results = Results([_image("a.jpg"), _image("b.jpg")], {1: "cat"})
    written = write_report(tmp_path / "eval", explain(results, _measured()), results)
    assert written.page == tmp_path / "eval" / "report.html"
    page = written.page.read_text("utf-8")
    assert "model/ckpt-6" in page
    assert "2 images" in page
    assert "<script" not in page
    document = json.loads((tmp_path / "eval" / "report" / "explanation.json").read_text("utf-8"))
    assert document["num_boxes"] == document["num_detections"] == 2
    assert document["measured"]["metrics"]["DetectionBoxes_Recall/AR@100 (small)"] is None
