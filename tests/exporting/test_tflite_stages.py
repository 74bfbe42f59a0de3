"""A graph that is converted in parts: the network in int8, and what decodes its maps in float32."""

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case
from synthetic_weights import synthetic_image
from tflite_exports import calibrated_by, source_of

from odtk.detectors.build import build_detector
from odtk.exporting import tflite_file, tflite_model
from odtk.exporting.tflite_conversion import calibration_inputs, convert
from odtk.exporting.tflite_graph import Stage, stages
from odtk.exporting.tflite_model_tables import ModelTables

NAMES = ["total", "larger", "places"]
IMAGE = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)


def first(image):
    return {"tripled": 3.0 * image, "less": image - 5.0}


def second(less, tripled):
    largest = tf.math.top_k(tf.reshape(tripled * less, [1, 12]), 2)
    return {"places": tf.cast(largest.indices, tf.float32), "total": less + tripled, "larger": largest.values}


def test_a_model_goes_on_with_another_one(tmp_path):
    expected = second(**first(IMAGE))
    tables = ModelTables(convert(Stage(first, {"input": IMAGE.shape})))
    tables.append(ModelTables(convert(Stage(second, {"less": IMAGE.shape, "tripled": IMAGE.shape}))))
    tables.name_outputs(NAMES, NAMES)
    path = tmp_path / "model.tflite"
    path.write_bytes(tables.encoded())
    interpreter, _ = tflite_model._open(str(path))
    (given,), found = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], IMAGE)
    interpreter.invoke()
    for name, each in zip(NAMES, found, strict=True):
        assert each["name"] == name
        np.testing.assert_allclose(interpreter.get_tensor(each["index"]), expected[name])
    operations = ModelTables(path.read_bytes()).operations()
    assert operations["TOPK_V2"] == 1
    assert operations["SUB"] == 1


@pytest.fixture(scope="module")
def center_net():
    case = family_case("centernet_hourglass-ten")
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    return detector, case.config


@pytest.mark.parametrize("uint8_input", [False, True])
def test_int8_rounds_what_the_network_finds_and_not_the_boxes(center_net, uint8_input, tmp_path):
    """The file's boxes are those that TensorFlow decodes from the maps of the int8 network alone.

    Decoded in int8, sides would be multiples of a 255th of the image.
    """
    detector, config = center_net
    picture = synthetic_image(50, 160, 160)  # as wide as high: nothing is padded
    config = calibrated_by(config, [picture, synthetic_image(51, 150, 200)], tmp_path / "records")
    path = tmp_path / "model.tflite"
    tflite_file.write(source_of(detector, config, quantize="int8", uint8_input=uint8_input), str(path))
    assert ModelTables(path.read_bytes()).operations()["QUANTIZE"] == 1, "of the image"

    model = tflite_model.load(path)
    images = calibration_inputs(detector, config, 2, lambda pixels: pixels, uint8_input, print)
    (tmp_path / "network").write_bytes(convert(stages(detector, True, True)[0], "int8", images, uint8_input))
    network, _ = tflite_model._open(str(tmp_path / "network"))
    ((values, _),) = model.place([picture])
    maps = network.get_signature_runner()(input=values)
    predictions = {name: [tf.constant(maps[name.replace("/", "_")])] for name in detector.postprocess_reads}
    expected = detector.postprocess(predictions, tf.constant([values.shape[1:]]), rounded=True)

    found, count = model.detect(picture), int(expected["num_detections"][0])
    assert len(found) == count >= 10
    np.testing.assert_allclose(found.boxes, expected["detection_boxes"][0, :count], atol=1e-5)
    np.testing.assert_allclose(found.scores, expected["detection_scores"][0, :count], atol=1e-5)
    np.testing.assert_array_equal(found.classes, expected["detection_classes"][0, :count] + 1)
