from pathlib import Path

import pytest
from drawn_formats import Drawing, touch, voc_xml_of, write_voc, write_voc_side_by_side

from odtk.annotations import formats
from odtk.annotations.annotated_image import UnusableImage
from odtk.errors import DataError

ONE = Drawing("1.jpg", 9, 8, (("zebra", (1, 2, 3, 4)),))


def _images(*names):
    return [Drawing(f"{name}.jpg", 9, 8, ONE.objects) for name in names]


def _splits(folder):
    return {listed.key: listed.split for listed in formats.open_dataset(folder, "voc").listed}


def _problem(folder, key):
    dataset = formats.open_dataset(folder, "voc")
    with pytest.raises(UnusableImage) as caught:
        dataset.read(next(listed for listed in dataset.listed if listed.key == key))
    return caught.value


def _lists(folder: Path, **lists):
    for name, text in lists.items():
        path = folder / "ImageSets" / "Main" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_attributes_and_lines_are_read_and_nothing_is_shifted(tmp_path):
    write_voc(tmp_path, [ONE], touch)
    (tmp_path / "Annotations/1.xml").write_text(
        "<annotation><filename>1.jpg</filename>\n<size><width>9</width><height>8</height></size>\n<object>\n"
        "<name> zebra </name><pose>Rear</pose><truncated>1</truncated><difficult>1</difficult>\n"
        "<bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"
    )
    dataset = formats.open_dataset(tmp_path)
    annotation = dataset.read(dataset.listed[0])
    (found,) = annotation.objects
    assert (found.class_name, found.box, found.line) == ("zebra", (2.5, 1, 8, 9), 5)
    assert (found.pose, found.truncated, found.difficult) == ("Rear", 1, True)
    assert (annotation.stated_size, annotation.size_line) == ((9, 8), 2)
    assert annotation.annotation_path == str(tmp_path / "Annotations/1.xml")


@pytest.mark.parametrize(
    "size", ["", "<size/>", "<size><width>0</width><height>0</height></size>", "<size><width>9</width></size>"]
)
def test_a_missing_size_is_no_size(tmp_path, size):
    write_voc(tmp_path, [ONE], touch)
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
    entry = f"<object><name>a</name><pose/><truncated></truncated>{box}</object>"
    (tmp_path / "Annotations/1.xml").write_text(f"<annotation>{size}{entry}</annotation>")
    dataset = formats.open_dataset(tmp_path)
    annotation = dataset.read(dataset.listed[0])
    assert (annotation.stated_size, annotation.problems, annotation.objects[0].pose) == (None, (), "Unspecified")


@pytest.mark.parametrize(
    ("filename", "complaint"),
    [
        ("1.jpg", None),
        ("folder/1.jpg", None),
        ("C:\\photos\\1.JPG", None),
        ("", None),
        ("1", "<filename> is '1', which lacks the suffix; 1.jpg is used."),
        ("2.jpg", "<filename> is '2.jpg', which names another file; 1.jpg is used."),
        ("../../2.jpg", "<filename> is '2.jpg', which names another file; 1.jpg is used."),
    ],
)
def test_an_xml_is_for_the_image_of_its_name(tmp_path, filename, complaint):
    write_voc(tmp_path, _images("1", "2"), touch)
    (tmp_path / "Annotations/1.xml").write_text(voc_xml_of(ONE, filename))
    dataset = formats.open_dataset(tmp_path)
    annotation = dataset.read(dataset.listed[0])
    assert annotation.image_path == str(tmp_path / "JPEGImages/1.jpg")
    assert [problem.text for problem in annotation.problems] == ([complaint] if complaint else [])
    if complaint:
        assert str(annotation.problems[0]).startswith(f"{tmp_path}/Annotations/1.xml:3: ")


def test_the_filename_counts_where_no_image_has_the_name(tmp_path):
    write_voc(tmp_path, _images("a", "b"), touch)
    for name, filename in (("a", "c d"), ("b", "absent"), ("9", "c d")):
        (tmp_path / f"Annotations/{name}.xml").write_text(voc_xml_of(ONE, f"{filename}.jpg"))
    (tmp_path / "JPEGImages/a.jpg").rename(tmp_path / "JPEGImages/c d.jpg")
    (tmp_path / "JPEGImages/b.jpg").unlink()
    dataset = formats.open_dataset(tmp_path)
    assert [listed.key for listed in dataset.listed] == ["Annotations/a.xml", "Annotations/b.xml", "JPEGImages/c d.jpg"]
    assert dataset.read(dataset.listed[2]).annotation_path.endswith("9.xml")
    assert "Annotations/9.xml is also for JPEGImages/c d.jpg" in str(_problem(tmp_path, "Annotations/a.xml"))
    problem = _problem(tmp_path, "Annotations/b.xml").problem
    assert (problem.kind, problem.line) == ("no image", 3)
    assert "<filename> is 'absent.jpg': there is no such image" in problem.text


def test_of_two_images_of_a_name_the_xml_chooses(tmp_path):
    write_voc_side_by_side(tmp_path, [Drawing("1.png", 9, 8, ONE.objects)], touch)
    touch(tmp_path / "1.jpg", ONE)
    dataset = formats.open_dataset(tmp_path)
    assert dataset.read(dataset.listed[1]).image_path.endswith("1.png")
    assert _problem(tmp_path, "1.jpg").problem.kind == "image without xml"


