"""CenterNets against TFOD's numbers.

Eight from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/center_net.py).
"""

from types import SimpleNamespace

import golden_runs
import golden_training
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, family_case, same_detections
from synthetic_weights import synthetic_value

from odtk.detectors.build import build_detector
from odtk.detectors.center_net.targets import box_targets, heat_maps
from odtk.detectors.total_loss import total_losses
from odtk.layers import hourglass

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("centernet_*.config"))
with np.load(GOLDEN / "from_tfod/center_net.npz") as file:
    FROM_TFOD = dict(file)
with np.load(GOLDEN / "from_tfod/center_net_hourglasses.npz") as file:
    HOURGLASSES = dict(file)
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


@pytest.fixture(scope="module")
def family(request) -> SimpleNamespace:
    """One of the reference's goldens, and everything the detector computes of its batch in inference."""
    return with_detections(golden_runs.computed(golden_runs.of_reference(request.param)))


@pytest.fixture(scope="module")
def case(request) -> SimpleNamespace:
    """The same for one of TFOD's own answers."""
    with pytest.MonkeyPatch.context() as patch:
        small = hourglass.HourglassShape(16, (24, 24, 32), (2, 2, 1), count=2)
        patch.setitem(hourglass.SHAPES, 104, small)
        built = golden_runs.of_tfod(FROM_TFOD, request.param)
    return with_detections(golden_runs.computed(built, crowded_groundtruth()), request.param)


def with_detections(run: SimpleNamespace, name: str = "") -> SimpleNamespace:
    """The run, with what its predictions become, and the name of a case."""
    return SimpleNamespace(**vars(run), name=name, found=run.detector.postprocess(run.predictions, run.shapes))


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


def assert_same_detections(run: SimpleNamespace) -> None:
    """Those, and what TFOD's exported models give besides."""
    golden = {name: run.golden[name] for name in DETECTIONS}
    places = same_detections({name: run.found[name] for name in DETECTIONS}, golden)
    for name in ("detection_boxes_strided", "detection_multiclass_scores"):
        ours = tf.gather(run.found[name], places, batch_dims=1)
        np.testing.assert_allclose(ours, run.golden[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("family", golden_runs.params(FAMILIES, QUICK), indirect=True)
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
    golden_runs.assert_same_inference_losses(family, LOSSES)
    assert_same_targets(family)
    golden_training.assert_same_steps(family, family.case.training_losses(), [1e-3])


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
    built = golden_runs.of_reference(name)
    golden_training.assert_same_steps(golden_runs.computed(built), built.case.training_losses(), 3 * [1e-3])


@pytest.mark.parametrize("case", golden_runs.params(CASES, QUICK), indirect=True)
@pytest.mark.parity(
    what="CenterNet with several boxes on a cell, box weights, labeled classes, suppression by class, of all classes "
    "and soft, other center losses, other pools, default heads, bilinear upsampling, swapped channels, two outputs: "
    "all objects of the checkpoint, predictions, detections and the first training step",
    against="from_tfod/center_net.npz",
    tolerance="objects exact, predictions 1e-3, the same detections, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover(case, tmp_path):
    assert_same_as_tfod(case, FROM_TFOD.get(f"graphs/{case.name}"), tmp_path)
    golden_training.assert_same_first_step(case)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOURGLASSES["names"])
@pytest.mark.parity(
    what="CenterNet with the hourglasses 32, 52 and 104 at their full size: all objects of the checkpoint, "
    "predictions, detections and losses of the first training step; of 32 the gradient, too (batch norms of two single "
    "pixels make that of the others explode)",
    against="from_tfod/center_net_hourglasses.npz",
    tolerance="objects exact, predictions 1e-3, the same detections, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_hourglasses_at_their_full_size(name, tmp_path):
    built = golden_runs.of_tfod(HOURGLASSES, name)
    for key, variable in built.detector.checkpoint_variables().items():
        variable.assign(synthetic_value(key, variable.shape, float(HOURGLASSES["gamma"])))
    run = with_detections(golden_runs.computed(built, crowded_groundtruth()), name)
    assert_same_as_tfod(run, run.golden["graph"], tmp_path)
    if name == "hourglass_32":
        golden_training.assert_same_first_step(run)
        return
    predictions = run.detector.predict(run.preprocessed, run.shapes, training=True)
    losses = total_losses(run.detector, predictions, run.groundtruth, run.shapes)
    found = {tag: np.atleast_1d(value) for tag, value in losses.items()}
    golden_training.assert_tfods(run.key, found, {tag: np.atleast_1d(run.golden[tag]) for tag in found}, [1e-3])


def assert_same_as_tfod(case: SimpleNamespace, graph: np.ndarray | None, tmp_path) -> None:
    """All that is kept of a case, and the objects of a checkpoint, where their graph is given."""
    golden = case.golden
    np.testing.assert_array_equal(case.shapes, golden["true_image_shapes"])
    golden_runs.assert_same_corners(case, 1e-4)
    np.testing.assert_array_equal([m.shape for m in case.predictions["extracted_features"]], golden["map_shapes"])
    for name in HEADS:
        for output, found in enumerate(case.predictions[name]):
            expected = golden[f"{name}/{output}"]
            np.testing.assert_allclose(found[:, ::ROWS, ::COLUMNS], expected, rtol=0, atol=1e-3, err_msg=name)
    assert set(case.found) == {name for name in golden if name.startswith(("detection_", "num_detections"))}
    assert_same_detections(case)
    if graph is not None:
        golden_runs.assert_tfods_objects(case.detector, graph, tmp_path)


@pytest.mark.parametrize("name", golden_runs.params(GRAPHS, QUICK))
@pytest.mark.parity(
    what="CenterNet with ResNet-34, 101, v2 101 and MobileNetV2: every object of the checkpoint",
    against="from_tfod/center_net.npz",
    tolerance="exact",
)
def test_objects_of_the_other_backbones(name, tmp_path):
    config = family_case("centernet_resnet_v1_fpn-resnet18_loose_iou").config
    config.model.center_net.feature_extractor.type = name
    golden_runs.assert_tfods_objects(build_detector(config), FROM_TFOD[f"graphs/{name}"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["suppression by class"], indirect=True)
def test_an_exported_detector_finds_what_the_detector_does(case, tmp_path):
    """In padded images."""
    golden_runs.assert_exported_finds_the_same(case, tmp_path)
