"""A service that fails, hangs or is slow: training goes on, and one line says so."""

import threading

import numpy as np
import pytest
from patience import SECONDS

from odtk.errors import OdtkError
from odtk.training.loggers import service
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.loggers.service import RunId, Service
from odtk.training.run_info import RunInfo


class Recorded(Logger):
    """Notes its calls; raises at the named ones, and waits in each for `gate`."""

    def __init__(self, *failing):
        self.failing, self.calls, self.gate = failing, [], threading.Event()
        self.gate.set()

    def _note(self, name, *args):
        self.gate.wait(SECONDS)
        self.calls.append((name, *args))
        if name in self.failing:
            raise ConnectionError("no route to host\nmore")

    def start(self, info, step):
        self._note("start", step)

    def log_training(self, rows):
        self._note("training", rows)

    def log_evaluation(self, step, evaluation):
        self._note("evaluation", step, evaluation)

    def log_picture(self, step, run, tag, pixels):
        self._note("picture", step, run, tag)

    def close(self, error):
        self._note("close", error)


@pytest.fixture
def info(tmp_path):
    return RunInfo(str(tmp_path), "", batch_size=4, num_records=16, num_steps=100)


def used(logger, info, step=0):
    told = []
    shown = Service("Cloud", logger, told.append)
    shown.start(info, step)
    shown.log_training([TrainingRow(1, {"a": 1.0})])
    shown.log_evaluation(2, "measured")
    shown.log_picture(2, "eval", "picture", np.zeros([1, 1, 3], np.uint8))
    shown.close(None)
    return told


def test_everything_arrives_in_order_before_the_end(info):
    logger = Recorded()
    assert used(logger, info) == []
    assert logger.calls == [
        *[("start", 0), ("training", [TrainingRow(1, {"a": 1.0})]), ("evaluation", 2, "measured")],
        *[("picture", 2, "eval", "picture"), ("close", None)],
    ]


def test_training_that_goes_back_starts_it_again(info):
    logger, told = Recorded(), []
    shown = Service("Cloud", logger, told.append)
    for step in (0, 4):
        shown.start(info, step)
        shown.log_training([TrainingRow(step + 1, {})])
        shown.close(None)
    assert [call[0] for call in logger.calls] == 2 * ["start", "training", "close"]
    assert told == []


@pytest.mark.parametrize("failing", [["training"], ["training", "evaluation", "picture", "close"], ["close"]])
def test_failures_are_told_once_and_the_rest_still_arrives(info, failing):
    logger = Recorded(*failing)
    (warning,) = used(logger, info)
    assert warning.startswith("warning: Cloud failed: no route to host. Training goes on;")
    assert [call[0] for call in logger.calls] == ["start", "training", "evaluation", "picture", "close"]


def test_a_new_run_ends_if_the_service_cannot_start(info):
    with pytest.raises(OdtkError, match=r"Cloud cannot be logged to: no route to host\. Check") as raised:
        used(Recorded("start"), info)
    assert raised.value.argument == "log_to"


def test_a_resumed_run_goes_on_without_a_service_that_cannot_start(info):
    logger = Recorded("start")
    (warning,) = used(logger, info, step=7)
    assert "no route to host" in warning
    assert logger.calls == [("start", 7)]


def test_a_service_that_hangs_holds_nothing_up(info, monkeypatch):
    monkeypatch.setattr(service, "_SECONDS_AT_END", 0.01)
    monkeypatch.setattr(service, "_MOST_WAITING", 3)
    logger, told = Recorded(), []
    shown = Service("Cloud", logger, told.append)
    shown.start(info, 0)
    logger.gate.clear()
    for step in range(10):
        shown.log_training([TrainingRow(step, {})])
    assert told == [
        "warning: Cloud failed: it takes less than training gives it. Training goes on; the model dir's own files have "
        "everything."
    ]
    shown.close(None)
    assert len(told) == 1
    logger.gate.set()


def test_the_id_of_a_run_is_kept_for_the_one_that_resumes_it(info):
    assert RunId(info, "cloud").earlier(step=5) is None
    RunId(info, "cloud").save("abc")
    assert RunId(info, "cloud").earlier(step=5) == "abc"
    assert RunId(info, "cloud").earlier(step=0) is None, "a run from the first step on is a new one"
