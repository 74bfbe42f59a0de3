"""A model is opened from an export, a model dir and a checkpoint alike, and finds the same in each."""

import fake_detector
import numpy as np
import pytest
import tensorflow as tf

from odtk import files, pipeline
from odtk.checkpoints.best import write_best
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError, ConfigError, DataError, LabelMapError, OdtkError
from odtk.exporting import saved_model
from odtk.exporting.open_model import EXPORTED, TRAINED, kind_of, open_model, open_trained
from odtk.exporting.runtime import ExportedDetector

LABELS = "item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\n"
SIZES = ((40, 60), (80, 30), (40, 60))


@pytest.fixture(scope="module", autouse=True)
def family():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, family):
    """A model dir with two checkpoints, the first of them the best; and exports of the best in two input types."""
    folder = tmp_path_factory.mktemp("models")
    config = fake_detector.write_config(folder, folder / "records")
    model = folder / "model"
    detector = build_detector(pipeline.read(config))
    saved = tf.train.Checkpoint(step=tf.Variable(0, dtype=tf.int64), **detector.checkpoint_objects())
    fake_detector.draw_weights(detector, 1)
    write_best(str(model), 1, "mAP", {"mAP": 0.5}, saved.write)
    for input_type in ("image_tensor", "float_image_tensor", "encoded_image_string_tensor"):
        saved_model.save(detector, input_type, str(folder / input_type / "saved_model"))
        (folder / input_type / "label_map.pbtxt").write_text(LABELS)
    fake_detector.draw_weights(detector, 2)
    saved.write(str(model / "ckpt-2"))
    (model / "pipeline.config").write_text(config.read_text())
    (model / "label_map.pbtxt").write_text(LABELS)
    return folder


def test_everything_finds_the_same_in_images_of_several_sizes(folder):
    images = _images()
    lines = []
    model = open_model(folder / "model", log=lines.append, devices="cpu")
    expected = model.detect_batch(images)
    assert lines == [f"Using {folder}/model/best/ckpt-1, the best by mAP (0.5 at step 1); the last is ckpt-2."]
    assert (model.takes_batches, str(model.label_map)) == (True, str(folder / "model/label_map.pbtxt"))
    assert [len(found) for found in expected] == [3, 3, 3]
    assert {name for found in expected for name in found.names} <= {"cat", "dog"}
    assert not np.allclose(expected[0].scores, expected[2].scores), "the images should not look alike"
    for input_type, takes_batches in (
        ("image_tensor", False), ("float_image_tensor", True), ("encoded_image_string_tensor", True)
    ):  # fmt: skip
        exported = open_model(folder / input_type)
        assert (exported.takes_batches, exported.label_map) == (takes_batches, folder / input_type / "label_map.pbtxt")
        for batch in (images, images[:1]):
            for ours, theirs in zip(expected, exported.detect_batch(batch), strict=False):
                np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-5)
                np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
                assert ours.names == theirs.names
    assert exported.detect_batch([]) == model.detect_batch([]) == []
    one = open_model(folder / "model/ckpt-2")
    assert "ckpt-2" in one.description
    assert not np.allclose(one.detect(images[0]).scores, expected[0].scores)
    last = open_trained(folder / "model", "last", label_map="pet_label_map")
    np.testing.assert_allclose(last.detect(images[0]).scores, one.detect(images[0]).scores)
    assert last.name_of(1) == "Abyssinian"
    assert last.detector.num_classes == last.config.model.center_net.num_classes == 2


def test_a_model_in_a_store(folder):
    for name in files.names_in(folder / "model/best"):
        files.write_bytes(f"ram://opened/best/{name}", (folder / "model/best" / name).read_bytes())
    for name in ("pipeline.config", "label_map.pbtxt"):
        files.write_bytes(f"ram://opened/{name}", (folder / "model" / name).read_bytes())
    model = open_model("ram://opened")
    assert (model.prefix, model.label_map) == ("ram://opened/best/ckpt-1", "ram://opened/label_map.pbtxt")
    assert model.name_of(2) == "dog"


def test_what_a_path_leads_to(folder, tmp_path):
    kinds = {"float_image_tensor": EXPORTED, "float_image_tensor/saved_model": EXPORTED, "model": TRAINED,
             "model/best": TRAINED, "model/ckpt-2": TRAINED}  # fmt: skip
    assert {path: kind_of(folder / path) for path in kinds} == kinds
    for path, words in ((tmp_path, "holds no model"), (tmp_path / "gone", "does not exist"),
                        (folder / "pipeline.config", "is not a model")):  # fmt: skip
        with pytest.raises(CheckpointError, match=f"{path} {words}. Give an output folder of `odtk export`"):
            kind_of(path)


def test_errors_name_what_is_wrong(folder, tmp_path):
    with pytest.raises(OdtkError, match="one set of weights") as error:
        open_model(folder / "image_tensor", "best")
    assert error.value.argument == "checkpoint"
    with pytest.raises(LabelMapError, match="neither a file nor a shipped"):
        open_model(folder / "model", label_map="gone.pbtxt")
    for name in ("ckpt-2.index", "ckpt-2.data-00000-of-00001"):
        (tmp_path / name).write_bytes((folder / "model" / name).read_bytes())
    with pytest.raises(ConfigError, match=f"{tmp_path} has no pipeline.config"):
        open_model(tmp_path)
    model = open_model(folder / "image_tensor")
    with pytest.raises(DataError, match="An image of shape 4x4 and type uint8 cannot be used"):
        model.detect_batch([np.zeros([4, 4], np.uint8)])


def test_a_model_that_answers_for_one_of_a_batch_is_an_error(tmp_path):
    class Lazy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, "input_tensor")])
        def serve(self, input_tensor):
            return {
                "detection_boxes": tf.zeros([1, 1, 4]),
                "detection_classes": tf.ones([1, 1]),
                "detection_scores": tf.ones([1, 1]),
                "num_detections": tf.ones([1]),
            }

    tf.saved_model.save(Lazy(), str(tmp_path), signatures=Lazy().serve)
    model = ExportedDetector(tmp_path)
    assert len(model.detect(_images()[0])) == 1
    with pytest.raises(CheckpointError, match="answers for 1 when it is given a batch of 2 images of shape 40x60x3"):
        model.detect_batch([_images()[0]] * 2)


def _images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [
        (random.integers(0, 255, (*size, 3)) * (index + 1) / 3).astype(np.uint8) for index, size in enumerate(SIZES)
    ]
