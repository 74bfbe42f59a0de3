"""A detector as an ONNX file: what it takes, gives, finds and says of itself; and files that are no such thing."""

import os

import numpy as np
import pytest
import tensorflow as tf
from tiny_detector import tiny_config, tiny_parts

from odtk.errors import CheckpointError, OdtkError
from odtk.exporting import embedded, onnx_file
from odtk.exporting.formats import FORMATS, ExportOptions, Source
from odtk.exporting.model import naming
from odtk.exporting.open_model import open_model
from odtk.exporting.trained_model import TrainedModel

onnx = pytest.importorskip("onnx", reason="the extra odtk[onnx] is not installed")
optimizer = pytest.importorskip("tf2onnx.optimizer", reason="the extra odtk[onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra odtk[onnx] is not installed")
from onnx_graphs import graphs_in, refused_by_tensorrt  # noqa: E402, it imports onnx

LABELS = b"item { id: 1 name: 'cat' } item { id: 2 name: 'dog' } item { id: 3 name: 'b\xc3\xa4r' }"
ROW = FORMATS["onnx"]


@pytest.fixture(scope="module")
def detector():
    _, detector, *_ = tiny_parts(tiny_config())
    return detector


def source_of(detector, **options) -> Source:
    names = {1: "cat", 2: "dog", 3: "bär"}
    return Source(detector, tiny_config(), "model/ckpt-1", 1, LABELS, names, ExportOptions(**options), detector)


