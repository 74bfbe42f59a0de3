"""`odtk benchmark`: models take turns in processes of their own, and what their times mean."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarked_stub import Stub
from click.testing import CliRunner
from PIL import Image

from odtk.cli.main import cli
from odtk.errors import DataError, OdtkError
from odtk.machine import find_cpu
from odtk.tools.benchmark import benchmark, processes
from odtk.tools.benchmark.latency import latency_of, ratio_of
from odtk.tools.benchmark.pictures import draw_picture, load_pictures
from odtk.tools.benchmark.plan import Case, build_plan
from odtk.tools.benchmark.report import bytes_of, names_of, notes_on
from odtk.tools.benchmark.turns import count_turns, take_turns
from odtk.tools.benchmark.worker import Worker, serve

SIZE = (64, 48)


@pytest.fixture(scope="module")
def stubs():
    """The models are stubs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "COMMAND", (sys.executable, str(Path(__file__).with_name("benchmarked_stub.py"))))
        yield


@pytest.fixture(scope="module")
def found(stubs, tmp_path_factory):
    """Of two models, in processes."""
    plot = tmp_path_factory.mktemp("plot") / "speed.png"
    models, sizes = ["one", "single"], {"batch_size": (1, 3), "image_size": "64x48"}
    return benchmark(models, **sizes, runs=40, rounds=5, threads=1, plot=plot)


def plan(batch_size=(1,), image_size=("64x48",), has_images=False, runs=4, seconds=None, rounds=2, warm_up=1):
    return build_plan(batch_size, image_size, has_images, runs, seconds, rounds, warm_up)


def test_percentiles_are_left_out_where_too_few_runs_could_tell():
    hundred = latency_of([each / 1000 for each in range(1, 101)])
    assert (hundred.runs, hundred.p50, hundred.mean) == (100, pytest.approx(50.5), pytest.approx(50.5))
    assert (hundred.p95, hundred.p99) == (pytest.approx(95.05), pytest.approx(99.01))
    assert (hundred.least, hundred.most) == (pytest.approx(1), pytest.approx(100))
    few = latency_of([0.002] * 99)
    assert (few.p50, few.p95, few.p99) == (pytest.approx(2), pytest.approx(2), None)
    assert latency_of([0.002] * 19).p95 is None


def test_a_machine_that_slows_down_does_not_change_a_ratio():
    drift = np.linspace(1, 3, 10)
    base = [[0.010 * slower] * 3 for slower in drift]
    ours = [[0.013 * slower] * 3 for slower in drift]
    found = ratio_of(ours, base)
    assert found.ratio == pytest.approx(1.3)
    assert found.interval == pytest.approx((1.3, 1.3))
    assert found.differs is True
    # The ratio of all runs' medians, had one model run after the other, would be another: what the turns are for.
    assert np.median(ours[5:]) / np.median(base[:5]) == pytest.approx(1.3 * 23 / 13, rel=0.05)


def test_equal_models_on_a_noisy_machine_do_not_differ():
    rng = np.random.default_rng(3)
    rounds = [[rng.lognormal(0, 0.2, 5).tolist() for _ in range(12)] for _ in range(2)]
    found = ratio_of(*rounds)
    assert found.differs is False
    low, high = found.interval
    assert low < found.ratio < high
    assert low <= found.quartiles[0] <= found.quartiles[1]
    assert len(found.by_round) == 12
    few = ratio_of(rounds[0][:4], rounds[1][:4])
    assert (few.interval, few.differs) == (None, None)


def test_what_is_measured_goes_from_small_to_large():
    found = plan((8, 1), ("1280x720", "64x48", (64, 48)), runs=None, seconds=6.0, rounds=3)
    assert [str(case) for case in found.cases] == [
        "batch 1, 64x48", "batch 8, 64x48", "batch 1, 1280x720", "batch 8, 1280x720",
    ]  # fmt: skip
    assert (found.runs, found.seconds) == (None, 2.0)
    assert plan(runs=7).runs == 4
    assert plan(image_size=(), has_images=True).cases == (Case(1, None),)
    assert plan(image_size=()).cases == (Case(1, (640, 480)),)
    assert plan(runs=None).seconds == 2.5


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"batch_size": (0,)}, "batch_size"),
        ({"image_size": ("640",)}, "image_size"),
        ({"image_size": ("0x480",)}, "image_size"),
        ({"rounds": 0}, "rounds"),
        ({"runs": 1}, "runs"),
        ({"seconds": 1.0}, "runs"),
        ({"runs": None, "seconds": 0}, "seconds"),
        ({"warm_up": -1}, "warm_up"),
    ],
)
def test_no_measurement_can_have_these(wrong, argument):
    with pytest.raises(OdtkError) as caught:
        plan(**wrong)
    assert caught.value.argument == argument


