"""`odtk view`: which images are drawn, under which names, and that nothing is lost or left half done."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from odtk import label_map
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.cli.main import cli
from odtk.datasets.annotated_picture import color_ids, color_numbers
from odtk.datasets.open_dataset import open_target
from odtk.errors import DataError, OutputError
from odtk.records import example, shards
from odtk.report.drawing import class_color
from odtk.tools.view import view

# Names of images, and the classes of their objects.
IMAGES = {
    "cats/one.jpg": ["cat"],
    "cats/two.jpg": ["cat", "cat", "dog"],
    "dogs/one.jpg": ["dog"],
    "../../../escaped.jpg": ["dog"],
    "/absolute\0\n<b>.png": ["cat"],
    "empty.jpg": [],
}
IDS = {"cat": 1, "dog": 2}
GRAY = (127, 127, 127)
PETS = Path(__file__).parents[1] / "data/pets_mini"


def record(name, classes, encoded=None):
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100), GRAY).save(buffer, "JPEG")
    objects = [
        AnnotatedObject((0.5, 0.25 * number, 0.9, 0.25 * number + 0.2), IDS[each], each, difficult=number == 2)
        for number, each in enumerate(classes)
    ]
    return example.encode(AnnotatedImage(encoded or buffer.getvalue(), name, 100, 200, tuple(objects)))


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "train.record"
    shards.write_records(path, [record(name, classes) for name, classes in IMAGES.items()])
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["view", *map(str, arguments)])


def drawn(report):
    return sorted(each.image for each in report.drawn)


def test_every_image_gets_a_picture_of_its_own_inside_the_folder(records, tmp_path):
    report = view(records, tmp_path / "deep/out")
    assert drawn(report) == sorted(IMAGES)
    pictures = sorted(path.name for path in (tmp_path / "deep/out").glob("[!.]*"))
    assert sorted(each.picture.name for each in report.drawn) == pictures
    assert len(pictures) == len(IMAGES)
    assert [path.parent for path in tmp_path.rglob("*escaped.jpg")] == [tmp_path / "deep/out"]
    for path in (tmp_path / "deep/out").glob("[!.]*"):
        with Image.open(path) as picture:
            assert (picture.format, picture.width) == ("JPEG", 200)
            assert picture.height > 100  # the caption


def test_boxes_are_where_the_record_has_them(records, tmp_path):
    report = view(records, tmp_path / "out", files=["cats/two.jpg"])
    pixels = np.asarray(Image.open(report.drawn[0].picture).convert("RGB"), int)
    for left, class_id in ((0, 1), (50, 1), (100, 2)):
        color = pixels[70:88, left]  # down the left side of a box
        near = (np.abs(color - class_color(class_id)).max(-1) < 90) & (np.abs(color - GRAY).max(-1) > 25)
        # The third is marked difficult: dashed.
        assert (near.mean() > 0.9) if left < 100 else (0.2 < near.mean() < 0.8)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"class_names": ["cat"]}, ["cats/one.jpg", "cats/two.jpg", "/absolute\0\n<b>.png"]),
        ({"class_names": ["dog", "cat"], "files": ["*/one.jpg"]}, ["cats/one.jpg", "dogs/one.jpg"]),
        ({"files": ["one.jpg", "empty*"]}, ["cats/one.jpg", "dogs/one.jpg", "empty.jpg"]),
        ({"files": ["cats/*"], "class_names": ["dog"]}, ["cats/two.jpg"]),
    ],
)
def test_images_are_chosen_by_class_and_by_file(records, tmp_path, choice, expected):
    assert drawn(view(records, tmp_path / "out", **choice)) == sorted(expected)


def test_the_sample_is_the_seeds(records, tmp_path):
    samples = [drawn(view(records, tmp_path / str(number), 3, seed=number // 2)) for number in range(20)]
    assert samples[::2] == samples[1::2]
    assert len({tuple(sample) for sample in samples}) > 3
    assert {len(sample) for sample in samples} == {3}


def test_nothing_that_fits_says_what_there_is(records, tmp_path):
    with pytest.raises(DataError, match=r"object of class bird.*classes are: (cat, dog|dog, cat)"):
        view(records, tmp_path / "out", class_names=["bird"])
    with pytest.raises(DataError, match=r"a name like \*\.tiff"):
        view(records, tmp_path / "out", files=["*.tiff"])
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_read_is_named_and_left_out(records, tmp_path):
    broken = tmp_path / "broken.record"
    shards.write_records(broken, [record("good.jpg", ["cat"]), record("bad.jpg", ["cat"], encoded=b"no image")])
    result = run(broken, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "good.jpg: 1 cat" in result.stdout
    assert "broken.record" in result.stderr
    assert "cannot be decoded" in result.stderr
    shards.write_records(broken, [record("bad.jpg", ["cat"], encoded=b"no image")])
    with pytest.raises(DataError, match="odtk inspect"):
        view(broken, tmp_path / "other")
    whole = example.read_features(record("half.jpg", ["cat"]))["image/encoded"][0]
    shards.write_records(broken, [record("half.jpg", ["cat"], encoded=whole[: len(whole) * 2 // 3])])
    with pytest.raises(DataError, match=r"None of the chosen images .*cannot be decoded"):
        view(broken, tmp_path / "other")


def test_a_data_set_is_drawn_too_and_keeps_its_folder_to_itself(tmp_path):
    report = view(PETS, tmp_path / "out", 100)
    assert len(report.drawn) == len(list((tmp_path / "out").glob("[!.]*"))) > 10
    assert {name for each in report.drawn for name in each.class_names} >= {"Abyssinian", "yorkshire_terrier"}
    with pytest.raises(OutputError, match="inside the dataset"):
        view(PETS, PETS / "images" / "drawn")


def test_colors_are_the_label_maps_ids_or_those_that_records_would_get(records, tmp_path):
    pets = color_numbers(open_target(PETS), ["beagle", "unicorn"])
    assert (pets["beagle"], pets["unicorn"]) == (label_map.read("pet_label_map").id_of("beagle"), 38)
    assert color_ids(["cat", "dog"], [1, 2], color_numbers(open_target(records), ["dog", "cat"])) == [1, 2]
    label_map.write(label_map.of_names(["dog", "bird", "cat"]), tmp_path / "label_map.pbtxt")
    numbers = color_numbers(open_target(records), ["dog", "cat"])
    assert color_ids(["cat", "dog", "fox"], [1, 2, 7], numbers) == [3, 1, 7]


def test_findings_that_are_of_no_single_image_are_said_where_there_is_no_worst(tmp_path):
    shards.write_records(tmp_path / "train.record", [record("a.jpg", ["cat", "dog"])])
    with pytest.raises(
        DataError, match=r"The findings of odtk inspect in .* \(rare classes\) are not about single images"
    ):
        view(tmp_path / "train.record", tmp_path / "out", worst=True)


@pytest.fixture
def flawed(tmp_path):
    """A box in pixels (an error), a box drawn twice and a tiny one (warnings), and images without a flaw."""
    cat = AnnotatedObject((0.5, 0.25, 0.9, 0.5), 1, "cat")
    flaws = {
        "fine.jpg": [cat],
        "twice.jpg": [cat, cat],
        "tiny.jpg": [cat, replace(cat, box=(0.1, 0.1, 0.11, 0.105), class_name="dog", class_id=2)],
        "pixels.jpg": [replace(cat, box=(10.0, 20.0, 50.0, 90.0))],
        "fine_too.jpg": [cat],
    }
    records = []
    for number, (name, objects) in enumerate(flaws.items()):
        buffer = io.BytesIO()
        noise = np.random.default_rng(number).integers(0, 255, [100, 200, 3], np.uint8)
        Image.fromarray(noise).save(buffer, "PNG")
        records.append(example.encode(AnnotatedImage(buffer.getvalue(), name, 100, 200, tuple(objects), format="png")))
    shards.write_records(tmp_path / "train.record", records)
    return tmp_path / "train.record"


def test_the_worst_come_first_and_say_why(flawed, tmp_path):
    report = view(flawed, tmp_path / "out", worst=True)
    images = [each.image for each in report.drawn]
    assert images[0] == "pixels.jpg"
    assert {"twice.jpg", "tiny.jpg"} <= set(images)
    assert not {"fine.jpg", "fine_too.jpg"} & set(images)
    assert report.drawn[0].reason.startswith("error: ")
    assert all(each.reason.startswith("warning: ") for each in report.drawn if each.image in ("twice.jpg", "tiny.jpg"))
    result = run(flawed, "--output", tmp_path / "one", "--worst", "-n", "1")
    assert f"pixels.jpg: 1 cat; {report.drawn[0].reason}" in result.stdout
    assert [path.name for path in (tmp_path / "one").glob("[!.]*")] == ["pixels.jpg"]
    assert [each.image for each in view(flawed, tmp_path / "dogs", worst=True, class_names=["dog"]).drawn] == [
        "tiny.jpg"
    ]


def test_without_a_flaw_there_is_no_worst(flawed, tmp_path):
    with pytest.raises(
        DataError, match=r"finds no problem in any .*that were asked for\. Without worst, a random sample"
    ):
        view(flawed, tmp_path / "out", worst=True, files=["fine*"])
    assert not (tmp_path / "out").exists()


def test_an_earlier_output_is_replaced_when_asked_and_nothing_else(records, tmp_path):
    view(records, tmp_path / "out")
    with pytest.raises(OutputError, match="images of an earlier run"):
        view(records, tmp_path / "out")
    view(records, tmp_path / "out", files=["empty.jpg"], overwrite=True)
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["empty.jpg"]
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.txt"):
        view(records, tmp_path / "out", overwrite=True)


def test_json_is_one_document_and_text_names_every_picture(records, tmp_path):
    document = json.loads(run(records, "--output", tmp_path / "a", "--file", "cats/*", "--json").stdout)
    assert [(each["image"], each["classes"]) for each in document["pictures"]] == [
        ("cats/one.jpg", ["cat"]),
        ("cats/two.jpg", ["cat", "cat", "dog"]),
    ]
    assert document["pictures"][0]["split"] == "train"
    result = run(records, "--output", tmp_path / "b", "--file", "cats/*")
    assert f"{tmp_path / 'b/cats_two.jpg'}: 2 cat, 1 dog" in result.stdout
    assert f"2 pictures in {tmp_path / 'b'}" in result.stdout
