"""A project file that people write into: what the studio changes in it, and what it leaves as it is."""

import pytest

from odtk.errors import OdtkError, ProjectError
from odtk.tools.run import project as project_files
from odtk.web.project_options import read_options
from odtk.web.project_text import NotEditable, read_plain, with_values
from odtk.web.projects import copy_project, create_project

WRITTEN = """\
# Why: the client's cats.
output: runs/pets   # on the fast disk

make-tfrecords:
  data-dir: ../../data/pets
  seed: 007         # as last year's
  masks: yes

train:              # one GPU
  pipeline-config: pipeline.config
  max-time: 1:30
  # found by trying
  patience: 5       # evaluations
evaluate:
"""


@pytest.fixture
def project(client):
    made = create_project(client.studio.workspace, "pets", {"train": {}})
    made.file.write_text(WRITTEN)
    return made


@pytest.mark.parametrize(
    ("section", "values", "before", "after"),
    [
        ("evaluate", {}, "", ""),
        ("train", {"patience": 5}, "", ""),
        ("train", {"patience": 7}, "patience: 5 ", "patience: 7 "),
        ("train", {"patience": None}, "  patience: 5       # evaluations\n", ""),
        ("train", {"cache": "disk:a, b"}, "evaluate:\n", "  cache: 'disk:a, b'\nevaluate:\n"),
        ("train", {"precision": "bfloat16", "patience": None}, "  patience: 5       # evaluations\n",
         "  precision: bfloat16\n"),
        ("export", {}, "evaluate:\n", "evaluate:\nexport: {}\n"),
        ("export", {"format": "onnx"}, "evaluate:\n", "evaluate:\nexport:\n  format: onnx\n"),
        ("evaluate", {"checkpoint": "last"}, "evaluate:\n", "evaluate:\n  checkpoint: last\n"),
        ("make-tfrecords", {"data-dir": "a # b"}, "../../data/pets", "'a # b'"),
    ],
)  # fmt: skip
def test_only_what_is_changed_differs(project, section, values, before, after):
    project.update(section, values)
    assert project.text() == WRITTEN.replace(before, after)
    read = project_files.read(project.file)
    assert read.stages["make-tfrecords"].values["seed"] == 7
    assert read.output.endswith("projects/pets/runs/pets")


def test_a_file_that_says_so_already_is_not_written(project):
    before = project.file.stat().st_mtime_ns, project.file.stat().st_ino
    project.update("evaluate", {})
    assert (project.file.stat().st_mtime_ns, project.file.stat().st_ino) == before


@pytest.mark.parametrize(
    ("text", "values", "after"),
    [
        ("train: {seed: 007, patience: 5}  # x", {"seed": 8, "keep": 2}, "train: {seed: 8, patience: 5, keep: 2}  # x"),
        ("train: {seed: 007, patience: 5}\n", {"patience": None}, "train: {seed: 007}\n"),
        ("train: {seed: 007, patience: 5}\n", {"seed": None}, "train: {patience: 5}\n"),
        ("{output: a, train: {seed: 007}} # x", {"keep": [2]}, "{output: a, train: {seed: 007, keep: [2]}} # x"),
        ("train: {}  # x\n", {"seed": 1}, "train:  # x\n  seed: 1\n"),
        ("train: ~\nexport:\n", {"seed": 1}, "train:\n  seed: 1\nexport:\n"),
        ("train:\r\n  keep: 3\r\n", {"seed": 1}, "train:\r\n  keep: 3\r\n  seed: 1\r\n"),
        ("train: # x\n  seed: 1\n# y\nexport:\n", {"seed": None}, "train: {} # x\n# y\nexport:\n"),
        ("train:\n  freeze:\n  - a # why\n  - b\n\n# y\n", {"freeze": "c"}, "train:\n  freeze: c\n\n# y\n"),
        ("train:\n    seed:   # none yet\n", {"seed": 3}, "train:\n    seed: 3   # none yet\n"),
        ("# Nothing yet\n", {"seed": 3}, "# Nothing yet\ntrain:\n  seed: 3\n"),
        ("", {}, "train: {}\n"),
        ("export:\n  note: |\n    a\n    b\n\ntrain:\n  keep: 1", {"seed": 2},
         "export:\n  note: |\n    a\n    b\n\ntrain:\n  keep: 1\n  seed: 2\n"),
        # Unusual ones lose their layout, not what they say.
        ("{output: a, make-tfrecords: {seed: 007}}  # x", {"keep": 2},
         "output: a\nmake-tfrecords:\n  seed: '007'\ntrain:\n  keep: '2'\n"),
        ("train:\n  seed: &x 3\nexport:\n  keep: *x\n", {"seed": 4}, "train:\n  seed: '4'\nexport:\n  keep: '3'\n"),
    ],
)  # fmt: skip
def test_files_are_edited_however_they_are_laid_out(text, values, after):
    edited = with_values(text, "train", values)
    assert edited == after
    expected = {**(read_plain(text).get("train") or {}), **read_plain(repr(values).replace("None", "null"))}
    assert read_plain(edited)["train"] == {key: value for key, value in expected.items() if value is not None}


def test_what_is_no_block_of_keys_is_not_replaced(project):
    project.file.write_text("train: [seed, 7]\n")
    with pytest.raises(ProjectError, match="block of keys"):
        project.update("train", {"seed": 3})
    with pytest.raises(NotEditable, match="no sections"):
        with_values("- a\n", "train", {})
    assert project.text() == "train: [seed, 7]\n"


def test_values_are_read_as_they_are_written(project):
    assert project.sections()["make-tfrecords"]["masks"] == "yes"
    project.file.write_text("train:\n  cache: disk:1:30\n  seed: 010\n  pipeline-config: x\n")
    assert read_options(project, "train", {"pipeline-config": None, "model-dir": None}) == {
        "cache": "disk:1:30",
        "seed": 10,
    }
    project.file.write_text("train: [\n")
    with pytest.raises(ProjectError, match="cannot be read as a project file"):
        project.sections()


def test_a_copy_keeps_the_notes_and_writes_into_places_of_its_own(client, project):
    elsewhere = "evaluate:\n  model-dir: ../x # why\n"
    project.file.write_text(project.head + WRITTEN.replace("evaluate:\n", elsewhere))
    copied = copy_project(project, "cats")
    assert copied.text() == copied.head + WRITTEN.replace("evaluate:\n", "evaluate: {}\n")
    assert project_files.read(copied.file).output.endswith("projects/cats/runs/pets")
    project.file.write_text(WRITTEN.replace("runs/pets", "../../runs/pets"))
    assert copy_project(project, "dogs").text() == WRITTEN.replace("output: runs/pets   # on the fast disk\n", "")
    with pytest.raises(OdtkError, match="exists already"):
        copy_project(project, "dogs")