def test_drawn_pictures_are_the_same_each_time_and_differ_from_each_other():
    first, again = load_pictures(None, SIZE, 3), load_pictures(None, SIZE, 3)
    assert all(np.array_equal(*pair) for pair in zip(first.images, again.images, strict=True))
    assert not np.array_equal(first.images[0], first.images[1])
    assert {image.shape for image in first.images} == {(48, 64, 3)}
    assert first.decode_seconds > 0


def test_a_folders_pictures(tmp_path):
    for number in range(5):
        (tmp_path / "inside").mkdir(exist_ok=True)
        draw_picture((40 + number, 30), number).save(tmp_path / "inside" / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    own = load_pictures(tmp_path, None, 3)
    assert [image.shape for image in own.images] == [(30, 40, 3), (30, 42, 3), (30, 44, 3)]
    assert {image.shape for image in load_pictures(tmp_path, SIZE, 9).images} == {(48, 64, 3)}
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "absent", tmp_path / "notes.txt"):
        with pytest.raises(DataError, match=place.name):
            load_pictures(place, None, 3)


class FakeProcess:
    """Notes what it is asked."""

    def __init__(self, name, asked):
        self.name, self.asked = name, asked

    def ask(self, what, **request):
        self.asked.append((self.name, what, request))
        return {
            "begin": {"first_seconds": 1.0},
            "turn": {"running": [0.5, 0.5], "placing": [0.1, 0.1]},
            "memory": {"peak_bytes": 7, "gpu_peak_bytes": None},
        }[what]


def test_models_take_turns_and_each_begins_every_second_round():
    asked, advanced = [], []
    workers = [FakeProcess(name, asked) for name in "ab"]
    chosen = plan(rounds=3, runs=6)
    found = take_turns(workers, chosen, lambda case: ["x.npy"], lambda: advanced.append(1))
    assert "".join(name for name, what, _ in asked if what == "turn") == "abbaab"
    assert all(request["uncounted"] == 1 and request["runs"] == 2 for _, what, request in asked if what == "turn")
    assert len(advanced) == count_turns(chosen, 2)
    (first,), (second,) = found
    assert first.running == second.running == [[0.5, 0.5]] * 3
    assert (first.first_seconds, first.peak_bytes) == (1.0, 7)
    asked.clear()
    take_turns(workers[:1], chosen, lambda case: ["x.npy"])
    assert {request["uncounted"] for _, what, request in asked if what == "turn"} == {0}, "nothing to recover from"


def test_a_worker_runs_batches_of_images_in_turn(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((4, 4, 3), number, np.uint8))
    model = Stub("stub")
    worker = Worker(lambda path, devices: model)
    requests = [
        {"ask": "open", "model": "stub", "devices": "cpu"},
        {"ask": "begin", "images": [str(tmp_path / f"{n}.npy") for n in range(3)], "batch_size": 2, "warm_up": 1},
        {"ask": "turn", "runs": 2, "seconds": 0.0, "uncounted": 1},
        {"ask": "turn", "runs": None, "seconds": 1e-9, "uncounted": 0},
        {"ask": "memory"},
    ]
    answers = io.StringIO()
    serve(worker, io.StringIO("\n".join(map(json.dumps, requests))), answers)
    opened, begun, turn, short, memory = map(json.loads, answers.getvalue().splitlines())
    assert (opened["description"], opened["takes_batches"]) == ("stub, a stub", True)
    assert begun["first_seconds"] > 0
    assert (len(turn["running"]), len(turn["placing"]), len(short["running"])) == (2, 2, 1)
    assert model.placed == [[0, 1], [2, 0], [1, 2], [0, 1], [2, 0], [1, 2]]
    assert memory["peak_bytes"] > 1e6


def test_names_tell_models_apart():
    assert names_of(["a/exported", "model/ckpt-6"]) == ["exported", "ckpt-6"]
    assert names_of(["a/exported", "b/exported/"]) == ["a/exported", "b/exported/"]
    assert names_of(["a", "a", "b"]) == ["a", "a (2)", "b"]


