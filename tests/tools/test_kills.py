"""kill -9 at any moment leaves a folder that resumes, and the run that comes of it equals one that was never killed."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fake_detector
import numpy as np
import pytest
from inspected_records import write
from PIL import Image

from odtk.checkpoints.reader import CheckpointReader

KILLS, STEPS = 20, 240
PROGRAM = Path(__file__).with_name("killed_run.py")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Of the fake detector; its optimizer averages the weights, as is the schema's default."""
    folder = tmp_path_factory.mktemp("kills")
    return fake_detector.write_config(folder, write(folder / "records"))


def train(config, model_dir, seconds) -> int:
    """The exit status of a run that is killed after `seconds` of training: 0, or minus a signal's number."""
    words = [sys.executable, PROGRAM, config, model_dir, str(STEPS), str(seconds)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode


def rows(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def require_whole_files(model_dir: Path) -> None:
    """Each file can be read, and nothing in it is cut or stands twice."""
    for name in ("metrics.csv", "evaluations.csv"):
        if (model_dir / name).exists():
            lines = (model_dir / name).read_text().splitlines()
            assert len({line.count(",") for line in lines}) <= 1, f"{name} has a cut line"
            steps = [row["step"] for row in rows(model_dir / name)]
            assert len(steps) == len(set(steps)), f"{name} has a row twice"
    for path in model_dir.rglob("*.json"):
        json.loads(path.read_text())
    for path in model_dir.rglob("*.png"):
        Image.open(path).load()
    if (model_dir / "best" / "metrics.json").exists():
        newest = (model_dir / "best" / "checkpoint").read_text().split('"')[1]
        CheckpointReader(model_dir / "best" / newest).verify()


def events(model_dir: Path, run: str) -> Counter:
    """How often each (tag, step) stands in the events, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(model_dir / run), size_guidance={"tensors": 0})
    read.Reload()
    return Counter((tag, event.step) for tag in read.Tags()["tensors"] for event in read.Tensors(tag))


def variables(model_dir: Path) -> dict[str, np.ndarray]:
    reader = CheckpointReader(model_dir / f"ckpt-{STEPS}")
    return {name: reader.value(name) for name in reader._shapes if not name.startswith("_CHECKPOINTABLE")}


@pytest.mark.slow
def test_a_run_that_is_killed_at_20_random_moments_equals_one_that_is_not(config, tmp_path):
    assert train(config, tmp_path / "whole", "inf") == 0
    chance, killed, model_dir = random.Random(20), 0, tmp_path / "killed"
    while killed < KILLS:
        if train(config, model_dir, round(chance.uniform(0, 2.5), 2)) == 0:
            break
        killed += 1
        require_whole_files(model_dir)
    assert killed >= KILLS // 2, "it ended before it could be killed often enough: give it more steps"
    assert train(config, model_dir, "inf") == 0
    require_whole_files(model_dir)
    whole, resumed = variables(tmp_path / "whole"), variables(model_dir)
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    timed = {"seconds", "images_per_sec"}
    for name in ("metrics.csv", "evaluations.csv"):
        expected, found = ([{k: v for k, v in row.items() if k not in timed} for row in rows(folder / name)]
                           for folder in (tmp_path / "whole", model_dir))  # fmt: skip
        assert found == expected, name
    best = [json.loads((folder / "best" / "metrics.json").read_text()) for folder in (tmp_path / "whole", model_dir)]
    assert best[0] == best[1]
    for run in ("train", "eval"):
        whole, resumed = events(tmp_path / "whole", run), events(model_dir, run)
        assert set(resumed.values()) == {1}, f"{run} has events twice"
        assert whole.keys() <= resumed.keys()
        # Each process shows its first batch.
        assert {tag for tag, _ in resumed.keys() - whole.keys()} <= {"train_input_images"}
