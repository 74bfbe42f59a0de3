"""An exported folder is known for what it is, whichever formats it holds, without TensorFlow."""

import pytest

from odtk.checkpoints.files import EXPORTED, is_exported_folder
from odtk.evaluation.output_folder import default_output
from odtk.exporting.formats import FORMATS
from odtk.exporting.open_model import EXPORTED as MODEL
from odtk.exporting.open_model import _exported, kind_of


def test_every_format_that_can_be_opened_has_a_mark():
    opened = [row.path for row in FORMATS.values() if row.load is not None]
    assert [path for path in opened if not any(mark.split("/")[0] == path for mark in EXPORTED)] == []


@pytest.mark.parametrize("mark", EXPORTED)
def test_evaluations_are_written_beside_it(tmp_path, mark):
    folder = tmp_path / "exported"
    (folder / mark).parent.mkdir(parents=True)
    (folder / mark).touch()
    assert is_exported_folder(str(folder))
    assert default_output(str(folder)) == f"{folder}-eval"


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "detections.json", "weights.npz"])
def test_evaluations_of_a_file_are_named_after_it(name):
    assert default_output(f"runs/{name}") == f"runs/{name.split('.')[0]}-eval"


@pytest.mark.parametrize(
    ("name", "kind"), [("model.onnx", "onnx"), ("openvino/model.xml", "xml"), ("browser/model.onnx", "onnx")]
)
def test_evaluations_of_a_file_in_it_are_written_beside_it_too(tmp_path, name, kind):
    (tmp_path / "exported" / name).parent.mkdir(parents=True)
    (tmp_path / "exported" / name).touch()
    assert default_output(str(tmp_path / "exported" / name)) == f"{tmp_path}/exported-{kind}-eval"


# Of each format that is a folder, a file in it.
FOLDERS = {
    "saved_model": "saved_model.pb",
    "openvino": "model.xml",
    "browser": "model.onnx",
    "serving": "pets/1/saved_model.pb",
}


@pytest.mark.parametrize(("name", "inside"), FOLDERS.items())
def test_a_folder_in_it_is_a_model_by_itself_under_any_name(tmp_path, name, inside):
    place = tmp_path / "exported" / name
    for folder in (place, tmp_path / "renamed"):
        (folder / inside).parent.mkdir(parents=True)
        (folder / inside).touch()
        assert kind_of(folder) == MODEL
        format_name, opened = _exported(folder)
        assert format_name in (name, "onnx")
        assert opened in (str(folder), str(folder / "model.onnx"))
    if name == "serving":
        (place / "README.md").touch()
    assert default_output(str(place)) == default_output(f"{place}/") == f"{tmp_path}/exported-{name}-eval"


def test_every_format_that_is_a_folder_is_tried():
    opened = [row.path for row in FORMATS.values() if row.load is not None and row.suffix in (None, ".xml")]
    assert opened == list(FOLDERS)


def test_a_folder_in_the_working_directory_is_evaluated_beside_that(tmp_path, monkeypatch):
    (tmp_path / "exported/openvino").mkdir(parents=True)
    (tmp_path / "exported/openvino/model.xml").touch()
    monkeypatch.chdir(tmp_path / "exported")
    assert default_output("openvino") == f"{tmp_path}/exported-openvino-eval"
    assert default_output("openvino/model.xml") == f"{tmp_path}/exported-xml-eval"


def test_a_model_dir_is_none(tmp_path):
    (tmp_path / "ckpt-7.index").touch()
    assert not is_exported_folder(str(tmp_path))
    assert default_output(str(tmp_path)) == f"{tmp_path}/eval"
