"""Every family's small pipeline learns the demo's pets from scratch, to the figure that the demo reaches; minutes each.

tests/test_journey.py has this of ssd_resnet50_v1_fpn_small, by the demo itself.
"""

import pytest

from odtk.tools.evaluate import evaluate

# As a user takes them: without an option. One line for each pipeline.
PIPELINES = [
    "ssd_mobilenet_v2_small",
    "efficientdet_small",
    "faster_rcnn_resnet50_fpn_small",
    "centernet_small",
]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", PIPELINES)
def test_it_learns_from_scratch(name, trained_small_model):
    found = evaluate(*trained_small_model(name), report=False).metrics
    assert found["DetectionBoxes_Precision/mAP@.50IOU"] >= 0.9
