"""Corrections are written into the annotation files of every format, and all else in them stays as it is."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from odtk.annotations import coco_edits, voc_xml
from odtk.annotations.annotated_image import UnusableImage
from odtk.cli.main import cli
from odtk.datasets import written_corrections
from odtk.datasets.corrections import CHANGE, DISCARD, KEEP, Correction, read_corrections, write_corrections
from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.datasets.written_corrections import apply_corrections
from odtk.errors import DataError, OdtkError, OutputError
from odtk.folder_lock import locked_folder
from odtk.tools.synthetic_pets import draw_dataset as draw_pets
from odtk.unfinished import LOCK_NAME

WIDTH, HEIGHT = 100, 80

# In each format, image a has a cat at (10, 20, 30, 60) and a dog at (50, 5, 90, 75); b has a cat at (1, 1, 99, 79);
# c has nothing.
VOC = """\
<?xml version="1.0" encoding="{encoding}"?>
<!-- drawn by Zoë -->
<annotation verified="yes">
\t<filename>{name}.jpg</filename>
\t<size><width>100</width><height>80</height><depth>3</depth></size>{objects}
</annotation>
"""
OBJECT = """
\t<object id='a>b'>
\t\t<name> {name} </name><!-- sure? -->
\t\t<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
\t\t<bndbox><ymin>{box[1]}</ymin><xmin>{box[0]}</xmin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox>
\t</object>"""
OBJECTS = {
    "a": [("cat", (10, 20, 30, 60)), ("dog", (50, 5, 90, 75))],
    "b": [("cat", (1, 1, 99, 79))],
    "c": [],
}


def draw(folder: Path) -> Path:
    """Three pictures."""
    folder.mkdir(parents=True)
    for number, name in enumerate(OBJECTS):
        Image.new("RGB", (WIDTH, HEIGHT), (50 * number, 90, 20)).save(folder / f"{name}.jpg")
    return folder


def voc(folder: Path, encoding="utf-8") -> None:
    draw(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for name, objects in OBJECTS.items():
        texts = "".join(OBJECT.format(name=label, box=box) for label, box in objects)
        text = VOC.format(name=name, objects=texts, encoding=encoding)
        (folder / "Annotations" / f"{name}.xml").write_bytes(text.encode(encoding))


def yolo(folder: Path, form="{} {:.4f} {:.4f} {:.4f} {:.4f}\r\n", comma=False) -> None:
    draw(folder / "images")
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text("names: [dog, cat, bird]\ntrain: images\n")
    for name, objects in OBJECTS.items():
        lines = []
        for label, (left, top, right, bottom) in objects:
            numbers = (left + right) / 200, (top + bottom) / 160, (right - left) / 100, (bottom - top) / 80
            line = form.format(["dog", "cat"].index(label), *numbers)
            lines.append(line.replace(".", ",") if comma else line)
        (folder / "labels" / f"{name}.txt").write_bytes("".join(lines).encode())


def coco(folder: Path, indent=None, as_text=False) -> None:
    draw(folder / "images")
    number = str if as_text else int
    images = [
        {"id": number(7 + at), "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT, "license": 1.50}
        for at, name in enumerate(OBJECTS)
    ]
    annotations = []
    for image, objects in zip(images, OBJECTS.values(), strict=True):
        for label, (left, top, right, bottom) in objects:
            annotations.append({
                "iscrowd": 0, "bbox": [left, top, right - left, bottom - top], "id": number(40 + len(annotations)),
                "image_id": image["id"], "category_id": {"cat": 3, "dog": 17}[label],
                "area": (right - left) * (bottom - top), "note": 'says "meow", é',
            })  # fmt: skip
    categories = [{"id": 17, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 20, "name": "bird"}]
    document = {"info": {"by": "Zoë"}, "images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document, indent=indent, ensure_ascii=False))


def csv_table(folder: Path, header="class;note;x2;y2;x1;y1;filename", delimiter=";", comma=False) -> None:
    draw(folder / "images")
    lines = [header]
    for name, objects in OBJECTS.items():
        for label, (left, top, right, bottom) in objects or [("", ("",) * 4)]:
            values = {
                "filename": f"{name}.jpg", "class": f'"{label}"', "note": '"a ""b""; c"', "x1": left, "y1": top,
                "x2": right, "y2": bottom, "bbox_x": left, "bbox_y": top,
                "bbox_width": label and right - left, "bbox_height": label and bottom - top,
            }  # fmt: skip
            if comma and label:
                values |= {side: f"{values[side]},5" for side in ("x1", "y1")}
            lines.append(delimiter.join(str(values[each]) for each in header.split(delimiter)))
    (folder / "boxes.csv").write_bytes("\r\n".join([*lines, ""]).encode())


FORMATS = {
    "voc": voc,
    "voc in latin-1": lambda folder: voc(folder, "iso-8859-1"),
    "voc in utf-16": lambda folder: voc(folder, "utf-16"),
    "yolo": yolo,
    "yolo with commas": lambda folder: yolo(folder, "{},{},{},{},{}\n"),
    "yolo with decimal commas": lambda folder: yolo(folder, "{} {:.6f};{:.6f} {:.6f} {:.6f}\n", comma=True),
    "coco": coco,
    "coco on lines, ids as text": lambda folder: coco(folder, indent=1, as_text=True),
    "csv": csv_table,
    "csv of sizes": lambda folder: csv_table(folder, "filename,bbox_x,bbox_y,bbox_width,bbox_height,class", ","),
    "tabs": lambda folder: csv_table(folder, "class\tx2\ty2\tx1\ty1\tfilename", "\t"),
}


def normalized(box):
    """xyxy in pixels as normalized yxyx."""
    left, top, right, bottom = box
    return top / HEIGHT, left / WIDTH, bottom / HEIGHT, right / WIDTH


def change(image, old, new, decision=CHANGE):
    """A correction from (class, xyxy) to (class, xyxy); either may be None."""
    old_class, old_box = old or ("", None)
    new_class, new_box = new or ("", None)
    boxes = [None if box is None else normalized(box) for box in (old_box, new_box)]
    return Correction(f"{image}.jpg", decision, old_class, boxes[0], new_class, boxes[1])


def read(folder):
    """Class and box in pixels (xyxy) of each object, by image, as commands read them."""
    found = {}
    for source in interpreted_by_headers(open_target(folder)).sources:
        for index in range(len(source)):
            summary = source.summarize(index, decode=False)
            sizes = (HEIGHT, WIDTH, HEIGHT, WIDTH)
            boxes = [[side * size for side, size in zip(box, sizes, strict=True)] for box in summary.boxes]
            rows = [
                (name, [round(box[place], 1) for place in (1, 0, 3, 2)])
                for name, box in zip(summary.class_names, boxes, strict=True)
            ]
            found[Path(summary.name).stem] = sorted(rows)
    return found


def contents(folder):
    """The bytes of the annotation files."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".jpg"}


