"""Signatures of exported models of other families than SSD-ResNets, tensor by tensor."""

import json
from pathlib import Path

import pytest
from family_configs import FAMILY_GOLDENS

from odtk import pipeline
from odtk.detectors.build import build_detector
from odtk.exporting.saved_model import ServedDetector

pytestmark = pytest.mark.usefixtures("shallow_resnet")

GOLDEN = Path(__file__).parents[1] / "golden/from_tfod/export_signatures.json"
SIGNATURES = json.loads(GOLDEN.read_text())
QUICK = {("faster_rcnn-base", "float_image_tensor"), ("centernet_resnet_v1_fpn-base", "float_image_tensor")}


@pytest.fixture(scope="module")
def detectors():
    return {}


@pytest.mark.parametrize(
    ("name", "input_type"),
    [
        pytest.param(name, kind, marks=[] if (name, kind) in QUICK else pytest.mark.slow)
        for name, kinds in SIGNATURES.items()
        for kind in kinds
    ],
)
@pytest.mark.parity(
    what="signatures of Faster R-CNN, CenterNet and EfficientDet, four export types",
    against="from_tfod/export_signatures.json",
    tolerance="exact, but for sizes that odtk knows and TFOD leaves open",
)
def test_signatures_of_other_families_are_tfods(detectors, name, input_type):
    if name not in detectors:
        config = pipeline.read(FAMILY_GOLDENS / f"{name}.config")
        detectors[name] = build_detector(config)
        detectors[name].ensure_built()
    served = ServedDetector(detectors[name], input_type).serve.get_concrete_function()
    golden = SIGNATURES[name][input_type]
    (spec,) = served.structured_input_signature[0]
    assert [spec.dtype.name, spec.shape.as_list()] == golden["inputs"]["input_tensor"]
    found = {key: [each.dtype.name, each.shape.as_list()] for key, each in served.structured_outputs.items()}
    assert set(found) == set(golden["outputs"])
    for key, (dtype, shape) in golden["outputs"].items():
        assert found[key][0] == dtype, key
        ours = found[key][1]
        assert len(ours) == len(shape), key
        assert [None if size is None else own for own, size in zip(ours, shape, strict=True)] == shape, key
