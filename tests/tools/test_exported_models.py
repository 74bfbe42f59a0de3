"""Each file and folder of an export is a model by its own path, to predict and to evaluate; minutes."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from inspected_records import picture, write
from tiny_detector import tiny_config

from odtk import pipeline
from odtk.detections import Detections
from odtk.detectors.build import build_detector
from odtk.exporting import browser
from odtk.exporting.agreement import compare
from odtk.exporting.formats import FORMATS, Tolerance
from odtk.exporting.open_model import open_model, open_trained
from odtk.tools.evaluate import evaluate
from odtk.tools.export import export
from odtk.tools.predict import predict

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shallow_resnet")]

MODELS = [name for name, row in FORMATS.items() if row.load is not None]
MISSING = [name for name in ("tf2onnx", "onnxruntime", "openvino") if importlib.util.find_spec(name) is None]
MAP = "DetectionBoxes_Precision/mAP"
LABELS = "item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\nitem { id: 3 name: 'bird' }\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """records/, and exported/ with every format, each compared with the checkpoint in model/."""
    if MISSING:
        pytest.skip(f"{' and '.join(MISSING)} of the extras odtk[onnx,openvino] are not installed")
    folder = tmp_path_factory.mktemp("exported_models")
    write(folder / "records")
    config = tiny_config()
    detector = build_detector(config)
    random = np.random.default_rng(3)
    for variable in detector.trainable_variables:
        if "kernel" in variable.name:
            variable.assign(variable * 3 + random.normal(0, 0.05, variable.shape))
    (folder / "model").mkdir()
    tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(folder / "model/ckpt-1"))
    (folder / "model/label_map.pbtxt").write_text(LABELS)
    pipeline.write(config, folder / "pipeline.config")
    package = folder / "package"
    (package / "dist").mkdir(parents=True)
    for name in browser._FILES:  # the page itself is tested with the real ones
        (package / "dist" / name).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(browser.ELSEWHERE, str(package))
        arguments = folder / "pipeline.config", folder / "model/ckpt-1", folder / "exported"
        report = export(*arguments, format=MODELS, verify=3)
    assert [one.format for one in report.certificate.formats] == MODELS
    assert all(one.agreement.objects >= 3 for one in report.certificate.formats)
    return folder


@dataclass
class Expected:
    photo: Path
    records: str
    detections: Detections
    precision: float


@pytest.fixture(scope="module")
def expected(folder):
    """What the checkpoint itself finds, and its mAP."""
    photo, records = folder / "photo.jpg", str(folder / "records/val.record*")
    photo.write_bytes(picture(1))
    config, model = folder / "pipeline.config", folder / "model/ckpt-1"
    found = open_trained(model, pipeline_config=config).detect(photo)
    measured = evaluate(config, model, groundtruth=records, report=False, output=folder / "eval")
    return Expected(photo, records, found, measured.metrics[MAP])


@pytest.mark.parametrize("name", MODELS)
def test_it_finds_and_scores_by_its_own_path_what_its_checkpoint_does(name, folder, expected, tmp_path):
    path = folder / "exported" / FORMATS[name].path
    found = open_model(path).detect(expected.photo)
    assert compare([expected.detections], [found]).problems(Tolerance()) == []
    assert set(found.names) <= {"cat", "dog", "bird"}
    predicted = predict(path, [expected.photo], tmp_path / "found", min_score=0)
    assert len(json.loads(predicted.detections_path.read_text())) == len(found) > 0
    measured = evaluate(path, groundtruth=expected.records, report=False, output=tmp_path / "eval")
    assert measured.num_images == 10
    assert measured.metrics[MAP] == pytest.approx(expected.precision, abs=1e-3)
