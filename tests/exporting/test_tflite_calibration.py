"""int8 is calibrated with the images that training uses: records that cannot be used cost themselves alone."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk.detectors.parts.resizer import build_resizer
from odtk.errors import DataError
from odtk.exporting.tflite_conversion import calibration_inputs
from odtk.exporting.tflite_graph import INPUT
from odtk.protos import image_resizer_pb2, pipeline_pb2
from odtk.records import shards

RESIZER = text_format.Parse("fixed_shape_resizer { height: 8 width: 12 }", image_resizer_pb2.ImageResizer())
SHADES = [20 * number for number in range(1, 7)]  # of the pictures, by which they are known


def an_example(shade: int, encoded: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full([20, 30, 3], shade, np.uint8)).save(buffer, "PNG")
    kept = tf.train.BytesList(value=[buffer.getvalue() if encoded is None else encoded])
    feature = {"image/encoded": tf.train.Feature(bytes_list=kept)}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write(path, shades, bad=()):
    records = [an_example(shade, b"no picture" if shade in bad else None) for shade in shades]
    shards.write_records(path, records)
    return str(path)


def calibrated(train, evaluation=None, count=200):
    """(the shades of the images that int8 is calibrated with, what was logged)."""
    config, lines = pipeline_pb2.TrainEvalPipelineConfig(), []
    config.train_input_reader.tf_record_input_reader.input_path.append(str(train))
    if evaluation is not None:
        config.eval_input_reader.add().tf_record_input_reader.input_path.append(str(evaluation))
    detector = SimpleNamespace(resize=build_resizer(RESIZER), num_classes=1)
    give = calibration_inputs(detector, config, count, lambda pixels: pixels / 2, False, lines.append)
    inputs = [each[INPUT] for each in give()]
    assert {each.shape for each in inputs} <= {(1, 8, 12, 3)}
    return [round(2 * float(each.mean())) for each in inputs], lines


def test_records_that_cannot_be_used_are_left_out_wherever_they_are(tmp_path):
    """The first and the fourth picture cannot be decoded, and the second record is damaged."""
    path = tmp_path / "train.record"
    write(path, SHADES, bad={20, 80})
    second = list(shards.walk_records(path))[1]
    content = bytearray(path.read_bytes())
    content[second.offset + 40] ^= 1
    path.write_bytes(content)
    shades, lines = calibrated(path)
    assert shades == [60, 100, 120]
    said = f"int8 is calibrated with 3 images of {path}; 3 records cannot be used, the first: {path}, record 0 at byte"
    assert lines[0].startswith(said)
    assert len(lines) == 1


@pytest.mark.slow
def test_so_many_as_asked_for_spread_over_the_records(tmp_path):
    path = write(tmp_path / "train.record", SHADES)
    shades, lines = calibrated(path, count=3)
    assert shades == [40, 80, 120]
    assert lines == [f"int8 is calibrated with 3 images of {path}."]


@pytest.mark.parametrize(
    "train", ["bad", pytest.param("gone", marks=pytest.mark.slow), pytest.param("empty", marks=pytest.mark.slow)]
)
def test_evaluation_records_are_taken_where_no_training_record_can_be_used(tmp_path, train):
    path = tmp_path / "train.record"
    if train != "gone":
        write(path, SHADES if train == "bad" else [], SHADES)
    shades, lines = calibrated(path, write(tmp_path / "val.record", SHADES[:2]))
    assert shades == [20, 40]
    said = {
        "bad": f"No record of {path} can be used, the first: {path}, record 0 at byte 0 cannot be used: ",
        "gone": f"No record file matches {path}",
        "empty": f"All record files of {path} are empty.",
    }
    assert lines[0].startswith(f"warning: int8 is not calibrated with training images: {said[train]}")
    assert lines[1:] == [f"int8 is calibrated with 2 images of {tmp_path / 'val.record'}."]


def test_without_any_picture_it_is_refused_with_the_reasons(tmp_path):
    path = write(tmp_path / "train.record", [])
    with pytest.raises(DataError, match=r"can be used\. .* or dynamic, .* All record files of .*gone\.record"):
        calibrated(path, tmp_path / "gone.record")
