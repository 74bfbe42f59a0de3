import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from bench import process, run, turns  # noqa: E402
from bench.figures import ROWS, figures  # noqa: E402
from bench.table import MEASURED, REFERENCE, table  # noqa: E402
from bench.turns import Times, ratio  # noqa: E402
from bench.workload import PIPELINES, network_of  # noqa: E402

_WORKER = """
import sys
from bench.turns import serve

def build():
    print("what a library prints")
    if sys.argv[1] == "broken":
        raise RuntimeError("no such weights")
    calls = {name: [] for name in sys.argv[1].split(",")}
    return {name: lambda name=name: lambda: print(calls[name].append(1)) for name in calls}

serve(build)
"""


@pytest.fixture
def worker_module(tmp_path, monkeypatch):
    (tmp_path / "worker_of_a_test.py").write_text(_WORKER)
    monkeypatch.setitem(process.ENVIRONMENT, "PYTHONPATH", f"{tmp_path}:{ROOT}")
    return "worker_of_a_test"


def test_workers_take_turns_and_every_turn_is_timed(worker_module):
    with turns.start(worker_module, "whole,network") as ours, turns.start(worker_module, "whole") as theirs:
        times = turns.take_turns({"ours": ours, "theirs": theirs}, rounds=3)
    assert {name: list(works) for name, works in times.items()} == {"ours": ["whole", "network"], "theirs": ["whole"]}
    assert all(len(t.wall) == len(t.cpu) == 3 for works in times.values() for t in works.values())


def test_a_worker_that_fails_ends_the_run_in_its_own_words(worker_module):
    with pytest.raises(SystemExit, match="no such weights"), turns.start(worker_module, "broken"):
        pass


def test_ratios_are_taken_turn_by_turn():
    # The machine is three times slower in the last two rounds, for both: the ratio of the medians would say 3.
    assert ratio(Times([2, 2, 6, 6, 6]), Times([1, 1, 3, 3, 3])) == 2
    assert ratio(Times([1, 3, 3]), Times([1, 1, 3])) == 1


def _raw(whole: float, side: float, winograd: float = 1.0) -> tuple[dict, dict]:
    network = Times([1.0])
    turns_of = {"whole": Times([whole]), "network": network, "resnet": network, "winograd": Times([winograd])}
    cached = {"640 cached": Times([0.8]), "320 cached": Times([1.2])}
    memory = {"seconds": 2.0, "peak_megabytes": 100.0}
    stages = {f"{stage}_seconds": 1.0 for stage in ("imports", "build", "first_step")}
    ours = {
        "latency": turns_of,
        "families": {of: Times([1.0]) for name in PIPELINES for of in (name, network_of(name))},
        "training": turns_of,
        "input": {"640": Times([side]), "320": Times([side]), "decoding": network, **cached},
        "coco": {"seconds": 3.0, "pycocotools_seconds": 20.0},
        "start": memory | stages,
        "watched": {"watched": Times([10.3]), "bare": Times([10.0])},
        "evaluations": {"before": 1000.0, "after": 1010.0, "traces": 1},
        **dict.fromkeys(("conversion", "evaluation", "inspection"), memory),
    }
    theirs = {
        "latency": {"whole": Times([2.0]), "network": network},
        "families": {name: Times([1.25]) for name in PIPELINES},
        "training": {"whole": Times([2.0]), "network": network},
        "input": dict.fromkeys(("640", "320"), Times([2.0])),
        "conversion": {"seconds": 8.0},
    }
    return ours, theirs


def test_targets_are_judged_by_the_ratios():
    ours, theirs = _raw(whole=1.1, side=1.0)
    rows = {row.name: row for row in figures(ours, theirs)}
    assert (rows["SavedModel, 320x320"].ratio, rows["SavedModel, 320x320"].met) == (1.1, True)
    assert (rows["training step, 320x320, batch 4"].ratio, rows["training step, 320x320, batch 4"].met) == (1.1, False)
    assert (rows["input, to 640x640"].ratio, rows["input, to 640x640"].met) == (2.0, True)
    assert (rows["input, to 640x640, --cache memory"].ratio, rows["input, to 640x640, --cache memory"].met) == (
        1.25,
        True,
    )
    assert rows["input, to 320x320, --cache memory"].met is False
    assert (rows["COCO metrics, 5,000 images"].ratio, rows["COCO metrics, 5,000 images"].met) == (0.15, True)
    watched, evaluations = rows["step of odtk train, 320x320, batch 4"], rows["memory after 200 evaluations"]
    assert (watched.value, watched.ratio, watched.met) == (1.03, 1.03, False)
    assert (evaluations.ratio, evaluations.met) == (1.01, True)
    assert rows["make-tfrecords, 740 images"].ratio == 0.25
    families = [
        row for row in figures(ours, theirs) if row.name == "  against TFOD's" and row.beside == "TFOD 1250.0 ms"
    ]
    assert [(row.ratio, row.met) for row in families] == [(0.8, True)] * len(PIPELINES)
    assert {row.tfod for row in rows.values() if row.tfod} == {MEASURED}

    ours, theirs = _raw(whole=1.5, side=1.6, winograd=1.35)
    rows = {row.name: row for row in figures(ours, theirs)}
    assert rows["SavedModel, 320x320"].met is False
    assert (rows["input, to 320x320"].ratio, rows["input, to 320x320"].met) == (1.25, False)
    assert (rows["  with --winograd"].ratio, rows["  with --winograd"].met) == (0.675, False)
    # Those three, the training steps, the other input, and the exported model against TFOD's.
    assert table(figures(ours, theirs)).count("NOT MET") == 7


def test_parts_that_are_measured_again_keep_the_others_results(tmp_path, monkeypatch, capsys):
    ours, theirs = _raw(whole=1.1, side=1.0)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(run, "_summary", lambda times: times.wall)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_PARTS", {part: lambda *_, part=part: (ours[part], theirs.get(part)) for part in ours})
    measure(monkeypatch)
    before = json.loads(run.RESULTS.read_text())
    ours["training"] = _raw(whole=3.3, side=1.0)[0]["training"]
    capsys.readouterr()
    measure(monkeypatch, "--parts", "training")
    after = json.loads(run.RESULTS.read_text())
    assert (before["figures"]["training"][0]["ratio"], after["figures"]["training"][0]["ratio"]) == (1.1, 3.3)
    for document in (before, after):
        del document["figures"]["training"], document["raw"]["training"], document["runs"]["training"]
    assert after == before
    assert list(after["figures"]) == [part for part in ROWS if part != "training"]
    assert "SavedModel" not in capsys.readouterr().out  # the table is of what was measured


def measure(monkeypatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.run", *options])
    run.main()


def test_without_tfod_its_figures_are_the_reference_machines():
    rows = [row for row in figures(_raw(whole=1.1, side=1.0)[0], {}) if row.tfod]
    assert {row.tfod for row in rows} == {REFERENCE}
    # TFOD's exported model took 193 ms, its network 109.
    for row, ours in zip(rows, (1.1, 1.0), strict=False):
        assert (round(row.ratio, 3), row.target) == (round(193 / 109 / ours, 3), "ratio >= 1.5")


def test_what_tfods_python_runs_knows_neither_odtk_nor_tensorflow():
    code = "import sys, bench.workload; sys.exit(any(name in sys.modules for name in ('odtk', 'tensorflow')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
