"""A .tflite file finds what its detector finds, by built-in operations and TFOD's custom one, and alone is enough."""

import json

import numpy as np
import pytest
import tensorflow as tf
from flatbuffers import flexbuffers
from synthetic_weights import synthetic_image
from tensorflow.lite.python import schema_py_generated as schema
from tflite_exports import NAMES, assert_same, source_of, trained
from tiny_detector import tiny_config, tiny_parts

from odtk import pipeline
from odtk.errors import CheckpointError, DataError, OdtkError
from odtk.exporting import tflite_file, tflite_model
from odtk.exporting.tflite_model_tables import ModelTables
from odtk.exporting.tflite_texts import FileTexts

pytestmark = pytest.mark.usefixtures("shallow_resnet")

PICTURE = synthetic_image(50, 150, 200)


@pytest.fixture(scope="module")
def tiny():
    """(detector, config) with scores that differ."""
    config = tiny_config()
    _, detector, _, _ = tiny_parts(config)
    rng = np.random.default_rng(3)
    for variable in detector.trainable_variables:
        if "kernel" in variable.name:
            variable.assign(variable * 3 + rng.normal(0, 0.05, variable.shape))
    return detector, config


@pytest.fixture(scope="module")
def path(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    tflite_file.write(source_of(*tiny), str(path))
    return path


def test_the_file_alone_finds_what_the_detector_finds(path, tiny):
    model = tflite_model.load(path)
    found, exact = model.detect(PICTURE), trained(*tiny).detect(PICTURE)
    assert_same(exact, found, least=10)
    assert model.names == NAMES
    assert set(found.names) <= set(NAMES.values())
    assert not model.takes_batches
    assert [len(each) for each in model.detect_batch([PICTURE, PICTURE[:90]])] == [len(found), 20]


def test_its_graph_has_tfods_outputs_and_attributes_and_no_flex_operation(path, tiny):
    _, config = tiny
    model = path.read_bytes()
    operations = ModelTables(model).operations()
    assert operations.pop("custom TFLite_Detection_PostProcess") == 1
    assert not [name for name in operations if "custom" in name or "FLEX" in name.upper()]
    graph = schema.Model.GetRootAsModel(model, 0).Subgraphs(0)
    names = [graph.Tensors(index).Name().decode() for index in graph.OutputsAsNumpy()]
    assert names == [f"TFLite_Detection_PostProcess{end}" for end in ("", ":1", ":2", ":3")]
    last = graph.Operators(graph.OperatorsLength() - 1)
    np.testing.assert_array_equal(last.OutputsAsNumpy(), graph.OutputsAsNumpy())
    attributes = flexbuffers.Loads(last.CustomOptionsAsNumpy().tobytes())
    nms = config.model.ssd.post_processing.batch_non_max_suppression
    expected = {
        "max_detections": nms.max_total_detections,
        "detections_per_class": nms.max_detections_per_class,
        "max_classes_per_detection": 1,
        "use_regular_nms": True,
        "nms_score_threshold": pytest.approx(nms.score_threshold),
        "nms_iou_threshold": pytest.approx(nms.iou_threshold),
        **{"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0, "num_classes": 3},
    }
    assert {name: attributes[name] for name in expected} == expected
    anchors = graph.Tensors(last.InputsAsNumpy()[2])
    assert anchors.ShapeAsNumpy().tolist() == [graph.Tensors(last.InputsAsNumpy()[0]).ShapeAsNumpy()[1], 4]


def test_weights_are_aligned_as_the_schema_says(path):
    model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
    data = (model.Buffers(index) for index in range(model.BuffersLength()))
    starts = [each._tab.Vector(each._tab.Offset(4)) for each in data if not each.DataIsNone()]
    assert len(starts) > 10
    assert {start % 16 for start in starts} == {0}


def test_its_texts_say_all_that_is_needed(path, tiny):
    _, config = tiny
    texts = FileTexts.of(path)
    assert pipeline.parse(texts.files["odtk.pipeline_config"], "") == config
    assert texts.files["labels.txt"].splitlines() == list(NAMES.values())
    assert texts.metadata.label_file == "labels.txt"
    # ResNet subtracts a mean from each channel, which MediaPipe refuses to do: the graph does it.
    assert (texts.metadata.mean, texts.metadata.std) == ((0.0,), (1.0,))
    tflite_file.embed(str(path), json.dumps({"format": "tflite"}))
    assert json.loads(FileTexts.of(path).files["odtk.certificate"]) == {"format": "tflite"}
    assert len(tflite_model.load(path).detect(PICTURE)) == 20


def test_a_file_of_tfods_is_run_by_the_config_beside_it(path, tmp_path, tiny):
    """TFOD's files have no metadata, so that nobody could know what their input is."""
    bare, config = tmp_path / "detect.tflite", tmp_path / "pipeline.config"
    tables = ModelTables(path.read_bytes())
    tables._model.metadata = None
    bare.write_bytes(tables.encoded())
    with pytest.raises(CheckpointError, match=r"does not say how its input is normalized .* pipeline\.config that it"):
        tflite_model.load(bare)
    pipeline.write(tiny[1], config)
    assert tflite_model.load(bare)._image_input.mean[0] == pytest.approx(123.68)
    (tmp_path / "label_map.pbtxt").write_text("item { id: 2 name: 'dog' }")
    assert tflite_model.load(bare).names == {2: "dog"}
    other = pipeline.read(config)
    other.model.ssd.image_resizer.fixed_shape_resizer.height = (
        other.model.ssd.image_resizer.fixed_shape_resizer.width
    ) = 64
    pipeline.write(other, config)
    with pytest.raises(CheckpointError, match=r"takes images of .*, but .*pipeline\.config says 64x64"):
        tflite_model.load(bare)


def test_what_cannot_be_run(path, tmp_path):
    with pytest.raises(OdtkError, match="run on the CPU here, not on gpu:0"):
        tflite_model.load(path, devices="gpu:0")
    damaged, other = tmp_path / "damaged.tflite", tmp_path / "other.tflite"
    damaged.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match=r"damaged\.tflite cannot be"):
        tflite_model.load(damaged)
    add_one = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec([1, 8, 8, 3])])
    other.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([add_one.get_concrete_function()]).convert())
    with pytest.raises(CheckpointError, match="is not a detector that odtk can run: it has 1 inputs and 1 outputs"):
        tflite_model.load(other)


def test_int8_without_pictures(tiny, tmp_path):
    detector, config = tiny
    named = pipeline.parse(pipeline.format(config), "")
    named.train_input_reader.tf_record_input_reader.input_path[:] = [str(tmp_path / "gone.record")]
    with pytest.raises(DataError, match=r"int8 is calibrated with pictures .*gone\.record"):
        tflite_file.write(source_of(detector, named, quantize="int8"), str(tmp_path / "model.tflite"))
    assert list(tmp_path.iterdir()) == []