def test_sizes_are_those_of_the_models_files(tmp_path):
    for name, size in {
        "exported/saved_model/saved_model.pb": 3, "exported/saved_model/variables/x": 4, "exported/label_map.pbtxt": 9,
        "weights/weights.npz": 5, "model/ckpt-6.index": 1, "model/ckpt-6.data-00000-of-00001": 7,
        "model/ckpt-60.index": 9,
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    sizes = {"exported": 7, "exported/saved_model": 7, "weights": 5, "weights/weights.npz": 5, "model/ckpt-6": 8}
    assert {name: bytes_of(str(tmp_path / name)) for name in sizes} == sizes
    assert bytes_of(str(tmp_path / "model")) is None, "which of its checkpoints is not decided here"


def test_models_in_processes(found):
    assert [model.name for model in found.models] == ["one", "single"]
    assert all(model.device.endswith(", 1 core") for model in found.models), "--threads keeps a process to a core"
    assert found.cores == 1
    assert [(each.model, each.batch_size) for each in found.results] == [
        ("one", 1), ("one", 3), ("single", 1), ("single", 3),
    ]  # fmt: skip
    assert {each.latency.runs for each in found.results} == {40}
    assert [(each.model, each.base, each.batch_size) for each in found.comparisons] == [
        ("single", "one", 1), ("single", "one", 3),
    ]  # fmt: skip
    assert all(len(each.latency.by_round) == 5 and each.latency.interval for each in found.comparisons)
    assert any("single takes one image at a time" in note for note in found.notes)
    assert any("p99 100" in note for note in found.notes)
    with Image.open(found.plot) as image:
        assert image.format == "PNG"
    with pytest.raises(OdtkError, match="already exists"):
        benchmark("one", runs=1, rounds=1, plot=found.plot)


def test_what_is_printed(found, monkeypatch):
    asked = {}
    monkeypatch.setattr("odtk.tools.benchmark.benchmark", lambda models, **options: asked.update(options) or found)
    words = ["benchmark", "one", "single", "--image-size", "64x48", "--batch-size", "1,3", "--threads", "1"]
    printed = CliRunner().invoke(cli, words)
    assert printed.exit_code == 0, printed.output
    assert (list(asked["batch_size"]), asked["image_size"], asked["threads"]) == ([1, 3], [SIZE], 1)
    assert "one: one, a stub; loaded in" in printed.stdout
    assert "each model may use 1 core of the CPU" in printed.stdout
    assert "Ratios of 5 rounds" in printed.stdout
    assert "note: single takes one image at a time" in printed.stderr
    document = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    latency = document["results"][0]["latency"]
    assert (latency["runs"], latency["p99"]) == (40, None)
    assert latency["p95"] >= latency["p50"]
    assert document["results"][0]["image_size"] == [64, 48]
    assert len(document["comparisons"][0]["latency"]["by_round"]) == 5
    for option, wrong in (("--batch-size", "1,0"), ("--image-size", "640")):
        assert CliRunner().invoke(cli, ["benchmark", "one", option, wrong]).exit_code == 2


def test_a_model_that_cannot_be_opened(stubs):
    with pytest.raises(OdtkError, match=r"is broken\. Export it again"):
        benchmark("broken", image_size="64x48", runs=1, rounds=1)


def test_a_process_that_ends(stubs):
    with pytest.raises(OdtkError, match="that measured killed was killed, as processes are that need more memory"):
        benchmark("killed", image_size="64x48", runs=1, rounds=1)
    with pytest.raises(OdtkError, match=r"that measured crashing ended with code 1. It wrote:(.|\n)*the stub crashes"):
        benchmark("crashing", image_size="64x48", runs=1, rounds=1)


def test_what_cannot_be_asked_for(tmp_path):
    with pytest.raises(OdtkError, match="this process may use"):
        benchmark("one", threads=int(find_cpu().cores) + 1)
    with pytest.raises(OdtkError, match=r"no PNG"):
        benchmark("one", plot=tmp_path / "speed.svg")
    with pytest.raises(OdtkError, match="names no devices"):
        benchmark("one", devices="quick")
    with pytest.raises(OdtkError, match="No model is given"):
        benchmark([])


def test_a_busy_machine_is_named():
    (note,) = notes_on([], [], 2, 1.5)
    assert note.startswith("Other processes kept about 1.5 of the cores busy")
    assert notes_on([], [], 2, 0.9) == notes_on([], [], 2, None) == []


@pytest.mark.slow
def test_exported_models(tmp_path):
    import stub_model

    for input_type in ("image_tensor", "float_image_tensor"):
        (tmp_path / input_type).mkdir()
        stub_model.export(tmp_path / input_type, input_type)
    folders = [tmp_path / "image_tensor", tmp_path / "float_image_tensor"]
    found = benchmark(folders, batch_size=(1, 4), image_size="320x240", runs=30, rounds=5, devices="cpu", threads=1)
    assert [model.takes_batches for model in found.models] == [False, True]
    assert all(model.bytes > 1000 and model.load_seconds > 0 for model in found.models)
    assert all(each.peak_bytes > 100e6 and each.gpu_peak_bytes is None for each in found.results)
    assert all(model.device.startswith("CPU") for model in found.models)
