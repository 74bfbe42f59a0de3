"""Cases of the field: images elsewhere, called otherwise or of another kind, and texts that mean another thing."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from drawn_field import (
    CLASSES,
    CSV_HEADER,
    WRITERS,
    coco,
    pictures,
    voc_xml,
    write,
    write_coco,
    write_csv,
    write_rows,
    write_voc,
    write_yolo,
    yolo_txt,
)
from PIL import features
from pixels import check_on_objects

from odtk.annotations import formats
from odtk.errors import DataError
from odtk.tools.label_map import make as make_label_map
from odtk.tools.make_tfrecords import make_tfrecords

DRAWN = pictures(10)
ALL_FOUND = {picture.name: 2 for picture in DRAWN}


def convert(folder, **settings):
    return make_tfrecords(folder / "data", folder / "out", **settings)


def kinds(problems):
    return [problem.kind for problem in problems]


def all_on_objects(folder, names=ALL_FOUND):
    """Whether the records are those of `names`, whatever their folders, each box on its object."""
    found = {name.rsplit("/", 1)[-1]: count for name, count in check_on_objects(folder / "out").items()}
    return found == {name.rsplit("/", 1)[-1]: 2 for name in names}


# 18: suffixes of images.


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".PPM", ".avif", ".jp2", ".tif"])
@pytest.mark.parametrize("format", WRITERS)
def test_18_what_pillow_reads_is_read_whatever_it_is_called(tmp_path, format, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    drawn = [DRAWN[0].renamed(f"img_000{suffix}"), *DRAWN[1:]]
    WRITERS[format](tmp_path / "data", drawn[1:])
    kind = (
        "JPEG"
        if suffix in (".jfif", ".JPE")
        else {".PPM": "PPM", ".avif": "AVIF", ".tif": "TIFF"}.get(suffix, "JPEG2000")
    )
    folder = tmp_path / "data" if format == "voc" else tmp_path / "data/images"
    drawn[0].save(folder / drawn[0].name, format=kind)
    _annotate(tmp_path / "data", format, drawn)
    report = convert(tmp_path)
    assert all_on_objects(tmp_path, [picture.name for picture in drawn])
    assert kinds(report.repaired) == ([] if kind == "JPEG" else [f"{kind} made an RGB JPEG"])


@pytest.mark.parametrize("format", WRITERS)
def test_18_what_it_does_not_read_is_named(tmp_path, format):
    drawn = [DRAWN[0].renamed("img_000.heic"), *DRAWN[1:]]
    WRITERS[format](tmp_path / "data", drawn[1:])
    folder = tmp_path / "data" if format == "voc" else tmp_path / "data/images"
    (folder / "img_000.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (folder / "more.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    _annotate(tmp_path / "data", format, drawn)
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert all_on_objects(tmp_path, [picture.name for picture in drawn[1:]])
    named = "\n".join(map(str, report.skipped + report.problems))
    assert f"{folder / 'img_000.heic'}: the image cannot be decoded: it is HEIC" in named
    assert "more.HEIC" in named


def _annotate(folder, format, drawn):
    """Writes the annotations of `drawn`, whose images are there."""
    if format == "voc":
        for picture in drawn:
            write(folder / f"{picture.stem}.xml", voc_xml(picture))
    elif format == "coco":
        write(folder / "instances.json", json.dumps(coco(drawn)))
    elif format == "yolo":
        for picture in drawn:
            write(folder / "labels" / f"{picture.stem}.txt", yolo_txt(picture))
    else:
        _write_rows(folder, drawn, lambda name: name)


def _write_rows(folder, drawn, written):
    rows = [[written(each.name), *each.size, name, *box] for each in drawn for name, box in each.objects]
    write_rows(folder / "annotations.csv", [CSV_HEADER, *rows])


# 23a, 63, 64 and more: names of another machine.

ELSEWHERE = [
    "..\\..\\label-studio\\media\\upload\\4\\{}",
    "/content/drive/My Drive/pets/images/{}",
    "C:\\Users\\me\\images\\{}",
    "/data/local-files/?d=pets/images/{}",
    "/data/local-files/?d=pets%5Cimages%5C{}",
    "file:///home/me/a%20b/{}",
    "s3://bucket/pets/images/{}",
    "http://localhost:8080/data/upload/4/0a1b2c3d-{}",
    "pets-1/train/images/{}",
]


@pytest.mark.parametrize("written", ELSEWHERE)
@pytest.mark.parametrize("format", ["coco", "csv", "yolo"])
def test_23a_43a_63_images_are_found_by_the_end_of_a_path(tmp_path, format, written):
    WRITERS[format](tmp_path / "data", DRAWN)
    if format == "coco":
        document = coco(DRAWN)
        for image in document["images"]:
            image["file_name"] = written.format(image["file_name"])
        write(tmp_path / "data/instances.json", json.dumps(document))
    elif format == "yolo":
        (tmp_path / "data/data.yaml").unlink()
        write(tmp_path / "data/obj.names", "\n".join(CLASSES))
        write(tmp_path / "data/train.txt", "\n".join(written.format(picture.name) for picture in DRAWN))
    else:
        _write_rows(tmp_path / "data", DRAWN, written.format)
    report = convert(tmp_path)
    assert all_on_objects(tmp_path)
    assert kinds(report.problems) == ["image found by the end of the path"]
    assert report.problems[0].text.startswith("10 images are found by the end of the path: the annotations name ")


@pytest.mark.parametrize("format", ["coco", "csv"])
def test_64_names_without_suffix(tmp_path, format):
    WRITERS[format](tmp_path / "data", DRAWN)
    if format == "coco":
        document = coco([picture.renamed(picture.stem) for picture in DRAWN])
        write(tmp_path / "data/instances.json", json.dumps(document))
    else:
        _write_rows(tmp_path / "data", DRAWN, lambda name: name.removesuffix(".jpg"))
    report = convert(tmp_path)
    assert all_on_objects(tmp_path)
    assert kinds(report.problems) == ["image found by the name without its suffix"]


def test_an_end_that_several_images_have_is_not_guessed(tmp_path):
    write_csv(tmp_path / "data", DRAWN)
    for place in ("cats", "dogs"):
        DRAWN[0].save(tmp_path / "data" / place / "img_000.jpg")
    (tmp_path / "data/images/img_000.jpg").unlink()
    _write_rows(tmp_path / "data", DRAWN, "/content/{}".format)
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert all_on_objects(tmp_path, [picture.name for picture in DRAWN[1:]])
    (problem,) = [problem for problem in report.skipped if problem.kind == "several images of that name"]
    assert "cats/img_000.jpg or dogs/img_000.jpg. Add its folder" in problem.text


def test_two_names_that_end_alike_are_not_taken_for_one_image(tmp_path):
    write_csv(tmp_path / "data", DRAWN)
    names = iter(["/a/cats/img_001.jpg", "/a/cats/img_001.jpg", "/a/dogs/img_001.jpg", "/a/dogs/img_001.jpg"])
    _write_rows(tmp_path / "data", DRAWN, lambda name: next(names, name))
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert "img_001.jpg" not in check_on_objects(tmp_path / "out")
    (problem,) = [problem for problem in report.skipped if problem.kind == "several images of that name"]
    assert "'/a/cats/img_001.jpg' and '/a/dogs/img_001.jpg' may both mean it" in problem.text


def test_a_folder_that_is_here_is_not_left_out_of_a_path(tmp_path):
    """cats/1.jpg is not there; dogs/1.jpg is another picture, though no other ends so."""
    drawn = [
        picture.renamed(f"{place}/{picture.name}") for picture, place in zip(DRAWN, ["cats", "dogs"] * 5, strict=True)
    ]
    write_csv(tmp_path / "data", drawn)
    (tmp_path / "data/images/cats/img_000.jpg").rename(tmp_path / "data/images/dogs/img_000.jpg")
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert all_on_objects(tmp_path, [picture.name for picture in drawn[1:]])
    assert "no image" in kinds(report.skipped)


# 40b: data.yaml of another place.


@pytest.mark.parametrize(
    "train",
    [
        "pets-1/{}/images",
        "/content/pets-1/{}/images",
        "C:\\Users\\me\\pets-1\\{}",
        "../../pets/images/{}",
        "images/{}",
    ],
)
def test_40b_splits_are_found_by_the_end_of_a_path(tmp_path, train):
    names = dict(zip(("train", "valid", "test"), (DRAWN[:6], DRAWN[6:8], DRAWN[8:]), strict=True))
    for split, drawn in names.items():
        write_yolo(tmp_path / "data/pets-1" / split, drawn)
        (tmp_path / "data/pets-1" / split / "data.yaml").unlink()
    splits = "".join(
        f"{key}: {train.format(split)}\n" for key, split in zip(("train", "val", "test"), names, strict=True)
    )
    write(tmp_path / "data/pets-1/data.yaml", f"{splits}names: [{', '.join(CLASSES)}]\n")
    report = convert(tmp_path)
    assert all_on_objects(tmp_path)
    assert [split.images for split in report.splits.values()] == [6, 2, 2]
    assert kinds(report.problems) == ["split found by the end of the path"] * 3


def test_40b_lists_of_another_place(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    for name, drawn in (("train", DRAWN[:7]), ("val", DRAWN[7:])):
        write(tmp_path / f"data/lists/{name}.txt", "\n".join(f"/home/me/pets/{picture.name}" for picture in drawn))
    write(tmp_path / "data/data.yaml", "train: /home/me/train.txt\nval: /home/me/val.txt\nnames: [cat, dog]\n")
    report = convert(tmp_path)
    assert all_on_objects(tmp_path)
    assert [split.images for split in report.splits.values()] == [7, 3]


def test_40b_an_end_that_several_folders_have_is_not_guessed(tmp_path):
    for place in ("a/train", "b/train"):
        write_yolo(tmp_path / "data" / place, DRAWN[:1])
        shutil.move(tmp_path / "data" / place / "data.yaml", tmp_path / "data/data.yaml")
    write(tmp_path / "data/data.yaml", "train: /x/train\nnames: [cat, dog]\n")
    with pytest.raises(DataError, match="train is '/x/train', which does not exist, and may be a/train or b/train"):
        formats.open_dataset(tmp_path / "data")


def test_40b_a_split_is_never_another_ones_folder(tmp_path):
    write_yolo(tmp_path / "data/train", DRAWN)
    shutil.move(tmp_path / "data/train/data.yaml", tmp_path / "data")
    write(tmp_path / "data/data.yaml", f"train: /x/train/images\nval: /x/valid/images\nnames: [{', '.join(CLASSES)}]\n")
    with pytest.raises(DataError, match="val is '/x/valid/images', which is neither a folder with images nor a list"):
        formats.open_dataset(tmp_path / "data")


@pytest.mark.parametrize("named", ["data.yaml", "custom.yaml"])
def test_a_data_yaml_names_its_folder(tmp_path, named):
    write_yolo(tmp_path / "data", DRAWN)
    config = tmp_path / "data" / named
    (tmp_path / "data/data.yaml").rename(config)
    write(tmp_path / "data/other.yaml", "names: [x]")
    report = make_tfrecords(config, tmp_path / "out")
    assert (report.format, all_on_objects(tmp_path)) == ("yolo", True)
    assert make_label_map(tmp_path / "map.pbtxt", config, order="data").names == list(CLASSES)


def test_one_file_of_annotations_is_no_data_set(tmp_path):
    write_coco(tmp_path / "data", DRAWN)
    with pytest.raises(DataError, match=r"instances\.json is only one file of a dataset\. Give the folder"):
        make_tfrecords(tmp_path / "data/instances.json", tmp_path / "out")


# 44: the names of classes, several times.


@pytest.mark.parametrize("name", ["classes.txt", "_darknet.labels", "obj.names"])
def test_44_names_in_each_folder_that_agree_are_taken(tmp_path, name):
    for split, drawn in (("train", DRAWN[:7]), ("test", DRAWN[7:])):
        write_yolo(tmp_path / split, drawn)
        shutil.copytree(tmp_path / split / "images", tmp_path / "data" / split)
        shutil.copytree(tmp_path / split / "labels", tmp_path / "data" / split, dirs_exist_ok=True)
        # labelImg adds a class when it is first used
        write(tmp_path / "data" / split / name, "cat\ndog\n" + "bird\n" * (split == "test"))
    report = convert(tmp_path)
    assert all_on_objects(tmp_path)
    assert [split.images for split in report.splits.values()] == [7, 3]
    write(tmp_path / "data/test" / name, "dog\ncat\n")
    with pytest.raises(DataError, match=rf"test/{name} and train/{name}, which disagree|train/{name} and test/{name}"):
        formats.open_dataset(tmp_path / "data", "yolo")


# 48b: columns.


def _yolo_with(tmp_path, behind, config=""):
    """A dataset whose lines have more columns: those of `behind`, given the number of the line and its box."""
    write_yolo(tmp_path / "data", DRAWN)
    with open(tmp_path / "data/data.yaml", "a") as file:
        file.write(config)
    for index, path in enumerate(sorted((tmp_path / "data/labels").iterdir())):
        lines = [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
        more = [[*line, *behind(2 * index + place, *line[1:])] for place, line in enumerate(lines)]
        write(path, "\n".join(" ".join(f"{value:g}" for value in line) for line in more))


@pytest.mark.parametrize(
    ("behind", "config", "said"),
    [
        (
            lambda n, x, y, w, h: [x, y, 1, x, y, 1],
            "kpt_shape: [17, 3]\n",
            r"with kpt_shape \[17, 3\], 56 are expected",
        ),
        (lambda n, x, y, w, h: [x, y, 2, x, y, 1], "", "a box with keypoints, but data.yaml has no kpt_shape"),
        (lambda n, x, y, w, h: [x, y, x - w / 3, y], "", "a box with keypoints, but data.yaml has no kpt_shape"),
        (lambda n, x, y, w, h: [0.93 - n / 100], "", "seem to be `class cx cy w h confidence`"),
        (lambda n, x, y, w, h: [0.93 - n / 100, n % 2], "", "`class cx cy w h confidence track`"),
        (lambda n, x, y, w, h: [0.93 - n / 100, n + 1], "", "the last is a track's number"),
        (lambda n, x, y, w, h: [0.93 - n / 100, 0.5 + n / 100], "", "boxes with two more numbers"),
    ],
)
def test_48b_predictions_and_poses_are_no_outlines(tmp_path, behind, config, said):
    _yolo_with(tmp_path, behind, config)
    with pytest.raises(DataError, match=said):
        convert(tmp_path)


def test_48b_a_few_predictions_among_boxes_are_found_out(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    write(tmp_path / "data/labels/img_003.txt", "0 0.5 0.5 0.2 0.2 0.91 1\n")
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert "confidence track" in report.skipped[0].text
    assert all_on_objects(tmp_path, [picture.name for picture in DRAWN if picture.stem != "img_003"])


@pytest.mark.parametrize("corners", ["triangles", "rectangles", "both", "with boxes"])
def test_48b_outlines_stay_outlines(tmp_path, corners):
    write_yolo(tmp_path / "data", DRAWN)
    for index, picture in enumerate(DRAWN):
        lines = yolo_txt(picture).splitlines()
        for place, (name, (xmin, ymin, xmax, ymax)) in enumerate(picture.objects):
            points = [(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)]
            if corners == "triangles" or (corners == "both" and index % 3 == 0):
                points = [(xmin, ymax), ((xmin + xmax) / 2, ymin), (xmax, ymax)]
            if corners != "with boxes" or place == 0:
                values = [value / side for point in points for value, side in zip(point, picture.size, strict=True)]
                lines[place] = f"{CLASSES.index(name)} " + " ".join(f"{value:.6f}" for value in values)
        write(tmp_path / "data/labels" / f"{picture.stem}.txt", "\n".join(lines))
    assert convert(tmp_path).skipped == []
    assert all_on_objects(tmp_path)


def test_48b_poses_that_fit_are_boxes(tmp_path):
    _yolo_with(tmp_path, lambda n, x, y, w, h: [x, y, 2, 0, 0, 0], "kpt_shape: [2, 3]\n")
    assert convert(tmp_path).skipped == []
    assert all_on_objects(tmp_path)


@pytest.mark.parametrize("change", [(" ", ","), (" ", ", "), (".", ",")])
def test_commas_between_and_in_numbers(tmp_path, change):
    write_yolo(tmp_path / "data", DRAWN)
    for path in (tmp_path / "data/labels").iterdir():
        write(path, path.read_text().replace(*change))
    assert convert(tmp_path).skipped == []
    assert all_on_objects(tmp_path)


# 53b, 53c: images and texts without each other, and with several.


def test_53b_texts_without_image_are_named(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    for picture in DRAWN[:4]:
        (tmp_path / "data/images" / picture.name).unlink()
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert report.listed == 10
    assert kinds(report.skipped) == ["no image"] * 4
    assert f"{tmp_path}/data/labels/img_000.txt: no image has the name of this text" in str(report.skipped[0])
    with pytest.raises(DataError, match=r"4 of 10 images \(40\.0%\) are unusable"):
        convert(tmp_path, overwrite=True)


def test_53b_beside_texts_without_image_an_image_without_text_is_no_negative(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    (tmp_path / "data/labels/img_003.txt").rename(tmp_path / "data/labels/img_3.txt")
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert kinds(report.skipped) == ["image that may have lost its annotations", "no image"]
    assert all_on_objects(tmp_path, [picture.name for picture in DRAWN if picture.stem != "img_003"])


def test_53b_the_text_of_an_image_that_no_split_names_is_not_another_ones(tmp_path):
    for split, drawn in (("train", DRAWN[:5]), ("valid", DRAWN[5:])):
        write_yolo(tmp_path / "data" / split, drawn)
    (tmp_path / "data/train/data.yaml").unlink()
    (tmp_path / "data/valid/data.yaml").unlink()
    write(tmp_path / "data/data.yaml", "train: train/images\nnames: [cat, dog]\n")
    nothing = DRAWN[7].image.copy()
    nothing.paste((60, 160, 60), (0, 0, *nothing.size))
    nothing.save(tmp_path / "data/train/images/img_007.jpg")
    report = convert(tmp_path, max_bad_fraction=0)
    assert kinds(report.skipped) == ["in no split"] * 5
    found = check_on_objects(tmp_path / "out")
    assert found == {picture.name: 2 for picture in DRAWN[:5]} | {"img_007.jpg": 0}


def test_53c_two_images_of_one_text_are_left_out(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    DRAWN[5].save(tmp_path / "data/images/img_000.png")
    report = convert(tmp_path, max_bad_fraction=0.5)
    assert kinds(report.skipped) == ["several images for one text"] * 2
    assert "labels/img_000.txt is also the text of images/img_000.png; remove one of them" in report.skipped[0].text
    assert all_on_objects(tmp_path, [picture.name for picture in DRAWN[1:]])


def test_53c_a_phones_heic_beside_its_jpg_is_passed_over(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    for picture in DRAWN:
        (tmp_path / "data/images" / f"{picture.stem}.HEIC").write_bytes(b"heic")
    report = convert(tmp_path)
    assert kinds(report.skipped) == ["several images for one text"] * 10
    assert all_on_objects(tmp_path)


def test_53c_one_picture_in_two_files_counts_once(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    for picture in DRAWN:
        picture.save(tmp_path / "data/images" / f"{picture.stem}.png")
    report = convert(tmp_path)
    assert len(report.skipped) == 10
    assert "that image is used" in report.skipped[0].text
    assert all_on_objects(tmp_path)


def test_texts_in_another_order_of_folders_are_no_negatives(tmp_path):
    """images/a/1.jpg and labels/1.txt: if no text is in its usual place, the name is enough."""
    write_yolo(tmp_path / "data", DRAWN)
    shutil.move(tmp_path / "data/images", tmp_path / "data/a")
    shutil.move(tmp_path / "data/a", tmp_path / "data/images/a")
    assert convert(tmp_path).written == 10
    assert all_on_objects(tmp_path, ALL_FOUND)
    (tmp_path / "data/labels/a").mkdir()
    for picture in DRAWN[2:]:
        (tmp_path / f"data/labels/{picture.stem}.txt").rename(tmp_path / f"data/labels/a/{picture.stem}.txt")
    report = convert(tmp_path, overwrite=True, max_bad_fraction=0.5)
    assert kinds(report.skipped) == ["text in an unusual place"] * 2
    assert all_on_objects(tmp_path, [picture.name for picture in DRAWN[2:]])


# 86: UTF-16.


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("format", WRITERS)
def test_86_annotations_in_utf16(tmp_path, format, encoding):
    WRITERS[format](tmp_path / "data", DRAWN)
    texts = [
        path for path in (tmp_path / "data").rglob("*") if path.suffix in (".xml", ".json", ".txt", ".yaml", ".csv")
    ]
    for path in texts:
        declared = '<?xml version="1.0" encoding="utf-8"?>\n' if path.suffix == ".xml" else ""
        path.write_bytes((declared + path.read_text(encoding="utf-8")).encode(encoding))
    report = convert(tmp_path)
    assert (report.format, report.problems, report.skipped) == (format, [], [])
    assert all_on_objects(tmp_path)


# 92: folders as splits.


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train_{}", "test_{}"),
        ("train-{}", "val-{}"),
        ("Train{}", "Test{}"),
        ("train{}", "test{}"),
        ("trains/{}", "tests/{}"),
        ("pets/train_{}", "pets/test_{}"),
        ("pets_train/{}", "pets_test/{}"),
    ],
)
def test_92_folders_are_splits_by_their_words(tmp_path, train, test):
    for folder, drawn in ((train, DRAWN[:7]), (test, DRAWN[7:])):
        write_voc(tmp_path / "both", drawn)
        for kind, suffix in (("images", "jpg"), ("annotations", "xml")):
            place = tmp_path / "data" / folder.format(kind)
            place.mkdir(parents=True)
            for picture in drawn:
                shutil.move(tmp_path / f"both/{picture.stem}.{suffix}", place)
    report = convert(tmp_path)
    assert all_on_objects(tmp_path)
    assert [split.images for split in report.splits.values()] == [7, 3]
    assert report.problems == []


def test_92_a_word_that_means_more_is_no_split_and_said(tmp_path):
    for folder, drawn in (("training_dogs", DRAWN[:7]), ("cats", DRAWN[7:])):
        write_voc(tmp_path / "data" / folder, drawn)
    report = convert(tmp_path)
    assert report.split_source.startswith("by class")
    assert kinds(report.problems) == ["folders not used as splits"]
    assert (
        "training_dogs may be splits, but not all folders here are named after a split (cats, training_dogs)"
        in report.problems[0].text
    )


# A linked folder.


@pytest.mark.parametrize("format", ["coco", "yolo", "csv"])
def test_a_linked_folder_is_read_and_said(tmp_path, format):
    WRITERS[format](tmp_path / "disk", DRAWN)
    shutil.copytree(tmp_path / "disk", tmp_path / "data", ignore=shutil.ignore_patterns("images"))
    (tmp_path / "data/images").symlink_to(tmp_path / "disk/images")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    report = make_tfrecords(tmp_path / "link", tmp_path / "out")
    assert all_on_objects(tmp_path)
    assert kinds(report.problems) == ["linked folder"]
    assert f"it is a link to {tmp_path / 'disk/images'}, whose files are read" in report.problems[0].text


def test_a_link_to_no_folder_is_said_where_images_are_missing(tmp_path):
    write_coco(tmp_path / "data", DRAWN)
    shutil.rmtree(tmp_path / "data/images")
    (tmp_path / "data/images").symlink_to(tmp_path / "unmounted/images")
    with pytest.raises(DataError, match=r"has no images .*data/images: it is a link to .*unmounted/images, and is not"):
        make_tfrecords(tmp_path / "data", tmp_path / "out", format="coco")


@pytest.mark.parametrize(
    "written",
    ["/content/VOC/JPEGImages/{name}\r", "C:\\voc\\JPEGImages\\{name}", "Annotations/{stem}.xml", "{stem}.png"],
)
def test_lists_of_voc_may_have_paths_and_suffixes(tmp_path, written):
    drawn, voc = pictures(6), tmp_path / "data"
    for picture in drawn:
        picture.save(voc / "JPEGImages" / picture.name)
        write(voc / "Annotations" / f"{picture.stem}.xml", voc_xml(picture))
    for split, part in {"train": drawn[:4], "val": drawn[4:]}.items():
        lines = [written.format(name=picture.name, stem=picture.stem) for picture in part]
        write(voc / "ImageSets" / "Main" / f"{split}.txt", "\n".join(lines))
    report = make_tfrecords(voc, tmp_path / "out")
    assert {split: found.images for split, found in report.splits.items()} == {"train": 4, "val": 2}
    assert len(check_on_objects(tmp_path / "out")) == 6


# Tables of boxes as tools write them, without a header or with another one


def _xywh(box):
    xmin, ymin, xmax, ymax = box
    return xmin, ymin, xmax - xmin, ymax - ymin


def _center(box):
    x, y, width, height = _xywh(box)
    return x + width / 2, y + height / 2, width, height


def _shares(picture, box):
    return [side / by for side, by in zip(box, picture.size * 2, strict=True)]


_TABLES = {
    "keras-retinanet": ("", lambda each, name, box: [f"/data/{each.name}", *box, name]),
    "Make Sense": ("", lambda each, name, box: [name, *_xywh(box), each.name, *each.size]),
    "TFOD's rows alone": ("", lambda each, name, box: [each.name, *each.size, name, *box]),
    "AutoML": ("", lambda each, name, box: ["UNASSIGNED", f"gs://bucket/{each.name}", name, *_shares(each, box)[:2],
                                            "", "", *_shares(each, box)[2:], "", ""]),
    "Make Sense's newer": ("label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
                           lambda each, name, box: [name, *_xywh(box), each.name, *each.size]),
    "x, y, w, h": ("image,label,x,y,w,h", lambda each, name, box: [each.name, name, *_xywh(box)]),
    "x, y, width, height": ("image,label,x,y,width,height", lambda each, name, box: [each.name, name, *_xywh(box)]),
    "centers": ("image,class,x_center,y_center,width,height",
                lambda each, name, box: [each.name, name, *_center(box)]),
}  # fmt: skip


@pytest.mark.parametrize("tool", _TABLES)
@pytest.mark.parametrize("line_end", ["\n", "\r"])
def test_tables_of_other_columns_are_read(tmp_path, tool, line_end):
    header, row = _TABLES[tool]
    write_csv(tmp_path / "data", DRAWN)
    rows = [",".join(map(str, row(each, name, box))) for each in DRAWN for name, box in each.objects]
    text = line_end.join([*filter(None, [header]), *rows, ""])
    (tmp_path / "data" / "annotations.csv").write_bytes(text.encode())
    report = convert(tmp_path)
    all_on_objects(tmp_path)
    assert ("table without a header" in kinds(report.problems)) == (not header)


def test_rows_without_a_header_beside_other_annotations_are_no_second_format(tmp_path):
    write_voc(tmp_path / "data", DRAWN)
    rows = [[each.name, *box, name] for each in DRAWN for name, box in each.objects]
    write_rows(tmp_path / "data" / "train.csv", rows)
    assert convert(tmp_path).format == "voc"
    all_on_objects(tmp_path)


def test_a_table_whose_sides_are_corners_after_all_is_refused(tmp_path):
    write_csv(tmp_path / "data", DRAWN)
    rows = [[each.name, name, *box] for each in DRAWN for name, box in each.objects]
    write_rows(tmp_path / "data" / "annotations.csv", [["image", "label", "x", "y", "w", "h"], *rows])
    with pytest.raises(DataError, match=r"They fit as two corners \(boxes: xyxy\)"):
        convert(tmp_path)


# Texts and pictures that are called otherwise, and folders that are of no format: why


def test_texts_may_have_the_suffix_of_their_image_too(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    for number, picture in enumerate(DRAWN):
        text = tmp_path / "data" / "labels" / f"{picture.stem}.txt"
        if number % 2:
            text.rename(text.with_name(f"{picture.name}.txt"))
    assert convert(tmp_path).problems == []
    all_on_objects(tmp_path)


def _renamed(folder, suffix):
    write_yolo(folder, DRAWN)
    for path in (folder / "images").iterdir():
        path.rename(path.with_suffix(suffix))


def _with_texts(line, name="labels/{stem}.txt"):
    def make(folder):
        for each in DRAWN:
            each.save(folder / "images" / each.name)
            write(folder / name.format(stem=each.stem), line)

    return make


def _with_file(name, text):
    def make(folder):
        DRAWN[0].save(folder / "images" / DRAWN[0].name)
        write(folder / name, text)

    return make


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda folder: _renamed(folder, ".psd"), r"10 files, as images/img_000\.psd, .* with the suffix \.psd"),
        (lambda folder: _renamed(folder, ""), "without a suffix, which odtk does not read as images"),
        (_with_texts("0 0.5 0.5 0.2 0.2\n"), r"labels/img_000\.txt looks like .*no data\.yaml.* names its classes"),
        (_with_texts("0 .5 .5 .2 .2\n", "labels/x_{stem}.txt"), "no image has its name"),
        (
            _with_file("a.csv", "image,where\nimg_000.jpg,3\n"),
            r"the first line of a\.csv, 'image,where', has no columns",
        ),
        (_with_file("a.json", "[1, 2]"), r"a\.json has no object with COCO.s lists"),
        (lambda folder: DRAWN[0].save(folder / "a.jpg"), "format: it has images but no annotations"),
        (_with_texts("cat 0.00 0 0.1 1.0 2.0 30.0 40.0 1 1 1 1 1 1 0.1\n"), r"img_000\.txt is in the format of KITTI"),
        (_with_texts("gsd:0.1\n1 1 9 1 9 9 1 9 plane 0\n"), r"img_000\.txt is in the format of DOTA"),
        (
            _with_file("train.txt", "images/img_000.jpg 1,2,30,40,0 3,4,50,60,1\n"),
            r"train\.txt is in the format of keras-yolo3",
        ),
        (
            _with_file("out.manifest", '{"source-ref": "s3://b/img_000.jpg"}\n'),
            "is in the format of Amazon SageMaker Ground Truth",
        ),
        (_with_file("samples.json", '{"samples": [{"filepath": "img_000.jpg"}]}'), "is in the format of FiftyOne"),
    ],
)
def test_why_a_folder_is_of_no_format_comes_first(tmp_path, make, cause):
    make(tmp_path / "data")
    with pytest.raises(DataError) as error:
        convert(tmp_path)
    assert re.search(cause, str(error.value).split("Expected was one of")[0])


# YOLO: classes and names


def _edit_texts(folder, edit):
    write_yolo(folder, DRAWN)
    for picture in DRAWN:
        text = folder / "labels" / f"{picture.stem}.txt"
        write(text, "".join(f"{edit(line)}\n" for line in text.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize(
    "edit",
    [lambda line: CLASSES[int(line[0])] + line[1:], lambda line: line.replace(" ", ";")],
    ids=["name", "semicolon"],
)
def test_lines_may_name_their_class_and_be_set_apart_by_semicolons(tmp_path, edit):
    _edit_texts(tmp_path / "data", edit)
    assert convert(tmp_path).problems == []
    all_on_objects(tmp_path)


def test_what_a_second_file_of_names_says_otherwise_is_said(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    write(tmp_path / "data" / "custom.yaml", "train: images\nval: images\nnames: [dog, cat]\n")
    write(tmp_path / "data" / "hyp.yaml", "names: 3\n")
    (problem,) = convert(tmp_path).problems
    assert (problem.kind, "custom.yaml" in problem.file) == ("class names disagree", True)
    assert problem.text == "class 0 is 'dog' here, but 'cat' in data.yaml, which is used."


def test_one_name_of_two_ids_is_said(tmp_path):
    write_yolo(tmp_path / "data", DRAWN)
    write(tmp_path / "data" / "data.yaml", "train: images\nval: images\nnames: [pet, pet]\n")
    (problem,) = convert(tmp_path).problems
    assert problem.text == "the ids 0 and 1 are both 'pet': they are read as one class."


@pytest.mark.parametrize("last", ["val", "UNASSIGNED"])
def test_a_column_of_splits_counts_where_it_names_one_for_each_image(tmp_path, last):
    write_csv(tmp_path / "data", DRAWN)
    splits = ["TRAIN"] * 7 + ["VALIDATION"] * 2 + [last]
    rows = [
        [each.name, name, *box, split] for each, split in zip(DRAWN, splits, strict=True) for name, box in each.objects
    ]
    header = ["image", "class", "xmin", "ymin", "xmax", "ymax", "split"]
    write_rows(tmp_path / "data" / "annotations.csv", [header, *rows])
    report = convert(tmp_path)
    assert report.split_source.startswith("the dataset's own") == (last == "val")
    assert {split: found.images for split, found in report.splits.items()} == {"train": 7, "val": 3}
    all_on_objects(tmp_path)
