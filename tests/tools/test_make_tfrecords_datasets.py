"""Conversion of what any reader of a format gives; each format's own tests are in tests/annotations."""

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from listed_dataset import draw
from PIL import Image

from odtk import label_map, parallel
from odtk.annotations.dataset import ImageAnnotation, Listed, MarkedObject
from odtk.cli.main import cli
from odtk.errors import DataError, OdtkError, OutputError
from odtk.records import example, shards
from odtk.tools.make_tfrecords import convert, make_tfrecords

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Converts a dataset to tmp_path/out."""

    def run(dataset, output="out", **settings):
        monkeypatch.setattr(convert.formats, "open_dataset", lambda *_, **__: dataset)
        return make_tfrecords(dataset.folder, tmp_path / output, "voc", **({"num_shards": 2} | settings))

    return run


def _images(folder, split):
    paths = sorted(folder.glob(f"{split}.record-*"))
    return {image.filename: image for path in paths for image in map(example.decode, shards.read_records(path))}


def _bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.record-*"))}


def test_every_image_is_in_one_split_with_its_bytes_and_boxes(drawn, run, tmp_path):
    report = run(drawn, test_fraction=0.2)
    found = {split: _images(tmp_path / "out", split) for split in SPLITS}
    assert sorted(name for images in found.values() for name in images) == [each.key for each in drawn.listed]
    assert all(found.values())
    for listed in drawn.listed:
        (image,) = (images[listed.key] for images in found.values() if listed.key in images)
        assert image.encoded == Path(listed.entry.image_path).read_bytes()
        assert [entry.class_name for entry in image.objects] == [entry.class_name for entry in listed.entry.objects]
        for entry in image.objects:
            assert entry.box == pytest.approx((10 / 90, 20 / 120, 60 / 90, 80 / 120))
    assert {split: counts.images for split, counts in report.splits.items()} == {
        split: len(images) for split, images in found.items()
    }
    document = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert document["records"] == {split: f"{split}.record-?????-of-00002" for split in SPLITS}
    assert shards.read_dataset(tmp_path / "out").val_records == report.records["val"]
    assert shards.chosen_options(tmp_path / "out") == {"format": "voc", "num-shards": 2, "test-fraction": 0.2}


def test_images_without_objects_are_negatives_and_shared_out(drawn, run, tmp_path):
    report = run(drawn)
    negatives = {
        split: sum(not image.objects for image in _images(tmp_path / "out", split).values()) for split in report.splits
    }
    assert {split: counts.negatives for split, counts in report.splits.items()} == negatives
    assert sum(negatives.values()) == 4
    assert negatives["val"] >= 1


def test_the_split_is_by_class_and_repeatable(drawn, run, tmp_path):
    report = run(drawn, seed=3)
    for name, counts in report.splits["val"].classes.items():
        total = counts.images + report.splits["train"].classes[name].images
        assert abs(counts.images - 0.3 * total) <= 1
    run(drawn, "again", seed=3)
    run(drawn, "other", seed=4)
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "again") != _bytes(tmp_path / "other")


@pytest.mark.parametrize(("many", "num_workers"), [(10**9, 2), (1, 3)], ids=["threads", "processes"])
def test_any_workers_give_the_same_bytes(drawn, run, tmp_path, monkeypatch, many, num_workers):
    run(drawn, "one", workers=1)
    monkeypatch.setattr(parallel, "MANY", many)
    run(drawn, "more", workers=num_workers)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "more")


def test_images_are_not_in_the_order_of_their_names(drawn, run, tmp_path):
    run(drawn, num_shards=1)
    names = list(_images(tmp_path / "out", "train"))
    assert names != sorted(names)


def _with_copies(drawn, folder):
    """The first twelve images, and three copies of each: smaller, darker, and saved again."""
    listed = []
    for each in drawn.listed[:12]:
        image = Image.open(each.entry.image_path)
        copies = [image, image.resize((60, 45)), image.point(lambda value: value * 0.85), image.convert("RGB")]
        for number, copy in enumerate(copies):
            path = folder / f"{Path(each.key).stem}-{number}.jpg"
            copy.save(path, quality=70)
            listed.append(Listed(path.name, None, ImageAnnotation(str(path), path.name, each.entry.objects)))
    return type(drawn)(str(folder), tuple(listed))


def test_near_duplicates_stay_on_one_side(drawn, run, tmp_path):
    (tmp_path / "data").mkdir()
    copies = _with_copies(drawn, tmp_path / "data")
    report = run(copies)
    assert report.near_duplicates == 36
    assert report.duplicates == []
    train, val = ({name[:7] for name in _images(tmp_path / "out", split)} for split in ("train", "val"))
    assert len(train) + len(val) == 12
    assert not train & val
    assert val
    spread = run(copies, "spread", allow_duplicates=True)
    assert any({"train", "val"} <= group.keys() for group in spread.duplicates)


def test_where_all_look_alike_the_error_says_so(drawn, run, tmp_path):
    (tmp_path / "data").mkdir()
    copies = _with_copies(drawn, tmp_path / "data")
    few = type(drawn)(copies.folder, copies.listed[:4])
    with pytest.raises(DataError, match=r"No image is left for val: the 4 images are near-duplicates.*allow near-dupl"):
        run(few)
    assert run(few, allow_duplicates=True).splits["val"].images == 1


@pytest.mark.parametrize(("val_fraction", "missing"), [(0.3, ["val has no image"]), (0.0, [])])
def test_a_split_that_gets_no_image_is_reported_where_one_was_wanted(drawn, run, val_fraction, missing):
    one = type(drawn)(drawn.folder, drawn.listed[:1])
    report = run(one, val_fraction=val_fraction)
    assert report.splits["val"].images == 0
    assert [problem.text.split(":")[0] for problem in report.problems] == missing


def test_the_data_sets_own_splits_are_kept_and_duplicates_across_them_named(drawn, run, tmp_path):
    (tmp_path / "data").mkdir()
    copies = _with_copies(drawn, tmp_path / "data")
    splits = {each.key: "val" if "-3" in each.key else "train" for each in copies.listed[:-1]}
    report = run(copies.with_splits(splits))
    assert report.split_source.startswith("the dataset's own")
    assert set(_images(tmp_path / "out", "val")) == {key for key, split in splits.items() if split == "val"}
    assert len(report.duplicates) == 11
    assert report.duplicates[0] == {"train": [f"pet 000-{number}.jpg" for number in range(3)], "val": ["pet 000-3.jpg"]}
    # The one that is in no split is left out, which is no fault of the data.
    assert [(problem.file, problem.kind) for problem in report.skipped] == [(copies.listed[-1].key, "in no split")]
    assert report.bad_images == 0
    assert run(copies.with_splits(splits), "resplit", resplit=True).duplicates == []


def test_a_data_set_of_train_and_test_evaluates_on_test(drawn, run):
    splits = {each.key: ("train", "test")[index % 2] for index, each in enumerate(drawn.listed)}
    report = run(drawn.with_splits(splits))
    assert {split: counts.images for split, counts in report.splits.items()} == {"train": 12, "val": 12}
    assert report.split_source.endswith(", its test images for val")


def test_splits_by_lists_and_folders(drawn, run, tmp_path):
    keys = [each.key for each in drawn.listed]
    in_a = [key for key in keys if "/a/" in key]
    (tmp_path / "val.txt").write_text(f"{in_a[0]}\n\n./{in_a[1]}\npet 004\npet 006.jpg\n{drawn.folder}/{in_a[4]}\n")
    report = run(drawn, split={"val": str(tmp_path / "val.txt")})
    assert sorted(_images(tmp_path / "out", "val")) == in_a[:5]
    assert report.splits["train"].images == len(keys) - 5
    report = run(drawn, "folders", split={"train": "images/b", "test": str(tmp_path / "val.txt")})
    assert {split: counts.images for split, counts in report.splits.items()} == {"train": 12, "val": 0, "test": 5}
    assert Counter(problem.kind for problem in report.skipped) == {"in no split": 7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pet 001\npet 0i2\n", r"list\.txt:2: pet 0i2 is not an image of .* Did you mean pet 0"),
        ("pet\n", r"list\.txt:1: pet is not an image"),
        ("images/a/pet 000\n", "is in the lists of both train and val"),
    ],
)
def test_a_list_that_cannot_be_followed_is_explained(drawn, run, tmp_path, text, message):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        run(drawn, split={"train": "images/a", "val": str(tmp_path / "list.txt")})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("place", "message"), [("nowhere.txt", "neither a folder nor"), ("/tmp", "not inside")])
def test_a_place_that_is_none_is_explained(drawn, run, place, message):
    with pytest.raises(DataError, match=message):
        run(drawn, split={"val": place})


def test_a_name_for_two_images_is_refused(drawn, run, tmp_path):
    shutil.copytree(Path(drawn.folder), tmp_path / "data")
    twice = [Listed(f"{folder}/x.jpg", None, drawn.listed[0].entry) for folder in "ab"]
    dataset = type(drawn)(str(tmp_path / "data"), (*twice, *drawn.listed))
    (tmp_path / "list.txt").write_text("x.jpg\n")
    with pytest.raises(DataError, match=r"list\.txt:1: x\.jpg may be any of a/x\.jpg, b/x\.jpg"):
        run(dataset, split={"val": str(tmp_path / "list.txt")})


def test_a_label_map_is_made_of_the_names_sorted_or_in_the_data_sets_order(drawn, run, tmp_path):
    run(drawn, write_label_map=str(tmp_path / "mine.pbtxt"))
    made = label_map.read(tmp_path / "out" / "label_map.pbtxt")
    assert [item.name for item in made.items] == ["Abyssinian", "Bengal", "beagle", "pug"]
    assert (tmp_path / "mine.pbtxt").read_bytes() == (tmp_path / "out" / "label_map.pbtxt").read_bytes()
    ordered = type(drawn)(drawn.folder, drawn.listed, class_names=("pug", "cow", "beagle"))
    run(ordered, "ordered")
    made = label_map.read(tmp_path / "ordered" / "label_map.pbtxt")
    assert [item.name for item in made.items] == ["pug", "cow", "beagle", "Abyssinian", "Bengal"]
    ids = {
        entry.class_name: entry.class_id
        for image in _images(tmp_path / "ordered", "train").values()
        for entry in image.objects
    }
    assert ids == {"pug": 1, "beagle": 3, "Abyssinian": 4, "Bengal": 5}
    with pytest.raises(OutputError, match=r"mine\.pbtxt already exists"):
        run(drawn, "third", write_label_map=str(tmp_path / "mine.pbtxt"))


def test_a_name_with_several_ids_in_the_label_map_gets_the_last_and_is_reported(drawn, run, tmp_path):
    breeds = sorted({entry.class_name for listed in drawn.listed for entry in listed.entry.objects})
    path = tmp_path / "map.pbtxt"
    label_map.write(
        label_map.LabelMap([label_map.Item(n, name) for n, name in enumerate([breeds[0], *breeds], 5)]), path
    )
    report = run(drawn, label_map=str(path))
    (problem,) = (problem for problem in report.problems if problem.kind == "class name of several ids")
    assert f"gives {breeds[0]!r} the ids 5, 6; its boxes become 6" in problem.text
    files = sorted((tmp_path / "out").glob("*.record-*"))
    ids = {
        entry.class_id for file in files for data in shards.read_records(file) for entry in example.decode(data).objects
    }
    assert ids == {*range(6, 6 + len(breeds))}


def test_names_that_the_label_map_lacks_are_named_with_the_nearest(drawn, run, tmp_path):
    path = tmp_path / "map.pbtxt"
    label_map.write(label_map.of_names(["abyssinian ", "pug", "Bengel"]), path)
    with pytest.raises(DataError) as raised:
        run(drawn, label_map=str(path))
    text = str(raised.value)
    assert "'Abyssinian' (it has 'abyssinian ': only case, spaces or dashes differ)" in text
    assert "'Bengal' (it has 'Bengel')" in text
    assert "'beagle'," in text or "'beagle' (" in text or "'beagle'" in text
    assert not (tmp_path / "out").exists()


def test_without_any_object_there_is_nothing_to_convert(drawn, run, tmp_path):
    bare = type(drawn)(drawn.folder, tuple(each for each in drawn.listed if not each.entry.objects))
    with pytest.raises(DataError, match=r"^No image has an object to learn\. .*with a label map"):
        run(bare)
    path = tmp_path / "pets.pbtxt"
    label_map.write(label_map.of_names(["pug"]), path)
    report = run(bare, label_map=str(path), num_shards=None)
    assert report.warnings == [
        "No image has an object: a model that is trained on these records learns to find nothing."
    ]


def test_where_nothing_is_left_the_faults_come_first(drawn, run):
    """And not that there is no label map, nor a fraction to allow, which would lead to nothing."""
    bare = type(drawn)(drawn.folder, tuple(each for each in drawn.listed if not each.entry.objects))
    dataset = bare
    for index in range(len(bare.listed)):
        dataset = dataset.with_entry(index, f"fault {index}")
    with pytest.raises(DataError) as raised:
        run(dataset)
    assert str(raised.value).startswith("None of the 4 images is usable: xml cannot be read (4): ")
    assert "fault 3. Nothing was written. Fix the files." in str(raised.value)
    assert "max-bad-fraction" not in str(raised.value)
    with pytest.raises(
        DataError, match=r"^xml cannot be read \(1\): .*xml:3: fault; so none of the 4 images has an obj"
    ):
        run(bare.with_entry(0, "fault"), max_bad_fraction=1)


def test_no_split_has_empty_files_unless_they_are_asked_for(drawn, run, tmp_path):
    report = run(drawn, num_shards=None)
    images = {split: counts.images for split, counts in report.splits.items()}
    assert images == {"train": 17, "val": 7}
    assert report.records["train"].endswith("train.record-?????-of-00010")
    assert report.records["val"].endswith("val.record-?????-of-00007")
    assert len(list((tmp_path / "out").glob("val.record-*"))) == 7
    assert report.warnings == []
    report = run(drawn, "asked", num_shards=9)
    assert len(list((tmp_path / "asked").glob("val.record-*"))) == 9
    assert report.warnings == ["val has fewer images (7) than files (9): some of its files are empty."]


def test_a_class_that_no_val_image_has_is_a_warning(drawn, run):
    splits = {each.key: "train" if _shows(each, "pug") else ("train", "val")[index % 3 == 0]
              for index, each in enumerate(drawn.listed)}  # fmt: skip
    (warning,) = run(drawn.with_splits(splits)).warnings
    count = sum(_shows(each, "pug") for each in drawn.listed)
    assert warning.startswith(f"No image of val shows 'pug' ({count} of train), so these classes are not evaluated")


def _shows(listed, name):
    return any(entry.class_name == name for entry in listed.entry.objects)


def test_bad_images_are_left_out_and_only_they_are_named_in_a_refusal(drawn, run, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(Path(drawn.listed[0].entry.image_path).read_bytes()[:2000])
    dataset = drawn.with_entry(3, ImageAnnotation(str(cut), "cut.jpg", (MarkedObject("pug", (1, 1, 5, 5)),)))
    dataset = dataset.with_entry(7, "its <bndbox> has no <xmin>.")
    report = run(dataset, max_bad_fraction=0.1)
    assert [problem.kind for problem in report.skipped] == ["image cannot be decoded", "xml cannot be read"]
    assert (report.listed, report.written, report.bad_images) == (24, 22, 2)
    splits = {each.key: ("train", "val")[index % 2] for index, each in enumerate(dataset.listed[:-4])}
    with pytest.raises(DataError) as raised:
        run(dataset.with_splits(splits), "refused", max_bad_fraction=0.01)
    text = str(raised.value)
    assert "2 of 24 images (8.3%)" in text
    assert "cut.jpg: the image cannot be decoded" in text
    assert "xml:3: its <bndbox> has no <xmin>" in text
    assert "in no list" not in text
    assert not (tmp_path / "refused").exists()


def test_of_many_bad_images_the_refusal_names_ten_and_says_how_to_see_all(drawn, run, tmp_path):
    dataset = drawn
    for index in range(12):
        dataset = dataset.with_entry(index, f"fault {index}")
    with pytest.raises(
        DataError, match=r"fault 9; and 2 more, all of them in dataset\.json if a fraction of 1"
    ) as raised:
        run(dataset)
    assert "fault 10" not in str(raised.value)
    run(dataset, max_bad_fraction=1)
    document = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert [problem["text"] for problem in document["report"]["skipped"]] == [f"fault {index}" for index in range(12)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_conversion_leaves_nothing(drawn, run, tmp_path, monkeypatch, error):
    real = shards.write_records

    def interrupted(path, records):
        if "val" in Path(path).name:
            raise error
        return real(path, records)

    monkeypatch.setattr(shards, "write_records", interrupted)
    with pytest.raises(error):
        run(drawn, write_label_map=str(tmp_path / "map.pbtxt"))
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_changes_in_between_is_an_error(drawn, run, tmp_path, monkeypatch):
    path = tmp_path / "data.jpg"
    shutil.copy(drawn.listed[0].entry.image_path, path)
    dataset = drawn.with_entry(0, ImageAnnotation(str(path), "data.jpg", (MarkedObject("pug", (1, 1, 5, 5)),)))
    monkeypatch.setattr(convert.dataset_plan.duplicates, "groups", lambda each: path.unlink() or list(range(len(each))))
    with pytest.raises(DataError, match="changed while it was converted"):
        run(dataset)


def test_images_that_tensorflow_would_misread_become_jpegs(drawn, run, tmp_path):
    path = tmp_path / "see-through.png"
    Image.new("RGBA", (40, 30), (9, 9, 9, 0)).save(path)
    plain = tmp_path / "plain.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)).save(plain)
    objects = (MarkedObject("pug", (1, 1, 5, 5)),)
    dataset = drawn.with_entry(0, ImageAnnotation(str(path), "a.png", objects))
    dataset = dataset.with_entry(1, ImageAnnotation(str(plain), "b.png", objects))
    report = run(dataset)
    images = _images(tmp_path / "out", "train") | _images(tmp_path / "out", "val")
    assert (images["b.png"].format, images["b.png"].encoded) == ("png", plain.read_bytes())
    assert images["a.png"].format == "jpeg"
    assert np.asarray(Image.open(io.BytesIO(images["a.png"].encoded))).min() > 250
    assert [problem.kind for problem in report.repaired] == ["RGBA PNG made an RGB JPEG"]


def test_crowds_and_areas_are_written_where_the_data_has_them(drawn, run, tmp_path):
    objects = (MarkedObject("pug", (1, 1, 5, 5), is_crowd=True, area=12.5), MarkedObject("pug", (2, 2, 9, 9), area=40))
    dataset = drawn.with_entry(
        0, ImageAnnotation(drawn.listed[0].entry.image_path, "crowd.jpg", objects, source_id="77")
    )
    run(dataset)
    images = _images(tmp_path / "out", "train") | _images(tmp_path / "out", "val")
    assert [(entry.is_crowd, entry.area) for entry in images["crowd.jpg"].objects] == [(True, 12.5), (False, 40.0)]
    assert images["crowd.jpg"].source_id == "77"
    report = run(dataset, "without", skip_crowd=True)
    assert report.left_out_objects == 1


@pytest.mark.parametrize(
    ("format", "settings", "argument", "words"),
    [
        ("voc", {"full_body": True}, "full_body", "voc format does not support boxes of full bodies; only pets does"),
        ("coco", {"strict_tfod": True}, "strict_tfod", "exactly as TFOD"),
        ("voc", {"masks": True}, "masks", "masks; only coco does"),
        ("pets", {"exif": "apply"}, "exif", "EXIF orientations; every other format does"),
        ("pets", {"boxes": "xywh", "max_side": 100}, "boxes", "boxes' numbers and shrinking of large images"),
        ("pets", {"resplit": True, "skip_crowd": True}, "resplit", "split than its own and leaving out crowds"),
        ("voc", {"val_fraction": 0.7, "test_fraction": 0.3}, "val_fraction", "0.7 for validation and 0.3 for the test"),
        ("voc", {"runner_options": ("--project=x",)}, "runner", "^--project=x is for an Apache Beam runner"),
        ("voc", {"runner_options": ("records",)}, "runner", "^records is not expected after the two.*in quotes"),
        ("voc", {"label_map": "a", "write_label_map": "b"}, "write_label_map", "label map a is to be read"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, format, settings, argument, words):
    with pytest.raises(DataError, match=words) as refused:
        make_tfrecords(tmp_path, tmp_path / "out", format, **settings)
    assert refused.value.argument == argument


def test_without_beam_the_install_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "find_spec", lambda name: None)
    with pytest.raises(OdtkError, match=r'pip install "odtk\[beam\]"'):
        make_tfrecords(tmp_path, tmp_path / "out", "voc", runner="DirectRunner")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", ["val", "val=", "eval=x", "=x"])
def test_a_split_that_is_none_is_a_usage_error(tmp_path, value):
    result = CliRunner().invoke(cli, ["make-tfrecords", str(tmp_path), "out", "--split", value])
    assert result.exit_code == 2
    assert "is not train=PATH, val=PATH or test=PATH" in result.output


def test_the_command_says_how_it_split_and_what_looks_alike(drawn, run, tmp_path, monkeypatch):
    splits = {each.key: ("train", "val")[index % 2] for index, each in enumerate(drawn.listed)}
    dataset = drawn.with_splits(splits).with_entry(1, drawn.listed[0].entry)
    monkeypatch.setattr(convert.formats, "open_dataset", lambda *_, **__: dataset)
    result = CliRunner().invoke(cli, ["make-tfrecords", drawn.folder, str(tmp_path / "out"), "--format", "voc"])
    assert result.exit_code == 0
    assert "format: voc\nsplits: the dataset's own (resplit ignores them)\n" in result.output
    assert "train images/a/pet 000.jpg looks like val images/a/pet 002.jpg" in result.output
    assert "written without objects" in result.output
