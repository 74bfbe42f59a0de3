"""Prediction with a stub SavedModel that has the exported signature and finds the same boxes everywhere."""

import contextlib
import json
import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from small_disk import small_disk
from stub_model import LABEL_MAP, export

import odtk
from odtk.cli.main import cli
from odtk.errors import CheckpointError, DataError, OutputError
from odtk.exporting.runtime import ExportedDetector, load
from odtk.report.drawing import class_color
from odtk.tools.predict import predict


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(tmp_path_factory.mktemp("exported"), "image_tensor")


@pytest.fixture
def pictures(tmp_path):
    """Red 0.8: the pug is sure. One picture broken, one hidden, one in a sub-folder of the same name, one no image."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (200, 100), (204, 0, 0)).save(folder / "b.jpg", quality=100)
    Image.new("RGB", (60, 80), (204, 0, 0)).save(folder / "a.PNG")
    Image.new("RGB", (60, 80), (204, 0, 0)).save(folder / "more/b.jpg")
    whole = (folder / "b.jpg").read_bytes()
    (folder / "broken.jpeg").write_bytes(whole[: len(whole) // 2])
    (folder / "._b.jpg").write_bytes(b"mac")
    (folder / "b.xml").write_text("<annotation/>")
    return folder


def run(*arguments):
    return CliRunner().invoke(cli, ["predict", *map(str, arguments)])


def test_journey_of_a_folder(exported, pictures, tmp_path):
    report = predict(exported, [pictures], tmp_path / "out")
    assert [prediction.image.file_name for prediction in report.predictions] == ["a.PNG", "b.jpg", "more/b.jpg"]
    assert [path.name for path, _ in report.skipped] == ["broken.jpeg"]
    assert str(pictures / "broken.jpeg") in report.skipped[0][1]
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("[a-z]*.*"))
    assert written == ["a.PNG", "b.jpg", "detections.json", "more/b.jpg"]

    results = json.loads(report.detections_path.read_text())
    assert [(result["image_id"], result["file_name"]) for result in results] == [
        (1, "a.PNG"),
        (2, "b.jpg"),
        (4, "more/b.jpg"),
    ]
    assert results[1]["bbox"] == [100, 25, 100, 50]
    assert {result["category_id"] for result in results} == {2}
    assert report.name_of(2) == "pug"


def test_what_is_not_looked_at_is_said(exported, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    red, blue = (Image.new("RGB", (60, 80), color) for color in ((204, 0, 0), (0, 0, 204)))
    red.save(folder / "film.gif", save_all=True, append_images=[blue])
    red.save(folder / "scan.tif")
    (folder / "phone.heic").write_bytes(b"heic")
    result = run(exported, folder, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"note: only the first of the 2 frames or pages of {folder / 'film.gif'} was used" in result.stderr
    assert "1 image skipped" in result.stderr
    assert "phone.heic does not end in" in result.stderr
    assert f"{folder / 'scan.tif'} 60x80: 1 pug" in result.stdout
    assert (tmp_path / "out/scan.tif").exists()


def test_annotated_picture_is_the_picture_with_boxes(exported, pictures, tmp_path):
    predict(exported, [pictures / "a.PNG"], tmp_path / "out")
    with Image.open(tmp_path / "out/a.PNG") as image:
        assert (image.format, image.size) == ("PNG", (60, 80))
        assert image.getpixel((10, 70)) == (204, 0, 0)
        assert image.getpixel((45, 59)) == class_color(2)


@pytest.mark.parametrize(
    ("min_score", "max_boxes", "classes"), [(0.0, None, [2, 1]), (0.0, 1, [2]), (0.5, None, [2]), (0.9, None, [])]
)
def test_min_score_and_max_boxes(exported, pictures, tmp_path, min_score, max_boxes, classes):
    report = predict(exported, [pictures / "a.PNG"], tmp_path / "out", min_score=min_score, max_boxes=max_boxes)
    assert [result["category_id"] for result in json.loads(report.detections_path.read_text())] == classes
    assert (tmp_path / "out/a.PNG").exists()


def test_a_loaded_detector_takes_paths_pictures_and_pixels(exported, pictures):
    detector = odtk.load(exported)
    by_path = detector.detect(pictures / "b.jpg")
    assert by_path.names == ("pug", "Abyssinian")
    assert (by_path.best(min_score=0.5).names, len(by_path.best(max_boxes=0))) == (("pug",), 0)
    with Image.open(pictures / "b.jpg") as picture:
        others = [detector.detect(picture), detector.detect(np.asarray(picture))]
    assert [each.scores.tolist() for each in others] == [by_path.scores.tolist()] * 2
    # Through the conversion that files go through: gray becomes RGB, and EXIF turns.
    assert detector.detect(Image.new("L", (8, 6), 204)).scores[0] == pytest.approx(0.8)
    with pytest.raises(DataError, match="An image of shape 4x4 and type uint8"):
        detector.detect(np.zeros([4, 4], np.uint8))
    with pytest.raises(DataError, match="An image of shape 0x4x3"):
        detector.detect(np.zeros([0, 4, 3], np.uint8))
    with pytest.raises(DataError, match="neither path, image nor array"):
        detector.detect(None)
    assert odtk.load(exported, label_map="mscoco_label_map").name_of(2) == "bicycle"


def test_it_runs_on_the_device_that_is_asked_for(exported, pictures, tmp_path):
    entered = []

    class Device(contextlib.nullcontext):
        def __init__(self, name):
            super().__init__()
            entered.append(name)

    with patch("tensorflow.device", Device):
        odtk.load(exported, devices="cpu").detect(pictures / "b.jpg")
        assert entered == ["CPU:0"] * 3  # to load, for the image, and to detect
        odtk.load(exported).detect(pictures / "b.jpg")
        assert len(entered) == 3
    result = run(exported, pictures, "--output", tmp_path / "out", "--devices", "gpu:7")
    assert result.exit_code == 1
    assert "gpu:7 was not found" in result.stderr
    assert "Option: --devices" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("input_type", ["float_image_tensor", "encoded_image_string_tensor", "tf_example"])
def test_other_input_types_see_the_same_pixels(exported, pictures, tmp_path, input_type):
    image = np.asarray(Image.open(pictures / "b.jpg"))
    other = ExportedDetector(export(tmp_path, input_type))
    assert other.input_type == input_type
    expected, found = ExportedDetector(exported).detect(image), other.detect(image)
    assert found.scores.tolist() == pytest.approx(expected.scores.tolist(), abs=1e-6)
    assert found.classes.tolist() == [2, 1]


def test_what_is_no_detector_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not a detector"):
        ExportedDetector(export(tmp_path, "classifier"))


@pytest.mark.parametrize("image", [np.zeros([8, 8, 3], np.float32), np.zeros([8, 8], np.uint8), None])
def test_what_is_no_image_is_refused_by_shape_and_type(exported, image):
    with pytest.raises(DataError, match=r"expected RGB, uint8 \[height, width, 3\]"):
        load(exported).detect(image)


def test_saved_model_itself_uses_the_label_map_beside_it(exported, pictures, tmp_path):
    report = predict(exported / "saved_model", [pictures / "a.PNG"], tmp_path / "out")
    assert report.name_of(1) == "Abyssinian"


def test_without_a_label_map_classes_have_numbers(exported, pictures, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "saved_model").symlink_to(exported / "saved_model")
    result = run(bare, pictures / "a.PNG", "--output", tmp_path / "out")
    assert "1 class 2 (0.80)" in result.stdout
    assert "--label-map" in result.stderr
    (tmp_path / "names.pbtxt").write_text(LABEL_MAP)
    result = run(bare, pictures / "a.PNG", "--output", tmp_path / "named", "--label-map", tmp_path / "names.pbtxt")
    assert "1 pug (0.80)" in result.stdout
    assert "--label-map" not in result.stderr
    result = run(bare, pictures / "a.PNG", "--output", tmp_path / "shipped", "--label-map", "pet_label_map")
    assert "1 american_bulldog (0.80)" in result.stdout


def test_numbered_files_keep_their_numbers(exported, tmp_path):
    paths = [tmp_path / name for name in ("000000000139.png", "000000000042.png")]
    for path in paths:
        Image.new("RGB", (60, 80), (204, 0, 0)).save(path)
    report = predict(exported, paths, tmp_path / "out")
    assert [prediction.image.image_id for prediction in report.predictions] == [139, 42]


def test_command_prints_what_was_found(exported, pictures, tmp_path):
    result = run(exported, pictures, "--output", tmp_path / "out", "--min-score", "0.2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1] == f"{pictures / 'b.jpg'} 200x100: 1 pug (0.80); 1 Abyssinian (0.25)"
    assert "3 images in" in result.stdout
    assert "6 boxes: pug 3, Abyssinian 3" in result.stdout
    assert "1 image skipped" in result.stderr
    assert "broken.jpeg cannot be decoded" in result.stderr


def test_json_is_one_document(exported, pictures, tmp_path):
    result = run(exported, pictures, "--output", tmp_path / "out", "--json")
    document = json.loads(result.stdout)
    assert [len(image["detections"]) for image in document["images"]] == [1, 1, 1]
    assert document["images"][0]["detections"][0]["name"] == "pug"
    assert [item["file"] for item in document["skipped"]] == [str(pictures / "broken.jpeg")]


def test_only_unreadable_pictures_is_an_error(exported, pictures, tmp_path):
    result = run(exported, pictures / "broken.jpeg", pictures / "b.xml", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "None of the 2 images could be read" in result.stderr
    assert not (tmp_path / "out/detections.json").exists()


def test_no_pictures_and_absent_ones_are_errors(exported, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No images in"):
        predict(exported, [tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(DataError, match=r"gone\.jpg does not exist"):
        predict(exported, [tmp_path / "gone.jpg"], tmp_path / "out")


def test_a_folder_without_a_model_is_named(pictures, tmp_path):
    with pytest.raises(CheckpointError, match=f"^{pictures} holds no model. Give an output folder of `odtk export`"):
        predict(pictures, [pictures], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_originals_are_never_overwritten(exported, pictures):
    before = (pictures / "b.jpg").read_bytes()
    for folder in (pictures, pictures.parent):
        with pytest.raises(OutputError, match="one of the images to read"):
            predict(exported, [pictures / "b.jpg"], folder, overwrite=True)
    assert (pictures / "b.jpg").read_bytes() == before


def test_output_below_the_pictures_is_not_searched_again(exported, pictures):
    for overwrite in (False, True):
        report = predict(exported, [pictures], pictures / "out", overwrite=overwrite)
        assert len(report.predictions) == 3


def test_an_earlier_run_leaves_nothing_behind(exported, pictures, tmp_path):
    predict(exported, [pictures], tmp_path / "out")
    result = run(exported, pictures / "a.PNG", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert run(exported, pictures / "a.PNG", "--output", tmp_path / "out", "--overwrite").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("[a-z]*")) == ["a.PNG", "detections.json"]


def test_nothing_found_says_the_best_score_and_the_min_score_that_keeps_it(exported, pictures, tmp_path):
    command = exported, pictures, "--output", tmp_path / "out"
    said = run(*command, "--min-score", "0.9").stdout
    assert "No box has a score of 0.9 or more; the best score is 0.8." in said
    more = re.search(r"Next: run again with (--min-score 0\.\d+ --overwrite)", said)[1]
    assert "3 boxes: pug 3" in run(*command, *more.split()).stdout


def test_where_boxes_are_found_the_last_line_names_a_picture_with_some(exported, pictures, tmp_path):
    result = run(exported, pictures, "--output", tmp_path / "out")
    picture = re.search(r"Next: look at (.+?); to see more or fewer boxes, change --min-score 0\.5", result.stdout)[1]
    assert Path(picture).is_file()


def test_a_full_disk_is_said_and_leaves_nothing(exported, pictures, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        result = run(exported, pictures, "--output", disk / "out")
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1].startswith(f"error: {disk}/out cannot be written: no space is left on")
        assert list(disk.iterdir()) == []
