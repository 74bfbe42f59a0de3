"""Cases of the field in VOC, COCO and the Pet layout: boxes against pixels, or the message against its cause."""

import json
import math
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner
from drawn_field import coco, pictures, voc_xml, write, write_coco, write_voc, write_yolo
from pixels import check_on_objects, records

from odtk.cli.main import cli
from odtk.errors import DataError
from odtk.resources import shipped_files
from odtk.tools import inspect
from odtk.tools.make_tfrecords import ConversionReport, make_tfrecords


@pytest.fixture
def convert(tmp_path):
    """Converts tmp_path/data; every box has to lie on its object, of all the images that were drawn."""

    def run(drawn, **settings):
        report = make_tfrecords(tmp_path / "data", tmp_path / "out", **settings)
        assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}
        return report

    return run


def _kinds(report):
    return {problem.kind for problem in report.problems}


@pytest.mark.parametrize(
    ("written", "flag", "kind"),
    [
        ("Unspecified", 0, "flag not understood"),  # 01: Make Sense
        ("0.0597", 1, "flag that is a fraction"),  # 02: KITTI made VOC
        ("True", 1, None),
        ("", 0, None),
    ],
)
def test_flags_of_voc_do_not_cost_the_image(tmp_path, convert, written, flag, kind):
    drawn = pictures()
    write_voc(tmp_path / "data", drawn)
    for picture in drawn:
        text = voc_xml(picture).replace("<truncated>0<", f"<truncated>{written}<")
        write(tmp_path / "data" / f"{picture.stem}.xml", text.replace("<difficult>0<", f"<difficult>{written}<"))
    report = convert(drawn)
    assert _kinds(report) == {kind} - {None}
    found = {
        (entry.truncated, entry.difficult) for image in records(tmp_path / "out").values() for entry in image.objects
    }
    assert found == {(flag, bool(flag))}


def test_what_is_said_of_all_files_alike_is_one_line(tmp_path):
    drawn = pictures()
    write_voc(tmp_path / "data", drawn)
    for picture in drawn:
        text = voc_xml(picture).replace("<truncated>0<", "<truncated>Unspecified<")
        write(tmp_path / "data" / f"{picture.stem}.xml", text)
    result = CliRunner().invoke(cli, ["make-tfrecords", str(tmp_path / "data"), str(tmp_path / "out")])
    (line,) = [line for line in result.stdout.splitlines() if "'Unspecified'" in line]
    assert line.endswith(
        "img_000.xml:13: <truncated> is 'Unspecified', neither 0 nor 1: read as 0. "
        "(and 5 more like this; see dataset.json)"
    )
    assert not any(line.endswith(" 0") for line in result.stdout.splitlines() if line.startswith(("re", "near", "obj")))
    assert result.stdout.splitlines()[-1] == (
        f"Next: odtk configure ssd_resnet50_v1_fpn_small --output pipeline.config --train-records {tmp_path / 'out'}"
    )


def test_the_next_command_names_a_shipped_pipeline():
    for format in ("voc", "pets"):
        name = ConversionReport("records", "label_map.pbtxt", {}, 0, format).next_command.split()[2]
        assert name in shipped_files("pipelines", ".config")


@pytest.mark.parametrize("angle", [0.0, math.pi / 2])
def test_rotated_boxes_of_roLabelImg_become_upright(tmp_path, convert, angle):  # 07
    drawn = pictures()
    write_voc(tmp_path / "data", drawn)
    for picture in drawn:
        (_, _), (_, (xmin, ymin, xmax, ymax)) = picture.objects
        sides = (xmax - xmin, ymax - ymin)[:: 1 if angle == 0 else -1]
        before, after = voc_xml(picture).rsplit("<bndbox>", 1)
        shape = (
            f"<robndbox><cx>{(xmin + xmax) / 2}</cx><cy>{(ymin + ymax) / 2}</cy><w>{sides[0]}</w><h>{sides[1]}</h>"
            f"<angle>{angle}</angle></robndbox>"
        )
        write(tmp_path / "data" / f"{picture.stem}.xml", before + shape + after.split("</bndbox>", 1)[1])
    report = convert(drawn)
    assert [problem.kind for problem in report.problems] == ["rotated box made upright"] * len(drawn)


def test_category_ids_as_text_are_matched(tmp_path, convert):  # 21
    drawn = pictures()
    write_coco(tmp_path / "data", drawn)
    document = coco(drawn)
    for category in document["categories"]:
        category.update(id=category["id"] - 1, supercategory=None)
    for annotation in document["annotations"]:
        annotation.update(category_id=str(annotation["category_id"] - 1), iscrowd=0.0, segmentation=None)
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    assert convert(drawn).problems == []


