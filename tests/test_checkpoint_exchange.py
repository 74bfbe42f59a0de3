"""What odtk writes, TFOD takes, and the other way round: TFOD's objects rebuilt from its graph, and TFOD itself."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import resnet50_case, same_detections, variant_case
from object_graphs import Graph, graph_of, names_of, paths_of
from PIL import Image

from odtk import pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.build import build_detector
from odtk.evaluation.pascal import PROTOCOLS
from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.evaluate import evaluate
from odtk.tools.export import export
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.train import train
from odtk.training.fine_tune import fine_tune

ROOT = Path(__file__).parents[1]
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def live_objects(graph: Graph, shapes: dict, skipped_names=()) -> tuple[tf.train.Checkpoint, dict[str, tf.Variable]]:
    """TFOD's objects as plain trackables, one for each node of its graph, with zeros for weights; and these by key."""
    variables, objects = {}, {}

    def made(node_id: int):
        if node_id not in objects:
            node = graph.nodes[node_id]
            keys = [attribute.checkpoint_key.removesuffix(SUFFIX) for attribute in node.attributes]
            if keys:
                dtype = tf.int64 if keys == ["save_counter"] else tf.float32
                objects[node_id] = variables[keys[0]] = tf.Variable(tf.zeros(shapes.get(keys[0], ()), dtype))
            else:
                objects[node_id] = tf.train.Checkpoint()
                for child in node.children:
                    if child.local_name not in skipped_names:
                        setattr(objects[node_id], child.local_name, made(child.node_id))
        return objects[node_id]

    root = graph.nodes[0].children
    return tf.train.Checkpoint(**{c.local_name: made(c.node_id) for c in root if c.local_name == "model"}), variables


