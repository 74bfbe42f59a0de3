"""docs/python.md, run as it stands but for sizes: drawn pets from annotations to detections, in one namespace."""

import re
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import tensorflow as tf

import odtk

PAGE = Path(__file__).parents[1] / "docs/python.md"

NARROW = """
        "train_config.batch_size": 2,
        "model.ssd.feature_extractor.depth_multiplier": 0.1,
        "model.ssd.box_predictor.weight_shared_convolutional_box_predictor.depth": 16,
"""
# What a test has no time for: text of the page, and what stands in its place here.
SMALLER = {
    "num_images=160": "num_images=12",
    "    num_steps=600": "    num_steps=2",
    'set={"train_config.max_number_of_boxes": 20}': f'set={{"train_config.max_number_of_boxes": 20, {NARROW}}}',
    "min_score=0.5": "min_score=0",
}


def run_page() -> dict:
    """The namespace in which all of the page's code has run; lines of tracebacks are the page's."""
    text = PAGE.read_text(encoding="utf-8")
    for written, smaller in SMALLER.items():
        assert text.count(written) == 1, written
        text = text.replace(written, smaller)
    namespace: dict = {}
    for block in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        line = text[: block.start()].count("\n") + 1
        exec(compile("\n" * line + block[1], str(PAGE), "exec"), namespace)
    return namespace


class FindsABeagle(tf.Module):
    """Stands in for a detector, with the signature of an exported one."""

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, "input_tensor")])
    def detect(self, input_tensor):
        return {
            "detection_boxes": tf.constant([[[0.25, 0.5, 0.75, 1.0]]]),
            "detection_classes": tf.constant([[2.0]]),
            "detection_scores": tf.cast(tf.reduce_max(input_tensor) > 0, tf.float32)[tf.newaxis, tf.newaxis] * 0.75,
            "num_detections": tf.constant([1.0]),
        }


def export_beagles(pipeline_config, checkpoint, output_dir):
    model = FindsABeagle()
    tf.saved_model.save(model, f"{output_dir}/saved_model", signatures=model.detect)
    Path(output_dir, "label_map.pbtxt").write_text(Path("pets/label_map.pbtxt").read_text())
    return odtk.ExportReport(output_dir, checkpoint, 2, "image_tensor")


@pytest.fixture
def quick_training(monkeypatch):
    """Training, evaluation and export that take no time; what they are called with is checked all the same."""
    trained = odtk.TrainingReport("model", "model/ckpt-2", 0, 2, "all steps are done", {"Loss/total_loss": 1.5}, [])
    classes = [{"name": "beagle", "boxes": 2, "AP": 1.0}]
    metrics = {"DetectionBoxes_Precision/mAP@.50IOU": 1.0}
    path = Path("model/ckpt-2")
    evaluated = odtk.EvaluationReport(metrics, 4, 0, path, 2, Path("model/eval/metrics.json"), classes)
    monkeypatch.setattr(odtk, "train", create_autospec(odtk.train, return_value=trained))
    monkeypatch.setattr(odtk, "evaluate", create_autospec(odtk.evaluate, return_value=evaluated))
    monkeypatch.setattr(odtk, "export", create_autospec(odtk.export, side_effect=export_beagles))


def test_the_page_runs_without_training(quick_training, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = run_page()
    assert page["records"].written == page["records"].listed == 12
    height, width, _ = page["pixels"].shape
    assert page["in_pixels"].tolist() == [pytest.approx([0.25 * height, 0.5 * width, 0.75 * height, width])]
    said = capsys.readouterr().out
    assert "beagle 0.75: from 0.50, 0.25 to 1.00, 0.75\n" in said
    assert "Did you mean train_config.batch_size?" in said


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = run_page()
    assert page["training"].last_step == 2
    assert page["export"].step == page["training"].summary.best_step
    assert 0 <= page["evaluation"].metrics["DetectionBoxes_Precision/mAP"] < 1
    assert len(list((tmp_path / "found").glob("*.jpg"))) == len(list((tmp_path / "pets/images").glob("*.jpg")))
    # The seed and the steps are those of the page's training, whose config has this batch size here.
    losses = page["first_losses"]("pipeline.config", 2)
    assert losses[-1] == pytest.approx(page["training"].losses["Loss/total_loss"], rel=1e-6)
