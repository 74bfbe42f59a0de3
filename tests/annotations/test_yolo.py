import os

import pytest
from drawn_formats import CLASSES, Drawing, touch, write_yolo, yolo_txt_of

from odtk.annotations import formats
from odtk.annotations.annotated_image import UnusableImage
from odtk.errors import DataError

ONE = Drawing("1.jpg", 10, 8, (("zebra", (1, 2, 3, 4)),))
TWO = Drawing("2.jpg", 10, 8, (("Bengal cat", (1, 2, 3, 4)), ("zebra", (0, 0, 8, 10))))


def _put(folder, places, image=ONE, labels=None):
    """The image at each place below images/ (or `labels`'s place), with its text in labels/."""
    for place in places:
        touch(folder / place / image.name, image)
        text = folder / (labels or place.replace("images", "labels")) / f"{image.stem}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(yolo_txt_of(image))


def _config(folder, text):
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def _splits(folder):
    return {listed.key: listed.split for listed in formats.open_dataset(folder, "yolo").listed}


def _read(folder, index=0):
    dataset = formats.open_dataset(folder, "yolo")
    return dataset.read(dataset.listed[index])


NAMES = "names: [zebra, Bengal cat, 'Tür_ä']\n"


def test_ids_count_from_0_and_a_missing_text_is_a_negative(tmp_path):
    write_yolo(tmp_path, [TWO, Drawing("3.jpg", 1, 1)], touch)
    two, three = _read(tmp_path, 0), _read(tmp_path, 1)
    assert [(found.class_name, found.line) for found in two.objects] == [("Bengal cat", 1), ("zebra", 2)]
    assert two.objects[0].box == pytest.approx((1 / 8, 0.2, 3 / 8, 0.4))
    assert two.normalised
    assert two.annotation_path == str(tmp_path / "labels/2.txt")
    assert (three.objects, three.annotation_path, three.problems) == ((), None, ())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("names: [a, no, 007, 2024-01-01]", ("a", "no", "007", "2024-01-01")),
        ("names: {0: a, 2: c, 1: on}", ("a", "on", "c")),
        ("names:\n- a\n- ~\n- 'b: c'", ("a", "~", "b: c")),
    ],
)
def test_names_are_what_is_written(tmp_path, names, found):
    _put(tmp_path, ["images"])
    _config(tmp_path, f"train: images\n{names}\n")
    assert formats.open_dataset(tmp_path).class_names == found


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("train: images\n", r"data\.yaml: names is None; a list of class names is expected, or `0: cat` lines"),
        ("train: images\nnames: []", "names is"),
        ("train: images\nnames: {a: 1}", "names has 'a': '1'; a whole number and a name are expected"),
        ("train: images\nnames: [a, [b]]", r"names has 1: \['b'\]"),
        (f"train: images\nnc: 4\n{NAMES}", "nc is '4', but there are 3 names"),
        ("train: images\nnames: [a\nval: b", r"data\.yaml:3: it is not valid YAML"),
        ("- a", r"holds \['a'\]; `train:`, `val:` and `names:` are expected"),
        (f"train: [[2]]\n{NAMES}", "train is .*; a folder or a list file is expected"),
        (
            f"train: absent\n{NAMES}",
            r"train is 'absent', which is neither a folder with images nor a list in .*Write it relative to ",
        ),
        (f"train: /etc\n{NAMES}", "train is '/etc', which is neither"),
        (f"train: ../../x\n{NAMES}", "train is '../../x', which is neither"),
        (f"train: images\nkpt_shape: [17]\n{NAMES}", r"kpt_shape is \['17'\]; the number of keypoints and 2 or 3"),
        (f"train: images\nkpt_shape: 17x3\n{NAMES}", "kpt_shape is '17x3'; the number of keypoints"),
        (f"train: images\nval: data.yaml\n{NAMES}", None),
    ],
)
def test_a_config_that_cannot_be_meant_is_an_error(tmp_path, config, complaint):
    _put(tmp_path, ["images"])
    _config(tmp_path, config)
    if complaint:
        with pytest.raises(DataError, match=complaint):
            formats.open_dataset(tmp_path, "yolo")
    else:
        assert {listed.split for listed in formats.open_dataset(tmp_path).listed} == {"train", "val"}


@pytest.mark.parametrize(
    ("places", "config"),
    [
        (("images/train", "images/val"), "train: images/train\nval: images/val\n"),
        (("train/images", "valid/images"), "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"),
        (("train/images", "valid/images"), "path: ../datasets/cats\ntrain: train\nvalid: [valid]\n"),
        (("data/images/a", "data/images/b"), "path: data\ntrain: images/a\nval: ./images/b/\ntest:\n"),
        (("a/images", "b/images"), "path: {folder}\ntrain: a\nval: '{folder}/b'\n"),
        (("images/train", "images/val"), ""),
    ],
)
def test_splits_are_folders_where_exports_put_them(tmp_path, places, config):
    _put(tmp_path, places)
    _config(tmp_path, config.format(folder=os.path.realpath(tmp_path)) + NAMES)
    expected = dict(zip((f"{place}/1.jpg" for place in places), ("train", "val"), strict=True))
    assert _splits(tmp_path) == expected
    assert all(len(_read(tmp_path, index).objects) == 1 for index in range(2))


