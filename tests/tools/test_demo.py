"""The demo's journey, cut short: every stage runs and leaves its files. That it learns is tests/test_journey.py's."""

import json

import pytest
from quick_runs import NARROW

from odtk.errors import OutputError
from odtk.evaluation.coco import METRIC_NAMES
from odtk.tools import demo as tool
from odtk.tools.demo import demo
from odtk.tools.run import run

pytestmark = pytest.mark.usefixtures("shallow_resnet")


def test_every_stage_leaves_its_files(tmp_path, monkeypatch):
    project, base = tmp_path / "narrow.yaml", "  base: ssd_resnet50_v1_fpn_small\n"
    shipped = tool.shipped_files("pipelines", ".yaml")["demo"].read_text("utf-8")
    assert base in shipped
    project.write_text(shipped.replace(base, f"{base}  set: {json.dumps(NARROW)}\n"))
    monkeypatch.setattr(tool, "shipped_files", lambda folder, suffix: {"demo": project})
    folder, said = tmp_path / "demo", []
    report = demo(folder, num_images=20, num_steps=2, log=said.append)
    assert set(METRIC_NAMES) <= set(report.metrics)
    assert [line.split()[2] for line in said if line.startswith("$ odtk")] == list(report.seconds)
    for path in (
        "records/dataset.json",
        "model/ckpt-2.index",
        "exported/saved_model/saved_model.pb",
        "predictions.png",
        "model/eval/report.html",
    ):
        assert (folder / path).is_file(), path
    assert report.page == str(folder / "model" / "eval" / "report.html")
    assert report.findings
    # Its project file can be run again, which finds nothing left to do.
    assert run(folder / "project.yaml").ran == []
    # An earlier demo makes room for the next; nothing else does.
    (folder / ".odtk-demo").unlink()
    with pytest.raises(OutputError, match="not an earlier demo"):
        demo(folder)
    with pytest.raises(OutputError, match="is a file"):
        demo(folder / "pipeline.config")


def test_a_shipped_project_that_is_worded_otherwise_is_not_run_as_it_is(tmp_path, monkeypatch):
    shipped = tool.shipped_files("pipelines", ".yaml")["demo"].read_text("utf-8")
    (tmp_path / "demo.yaml").write_text(shipped.replace("seed: 7", "seed: 8"))
    monkeypatch.setattr(tool, "shipped_files", lambda folder, suffix: {"demo": tmp_path / "demo.yaml"})
    with pytest.raises(AssertionError, match=r"demo.yaml has 'seed: 7' 0 times, not once"):
        tool._write_project(tmp_path, ["a.jpg"], 2)