@pytest.fixture(scope="module")
def tfods_graph(golden_dir) -> Graph:
    return Graph.FromString((golden_dir / "ssd_resnet50_320-object_graph.pb").read_bytes())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The detector of the full golden and the prefix that it was saved under as `odtk export` does."""
    case = resnet50_case()
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(**detector.checkpoint_objects()), str(tmp_path_factory.mktemp("full")), max_to_keep=1
    )
    return detector, manager.save(checkpoint_number=0)


class TestFullNetwork:
    def test_the_object_graph_is_tfods(self, full, tfods_graph):
        """Each of its 896 objects under each of its 1400 paths, the objects without variables included."""
        ours = graph_of(full[1])
        assert set(paths_of(ours)) == set(paths_of(tfods_graph))
        assert names_of(ours) == names_of(tfods_graph)

    def test_variables_are_saved_under_tfods_keys(self, full):
        saved = {name.removesuffix(SUFFIX) for name in tf.train.load_checkpoint(full[1]).get_variable_to_shape_map()}
        assert saved == {*resnet50_case().shapes, "save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH"}

    def test_tfods_objects_take_it_bit_for_bit(self, full, tfods_graph):
        detector, prefix = full
        live, variables = live_objects(tfods_graph, resnet50_case().shapes)
        # As TFOD's exporter: built, restored and asserted.
        status = live.restore(prefix)
        status.assert_existing_objects_matched().assert_nontrivial_match()

        assert_same(variables, detector.checkpoint_variables())

    def test_every_object_is_matched_as_older_tensorflows_demand(self, full, tfods_graph):
        """They count the objects without variables too."""
        live, _ = live_objects(tfods_graph, resnet50_case().shapes)
        status = live.restore(full[1])
        matched = {id(thing) for thing in status._checkpoint.object_by_proto_id.values()}
        below = [child for _, child in live.model._trackable_children().items()]
        while below:
            thing = below.pop()
            assert id(thing) in matched
            if not isinstance(thing, tf.Variable):
                below += thing._trackable_children().values()

    def test_tfods_objects_take_it_where_a_variable_is_known_by_its_other_name_only(self, full, tfods_graph):
        """A TensorFlow whose Keras has no `layer_with_weights-N`, or which walks the towers level by level."""
        detector, prefix = full
        other_names = [c.local_name for n in tfods_graph.nodes for c in n.children]
        skipped = {"_head_scope_conv_layers", *(name for name in other_names if name.startswith("layer_with_weights-"))}
        live, variables = live_objects(tfods_graph, resnet50_case().shapes, skipped)
        live.restore(prefix).assert_existing_objects_matched()
        assert_same(variables, detector.checkpoint_variables())

    def test_restored_when_the_variables_come_last(self, full, tfods_graph):
        """TFOD restores before its network is built; TensorFlow keeps the values until the variables exist."""
        detector, prefix = full
        _, variables = live_objects(tfods_graph, resnet50_case().shapes)
        root = tf.train.Checkpoint(model=tf.train.Checkpoint())
        status = root.restore(prefix)
        graph = tfods_graph
        model = next(child.node_id for child in graph.nodes[0].children if child.local_name == "model")
        done = {model: root.model}
        waiting = [model]
        while waiting:
            node_id = waiting.pop()
            for child in graph.nodes[node_id].children:
                keys = [attribute.checkpoint_key for attribute in graph.nodes[child.node_id].attributes]
                if child.node_id not in done:
                    done[child.node_id] = variables[keys[0].removesuffix(SUFFIX)] if keys else tf.train.Checkpoint()
                    waiting.append(child.node_id)
                setattr(done[node_id], child.local_name, done[child.node_id])
        status.assert_existing_objects_matched()
        assert_same(variables, detector.checkpoint_variables())

    def test_a_fine_tuning_tfod_takes_the_feature_extractor(self, full, tfods_graph):
        """`detection` there: a bare `model` with a `_feature_extractor`, and the rest left over."""
        detector, prefix = full
        live, variables = live_objects(tfods_graph, resnet50_case().shapes)
        part = tf.train.Checkpoint(_feature_extractor=live.model._feature_extractor)
        tf.train.Checkpoint(model=part).restore(prefix).expect_partial().assert_existing_objects_matched()
        for key, variable in variables.items():
            expected = (
                detector.checkpoint_variables()[key] if "/_feature_extractor/" in key else tf.zeros_like(variable)
            )
            np.testing.assert_array_equal(variable, expected, err_msg=key)

    def test_odtk_reads_its_own_and_tfods_bit_for_bit(self, full, tfod_checkpoint):
        ours, tfods = CheckpointReader(full[1]), CheckpointReader(tfod_checkpoint)
        for key in resnet50_case().shapes:
            assert ours.value(ours.tensor_name(key)).tobytes() == tfods.value(tfods.tensor_name(key)).tobytes(), key


# Those that have other objects than the full network.
@pytest.mark.parametrize("name", ["share_prediction_tower", "no_batch_norm_heads", "dropout", "kernel_1_no_tower"])
def test_a_variants_checkpoint_is_saved_under_tfods_keys_and_read_back(name, tmp_path):
    """TFOD's graphs of these are not kept; their keys are. Every second name leads to what the first one does."""
    case = variant_case(name)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).save(str(tmp_path / "ckpt"))
    reader = CheckpointReader(prefix)
    assert {key + SUFFIX for key in case.shapes} == set(reader.variable_names("model"))
    paths = paths_of(graph_of(prefix))
    ours = detector._paths(detector.network)
    assert {f"/{path}" for path in (*ours.bare, *ours.batch_norm_axes())} <= set(paths)
    for alias, path in ours.aliases.items():
        assert paths[f"/{alias}"] == paths[f"/{path}"]
    expected = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
    for variable in detector.checkpoint_variables().values():
        variable.assign(tf.zeros_like(variable))
    restore(detector.checkpoint_variables(), reader)
    assert_same(detector.checkpoint_variables(), expected)


def test_a_small_networks_checkpoint_goes_into_objects_and_comes_back(tmp_path, tfods_graph):
    """TFOD restores ours, trains (here: doubles), saves; odtk reads that."""
    config = resnet50_case().config
    config.model.ssd.feature_extractor.depth_multiplier = 0.1
    config.model.ssd.box_predictor.weight_shared_convolutional_box_predictor.depth = 16
    detector = build_detector(config)
    ours = detector.checkpoint_variables()
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).save(str(tmp_path / "ours"))
    live, variables = live_objects(tfods_graph, {key: variable.shape for key, variable in ours.items()})
    live.restore(prefix).assert_existing_objects_matched()
    assert_same(variables, ours)
    expected = {key: 2 * variable.numpy() for key, variable in variables.items()}
    for key, variable in variables.items():
        variable.assign(expected[key])
    back = live.save(str(tmp_path / "tfods"))
    restore(ours, CheckpointReader(back))
    assert_same(ours, expected)


