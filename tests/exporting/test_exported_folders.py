"""An exported folder is known for what it is, whichever formats it holds, without TensorFlow."""

import pytest

from odtk.checkpoints.files import EXPORTED, is_exported_folder
from odtk.evaluation.output_folder import default_output
from odtk.exporting.formats import FORMATS


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


@pytest.mark.parametrize(("name", "kind"), [("model.onnx", "onnx"), ("openvino/model.xml", "xml")])
def test_evaluations_of_a_file_in_it_are_written_beside_it_too(tmp_path, name, kind):
    (tmp_path / "exported" / name).parent.mkdir(parents=True)
    (tmp_path / "exported" / name).touch()
    assert default_output(str(tmp_path / "exported" / name)) == f"{tmp_path}/exported-{kind}-eval"


def test_a_model_dir_is_none(tmp_path):
    (tmp_path / "ckpt-7.index").touch()
    assert not is_exported_folder(str(tmp_path))
    assert default_output(str(tmp_path)) == f"{tmp_path}/eval"
