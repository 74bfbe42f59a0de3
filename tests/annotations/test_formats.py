import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
from drawn_formats import (
    CLASSES,
    DRAWINGS,
    STATES_SIZE,
    WRITERS,
    Drawing,
    coco_of,
    touch,
    voc_xml_of,
    write_coco,
    write_csv_tutorial,
    write_voc,
    write_voc_side_by_side,
    write_yolo,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from odtk.annotations import formats
from odtk.annotations.annotated_image import UnusableImage
from odtk.errors import DataError

# YOLO's nine decimals of an image's side; the other formats keep every digit, but COCO adds and takes away.
TOLERANCE = {"yolo": 1e-8, "coco": 1e-9}


def _read_all(dataset):
    """Annotation, or the problem that makes it unusable, by key."""
    found = {}
    for listed in dataset.listed:
        try:
            found[listed.key] = dataset.read(listed)
        except UnusableImage as error:
            found[listed.key] = error.problem
    return found


def _boxes(annotation, drawing):
    """Class and yxyx box, normalized, of each object."""
    sides = (1, 1) * 2 if annotation.normalized else (drawing.height, drawing.width) * 2
    return [
        (found.class_name, [value / side for value, side in zip(found.box, sides, strict=True)])
        for found in annotation.objects
    ]


def _expect(annotation, drawing, kind):
    found, sides = _boxes(annotation, drawing), (drawing.height, drawing.width) * 2
    expected = [(name, [value / side for value, side in zip(box, sides, strict=True)]) for name, box in drawing.objects]
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, box), (_, wanted) in zip(found, expected, strict=True):
        assert box == pytest.approx(wanted, abs=TOLERANCE.get(kind, 0), rel=0)


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_objects(tmp_path, kind):
    WRITERS[kind](tmp_path)
    assert formats.guess(tmp_path) == kind.split()[0]
    dataset = formats.open_dataset(tmp_path)
    assert (dataset.format, dataset.folder, dataset.problems) == (kind.split()[0], str(tmp_path), ())
    assert [listed.key for listed in dataset.listed] == sorted(listed.key for listed in dataset.listed)
    assert {listed.split for listed in dataset.listed} == {None}
    by_name = {annotation.filename: annotation for annotation in _read_all(dataset).values()}
    assert by_name.keys() == {drawing.name for drawing in DRAWINGS}
    for drawing in DRAWINGS:
        annotation = by_name[drawing.name]
        assert (annotation.problems, annotation.source_id) == ((), drawing.name)
        assert annotation.image_path.endswith(drawing.name)
        assert Path(annotation.image_path).is_file()
        stated = (drawing.width, drawing.height) if kind in STATES_SIZE else None
        assert annotation.stated_size == stated
        _expect(annotation, drawing, kind)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_data_set_travels_without_its_list_and_reads_what_comes_after(tmp_path, kind):
    WRITERS[kind](tmp_path, picture=touch)
    dataset = formats.open_dataset(tmp_path)
    sent, parts = pickle.loads(pickle.dumps(dataset)), pickle.loads(pickle.dumps(dataset.listed))
    assert sent.listed == ()
    assert [sent.read(part) for part in parts] == [dataset.read(listed) for listed in dataset.listed]


def test_only_coco_and_yolo_list_their_classes(tmp_path):
    listed = {}
    for kind, write in WRITERS.items():
        write(tmp_path / kind, picture=touch)
        listed[kind] = formats.open_dataset(tmp_path / kind).class_names
    assert listed == dict.fromkeys(WRITERS, None) | {"coco": CLASSES, "yolo": CLASSES}


_SIDES = st.integers(8, 5000)
_NAMES = st.text(
    st.characters(codec="utf-8", categories=("L", "N"), include_characters=" ._-"), min_size=1, max_size=20
)


@st.composite
def _drawings(draw):
    stems = draw(st.lists(_NAMES, max_size=4, unique_by=lambda name: name.casefold().strip(" .")))
    stems = [f"x{stem.strip()}x" for stem in stems]
    drawings = []
    for index, stem in enumerate(stems):
        width, height = draw(_SIDES), draw(_SIDES)
        objects = []
        for _ in range(draw(st.integers(index == 0, 4))):
            (ymin, ymax), (xmin, xmax) = (
                sorted(draw(st.lists(st.integers(0, 4 * side), min_size=2, max_size=2, unique=True)))
                for side in (height, width)
            )
            objects.append((draw(st.sampled_from(CLASSES)), (ymin / 4, xmin / 4, ymax / 4, xmax / 4)))
        drawings.append(Drawing(f"{stem}.jpg", width, height, tuple(objects)))
    return drawings


