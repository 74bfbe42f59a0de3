"""CenterNets against TFOD's numbers.

Eight from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/center_net.py).
"""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, SUFFIX, family_case, same_detections
from google.protobuf import text_format
from object_graphs import Graph, graph_of, names_of
from synthetic_weights import synthetic_image

from odtk.detectors.build import build_detector
from odtk.detectors.center_net.targets import box_targets, heat_maps
from odtk.detectors.total_loss import total_losses
from odtk.exporting import runtime, saved_model
from odtk.layers import hourglass
from odtk.protos import model_pb2
from odtk.training.optimizer import build_optimizer

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("centernet_*.config"))
with np.load(GOLDEN / "from_tfod/center_net.npz") as file:
    FROM_TFOD = dict(file)
CASES = FROM_TFOD["names"].tolist()
GRAPHS = FROM_TFOD["graph_names"].tolist()
# The networks are not small; three of the reference's are quick, and have most of what the others have.
QUICK = {
    "centernet_hourglass-ten",
    "centernet_mobilenet_v2-fpn_separable_depthwise",
    "centernet_resnet_v1_fpn-resnet18_deep_heads",
    "crowded cells and weights",
    "suppression by class",
    "labeled classes, wide pool, plain cross entropy",
    "two hourglasses",
}
HEADS = ("object_center", "box/scale", "box/offset")
DETECTIONS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
LOSSES = [f"Loss/{name}" for name in HEADS]
# Every how many rows and columns of maps the goldens have.
ROWS, COLUMNS = 5, 7


def params(names: list[str]) -> list:
    """Each as a parameter, those that are not in QUICK marked slow."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(scope="module")
def family(request) -> SimpleNamespace:
    """One of the reference's goldens, and everything the detector computes of its batch in inference."""
    case = family_case(request.param)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    return computed(case, detector, case.arrays, case.groundtruth())


@pytest.fixture(scope="module")
def case(request) -> SimpleNamespace:
    """The same for one of TFOD's own answers."""
    part = f"{request.param}/"
    golden = {name.removeprefix(part): value for name, value in FROM_TFOD.items() if name.startswith(part)}
    golden["name"] = request.param
    case = family_case(str(golden["base"]))
    case.config.model.CopyFrom(text_format.Parse(str(golden["model"]), model_pb2.DetectionModel()))
    with pytest.MonkeyPatch.context() as patch:
        small = hourglass.HourglassShape(16, (24, 24, 32), (2, 2, 1), count=2)
        patch.setitem(hourglass.SHAPES, 104, small)
        detector = build_detector(case.config)
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(case.value(key, variable.shape))
    return computed(case, detector, golden, crowded_groundtruth())


def crowded_groundtruth() -> dict[str, tf.Tensor]:
    """The boxes of tests/golden/from_tfod/center_net.py, padded."""
    parts = [{part: FROM_TFOD[f"groundtruth/{image}/{part}"] for part in ("boxes", "classes", "weights")}
             for image in (0, 1)]  # fmt: skip
    counts = [len(each["boxes"]) for each in parts]

    def padded(values):
        return np.pad(values, [(0, max(counts) - len(values))] + [(0, 0)] * (values.ndim - 1))

    return {
        "boxes": tf.constant(np.stack([padded(each["boxes"]) for each in parts]), tf.float32),
        "classes": tf.constant(np.stack([padded(each["classes"]) for each in parts]), tf.int32),
        # Padding does not count, whatever stands there.
        "weights": tf.constant(
            np.stack([np.where(np.arange(max(counts)) < len(each["boxes"]), padded(each["weights"]), 1.0)
                      for each in parts]), tf.float32
        ),
        "num_boxes": tf.constant(counts, tf.int32),
        "labeled_classes": tf.constant(FROM_TFOD["groundtruth/labeled_classes"], tf.float32),
    }  # fmt: skip


def computed(case, detector, golden, groundtruth) -> SimpleNamespace:
    """In inference."""
    images, shapes = case.images(detector.resize)
    preprocessed = detector.preprocess(images, shapes)
    predictions = detector.predict(preprocessed, shapes)
    return SimpleNamespace(
        case=case,
        detector=detector,
        golden=golden,
        groundtruth=groundtruth,
        shapes=shapes,
        preprocessed=preprocessed,
        predictions=predictions,
        found=detector.postprocess(predictions, shapes),
    )


