"""YOLO, VOC and CSV of detections: make-tfrecords reads them back, and each box lies on its object."""

import csv
import shutil

import drawn_field
import pixels
import pytest
import yaml
from lxml import etree
from stream_frames import IDS, NAMES, blank, detections, name_of, of_video, still, write_all

from odtk import label_map
from odtk.streams.writers.csv_rows import CsvWriter
from odtk.streams.writers.voc import VocWriter
from odtk.streams.writers.yolo import YoloWriter
from odtk.tools.make_tfrecords import make_tfrecords

ORIENTATION = 0x0112


@pytest.fixture
def frames(tmp_path):
    """Pictures as they come: plain, in a folder, rotated by EXIF, of the same stem, gone by now, empty, of a video."""
    plain, lying, twin, gone, moving = drawn_field.pictures(5)
    folder = tmp_path / "pictures"
    plain.save(folder / "holiday/tom.jpg")
    exif = lying.image.getexif()
    exif[ORIENTATION] = 6  # viewers rotate it by 90 degrees
    lying.renamed("lying.jpg")
    stored = lying.image.rotate(90, expand=True)
    stored.save(folder / "lying.jpg", quality=92, exif=exif)
    twin.save(folder / "holiday/tom.png")
    return [
        (still(plain, folder / "holiday/tom.jpg", "holiday/tom.jpg"), detections(plain)),
        (still(lying, folder / "lying.jpg", "lying.jpg", 2), detections(lying)),
        (still(twin, folder / "holiday/tom.png", "holiday/tom.png", 3), detections(twin)),
        (still(gone, "http://example.org/gone.webp", "gone.webp", 4), detections(gone)),
        (still(blank(), folder / "blank.png", "blank.png", 5), detections(blank()).best(0.99)),
        (of_video(moving, 12, image_id=6), detections(moving)),
    ]


@pytest.mark.parametrize("maker", [YoloWriter, VocWriter])
def test_what_is_written_becomes_records_whose_boxes_lie_on_their_objects(tmp_path, frames, maker):
    more = {"names": NAMES} if maker is YoloWriter else {}
    writer = maker(tmp_path / "out", name_of, **more)
    write_all(writer, frames)
    report = make_tfrecords(writer.folder, tmp_path / "records", val_fraction=0.0, max_bad_fraction=0.0)
    counts = pixels.check_on_objects(tmp_path / "records")
    assert sorted(counts.values()) == sorted(len(found) - 1 if len(found) else 0 for _, found in frames)
    assert len(counts) == len(frames)
    assert report is not None
    assert str(sum(counts.values())) in writer.written()
    # A file that can be used as it is has been copied, not compressed a second time.
    copies = [path.read_bytes() for path in writer.folder.rglob("tom.jpg")]
    assert copies == [(tmp_path / "pictures/holiday/tom.jpg").read_bytes()]
    assert {path.name for path in writer.folder.rglob("tom*.png")} == {"tom-2.png"}  # beside the annotation of tom.jpg
    if maker is YoloWriter:
        ids = label_map.read(tmp_path / "records/label_map.pbtxt")
        assert [ids.name_of(number) for number in (1, 2, 3)] == [*NAMES.values()]


def test_yolo_names_classes_that_no_label_map_names(tmp_path, frames):
    writer = YoloWriter(tmp_path, lambda number: f"class {number}")
    write_all(writer, frames)
    assert yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["names"] == {0: "class 1", 2: "class 3"}


def test_names_that_xml_cannot_hold_are_escaped(tmp_path):
    (picture,) = drawn_field.pictures(1)
    frame = still(picture, "none", "a\udce9\x07.jpg")
    write_all(VocWriter(tmp_path, lambda number: "c\x07t & <dog>"), [(frame, detections(picture))])
    (path,) = (tmp_path / "voc/Annotations").iterdir()
    root = etree.fromstring(path.read_bytes())
    assert (root.findtext("filename"), root.findtext("object/name")) == ("a\\udce9\\x07.jpg", "c\\x07t & <dog>")


def test_nothing_at_all_is_still_whole(tmp_path):
    write_all(YoloWriter(tmp_path, name_of, NAMES), [])
    assert (tmp_path / "yolo/data.yaml").is_file()
    write_all(CsvWriter(tmp_path, name_of), [])
    assert len((tmp_path / "detections.csv").read_text().splitlines()) == 1


def test_the_csv_beside_the_pictures_is_read_by_make_tfrecords(tmp_path):
    drawn = drawn_field.pictures(3)
    frames = [(still(each, tmp_path / each.name, image_id=5), detections(each)) for each in drawn]
    frames = [(frame, found.take(found.scores > 0.7)) for frame, found in frames]
    empty = blank()
    frames.append((still(empty, tmp_path / empty.name), detections(empty).best(0.99)))
    for each in (*drawn, empty):
        each.save(tmp_path / "pictures" / each.name)
    write_all(CsvWriter(tmp_path / "out", name_of), frames)
    shutil.copy(tmp_path / "out/detections.csv", tmp_path / "pictures")
    make_tfrecords(tmp_path / "pictures", tmp_path / "records", val_fraction=0.0, max_bad_fraction=0.0)
    counts = pixels.check_on_objects(tmp_path / "records")
    assert counts == {each.name: len(each.objects) for each in (*drawn, empty)}


def test_the_csv_says_all_that_is_known(tmp_path):
    (picture,) = drawn_field.pictures(1)
    found = detections(picture)
    tracked = found.take([0, 1])
    tracked = type(found)(*(getattr(tracked, name) for name in ("boxes", "classes", "scores", "names", "class_scores")),
                          track_ids=found.classes[:2] * [7, 0])  # fmt: skip
    writer = CsvWriter(tmp_path, name_of, top=2)
    write_all(writer, [(of_video(picture, 3), tracked)])
    first, second = csv.DictReader((tmp_path / "detections.csv").open())
    assert (first["filename"], first["frame"], first["seconds"]) == ("walk_mp4/000003.jpg", "3", "0.300000")
    (name, box), _ = picture.objects
    assert (first["class"], first["class_id"], first["score"]) == (name, str(IDS[name]), "0.9")
    assert [float(first[side]) for side in ("xmin", "ymin", "xmax", "ymax")] == pytest.approx(box, abs=0.01)
    assert (first["track_id"], second["track_id"]) == ("7", "")
    assert (first["top_1_name"], first["top_1_score"]) == (name, "0.9")
    assert float(first["top_2_score"]) == pytest.approx(0.01)
    assert writer.written() == "detections.csv (2 boxes)"