class Exchange(NamedTuple):
    """Folders of one export of odtk's and of what TFOD made of it, and the image that both looked at."""

    config: Path
    exported: Path
    from_tfod: Path
    image: np.ndarray

    def tfods(self, name: str) -> dict[str, np.ndarray]:
        """TFOD's detections."""
        return dict(np.load(self.from_tfod / f"{name}.npz"))


_EXTRACTOR = "model.ssd.feature_extractor"
_HEADS = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"
FASTER_RCNN_HEADS = ("model/_first_stage_box_predictor", "model/_mask_rcnn_box_predictor/")
# Pipelines, and what makes them find some of the drawn pets within minutes.
SMALL = {
    "ssd_resnet50_v1_fpn_small": {"num_steps": 160},
    "ssd_mobilenet_v2_small": {"num_steps": 200},
    "efficientdet_small": {"num_steps": 280},
    "ssd_mobilenet_v2_fpnlite_320x320_pets": {
        "num_steps": 240,
        "image_size": (160, 160),
        "batch_size": 8,
        "learning_rate": 0.02,
        "set": [
            ("train_config.fine_tune_checkpoint", ""),
            ("train_config.gradient_clipping_by_norm", "10"),
            (f"{_EXTRACTOR}.depth_multiplier", "0.5"),
            (f"{_EXTRACTOR}.use_explicit_padding", "true"),
            (f"{_EXTRACTOR}.conv_hyperparams.batch_norm.decay", "0.9"),
            (f"{_HEADS}.conv_hyperparams.batch_norm.decay", "0.9"),
            (f"{_HEADS}.class_prediction_bias_init", "-3"),
        ],
    },
    "centernet_small": {"num_steps": 300},
    # All anchors are sampled, so that the losses are no draw.
    "faster_rcnn_resnet50_fpn_small": {
        "num_steps": 260,
        "set": [("model.faster_rcnn.first_stage_minibatch_size", "4000")],
    },
}


