"""Weights alone: an .npz that NumPy reads, bit for bit the checkpoint's, and that is opened like any other model."""

import json

import fake_detector
import numpy as np
import pytest
from PIL import Image

from odtk import pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError
from odtk.exporting import embedded, weights
from odtk.exporting.open_model import EXPORTED, kind_of, open_model
from odtk.tools.export import export
from odtk.tools.predict import predict


@pytest.fixture(scope="module", autouse=True)
def family():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, family):
    return fake_detector.write_model_dir(tmp_path_factory.mktemp("weights") / "model", seed=4)


@pytest.fixture(scope="module")
def report(model_dir):
    return export(model_dir / "pipeline.config", model_dir, model_dir.parent / "exported", format="weights", verify=2)


@pytest.fixture(scope="module")
def path(report, model_dir):
    return model_dir.parent / "exported/weights.npz"


def test_the_arrays_are_the_checkpoints_bit_for_bit(path, model_dir):
    with np.load(path) as file:  # as the module's docstring says
        arrays = {key: file[key] for key in file if not key.startswith("odtk.")}
    reader = CheckpointReader(str(model_dir / "ckpt-4"))
    detector = build_detector(pipeline.read(model_dir / "pipeline.config"))
    assert set(arrays) == set(detector.checkpoint_variables())
    for key, array in arrays.items():
        saved = reader.value(reader.tensor_name(key))
        assert (array.dtype, array.tobytes()) == (saved.dtype, saved.tobytes()), key
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(arrays[key])
        np.testing.assert_array_equal(variable.numpy(), arrays[key])


def test_the_file_is_a_model_with_names(path, model_dir):
    assert kind_of(path) == kind_of(path.parent) == EXPORTED
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    found, expected = (open_model(place, devices="cpu").detect(image) for place in (path, model_dir))
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.names == expected.names
    model = open_model(path, devices="cpu")
    assert model.names == {1: "cat", 2: "dog"}
    assert model.description == f"{path}, built from the config in it"
    named = open_model(path, devices="cpu", label_map="pet_label_map")
    assert named.names[1] == named.name_of(1) == "Abyssinian"


def test_no_label_map_is_missed_where_the_file_has_the_names(path, tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "picture.png")
    report = predict(path, [tmp_path / "picture.png"], tmp_path / "found", devices="cpu")
    assert report.has_names


def test_the_certificate_is_in_the_file(path, report):
    _, texts = weights.read(path)
    (certificate,) = json.loads(texts[embedded.CERTIFICATE])["formats"]
    assert (certificate["agreement"]["boxes"], certificate["agreement"]["missing"]) == (0.0, 0)
    assert report.certificate.formats[0].format == "weights"


def test_weights_of_another_model_are_refused_and_nothing_changes(path, tmp_path):
    arrays, _ = weights.read(path)
    detector = build_detector(pipeline.read(path.parent / "pipeline.config"))
    before = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
    name = sorted(arrays)[0]
    for wrong in ({**arrays, "model/other": np.zeros(3)}, {**arrays, name: np.zeros(3)}):
        with pytest.raises(CheckpointError, match="are not those of this model"):
            weights.assign(detector, wrong, "wrong.npz")
    arrays.pop(name)
    with pytest.raises(CheckpointError, match=name):
        weights.assign(detector, arrays, "wrong.npz")
    for key, variable in detector.checkpoint_variables().items():
        np.testing.assert_array_equal(variable.numpy(), before[key])


def test_files_that_hold_no_model(path, tmp_path):
    damaged, strange = tmp_path / "damaged.npz", tmp_path / "strange.npz"
    damaged.write_bytes(path.read_bytes()[:2000])
    np.savez(strange, x=np.ones(3))
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        open_model(damaged)
    with pytest.raises(CheckpointError, match="not the config of their model"):
        open_model(strange)
