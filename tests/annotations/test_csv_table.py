import pytest
from drawn_formats import Drawing, touch

from odtk.annotations import formats
from odtk.annotations.annotated_image import UnusableImage
from odtk.errors import DataError

TUTORIAL = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def write(tmp_path):
    def write_table(text, name="labels.csv", images=("images/1.jpg", "images/2.jpg"), encoding="utf-8"):
        for image in images:
            touch(tmp_path / image, Drawing(image, 9, 8))
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding=encoding, newline="")
        return tmp_path

    return write_table


def _read(folder, index=0):
    dataset = formats.open_dataset(folder, "csv")
    return dataset.read(dataset.listed[index])


@pytest.mark.parametrize(
    "text",
    [
        TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n",
        TUTORIAL.replace(",", ";") + "1.jpg;9;8;cat;1;2;3;4\r\n",
        TUTORIAL.replace("\n", "\r") + "1.jpg,9,8,cat,1,2,3,4\r",  # Excel's "CSV (Macintosh)"
        "\ufeffimage\txmin\tymin\txmax\tymax\tlabel\n1.jpg\t1\t2\t3\t4\tcat\n",
        '"Image Name","X1","Y1","X2","Y2","Class-Name","score"\n"1.jpg","1","2","3.0","4","cat","1"\n',
        "label,x_max,y_max,x_min,y_min,path\r\ncat,3,4,1,2,images\\1.jpg\r\n\r\n",
        "\n" + TUTORIAL + ",,,,,,,\n1.jpg , 9, 8, cat , 1, 2, 3, 4\n",
        "sep=;\r\n" + TUTORIAL.replace(",", ";") + "1.jpg;9;8;cat;1,0;2;3;4\r\n",
        "ImageID,LabelName,XMin,XMax,YMin,YMax\n1,cat,1,3,2,4\n",
    ],
)
def test_the_header_says_what_is_where(write, text):
    annotation = _read(write(text))
    assert [(found.class_name, found.box) for found in annotation.objects] == [("cat", (2, 1, 4, 3))]
    assert annotation.stated_size == ((9, 8) if "width" in text else None)
    assert (annotation.filename, annotation.problems) == ("1.jpg", ())


def test_a_class_without_a_box_is_an_object_that_is_missing(write):
    rows = "1.jpg,9,8,cat,1,2,3,4\n1.jpg,9,8,cat,,,,\n2.jpg,9,8,No finding,,,,\n"
    folder = write(TUTORIAL + rows)
    with pytest.raises(UnusableImage, match=r"labels\.csv:3: the row has the class 'cat' but no box"):
        _read(folder, 0)
    assert _read(folder, 1).objects == ()
    (problem,) = formats.open_dataset(folder).problems
    assert (problem.kind, problem.line) == ("class without boxes", 4)
    assert "'No finding' has a box, so its rows are read as images without objects" in problem.text


def test_rows_of_an_image_need_not_be_together(write):
    folder = write(TUTORIAL + '1.jpg,9,8,cat,1,2,3,4\n2.jpg,9,8,"a, ""b""",1,2,3,4\n1.jpg,9,8,dog,0,0,9,8\n')
    assert [(found.class_name, found.line) for found in _read(folder, 0).objects] == [("cat", 2), ("dog", 4)]
    assert [found.class_name for found in _read(folder, 1).objects] == ['a, "b"']