@pytest.mark.parametrize("every", [1, 2])
def test_image_ids_as_text_are_matched(tmp_path, convert, every):  # 22c
    drawn = pictures()
    write_coco(tmp_path / "data", drawn)
    document = coco(drawn)
    for annotation in document["annotations"][::every]:
        annotation["image_id"] = str(annotation["image_id"])
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    assert convert(drawn).problems == []


def test_annotations_without_their_image_are_never_background(tmp_path):
    drawn = pictures()
    write_coco(tmp_path / "data", drawn)
    document = coco(drawn)
    for annotation in document["annotations"][:4]:
        annotation["image_id"] += 1000
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    with pytest.raises(DataError, match=r"2 of 8 images .* are unusable.*annotations of an unknown image \(2\): .*"
                       r"annotations 10, 11 are for the image 1001, which is not in the list"):  # fmt: skip
        make_tfrecords(tmp_path / "data", tmp_path / "out")
    for annotation in document["annotations"]:
        annotation["image_id"] = f"img {annotation['image_id']}"
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    with pytest.raises(DataError, match="none of its 12 annotations is for an image in its list"):
        make_tfrecords(tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize("test", [{}, {"annotations": None}])
def test_a_split_without_annotations_is_set_aside(tmp_path, test):  # 26
    drawn = pictures(9)
    for name, part in (("train", drawn[:4]), ("val", drawn[4:6]), ("test", drawn[6:])):
        for picture in part:
            picture.save(tmp_path / "data" / name / picture.name)
        document = coco(part)
        if name == "test":
            del document["annotations"]
            document |= test
        write(tmp_path / "data" / "annotations" / f"{name}.json", json.dumps(document))
    report = make_tfrecords(tmp_path / "data", tmp_path / "out")
    assert {split: counts.images for split, counts in report.splits.items()} == {"train": 4, "val": 2}
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn[:6]}
    (problem,) = [problem for problem in report.problems if problem.kind != "images in no annotation"]
    assert 'test.json: it has no list "annotations"' in str(problem)


def test_cvat_for_images_is_refused_with_what_to_export(tmp_path):  # 89
    drawn = pictures(2)
    boxes = "".join(
        f'<image id="{number}" name="{picture.name}" width="160" height="120">'
        + "".join(
            f'<box label="{name}" xtl="{a}" ytl="{b}" xbr="{c}" ybr="{d}"/>' for name, (a, b, c, d) in picture.objects
        )
        + "</image>"
        for number, picture in enumerate(drawn)
    )
    for picture in drawn:
        picture.save(tmp_path / "data" / "images" / picture.name)
    write(tmp_path / "data" / "annotations.xml", f"<annotations><version>1.1</version>{boxes}</annotations>")
    for run in (
        lambda: make_tfrecords(tmp_path / "data", tmp_path / "out"),
        lambda: inspect.inspect(tmp_path / "data"),
    ):
        with pytest.raises(
            DataError, match=r"annotations\.xml is in the format of CVAT for images .*export the task as COCO 1\.0 or"
        ):
            run()


@pytest.mark.parametrize("name", ["{}", "frame_{:03d}", "IMG_20240101_{}"])
def test_own_data_in_the_pet_layout_has_its_own_classes(tmp_path, convert, name):  # 99a
    drawn = [picture.renamed(f"{name.format(number)}.jpg") for number, picture in enumerate(pictures())]
    for picture in drawn:
        picture.save(tmp_path / "data" / "images" / picture.name)
        write(tmp_path / "data" / "annotations" / "xmls" / f"{picture.stem}.xml", voc_xml(picture))
    write(tmp_path / "data" / "annotations" / "trainval.txt", "".join(f"{picture.stem} 1\n" for picture in drawn))
    report = convert(drawn)
    assert (report.format, report.format_was_guessed, _kinds(report)) == ("voc", True, {"Pet layout read as VOC"})
    assert list(inspect.inspect(tmp_path / "data").classes) == ["cat", "dog"]
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(DataError, match=r"no pets: 6 of 6 names .*do not begin with a breed.* choose the format voc"):
        make_tfrecords(tmp_path / "data", tmp_path / "out", "pets")


