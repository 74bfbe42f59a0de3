"""What cannot be a TFLite file is refused before anything is built, with the reason and what to do."""

import copy

import pytest
from google.protobuf import text_format

from odtk import pipeline
from odtk.exporting.formats import ExportOptions
from odtk.exporting.tflite_refusals import refuses

INT8 = ExportOptions(quantize="int8")


@pytest.fixture(scope="module")
def ssd(golden_dir):
    return pipeline.read(golden_dir / "families/mobilenet_v2-base.config")


@pytest.fixture(scope="module")
def center_net(golden_dir):
    return pipeline.read(golden_dir / "families/centernet_resnet_v2-base.config")


def changed(config, change: str):
    other = copy.deepcopy(config)
    text_format.Merge(change, other)
    return other


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"precision": "float16"}, "leave the precision at float32, and choose quantization float16"),
        ({"winograd": True}, "Leave winograd out"),
        ({"uint8_input": True}, "goes with quantization int8, not none"),
        ({"uint8_input": True, "quantize": "dynamic"}, "goes with quantization int8, not dynamic"),
        ({"calibration": 50}, "Only quantization int8 is calibrated with images; none is not"),
    ],
)
def test_options_that_contradict_each_other(options, expected, ssd):
    assert expected in refuses(ssd, ExportOptions(**options))


@pytest.mark.parametrize("quantize", ["none", "float16", "dynamic"])
def test_what_can_be_exported(quantize, ssd, center_net):
    for config in (ssd, center_net):
        assert refuses(config, ExportOptions(quantize=quantize)) is None


def test_int8_needs_records(ssd):
    config = copy.deepcopy(ssd)
    for reader in (config.train_input_reader, *config.eval_input_reader):
        reader.ClearField("tf_record_input_reader")
    assert "the config names no records" in refuses(config, INT8)
    with_records = changed(config, "train_input_reader { tf_record_input_reader { input_path: 'pets.record' } }")
    assert refuses(with_records, ExportOptions(quantize="int8", uint8_input=True, calibration=50)) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("batch_non_max_suppression { soft_nms_sigma: 0.5 }", "soft_nms_sigma is 0.5"),
        ("batch_non_max_suppression { iou_threshold: 0 }", "iou_threshold is 0"),
        ("calibration_config { function_approximation { } }", "calibration_config.function_approximation cannot"),
    ],
)
def test_post_processing_that_the_operation_does_not_have(change, expected, ssd):
    assert expected in refuses(changed(ssd, f"model {{ ssd {{ post_processing {{ {change} }} }} }}"), ExportOptions())


def test_box_coders(ssd):
    coder = "model { ssd { box_coder { %s { } } } }"
    assert "is a mean_stddev_box_coder" in refuses(changed(ssd, coder % "mean_stddev_box_coder"), ExportOptions())
    assert refuses(changed(ssd, coder % "square_box_coder"), ExportOptions()) is None


def test_images_of_several_sizes(ssd, center_net):
    resizer = "image_resizer { keep_aspect_ratio_resizer { min_dimension: 128 max_dimension: 160 %s } }"
    for config, kind in ((ssd, "ssd"), (center_net, "center_net")):
        bare = copy.deepcopy(config)
        getattr(bare.model, kind).ClearField("image_resizer")
        several = changed(bare, f"model {{ {kind} {{ {resizer % ''} }} }}")
        assert f"model.{kind}.image_resizer gives images of several" in refuses(several, ExportOptions())
        padded = changed(several, f"model {{ {kind} {{ {resizer % 'pad_to_max_dimension: true'} }} }}")
        assert refuses(padded, ExportOptions()) is None


def test_other_detectors(golden_dir, center_net):
    faster_rcnn = pipeline.read(golden_dir / "families/faster_rcnn-base.config")
    assert "CropAndResize" in refuses(faster_rcnn, ExportOptions())
    suppressing = changed(center_net, "model { center_net { post_processing { } } }")
    assert "model.center_net.post_processing suppresses" in refuses(suppressing, ExportOptions())