@settings(max_examples=40)
@given(_drawings())
def test_what_is_written_is_read_back_in_every_format(tmp_path_factory, drawings):
    import unicodedata

    drawings = [d for d in drawings if unicodedata.is_normalized("NFC", d.name)]
    if not any(drawing.objects for drawing in drawings):
        return
    folder = tmp_path_factory.mktemp("round")
    for kind, write in WRITERS.items():
        write(folder / kind, drawings, touch)
        dataset = formats.open_dataset(folder / kind)
        by_name = {annotation.filename: annotation for annotation in _read_all(dataset).values()}
        assert by_name.keys() == {drawing.name for drawing in drawings}
        for drawing in drawings:
            _expect(by_name[drawing.name], drawing, kind)
    shutil.rmtree(folder)


# Guessing.


def test_no_format_says_what_was_looked_for_and_what_is_there(tmp_path):
    touch(tmp_path / "a.jpg", None)
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(
        DataError,
        match=r"not in a known format.*voc.*coco.*yolo.*csv.*Found were 1 \.jpg, 1 \.json.* choose the format",
    ):
        formats.open_dataset(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        formats.guess(tmp_path / "absent")


def test_several_formats_are_named_and_one_can_be_chosen(tmp_path):
    write_coco(tmp_path, picture=touch)
    write_csv_tutorial(tmp_path, picture=touch)
    with pytest.raises(
        DataError, match=r"coco: annotations/instances.json .*; csv: labels.csv .*Choose the format: coco or csv"
    ):
        formats.guess(tmp_path)
    assert formats.open_dataset(tmp_path, "csv").format == "csv"
    with pytest.raises(DataError, match=r"format tar .*voc, coco, yolo, csv"):
        formats.open_dataset(tmp_path, "tar")


def test_the_pet_layout_is_no_voc():
    pets_mini = Path(__file__).parents[1] / "data" / "pets_mini"
    assert formats.guess(pets_mini) == "pets"


@pytest.mark.parametrize("format", formats.FORMATS)
def test_a_format_that_is_not_there_is_an_error(tmp_path, format):
    with pytest.raises(DataError, match="no images"):
        formats.open_dataset(tmp_path, format)
    touch(tmp_path / "a.jpg", None)
    with pytest.raises(DataError, match="has no "):
        formats.open_dataset(tmp_path, format)


# Names and places.


def test_same_names_in_different_folders_do_not_collide(tmp_path):
    images = [Drawing(f"{place}/1.jpg", 9, 9, (("zebra", (0, 0, 1, side)),)) for place, side in (("a", 1), ("b", 2))]
    for kind, write in WRITERS.items():
        write(tmp_path / kind, images, touch)
        read = _read_all(formats.open_dataset(tmp_path / kind)).values()
        assert [(one.filename, len(one.objects)) for one in read] == [("a/1.jpg", 1), ("b/1.jpg", 1)]
    both = tmp_path / "both"
    write_voc(both, [Drawing("1.jpg", 9, 9)], touch)
    write_voc_side_by_side(both, [Drawing("1.jpg", 9, 9)], touch)
    read = list(_read_all(formats.open_dataset(both)).values())
    assert [one.source_id for one in read] == ["1.jpg", "JPEGImages/1.jpg"]
    assert [Path(one.annotation_path).parent.name for one in read] == ["both", "Annotations"]


@pytest.mark.parametrize("folders", [("train", "valid", "test"), ("Training", "validation", "testing")])
def test_folders_can_be_splits(tmp_path, folders):
    for folder in folders:
        write_voc_side_by_side(tmp_path / folder, [Drawing("1.jpg", 9, 9)], touch)
    dataset = formats.open_dataset(tmp_path)
    assert {listed.key.split("/")[0]: listed.split for listed in dataset.listed} == dict(
        zip(folders, ("train", "val", "test"), strict=True)
    )
    read = [dataset.read(listed) for listed in dataset.listed]
    assert {one.filename for one in read} == {"1.jpg"}
    assert {one.source_id for one in read} == {f"{folder}/1.jpg" for folder in folders}


def test_folders_beside_other_folders_are_no_splits(tmp_path):
    for folder in ("train", "bus"):
        write_voc_side_by_side(tmp_path / folder, [Drawing("1.jpg", 9, 9)], touch)
    assert {listed.split for listed in formats.open_dataset(tmp_path).listed} == {None}


@pytest.mark.parametrize(
    "written", ["../secret.jpg", "/etc/secret.jpg", "C:\\secret.jpg", "a/../../secret.jpg", "..\\secret.jpg"]
)
@pytest.mark.parametrize("kind", ["voc", "coco", "csv tutorial", "yolo"])
def test_paths_do_not_leave_the_folder(tmp_path, kind, written):
    folder = tmp_path / "data"
    touch(tmp_path / "secret.jpg", None)
    WRITERS[kind](folder, [Drawing("1.jpg", 9, 9, (("zebra", (0, 0, 1, 1)),)), Drawing("2.jpg", 9, 9)], touch)
    if kind == "voc":
        (folder / "Annotations/9.xml").write_text(voc_xml_of(Drawing("9.jpg", 9, 9), written))
    elif kind == "coco":
        document = coco_of([Drawing(written, 9, 9)])
        (folder / "annotations/instances.json").write_text(json.dumps(document))
    elif kind == "yolo":
        (folder / "train.txt").write_text(f"{written}\n")
        (folder / "data.yaml").write_text("train: train.txt\nval: images\nnames: [a, b, c]\n")
    else:
        with open(folder / "labels.csv", "a") as file:
            file.write(f"{written},9,9,zebra,0,0,1,1\n")
    problems = [
        found for found in _read_all(formats.open_dataset(folder, kind.split()[0])).values() if hasattr(found, "kind")
    ]
    assert [problem.kind for problem in problems] == ["path leads out of the dataset"]
    assert f"is outside {folder}, and no image in that folder has this name" in problems[0].text


@pytest.mark.parametrize("kind", WRITERS)
def test_links_do_not_leave_the_folder(tmp_path, kind):
    folder, secret = tmp_path / "data", tmp_path / "secret"
    images = [Drawing("1.jpg", 9, 9, (("zebra", (0, 0, 1, 1)),))]
    WRITERS[kind](folder, images, touch)
    image = next(folder.rglob("1.jpg"))
    image.unlink()
    secret.touch()
    image.symlink_to(secret)
    (problem,) = _read_all(formats.open_dataset(folder)).values()
    assert (problem.kind, problem.file) == ("path leads out of the dataset", str(image))
    annotations = [path for path in folder.rglob("*") if path.suffix in (".xml", ".json", ".csv", ".yaml")]
    for path in annotations:
        secret.write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(secret)
        with pytest.raises(DataError):
            list(
                map(
                    formats.open_dataset(folder, kind.split()[0]).read,
                    formats.open_dataset(folder, kind.split()[0]).listed,
                )
            )


def test_a_pipe_is_not_waited_for(tmp_path):
    write_voc_side_by_side(tmp_path, [Drawing("1.jpg", 9, 9), Drawing("2.jpg", 9, 9)], touch)
    (tmp_path / "1.xml").unlink()
    os.mkfifo(tmp_path / "1.xml")
    assert "not a regular file" in _read_all(formats.open_dataset(tmp_path))["1.jpg"].text


@pytest.mark.parametrize("kind", ["voc", "coco", "csv tutorial", "csv tool"])
def test_names_may_differ_in_case_and_in_the_form_of_accents(tmp_path, kind):
    import unicodedata

    composed, apart = (unicodedata.normalize(form, "Bär.jpg") for form in ("NFC", "NFD"))
    assert composed != apart
    WRITERS[kind](tmp_path, [Drawing(composed, 9, 9, (("zebra", (0, 0, 1, 1)),))], touch)
    image = next(path for path in tmp_path.rglob("B*.jpg"))
    image.rename(image.with_name(apart.replace(".jpg", ".JPG")))
    (found,) = _read_all(formats.open_dataset(tmp_path)).values()
    assert (len(found.objects), found.filename, found.problems) == (1, apart.replace(".jpg", ".JPG"), ())


def test_hidden_files_are_passed_over(tmp_path):
    write_yolo(tmp_path, picture=touch)
    for name in (".cache/1.jpg", "__MACOSX/images/._0001.jpg", "images/._0001.jpg"):
        touch(tmp_path / name, None)
    assert len(formats.open_dataset(tmp_path).listed) == len(DRAWINGS)


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    write_yolo(tmp_path, picture=touch)
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe4r.jpg"))).touch()
    with pytest.raises(DataError, match=r"not UTF-8: b\\xe4r.jpg. Rename it"):
        formats.open_dataset(tmp_path)
