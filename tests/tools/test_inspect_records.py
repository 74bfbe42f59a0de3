"""`odtk inspect` on records: each thing that can be wrong is found, named by file and offset, and nothing else."""

import json
import math
from dataclasses import replace

import inspected_records as made
import numpy as np
import pytest

from odtk.annotations.annotated_image import AnnotatedObject
from odtk.errors import DataError, LabelMapError
from odtk.findings import ERROR, NOTE, WARNING
from odtk.tools.inspect import document, inspect


def found(folder, **options):
    """{kind: (severity, count)} of all findings."""
    return {each.kind: (each.severity, each.count) for each in inspect(folder, **options).findings}


def test_sound_records_have_no_finding_and_the_right_numbers(tmp_path):
    inspection = inspect(made.write(tmp_path / "records"))
    assert inspection.findings == []
    assert [(s.name, s.images, s.boxes, s.negatives, s.unusable, s.decoded) for s in inspection.splits] == [
        ("train", 12, 24, 0, 0, 12),
        ("val", 10, 20, 0, 0, 10),
    ]
    assert {name: {s: (c.images, c.boxes) for s, c in row.items()} for name, row in inspection.classes.items()} == {
        "cat": {"train": (12, 12), "val": (10, 10)},
        "dog": {"train": (12, 12), "val": (10, 10)},
    }
    bins = {each.name: {name: count for name, count in each.bins if count} for each in inspection.histograms}
    assert bins["image-sizes"] == {"up to 256": 22}
    assert bins["objects-per-image"] == {"2": 22}
    # 0.4 x 0.3 and 0.5 x 0.4 of 90 x 120 pixels: 36 x 36 and 45 x 48
    assert bins["box-sizes"] == {"32-64": 44}
    assert bins["box-shapes"] == {"about square": 44}
    assert inspection.label_map.endswith("label_map.pbtxt")
    assert inspection.verified


def cat(*box, **options):
    return AnnotatedObject(box, 1, "cat", **options)


OBJECTS = {
    "tiny-boxes": (cat(0.1, 0.1, 0.1 + 7 / 90, 0.1 + 8 / 120), WARNING),
    "whole-image-boxes": (cat(0, 0, 1, 1), WARNING),
    "identical-boxes": (cat(0.1, 0.1, 0.5, 0.4), WARNING),
    "conflicting-boxes": (AnnotatedObject((0.11, 0.1, 0.5, 0.4), 2, "dog"), WARNING),
    "inverted-box": (cat(0.5, 0.1, 0.2, 0.4), ERROR),
    "empty-box": (cat(0.5, 0.1, 0.5, 0.4), WARNING),
    "nan-in-a-box": (cat(math.nan, 0.1, 0.5, 0.4), WARNING),
    "box-outside-the-image": (cat(0.5, 0.1, 1.1, 0.4), WARNING),
    "box-in-pixels": (cat(5.0, 10.0, 40.0, 60.0), ERROR),
    "unknown-classes": (AnnotatedObject((0.1, 0.6, 0.25, 0.8), 3, "Cat "), ERROR),
    "ids-disagree": (AnnotatedObject((0.1, 0.6, 0.25, 0.8), 2, "cat"), WARNING),
    "no-class": (AnnotatedObject((0.1, 0.6, 0.25, 0.8), 1, ""), ERROR),
}
# What a class that is nowhere else brings with it.
ALSO = {"unknown-classes": {"names-alike", "rare-classes", "classes-not-evaluated"}}


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_box_that_is_wrong_is_found_with_file_offset_and_image(kind, tmp_path):
    odd, severity = OBJECTS[kind]
    images = made.sound_images(12, 0)
    images[7] = made.with_objects(images[7], odd)  # whose own boxes are not shifted
    folder = made.write(tmp_path / "records", images)
    findings = {each.kind: each for each in inspect(folder).findings}
    assert set(findings) == {kind} | ALSO.get(kind, set())
    assert (findings[kind].severity, findings[kind].count) == (severity, 1)
    (example,) = findings[kind].examples
    file = folder / "train.record-00000-of-00001"
    assert (example.file, example.offset) == (str(file), made.offsets(file)[7])
    assert (example.image, example.split, example.rows) == ("7.jpg", "train", (7,))
    # Of two boxes on one place the earlier is named.
    assert example.boxes == ((0,) if kind in ("identical-boxes", "conflicting-boxes") else (2,))


