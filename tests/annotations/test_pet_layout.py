"""Which folders in the Oxford-IIIT Pet layout hold pets, and how own data in it is read."""

from pathlib import Path

import pytest
from drawn_formats import Drawing, touch, voc_xml_of

from odtk import label_map
from odtk.annotations import formats
from odtk.annotations.annotated_image import UnusableImage
from odtk.errors import DataError

BOX = (1, 2, 3, 4)


@pytest.fixture
def lay_out(tmp_path):
    """Writes names with the class of their xml, and trainval.txt with these names unless it is given."""

    def write(classes: dict[str, str], **lists: str) -> Path:
        for name, class_name in classes.items():
            image = Drawing(f"{name}.jpg", 9, 8, ((class_name, BOX),))
            touch(tmp_path / "images" / image.name, image)
            path = tmp_path / "annotations" / "xmls" / f"{name}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(voc_xml_of(image))
        for name, text in ({"trainval": "".join(f"{name} 1 1 1\n" for name in classes)} | lists).items():
            (tmp_path / "annotations" / f"{name}.txt").write_text(text)
        return tmp_path

    return write


def _own_map(folder, *names):
    path = folder / "map.pbtxt"
    label_map.write(label_map.of_names(names), path)
    return str(path)


@pytest.mark.parametrize(
    "classes",
    [
        {"pug_1": "dog", "Bengal_20": "cat"},
        {"pug_1": "pug", "Bengal_20": "cat"},
        {"pug_1": "dog", "Bengal_20": "cat", "photo": "cat"},  # bad data of pets
    ],
)
def test_breeds_are_pets(lay_out, classes):
    folder = lay_out(classes)
    assert formats.guess(folder) == "pets"
    formats.check_pets(folder)


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        ({"0": "mug", "1": "cat"}, "2 of 2 names in annotations/trainval.txt, such as 0, do not begin with a breed"),
        ({"frame_001": "mug", "frame_002": "cup"}, "such as frame_001, do not begin with a breed"),
        ({"IMG 7": "cat", "pug_1": "dog", "x": "dog"}, "2 of 3 names"),
        ({"pug_1": "collar", "pug_2": "dog"}, "annotations/xmls/pug_1.xml has the class 'collar', its file name 'pug'"),
    ],
)
def test_own_data_in_the_layout_is_voc(lay_out, classes, why):
    folder = lay_out(classes)
    assert why in formats.signs(folder)["voc"]
    dataset = formats.open_dataset(folder)
    read = [dataset.read(listed).objects[0] for listed in dataset.listed]
    assert [found.class_name for found in read] == [classes[name] for name in sorted(classes)]
    assert {found.box for found in read} == {BOX}
    assert [problem.kind for problem in dataset.problems] == ["Pet layout read as VOC"]
    with pytest.raises(DataError, match=r"has the Pet layout, but no pets: .* choose the format voc") as refused:
        formats.check_pets(folder)
    assert refused.value.argument == "format"


def test_a_label_map_of_ones_own_makes_pets_of_other_names(lay_out):
    folder = lay_out({"mug_1": "cup", "mug_2": "cup"})
    assert formats.guess(folder) == "voc"
    assert formats.guess(folder, _own_map(folder, "mug")) == "pets"
    assert formats.guess(folder, _own_map(folder, "mug", "cup")) == "voc"
    assert formats.guess(folder, _own_map(folder, "cup")) == "voc"


def test_trainval_says_what_belongs_to_the_dataset(lay_out):
    folder = lay_out({"a": "mug", "b": "mug"}, trainval="a\nc\n")
    dataset = formats.open_dataset(folder)
    assert [(listed.key, listed.split) for listed in dataset.listed] == [
        ("c", None), ("images/a.jpg", None), ("images/b.jpg", None)
    ]  # fmt: skip
    assert len(dataset.read(dataset.listed[1]).objects) == 1
    for index, said, is_bad in (
        (0, r"annotations/trainval\.txt, but there is no annotations/xmls/c\.xml", True),
        (2, "it is in no list in annotations/", False),
    ):
        with pytest.raises(UnusableImage, match=said) as caught:
            dataset.read(dataset.listed[index])
        assert caught.value.is_bad == is_bad


def test_lists_in_the_layout_are_splits(lay_out):
    folder = lay_out({"a": "mug", "b": "mug"}, trainval="a\nb\n", train="a\n", val="b\n")
    dataset = formats.open_dataset(folder)
    assert [listed.split for listed in dataset.listed] == ["train", "val"]


@pytest.mark.parametrize("trainval", ["Abyssinian_1 1 1 1\n", "", "\n"])
def test_lists_of_other_images_are_passed_over(lay_out, trainval):
    folder = lay_out({"a": "mug", "b": "mug"}, trainval=trainval, test="Bengal_1 1 1 1\n")
    dataset = formats.open_dataset(folder)
    assert [len(dataset.read(listed).objects) for listed in dataset.listed] == [1, 1]
    kinds = [problem.kind for problem in dataset.problems]
    assert kinds == ["Pet layout read as VOC", "list ignored", "list ignored"]