def test_an_empty_box_is_a_negative_and_no_row_is_none(write):
    folder = write(TUTORIAL + "1.jpg,9,8,,,,,\n")
    assert (_read(folder, 0).objects, _read(folder, 0).stated_size) == ((), (9, 8))
    with pytest.raises(UnusableImage, match=r"2\.jpg: it is in no row. .* without a box") as caught:
        _read(folder, 1)
    assert (caught.value.problem.kind, caught.value.is_bad) == ("image without a row", False)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1.jpg,9,8,cat,1,2,3,", "ymax.csv:3: xmax"),
        ("1.jpg,9,8,cat,1,2,,4", "labels.csv:3: xmax is '', not a number. All four are needed"),
        ("1.jpg,9,8,cat,1,2,wide,4", "xmax is 'wide', not a number"),
        ('1.jpg,9,8,cat,1,2,"3,5",4', "xmax is '3,5', not a number"),
        ("1.jpg,9,8,cat,1,2,inf,4", "xmax is 'inf'"),
        ("1.jpg,9,8,,1,2,3,4", "the row has a box but no class"),
        ("1.jpg,9,8,cat,1", "ymin is ''"),
    ],
)
def test_a_bad_row_is_named_with_its_line(write, row, complaint):
    folder = write(TUTORIAL + f"1.jpg,9,8,cat,1,2,3,4\n{row}\n2.jpg,9,8,cat,1,2,3,4\n")
    complaint = "ymax is ''" if row.endswith("3,") else complaint
    with pytest.raises(UnusableImage, match=complaint) as caught:
        _read(folder, 0)
    assert (caught.value.problem.line, caught.value.problem.kind) == (3, "row cannot be read")
    assert len(_read(folder, 1).objects) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TUTORIAL + ",9,8,cat,1,2,3,4\n", r"labels\.csv:2: the row .* names no image"),
        (TUTORIAL + '"1.jpg,9,8\n' + "x" * 200_000, r"labels\.csv:\d+: the row cannot be read: field larger"),
        ("1.jpg,9,8,cat,1,2,3\n", r"has no \*\.csv or \*\.tsv with a header like filename,width,height,class,xmin"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(write, text, complaint):
    with pytest.raises(DataError, match=complaint):
        formats.open_dataset(write(text), "csv")


def test_another_encoding_is_named(write):
    text = TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n2.jpg,9,8,Tür,1,2,3,4\n"
    with pytest.raises(DataError, match=r"labels\.csv:3: byte 0xfc is not UTF-8. Save the file as UTF-8"):
        formats.open_dataset(write(text, encoding="cp1252"))


def test_images_that_are_not_there_are_named_once(write):
    folder = write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n" + "absent.jpg,9,8,cat,1,2,3,4\n" * 2)
    dataset = formats.open_dataset(folder)
    assert [listed.key for listed in dataset.listed] == ["images/1.jpg", "images/2.jpg", "labels.csv#absent.jpg"]
    with pytest.raises(UnusableImage, match=r"labels\.csv:3: the row names 'absent\.jpg': there is no such image"):
        dataset.read(dataset.listed[2])


def test_rows_that_disagree_about_the_size_are_named(write):
    annotation = _read(write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n1.jpg,8,9,cat,1,2,3,4\n"))
    assert (annotation.stated_size, annotation.size_line) == ((9, 8), 2)
    assert [(problem.kind, problem.line) for problem in annotation.problems] == [("rows disagree about the size", 3)]


@pytest.mark.parametrize(
    ("tables", "images"),
    [
        (("train_labels.csv", "test_labels.csv"), ("train/1.jpg", "test/1.jpg")),
        (("data/train_labels.csv", "data/test_labels.csv"), ("images/train/1.jpg", "images/test/1.jpg")),
        (("train/_annotations.csv", "test/_annotations.csv"), ("train/1.jpg", "test/1.jpg")),
    ],
)
def test_tables_are_splits_and_find_their_images(write, tables, images):
    for table, image in zip(tables, images, strict=True):
        folder = write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n", table, [image])
    write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n", "all_labels.csv", ())
    if tables[0].endswith("_annotations.csv"):
        (folder / "all_labels.csv").unlink()
    dataset = formats.open_dataset(folder)
    assert sorted((listed.key, listed.split) for listed in dataset.listed) == sorted(
        zip(images, ("train", "test"), strict=True)
    )
    aside = [problem.kind for problem in dataset.problems]
    assert aside == ([] if tables[0].endswith("_annotations.csv") else ["table ignored"])
    assert {dataset.read(listed).filename for listed in dataset.listed} == {"1.jpg"}


def test_an_image_in_two_tables_is_in_one_split_and_named(write):
    write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n2.jpg,9,8,cat,1,2,3,4\n", "test_labels.csv")
    dataset = formats.open_dataset(write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n", "train_labels.csv"))
    assert [(listed.key, listed.split) for listed in dataset.listed] == [
        ("images/1.jpg", "train"),
        ("images/2.jpg", "test"),
        ("test_labels.csv#1.jpg", "test"),
    ]
    with pytest.raises(
        UnusableImage, match=r"for images/1.jpg, which has rows in train_labels.csv too. Put all of them in one"
    ):
        dataset.read(dataset.listed[2])


def test_tables_of_no_split_are_one_data_set(write):
    write(TUTORIAL + "1.jpg,9,8,cat,1,2,3,4\n", "a.csv")
    folder = write(TUTORIAL + "2.jpg,9,8,dog,1,2,3,4\n", "b.csv")
    assert [_read(folder, index).objects[0].class_name for index in range(2)] == ["cat", "dog"]
    assert _read(folder, 1).annotation_path == str(folder / "b.csv")