@pytest.fixture(scope="module")
def path(detector, tmp_path_factory):
    """One that takes batches, which has a loop over the images that are resized."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "optimize_graph", _asked_for_copies(optimizer.optimize_graph))
        ROW.write(source_of(detector, input_type="float_image_tensor"), str(path))
    return path


ASKED: list[bool] = []  # of tf2onnx, whether it is to copy the graph before each optimization


def _asked_for_copies(optimize_graph):
    def optimize(graph, catch_errors, **options):
        ASKED.append(catch_errors)
        return optimize_graph(graph, catch_errors, **options)

    return optimize


def test_signature_and_metadata(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (taken,) = model.graph.input
    sides = [side.dim_param or side.dim_value for side in taken.type.tensor_type.shape.dim]
    assert (taken.name, sides) == ("input_tensor", ["batch", "height", "width", 3])
    assert {each.name for each in model.graph.output} == {
        "detection_boxes", "detection_classes", "detection_scores", "detection_multiclass_scores",
        "detection_anchor_indices", "num_detections", "raw_detection_boxes", "raw_detection_scores",
    }  # fmt: skip
    assert {each.type.tensor_type.elem_type for each in model.graph.output} == {onnx.TensorProto.FLOAT}
    assert b"tf_half_pixel_for_nn" not in path.read_bytes(), "which ONNX has given up"
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("NonMaxSuppression") == 3, "two floors, then all; none of them in a loop"
    (loop,) = refused_by_tensorrt(model)
    assert loop.startswith("Loop "), "over the images of a batch, which image_tensor has not"
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert embedded.names_in(texts, "model.onnx") == {1: "cat", 2: "dog", 3: "bär"}
    assert "ssd {" in texts[embedded.CONFIG]


def test_what_tensorrt_refuses_is_found_in_inner_graphs_too():
    make, int64 = onnx.helper, onnx.TensorProto.INT64
    value = make.make_tensor_value_info
    numbers = [make.make_tensor(f"n{size}", int64, [1], [size]) for size in (3840, 3841)]
    picks = [make.make_node("TopK", ["x", name], [f"v{name}", f"i{name}"], name) for name in ("n3840", "n3841", "n")]
    inner = make.make_graph(picks, "inner", [], [], numbers)
    branch = make.make_node("If", ["yes"], ["y"], "branch", then_branch=inner, else_branch=inner)
    model = make.make_model(make.make_graph([branch], "outer", [value("yes", onnx.TensorProto.BOOL, [])], []))
    assert len(list(graphs_in(model.graph))) == 3
    assert refused_by_tensorrt(model) == ["If branch", *["TopK n3841 of [3841]", "TopK n of n"] * 2]


def test_it_finds_what_the_detector_finds_in_batches_of_several_sizes(detector, path):
    reference = TrainedModel(detector, tiny_config(), "model/ckpt-1", 1, naming(None))
    model = open_model(path)
    assert model.takes_batches
    assert model.names == {1: "cat", 2: "dog", 3: "bär"}
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), np.uint8) for size in ((90, 70), (40, 130), (90, 70))]
    for ours, theirs in zip(model.detect_batch(images), reference.detect_batch(images), strict=True):
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-4)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
        np.testing.assert_array_equal(ours.classes, theirs.classes)
        assert ours.names[0] in ("cat", "dog", "bär")


def test_the_graph_is_copied_only_where_an_optimization_fails(detector, path, monkeypatch):
    """Each copy holds all weights: with them, a file of a ResNet50 took 12 GB of memory."""
    assert ASKED == [False]
    asked = []

    def made(_):
        asked.append("TF2ONNX_CATCH_ERRORS" in os.environ)
        if len(asked) == 1:
            raise KeyError("an optimization's own")
        return onnx.load(path)

    monkeypatch.setattr(onnx_file, "_from_function", made)
    onnx_file.convert(source_of(detector))
    assert asked == [True, False]


def test_a_certificate_and_another_label_map(path, tmp_path):
    other = tmp_path / "model.onnx"
    other.write_bytes(path.read_bytes())
    for text in ("{}", '{"made": "today"}'):
        ROW.embed(str(other), text)
    texts = {entry.key: entry.value for entry in onnx.load(other).metadata_props}
    assert texts[embedded.CERTIFICATE] == '{"made": "today"}'
    assert embedded.CONFIG in texts
    (tmp_path / "label_map.pbtxt").write_text("item { id: 1 name: 'elsewhere' }")
    assert open_model(other).name_of(1) == "cat", "the file's own, not of whatever lies beside it"
    assert open_model(other, label_map="pet_label_map").names[1] == "Abyssinian"


def test_a_file_without_metadata_has_the_label_map_beside_it(path, tmp_path):
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    assert open_model(tmp_path / "model.onnx").name_of(1) == "class 1"
    (tmp_path / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }")
    assert open_model(tmp_path / "model.onnx").name_of(1) == "cat"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"input_type": "encoded_image_string_tensor"},
            "no operation that decodes JPEG or PNG bytes.* Choose image_te",
        ),
        ({"precision": "float16"}, "no convolutions in float16"),
        ({"winograd": True}, "Leave it out"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_fix(options, words):
    import re

    assert re.search(words, ROW.refuses(tiny_config(), ExportOptions(**options)))


def test_suppression_that_lowers_scores_is_refused():
    assert ROW.refuses(tiny_config(), ExportOptions()) is None
    reason = ROW.refuses(tiny_config("soft_nms"), ExportOptions())
    assert "soft_nms_sigma is above 0" in reason


def test_an_operation_that_onnx_lacks_is_named():
    from odtk.exporting import onnx_file

    class Strange(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1], tf.float32)])
        def serve(self, x):
            return {"y": tf.raw_ops.Betainc(a=x, b=x, x=x)}

    from tf2onnx.convert import from_function

    with onnx_file._silent():
        model, _ = from_function(Strange().serve, input_signature=[tf.TensorSpec([1], tf.float32)], opset=17)
    with pytest.raises(OdtkError, match="no counterpart of TensorFlow's Betainc"):
        onnx_file._require_onnx_alone(model)


def foreign(path, dtype=onnx.TensorProto.FLOAT, shape=(1, 4, 4, 3), names=("y",)):
    make = onnx.helper
    values = [make.make_tensor_value_info(name, dtype, shape) for name in names]
    nodes = [make.make_node("Identity", ["x"], [name]) for name in names]
    graph = make.make_graph(nodes, "foreign", [make.make_tensor_value_info("x", dtype, shape)], values)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)
    return path


DETECTOR = ("detection_boxes:0", "detection_classes:0", "detection_scores:0", "num_detections:0")


def test_a_file_that_is_no_detector_is_refused_by_name(tmp_path):
    place = foreign(tmp_path / "classifier.onnx")
    with pytest.raises(CheckpointError, match=f"{place} is not a detector .* but has y. Give a file of `odtk export`"):
        open_model(place)
    place = foreign(tmp_path / "planes.onnx", shape=(1, 3, 4, 4), names=DETECTOR)
    with pytest.raises(CheckpointError, match=r"takes float32 \[1x3x4x4\]; expected images, uint8 or float32"):
        open_model(place)
    open_model(foreign(tmp_path / "old.onnx", names=DETECTOR))
    (tmp_path / "broken.onnx").write_bytes(b"not ONNX")
    with pytest.raises(CheckpointError, match="cannot be loaded as an ONNX model"):
        open_model(tmp_path / "broken.onnx")


def test_a_gpu_is_refused(path):
    with pytest.raises(OdtkError, match="ONNX Runtime runs models on the CPU here, not on gpu:0") as error:
        open_model(path, devices="gpu:0")
    assert error.value.argument == "devices"