def test_an_image_without_xml_is_unannotated_and_no_negative(tmp_path):
    write_voc_side_by_side(tmp_path, [ONE], touch)
    touch(tmp_path / "2.jpg", ONE)
    error = _problem(tmp_path, "2.jpg")
    assert (error.problem.kind, error.is_bad) == ("image without xml", False)
    assert "also needs one, without <object>" in error.problem.text


def test_the_lists_of_image_sets_are_the_splits_and_the_data_set(tmp_path):
    write_voc(tmp_path, _images("a b", "c", "c 1", "d", "e", "sub/f"), touch)
    touch(tmp_path / "JPEGImages/unannotated.jpg", ONE)
    touch(tmp_path / "JPEGImages/wanted.jpg", ONE)
    _lists(
        tmp_path,
        train="a b\nsub/f\nc 1  1\n\n",
        val="c  1\nwanted\n",
        test="d.jpg\n",
        trainval="a b\nc\n",
        cat_train="e 1",
    )
    assert _splits(tmp_path) == {
        "JPEGImages/a b.jpg": "train",
        "JPEGImages/c.jpg": "val",
        "JPEGImages/c 1.jpg": "train",
        "JPEGImages/d.jpg": "test",
        "JPEGImages/e.jpg": None,
        "JPEGImages/sub/f.jpg": "train",
        "wanted": "val",
    }
    error = _problem(tmp_path, "JPEGImages/e.jpg")
    assert (error.problem.kind, error.is_bad) == ("in no list", False)
    error = _problem(tmp_path, "wanted")
    assert (error.problem.kind, error.is_bad) == ("no xml", True)
    assert "it is listed in ImageSets/Main/val.txt, but there is no Annotations/wanted.xml" in error.problem.text


@pytest.mark.parametrize(("others", "split"), [({}, None), ({"test": "b"}, "train"), ({"val": "b"}, "train")])
def test_trainval_is_train_where_there_is_something_else(tmp_path, others, split):
    write_voc(tmp_path, _images("a", "b"), touch)
    _lists(tmp_path, trainval="a\nb\n" if not others else "a\n", **others)
    assert _splits(tmp_path)["JPEGImages/a.jpg"] == split


def test_an_image_in_two_lists_is_in_one_split_and_named(tmp_path):
    write_voc(tmp_path, _images("a", "b"), touch)
    _lists(tmp_path, train="a\n", val="a\nb\n")
    dataset = formats.open_dataset(tmp_path)
    assert _splits(tmp_path) == {"JPEGImages/a.jpg": "train", "JPEGImages/b.jpg": "val"}
    (problem,) = dataset.read(dataset.listed[0]).problems
    assert str(problem) == (
        f"{tmp_path}/JPEGImages/a.jpg: train.txt and val.txt in ImageSets/Main/ list it; it is used for train."
    )


def test_a_vocdevkit_has_several_years(tmp_path):
    for year in ("VOC2007", "VOC2012"):
        write_voc(tmp_path / year, _images("a", "b"), touch)
        _lists(tmp_path / year, train="a\n", val="b\n")
    assert _splits(tmp_path) == {
        f"{year}/JPEGImages/{name}.jpg": split
        for year in ("VOC2007", "VOC2012")
        for name, split in (("a", "train"), ("b", "val"))
    }


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("<name>zebra</name>", "", r"1\.xml:15: the <object> of this <bndbox> has no <name>"),
        (">4<", ">nan<", r"1\.xml:\d+: the box .*nan.* is not finite"),
        (">4<", ">four<", r"<xmax> is 'four', not a number"),
        ("annotation>", "dataset>", "root is <dataset>, not the <annotation> of Pascal VOC"),
        ("</object>", "", "not well-formed"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, complaint):
    write_voc(tmp_path, [ONE], touch)
    path = tmp_path / "Annotations/1.xml"
    path.write_text(path.read_text().replace(old, new))
    dataset = formats.open_dataset(tmp_path, "voc")
    with pytest.raises(UnusableImage, match=complaint):
        dataset.read(dataset.listed[0])


def test_a_list_that_is_no_text_is_an_error(tmp_path):
    write_voc(tmp_path, [ONE], touch)
    _lists(tmp_path, train="")
    (tmp_path / "ImageSets/Main/train.txt").write_bytes(b"1\nB\xe4r\n")
    with pytest.raises(DataError, match=r"train\.txt:2: byte 0xe4 is not UTF-8. Save the file as UTF-8"):
        formats.open_dataset(tmp_path)


def test_xml_of_other_programs_beside_the_data_does_no_harm(tmp_path):
    write_voc(tmp_path, [ONE], touch)
    (tmp_path / "pom.xml").write_text("<project/>")
    dataset = formats.open_dataset(tmp_path, "voc")
    assert [listed.key for listed in dataset.listed] == ["JPEGImages/1.jpg", "pom.xml"]
    with pytest.raises(UnusableImage, match="the root is <project>") as caught:
        dataset.read(dataset.listed[1])
    assert not caught.value.is_bad
