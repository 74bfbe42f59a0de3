"""A folder of annotated images, `odtk run --init`, `odtk run`, and once more: in three formats, minutes, so `slow`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_formats import CATEGORY_IDS, WRITERS, Drawing

from odtk.tools.synthetic_pets import BREEDS, draw_dataset, draw_picture

pytestmark = pytest.mark.slow

NUM_IMAGES = 24


def odtk(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "odtk", *arguments]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def write_pets(folder: Path, format: str) -> None:
    """Drawn pets, in a format."""
    if format == "pets":
        draw_dataset(folder, NUM_IMAGES, 0, seed=7)
        return
    pictures = {}
    for number in range(NUM_IMAGES):
        kind = number % len(CATEGORY_IDS)
        picture = draw_picture(BREEDS[kind], np.random.default_rng((7, number)))
        objects = tuple((list(CATEGORY_IDS)[kind], box) for box in picture.boxes)
        pictures[Drawing(f"{number:03}.jpg", *picture.image.size, objects)] = picture.image

    def save(path: Path, drawing: Drawing) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[drawing].save(path)

    WRITERS[format](folder, tuple(pictures), save)


@pytest.mark.parametrize("format", ["pets", "voc", "coco"])
def test_two_commands_train_evaluate_and_export_and_a_third_does_nothing(format, tmp_path):
    write_pets(tmp_path / "mydata", format)
    odtk(tmp_path, "run", "--init", "mydata")
    project = tmp_path / "mydata.yaml"
    # That it learns takes longer, and is tests/test_journey.py's.
    text, count = re.subn(r"^  num-steps: \d+$", "  num-steps: 4", project.read_text("utf-8"), flags=re.MULTILINE)
    assert count == 1
    project.write_text(text, "utf-8")
    report = json.loads(odtk(tmp_path, "run", "mydata.yaml", "--json"))
    assert [stage["name"] for stage in report["stages"] if stage["ran"]] == [
        "make-tfrecords", "configure", "train", "evaluate", "export",
    ]  # fmt: skip
    assert report["stages"][0]["results"]["images"] == NUM_IMAGES
    assert "mAP" in report["stages"][3]["results"]
    assert (tmp_path / "runs/mydata/exported/saved_model/saved_model.pb").is_file()
    assert odtk(tmp_path, "run", "mydata.yaml").startswith("Nothing to do: nothing changed since mydata.yaml was run.")
