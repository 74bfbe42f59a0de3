"""Boxes that cannot be used are left out, counted and named; their image stays, and so do all other boxes."""

import io
import math

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk.detectors.parts.resizer import build_resizer
from odtk.inputs.bad_boxes import BadBoxes, usable
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_train_dataset
from odtk.protos import image_resizer_pb2, pipeline_pb2
from odtk.records import box_errors, shards

GOOD, INVERTED, PIXELS = (0.1, 0.2, 0.8, 0.9), (0.8, 0.2, 0.1, 0.9), (2.0, 4.0, 16.0, 27.0)


def an_example(name, boxes):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG")
    features = {"image/encoded": [buffer.getvalue()], "image/source_id": [name.encode()]}
    features["image/object/class/text"] = [b"cat"] * len(boxes)
    kinds = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)) for key, value in features.items()}
    for index, side in enumerate(("ymin", "xmin", "ymax", "xmax")):
        values = tf.train.FloatList(value=[box[index] for box in boxes])
        kinds[f"image/object/bbox/{side}"] = tf.train.Feature(float_list=values)
    return tf.train.Example(features=tf.train.Features(feature=kinds)).SerializeToString()


@pytest.fixture
def config(tmp_path):
    """Two files of records, of whose five boxes two cannot be used."""
    shards.write_records(tmp_path / "x-0", [an_example("a", [GOOD]), an_example("b", [INVERTED, GOOD])])
    shards.write_records(tmp_path / "x-1", [an_example("c", [PIXELS]), an_example("d", [GOOD])])
    (tmp_path / "labels.pbtxt").write_text("item { id: 1 name: 'cat' }")
    reader = f"""{{ label_map_path: "{tmp_path / "labels.pbtxt"}" num_epochs: 3
        tf_record_input_reader {{ input_path: "{tmp_path / "x-*"}" }} }}"""
    text = f"""train_config {{ batch_size: 2 }} eval_config {{ batch_size: 2 }} train_input_reader {reader}
        eval_input_reader {reader}"""
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def a_resize():
    text = "fixed_shape_resizer { height: 16 width: 16 }"
    return build_resizer(text_format.Parse(text, image_resizer_pb2.ImageResizer()))


def boxes_by_image(dataset):
    found = {}
    for features, groundtruth in dataset.as_numpy_iterator():
        for name, boxes, count in zip(
            features["source_id"], groundtruth["boxes"], groundtruth["num_boxes"], strict=True
        ):
            found[name.decode()] = boxes[:count].round(4).tolist()
    return found


LEFT = {"a": [list(GOOD)], "b": [list(GOOD)], "c": [], "d": [list(GOOD)]}


@pytest.mark.parametrize("with_tolerance", [True, False])
@pytest.mark.parametrize("build", [build_train_dataset, build_eval_dataset])
def test_they_are_left_out_and_named_once_and_the_image_stays(config, build, with_tolerance):
    said = []
    bad, record_filter = BadBoxes(said.append), BadRecordFilter(1) if with_tolerance else None
    found = boxes_by_image(build(config, a_resize(), 1, record_filter=record_filter, bad_boxes=bad))
    assert {name: [[round(side, 4) for side in box] for box in boxes] for name, boxes in found.items()} == LEFT
    assert [(image.file[-3:], image.record, image.image) for image in bad.images] == [("x-0", 1, "b"), ("x-1", 0, "c")]
    assert [(entry.index, entry.fault) for image in bad.images for entry in image.bad] == [
        (0, box_errors.INVERTED), (0, box_errors.IN_PIXELS)]  # fmt: skip
    assert sorted(said) == [f"Skipped: {image}." for image in bad.images]
    assert bad.summary().startswith("Skipped: 2 boxes in 2 images (1 inverted, 1 in pixels)")
    if record_filter:
        assert record_filter.finish() == []


def test_nothing_is_said_where_all_boxes_can_be_used(config, tmp_path):
    shards.write_records(tmp_path / "x-0", [an_example("a", [GOOD])])
    shards.write_records(tmp_path / "x-1", [an_example("e", [])])
    bad = BadBoxes()
    boxes_by_image(build_eval_dataset(config, a_resize(), 1, bad_boxes=bad))
    assert (bad.images, bad.summary()) == ([], None)


def test_of_many_such_images_the_first_are_named_and_all_are_counted(config, tmp_path):
    shards.write_records(tmp_path / "x-0", [an_example(str(number), [INVERTED]) for number in range(30)])
    said = []
    bad = BadBoxes(said.append)
    boxes_by_image(build_eval_dataset(config, a_resize(), 1, bad_boxes=bad))
    assert len(bad.images) == 31
    assert len(said) == 11
    assert bad.summary().startswith("Skipped: 31 boxes in 31 images")


def test_the_tensors_find_what_the_words_find():
    random = np.random.default_rng(5)
    sides = [-2.0, -1.0, -0.9, 0.0, 0.2, 1.0, 1.0001, 2.0, 2.1, 90.0, math.nan, math.inf, -math.inf]
    boxes = random.choice(sides, (3000, 4)).astype(np.float32)
    expected = [box_errors.fault(box) is None for box in boxes.tolist()]
    assert 10 < sum(expected) < 2990
    np.testing.assert_array_equal(usable(tf.constant(boxes)), expected)


def test_each_image_of_a_batch_has_its_place(config):
    dataset = build_eval_dataset(config, a_resize(), 1)
    places = np.concatenate([features["place"] for features, _ in dataset.as_numpy_iterator()])
    assert places.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
