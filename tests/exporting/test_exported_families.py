"""Each family's detectors find the same in ONNX Runtime and OpenVINO as in TensorFlow; minutes."""

import importlib.util

import last_places
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case, resnet50_case, variant_case

from odtk.detections import Detections
from odtk.detectors.build import build_detector
from odtk.exporting import saved_model
from odtk.exporting.formats import FORMATS, ExportOptions, Source
from odtk.exporting.model import naming
from odtk.exporting.open_model import open_model
from odtk.exporting.openvino_import import import_openvino
from odtk.exporting.trained_model import TrainedModel
from odtk.tools.export import export

onnx = pytest.importorskip("onnx", reason="the extra odtk[onnx] is not installed")
pytest.importorskip("tf2onnx", reason="the extra odtk[onnx] is not installed")
from onnx_graphs import refused_by_tensorrt  # noqa: E402, it imports onnx

if importlib.util.find_spec("openvino") is None:
    pytest.skip("the extra odtk[openvino] is not installed", allow_module_level=True)
openvino = import_openvino()

pytestmark = pytest.mark.slow

CASES = {
    "ssd_resnet50_v1_fpn": resnet50_case(),
    # Dynamic shapes from the resizer, a column for the background, classes that suppress each other, explicit padding.
    **{name: variant_case(name) for name in ("keep_aspect_padded", "pad_to_multiple", "softmax", "class_agnostic_nms")},
    **{
        name: family_case(name)
        for name in (
            "mobilenet_v1-base", "mobilenet_v1_fpn-base", "mobilenet_v2-base", "mobilenet_v2_fpnlite-base",
            "efficientdet-d0", "faster_rcnn-base", "faster_rcnn-one_stage", "faster_rcnn_fpn-base",
            "centernet_resnet_v1_fpn-base", "centernet_resnet_v1_fpn-resnet18_deep_heads", "centernet_mobilenet_v2-fpn",
        )
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def source(request) -> Source:
    case = CASES[request.param]
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    return Source(detector, case.config, "golden", None, None, {}, ExportOptions(), detector)


@pytest.fixture(scope="module")
def expected(source) -> list[list[Detections]]:
    """For each image what is found, and what is found with weights changed in their last places."""
    model, draws = TrainedModel(source.detector, source.config, "golden", None, naming(None)), []
    for seed in range(5):
        with last_places.changed(source.detector, seed):
            draws.append(model.detect_batch(images()))
    return [list(of_image) for of_image in zip(*draws, strict=True)]


def images() -> list[np.ndarray]:
    """Of several sizes and directions."""
    random = np.random.default_rng(3)
    drawn = [random.integers(0, 256, (*size, 3)).astype(np.float32) for size in ((12, 9), (9, 16), (20, 20))]
    sizes = ((200, 150), (180, 320), (400, 400))
    return [tf.cast(tf.image.resize(one, size), tf.uint8).numpy() for one, size in zip(drawn, sizes, strict=True)]


@pytest.mark.parametrize("name", ["onnx", "openvino"])
@pytest.mark.parity(what="ONNX and OpenVINO files of every family", against="the checkpoint", tolerance="1e-3")
def test_a_file_finds_what_its_checkpoint_finds(name, source, expected, tmp_path):
    row = FORMATS[name]
    assert row.refuses(source.config, source.options) is None
    row.write(source, str(tmp_path / row.path))
    if name == "onnx":
        assert refused_by_tensorrt(onnx.load(tmp_path / row.path)) == []
    model = open_model(tmp_path)
    for found, draws in zip(model.detect_batch(images()), expected, strict=True):
        assert_same(found, *draws)


def test_openvino_runs_the_saved_model(source, expected, tmp_path):
    saved_model.save(source.detector, "image_tensor", str(tmp_path / "saved_model"))
    model = openvino.convert_model(str(tmp_path / "saved_model"))
    openvino.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    for found, draws in zip(open_model(tmp_path / "model.xml").detect_batch(images()), expected, strict=True):
        assert_same(found, *draws)


def assert_same(found: Detections, exact: Detections, *draws: Detections) -> None:
    """Every object of one is in the other, but for those that rounding decides: that come or go among the draws.

    Such are two equal peaks side by side in a heat map, or two boxes that overlap by just what suppression accepts.
    """
    come_and_go = set().union(*(missing(exact, draw) for draw in draws))
    assert len(come_and_go) <= len(exact) / 4
    assert missing(exact, found) <= come_and_go
    assert not missing(found, exact).intersection(*(missing(found, draw) for draw in draws))


def missing(objects: Detections, others: Detections) -> set[int]:
    """Which objects have no other of their own: the same class, box and score to 1e-3.

    Those about as low as the last one of either are left out, as in its place there may be any other of that score.
    """
    assert min(len(objects), len(others)) > 0
    free, found = np.ones(len(others), bool), set()
    for index in np.flatnonzero(objects.scores > max(objects.scores[-1], others.scores[-1]) + 1e-3):
        fits = free & (others.classes == objects.classes[index])
        fits &= np.abs(others.scores - objects.scores[index]) <= 1e-3
        fits &= np.abs(others.boxes - objects.boxes[index]).max(axis=1) <= 1e-3
        if fits.any():
            free[np.flatnonzero(fits)[0]] = False
        else:
            found.add(int(index))
    return found


SMALL = [
    "ssd_resnet50_v1_fpn_small",
    "ssd_mobilenet_v2_small",
    "efficientdet_small",
    "faster_rcnn_resnet50_fpn_small",
    "centernet_small",
]


@pytest.mark.parametrize("name", SMALL)
def test_small_models_find_on_the_demos_images_what_their_checkpoint_finds(name, trained_small_model, tmp_path):
    """The certificate of weights that have learned, which the export must pass, measures it."""
    report = export(*trained_small_model(name), tmp_path / "out", format=["onnx", "openvino"], verify=40)
    for each in report.certificate.formats:
        assert each.agreement.objects >= 40
        assert max(each.agreement.boxes, each.agreement.scores) < 1e-3
        assert (each.agreement.missing, each.agreement.extra) == (0, 0)
        assert each.map_after == pytest.approx(each.map_before, abs=1e-3)