@pytest.mark.parametrize(
    "box",
    [
        (0.1, 0.1, 0.1 + 8.1 / 90, 0.1 + 8 / 120),  # just not tiny
        (0, 0, 1, 0.97),  # not the whole image
        (0.1, 0.1, 0.47, 0.37),  # overlaps by 0.83
        (-0.0005, 0.5, 0.2, 0.9),  # outside by rounding
    ],
)
def test_a_box_on_the_sound_side_is_not(box, tmp_path):
    images = made.sound_images(12, 0)
    images[0] = made.with_objects(images[0], cat(*box))
    assert found(made.write(tmp_path / "records", images)) == {}


def _clear(name):
    return lambda features: features.pop(name)


def _set(name, kind, *values):
    def change(features):
        getattr(features[name], kind).value[:] = values

    return change


def _encoded(**options):
    return lambda features: _set("image/encoded", "bytes_list", made.picture(4, **options))(features)


def _exif(orientation):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


HASH = "image-key-sha256-disagrees"
RECORDS = {
    "no image": (_clear("image/encoded"), {"no-image-in-the-record": (ERROR, 1)}),
    "cut image": (
        _set("image/encoded", "bytes_list", made.picture(4)[:-900]),
        {"image-cannot-be-decoded": (ERROR, 1)},
    ),
    "lists differ": (
        _set("image/object/bbox/xmax", "float_list", 0.4),
        {"lists-differ-in-length": (ERROR, 1)},
    ),
    "wrong kind": (
        _set("image/object/bbox/xmax", "int64_list", 1, 1),
        {"feature-of-another-kind": (ERROR, 1)},
    ),
    "other bytes": (_encoded(), {}),
    "another image": (_encoded(quality=70), {HASH: (WARNING, 1)}),
    "webp": (_encoded(format="WEBP"), {HASH: (WARNING, 1), "image-that-tensorflow-cannot-decode": (ERROR, 1)}),
    "png": (_encoded(format="PNG"), {HASH: (WARNING, 1)}),
    "size": (_set("image/width", "int64_list", 121), {"size-disagrees-with-the-image": (WARNING, 1)}),
    "exif": (_encoded(exif=_exif(3)), {HASH: (WARNING, 1), "exif-orientation": (WARNING, 1)}),
    "no label": (_clear("image/object/class/label"), {}),
    "no text": (_clear("image/object/class/text"), {}),
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_record_that_is_wrong_is_found(what, tmp_path):
    change, expected = RECORDS[what]
    images = made.sound_images(12, 0)
    images[4] = made.changed(images[4], change)
    inspection = inspect(made.write(tmp_path / "records", images))
    assert {each.kind: (each.severity, each.count) for each in inspection.findings} == expected
    assert all(each.examples[0].image == "4.jpg" for each in inspection.findings)
    unusable = any("unusable" in each.text.lower() for each in inspection.findings)
    assert [(split.images, split.unusable) for split in inspection.splits] == [(12 - unusable, unusable), (10, 0)]


def test_boxes_of_a_turned_image_are_an_error(tmp_path):
    images = made.sound_images(12, 0)
    lying = replace(images[4], encoded=made.picture(4, exif=_exif(6)), width=made.SIZE[1], height=made.SIZE[0])
    assert found(made.write(tmp_path / "records", [lying, *images[5:], *images[:4]])) == {
        "boxes-of-the-turned-image": (ERROR, 1)
    }


def test_damage_is_named_by_file_and_offset_and_the_rest_is_counted(tmp_path):
    folder = made.write(tmp_path / "records")
    file = folder / "train.record-00000-of-00001"
    begin = made.offsets(file)[3]
    data = bytearray(file.read_bytes())
    data[begin + 500] ^= 1
    file.write_bytes(data)
    inspection = inspect(folder)
    (finding,) = inspection.findings
    assert (finding.kind, finding.severity, finding.count) == ("damaged-record", ERROR, 1)
    (example,) = finding.examples
    assert (example.file, example.offset, example.image) == (str(file), begin, "3.jpg")
    assert f"byte {begin}" in str(example)
    assert "checksum" in example.text
    assert [(split.images, split.unusable) for split in inspection.splits] == [(11, 1), (10, 0)]


def test_a_missing_shard_is_named(tmp_path):
    folder = made.write(tmp_path / "records")
    (folder / "train.record-00000-of-00001").rename(folder / "train.record-00000-of-00002")
    (finding,) = inspect(folder).findings
    assert (finding.kind, finding.severity) == ("missing-shards", ERROR)
    assert "train.record-00001-of-00002" in finding.text


def test_the_same_file_in_both_splits_is_an_error(tmp_path):
    train, val = made.sound_images(12, 0), made.sound_images(10, 100)
    val[3] = replace(val[3], encoded=train[7].encoded)
    (finding,) = inspect(made.write(tmp_path / "records", train, val)).findings
    assert (finding.kind, finding.severity, finding.count) == ("same-image-across-splits", ERROR, 1)
    assert finding.examples[0].rows == (7, 12 + 3)
    assert "103.jpg (val)" in finding.examples[0].text


def test_look_alikes_in_both_splits_are_found_and_within_one_noted(tmp_path):
    train, val = made.sound_images(12, 0), made.sound_images(10, 100)
    val[3] = replace(val[3], encoded=made.picture(7, quality=60))
    train[1] = replace(train[1], encoded=made.picture(0, quality=60))
    findings = {each.kind: each for each in inspect(made.write(tmp_path / "records", train, val)).findings}
    assert set(findings) == {"look-alikes-across-splits", "look-alikes"}
    assert findings["look-alikes-across-splits"].examples[0].rows == (7, 15)
    assert findings["look-alikes"].severity == NOTE
    assert findings["look-alikes"].examples[0].rows == (0, 1)


def test_classes_rare_untrained_unmeasured_and_unused(tmp_path):
    train, val = made.sound_images(12, 0), made.sound_images(10, 100)
    train[0] = made.with_objects(train[0], AnnotatedObject((0.1, 0.6, 0.25, 0.8), 3, "emu"))
    val[0] = made.with_objects(val[0], AnnotatedObject((0.1, 0.6, 0.25, 0.8), 4, "fox"))
    names = ("cat", "dog", "emu", "fox", "gnu")
    assert found(made.write(tmp_path / "records", train, val, names)) == {
        "rare-classes": (WARNING, 1),
        "classes-not-trained": (WARNING, 1),
        "classes-not-evaluated": (WARNING, 1),
        "unused-classes": (WARNING, 2),
    }


def test_rare_is_a_tenth_of_the_median_too(tmp_path):
    many = [
        made.with_objects(image, *(cat(0.1 * k, 0.6, 0.1 * k + 0.1, 0.7 + 0.02 * k) for k in range(9)))
        for image in made.sound_images(23, 0)
    ]
    emus = [cat(0.1, 0.6, 0.25, 0.7 + 0.02 * k) for k in range(10)]
    many[0] = made.with_objects(many[0], *(replace(emu, class_name="emu", class_id=3) for emu in emus))
    folder = made.write(tmp_path / "records", many, [], ("cat", "dog", "emu"))
    findings = {each.kind: each for each in inspect(folder).findings}
    # 230 cats, 23 dogs, 10 emus: the median is 23
    assert "rare-classes" not in findings
    assert findings["no-boxes"].severity == ERROR


def test_too_many_boxes(tmp_path):
    images = made.sound_images(12, 0)
    grid = [cat(0.09 * y, 0.09 * x, 0.09 * y + 0.12, 0.09 * x + 0.09) for y in range(9) for x in range(11)]
    images[2] = made.with_objects(images[2], *grid)
    (finding,) = inspect(made.write(tmp_path / "records", images)).findings
    assert (finding.kind, finding.count, finding.examples[0].text) == ("too-many-boxes", 1, "101 boxes")
    assert "to 101" in finding.fix


def test_images_without_boxes_are_noted_and_many_are_a_warning(tmp_path):
    images = made.sound_images(24, 0)
    images[:3] = [replace(image, objects=()) for image in images[:3]]
    assert found(made.write(tmp_path / "few", images)) == {"images-without-boxes": (NOTE, 3)}
    images[:14] = [replace(image, objects=()) for image in images[:14]]
    assert found(made.write(tmp_path / "many", images)) == {"images-without-boxes": (WARNING, 14)}


def test_a_sample_is_decoded_unless_all_is_to_be_verified(tmp_path):
    images = made.sound_images(12, 0)
    images[0] = replace(images[0], encoded=images[0].encoded[:-900])
    folder = made.write(tmp_path / "records", images)
    sampled, verified = inspect(folder, max_images=5), inspect(folder, max_images=5, verify=True)
    assert sum(split.decoded for split in sampled.splits) == 5
    assert sum(split.boxes for split in sampled.splits) == 44
    assert not sampled.verified
    assert sampled.not_looked_at[0].startswith("17 images were not decoded")
    assert {each.kind for each in sampled.findings} == set()
    assert {each.kind for each in verified.findings} == {"image-cannot-be-decoded"}


def test_the_number_of_workers_changes_nothing(tmp_path, monkeypatch):
    from odtk import parallel
    from odtk.tools import inspect as tool

    images = made.sound_images(12, 0)
    images[5] = made.with_objects(images[5], cat(0, 0, 1, 1))
    target = tool.open_target(made.write(tmp_path / "records", images))
    alone = tool.document(tool.survey(target)[0])
    monkeypatch.setattr(parallel, "MANY", 2)  # on processes
    monkeypatch.setattr(parallel, "num_cores", lambda: 2)
    assert tool.document(tool.survey(target)[0]) == alone


def test_targets_of_records(tmp_path):
    folder = made.write(tmp_path / "records")
    glob = inspect(folder / "*.record-*")
    assert [split.name for split in glob.splits] == ["train", "val"]
    one = inspect(folder / "val.record-00000-of-00001")
    assert [(split.name, split.images) for split in one.splits] == [("val", 10)]
    with pytest.raises(DataError, match=r"nothing_here\* does not exist\. Give the folder of a dataset"):
        inspect(folder / "nothing_here*")
    (folder / "label_map.pbtxt").write_text("item { id: 0 name: 'cat' }\nitem { id: 1 name: 'dog' }")
    with pytest.raises(LabelMapError, match=r"label_map\.pbtxt:1"):
        inspect(folder)


def test_files_of_anything_are_damage_and_never_a_traceback(tmp_path):
    rng = np.random.default_rng(3)
    folder = made.write(tmp_path / "records")
    (folder / "train.record-00000-of-00001").write_bytes(rng.bytes(5000))
    (folder / "val.record-00000-of-00001").write_bytes(b"")
    findings = found(folder)
    assert findings["damaged-record"][0] == findings["no-boxes"][0] == ERROR
    inspect(folder, max_images=0)


def test_examples_of_anything_are_findings_and_never_a_traceback(tmp_path):
    rng = np.random.default_rng(4)
    sound, image, spoiled = made.encoded(made.sound_images(1, 0))[0], made.picture(0), []
    start = sound.index(image)
    features = [*range(start), *range(start + len(image), len(sound))]
    for _ in range(400):
        data = bytearray(sound)
        for position in rng.choice(features, rng.integers(1, 4)):
            data[position] = rng.integers(0, 256)
        spoiled.append(bytes(data))
    inspection = inspect(made.write(tmp_path / "records", spoiled))
    train = inspection.splits[0]
    assert train.images + train.unusable == 400
    assert min(train.images, train.unusable) > 50
    json.dumps(document(inspection), allow_nan=False)