def test_every_command_that_guesses_a_format_takes_its_name(tmp_path):
    write_coco(tmp_path / "data", pictures(3))
    write_yolo(tmp_path / "data", pictures(3))
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    (tmp_path / "map.pbtxt").write_text("item { id: 1 name: 'cat' } item { id: 2 name: 'dog' }")
    commands = [
        ["inspect", data],
        ["view", data, "--output", f"{out}/drawn"],
        ["make-tfrecords", data, f"{out}/records"],
        ["label-map", "make", data, "--output", f"{tmp_path}/made.pbtxt"],
        ["label-map", "check", f"{tmp_path}/map.pbtxt", "--data", data],
    ]
    for command in commands:
        asked = CliRunner().invoke(cli, command)
        assert (asked.exit_code, "Choose the format: coco or yolo" in asked.output) == (1, True), command
        answered = CliRunner().invoke(cli, [*command, "--format", "coco"])
        assert answered.exit_code == 0, answered.output
    shown = CliRunner().invoke(cli, ["label-map", "show", data, "--format", "coco"])
    assert f"No label map belongs to {data}" in shown.output


def test_splits_that_number_the_same_categories_otherwise_are_read_by_their_names(tmp_path, convert):
    drawn = pictures(8)
    for split, part in {"train": drawn[:5], "valid": drawn[5:]}.items():
        document = coco(part)
        if split == "valid":
            for category in document["categories"]:
                category["id"] = 3 - category["id"]
            for annotation in document["annotations"]:
                annotation["category_id"] = 3 - annotation["category_id"]
        for picture in part:
            picture.save(tmp_path / "data" / split / picture.name)
        write(tmp_path / "data" / split / "_annotations.coco.json", json.dumps(document))
    assert _kinds(convert(drawn)) == {"categories numbered differently"}


@pytest.mark.parametrize("step", [-1, 1])
def test_annotations_that_number_the_images_otherwise_than_the_list_are_refused(tmp_path, step):
    document = coco(drawn := pictures(30))
    for annotation in document["annotations"]:
        annotation["image_id"] += step
    for picture in drawn:
        picture.save(tmp_path / "data" / picture.name)
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    with pytest.raises(DataError, match=f"one {'lower' if step < 0 else 'higher'} than its list does"):
        make_tfrecords(tmp_path / "data", tmp_path / "out")


def test_an_annotation_of_no_image_is_no_sign_of_another_numbering(tmp_path, convert):
    document = coco(drawn := pictures(30))
    document["annotations"].append(document["annotations"][0] | {"id": 999, "image_id": 0})
    for picture in drawn:
        picture.save(tmp_path / "data" / picture.name)
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    assert [problem.kind for problem in convert(drawn).skipped] == ["annotations of an unknown image"]


@pytest.mark.parametrize("format", ["voc", "coco"])
def test_boxes_that_cvat_has_turned_get_the_upright_box_around_them(tmp_path, convert, format):
    """By 90 degrees, so that the pixels tell: sides are exchanged, about the same center."""
    drawn = pictures()

    def lying(box):
        xmin, ymin, xmax, ymax = box
        x, y, width, height = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
        return x - height / 2, y - width / 2, x + height / 2, y + width / 2

    turned = [replace(each, objects=tuple((name, lying(box)) for name, box in each.objects)) for each in drawn]
    if format == "voc":
        write_voc(tmp_path / "data", turned)
        attribute = "<attribute><name>rotation</name><value>90.0</value></attribute>"
        for picture in turned:
            text = voc_xml(picture).replace("<bndbox>", f"<attributes>{attribute}</attributes><bndbox>")
            write(tmp_path / "data" / f"{picture.stem}.xml", text)
    else:
        document = coco(turned)
        for annotation in document["annotations"]:
            annotation["attributes"] = {"occluded": False, "rotation": 90.0}
        write_coco(tmp_path / "data", drawn)
        write(tmp_path / "data" / "instances.json", json.dumps(document))
    assert _kinds(convert(drawn)) == {"rotated box made upright"}


def test_annotations_may_name_their_image_by_its_file_and_their_category_by_its_name(tmp_path, convert):
    document = coco(drawn := pictures())
    for place, annotation in enumerate(document["annotations"]):
        picture = drawn[annotation["image_id"] - 1]
        annotation["image_id"] = picture.name if place % 2 else picture.stem
        annotation["category_id"] = ["cat", "dog"][annotation["category_id"] - 1]
    for picture in drawn:
        picture.save(tmp_path / "data" / picture.name)
    write(tmp_path / "data" / "instances.json", json.dumps(document))
    assert convert(drawn).problems == []


def test_an_xml_that_is_not_in_the_encoding_it_says_gets_the_fix(tmp_path):
    write_voc(tmp_path / "data", pictures(30))
    path = tmp_path / "data" / "img_000.xml"
    path.write_bytes(path.read_text(encoding="utf-8").replace("<folder>images", "<folder>größe").encode("cp1252"))
    (problem,) = make_tfrecords(tmp_path / "data", tmp_path / "out").skipped
    assert (problem.file, problem.line) == (str(path), 2)
    assert problem.text.endswith("Save it as UTF-8, or declare its encoding in the first line.")
