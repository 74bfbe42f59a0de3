"""docs/scaling.md: its commands are the command line's, and its numbers those of the files that it quotes.

README quotes the latencies of one of them, too.
"""

import json
import os
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml

from odtk import pipeline
from odtk.cli.main import cli
from odtk.cluster import find_cluster
from odtk.tools import schedule_edits

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/scaling.md").read_text("utf-8")
INPUT_IMAGES = 40 * 8  # of a turn of bench/results.json
RECIPE = pipeline.read("ssd_resnet50_v1_fpn_640x640_pets")
COMMANDS = sorted(set(re.findall(r"\bodtk (?:configure|train|evaluate) [^\n'`]+", PAGE)))


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose head begins so."""
    table = PAGE[PAGE.index(f"| {head} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("command", [each for each in COMMANDS if " --" in each or "." in each])
def test_commands_are_the_command_lines(command):
    _, name, *words = shlex.split(command)
    found = cli.get_command(None, name)
    options = {option for param in found.params for option in param.opts}
    assert {word for word in words if word.startswith("--")} <= options
    if "$" not in command and words[0] != "--batch-size":
        found.make_context(name, words)  # parses, and runs nothing


def documents(first_line: str) -> list[dict]:
    """Of the YAML that is indented below this line."""
    block = PAGE[PAGE.index(f"    {first_line}") :].partition("\n\n")[0]
    return list(yaml.safe_load_all(textwrap.dedent(block)))


def test_the_pods_of_a_job_find_each_other_and_train():
    service, job = documents("apiVersion: v1")
    pod, name = job["spec"]["template"]["spec"], job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["metadata"]["name"] == pod["subdomain"]
    (script,) = pod["containers"][0]["args"]
    for index in range(job["spec"]["completions"]):
        shown = subprocess.run(
            ["bash", "-c", script.replace("exec odtk", 'echo "$TF_CONFIG"; exec echo odtk')],
            env={"JOB_COMPLETION_INDEX": str(index), "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        stated, command = shown.rsplit("\n", 2)[:2]
        cluster = find_cluster(None, None, {"TF_CONFIG": stated})
        port = service["spec"]["ports"][0]["port"]
        assert cluster.addresses == tuple(f"{name}-{n}.{name}:{port}" for n in range(2))
        assert cluster.index == index
        parse(command.split())


def test_a_custom_job_trains_on_each_machine():
    (job,) = documents("workerPoolSpecs:")
    for pool in job["workerPoolSpecs"]:
        assert pool["replicaCount"] == 1
        parse(pool["containerSpec"]["command"])


def parse(words: list[str]) -> None:
    assert words[:2] == ["odtk", "train"]
    cli.get_command(None, "train").make_context("train", words[2:])


def test_measured_numbers_are_those_of_the_results():
    raw = json.loads((ROOT / "bench/results.json").read_text())["raw"]
    said = dict(rows("what"))
    for side, key in (("640x640", "640"), ("320x320", "320")):
        both = [INPUT_IMAGES / raw["input"][key][name] for name in ("seconds", "cpu_seconds")]
        assert said[f"input pipeline to {side}"] == (
            f"{both[0]:,.0f} images/s on 2 cores; {both[1]:.0f} images per second of one core's time"
        )
    decoding = INPUT_IMAGES / raw["input"]["decoding"]["seconds"]
    assert said["decoding the same JPEGs alone"].startswith(f"{decoding:,.0f} images/s")
    seconds = raw["training"]["whole"]["seconds"]
    assert said["training step, 320x320, batch 4, float32"] == (
        f"{seconds:.2f} s: {4 / seconds:.2f} images/s on 2 cores"
    )


def test_readmes_latencies_are_those_of_the_results():
    measured = json.loads((ROOT / "bench/results.json").read_text())["figures"]["latency"]
    figures = {each["name"].strip(): each for each in measured}
    tfod = re.match(r"TFOD ([\d.]+) ms;", figures["against TFOD's"]["beside"])[1]
    assert (
        f"exported ResNet-50 at 320x320: {figures['SavedModel, 320x320']['value']:.0f} ms per image, "
        f"{figures['with --winograd']['value']:.0f} ms with `--winograd`; TFOD: {float(tfod):.0f} ms |"
    ) in (ROOT / "README.md").read_text("utf-8")


def test_the_h200s_table_is_that_of_its_file():
    parts = json.loads((ROOT / "bench/accelerator-nvidia-h200.json").read_text())["parts"]
    names = ["large, float32", "large, auto", "large, auto, XLA", "small, auto"]
    found = [parts[f"training: {name}"]["figures"] for name in names]
    assert [cells[1:] for cells in rows("training on one batch in memory")] == [
        [
            f"{figures['images_per_second']:.0f}",
            f"{figures['network_images_per_second']:.0f}",
            f"{figures['peak_bytes'] / 2**30:.1f} GiB",
        ]
        for figures in found
    ]
    exported = parts["SavedModel: float32"]["figures"]
    milliseconds = [exported[key]["seconds"] * 1000 for key in ("one_image", "many_images")]
    before = [cells[1] for cells in rows("what | before")]
    assert before[1:] == [f"{milliseconds[0]:.1f} ms", f"{milliseconds[1]:.0f} ms"]


def test_memory_is_what_was_counted():
    counted = json.loads((ROOT / "bench/activations.json").read_text())
    kinds = ("float32", "bfloat16")
    assert {name: cells for name, *cells in rows("images")} == {
        f"{side}x{side}": [f"{counted[side][kind]['per_image'] / 1e6:.0f} MB" for kind in kinds] for side in counted
    }
    for device, memory, *most, _, _, _ in rows("device | memory per replica"):
        free = 0.9e9 * int(memory.split()[0]) - 4 * counted["640"]["float32"]["weights"]
        assert most == [str(int(free // counted["640"][kind]["per_image"])) for kind in kinds], device


def test_rates_and_steps_follow_the_rule():
    _, rate = schedule_edits.base_rate(RECIPE)
    images = RECIPE.train_config.batch_size * RECIPE.train_config.num_steps
    assert f"{images:,} images" in PAGE
    for device, *_, batches, rates, steps in rows("device | memory per replica"):
        batch = [int(each) for each in re.findall(r"\b(?:64|128|256)\b", batches)]
        expected = [(f"{rate * each / 64:.7g}", f"{images // each:,}") for each in batch]
        assert (rates.split(", "), re.findall(r"\d+,\d{3}", steps)) == tuple(map(list, zip(*expected, strict=True))), (
            device
        )


@pytest.mark.slow
def test_what_an_image_keeps_is_counted_anew():
    from bench.activations import count

    counted = json.loads((ROOT / "bench/activations.json").read_text())
    assert count(320, "float32") == counted["320"]["float32"]