def test_what_is_not_there_or_elsewhere_is_a_problem_of_the_data_set(tmp_path):
    _put(tmp_path, ["train/images"])
    _config(tmp_path, f"path: /content/cats\ntrain: train\ntest: ../test/images\n{NAMES}")
    assert [(problem.kind, problem.file) for problem in formats.open_dataset(tmp_path).problems] == [
        ("path is elsewhere", str(tmp_path / "data.yaml")),
        ("split does not exist", str(tmp_path / "data.yaml")),
    ]


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("path: !!python/object/apply:os.getcwd []", ["YAML tag ignored"]),
        ("author: !me Tom", ["YAML tag ignored"]),
        ("year: !!int 2024", []),
        ("license: !!str no", []),
    ],
)
def test_tags_that_mean_something_elsewhere_are_dropped_and_said(tmp_path, line, kinds):
    _put(tmp_path, ["images"])
    _config(tmp_path, f"train: images\n{line}\n{NAMES}")
    problems = formats.open_dataset(tmp_path).problems
    assert [problem.kind for problem in problems] == kinds
    assert all(problem.line == 2 and "is ignored" in problem.text for problem in problems)


def test_names_that_disagree_with_the_config_are_said(tmp_path):
    _put(tmp_path, ["images"])
    _config(tmp_path, f"train: images\n{NAMES}")
    (tmp_path / "classes.txt").write_text("zebra\nTür_ä\n")
    (problem,) = formats.open_dataset(tmp_path).problems
    assert str(problem).startswith(f"{tmp_path}/classes.txt:2: class 1 is 'Tür_ä' here, but 'Bengal cat' in data.yaml")


def test_images_that_no_split_names_are_said(tmp_path):
    _put(tmp_path, ["train/images"])
    _put(tmp_path, ["extra/images"], TWO)
    _config(tmp_path, f"train: train/images\n{NAMES}")
    dataset = formats.open_dataset(tmp_path)
    with pytest.raises(UnusableImage, match=r"extra/images/2\.jpg: it is in no split of data\.yaml") as caught:
        dataset.read(dataset.listed[0])
    assert not caught.value.is_bad


def test_lists_of_which_no_image_is_there_are_an_error_that_says_so(tmp_path):
    _put(tmp_path, ["images"])
    (tmp_path / "obj.names").write_text("\n".join(CLASSES))
    (tmp_path / "train.txt").write_text("/home/me/9.jpg\n")
    with pytest.raises(
        DataError, match=r"none of the images of its splits is in .*The first: the line names '/home/me/9"
    ):
        formats.open_dataset(tmp_path)


def test_splits_may_be_lists_of_images(tmp_path):
    _put(tmp_path, ["images/a"])
    _put(tmp_path, ["images/b"], TWO)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.txt").write_text("./images/a/1.jpg\n\n")
    (tmp_path / "lists/val.txt").write_text("images/b/2.jpg\nimages/a/1.jpg\nabsent.jpg\n")
    _config(tmp_path, f"train: lists/train.txt\nval: lists/val.txt\n{NAMES}")
    assert _splits(tmp_path) == {"images/a/1.jpg": "train", "images/b/2.jpg": "val", "lists/val.txt#3": "val"}
    (problem,) = _read(tmp_path).problems
    assert problem.text == "it is in both train and val of data.yaml; it is used for train."
    with pytest.raises(UnusableImage, match=r"lists/val\.txt:3: the line names 'absent\.jpg': there is no such image"):
        _read(tmp_path, 2)


def test_the_same_images_for_training_and_validation_are_no_split(tmp_path):
    write_yolo(tmp_path, [ONE, TWO], touch)
    assert set(_splits(tmp_path).values()) == {None}


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt", "obj.names"])
def test_darknet_needs_no_yaml(tmp_path, place):
    _put(tmp_path, ["images"])
    (tmp_path / place).write_text("\n".join(CLASSES) + "\n\n", encoding="utf-8")
    dataset = formats.open_dataset(tmp_path)
    assert (dataset.format, dataset.class_names) == ("yolo", CLASSES)
    assert _read(tmp_path).objects[0].class_name == "zebra"


