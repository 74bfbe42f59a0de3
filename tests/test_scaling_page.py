"""docs/scaling.md: its commands are the command line's, and its numbers those of the files that it quotes."""

import json
import re
import shlex
from pathlib import Path

import pytest

from odtk import pipeline
from odtk.cli.main import cli
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
