"""How `odtk train` ends before its last step: signals and a time limit; what it saves, says and returns."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import fake_detector
import pytest
from click.testing import CliRunner
from inspected_records import write

from odtk.cli.main import cli
from odtk.errors import DataError, OdtkError
from odtk.tools.train import train
from odtk.tools.train.run_record import read_run
from odtk.training.callbacks.bad_records import BadRecordLimit
from odtk.training.callbacks.callback import Callback
from odtk.training.loggers.csv_files import read_evaluations

pytestmark = pytest.mark.usefixtures("no_pictures", "signals_of_a_terminal")

ENDLESS = ["--checkpoint-every", "1000000", "--num-steps", "1000000", "--seed", "1"]


@pytest.fixture(scope="module", autouse=True)
def registered():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    return fake_detector.write_config(folder, write(folder / "records"))


def ended(monkeypatch, config, model_dir, at_step, *numbers, options=()):
    """The command's result with signals sent after the loop of a step; none for at_step 0."""

    def after_loop(self, step, logs):
        for number in numbers * (step == at_step):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(BadRecordLimit, "after_loop", after_loop)
    return CliRunner().invoke(cli, ["train", str(config), str(model_dir), *ENDLESS, *options])


def checkpoints(model_dir):
    return sorted(path.stem for path in model_dir.glob("ckpt-*.index"))


def test_a_signal_ends_with_a_checkpoint_and_the_command_that_goes_on(config, tmp_path, monkeypatch):
    model_dir, before = tmp_path / "my model", signal.getsignal(signal.SIGTERM)
    result = ended(monkeypatch, config, model_dir, 2, signal.SIGTERM)
    assert result.exit_code == 143, result.output
    assert checkpoints(model_dir) == ["ckpt-2"]
    ending = re.search(r"Ended early: (.*)\. To go on: (.*)", result.stdout)
    assert ending[1] == read_run(model_dir)["sessions"][-1]["reason"]
    assert ending[1] == "stopped by SIGTERM"
    assert shlex.split(ending[2]) == ["odtk", "train", str(config), str(model_dir), *ENDLESS]
    assert signal.getsignal(signal.SIGTERM) is before

    # It goes on, and this time its own clock ends it, which is no failure.
    result = ended(monkeypatch, config, model_dir, 0, options=["--max-time", "1s"])
    assert result.exit_code == 0, result.output
    assert "Ended early: the time limit of 1s is reached. To go on: odtk train" in result.stdout
    assert checkpoints(model_dir)[0] == "ckpt-2"
    assert len(checkpoints(model_dir)) == 2


def test_a_second_signal_is_an_interruption_that_saves(config, tmp_path, monkeypatch):
    result = ended(monkeypatch, config, tmp_path / "model", 2, signal.SIGINT, signal.SIGTERM)
    assert result.exit_code == 143
    assert "Ended early" not in result.stdout
    assert "Stopped at step 2; saved" in result.stderr
    assert result.stderr.strip().endswith("Terminated.")
    assert checkpoints(tmp_path / "model") == ["ckpt-2"]


def test_a_third_signal_leaves_without_a_checkpoint(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "odtk.training.callbacks.checkpoints.StepCheckpoints.save",
        lambda *_, **__: os.kill(os.getpid(), signal.SIGINT),
    )
    result = ended(monkeypatch, config, tmp_path / "model", 1, signal.SIGINT, signal.SIGINT)
    assert result.exit_code == 130
    assert checkpoints(tmp_path / "model") == []


def test_python_stops_a_run_by_a_function(config, tmp_path):
    asked = []

    def should_stop():
        asked.append(1)
        return "the button was pressed" if len(asked) > 3 else None

    report = train(config, tmp_path / "model", num_steps=100, eval_every=2, seed=1, should_stop=should_stop)
    assert (report.reason, report.last_step, report.is_early) == ("the button was pressed", 2, True)
    # Before the first step, after two of them, and after the first batch of the evaluation, which has no result.
    assert len(asked) == 4
    assert not (tmp_path / "model" / "eval").exists()


def test_a_time_that_is_none_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(OdtkError, match="max_time is 'soon'; it is a time above 0, such as 11h30m") as error:
        train(tmp_path / "no.config", tmp_path / "model", max_time="soon")
    assert error.value.argument == "max_time"


TRAINING = """
import sys
sys.path[:0] = {path!r}
import fake_detector
from odtk.cli.main import main
with fake_detector.registered():
    main()
"""


@pytest.mark.slow  # test_a_signal_ends_with_a_checkpoint_and_the_command_that_goes_on is its faster sibling
def test_a_process_that_is_terminated_says_so_saves_and_returns_143(config, tmp_path):
    here = Path(__file__).parent
    script = TRAINING.format(path=[str(here), str(here.parent), str(here.parents[1])])
    command = [sys.executable, "-c", script, "train", str(config), str(tmp_path / "model"), *ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if re.search(r"Training [1-9]\d*/1000000", line):
                process.send_signal(signal.SIGTERM)
                break
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert "SIGTERM: stopping after this step, with a checkpoint." in stderr
    assert "Ended early: stopped by SIGTERM. To go on: odtk train" in stdout
    (saved,) = checkpoints(tmp_path / "model")
    report = train(config, tmp_path / "model", num_steps=int(saved[5:]) + 1)
    assert report.first_step == int(saved[5:])


@pytest.mark.parametrize("asked", [{}, {"patience": 9}], ids=["of its own accord", "asked for"])
def test_evaluation_records_that_break_end_evaluating_but_training_only_if_it_was_asked_for(config, tmp_path, asked):
    class Breaking(Callback):
        def after_evaluation(self, step, evaluation):
            (tmp_path / "val.record").write_bytes(b"nothing")

    text = config.read_text()
    (val,) = re.findall(r'input_path: "(.*val\.record.*)"', text)
    shutil.copy(val, tmp_path / "val.record")
    (tmp_path / "pipeline.config").write_text(text.replace(val, str(tmp_path / "val.record")))
    said, options = [], {"num_steps": 5, "eval_every": 2, "seed": 1, "log": lambda line: said.append(line)}
    with pytest.raises(DataError, match="no image") if asked else contextlib.nullcontext():
        train(tmp_path / "pipeline.config", tmp_path / "model", callbacks=[Breaking()], **options, **asked)
    assert [row["step"] for row in read_evaluations(tmp_path / "model")] == [2]
    assert len([line for line in said if line.endswith("but nothing more is evaluated.")]) == (not asked)
    assert checkpoints(tmp_path / "model") == ["ckpt-4" if asked else "ckpt-5"]
