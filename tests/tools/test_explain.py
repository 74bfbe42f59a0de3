"""`odtk explain`: its pictures, page, document and answers, on a small network with random weights."""

import json
from pathlib import Path
from urllib.parse import unquote

import headless_chromium
import numpy as np
import pytest
from click.testing import CliRunner
from inspected_records import picture, write
from lxml import html
from PIL import Image
from tiny_detector import tiny_config, tiny_parts

from odtk import label_map
from odtk.cli.main import cli
from odtk.detections import Detections
from odtk.errors import CheckpointError, DataError, OdtkError
from odtk.explaining.map_frame import MapFrame
from odtk.exporting.model import Model, naming
from odtk.exporting.trained_model import TrainedModel
from odtk.tools.explain import explain, opened
from odtk.tools.explain.drawing import PictureWriter


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector of three classes, as if it had been trained to cats, dogs and birds."""
    path = tmp_path_factory.mktemp("labels") / "label_map.pbtxt"
    label_map.write(label_map.of_names(["cat", "dog", "bird"]), path)
    config = tiny_config()
    made = TrainedModel(tiny_parts(config)[1], config, "model/ckpt-7", 7, naming(path))
    made.label_map = path
    return made


@pytest.fixture(autouse=True)
def found(model, monkeypatch):
    """That model is what every path leads to."""
    monkeypatch.setattr(opened, "kind_of", lambda path: "checkpoint")
    monkeypatch.setattr(opened, "open_trained", lambda *_, **__: model)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Records with cats and dogs, and the first two of their pictures as files."""
    folder = tmp_path_factory.mktemp("data")
    write(folder / "records")
    for number in (0, 1):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    return folder


