"""The notebooks, executed as they stand on drawn data, with settings from the environment as their cells offer."""

import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from odtk.tensorflow_tpu import INSTALL, VERSION
from odtk.tools.synthetic_pets import draw_dataset

CHECKOUT = Path(__file__).parents[1]
PETS, DEMO = (CHECKOUT / f"notebooks/{name}.ipynb" for name in ("odtk_pets_colab", "odtk_demo"))


@pytest.fixture
def notebook():
    return nbformat.read(PETS, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def settings(work, data, steps):
    """The notebook's settings at demo size, in a shell where `odtk` is that of this checkout."""
    (work / "bin").mkdir()
    script = work / "bin/odtk"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m odtk "$@"\n')
    script.chmod(0o755)
    return {
        "PATH": f"{work / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "CUDA_VISIBLE_DEVICES": "",
        "ODTK_NOTEBOOK_DATA": str(data),
        "ODTK_NOTEBOOK_WORK": str(work / "odtk_pets"),
        "ODTK_NOTEBOOK_BASE": "ssd_resnet50_v1_fpn_small",
        "ODTK_NOTEBOOK_CHECKPOINT": "none",
        "ODTK_NOTEBOOK_STEPS": str(steps),
        "ODTK_NOTEBOOK_BATCH_SIZE": "2",
        "ODTK_NOTEBOOK_MIN_SCORE": "0",
    }


def stop_where_a_command_fails(notebook):
    """A `!odtk` line that fails does not end a notebook, nor would this test, unless each is followed by a look."""
    for cell in code_cells(notebook):
        if re.search(r"^\s*!odtk", cell.source, re.MULTILINE):
            cell.source += "\nassert _exit_code == 0, 'the command above failed'"


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom_on_drawn_data(notebook, tmp_path, monkeypatch):
    draw_dataset(tmp_path / "drawn", 12, seed=1)
    for name, value in settings(tmp_path, tmp_path / "drawn", steps=2).items():
        monkeypatch.setenv(name, value)
    stop_where_a_command_fails(notebook)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    work = tmp_path / "odtk_pets"
    assert sorted(path.name for path in (work / "exported").iterdir()) == [
        "certificate.json",
        "checkpoint",
        "label_map.pbtxt",
        "pipeline.config",
        "saved_model",
    ]
    pictures = sorted((work / "found").glob("*.jpg"))
    assert pictures
    detections = json.loads((work / "found/detections.json").read_text())
    assert {detection["file_name"] for detection in detections} <= {path.name for path in pictures}
    # Nothing was downloaded, and the last cells show what the commands wrote.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "drawn", "odtk_pets"]
    *_, look, results = code_cells(notebook)
    (curves,) = (cell for cell in notebook.cells if cell.id == "curves")
    assert ["image/png" in output.get("data", {}) for output in curves.outputs] == [True, True]
    assert sum("image/jpeg" in output.get("data", {}) for output in look.outputs) == min(6, len(pictures))
    assert re.match(rf"{len(detections)} boxes; mAP@.50IOU \d", printed(results))
    assert f"{detections[0]['file_name']} {detections[0]['category_name']} " in printed(results)


@pytest.mark.slow
def test_the_demo_runs_from_top_to_bottom(tmp_path, monkeypatch):
    notebook = nbformat.read(DEMO, as_version=4)
    for name, value in settings(tmp_path, "", steps=2).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ODTK_NOTEBOOK_IMAGES", "20")
    stop_where_a_command_fails(notebook)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = {cell.id: cell for cell in notebook.cells}
    assert printed(cells["demo"]).rstrip().splitlines()[-1].startswith("Certificate: saved_model, compared with ")
    assert all("image/png" in cells[name].outputs[0].data for name in ("curves", "look"))
    assert re.match(r"\S+\.jpg - \d+ boxes\n", printed(cells["own"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "odtk_pets"]


def test_it_trains_what_fits_in_the_precision_of_the_device(notebook):
    source = "\n".join(cell.source for cell in code_cells(notebook))
    assert '!odtk train "{CONFIG}" "{MODEL}" --batch-size {BATCH_SIZE} --precision auto' in source
    assert 'BATCH_SIZE = os.environ.get("ODTK_NOTEBOOK_BATCH_SIZE", "auto")' in source


def test_where_there_is_no_tensorflow_it_installs_that_for_tpus(notebook):
    (install,) = (cell.source for cell in notebook.cells if cell.id == "install")
    commands = [line.strip()[1:].replace("--quiet ", "") for line in install.partition("else:")[2].splitlines()]
    assert commands[1 : 1 + len(INSTALL)] == [line.format(version=VERSION) for line in INSTALL]


@pytest.mark.parametrize("path", [PETS, DEMO], ids=lambda path: path.stem)
def test_its_outputs_are_empty_in_git(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count] == []


def test_both_install_odtk_alike(notebook):
    install = [{cell.id: cell.source for cell in each.cells}["install"] for each in (notebook, nbformat.read(DEMO, 4))]
    assert install[0] == install[1]


def test_every_command_of_the_journey_is_in_it(notebook):
    journey = ["doctor", "make-tfrecords", "view", "configure", "inspect", "train", "evaluate", "export", "predict"]
    source = "\n".join(cell.source for cell in code_cells(notebook))
    used = re.findall(r"(?:^!odtk |(?<!-m )\bodtk\.)([a-z][a-z_-]+)", source, re.MULTILINE)
    assert [name.replace("_", "-") for name in used] == journey