@pytest.fixture(scope="module", params=SMALL)
def exchange(request, tmp_path_factory) -> Exchange:
    """A small network, trained until it finds some of the drawn pets and exported; then TFOD on that, by a script."""
    folder = tmp_path_factory.mktemp("exchange")
    path, exported, made = folder / "pipeline.config", folder / "exported", folder / "from_tfod"
    data = synthetic_pets.draw_dataset(folder / "pets", num_images=60, seed=3)
    make_tfrecords(data.folder, folder / "records", num_shards=1, label_map=data.label_map)
    configure(request.param, path, train_records=[str(folder / "records")], **SMALL[request.param])
    config = pipeline.read(path)
    config.eval_config.metrics_set[:] = ["coco_detection_metrics", *PROTOCOLS]
    pipeline.write(config, path)
    train(path, folder / "model", seed=1)
    export(path, folder / "model", exported)
    image = np.asarray(Image.open(data.test_images[0]))
    np.save(folder / "image.npy", image)

    script = ROOT / "tests/golden/from_tfod/exchange.py"
    command = [ROOT / ".tfod/bin/python", script, exported, folder / "image.npy", made]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-5000:]
    return Exchange(path, exported, made, image)


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".tfod/.ready").exists(), reason="TFOD itself is not here; `make tfod` installs it")
class TestWithTfodItself:
    """Everything else here only stands for TFOD."""

    @pytest.mark.parity(
        what="detections with an exported checkpoint, which TFOD restores (`make tfod test-all`)",
        against="TFOD itself",
        tolerance="every variable matched; raw boxes and scores 1e-5, the same 100 boxes",
    )
    def test_it_detects_with_our_checkpoint_what_our_saved_model_does(self, exchange):
        assert_same_answers(answers(exchange.exported, exchange.image), one_based(exchange.tfods("detections")))

    def test_its_tensorflow_loads_our_saved_model_and_calls_it(self, exchange):
        assert_same_answers(answers(exchange.exported, exchange.image), exchange.tfods("saved_model"))

    @pytest.mark.parity(
        what="metrics and losses of an exported checkpoint on odtk's records (`make tfod test-all`)",
        against="TFOD itself",
        tolerance="1e-6, but for Pascal VOC's and Open Images' numbers that TFOD's padding spoils",
    )
    def test_it_measures_what_odtk_does(self, exchange, tmp_path):
        there = json.loads((exchange.from_tfod / "metrics.json").read_text())
        ours = evaluate(
            exchange.config, tmp_path / "model", exchange.exported / "checkpoint/ckpt-0", report=False
        ).metrics
        assert list(ours) == list(there)
        assert there["DetectionBoxes_Precision/mAP"] > 0.1
        # Outside COCO's metrics TFOD takes the padding of the groundtruth for objects of class 1 that are not detected.
        padded = [name for name in there if name.endswith(("/Abyssinian", "/mAP@0.5IOU"))]
        assert len(padded) == 6
        for name in padded:
            assert there[name] < ours[name], name
        for name in set(there) - set(padded):
            assert ours[name] == pytest.approx(there[name], rel=1e-6, abs=1e-6), name

    def test_it_trains_on_from_our_weights_bit_for_bit(self, exchange):
        """Its loop saves once before the first step; 2 is saved after the last one."""
        ours = CheckpointReader(str(exchange.exported / "checkpoint/ckpt-0"))
        start, end = (CheckpointReader(str(exchange.from_tfod / f"trained/ckpt-{number}")) for number in (1, 2))
        keys = [name.removesuffix(SUFFIX) for name in ours.variable_names("model")]
        values = [[reader.value(reader.tensor_name(key)) for key in keys] for reader in (ours, start, end)]
        for key, own, before, after in zip(keys, *values, strict=True):
            assert own.tobytes() == before.tobytes(), key
            # Others need not: boxes at levels without an object learn nothing.
            assert own.tobytes() != after.tobytes() or not key.endswith("/kernel"), key
        assert (start.step, end.step) == (0, 2)

    @pytest.mark.parity(
        what="a checkpoint of TFOD's training loop, optimizer included, as fine_tune_checkpoint and for export "
        "(`make tfod test-all`)",
        against="TFOD itself",
        tolerance="weights exact; raw boxes and scores 1e-5, the same 100 boxes",
    )
    @pytest.mark.parametrize("kind", ["full", "detection"])
    def test_odtk_trains_on_from_its_checkpoint(self, exchange, kind):
        reader = CheckpointReader(str(exchange.from_tfod / "trained/ckpt-2"))
        detector = build_detector(pipeline.read(exchange.config))
        before = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
        report = fine_tune(detector, reader.prefix, kind)
        heads = ("model/_box_predictor/", "model/_prediction_head_dict/", *FASTER_RCNN_HEADS)
        taken = {key for key in before if kind == "full" or not key.startswith(heads)}
        assert set(report.restored) == taken
        expected = {key: reader.value(reader.tensor_name(key)) if key in taken else before[key] for key in before}
        assert_same(detector.checkpoint_variables(), expected)

    def test_odtk_exports_its_checkpoint(self, exchange, tmp_path):
        export(exchange.config, exchange.from_tfod / "trained", tmp_path / "exported")
        assert_same_answers(answers(tmp_path / "exported", exchange.image), one_based(exchange.tfods("trained")))


def answers(exported: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """What an exported SavedModel says of one image."""
    outputs = tf.saved_model.load(str(exported / "saved_model"))(image[None])
    return {name: value.numpy() for name, value in outputs.items()}


def assert_same_answers(ours: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> None:
    """The anchors' boxes and scores, where there are any, and the detections."""
    assert set(ours) <= set(there)
    for name in {"raw_detection_boxes", "raw_detection_scores"} & set(there):
        np.testing.assert_allclose(ours[name], there[name], rtol=0, atol=1e-5)
    same_detections(ours, there)


def one_based(detections: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """TFOD's model counts classes from 0, its SavedModel from 1."""
    return {**detections, "detection_classes": detections["detection_classes"] + 1}


def assert_same(variables: dict, expected: dict) -> None:
    """Bit for bit."""
    assert set(variables) == set(expected)
    for key, variable in variables.items():
        assert np.asarray(variable).tobytes() == np.asarray(expected[key]).tobytes(), key
