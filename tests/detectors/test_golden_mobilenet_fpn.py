"""Small SSD-MobileNet-FPNs against TFOD's numbers.

Six from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/mobilenet_fpn.py).
"""

from types import SimpleNamespace

import golden_runs
import golden_training
import numpy as np
import pytest
from golden_cases import GOLDEN

from odtk.layers.mobilenet import preprocess

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("mobilenet_v?_fpn*.config"))
with np.load(GOLDEN / "from_tfod/mobilenet_fpn.npz") as file:
    FROM_TFOD = dict(file)
CASES = FROM_TFOD["names"].tolist()
# A few seconds each: these have what the others have, or are the only ones of their kind.
QUICK = {
    "mobilenet_v1_fpn-base",
    "mobilenet_v2_fpnlite-base",
    "raised widths, padded images",
    "norms without center in the heads",
    "synchronized norms in the heads",
}


@pytest.fixture(scope="module")
def family(request) -> SimpleNamespace:
    """One of the reference's goldens, and everything the detector computes of its batch in inference."""
    return golden_runs.computed(golden_runs.of_reference(request.param))


@pytest.fixture(scope="module")
def case(request) -> SimpleNamespace:
    """The same for one of TFOD's own answers."""
    return golden_runs.computed(golden_runs.of_tfod(FROM_TFOD, request.param))


@pytest.mark.parametrize("family", golden_runs.params(FAMILIES, QUICK), indirect=True)
@pytest.mark.parity(
    what="SSD-MobileNet-FPN: keys of the checkpoint, anchors, box encodings, logits, detections, inference losses and "
    "three training steps",
    against="families/mobilenet_v1_fpn-*, families/mobilenet_v2_fpnlite-*",
    tolerance="keys exact, anchors 1e-6, predictions 1e-3, the same detections, inference losses 1e-4 relative, "
    "training losses 1e-3 relative, norm of the gradient 2 %",
)
def test_the_references_goldens(family):
    golden_runs.assert_same_inference(family)
    images = family.case.preprocessed(preprocess)
    golden_training.assert_same_steps(family, family.case.training_losses(), 3 * [1e-3], images)


@pytest.mark.parametrize("case", golden_runs.params(CASES, QUICK), indirect=True)
@pytest.mark.parity(
    what="SSD-MobileNet-FPN with explicit padding, other levels, raised widths, padded images, hyperparameters of its "
    "own, no batch norm: every object of the checkpoint, predictions and the first training step",
    against="from_tfod/mobilenet_fpn.npz",
    tolerance="objects exact, anchors 1e-6, predictions 1e-3, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover(case, tmp_path):
    golden_runs.assert_same_predictions(case)
    golden_runs.assert_same_corners(case)
    golden_runs.assert_tfods_objects(case.detector, case.golden["graph"], tmp_path)
    golden_training.assert_same_first_step(case, case.case.preprocessed(preprocess))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["raised widths, padded images"], indirect=True)
def test_an_exported_detector_finds_what_the_detector_does(case, tmp_path):
    """In padded images, whose padding preprocessing turns into 0."""
    golden_runs.assert_exported_finds_the_same(case, tmp_path)
