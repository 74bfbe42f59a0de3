"""Every family's small pipeline learns the demo's pets from scratch, to the figure that the demo reaches; minutes each.

tests/test_journey.py has this of ssd_resnet50_v1_fpn_small, by the demo itself.
"""

import pytest

from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.demo import NUM_IMAGES, SEED
from odtk.tools.evaluate import evaluate
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.train import train

# As a user takes them: without an option. One line for each pipeline.
PIPELINES = [
    "ssd_mobilenet_v2_small",
    "efficientdet_small",
    "faster_rcnn_resnet50_fpn_small",
    "centernet_small",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> str:
    """Those of the demo."""
    folder = tmp_path_factory.mktemp("small_pipelines")
    data = synthetic_pets.draw_dataset(folder / "pets", num_images=NUM_IMAGES, seed=SEED)
    make_tfrecords(data.folder, folder / "records", num_shards=2, label_map=data.label_map)
    return str(folder / "records")


@pytest.mark.parametrize("name", PIPELINES)
def test_it_learns_from_scratch(name, records, tmp_path):
    config = tmp_path / "pipeline.config"
    configure(name, config, train_records=[records])
    train(config, tmp_path / "model", seed=SEED)
    found = evaluate(config, tmp_path / "model", report=False).metrics
    assert found["DetectionBoxes_Precision/mAP@.50IOU"] >= 0.9
