"""What a run does on several devices is what it does on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parents[1]


FAST = [
    *("frozen, 1", "frozen, 4", "frozen, in parts, 2"),
    *("synced, 1", "synced, 2"),
    "own, 2",
]


def what_came_out(folder: Path, runs: list[str]) -> dict:
    """By run: see replica_runs."""
    path = os.pathsep.join(map(str, (TESTS, TESTS / "tools", TESTS.parent)))
    command = [sys.executable, str(Path(__file__).with_name("replica_runs.py")), str(folder), *runs]
    environment = os.environ | {"PYTHONPATH": path}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict:
    """Of FAST."""
    return what_came_out(tmp_path_factory.mktemp("replicas"), FAST)


def farthest(found: dict, expected: dict) -> float:
    """The largest difference of any values, relative above 1."""
    assert found.keys() == expected.keys()
    differences = [np.abs(np.subtract(found[key], one)) / np.maximum(np.abs(one), 1) for key, one in expected.items()]
    return max(float(each.max()) for each in differences)


SAME = [
    ("frozen, 4", "frozen, 1"),
    ("frozen, in parts, 2", "frozen, 1"),
    ("synced, 2", "synced, 1"),
]


@pytest.mark.parametrize(("several", "one"), SAME)
def test_losses_and_updates_are_those_of_one_device(runs, several, one):
    """With clipping, regularization, averages and momenta; with frozen norms, also where micro-batches add up."""
    found, expected = runs[several], runs[one]
    assert len(found["logs"]) == len(expected["logs"]) == 3
    for logs, same in zip(found["logs"], expected["logs"], strict=True):
        assert farthest(logs, same) < 1e-5
    assert farthest(found["variables"], expected["variables"]) < 1e-5
    assert found["position"] == expected["position"] == (1 << 40) + 11  # 24 of twice 12 records


SAME_TOO = [
    ("frozen, 2", "frozen, 1"),
    ("synced, 4", "synced, 1"),
    ("synced, in parts, 2", "synced, in parts, 1"),
]


@pytest.fixture(scope="module")
def slow_runs(tmp_path_factory) -> dict:
    """Of SAME_TOO."""
    return what_came_out(tmp_path_factory.mktemp("more"), [name for pair in SAME_TOO for name in pair])


@pytest.mark.slow
@pytest.mark.parametrize(("several", "one"), SAME_TOO)
def test_so_they_are_on_another_number_of_devices_and_in_synchronized_parts(slow_runs, several, one):
    test_losses_and_updates_are_those_of_one_device(slow_runs, several, one)


@pytest.mark.parametrize(("several", "one"), [("frozen, 4", "frozen, 1"), ("synced, 2", "synced, 1")])
def test_evaluations_are_those_of_one_device(runs, several, one):
    """Three batches, of which the last is short: on four devices one has nothing to do, on two one has two batches."""
    found, expected = runs[several], runs[one]
    assert found["seen"] == expected["seen"]
    assert expected["advanced"] == [4, 4, 2]
    assert found["advanced"] == {"frozen, 4": [10], "synced, 2": [8, 2]}[several]
    assert (
        found["num_images"] == expected["num_images"] == len({name for batch in found["seen"] for name in batch}) == 10
    )
    assert found["metrics"].keys() == expected["metrics"].keys()
    for name, value in expected["metrics"].items():
        assert found["metrics"][name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


def test_evaluations_in_two_parts_are_those_in_one(runs):
    """On one device the short batch is the last of three; on four it shares its round with two others and a spare."""
    for run in ("frozen, 1", "frozen, 4"):
        assert runs[run]["metrics in two parts"] == pytest.approx(runs[run]["metrics"], rel=1e-6, abs=1e-6)


def test_norms_that_are_not_synchronized_differ_and_nothing_else_does(runs):
    own, synced = runs["own, 2"], runs["synced, 1"]
    assert farthest(own["variables"], synced["variables"]) > 1e-4
    penalties = [run["logs"][0]["Loss/regularization_loss"] for run in (own, synced)]
    assert penalties[0] == pytest.approx(penalties[1], rel=1e-6)
    assert own["position"] == synced["position"]


def test_evaluations_measure_the_norms_of_the_checkpoint_and_training_goes_on_with_the_replicas_own(runs):
    """Only a checkpoint that is written gives them to the training, which goes on as after a resume."""
    told = runs["own, 2"]["statistics"]
    own = {name: np.array(told["before"][name]) for name in told["before"]}
    assert farthest({n: values[0] for n, values in own.items()}, {n: values[1] for n, values in own.items()}) > 1e-4
    means = {name: values.mean(axis=0) for name, values in own.items()}
    for replica in (0, 1):
        assert farthest({n: values[replica] for n, values in told["measured"].items()}, means) < 1e-6
        assert farthest({n: values[replica] for n, values in told["saved"].items()}, means) < 1e-6
    assert told["after"] == told["before"]


@pytest.mark.slow
def test_after_a_nan_a_run_on_two_devices_goes_back_and_is_diagnosed(tmp_path):
    found = what_came_out(tmp_path, ["diverging, 2"])["diverging, 2"]
    for line, rate in zip(found["lines"], (0.5, 0.25, 0.125), strict=True):
        assert f"with {rate} of the config's learning rate" in line
    texts = [*found["lines"], found["error"]]
    assert all("at step 2" in text and "9.jpg" in text for text in texts)
    assert all("with the weights of ckpt-1: The outputs of all layers are finite, but not Loss/reg" in t for t in texts)
    assert found["step"] == 1


@pytest.mark.slow
def test_a_replica_that_runs_out_of_memory_while_another_waits_for_the_first_sum_of_all_ends_the_run(tmp_path):
    """TensorFlow sums no more then; that it was for want of memory, and in how many micro-batches, is still known."""
    found = what_came_out(tmp_path, ["out of memory, 2", "synced, 2"])
    ended, later = found["out of memory, 2"], found["synced, 2"]
    assert (ended["failed"], ended["step"]) == (1, 0)
    assert (later["failed"], later["step"]) == (None, 0), "the next run of the process"


@pytest.mark.slow
def test_a_replica_that_runs_out_of_memory_later_goes_on_with_less(tmp_path):
    """Also while the other waits for a sum: TensorFlow knows by then who takes part."""
    several, one = "out of memory later, 2", "frozen, 1"
    found = what_came_out(tmp_path, [several, one])
    test_losses_and_updates_are_those_of_one_device(found, several, one)
    assert [line.partition(". ")[0] for line in found[several]["lines"]] == ["warning: Out of memory in step 2"]


def test_a_batch_is_diagnosed_with_the_weights_of_several_devices(runs):
    assert runs["own, 2"]["diagnosis"] == "All weights, outputs of layers, losses and gradients are finite."


def test_these_runs_could_have_differed(runs):
    """Their weights move by far more than what counts as equal, and the norms' statistics matter."""
    first, last = (runs["synced, 1"]["logs"][step] for step in (0, -1))
    assert abs(first["Loss/total_loss"] - last["Loss/total_loss"]) > 0.01
    assert farthest(runs["frozen, 1"]["variables"], runs["synced, 1"]["variables"]) > 0.01
