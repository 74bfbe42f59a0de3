"""Two processes train together, and in one case after the other something stops or goes wrong in one of them alone."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import fake_detector
import pytest
from inspected_records import encoded, sound_images, write
from test_train_workers import free_addresses, steps_in, values

PROGRAM = Path(__file__).parent / "worker_cases.py"
CASES = [
    *("whole", "half", "resumed", "out of time", "patience", "terminated", "terminated while evaluating"),
    *("lower rate", "not a number", "an error", "bad evaluation records", "bad records"),
    "a bad record",  # after it no sum over the workers succeeds
]
# Without what ends it, a worker would wait for the other until the test's own limit for all cases. A minute was too
# little on a machine with eight times as many processes as cores, and ten minutes for all were on one with three times.
TOGETHER, LIMIT = 240.0, 3600.0  # seconds
pytestmark = pytest.mark.slow


def write_cases(folder: Path) -> None:
    """The configs and records of worker_cases: worker 1's bad ones are of the same number."""
    good, bad = write(folder / "good"), [b"nothing"] * 3
    spoiled = write(
        folder / "spoiled",
        encoded(sound_images(12, 0))[:9] + bad,
        encoded(sound_images(10, 100))[:4] + bad + encoded(sound_images(3, 107)),
    )
    text = fake_detector.write_config(folder, good).read_text()
    for name, split in (("bad.config", "train"), ("bad-evaluation.config", "val")):
        (folder / name).write_text(text.replace(f"{good}/{split}", f"{spoiled}/{split}"))


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """(the folder, how each case ended on the chief and on the worker)."""
    folder, addresses = tmp_path_factory.mktemp("cases"), free_addresses(2)
    write_cases(folder)
    processes = []
    for index in range(2):
        command = [sys.executable, str(PROGRAM), str(folder), addresses, str(index), *CASES]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    try:
        outputs = [process.communicate(timeout=LIMIT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    found = [{one["case"]: one for one in map(json.loads, output.splitlines())} for output in outputs]
    return folder, {case: (found[0].get(case), found[1].get(case)) for case in CASES}


def test_in_all_cases_neither_waits_for_the_other(ended):
    _, cases = ended
    for case, (chief, worker) in cases.items():
        assert chief, case
        assert worker, case
        assert abs(chief["ended"] - worker["ended"]) < TOGETHER, case


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(ended):
    """Batch norms' moving averages too, of which each worker has its own between two checkpoints."""
    folder, cases = ended
    assert [one["step"] for case in ("whole", "half", "resumed") for one in cases[case]] == [6, 6, 4, 4, 6, 6]
    assert values(folder / "half", 6) == values(folder / "whole", 6)


def test_evaluations_are_those_of_the_checkpoint_by_one_process(ended):
    """Three batches: the chief has two of them, worker 1 one."""
    from worker_cases import with_norms

    from odtk.tools.evaluate import evaluate

    folder, _ = ended
    model_dir = folder / "patience"
    rows = list(csv.DictReader((model_dir / "evaluations.csv").open()))
    assert [row["step"] for row in rows] == ["1", "2"]
    with fake_detector.registered(), with_norms():
        for checkpoint, row in (("best", rows[1]), ("last", rows[1])):
            report = evaluate(folder / "pipeline.config", model_dir, checkpoint, report=False)
            assert (report.num_images, report.step) == (10, 2)
            for name, value in report.metrics.items():
                assert float(row[name]) == pytest.approx(value, rel=1e-6), name
    assert rows[0]["Loss/center/heat"] != rows[1]["Loss/center/heat"]


def test_a_reason_to_stop_of_one_worker_stops_all_with_a_checkpoint(ended):
    folder, cases = ended
    for case, reason, code, step in (
        ("out of time", "the time limit of 6s is reached", 0, None),
        ("patience", "no improvement of mAP in 1 evaluations (best: 0 at step 1)", 0, 2),
        ("terminated", "stopped by SIGTERM", 143, 3),
        ("terminated while evaluating", "stopped by SIGTERM", 143, 3),
    ):
        for one in cases[case]:
            assert (one["reason"], one["code"], one["error"]) == (reason, code, ""), one
            assert step in (None, one["step"]), one
        assert (folder / case / f"ckpt-{cases[case][0]['step']}.index").exists(), case
    assert not (folder / "terminated while evaluating/best").exists()  # that evaluation has no result


def test_a_nan_of_one_worker_takes_all_back_or_ends_all(ended):
    folder, cases = ended
    chief, worker = cases["lower rate"]
    assert (chief["step"], worker["step"]) == (6, 6)
    assert len(json.loads((folder / "lower rate/nan/rate.json").read_text())["halvings"]) == 1
    assert steps_in(folder / "lower rate" / "metrics.csv") == [1, 2, 3, 4, 5, 6]
    (story,) = [line for line in worker["lines"] if "NaN" in line]
    assert "at step 4" in story
    assert "This worker's part of the batch of that step: " in story
    (story,) = [line for line in chief["lines"] if line.startswith("warning: The loss became NaN")]
    assert "goes on from the weights of ckpt-2, with 0.5 of the config's learning rate" in story
    for one in cases["not a number"]:
        assert one["code"] == 1
        assert "The loss became NaN or infinite at step 4" in one["error"]
    assert (folder / "not a number" / "ckpt-2.index").exists()
    assert not (folder / "not a number" / "ckpt-4.index").exists()


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("an error", "RuntimeError: the third step went wrong"),
        ("bad records", "2 records cannot be used, more than the limit of 1:"),
        ("bad evaluation records", "2 records cannot be used, more than the limit of 1:"),
    ],
)
def test_an_error_of_one_worker_ends_all_and_is_told_by_all(ended, case, error):
    folder, cases = ended
    chief, worker = cases[case]
    assert (chief["code"], worker["code"]) == (1, 1)
    assert error in worker["error"]
    assert re.search(r"worker 1 \(localhost:\d+\) ended: ", chief["error"]), chief
    assert error in chief["error"]
    # Checkpoints are due at step 2, or not at all: an error of the data, at which all end together, costs no step.
    saved = {path.name for path in (folder / case).glob("ckpt-*.index")} - {"ckpt-2.index"}
    assert bool(saved) == (case != "an error"), saved


def test_a_worker_whose_step_fails_ends_and_the_others_notice(ended):
    _, cases = ended
    chief, worker = cases["a bad record"]
    assert "record 9 cannot be used" in worker["error"]
    assert re.search(r"At step \d+ worker 1 \(localhost:\d+\) ended or is no longer reachable", chief["error"]), chief
