"""Label maps with holes, and class names with a letter wrong, as people's datasets have them."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_field import WRITERS, coco, pictures, write, write_coco, write_voc
from PIL import Image
from pixels import check_on_objects, records

from odtk import label_map
from odtk.cli.main import cli
from odtk.report.drawing import class_color
from odtk.tools.configure import check, configure
from odtk.tools.inspect import inspect
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.view import view


def test_87_ids_of_a_label_map_with_holes_are_kept(tmp_path):
    """TFOD's mscoco_label_map.pbtxt has 80 ids up to 90; here 1 and 3."""
    drawn = pictures()
    write_coco(tmp_path / "data", drawn)
    document = coco(drawn)
    document["categories"][1]["id"] = 3
    for annotation in document["annotations"]:
        annotation["category_id"] = {1: 1, 2: 3}[annotation["category_id"]]
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    write(tmp_path / "map.pbtxt", "item { id: 1 name: 'cat' }\nitem { id: 3 name: 'dog' }\n")
    make_tfrecords(tmp_path / "data", tmp_path / "out", label_map=str(tmp_path / "map.pbtxt"))
    assert set(check_on_objects(tmp_path / "out").values()) == {2}
    ids = {
        (entry.class_name, entry.class_id) for image in records(tmp_path / "out").values() for entry in image.objects
    }
    assert ids == {("cat", 1), ("dog", 3)}
    report = configure("ssd_resnet50_v1_fpn_small", tmp_path / "c.config", train_records=[tmp_path / "out"])
    assert {change.path: change.after for change in report.changes}["model.ssd.num_classes"] == "3"
    assert not any("label_map" in finding.path for finding in check(tmp_path / "c.config"))
    findings = inspect(tmp_path / "out").findings
    assert {finding.kind for finding in findings if finding.severity == "error"} == set()


def misspelled(drawn, place=4):
    """The pictures with the cat of one called "cta"."""
    cat, dog = drawn[place].objects
    drawn[place] = dataclasses.replace(drawn[place], objects=(("cta", cat[1]), dog))
    return drawn


@pytest.fixture
def slipped(tmp_path):
    write_voc(tmp_path / "data", misspelled(pictures(12)))
    return tmp_path / "data"


def test_a_class_with_a_letter_wrong_is_asked_about_with_its_file(slipped, tmp_path):
    where = f"{slipped}/img_004.xml"
    findings = {finding.kind: finding for finding in inspect(slipped).findings}
    finding = findings["misspelled-classes"]
    assert f"'cta' (1, {where}): did you mean 'cat' (11)?" in finding.text
    assert finding.severity == "warning"
    assert [(example.file, example.line) for example in finding.examples] == [(where, 15)]
    assert "rare-classes" not in findings, "it is no imbalance"
    report = make_tfrecords(slipped, tmp_path / "out")
    (problem,) = (problem for problem in report.problems if problem.kind == "class likely misspelled")
    assert str(problem).startswith(f"{where}:15: 'cta' (1, img_004.jpg): did you mean 'cat' (11)?")
    assert report.warnings == [], "that val has none of it is no other fault"
    checked = CliRunner().invoke(
        cli, ["label-map", "check", str(tmp_path / "out/label_map.pbtxt"), "--data", str(slipped)]
    )
    assert f"'cta' (1, {where}:15): did you mean 'cat' (11)?" in checked.stdout
    (drawn,) = view(slipped, tmp_path / "worst", worst=True).drawn
    assert drawn.image.startswith("img_004")
    assert "did you mean 'cat' (11)?" in drawn.reason


def test_where_a_file_is_of_several_images_the_question_names_the_image(slipped, tmp_path):
    make_tfrecords(slipped, tmp_path / "out")
    (finding,) = (each for each in inspect(tmp_path / "out").findings if each.kind == "misspelled-classes")
    assert ", image img_004.jpg): did you mean 'cat' (11)?" in finding.text


@pytest.mark.parametrize("names", [("cat", "dog"), ("cat1", "cat2"), ("left", "right"), ("class_a", "class_b")])
def test_classes_that_differ_by_number_are_not_asked_about(tmp_path, names):
    drawn = pictures(12)
    for place, picture in enumerate(drawn):
        cat, dog = picture.objects
        first = names[1] if place == 4 else names[0]
        drawn[place] = dataclasses.replace(picture, objects=((first, cat[1]), (names[0], dog[1])))
    write_voc(tmp_path / "data", drawn)
    assert "misspelled-classes" not in {finding.kind for finding in inspect(tmp_path / "data").findings}


@pytest.mark.parametrize("format", WRITERS)
def test_a_class_has_one_color_in_a_folder_and_in_its_records(tmp_path, format):
    """Whatever sample `view` draws: the id's in the label map, as `predict` draws it."""
    drawn = pictures()
    # The first image shows a dog alone, whose id is 2 all the same.
    drawn[0] = dataclasses.replace(drawn[0], objects=drawn[0].objects[1:])
    WRITERS[format](tmp_path / "data", drawn)
    make_tfrecords(tmp_path / "data", tmp_path / "out", num_shards=1)
    labels = label_map.read(tmp_path / "out" / "label_map.pbtxt")
    for target in (tmp_path / "data", tmp_path / "out"):
        (image,) = view(target, tmp_path / f"drawn {target.name}", files=["*img_000*"]).drawn
        assert colors_of(image.picture) == {class_color(labels.id_of("dog"))}


def colors_of(path):
    """Which of the first five classes' colors a picture has lines of."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"), int).reshape(-1, 3)
    near = {color: np.abs(pixels - color).max(axis=1) < 45 for color in map(class_color, range(1, 6))}
    return {color for color, mask in near.items() if mask.sum() > 150}
