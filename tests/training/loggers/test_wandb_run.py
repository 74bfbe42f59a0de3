"""Weights & Biases: what the library is given (by a stand-in), and that the library itself accepts it, offline."""

import sys
import types

import numpy as np
import pytest

from odtk import pipeline
from odtk.evaluation.run import Evaluation
from odtk.protos import pipeline_pb2
from odtk.training.loggers.logger import TrainingRow
from odtk.training.loggers.wandb_run import WandbRun
from odtk.training.run_info import RunInfo

PICTURE = np.zeros([8, 8, 3], np.uint8)
MEASURED = Evaluation(
    metrics={"DetectionBoxes_Precision/mAP@.50IOU": 0.5},
    losses={},
    meanings={"DetectionBoxes_Precision/mAP@.50IOU": ""},
    classes=[{"id": 1, "name": "cat", "AP": 0.25}],
    num_images=1,
    repeated_images=0,
)


@pytest.fixture
def info(tmp_path):
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_config.batch_size = 4
    folder = tmp_path / "cats"
    folder.mkdir()
    return RunInfo(str(folder), pipeline.format(config), batch_size=4, num_records=16, num_steps=100, seed=3)


@pytest.fixture
def library(monkeypatch):
    """A stand-in that notes what it is given."""
    calls = []

    def init(**options):
        calls.append(("init", options))
        note = lambda name: lambda *args, **options: calls.append((name, *args, *options.values()))  # noqa: E731
        return types.SimpleNamespace(
            id=options["id"], url="https://here/cats", offline=False, define_metric=note("define"), log=note("log"),
            finish=note("finish"),
        )  # fmt: skip

    wandb = types.SimpleNamespace(init=init, Settings=lambda **given: given, Image=lambda pixels: pixels.shape)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")  # so that it does not stay
    return calls


def test_the_run_has_the_config_and_its_metrics_and_pictures_by_step(library, info):
    told = []
    logger = WandbRun(told.append)
    logger.start(info, 0)
    logger.log_training([TrainingRow(10, {"Loss/total_loss": 2.0})])
    logger.log_picture(10, "train", "train_input_images", PICTURE)
    logger.log_evaluation(20, MEASURED)
    logger.close(ValueError())
    ((_, options), *calls) = library
    assert (options["project"], options["name"], options["dir"]) == ("odtk", "cats", info.model_dir)
    assert options["settings"] == {"silent": True, "console": "off"}
    assert options["config"] == {
        "batch_size": 4, "num_steps": 100, "num_records": 16, "seed": 3,
        "pipeline": {"train_config": {"batch_size": 4}},
    }  # fmt: skip
    assert calls == [
        ("define", "step"),
        ("define", "*", "step"),
        ("log", {"step": 10, "train/Loss/total_loss": 2.0}),
        ("log", {"step": 10, "train/train_input_images": (8, 8, 3)}),
        ("log", {"step": 20, "eval/DetectionBoxes_Precision/mAP@.50IOU": 0.5, "eval/AP/cat": 0.25}),
        ("finish", 1),
    ]
    assert told == ["Weights & Biases: https://here/cats"]


def test_a_resumed_training_continues_its_run(library, info):
    for step in (0, 50, 0):
        WandbRun(print).start(info, step)
    first, resumed, new = (options for name, options in (call[:2] for call in library) if name == "init")
    assert (resumed["id"], resumed["name"], resumed["resume"]) == (first["id"], None, "allow")
    assert new["id"] != first["id"]


@pytest.mark.slow
def test_the_library_itself_takes_all_of_it_offline_and_prints_nothing(info, monkeypatch, capfd):
    wandb = pytest.importorskip("wandb", reason="wandb, an extra of odtk, is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for step in (0, 10):
        told = []
        logger = WandbRun(told.append)
        logger.start(info, step)
        logger.log_training([TrainingRow(10, {"Loss/total_loss": 2.0, "gradient_norm": float("nan")})])
        logger.log_picture(10, "train", "train_input_images", PICTURE)
        logger.log_evaluation(10, MEASURED)
        logger.close(None)
        assert told[0].startswith(f"Weights & Biases is offline. To upload the run later: wandb sync {info.model_dir}")
    wandb.teardown()
    assert capfd.readouterr() == ("", "")