@pytest.fixture(scope="module")
def explained(model, data, tmp_path_factory):
    """(output folder, report) of both pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opened, "kind_of", lambda path: "checkpoint")
        patch.setattr(opened, "open_trained", lambda *_, **__: model)
        output = tmp_path_factory.mktemp("out") / "explained"
        report = explain(
            "model", [data / "0.jpg", data / "1.jpg"], output, groundtruth=data / "records", min_score=0.0,
            max_boxes=2, layer="backbone/stage_1", level=[3, 4], channels=[0, 3],
        )  # fmt: skip
        return output, report


def test_all_that_the_page_shows_lies_beside_it(explained):
    output, report = explained
    assert report.page == output / "explain.html"
    images = html.fromstring(report.page.read_bytes()).findall(".//img")
    shown = {unquote(image.get("src")) for image in images}
    written = {path.relative_to(output).as_posix() for path in output.rglob("*.png")}
    assert shown <= written
    assert written - shown == {
        f"{number}/features/{layer}/sheet.png" for number in (0, 1) for layer in ("P3", "P4", "backbone_stage_1")
    }  # linked
    with Image.open(next((output / "0").glob("heat-1-*.png"))) as heat:
        assert heat.size == (640, 480)  # a picture of 120 x 90


def test_the_document_has_the_numbers(explained, model):
    output, report = explained
    document = json.loads((output / "explain.json").read_text())
    assert document == json.loads(json.dumps(report.document))
    assert document["model"].startswith("model/ckpt-7 (step 7)")
    first = document["pictures"][0]
    (best, second), expected = first["detections"], report.pictures[0].detections
    assert best["score"] >= second["score"]
    assert (best["class"], best["level"]) == (expected[0].class_name, expected[0].level)
    assert best["heat"]["from"] == best["level"]
    assert 0 <= best["heat"]["share_inside"] <= 1
    assert set(first["scores"]) == {best["class"], second["class"], "cat", "dog"}
    assert max(each["best"] for each in first["scores"][best["class"]].values()) == pytest.approx(best["score"])
    levels = first["anchors"]["levels"]
    assert [each["level"] for each in levels] == ["P3", "P4", "P5", "P6", "P7"]
    assert sum(each["anchors"] for each in levels) == first["anchors"]["fired"]  # every score is at least 0
    cat, dog = first["anchors"]["groundtruth"]
    assert (cat["class"], dog["class"]) == ("cat", "dog")
    assert cat["matched"] + dog["matched"] == sum(each["matched"] for each in levels) > 0
    assert [(each["layer"], list(each["channels"])) for each in first["features"]] == [
        ("P3", ["0", "3"]), ("P4", ["0", "3"]), ("backbone/stage_1", ["0", "3"]),
    ]  # fmt: skip


def test_an_earlier_output_is_replaced_on_demand_and_nothing_is_left_of_a_failure(explained, data):
    output, report = explained
    with pytest.raises(OdtkError, match="gs://bucket/out is in a store"):
        explain("model", data / "0.jpg", "gs://bucket/out")
    with pytest.raises(OdtkError, match="images of an earlier run") as caught:
        explain("model", data / "0.jpg", output)
    assert caught.value.argument == "overwrite"
    before = report.page.read_bytes()
    with pytest.raises(OdtkError, match="no level 9: its levels are P3, P4, P5, P6, P7"):
        explain("model", data / "0.jpg", output, level=[9], overwrite=True)
    assert report.page.read_bytes() == before


def test_groundtruth_of_other_pictures_is_an_error(data, tmp_path):
    (tmp_path / "other.jpg").write_bytes(picture(5))
    with pytest.raises(DataError, match=r"has no annotations of .*other.jpg") as caught:
        explain("model", tmp_path / "other.jpg", tmp_path / "out", groundtruth=data / "records")
    assert caught.value.argument == "groundtruth"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "other.png").write_bytes(picture(5))
    with pytest.raises(DataError, match=r"other.jpg and .*other.png have the same name"):
        explain("model", [tmp_path / "other.jpg", tmp_path / "b"], tmp_path / "out", groundtruth=data / "records")


def test_pictures_that_cannot_be_read_are_skipped_and_listed(data, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    arguments = (tmp_path / "bad.jpg", data / "0.jpg", "--level", "3", "--channels", "0", "--output", tmp_path / "out")
    code, said = run("model", *arguments)
    assert code == 0, said
    assert f"1 of 2 images skipped: {tmp_path}/bad.jpg cannot be decoded" in said
    document = json.loads((tmp_path / "out/explain.json").read_text())
    assert [each["file"] for each in document["pictures"]] == [str(data / "0.jpg")]
    assert [each["file"] for each in document["skipped"]] == [str(tmp_path / "bad.jpg")]
    with pytest.raises(
        DataError, match=r"None of the 1 images could be read\. The first: .*bad\.jpg cannot be decoded"
    ):
        explain("model", tmp_path / "bad.jpg", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_classes_beyond_those_of_the_model_are_an_error(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "label_map", None)  # then nobody knows beforehand which there are
    with pytest.raises(OdtkError, match="The model has 3 classes, and none with the number 9") as caught:
        explain("model", data / "0.jpg", tmp_path / "out", classes="9")
    assert caught.value.argument == "classes"


def test_names_of_classes_become_names_of_files_that_differ(tmp_path):
    names = {1: "a/b", 2: "a_b", 3: "../c"}
    writer = PictureWriter(tmp_path, "0", np.zeros((8, 8, 3), np.uint8), names.__getitem__)
    maps, frame = {"P3": np.zeros((3, 1, 1), np.float32)}, MapFrame((8, 8), (8, 8), (8, 8))
    paths = [writer.scores(maps, number, frame)[0].picture.path for number in names]
    assert len(set(paths)) == 3
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == set(paths)
    assert {Path(path).parent.as_posix() for path in paths} == {"0"}


def run(*words) -> tuple[int, str]:
    found = CliRunner().invoke(cli, ["explain", *map(str, words)])
    return found.exit_code, " ".join(found.output.split())


def test_the_command_explains_and_lists_layers(model, data, tmp_path):
    code, said = run("model", data / "0.jpg", "--output", tmp_path / "out", "--channels", "0-1,3", "--level", "3")
    assert code == 0, said
    assert "No detection has a score of 0.5 or more; the best one is explained." in said
    assert f"Next: open {tmp_path}/out/explain.html" in said
    sheets = list((tmp_path / "out").rglob("channel-*.png"))
    assert sorted(path.name for path in sheets) == [f"channel-000{number}.png" for number in (0, 1, 3)]
    code, said = run("model", "--list-layers", "--json")
    found = json.loads(said)
    assert code == 0
    assert found["image"] == list(model.detector.image_size)
    assert next(each for each in found["layers"] if each["name"] == "backbone/stage_1")["shapes"][0][3] == 4


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--channels", "3-1"], "'3-1' is no list of channels. Write numbers from 0 and ranges"),
        (["--masks", "9"], "masks are of the method occlusion. Choose that, or leave them out. Option: --masks."),
        (["--layer", "backbone/stage9"], "no layer backbone/stage9. Similar ones are backbone/stage_"),
        (["--heat-layer", "heads/box_conv"], "does not depend on the output of heads/box_conv"),
        (["--heat-layer", "backbone/*"], "backbone/* means 4 layers, backbone/stage_1, backbone/stage_2 and so on"),
        (["--classes", "horse"], "no class 'horse'. Its classes are cat, dog, bird. Option: --classes."),
        (["--method", "occlusion", "--heat-layer", "P3"], "hides parts of the picture, and needs no layer."),
    ],
)
def test_what_cannot_be_is_answered(data, tmp_path, words, answer):
    code, said = run("model", data / "0.jpg", "--output", tmp_path / "out", *words)
    assert answer in said
    assert code != 0
    assert not (tmp_path / "out").exists()


def test_images_and_output_are_needed_unless_layers_are_listed(data):
    assert "Missing argument 'SOURCE...'. --list-layers needs none." in run("model")[1]
    assert "--list-layers explains nothing." in run("model", data / "0.jpg", "--list-layers")[1]
    assert "Missing option '--output'" in run("model", data / "0.jpg")[1]


class BlackBox(Model):
    """Finds a cat in the upper half, the surer the brighter it is."""

    description, name_of = "exported/saved_model", staticmethod(lambda number: "cat")

    def place(self, images):
        return images

    def run(self, placed):
        box = np.array([[0, 0, 0.5, 1]], np.float32)
        one = np.array([1], np.int32)
        return [Detections(box, one, np.array([image[: len(image) // 2].mean() / 255], np.float32)) for image in placed]


def test_a_saved_model_alone_is_explained_by_occlusion_only(data, tmp_path, monkeypatch):
    monkeypatch.undo()
    (tmp_path / "exported" / "saved_model").mkdir(parents=True)
    (tmp_path / "exported" / "saved_model" / "saved_model.pb").touch()
    with pytest.raises(CheckpointError, match=r"holds a SavedModel alone, .* the method occlusion works") as caught:
        explain(tmp_path / "exported", data / "0.jpg", tmp_path / "out")
    assert caught.value.argument == "method"
    monkeypatch.setattr(opened, "open_model", lambda *_, **__: BlackBox())
    with pytest.raises(OdtkError, match="shows its detections alone") as caught:
        explain(tmp_path / "exported", data / "0.jpg", tmp_path / "out", method="occlusion", level=[3])
    assert caught.value.argument == "level"
    white = np.zeros((64, 64, 3), np.uint8)
    white[:32] = 255
    Image.fromarray(white).save(tmp_path / "white.png")
    report = explain(tmp_path / "exported", tmp_path / "white.png", tmp_path / "out", method="occlusion", masks=60)
    (picture_,) = report.pictures
    assert picture_.detections[0].heat_inside > 0.8
    assert picture_.detections[0].heat_source == "occlusion"
    assert picture_.features == ()


@pytest.mark.skipif(not headless_chromium.PROGRAM, reason="no chromium on PATH")
def test_layers_and_channels_are_chosen_without_scripts(explained):
    _, report = explained
    shown = (
        "[...document.querySelectorAll('.chooser .panel figcaption')]"
        ".filter(each => each.offsetParent).map(each => each.textContent).filter(text => text.includes('channel'))"
    )
    with headless_chromium.browser() as browser:
        for width, scheme in ((400, "dark"), (1280, "light")):
            browser.open(report.page.as_uri(), width, scheme)
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert [text.split(":")[0] for text in browser.evaluate(shown)] == ["P3, channel 0"] * 2  # of two pictures
            browser.evaluate("document.querySelector('label[for=features-1-2]').click()")
            browser.evaluate("document.querySelector('label[for=features-1-2-1]').click()")
            assert browser.evaluate(shown)[0].startswith("backbone/stage_1, channel 3: ")
            assert browser.evaluate("document.images[0].decode().then(() => document.images[0].naturalWidth)") == 640
            assert browser.complaints() == []
