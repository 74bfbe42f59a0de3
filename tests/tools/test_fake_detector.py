"""The whole journey with a detector that only the contracts know: train, evaluate, export, predict, inspect."""

import json
from dataclasses import dataclass
from pathlib import Path

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from fake_detector import HEAT, SIZE
from inspected_records import picture, write
from PIL import Image

from odtk import pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.detectors.build import build_detector
from odtk.tools.evaluate import evaluate
from odtk.tools.export import export
from odtk.tools.inspect import inspect
from odtk.tools.predict import predict
from odtk.tools.train import train
from odtk.tools.train.run_record import read_run
from odtk.training.fine_tune import fine_tune

LOSSES = [HEAT, SIZE, "Loss/regularization_loss", "Loss/total_loss"]


@dataclass
class Journey:
    config: Path
    model_dir: Path
    trained: object
    evaluated: object


@pytest.fixture(scope="module")
def registered():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def journey(registered, tmp_path_factory) -> Journey:
    folder = tmp_path_factory.mktemp("fake")
    records = write(folder / "records")
    config, model_dir = folder / "pipeline.config", folder / "model"
    config.write_text(fake_detector.CONFIG.replace("{records}", str(records)))
    trained = train(config, model_dir, log_every=1, checkpoint_every=3, seed=1)
    return Journey(config, model_dir, trained, evaluate(config, model_dir))


def test_training_logs_and_shows_the_detectors_own_losses(journey):
    assert journey.trained.last_step == 3
    assert set(LOSSES) <= set(journey.trained.losses)
    assert all(np.isfinite(journey.trained.losses[tag]) for tag in LOSSES)
    (events,) = (journey.model_dir / "train").glob("events.*")
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(events)) for value in event.summary.value}
    assert set(LOSSES) <= tags
    assert not any("classification" in tag or "localization" in tag for tag in tags)
    keys = CheckpointReader(journey.trained.checkpoint).variable_names("model")
    assert any(key.startswith("model/_center/heads/heat") for key in keys)


def test_its_losses_are_measured_beside_the_metrics_and_have_a_meaning(journey):
    report = journey.evaluated
    assert list(report.losses) == LOSSES
    assert report.num_images == 10
    assert list(report.summary)[-4:] == LOSSES
    assert report.meanings[HEAT] == "a loss of this model, mean over batches, in inference mode"
    assert sum(report.losses[tag] for tag in LOSSES[:-1]) == pytest.approx(report.losses[LOSSES[-1]], rel=1e-6)
    assert -1 < report.metrics["DetectionBoxes_Precision/mAP"] <= 1


def test_what_is_exported_detects_as_the_detector(journey, tmp_path):
    exported = export(journey.config, journey.model_dir, tmp_path / "exported", winograd=True)
    assert exported.winograd_convolutions == 0
    (tmp_path / "photo.jpg").write_bytes(picture(5))
    report = predict(tmp_path / "exported", [tmp_path / "photo.jpg"], tmp_path / "out", min_score=0)
    results = json.loads(report.detections_path.read_text())
    assert len(results) == fake_detector.PEAKS
    assert {result["category_name"] for result in results} <= {"cat", "dog"}

    detector = build_detector(pipeline.read(journey.config))
    reader = CheckpointReader(journey.trained.checkpoint)
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(reader.value(reader.tensor_name(key)))
    image, shape = detector.resize(tf.constant(np.asarray(Image.open(tmp_path / "photo.jpg")), tf.float32))
    expected = detector.detect(image[None], shape[None])
    np.testing.assert_allclose([result["score"] for result in results], expected["detection_scores"][0], atol=1e-6)
    np.testing.assert_array_equal(
        [result["category_id"] for result in results], expected["detection_classes"][0].numpy() + 1
    )


def test_its_fine_tune_types_are_its_own(journey):
    detector = build_detector(pipeline.read(journey.config))
    restored = fine_tune(detector, journey.trained.checkpoint, "stem").restored
    assert sorted(restored) == ["model/_center/stem/bias", "model/_center/stem/kernel"]


def test_inspect_takes_its_config_and_has_no_anchors_to_compare_with(journey, tmp_path):
    inspection = inspect(journey.config, html=tmp_path / "page.html")
    assert inspection.coverage is None
    assert "Boxes were not compared with anchors: the config's model has none." in inspection.not_looked_at
    assert sum(split.images for split in inspection.splits) == 22
    assert (tmp_path / "page.html").exists()


def test_its_run_can_be_repeated(journey, tmp_path):
    said = []
    again = train(journey.model_dir, tmp_path / "again", repeat=True, log=said.append)
    assert again.losses == pytest.approx(journey.trained.losses, rel=1e-4)
    (session,) = read_run(tmp_path / "again")["sessions"]
    assert session["arguments"] == {"log_every": 1, "checkpoint_every": 3, "seed": 1}
    assert "Repeating the run" in said[0]
    assert not any(line.startswith("warning: other") for line in said)
