"""What explains an evaluation, and the page and files that it is written to."""

import csv
import json
from dataclasses import replace

import headless_chromium
import numpy as np
import pytest
from lxml import html as lxml_html

from odtk import files, thresholds
from odtk.errors import DataError
from odtk.evaluation.results import Results, image_result
from odtk.tools.evaluate import report_files
from odtk.tools.evaluate.explanation import CheckpointMetrics, Measured, Other, explain
from odtk.tools.evaluate.report_files import write_report

CAT, DOG = 1, 2
SIZE = (120, 160)
MAP = "DetectionBoxes_Precision/mAP"
FOUND, SHIFTED, ELSEWHERE = [10, 10, 60, 60], [12, 30, 62, 80], [70, 100, 110, 150]


def _results(read_pixels=lambda index: np.full([*SIZE, 3], 40 * index, np.uint8)) -> Results:
    """A cat that is found, one that is taken for a dog, one with a bad box; a missed dog and a dog from nowhere."""
    images = [
        image_result("found.jpg", SIZE, [FOUND], [CAT], [FOUND], [CAT], [0.5]),
        image_result("confused.jpg", SIZE, [FOUND], [CAT], [FOUND], [DOG], [0.8]),
        image_result("shifted.jpg", SIZE, [FOUND], [CAT], [SHIFTED], [CAT], [0.7]),
        image_result("missed.jpg", SIZE, [ELSEWHERE], [DOG], [FOUND], [DOG], [0.6]),
    ]
    return Results(images, {CAT: "cat", DOG: "dög"}, read_pixels)


def _measured(**others) -> Measured:
    metrics = {MAP: 0.25, "DetectionBoxes_Precision/mAP (small)": -1.0, "Loss/total_loss": 1.5}
    meanings = {MAP: "mean over IoUs", "DetectionBoxes_Precision/mAP (small)": "small", "Loss/total_loss": "all losses"}
    seconds = {"first step": 1.5, "inference": 0.5}
    return Measured("model/ckpt-6", "val.record", metrics, meanings, seconds=seconds, first_images=3, **others)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    results = _results()
    explanation = explain(results, _measured())
    written = write_report(tmp_path_factory.mktemp("report") / "eval", explanation, results)
    return explanation, written, lxml_html.document_fromstring(written.page.read_bytes())


def _rows(written, name):
    return list(csv.DictReader((written.folder / name).read_text("utf-8").splitlines()))


def test_the_page_says_what_it_is_about_and_loads_nothing(report):
    _, written, page = report
    assert page.findtext(".//h1") == "model/ckpt-6"
    assert "On val.record: 4 images, 4 boxes." in page.text_content()
    assert not list(page.iter("script", "link"))
    assert all(image.get("src").startswith("data:") for image in page.iter("img"))
    assert written.page.stat().st_size < 500_000


def test_the_page_has_a_section_of_everything_with_what_is_in_it(report):
    _, written, page = report
    texts = {part.get("id"): part.text_content() for part in page.xpath("//main/section")}
    assert next(iter(texts)) == "errors"
    assert "confused.jpg" in texts["false-positives"]
    assert "dög 80%: classification" in texts["false-positives"]
    assert "missed.jpg" in texts["missed-objects"]
    assert "found.jpg" not in texts["worst-images"]
    assert "2.0 images per second" in texts["speed"]
    assert "F1 is best (0.250) if detections count from a score of 0.5 on." in texts["curves"]
    assert f"odtk predict ... --thresholds {written.thresholds}" in texts["curves"]
    # -1 is no number to show.
    small = page.xpath("//section[@id='metrics']//tr[contains(., '(small)')]/td")
    assert [cell.text for cell in small] == ["–"]


def test_tables_are_beside_the_page_as_csv(report):
    _, written, _ = report
    assert set(written.files) == {path.name for path in written.folder.iterdir()}
    cat = next(row for row in _rows(written, "classes.csv") if row["Class"] == "cat")
    assert (cat["objects"], cat["right"], cat["missed"]) == ("3", "1", "2")
    shares = [row["background"] for row in _rows(written, "confusion-normalized.csv")]
    assert [round(float(share), 3) for share in shares] == [0.333, 1, 0]
    assert [float(_rows(written, "class-f1.csv")[row]["cat"]) for row in (0, -1)] == [0.4, 0]
    errors = {row["Error"]: int(row["errors"]) for row in _rows(written, "errors.csv")}
    expected = {"classification": 1, "localization": 1, "background": 1, "missed": 1, "duplicate": 0, "both": 0}
    assert errors == expected
    assert [row["Image"] for row in _rows(written, "false-positives.csv")] == [
        "confused.jpg",
        "shifted.jpg",
        "missed.jpg",
    ]


def test_an_image_takes_the_time_of_the_steps_after_the_first(report):
    _, written, _ = report
    assert [(row["Stage"], row["ms per image"]) for row in _rows(written, "speed.csv")] == [
        ("first step", ""),
        ("inference", "500"),
    ]


