"""MLflow, with the library itself and its own local database."""

import numpy as np
import pytest

from odtk import pipeline
from odtk.evaluation.run import Evaluation
from odtk.protos import pipeline_pb2
from odtk.training.loggers.logger import TrainingRow
from odtk.training.loggers.mlflow_run import MlflowRun, _name
from odtk.training.loggers.service import RunId, Service
from odtk.training.run_info import RunInfo

PICTURE = np.zeros([8, 8, 3], np.uint8)
MEASURED = Evaluation(
    metrics={"DetectionBoxes_Precision/mAP@.50IOU": 0.5},
    losses={},
    meanings={"DetectionBoxes_Precision/mAP@.50IOU": ""},
    classes=[{"id": 1, "name": "Maine, Coon", "AP": 0.25}],
    num_images=1,
    repeated_images=0,
)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("Loss/total_loss", "train/Loss/total_loss"),
        ("DetectionBoxes_Precision/mAP@.50IOU", "train/DetectionBoxes_Precision/mAP_.50IOU"),
        ("AP/two\nlines, æ 猫", "train/AP/two_lines_ æ 猫"),
        ("AP/a//b/../c", "train/AP/a/c"),
    ],
)
def test_names_are_those_that_the_service_accepts(tag, name):
    assert _name("train", tag) == name


@pytest.fixture
def info(tmp_path):
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_config.batch_size = 4
    return RunInfo(str(tmp_path / "cats"), pipeline.format(config), batch_size=4, num_records=16, num_steps=100, seed=3)


@pytest.mark.slow
def test_the_library_itself_takes_all_of_it_and_a_resumed_training_continues_its_run(
    info, tmp_path, monkeypatch, capfd
):
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny, an extra of odtk, is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    told = []
    for step in (0, 10):
        logger = Service("MLflow", MlflowRun(told.append), told.append)
        logger.start(info, step)
        logger.log_training([TrainingRow(step + 10, {"Loss/total_loss": 2.0, "gradient_norm": float("nan")})])
        logger.log_picture(step + 10, "train", "train_input_images", PICTURE)
        logger.log_evaluation(step + 10, MEASURED)
        logger.close(None if step else KeyboardInterrupt())
    run_id = RunId(info, "mlflow").earlier(10)
    assert told == [f"MLflow: run cats ({run_id}) in sqlite:///{tmp_path}/mlflow.db"] * 2
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"batch_size": "4", "num_steps": "100", "num_records": "16", "seed": "3"}
    history = client.get_metric_history(run_id, "eval/DetectionBoxes_Precision/mAP_.50IOU")
    assert [(entry.step, entry.value) for entry in history] == [(10, 0.5), (20, 0.5)]
    assert client.get_metric_history(run_id, "eval/AP/Maine_ Coon")[0].value == 0.25
    assert {"pipeline.config", "images"} <= {file.path for file in client.list_artifacts(run_id)}
    assert capfd.readouterr() == ("", "")