@pytest.fixture(params=FORMATS)
def dataset(request, tmp_path):
    """A dataset in each format."""
    FORMATS[request.param](tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(params=["voc", "yolo", "coco", "csv"])
def plain_dataset(request, tmp_path):
    """A dataset in each format, as it is mostly written."""
    FORMATS[request.param](tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Three images need no workers."""
    monkeypatch.setattr("odtk.parallel.num_cores", lambda: 1)


def test_all_kinds_of_corrections_in_all_formats(dataset):
    before = contents(dataset)
    report = apply_corrections(
        dataset,
        [
            change("a", ("cat", (10, 20, 30, 60)), ("dog", (12, 24, 40, 64))),
            change("a", ("dog", (50, 5, 90, 75)), None, DISCARD),
            change("a", None, ("cat", (0, 0, 20, 10))),
            change("b", ("cat", (1, 1, 99, 79)), ("cat", (1, 1, 99, 79)), KEEP),
        ],
    )
    found = read(dataset)
    assert found["a"] == [("cat", [0, 0, 20, 10]), ("dog", [12, 24, 40, 64])]
    assert found["b"] == [("cat", [1, 1, 99, 79])]
    assert (report.changed, report.discarded, report.added, report.kept) == (1, 1, 1, 1)
    for path in report.files:
        assert Path(path + ".orig").read_bytes() == before[Path(path)]
    after = contents(dataset)
    assert {path for path, data in before.items() if after[path] != data} == set(map(Path, report.files))


def test_a_class_alone_changes_only_the_class(dataset):
    before = contents(dataset)
    (path,) = apply_corrections(dataset, [change("b", ("cat", (1, 1, 99, 79)), ("dog", (1, 1, 99, 79)))]).files
    old, new = before[Path(path)], Path(path).read_bytes()
    start = next(place for place in range(len(old)) if old[place : place + 1] != new[place : place + 1])
    end = next(back for back in range(1, len(old) + 1) if old[-back] != new[-back])
    assert len(old) - start - end < 16  # at most three letters of UTF-16, or a number
    assert read(dataset)["b"] == [("dog", [1, 1, 99, 79])]


def test_the_last_box_of_an_image_is_discarded(plain_dataset):
    apply_corrections(plain_dataset, [change("b", ("cat", (1, 1, 99, 79)), None, DISCARD)])
    found = read(plain_dataset)
    assert found["b"] == []
    assert len(found["a"]) == 2


def test_all_boxes_are_discarded_and_new_ones_come(plain_dataset):
    gone = [change(image, each, None, DISCARD) for image, objects in OBJECTS.items() for each in objects]
    new = [change("a", None, ("dog", (2, 4, 10, 16))), change("a", None, ("cat", (20, 4, 30, 16)))]
    apply_corrections(plain_dataset, [*gone, *new])
    found = read(plain_dataset)
    assert found["a"] == [("cat", [20, 4, 30, 16]), ("dog", [2, 4, 10, 16])]
    assert found["b"] == []


def test_the_first_original_stays(plain_dataset):
    before = contents(plain_dataset)
    for old, new in (("cat", "dog"), ("dog", "cat")):
        report = apply_corrections(plain_dataset, [change("b", (old, (1, 1, 99, 79)), (new, (1, 1, 99, 79)))])
    (path,) = report.files
    assert Path(path + ".orig").read_bytes() == before[Path(path)] == Path(path).read_bytes()
    assert read(plain_dataset)["b"] == [("cat", [1, 1, 99, 79])]


def test_what_is_not_there_changes_nothing(plain_dataset):
    before = contents(plain_dataset)
    good = change("a", ("cat", (10, 20, 30, 60)), None, DISCARD)
    for bad in (
        change("a", ("cat", (10, 20, 35, 60)), None, DISCARD),
        change("z", ("cat", (10, 20, 30, 60)), None, DISCARD),
        change("a", ("cat", (10, 20, 30, 60)), ("dog", (1, 1, 5, 5))),  # the same box twice
    ):
        with pytest.raises(DataError):
            apply_corrections(plain_dataset, [good, bad])
        assert contents(plain_dataset) == before


def test_two_do_not_write_corrections_at_once(plain_dataset):
    before = contents(plain_dataset)
    with locked_folder(plain_dataset), pytest.raises(OutputError, match=r"Another odtk .*writing to .*data"):
        apply_corrections(plain_dataset, TABLE)
    assert contents(plain_dataset) == before
    assert apply_corrections(plain_dataset, TABLE).added == 1
    assert not (plain_dataset / LOCK_NAME).exists()


def test_a_box_of_another_class_is_left_alone(plain_dataset):
    before = contents(plain_dataset)
    with pytest.raises(DataError, match="the class of the one there is 'cat'"):
        apply_corrections(plain_dataset, [change("a", ("dog", (10, 20, 30, 60)), None, DISCARD)])
    assert contents(plain_dataset) == before


def test_the_nearest_of_several_boxes_is_meant(tmp_path):
    voc(tmp_path)
    path = tmp_path / "Annotations" / "a.xml"
    near = OBJECT.format(name="cat", box=(11, 21, 31, 61))
    path.write_text(path.read_text().replace("\n</annotation>", f"{near}\n</annotation>"))
    apply_corrections(tmp_path, [change("a", ("cat", (11, 21, 31, 61)), None, DISCARD)])
    assert read(tmp_path)["a"] == [("cat", [10, 20, 30, 60]), ("dog", [50, 5, 90, 75])]


TABLE = [
    change("a", ("cat", (10, 20, 30, 60)), ("dog", (12, 24, 40, 64))),
    change("a", ("dog", (50, 5, 90, 75)), None, DISCARD),
    change("a", None, ("cat", (0, 0, 20, 10))),
    change("b", ("cat", (1, 1, 99, 79)), ("dog", (1, 1, 99, 79))),
]


class Killed(BaseException):
    """What ends a process at once."""


def cut_off(monkeypatch, folder, files):
    """Leaves a folder as it is when what writes TABLE is killed after so many files, if it has as many."""
    left, at_the_end = [None] * files, {}

    def write(edited):
        at_the_end.update(contents(folder))
        if not left:
            raise Killed
        left.pop()
        edited.path.write_bytes(edited.after)
        at_the_end.update(contents(folder))

    with monkeypatch.context() as patch:
        patch.setattr(written_corrections, "_write", write)
        with contextlib.suppress(Killed):
            apply_corrections(folder, TABLE)
    for path, data in at_the_end.items():
        path.write_bytes(data)


@pytest.mark.parametrize("files", [0, 1, 2])
def test_a_table_that_was_cut_off_is_written_to_its_end(plain_dataset, monkeypatch, files):
    cut_off(monkeypatch, plain_dataset, files)
    report = apply_corrections(plain_dataset, TABLE, resume=True)
    assert report.already + report.changed + report.added + report.discarded == 4
    assert bool(report.already) == bool(files)
    assert read(plain_dataset)["a"] == [("cat", [0, 0, 20, 10]), ("dog", [12, 24, 40, 64])]
    assert read(plain_dataset)["b"] == [("dog", [1, 1, 99, 79])]
    found = contents(plain_dataset)
    report = apply_corrections(plain_dataset, TABLE, resume=True)
    assert (report.already, report.files, contents(plain_dataset)) == (4, [], found)


def test_what_another_has_changed_is_not_taken_for_written(plain_dataset):
    """A table is gone on with by what it has written itself, not by what the files happen to say."""
    before = contents(plain_dataset)
    for gone in (
        change("b", ("cat", (5, 5, 90, 70)), None, DISCARD),  # someone has moved it
        change("b", ("dog", (1, 1, 99, 79)), None, DISCARD),  # someone has changed its class
        change("b", ("dog", (1, 1, 99, 79)), ("cat", (1, 1, 99, 79))),
    ):
        with pytest.raises(DataError, match="no such box"):
            apply_corrections(plain_dataset, [gone], resume=True)
    with pytest.raises(DataError, match=r"such a box is in .* already"):
        apply_corrections(plain_dataset, [change("b", None, ("cat", (1, 1, 99, 79)))], resume=True)
    assert contents(plain_dataset) == before


def test_of_two_boxes_at_one_place_a_repeated_table_discards_one(tmp_path):
    yolo(tmp_path)
    path = tmp_path / "labels" / "b.txt"
    path.write_text("1 0.3 0.3 0.4 0.4\n1 0.301 0.3 0.4 0.4\n")
    table = [change("b", ("cat", (10, 8, 50, 40)), None, DISCARD)]
    for already in (0, 1):
        report = apply_corrections(tmp_path, table, resume=True)
        assert (report.discarded, report.already) == (1 - already, already)
        assert path.read_text() == "1 0.301 0.3 0.4 0.4\n"
    # Of another suspect it is another correction.
    assert apply_corrections(tmp_path, [replace(table[0], suspect="2")], resume=True).discarded == 1


def test_a_file_that_was_changed_since_is_looked_at_again(tmp_path):
    yolo(tmp_path)
    path = tmp_path / "labels" / "a.txt"
    apply_corrections(tmp_path, TABLE[:1])
    path.write_text(path.read_text() + "2 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DataError, match="no such box"):
        apply_corrections(tmp_path, TABLE[:1], resume=True)


def test_an_image_without_objects_gets_one_where_it_has_an_annotation(tmp_path):
    for name in ("voc", "coco", "csv"):
        FORMATS[name](tmp_path / name)
        apply_corrections(tmp_path / name, [change("c", None, ("dog", (2, 4, 10, 16)))])
        assert read(tmp_path / name)["c"] == [("dog", [2, 4, 10, 16])]


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_a_class_that_the_dataset_does_not_list_is_refused(tmp_path, name):
    FORMATS[name](tmp_path / "data")
    before = contents(tmp_path / "data")
    with pytest.raises(UnusableImage, match="'horse'"):
        apply_corrections(tmp_path / "data", [change("b", ("cat", (1, 1, 99, 79)), ("horse", (1, 1, 99, 79)))])
    assert {path: data for path, data in contents(tmp_path / "data").items() if path.suffix != ".orig"} == before


def test_another_box_of_an_outline_is_refused_but_not_its_class(tmp_path):
    yolo(tmp_path)
    path = tmp_path / "labels" / "b.txt"
    path.write_text("1 0.1 0.1 0.9 0.1 0.9 0.9 0.5 0.95 0.1 0.9\n")
    box = (10, 8, 90, 76)
    with pytest.raises(UnusableImage, match="outline"):
        apply_corrections(tmp_path, [change("b", ("cat", box), ("cat", (10, 8, 50, 76)))])
    apply_corrections(tmp_path, [change("b", ("cat", box), ("dog", box))])
    assert path.read_text() == "0 0.1 0.1 0.9 0.1 0.9 0.9 0.5 0.95 0.1 0.9\n"


def test_numbers_have_the_decimals_of_those_before(tmp_path):
    voc(tmp_path)
    path = tmp_path / "Annotations" / "b.xml"
    path.write_text(path.read_text().replace(">99<", ">98.75<"))
    apply_corrections(tmp_path, [change("b", ("cat", (1, 1, 98.75, 79)), ("cat", (2.126, 3.5, 98.75, 79)))])
    assert "<ymin>3.50</ymin><xmin>2.13</xmin><xmax>98.75</xmax><ymax>79.00</ymax>" in path.read_text()
    apply_corrections(tmp_path, [change("a", ("cat", (10, 20, 30, 60)), ("cat", (10.6, 20, 30, 60)))])
    assert "<xmin>11</xmin>" in (tmp_path / "Annotations" / "a.xml").read_text()


def test_the_area_of_coco_follows_its_box_and_an_outline_stays(tmp_path):
    coco(tmp_path)
    path = tmp_path / "annotations.json"
    document = json.loads(path.read_text())
    document["annotations"][2] |= {"segmentation": [[1, 1, 99, 1, 99, 79]], "area": 3822}
    path.write_text(json.dumps(document))
    apply_corrections(
        tmp_path,
        [
            change("a", ("cat", (10, 20, 30, 60)), ("cat", (10, 20, 20, 60))),
            change("b", ("cat", (1, 1, 99, 79)), ("cat", (1, 1, 90, 79))),
        ],
    )
    first, _, third = json.loads(path.read_text())["annotations"]
    assert (first["bbox"], first["area"]) == ([10, 20, 10, 40], 400)
    assert (third["bbox"], third["area"], len(third["segmentation"])) == ([1, 1, 89, 78], 3822, 1)


def test_what_would_be_read_otherwise_is_put_back(tmp_path, monkeypatch):
    voc(tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr("odtk.annotations.voc_edits.edited", lambda data, path, edits: data.replace(b"dog", b"cow"))
    with pytest.raises(OdtkError, match="would not be read"):
        apply_corrections(tmp_path, [change("a", ("cat", (10, 20, 30, 60)), None, DISCARD)])
    assert {path: data for path, data in contents(tmp_path).items() if path.suffix != ".orig"} == before


def test_a_file_in_which_another_image_changes_is_put_back(tmp_path, monkeypatch):
    coco(tmp_path)
    before = contents(tmp_path)
    edited = coco_edits.edited

    def careless(data, *rest):
        return edited(data, *rest).replace(b"[1, 1, 98, 78]", b"[1, 1, 97, 78]")

    monkeypatch.setattr("odtk.annotations.coco_edits.edited", careless)
    with pytest.raises(OdtkError, match="which is not in the table"):
        apply_corrections(tmp_path, [change("a", ("cat", (10, 20, 30, 60)), None, DISCARD)])
    assert {path: data for path, data in contents(tmp_path).items() if path.suffix != ".orig"} == before


def test_normalized_numbers_stay_normalized(tmp_path):
    draw(tmp_path / "images")
    rows = ["image,xmin,ymin,xmax,ymax,class", *(f"{name}.jpg,0.1,0.25,0.3,0.75,cat" for name in OBJECTS)]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    apply_corrections(tmp_path, [change("b", ("cat", (10, 20, 30, 60)), ("cat", (33, 20, 66, 60)))])
    assert "b.jpg,0.330000,0.250000,0.660000,0.750000,cat" in (tmp_path / "boxes.csv").read_text()


def test_the_table(tmp_path):
    rows = [
        {"image": "a,\n.jpg", "decision": CHANGE, "class": 'a "cat"', "width": 100, "height": 80}
        | dict(zip(("xmin", "ymin", "xmax", "ymax"), (10, 20, 30, 60), strict=True)),
        {"image": "b.jpg", "decision": DISCARD, "annotated_class": "dog", "width": 100, "height": 80}
        | {"annotated_xmin": 1, "annotated_ymin": 1, "annotated_xmax": 99, "annotated_ymax": 79},
    ]  # fmt: skip
    write_corrections(tmp_path / "c.csv", rows)
    first, second = read_corrections(tmp_path / "c.csv")
    assert first == Correction("a,\n.jpg", CHANGE, "", None, 'a "cat"', normalized((10, 20, 30, 60)))
    assert second == change("b", ("dog", (1, 1, 99, 79)), None, DISCARD)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.jpg,maybe,,,,,,cat,1,1,2,2,10,10", "the decision is 'maybe'"),
        ("a.jpg,discard,,,,,,,,,,,10,10", "no annotated box"),
        ("a.jpg,change,,,,,,,1,1,2,2,10,10", "needs a class"),
        ("a.jpg,change,,,,,,cat,1,1,2,x,10,10", "not all numbers"),
        ("a.jpg,change,,,,,,cat,5,5,2,2,10,10", "no area"),
        ("a.jpg,change,,,,,,cat,1,1,12,2,10,10", "not inside"),
        ("a.jpg,change,,,,,,cat,1,1,2,2,0,10", "0 x 10 pixels"),
        ("a.jpg,keep,,,,,,,,,,,10,nan", "10 x nan pixels"),
    ],
)
def test_rows_that_say_nothing_clear_are_refused(tmp_path, row, words):
    write_corrections(tmp_path / "c.csv", [])
    path = tmp_path / "c.csv"
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(DataError, match=words) as error:
        read_corrections(path)
    assert "c.csv:2" in str(error.value)


def test_an_annotated_box_may_reach_over_the_picture(tmp_path):
    """As in records that another tool has made; what is compared with the file is clipped, too."""
    voc(tmp_path / "data")
    path = tmp_path / "data" / "Annotations" / "b.xml"
    path.write_text(path.read_text().replace(">99<", ">120<"))
    row = dict.fromkeys(("annotated_xmin", "annotated_ymin"), 1) | {"annotated_xmax": 120, "annotated_ymax": 79}
    row |= {"image": "b.jpg", "annotated_class": "cat", "width": WIDTH, "height": HEIGHT}
    right = {"class": "dog", "xmin": 1, "ymin": 1, "xmax": 100, "ymax": 79}
    write_corrections(tmp_path / "c.csv", [row | {"decision": KEEP}, row | {"decision": CHANGE} | right])
    kept, changed = read_corrections(tmp_path / "c.csv")
    assert kept.annotated_box == changed.annotated_box == normalized((1, 1, 100, 79))
    apply_corrections(tmp_path / "data", [kept, changed])
    text = path.read_text()
    assert ("<name> dog </name>" in text, ">120<" in text) == (True, True)  # only its class was changed


def test_a_box_of_the_pet_layout_but_not_its_class(tmp_path):
    folder = Path(draw_pets(tmp_path / "pets", num_images=4, num_test=0).folder)
    (box,) = pets_boxes(folder, "beagle_1")
    moved = (box[0] + 2, box[1] + 4, box[2] - 2, box[3])
    sizes = Image.open(folder / "images" / "beagle_1.jpg").size
    before, after = ([side / sizes[(place + 1) % 2] for place, side in enumerate(each)] for each in (box, moved))
    correction = Correction("beagle_1.jpg", CHANGE, "beagle", tuple(before), "beagle", tuple(after))
    apply_corrections(folder, [correction])
    assert pets_boxes(folder, "beagle_1") == [moved]
    with pytest.raises(DataError, match="in the name of the file"):
        apply_corrections(folder, [replace(correction, annotated_box=tuple(after), class_name="pug")])


def pets_boxes(folder, name):
    """yxyx in pixels, as the xml has them."""
    found = voc_xml.read(folder / "annotations" / "xmls" / f"{name}.xml")
    return [each.box for each in found.objects]


def test_the_command(tmp_path):
    yolo(tmp_path / "data")
    row = {"image": "a.jpg", "decision": DISCARD, "annotated_class": "dog", "width": WIDTH, "height": HEIGHT}
    sides = {"annotated_xmin": 50, "annotated_ymin": 5, "annotated_xmax": 90, "annotated_ymax": 75}
    write_corrections(tmp_path / "c.csv", [row | sides])
    words = ["correct", str(tmp_path / "data"), str(tmp_path / "c.csv")]
    result = CliRunner().invoke(cli, words, prog_name="odtk")
    assert result.exit_code == 0, result.output
    assert "0 changed, 0 added, 1 discarded, 0 kept" in result.stdout
    again = CliRunner().invoke(cli, [*words, "--json"], prog_name="odtk")
    assert again.exit_code == 1
    assert "there is no such box" in again.stderr
