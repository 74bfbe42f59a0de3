"""`odtk inspect` as it is typed: what it prints, one JSON document, the page, the exit code."""

import json

import inspected_records as made
import pytest
from click.testing import CliRunner

from odtk.annotations.annotated_image import AnnotatedObject
from odtk.cli.main import cli
from odtk.datasets.image_index import ImageIndex


@pytest.fixture
def run():
    return lambda *args: CliRunner().invoke(cli, ["inspect", *map(str, args)])


@pytest.fixture
def sound(tmp_path):
    return made.write(tmp_path / "records")


@pytest.fixture
def flawed(tmp_path):
    train = made.sound_images(12, 0)
    for number in range(5):
        train[number] = made.with_objects(train[number], AnnotatedObject((0.5, 0.1, 0.2, 0.4), 1, "cat"))
    train[0] = made.with_objects(train[0], AnnotatedObject((0, 0, 1, 1), 1, "cat"))
    return made.write(tmp_path / "flawed", train)


def test_the_exit_code_is_one_where_something_would_spoil_training(run, sound, flawed):
    assert run(sound).exit_code == 0
    assert run(flawed).exit_code == 1
    assert run(flawed, "--json").exit_code == 1


def test_the_summary_names_everything_once_the_worst_first(run, flawed):
    lines = run(flawed).stdout.splitlines()
    assert lines[0] == f"{flawed}: records"
    assert [line.split() for line in lines if line.startswith(("train ", "val "))] == [
        ["train", "12", "30", "0", "0", "12"],
        ["val", "10", "20", "0", "0", "10"],
    ]
    found = [line.split(":")[0] for line in lines if line.startswith(("error:", "warning:", "note:"))]
    assert found == ["error", "warning"]
    assert sum("train.record-00000-of-00001, byte" in line for line in lines) == 3 + 1
    assert "    and 2 more" in lines
    assert lines[-3:] == ["1 error, 1 warning, no notes.", "", "Next: fix the errors above, then inspect again."]


def test_json_is_one_document_whose_form_does_not_change(run, flawed):
    document = json.loads(run(flawed, "--json").stdout)
    assert list(document) == [
        "target", "kind", "config", "label_map", "verified", "splits", "classes", "histograms", "coverage", "findings",
        "not_looked_at", "page", "index", "format", "boxes", "num_errors", "next",
    ]  # fmt: skip
    assert (document["num_errors"], document["next"]) == (1, None)
    assert document["splits"][0] == {
        "name": "train", "images": 12, "boxes": 30, "negatives": 0, "unusable": 0, "decoded": 12,
    }  # fmt: skip
    assert document["classes"]["dog"] == {"train": {"images": 12, "boxes": 12}, "val": {"images": 10, "boxes": 10}}
    assert set(document["histograms"][0]) == {"name", "caption", "unit", "of", "bins"}
    finding = document["findings"][0]
    assert set(finding) == {"severity", "kind", "text", "fix", "options", "count", "examples"}
    assert (finding["severity"], finding["kind"], finding["count"]) == ("error", "inverted-box", 5)
    example = finding["examples"][1]
    assert set(example) == {"text", "file", "line", "offset", "image", "split", "rows", "boxes"}
    assert (example["image"], example["split"], example["rows"], example["boxes"]) == ("1.jpg", "train", [1], [2])
    assert example["offset"] == made.offsets(flawed / "train.record-00000-of-00001")[1]


def test_an_index_is_written_once(run, flawed, tmp_path):
    path = tmp_path / "index.sqlite"
    document = json.loads(run(flawed, "--index", path, "--json").stdout)
    assert document["index"] == str(path)
    with ImageIndex(path) as index:
        assert {found.name: found.boxes for found in index.classes()}["dog"] == 22
        assert ("inverted-box", "error") in [(found.kind, found.severity) for found in index.findings()]
    refused = run(flawed, "--index", path)
    assert "already exists" in f"{refused.exception}{refused.output}"
    assert f"Index: {path}" in run(flawed, "--index", path, "--overwrite").stdout


def test_what_comes_next_is_said(run, sound):
    last = run(sound).stdout.splitlines()[-1]
    assert last == f"Next: odtk configure ssd_resnet50_v1_fpn_small --output pipeline.config --train-records {sound}"


def test_a_page_is_written_where_it_is_asked_for(run, flawed, tmp_path):
    page = tmp_path / "report.html"
    result = run(flawed, "--html", page)
    assert f"Page: {page}" in result.stdout.splitlines()
    assert b"Boxes whose maximum is below their minimum" in page.read_bytes()
    assert list(tmp_path.glob("*.html")) == [page]


def test_a_page_that_exists_is_replaced_with_overwrite_only(run, flawed, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("mine")
    result = run(flawed, "--html", page)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{page} already exists. Choose another file, or overwrite it. Option: --overwrite." in result.stderr
    assert page.read_text() == "mine"
    assert f"Page: {page}" in run(flawed, "--html", page, "--overwrite").stdout
    assert page.read_text() != "mine"


def test_a_page_without_a_folder_is_refused_before_the_work(run, flawed, tmp_path):
    result = run(flawed, "--html", tmp_path / "nowhere" / "report.html")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no folder" in result.stderr
    assert "Looking at" not in result.stderr


def test_nothing_to_inspect_is_one_paragraph(run, tmp_path):
    result = run(tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "nothing does not exist" in result.stderr


def test_boxes_that_all_have_an_anchor_are_said_to_have_one(run, tmp_path):
    folder = made.write(tmp_path / "records", made.sound_images(12, 0), [])
    boxes = sum(len(image.objects) for image in made.sound_images(12, 0))
    shown = run(folder, "--config", "ssd_resnet50_v1_fpn_640x640_pets").stdout
    assert f"All {boxes} boxes have such an anchor." in shown