def test_darknets_lists_are_splits(tmp_path):
    _put(tmp_path, ["obj_train_data"], ONE)
    _put(tmp_path, ["obj_train_data"], TWO)
    (tmp_path / "obj.names").write_text("\n".join(CLASSES))
    (tmp_path / "train.txt").write_text("data/obj_train_data/1.jpg\n")
    (tmp_path / "valid.txt").write_text("data/obj_train_data/2.jpg\n")
    assert _splits(tmp_path) == {"obj_train_data/1.jpg": "train", "obj_train_data/2.jpg": "val"}


@pytest.mark.parametrize(
    ("line", "kind", "complaint"),
    [
        ("3 .5 .5 .1 .1", "class id without a name", "the class '3' is not among 0..2, the ids with a name"),
        ("-1 .5 .5 .1 .1", "class id without a name", "the class '-1'"),
        ("0.5 .5 .5 .1 .1", "class id without a name", "the class '0.5'"),
        ("zebu .5 .5 .1 .1", "class id without a name", "the class 'zebu'"),
        ("0 .5 .5 .1", "line cannot be read", "has 4 columns; `class cx cy w h` is expected"),
        ("0", "line cannot be read", "has 1 column;"),
        ("0 .5 .5 .1 .1 .9", "line cannot be read", "has 6 columns"),
        ("0 .5 .5 .1 x", "line cannot be read", "is not only numbers"),
        ("0 .5 .5 .1 nan", "line cannot be read", "is not only numbers"),
        ("0 320 240 100 80", "line cannot be read", "is outside 0..1, so not normalised"),
        ("0 .5 .5 -.1 .1", "line cannot be read", "is outside 0..1"),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path, line, kind, complaint):
    write_yolo(tmp_path, [TWO], touch)
    with open(tmp_path / "labels/2.txt", "a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(UnusableImage, match=complaint) as caught:
        _read(tmp_path)
    problem = caught.value.problem
    assert (problem.kind, problem.line, problem.file) == (kind, 4, str(tmp_path / "labels/2.txt"))


def test_a_slip_over_the_edge_is_a_problem(tmp_path):
    write_yolo(tmp_path, [TWO], touch)
    (tmp_path / "labels/2.txt").write_text("0 0.5 0.5 1.001 0.4\n1.0 0.5 0.5 1 1\n")
    annotation = _read(tmp_path)
    assert [(problem.kind, problem.line) for problem in annotation.problems] == [("value outside 0..1", 1)]
    assert [found.class_name for found in annotation.objects] == ["zebra", "Bengal cat"]


def test_classes_that_the_texts_number_from_1_are_refused(tmp_path):
    """Taken as they are, all but the last class would be the one before."""
    names = ", ".join(f"class_{number}" for number in range(20))
    for number in range(1, 21):
        _put(tmp_path, ["images"], Drawing(f"{number}.jpg", 10, 8, (("zebra", (1, 2, 3, 4)),)))
        text = tmp_path / f"labels/{number}.txt"
        text.write_text(f"{number} {text.read_text().split(maxsplit=1)[1]}")
    _config(tmp_path, f"train: images\nnames: [{names}]\n")
    with pytest.raises(DataError, match=r"data\.yaml: the texts seem to number the classes one higher.*20 is used"):
        formats.open_dataset(tmp_path, "yolo")
    (tmp_path / "labels/20.txt").write_text("")
    assert _read(tmp_path, 0).objects[0].class_name == "class_1", "a class that nothing shows is no proof"


def test_an_outline_gives_its_bounding_box(tmp_path):
    write_yolo(tmp_path, [TWO], touch)
    (tmp_path / "labels/2.txt").write_text("0 0.2 0.3 0.6 0.1 0.4 0.9\n")
    assert _read(tmp_path).objects[0].box == (0.1, 0.2, 0.9, 0.6)


def test_keypoints_are_no_outline(tmp_path):
    write_yolo(tmp_path, [TWO], touch)
    (tmp_path / "labels/2.txt").write_text("0 0.5 0.5 0.5 0.5 0.9 0.9 0.1 0.1\n")
    assert _read(tmp_path).objects[0].box == (0.1, 0.1, 0.9, 0.9)
    _config(tmp_path, f"train: images\nkpt_shape: [2, 2]\n{NAMES}")
    assert _read(tmp_path).objects[0].box == (0.25, 0.25, 0.75, 0.75)


def test_a_data_set_without_any_text_is_an_error(tmp_path):
    write_yolo(tmp_path, [Drawing("1.jpg", 9, 9)], touch)
    with pytest.raises(DataError, match=r"None of the 1 images of .*data\.yaml has a text of the same name"):
        formats.open_dataset(tmp_path, "yolo")


def test_two_configs_are_not_chosen_between(tmp_path):
    write_yolo(tmp_path, [ONE], touch)
    (tmp_path / "data.yaml").rename(tmp_path / "one.yaml")
    (tmp_path / "other.yml").write_text(NAMES)
    with pytest.raises(DataError, match=r"one\.yaml and other\.yml: it is not clear .* Give the right data\.yaml"):
        formats.open_dataset(tmp_path)
