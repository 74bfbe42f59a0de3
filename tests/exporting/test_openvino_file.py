"""OpenVINO's form of a detector: what the file says of itself, and files that are no detectors."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from odtk.errors import CheckpointError, OdtkError
from odtk.exporting import embedded, openvino_file
from odtk.exporting.formats import FORMATS
from odtk.exporting.openvino_import import import_openvino
from odtk.exporting.openvino_model import load

onnx = pytest.importorskip("onnx", reason="the extra odtk[onnx] is not installed")
if importlib.util.find_spec("openvino") is None:
    pytest.skip("the extra odtk[openvino] is not installed", allow_module_level=True)
openvino = import_openvino()

LABELS = 'item {\n  id: 1\n  name: "K\u00e4tzchen & <cat>"\n}\n'


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One that finds a single object, as bright as the picture's first pixel."""
    make, float32 = onnx.helper, onnx.TensorProto.FLOAT
    value = make.make_tensor_value_info
    outputs = {"detection_boxes": [0.1, 0.2, 0.3, 0.4], "detection_classes": [1.0], "num_detections": [1.0]}
    shapes = {
        "detection_boxes": [1, 1, 4],
        "detection_classes": [1, 1],
        "num_detections": [1],
        "detection_scores": [1, 1],
    }
    nodes = [
        make.make_node("Constant", [], [name], value=make.make_tensor(name, float32, shapes[name], numbers))
        for name, numbers in outputs.items()
    ]
    nodes += [
        make.make_node("Cast", ["input_tensor"], ["cast"], to=float32),
        make.make_node("Slice", ["cast", "zeros", "ones"], ["pixel"]),
        make.make_node("Reshape", ["pixel", "shape"], ["bright"]),
        make.make_node("Div", ["bright", "white"], ["detection_scores"]),
    ]
    known = [
        make.make_tensor("zeros", onnx.TensorProto.INT64, [4], [0] * 4),
        make.make_tensor("ones", onnx.TensorProto.INT64, [4], [1] * 4),
        make.make_tensor("shape", onnx.TensorProto.INT64, [2], [1, 1]),
        make.make_tensor("white", float32, [], [255.0]),
    ]
    taken = [value("input_tensor", onnx.TensorProto.UINT8, [1, "height", "width", 3])]
    graph = make.make_graph(nodes, "one", taken, [value(name, float32, shapes[name]) for name in shapes], known)
    folder = tmp_path_factory.mktemp("openvino")
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    model = openvino.convert_model(folder / "model.onnx")
    openvino.save_model(model, folder / openvino_file.FILE, compress_to_fp16=False)
    openvino_file.put(str(folder / openvino_file.FILE), {embedded.LABEL_MAP: LABELS, embedded.CONFIG: "model {\n}\n"})
    return folder / openvino_file.FILE


def test_openvino_reports_to_no_one(path, tmp_path):
    """Its telemetry keeps an identifier in the home folder."""
    said = (
        "import sys; from odtk.exporting import openvino_import; openvino = openvino_import.import_openvino(); "
        "openvino.convert_model(sys.argv[1]); print('openvino_telemetry' in sys.modules)"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "CI": ""}
    model = path.with_name("model.onnx")
    ran = subprocess.run(
        [sys.executable, "-c", said, model], env=environment, capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), list(tmp_path.iterdir())) == (["False"], [])


def test_it_runs_and_names_what_it_finds(path):
    model = load(path)
    assert (model.takes_batches, model.names) == (False, {1: "Kätzchen & <cat>"})
    images = [np.full([4, 6, 3], value, np.uint8) for value in (51, 204)]
    assert [round(float(found.scores[0]), 4) for found in model.detect_batch(images)] == [0.2, 0.8]
    found = load(path.parent).detect(images[0])
    assert found.names == ("Kätzchen & <cat>",)
    np.testing.assert_allclose(found.boxes, [[0.1, 0.2, 0.3, 0.4]])


def test_texts_are_kept_line_by_line_and_replaced(path):
    FORMATS["openvino"].embed(str(path.parent), '{\n  "made": "yesterday"\n}')
    FORMATS["openvino"].embed(str(path.parent), '{\n  "made": "today"\n}')
    texts = openvino_file.texts_in(str(path))
    assert texts[embedded.CERTIFICATE] == '{\n  "made": "today"\n}'
    assert (texts[embedded.LABEL_MAP], texts[embedded.CONFIG]) == (LABELS, "model {\n}\n")
    load(path)  # OpenVINO still reads it


def test_what_is_no_detector_of_openvino_is_refused(path, tmp_path):
    (tmp_path / "other.xml").write_text("<net/>")
    with pytest.raises(CheckpointError, match="cannot be loaded as a model of OpenVINO"):
        load(tmp_path / "other.xml")
    (tmp_path / "model.xml").write_bytes(path.read_bytes())  # without its weights
    with pytest.raises(CheckpointError, match=r"the \.bin with the weights belongs beside it"):
        load(tmp_path / "model.xml")
    with pytest.raises(OdtkError, match="OpenVINO runs models on the CPU here, not on gpu"):
        load(path, devices="gpu")