def train(run: SimpleNamespace, steps: int) -> tuple[list[dict[str, float]], float]:
    """The losses of some steps, and the norm of the first one's gradient."""
    detector, rows, norm = run.detector, [], None
    optimizer = build_optimizer(run.case.config.train_config.optimizer)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            predictions = detector.predict(run.preprocessed, run.shapes, training=True)
            losses = total_losses(detector, predictions, run.groundtruth, run.shapes)
        gradients = tape.gradient(losses["Loss/total_loss"], detector.trainable_variables)
        norm = float(tf.linalg.global_norm(gradients)) if norm is None else norm
        optimizer.apply_gradients(zip(gradients, detector.trainable_variables, strict=True))
        rows.append({tag: float(loss) for tag, loss in losses.items()})
    return rows, norm


def assert_same_detections(run: SimpleNamespace) -> None:
    """Those, and what TFOD's exported models give besides."""
    golden = {name: run.golden[name] for name in DETECTIONS}
    places = same_detections({name: run.found[name] for name in DETECTIONS}, golden)
    for name in ("detection_boxes_strided", "detection_multiclass_scores"):
        ours = tf.gather(run.found[name], places, batch_dims=1)
        np.testing.assert_allclose(ours, run.golden[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("family", params(FAMILIES), indirect=True)
@pytest.mark.parity(
    what="CenterNet: keys of the checkpoint, preprocessing, heat maps, sizes, offsets, targets, detections, inference "
    "losses and the first training step",
    against="families/centernet_hourglass-*, families/centernet_mobilenet_v2-*, families/centernet_resnet_v1_fpn-*, "
    "families/centernet_resnet_v2-*",
    tolerance="keys exact, predictions 1e-3, heat maps of the groundtruth 1e-6, the same detections, inference losses "
    "1e-4 relative, training losses 1e-3 relative, norm of the gradient 2 %",
)
def test_the_references_goldens(family):
    golden, predictions = family.golden, family.predictions
    np.testing.assert_array_equal(family.shapes, golden["true_image_shapes"])
    np.testing.assert_allclose(family.preprocessed[:, :4, :4], golden["preprocessed_corner"], atol=1e-4)
    maps = predictions["extracted_features"]
    np.testing.assert_array_equal([m.shape for m in maps], golden["extracted_features_shapes"])
    np.testing.assert_allclose(
        [np.mean(m, dtype=np.float64) for m in maps], golden["extracted_features_mean"], rtol=0, atol=1e-3
    )
    for name in HEADS:
        for output, found in enumerate(predictions[name]):
            expected = golden[f"{name.replace('/', '_')}_{output}"]
            np.testing.assert_allclose(found[:, 1::3, 2::3], expected, rtol=0, atol=1e-3, err_msg=name)
    assert_same_detections(family)
    losses = family.detector.losses(predictions, family.groundtruth, family.shapes)
    for tag in LOSSES:
        assert float(losses[tag]) == pytest.approx(float(golden[f"infer_{tag.replace('/', '_')}"]), rel=1e-4), tag
    assert_same_targets(family)
    rows, norm = train(family, steps=1)
    for tag, values in family.case.training_losses().items():
        assert rows[0][tag] == pytest.approx(values[0], rel=1e-3), tag
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


def assert_same_targets(run: SimpleNamespace) -> None:
    """Heat maps, sizes, offsets and cells."""
    golden, groundtruth, params = run.golden, run.groundtruth, run.detector.training_params
    boxes, weights = groundtruth["boxes"], groundtruth["weights"]
    size = tuple(run.predictions["object_center"][0].shape[1:3])
    heat = heat_maps(boxes, groundtruth["classes"], weights, size, 3, params.min_overlap)
    np.testing.assert_allclose(heat[:, ::2, ::2], golden["target_center"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(heat, [1, 2]), golden["target_center_sum"], rtol=1e-5)
    targets, counts = box_targets(boxes, weights, size), weights > 0
    np.testing.assert_allclose(tf.boolean_mask(targets.sizes, counts), golden["target_height_width"], rtol=1e-5)
    np.testing.assert_allclose(tf.boolean_mask(targets.offsets, counts), golden["target_offsets"], atol=1e-5)
    np.testing.assert_array_equal(tf.boolean_mask(targets.cells, counts), golden["target_indices"][:, 1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parity(
    what="CenterNet: three training steps",
    against="families/centernet_*",
    tolerance="1e-3 relative",
)
def test_three_training_steps(name):
    case = family_case(name)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    rows, _ = train(computed(case, detector, case.arrays, case.groundtruth()), steps=3)
    for tag, values in case.training_losses().items():
        np.testing.assert_allclose([row[tag] for row in rows], values, rtol=1e-3, err_msg=tag)


@pytest.mark.parametrize("case", params(CASES), indirect=True)
@pytest.mark.parity(
    what="CenterNet with several boxes on a cell, box weights, labeled classes, suppression by class, of all classes "
    "and soft, other center losses, other pools, default heads, bilinear upsampling, swapped channels, two outputs: "
    "all objects of the checkpoint, predictions, detections and the first training step",
    against="from_tfod/center_net.npz",
    tolerance="objects exact, predictions 1e-3, the same detections, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover(case, tmp_path):
    golden, detector = case.golden, case.detector
    np.testing.assert_array_equal(case.shapes, golden["true_image_shapes"])
    corners = tf.concat([case.preprocessed[:, :2, :2], case.preprocessed[:, -2:, -2:]], axis=1)
    np.testing.assert_allclose(corners, golden["preprocessed_corners"], atol=1e-4)
    np.testing.assert_array_equal([m.shape for m in case.predictions["extracted_features"]], golden["map_shapes"])
    for name in HEADS:
        for output, found in enumerate(case.predictions[name]):
            expected = golden[f"{name}/{output}"]
            np.testing.assert_allclose(found[:, ::ROWS, ::COLUMNS], expected, rtol=0, atol=1e-3, err_msg=name)
    assert set(case.found) == {name for name in golden if name.startswith(("detection_", "num_detections"))}
    assert_same_detections(case)
    if f"graphs/{golden['name']}" in FROM_TFOD:
        assert_tfods_objects(detector, FROM_TFOD[f"graphs/{golden['name']}"], tmp_path)
    rows, norm = train(case, steps=1)
    for tag in (*LOSSES, "Loss/total_loss"):
        assert rows[0][tag] == pytest.approx(float(golden[tag]), rel=1e-3), tag
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


def assert_tfods_objects(detector, serialized: np.ndarray, folder) -> None:
    """A checkpoint of the detector has every object of TFOD's under all of its names, and variables under its keys."""
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(folder / "ckpt"))
    graph = Graph.FromString(serialized.tobytes())
    assert names_of(graph_of(prefix)) == names_of(graph)
    keys = {attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}
    assert {key + SUFFIX for key in detector.checkpoint_variables()} == keys
    assert {key for key in tf.train.load_checkpoint(prefix).get_variable_to_shape_map() if key.endswith(SUFFIX)} == keys


@pytest.mark.parametrize("name", params(GRAPHS))
@pytest.mark.parity(
    what="CenterNet with ResNet-34, 101, v2 101 and MobileNetV2: every object of the checkpoint",
    against="from_tfod/center_net.npz",
    tolerance="exact",
)
def test_objects_of_the_other_backbones(name, tmp_path):
    config = family_case("centernet_resnet_v1_fpn-resnet18_loose_iou").config
    config.model.center_net.feature_extractor.type = name
    assert_tfods_objects(build_detector(config), FROM_TFOD[f"graphs/{name}"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["suppression by class"], indirect=True)
def test_an_exported_detector_finds_what_the_detector_does(case, tmp_path):
    """In padded images."""
    saved_model.save(case.detector, "image_tensor", str(tmp_path))
    image = synthetic_image(50, *case.case.image_size)
    found = runtime.load(tmp_path).detect(image)
    resized, shape = case.detector.resize(tf.constant(image, tf.float32))
    expected = case.detector.detect(resized[None], shape[None])
    count = int(expected["num_detections"][0])
    np.testing.assert_allclose(found.scores, expected["detection_scores"][0, :count], atol=1e-5)
    np.testing.assert_allclose(found.boxes, expected["detection_boxes"][0, :count], atol=1e-5)
    np.testing.assert_array_equal(found.classes, expected["detection_classes"][0, :count] + 1)