def test_the_document_is_json_without_nan(report):
    explanation, written, _ = report
    read = json.loads((written.folder / "explanation.json").read_text("utf-8"))
    assert read == explanation.document()
    assert (read["images"], read["boxes"], read["detections"]) == (4, 4, 4)
    assert read["confusion"]["rows"] == ["cat", "dög", "background"]
    assert read["confusion"]["counts"] == [[1, 1, 1], [0, 0, 1], [1, 1, 0]]
    assert read["confusion"]["by_object"][0] == pytest.approx([1 / 3] * 3, abs=1e-6)
    assert read["calibration"]["expected_error"] == pytest.approx((0.5 + 0.8 + 0.7 + 0.6) / 4)
    assert read["confidence"]["classes"]["cat"]["f1"][0] == pytest.approx(2 / 5)
    assert [each["name"] for each in read["classes"]] == ["cat", "dög"]


def test_thresholds_are_written_for_predict(report):
    explanation, written, _ = report
    assert thresholds.read(written.thresholds) == explanation.thresholds


@pytest.fixture
def no_charts(monkeypatch):
    """Drawing them takes most of the time."""
    monkeypatch.setattr(report_files, "all_charts", lambda explanation: {})


@pytest.mark.usefixtures("no_charts")
def test_a_second_report_replaces_the_first(tmp_path):
    results = _results()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "compared-images.csv").write_text("old")
    explanation = explain(results, _measured(), checkpoints=[CheckpointMetrics("ckpt-3", 3, {MAP: 0.1})])
    written = write_report(tmp_path, explanation, results)
    assert _rows(written, "checkpoints.csv") == [{"Checkpoint": "ckpt-3", "step": "3", MAP: "0.1"}]
    assert not (tmp_path / "report" / "compared-images.csv").exists()


@pytest.mark.usefixtures("no_charts")
def test_pictures_that_cannot_be_read_are_named_and_the_rest_is_there(tmp_path):
    def read(index):
        raise DataError(f"image {index} is gone.")

    results = _results(read)
    written = write_report(tmp_path, explain(results, _measured()), results)
    page = written.page.read_text("utf-8")
    assert "Pictures that cannot be read and are not shown: 3. image" in page
    assert "worst-images.csv" in written.files
    assert "worst-images.png" not in written.files


def test_an_evaluation_without_groundtruth_or_detections_has_a_page(tmp_path):
    results = Results([image_result("empty.jpg", SIZE, [], [], [], [], [])], {CAT: "cat"})
    written = write_report(tmp_path, explain(results, _measured()), results)
    assert "1 image, 0 boxes" in written.page.read_text("utf-8")


def test_another_model_is_compared_in_words_tables_and_pictures(tmp_path):
    results = _results()
    before = replace(results, images=[replace(image, detected_classes=image.classes) for image in results.images])
    written = write_report(tmp_path, explain(results, _measured(), other=Other("old", before)), results)
    page = lxml_html.document_fromstring(written.page.read_bytes())
    first = page.xpath("//main/section")[0]
    assert first.get("id") == "comparison"
    assert "0 with errors have none now, and 1 without errors have some" in first.text_content()
    assert "confused.jpg" in first.text_content()
    assert {"worse-images.png", "compared-classes.png", "compared-classes-dark.png"} < set(written.files)
    rows = {row["Image"]: (row["errors before"], row["errors after"]) for row in _rows(written, "compared-images.csv")}
    assert rows == {"confused.jpg": ("0", "2")}
    changes = {row["Metric"]: float(row["change"]) for row in _rows(written, "compared-metrics.csv")}
    assert changes["mAP"] < 0
    document = json.loads((written.folder / "explanation.json").read_text("utf-8"))
    assert document["comparison"]["model"] == "old"
    assert document["comparison"]["mean"]["after"] == pytest.approx(
        float(_rows(written, "compared-metrics.csv")[0]["after"]), abs=1e-5
    )


@pytest.mark.skipif(not headless_chromium.PROGRAM, reason="no chromium on PATH")
def test_the_page_fits_narrow_screens_and_all_its_pictures_can_be_read(report):
    _, written, _ = report
    decode = (
        "Promise.all([...document.images].map(image => { image.loading = 'eager'; return image.decode() }))"
        ".then(() => document.images.length)"
    )
    with headless_chromium.browser() as browser:
        for width, scheme in ((400, "dark"), (1280, "light")):
            browser.open(written.page.as_uri(), width, scheme)
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert browser.evaluate(decode) > 10
            assert browser.complaints() == []
            assert [url for url in browser.requests() if not url.startswith("data:")] == [written.page.as_uri()]


@pytest.mark.usefixtures("no_charts")
def test_a_report_can_be_in_a_store():
    results = _results()
    written = write_report("ram://explanation/eval", explain(results, _measured()), results)
    assert written.page == "ram://explanation/eval/report.html"
    names = files.names_in("ram://explanation/eval/report")
    assert {name for name in names if name != ".html"} == set(written.files)  # this store lists report.html, too
    assert b"model/ckpt-6" in files.read_bytes(written.page)
