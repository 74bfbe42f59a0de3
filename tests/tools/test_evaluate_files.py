"""`odtk evaluate` of detections that any tool wrote, on COCO's groundtruth: without records, and without TensorFlow."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from coco_files import referee, write_coco

from odtk.cli.main import cli
from odtk.errors import ConfigError, DataError, OdtkError, OutputError
from odtk.evaluation.coco import METRIC_NAMES
from odtk.tools.evaluate import evaluate
from odtk.tools.evaluate.output_files import check_output

WITHOUT_TENSORFLOW = """
import sys
sys.modules |= dict.fromkeys(["tensorflow", "tf_keras"])
from odtk.cli.main import cli
cli()
"""


@pytest.fixture
def coco(tmp_path):
    return write_coco(tmp_path)


def test_two_files_are_evaluated_explained_and_compared_without_tensorflow(coco, tmp_path):
    groundtruth, found = coco
    entries = json.loads(found.read_text())
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps([each for each in entries if each["category_id"] != 17]))
    options = ["--groundtruth", groundtruth, "--export-suspects", tmp_path / "suspects.csv", "--compare", found]
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, "evaluate", worse, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    compared = next(line for line in lines if line.startswith(f"Compared with {found}: mAP goes from "))
    assert "95% interval -" in compared
    assert any(line.startswith("Classes that are worse (1): dog -") for line in lines)
    assert f"{tmp_path}/worse-eval/thresholds.json" in lines[-2]
    assert lines[-1] == f"Next: open {tmp_path}/worse-eval/report.html"
    written = {path.name for path in (tmp_path / "worse-eval").iterdir()}
    assert {"metrics.json", "classes.json", "detections.json", "report.html"} <= written
    assert not any(name.startswith("events.") for name in written), "there is no step"
    metrics = json.loads((tmp_path / "worse-eval/metrics.json").read_text())
    assert metrics == pytest.approx(dict(zip(METRIC_NAMES, referee(groundtruth, worse), strict=True)), abs=1e-9)
    assert "odtk predict" not in done.stdout, "there is no model"
    assert (tmp_path / "suspects.csv").read_text().startswith("rank,image,kind,")
    check_output(f"{tmp_path}/worse-eval")  # the next evaluation may replace this one


def test_the_last_evaluation_is_compared_before_its_file_is_replaced(coco):
    groundtruth, found = coco
    last = evaluate(found, groundtruth=groundtruth, report=False)
    found.write_text(json.dumps([each for each in json.loads(found.read_text()) if each["category_id"] != 17]))
    report = evaluate(found, groundtruth=groundtruth, report=False, compare=last.detections_path)
    mean = report.explanation.compared.comparison.mean
    assert mean.before > mean.after
    assert mean.before == pytest.approx(next(iter(last.metrics.values())), abs=1e-9)


def test_a_report_replaces_no_folder_of_others(coco, tmp_path):
    groundtruth, found = coco
    mine = tmp_path / "out/report/thesis.tex"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"report is not empty and has thesis\.tex, which this command did not write"):
        evaluate(found, groundtruth=groundtruth, output=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report"]
    assert evaluate(found, groundtruth=groundtruth, output=tmp_path / "out", report=False).metrics
    assert mine.read_text() == "mine"


def test_the_command_prints_one_document(coco, tmp_path):
    groundtruth, found = coco
    command = ["evaluate", str(found), "--groundtruth", str(groundtruth), "--no-report", "--json"]
    document = json.loads(CliRunner().invoke(cli, command).stdout)
    assert document["model"] == str(found)
    assert document["groundtruth"] == str(groundtruth)
    nothing = ("checkpoint", "report_path", "thresholds_path", "checkpoints_path", "findings")
    assert [document[name] for name in nothing] == [None] * 5
    assert document["detections_path"] == str(tmp_path / "found-eval/detections.json")
    compared = json.loads(CliRunner().invoke(cli, [*command, "--compare", str(found)]).stdout)
    assert compared["metrics"] == document["metrics"]
    assert compared["comparison"]["model"] == str(found)
    assert compared["comparison"]["mean"]["before"] == compared["comparison"]["mean"]["after"]
    assert {each["name"]: each["id"] for each in document["classes"]} == {"cat": 3, "dog": 17, "zebra": 90}


def test_images_and_classes_that_do_not_meet_are_told(coco, tmp_path):
    groundtruth, found = coco
    entries = json.loads(found.read_text())
    strange = {"image_id": 5, "category_id": 17, "bbox": [1, 2, 3, 4], "score": 0.5}
    other, empty = {**entries[0], "category_id": 8}, {**entries[0], "bbox": [9, 9, 5, -1]}
    found.write_text(json.dumps([*entries, strange, other, empty]))
    report = evaluate(found, groundtruth=groundtruth, report=False)
    unknown, flat, images, *_ = report.notes
    assert unknown == f"1 category ids of {found} are none of {groundtruth}: 8."
    assert flat.startswith(f"1 of the {len(entries) + 3} boxes of {found} have no width or no height")
    assert images.startswith(
        f"1 of the {len({each['image_id'] for each in entries}) + 1} images of {found} are not in "
    )
    found.write_text(json.dumps([strange]))
    with pytest.raises(DataError, match=r"None of the 1 images of .* \(image_id 5\) is in .*their ids never meet"):
        evaluate(found, groundtruth=groundtruth, report=False)


def test_a_label_map_says_what_the_ids_of_detections_mean(coco, tmp_path):
    groundtruth, found = coco
    expected = evaluate(found, groundtruth=groundtruth, report=False).metrics
    numbers = {3: 1, 17: 2, 90: 3}
    entries = [{**each, "category_id": numbers[each["category_id"]]} for each in json.loads(found.read_text())]
    found.write_text(json.dumps(entries))
    items = [f"item {{ id: {number} name: '{name}' }}" for number, name in ((1, "Cat"), (2, "dog"), (3, "zebra"))]
    (tmp_path / "label_map.pbtxt").write_text("\n".join(items))
    options = {"groundtruth": groundtruth, "report": False}
    assert evaluate(found, label_map=tmp_path / "label_map.pbtxt", **options).metrics == expected
    with pytest.raises(DataError, match=r"None of the classes of .* is a class of") as error:
        evaluate(found, label_map="pet_label_map", **options)
    assert error.value.argument == "label_map"


def test_the_analyses_ignore_crowds_only_if_the_metrics_do(coco, tmp_path):
    groundtruth, found = coco
    for metrics_set, counts_crowds in (("pascal_voc", True), ("oid_V2", False)):
        config = tmp_path / f"{metrics_set}.config"
        config.write_text(f'eval_config {{ metrics_set: "{metrics_set}_detection_metrics" }}')
        report = evaluate(config, found, groundtruth=groundtruth, compare=found, report=False)
        annotations = json.loads(groundtruth.read_text())["annotations"]
        counted = len(annotations) if counts_crowds else sum(not each["iscrowd"] for each in annotations)
        analysed = [curve.objects for curve in report.explanation.confidence.classes]
        assert (
            sum(each["boxes"] for each in report.classes) == sum(analysed) == counted < len(annotations) + counts_crowds
        )


def test_what_cannot_be_evaluated_is_refused_before_the_work(coco, tmp_path):
    groundtruth, found = coco
    cases = [
        ({"pipeline_config": "pets.config"}, ConfigError, "pets.config is a config. Give a model, too", None),
        ({"pipeline_config": found}, OdtkError, "nothing says on which images", "groundtruth"),
        ({"pipeline_config": groundtruth, "groundtruth": found}, DataError, 'has no list "images"', None),
        ({"pipeline_config": found, "groundtruth": "none-*"}, DataError, "There is no file none-", "groundtruth"),
        ({"pipeline_config": found, "groundtruth": tmp_path / "none.json"}, DataError, "cannot be read", "groundtruth"),
        (
            {"pipeline_config": found, "groundtruth": groundtruth, "compare": "x.config"},
            ConfigError,
            "is a config",
            "compare",
        ),
    ]
    for given, kind, text, argument in cases:
        with pytest.raises(kind, match=text) as error:
            evaluate(**given)
        assert error.value.argument == argument
    inside = tmp_path / "found-eval/report/mine.csv"
    with pytest.raises(OutputError, match="whose content the report replaces") as error:
        evaluate(found, groundtruth=groundtruth, export_suspects=inside)
    assert error.value.argument == "export_suspects"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of that path is a file"):
        evaluate(found, groundtruth=groundtruth, output=tmp_path / "file/eval")
