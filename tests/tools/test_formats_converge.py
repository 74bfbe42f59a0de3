"""The same drawn images, annotated in every format, become the same records."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from odtk import label_map, parallel
from odtk.records import example, shards
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.synthetic_pets import draw_dataset

WIDTH, HEIGHT = 100, 80  # of which YOLO's six decimals give every half pixel exactly
CLASSES = ["pug", "Bengal cat", "Tier_ä"]
# File stem to objects: class and xmin, ymin, xmax, ymax.
OBJECTS = {
    "a": [("pug", 10, 8, 60, 72)],
    "b.c d": [("Bengal cat", 0, 0, 100, 80), ("pug", 25, 30, 26, 31)],
    "ä": [("Tier_ä", 1, 2, 99, 79), ("Tier_ä", 5, 5, 50, 45), ("Bengal cat", 40, 40, 80, 80)],
    "nothing": [],
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    drawn = draw_dataset(tmp_path_factory.mktemp("drawn") / "pets", len(OBJECTS), 0)
    paths = sorted((drawn.folder / "images").iterdir())
    return {stem: Image.open(path).resize((WIDTH, HEIGHT)) for stem, path in zip(OBJECTS, paths, strict=True)}


def _save(pictures, folder: Path):
    folder.mkdir(parents=True)
    for stem, picture in pictures.items():
        picture.save(folder / f"{stem}.jpg", quality=90)


def _voc(folder: Path, pictures):
    _save(pictures, folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for stem, objects in OBJECTS.items():
        entries = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax>"
            f"<ymax>{ymax}</ymax></bndbox></object>"
            for name, xmin, ymin, xmax, ymax in objects
        )
        (folder / "Annotations" / f"{stem}.xml").write_text(
            f"<annotation><filename>{stem}.jpg</filename><size><width>{WIDTH}</width><height>{HEIGHT}</height>"
            f"<depth>3</depth></size>{entries}</annotation>",
            encoding="utf-8",
        )


def _coco(folder: Path, pictures):
    _save(pictures, folder / "images")
    images = [
        {"id": number, "file_name": f"{stem}.jpg", "width": WIDTH, "height": HEIGHT}
        for number, stem in enumerate(OBJECTS)
    ]
    annotations = [
        {
            "id": 10 * number + index + 1,
            "image_id": number,
            "category_id": 3 + 4 * CLASSES.index(name),
            "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
            "area": (xmax - xmin) * (ymax - ymin),
            "iscrowd": 0,
        }
        for number, objects in enumerate(OBJECTS.values())
        for index, (name, xmin, ymin, xmax, ymax) in enumerate(objects)
    ]
    categories = [{"id": 3 + 4 * index, "name": name} for index, name in enumerate(CLASSES)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document))


def _yolo(folder: Path, pictures):
    _save(pictures, folder / "images")
    (folder / "labels").mkdir()
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(CLASSES))
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:\n{names}", encoding="utf-8")
    for stem, objects in OBJECTS.items():
        lines = [
            f"{CLASSES.index(name)} {(xmin + xmax) / 2 / WIDTH:.6f} {(ymin + ymax) / 2 / HEIGHT:.6f} "
            f"{(xmax - xmin) / WIDTH:.6f} {(ymax - ymin) / HEIGHT:.6f}\n"
            for name, xmin, ymin, xmax, ymax in objects
        ]
        (folder / "labels" / f"{stem}.txt").write_text("".join(lines))


def _csv(folder: Path, pictures):
    _save(pictures, folder)
    rows = [
        f"{stem}.jpg,{WIDTH},{HEIGHT},{name},{xmin},{ymin},{xmax},{ymax}\n"
        for stem, objects in OBJECTS.items()
        for name, xmin, ymin, xmax, ymax in objects
    ]
    rows += [f"{stem}.jpg,{WIDTH},{HEIGHT},,,,,\n" for stem, objects in OBJECTS.items() if not objects]
    (folder / "labels.csv").write_text("filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(rows), "utf-8")


WRITERS = {"voc": _voc, "coco": _coco, "yolo": _yolo, "csv": _csv}


@pytest.mark.parametrize("format", WRITERS)
def test_every_format_gives_the_records_that_are_expected(pictures, tmp_path, format):
    WRITERS[format](tmp_path / "data", pictures)
    path = tmp_path / "map.pbtxt"
    label_map.write(label_map.of_names(CLASSES), path)
    report = make_tfrecords(tmp_path / "data", tmp_path / "out", label_map=str(path), resplit=True)
    assert (report.format, report.format_was_guessed) == (format, True)
    assert (report.problems, report.skipped, report.repaired) == ([], [], [])
    records = [data for file in (tmp_path / "out").glob("*.record-*") for data in shards.read_records(file)]
    found = {Path(image.filename).stem: image for image in map(example.decode, records)}
    assert found.keys() == OBJECTS.keys()
    for stem, image in found.items():
        assert Image.open(next((tmp_path / "data").rglob(f"{stem}.jpg"))).size == (image.width, image.height)
        assert image.encoded == next((tmp_path / "data").rglob(f"{stem}.jpg")).read_bytes()
        assert [entry.class_name for entry in image.objects] == [entry[0] for entry in OBJECTS[stem]]
        assert [entry.class_id for entry in image.objects] == [CLASSES.index(entry[0]) + 1 for entry in OBJECTS[stem]]
        for entry, (_, xmin, ymin, xmax, ymax) in zip(image.objects, OBJECTS[stem], strict=True):
            expected = ymin / HEIGHT, xmin / WIDTH, ymax / HEIGHT, xmax / WIDTH
            assert entry.box == pytest.approx(expected, abs=1e-6, rel=0)
    negatives = sum(split.negatives for split in report.splits.values())
    assert negatives == 1


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_a_data_set_that_lists_its_classes_gives_their_order(pictures, tmp_path, format):
    WRITERS[format](tmp_path / "data", pictures)
    make_tfrecords(tmp_path / "data", tmp_path / "out", resplit=True)
    made = label_map.read(tmp_path / "out" / "label_map.pbtxt")
    assert [item.name for item in made.items] == CLASSES


def test_masks_of_coco_are_written_at_the_size_of_the_image(pictures, tmp_path):
    _coco(tmp_path / "data", pictures)
    path = tmp_path / "data" / "annotations.json"
    document = json.loads(path.read_text())
    first, second, *_ = document["annotations"]
    first["segmentation"] = [[10, 8, 60, 8, 60, 72, 10, 72]]
    second["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH // 2, HEIGHT * WIDTH // 2]}
    path.write_text(json.dumps(document))
    report = make_tfrecords(tmp_path / "data", tmp_path / "out", "coco", masks=True)
    assert report.skipped == []
    records = [data for file in (tmp_path / "out").glob("*.record-*") for data in shards.read_records(file)]
    found = {Path(image.filename).stem: image for image in map(example.decode, records)}
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[8:72, 10:60] = 1
    np.testing.assert_array_equal(found["a"].objects[0].mask, expected)
    # Run lengths go down the columns: half of them is the left half.
    assert found["b.c d"].objects[0].mask[:, :50].all()
    assert not found["b.c d"].objects[0].mask[:, 50:].any()
    # What has no outline is its box.
    assert found["b.c d"].objects[1].mask.nonzero() == (np.array([30]), np.array([25]))


def test_a_mask_that_cannot_be_read_leaves_its_image_out(pictures, tmp_path):
    _coco(tmp_path / "data", pictures)
    path = tmp_path / "data" / "annotations.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["segmentation"] = {"size": [3, 3], "counts": [9]}
    path.write_text(json.dumps(document))
    report = make_tfrecords(tmp_path / "data", tmp_path / "out", "coco", masks=True, max_bad_fraction=0.5)
    assert [problem.kind for problem in report.skipped] == ["mask cannot be read"]
    assert report.written == len(OBJECTS) - 1


@pytest.mark.parametrize("format", WRITERS)
def test_processes_and_splits_by_list_serve_every_format(pictures, tmp_path, monkeypatch, format):
    WRITERS[format](tmp_path / "data", pictures)
    (tmp_path / "val.txt").write_text("a\nb.c d.jpg\n")
    settings = {"split": {"val": str(tmp_path / "val.txt")}}
    make_tfrecords(tmp_path / "data", tmp_path / "threads", format, **settings)
    monkeypatch.setattr(parallel, "MANY", 1)
    report = make_tfrecords(tmp_path / "data", tmp_path / "processes", format, workers=3, **settings)
    assert report.splits["val"].images == 2
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.record-*")}
        for name in ("threads", "processes")
    )
    assert one == other


def test_class_names_that_hardly_differ_are_reported(pictures, tmp_path):
    _voc(tmp_path / "voc", pictures)
    path = tmp_path / "voc" / "Annotations" / "ä.xml"
    path.write_text(path.read_text(encoding="utf-8").replace("Bengal cat", "bengal_cat"), encoding="utf-8")
    report = make_tfrecords(tmp_path / "voc", tmp_path / "records", val_fraction=0.25, num_shards=1)
    (found,) = (problem for problem in report.problems if problem.kind == "class names that hardly differ")
    assert "'Bengal cat' and 'bengal_cat'" in found.text
