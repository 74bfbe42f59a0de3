"""The demo's journey, cut short: every stage runs and leaves its files. That it learns is tests/test_journey.py's."""

import pytest

from odtk.errors import OutputError
from odtk.evaluation.coco import METRIC_NAMES
from odtk.tools.demo import demo
from odtk.tools.run import run

pytestmark = pytest.mark.usefixtures("shallow_resnet")


def test_every_stage_leaves_its_files(tmp_path):
    folder, said = tmp_path / "demo", []
    report = demo(folder, num_images=20, num_steps=2, log=said.append)
    assert set(METRIC_NAMES) <= set(report.metrics)
    assert [line.split()[2] for line in said if line.startswith("$ odtk")] == list(report.seconds)
    for path in (
        "records/dataset.json",
        "model/ckpt-2.index",
        "exported/saved_model/saved_model.pb",
        "predictions.png",
    ):
        assert (folder / path).is_file(), path
    # Its project file can be run again, which finds nothing left to do.
    assert run(folder / "project.yaml").ran == []
    # An earlier demo makes room for the next; nothing else does.
    (folder / ".odtk-demo").unlink()
    with pytest.raises(OutputError, match="not an earlier demo"):
        demo(folder)
    with pytest.raises(OutputError, match="is a file"):
        demo(folder / "pipeline.config")
