"""bench/accelerator: what fails is written down and the rest goes on; slow: all of it, with small sizes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from bench import process  # noqa: E402
from bench.accelerator.__main__ import measure  # noqa: E402
from bench.accelerator.document import printed, write  # noqa: E402
from bench.accelerator.parts import CPU, DEVICE, PARTS, Part, chosen  # noqa: E402
from bench.accelerator.workers import Workers  # noqa: E402

_WORKER = """
import json, os, sys, time

for line in sys.stdin:
    name, arguments = json.loads(line)
    if name == "crashes":
        print("no such kernel image", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "hangs":
        time.sleep(60)
    failed = {"error": "ValueError: too large"}
    print(json.dumps(failed if name == "fails" else {"figures": {"by": [os.getpid(), sys.argv[1]]}}), flush=True)
"""


@pytest.fixture
def workers(tmp_path, monkeypatch):
    (tmp_path / "fake_accelerator_worker.py").write_text(_WORKER)
    monkeypatch.setitem(process.ENVIRONMENT, "PYTHONPATH", f"{tmp_path}:{ROOT}")
    with Workers(True, tmp_path, "fake_accelerator_worker") as workers:
        yield workers


def test_a_part_that_fails_crashes_or_hangs_is_written_down_and_the_rest_goes_on(workers, tmp_path):
    names = ("good", "fails", "good again", "crashes", "hangs", "last")
    parts = [Part(name, name, seconds=1 if name == "hangs" else 10) for name in names]
    measure(parts, workers, 60, True, tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())["parts"]
    assert {name: part["status"] for name, part in found.items()} == {
        "good": "measured", "fails": "failed", "good again": "measured",
        "crashes": "failed", "hangs": "failed", "last": "measured",
    }  # fmt: skip
    assert found["fails"]["error"] == "ValueError: too large"
    assert found["crashes"]["error"] == "its process ended with code 3: no such kernel image"
    assert found["hangs"]["error"] == "it was ended after 3 s"
    first, again, last = (found[name]["figures"]["by"][0] for name in ("good", "good again", "last"))
    assert first == again != last


def test_a_part_has_the_worker_it_asks_for(workers, tmp_path):
    parts = [Part("a", "good", CPU, seconds=20), Part("b", "good", DEVICE, seconds=20), Part("c", "good", seconds=999)]
    found = measure(parts, workers, 60, True, tmp_path)["parts"]
    assert [found[name]["figures"]["by"][1] for name in "ab"] == [CPU, DEVICE]
    assert found["c"]["status"] == "left out"


def test_parts_are_chosen_by_words_in_their_order():
    assert chosen([]) == list(PARTS)
    assert [part.name.partition(":")[0] for part in chosen(["SavedModel", "device"])] == ["device", *["SavedModel"] * 2]
    with pytest.raises(ValueError, match="no part has 'speed' in its name; there are: device, losses"):
        chosen(["speed"])


def _document(loss: float) -> dict:
    step = {"side": 640, "batch": 16, "precision": "bfloat16", "tf32": None, "xla": False}
    whole = {"images_per_second": 90.0, "network_images_per_second": 99.0, "ratio": 1.1, "peak_bytes": 3 * 2**30}
    figures = {
        "device": {"kind": "gpu", "model": "NVIDIA H100 80GB HBM3"},
        "losses: float32, on the CPU": {"precision": "float32", "losses": {"Loss/total_loss": [3.0, 2.0, 1.0]}},
        "losses: float32, without TF32": {"precision": "float32", "losses": {"Loss/total_loss": [3.0, 2.0, loss]}},
        "input": {"cores": 4, "batch": 8, "640": {"images_per_second": 400.0}},
        "training: large, auto": step | whole,
        "training on the input pipeline": step | {"images_per_second": 80.0, "ahead": True},
    }
    parts = {name: {"status": "measured", "figures": each} for name, each in figures.items()}
    parts["largest batch"] = {"status": "failed", "error": "ImportError: no fitting"}
    return {"small": False, "parts": parts}


def test_the_table_says_what_was_measured_beside_what():
    said = {line.partition("  ")[0]: line for line in printed(_document(1.0005)).splitlines()}
    assert said["losses: float32, without TF32"].endswith("differs by at most 5.0e-04         <= 1e-03  met")
    assert "network's two passes 99" in said["training 640x640, batch 16, bfloat16"]
    assert "from memory 90; input alone 400" in said["training 640x640, batch 16, bfloat16, with its input"]
    assert "100 per core of 4" in said["input, to 640x640"]
    assert "largest batch: failed: ImportError: no fitting" in said
    assert "NOT MET" in printed(_document(1.002))


def test_results_are_named_after_the_device(tmp_path):
    document = _document(1.0)
    assert write(document, tmp_path).name == "accelerator-nvidia-h100-80gb-hbm3.json"
    document["parts"]["device"]["figures"]["kind"] = "cpu"
    assert write(document | {"small": True}, tmp_path).name == "accelerator-cpu-small.json"
    assert json.loads((tmp_path / "accelerator-nvidia-h100-80gb-hbm3.json").read_text()) == _document(1.0)


def test_losses_of_three_steps_of_odtks_own_trainer(tmp_path):
    from bench.accelerator import worker
    from bench.accelerator.sizes import SMALL

    answer = worker.run("losses.measure", {"sizes": SMALL, "folder": tmp_path, "precision": "float32"})
    losses = answer["figures"]["losses"]
    frozen = {name: values for name, values in losses.items() if name.startswith("Loss/") and "," not in name}
    total = frozen.pop("Loss/total_loss")
    assert total == pytest.approx([sum(step) for step in zip(*frozen.values(), strict=True)])
    assert len(set(total)) == len(losses["gradient_norm"]) == 3
    live = losses["Loss/classification_loss, norms by the batch"]
    assert len(live) == 1
    assert live[0] != frozen["Loss/classification_loss"][0]
    assert worker.run("losses.measure", {"sizes": SMALL})["error"].startswith("TypeError: measure() missing")


@pytest.mark.slow
def test_each_kind_of_part_runs_with_small_sizes(tmp_path):
    only = ["device", "losses", "input", "training: large, auto", "SavedModel", "largest batch"]
    patient = [replace(part, seconds=1000) for part in chosen(only)]
    with Workers(True, tmp_path) as workers:
        document = measure(patient, workers, 10_000, True, tmp_path / "found.json")
    parts = json.loads((tmp_path / "found.json").read_text())["parts"]
    assert {name: part.get("error") for name, part in parts.items() if part["status"] != "measured"} == {}
    assert list(parts) == [part.name for part in chosen(only)]
    assert "NOT MET" not in printed(document)
