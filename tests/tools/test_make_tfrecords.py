import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from odtk.cli.main import cli
from odtk.errors import DataError, OutputError
from odtk.records import example, shards
from odtk.tools.make_tfrecords import make_tfrecords, split_names

TESTS = Path(__file__).parents[1]
PETS = TESTS / "data" / "pets_mini"
GOLDEN = json.loads((TESTS / "golden" / "pets_mini_tfod_examples.json").read_text())
TRUNCATED = "american_pit_bull_terrier_100.jpg"
REPAIRED = {"Egyptian_Mau_10.jpg": "GIF", "american_bulldog_100.jpg": "PNG", "yorkshire_terrier_2.jpg": "CMYK JPEG"}


@pytest.fixture
def pets(tmp_path):
    """A copy of pets_mini to spoil."""
    return Path(shutil.copytree(PETS, tmp_path / "pets"))


def _convert(data_dir, output_dir, **settings):
    return make_tfrecords(data_dir, output_dir, **{"num_shards": 3, "max_bad_fraction": 0.2} | settings)


def _records(folder: Path) -> dict[str, list[dict]]:
    paths = sorted(folder.glob("*.record-*"))
    return {path.name: [example.read_features(data) for data in shards.read_records(path)] for path in paths}


def _as_golden(features: dict) -> dict:
    """Bytes as the golden file has them: text, or the sha256 of an image. Masks are compared by themselves."""
    plain = {}
    for name, values in features.items():
        if name == "image/encoded":
            values = ["sha256:" + hashlib.sha256(value).hexdigest() for value in values]
        if name != "image/object/mask":
            plain[name] = [value.decode() if isinstance(value, bytes) else value for value in values]
    return plain


def _golden(body: bool) -> dict[str, list[dict]]:
    """TFOD's records by file, without the truncated JPEG, which odtk never writes."""
    kind = "body" if body else "faces"
    files = GOLDEN[f"{kind}_train"] | GOLDEN[f"{kind}_val"]
    return {
        name: [
            {key: values for key, (_, values) in record.items() if key != "image/object/mask"}
            for record in records
            if record["image/filename"][1] != [TRUNCATED]
        ]
        for name, records in files.items()
    }


def _check_masks(features: dict) -> None:
    name = features["image/filename"][0].decode().removesuffix(".jpg")
    expected = np.asarray(Image.open(PETS / "annotations" / "trimaps" / f"{name}.png")) != 2
    masks = features["image/object/mask"]
    assert len(masks) == len(features["image/object/class/label"])
    for mask in masks:
        image = Image.open(io.BytesIO(mask))
        assert (image.format, image.mode) == ("PNG", "L")
        np.testing.assert_array_equal(np.asarray(image), expected.astype(np.uint8))


@pytest.mark.parametrize("body", [False, True], ids=["faces", "full body"])
@pytest.mark.parity(
    what="Pet records, faces and bodies, --strict-tfod",
    against="pets_mini_tfod_examples.json",
    tolerance="exact (PNG masks decoded)",
)
def test_strict_records_are_tfods(tmp_path, body):
    report = _convert(PETS, tmp_path / "out", full_body=body, strict_tfod=True)
    ours = _records(tmp_path / "out")
    assert {name: [_as_golden(record) for record in records] for name, records in ours.items()} == _golden(body)
    if body:
        for record in (record for records in ours.values() for record in records):
            _check_masks(record)
    assert not report.repaired
    left_out = {Path(problem.file).name: problem.kind for problem in report.skipped}
    assert left_out["Egyptian_Mau_10.jpg"] == left_out["american_bulldog_100.jpg"] == "not a JPEG, as in TFOD"
    assert report.bad_images == 2


@pytest.mark.parametrize("body", [False, True], ids=["faces", "full body"])
@pytest.mark.parity(
    what="Pet records, faces and bodies", against="pets_mini_tfod_examples.json", tolerance="exact, but for repairs"
)
def test_records_are_tfods_but_for_repairs(tmp_path, body):
    _convert(PETS, tmp_path / "out", full_body=body)
    ours, expected = _records(tmp_path / "out"), _golden(body)
    assert ours.keys() == expected.keys()
    for name, records in ours.items():
        kept = [record for record in records if record["image/filename"][0].decode() not in REPAIRED]
        others = [record for record in expected[name] if record["image/filename"][0] not in REPAIRED]
        assert [_as_golden(record) for record in kept] == others
        for record in records:
            image = Image.open(io.BytesIO(record["image/encoded"][0]))
            assert (image.format, image.size) == ("JPEG", (record["image/width"][0], record["image/height"][0]))
            assert image.mode in ("RGB", "L")
            if body:
                _check_masks(record)


def test_repaired_images_take_their_place_in_the_split(tmp_path):
    _convert(PETS, tmp_path / "out")
    names = [line.split()[0] for line in (PETS / "annotations" / "trainval.txt").read_text().splitlines()]
    random.seed(42)
    random.shuffle(names)
    skipped = {"american_pit_bull_terrier_100", "yorkshire_terrier_10"}
    for split, chosen in {"train": names[:14], "val": names[14:]}.items():
        for shard in range(3):
            expected = [f"{name}.jpg".encode() for name in chosen[shard::3] if name not in skipped]
            records = _records(tmp_path / "out")[f"pet_faces_{split}.record-{shard:05d}-of-00003"]
            assert [record["image/filename"][0] for record in records] == expected


def test_numerical_masks_are_flat_lists(tmp_path):
    _convert(PETS, tmp_path / "out", full_body=True, mask_type="numerical")
    for path in (tmp_path / "out").glob("*.record-*"):
        for data in shards.read_records(path):
            image = example.decode(data)
            trimap = Image.open(PETS / "annotations" / "trimaps" / image.filename.replace(".jpg", ".png"))
            flat = [float(value) for value in (np.asarray(trimap) != 2).reshape(-1)] * len(image.objects)
            assert example.read_features(data)["image/object/mask"] == flat


def test_the_report_counts_what_is_in_the_records(tmp_path):
    report = _convert(PETS, tmp_path / "out")
    assert (report.listed, report.written, report.bad_images) == (21, 19, 2)
    assert {Path(problem.file).name: problem.kind for problem in report.repaired} == {
        name: f"{kind} made an RGB JPEG" for name, kind in REPAIRED.items()
    }
    assert {Path(problem.file).name: problem.kind for problem in report.skipped} == {
        TRUNCATED: "image cannot be decoded",
        "yorkshire_terrier_10.xml": "no xml",
    }
    for split, counts in report.splits.items():
        texts = [
            [text.decode() for text in example.read_features(data)["image/object/class/text"]]
            for path in shards.expand_globs([report.records[split]])
            for data in shards.read_records(path)
        ]
        assert (counts.images, counts.boxes) == (len(texts), sum(map(len, texts)))
        for name, of_class in counts.classes.items():
            assert of_class.images == sum(name in each for each in texts)
            assert of_class.boxes == sum(each.count(name) for each in texts)
    dataset = shards.read_dataset(tmp_path / "out")
    assert (dataset.train_records, dataset.val_records) == tuple(report.records.values())
    assert dataset.label_map.read_bytes() == (TESTS.parent / "label_maps" / "pet_label_map.pbtxt").read_bytes()


def test_any_number_of_workers_gives_the_same_bytes(tmp_path):
    for workers in (1, 5):
        _convert(PETS, tmp_path / str(workers), full_body=True, workers=workers)
    one, five = ({path.name: path.read_bytes() for path in (tmp_path / each).glob("*.record-*")} for each in "15")
    assert one == five


@pytest.mark.parametrize("n", [0, 1, 9, 10, 21, 90, 740, 3680, 7349])
def test_the_split_is_tfods(n):
    names = [str(index) for index in range(n)]
    shuffled = list(names)
    random.seed(42)
    random.shuffle(shuffled)
    assert split_names(names) == (shuffled[: int(0.7 * n)], shuffled[int(0.7 * n) :])
    for percent in (0, 10, 15, 20, 45, 60, 70, 90):
        train, val = split_names(names, percent / 100)
        assert len(train) == int((100 - percent) / 100 * n)
        assert sorted(train + val) == sorted(names)


def test_too_many_bad_images_leave_no_output(tmp_path):
    output = tmp_path / "some" / "out"
    with pytest.raises(DataError, match=rf"2 of 21 images .*yorkshire_terrier_10\.xml.*{TRUNCATED}.*Nothing was"):
        _convert(PETS, output, max_bad_fraction=0.05)
    assert list(output.parent.iterdir()) == []
    # Exactly the fraction is not more than it.
    assert _convert(PETS, output, max_bad_fraction=2 / 21).written == 19


def test_what_is_in_the_output_folder_stays(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is not empty"):
            _convert(PETS, tmp_path / "out", overwrite=overwrite)
    _convert(PETS, tmp_path / "records")
    with pytest.raises(OutputError, match="holds an earlier output"):
        _convert(PETS, tmp_path / "records")
    _convert(PETS, tmp_path / "records", num_shards=2, overwrite=True)
    assert len(list((tmp_path / "records").glob("*.record-*"))) == 4
    (tmp_path / "records" / "model").write_text("mine")
    with pytest.raises(OutputError, match="is not empty and has model"):
        _convert(PETS, tmp_path / "records", overwrite=True)


def _edit(pets: Path, name: str, old: str, new: str) -> Path:
    path = pets / "annotations" / "xmls" / f"{name}.xml"
    text = path.read_text().replace("><", ">\n<")
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def _decoded(folder: Path) -> dict:
    decoded = [example.decode(data) for path in folder.glob("*.record-*") for data in shards.read_records(path)]
    return {image.filename: image for image in decoded}


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("<xmin>66", "<xmin>104", "empty box"),
        ("<ymax>66", "<ymax>30", "empty box"),
        ("<xmin>66", "<xmin>nan", "empty box"),
        ("<ymin>30", "<ymin>67", "inverted box"),
    ],
)
def test_void_boxes_are_kept_as_tfod_does_and_reported(pets, tmp_path, old, new, kind):
    path = _edit(pets, "Abyssinian_1", old, new)
    report = _convert(pets, tmp_path / "out", strict_tfod=True)
    (problem,) = report.problems
    assert (problem.file, problem.kind) == (str(path), kind)
    assert path.read_text().splitlines()[problem.line - 1] == "<bndbox>"
    assert len(_decoded(tmp_path / "out")["Abyssinian_1.jpg"].objects) == 1


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("<xmin>66", "<xmin>104", "empty box"),
        ("<xmin>66", "<xmin>nan", "empty box"),
        ("<xmin>66<", "<xmin>266<", "box outside the image"),
        ("<xmin>66<", "<xmin>266<", "inverted box"),  # it would reach far outside
    ],
)
def test_a_box_that_cannot_be_meant_leaves_its_image_out(pets, tmp_path, old, new, kind):
    path = _edit(pets, "Abyssinian_1", old, new)
    if kind == "box outside the image":
        _edit(pets, "Abyssinian_1", "<xmax>104", "<xmax>299")
    report = _convert(pets, tmp_path / "out")
    (problem,) = (problem for problem in report.skipped if problem.file == str(path))
    assert problem.kind == kind
    assert path.read_text().splitlines()[problem.line - 1] == "<bndbox>"
    assert (report.written, report.bad_images) == (18, 3)


def test_exchanged_corners_are_put_in_order_and_said(pets, tmp_path):
    _convert(pets, tmp_path / "before")
    path = _edit(pets, "Abyssinian_1", "<ymin>30", "<ymin>66")
    _edit(pets, "Abyssinian_1", "<ymax>66", "<ymax>30")
    report = _convert(pets, tmp_path / "out")
    assert [problem.file for problem in report.repaired if problem.kind == "inverted box"] == [str(path)]
    assert _decoded(tmp_path / "out") == _decoded(tmp_path / "before")


@pytest.mark.parametrize(
    ("old", "new", "kind", "line"),
    [
        ("<xmax>104", "<xmax>131", "box outside the image", "<bndbox>"),
        ("<ymin>30", "<ymin>-1", "box outside the image", "<bndbox>"),
        ("<width>130", "<width>140", "size disagrees with the image", "<size>"),
        ("Abyssinian_1.jpg", "Bengal_2.jpg", "filename is not the xml's own", "<filename>Bengal_2.jpg</filename>"),
    ],
)
def test_oddities_are_kept_as_tfod_does_and_reported(pets, tmp_path, old, new, kind, line):
    path = _edit(pets, "Abyssinian_1", old, new)
    report = _convert(pets, tmp_path / "out")
    problem = report.problems[0]
    assert (problem.file, problem.kind) == (str(path), kind)
    assert path.read_text().splitlines()[problem.line - 1] == line
    assert str(problem).startswith(f"{path}:{problem.line}: ")
    assert report.written == 19
    if kind == "box outside the image":
        assert len(_decoded(tmp_path / "out")["Abyssinian_1.jpg"].objects) == 1


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda pets: _edit(pets, "Abyssinian_1", "<size>", ""), "xml cannot be read"),
        (lambda pets: _edit(pets, "Abyssinian_1", "Abyssinian_1", "../Abyssinian_1"), "xml cannot be read"),
        (lambda pets: _edit(pets, "Abyssinian_1", "Abyssinian_1", "cat"), "no class in the file name"),
        (lambda pets: _edit(pets, "Abyssinian_1", "Abyssinian_1", "unicorn_1"), "class not in the label map"),
        (lambda pets: (pets / "images/Abyssinian_1.jpg").unlink(), "no image"),
        (lambda pets: (pets / "images/Abyssinian_1.jpg").write_bytes(b""), "image cannot be decoded"),
        (lambda pets: (pets / "annotations/trimaps/Abyssinian_1.png").unlink(), "no trimap"),
        (lambda pets: (pets / "annotations/trimaps/Abyssinian_1.png").write_bytes(b"PNG"), "trimap cannot be read"),
    ],
)
def test_unusable_images_are_skipped_and_counted_as_bad(pets, tmp_path, spoil, kind):
    spoil(pets)
    report = _convert(pets, tmp_path / "out", full_body=True)
    (problem,) = (
        problem for problem in report.skipped if "yorkshire" not in problem.file and TRUNCATED not in str(problem)
    )
    assert problem.kind == kind
    assert "Abyssinian_1" in problem.file
    assert (report.written, report.bad_images) == (18, 3)


def test_names_of_the_list_do_not_leave_the_folder(pets, tmp_path):
    shutil.copy(pets / "annotations/xmls/Abyssinian_1.xml", pets / "elsewhere.xml")
    names = pets / "annotations/trainval.txt"
    names.write_text(names.read_text().replace("Abyssinian_1 ", "../../elsewhere ", 1))
    report = _convert(pets, tmp_path / "out")
    (problem,) = (problem for problem in report.skipped if problem.kind == "path leads out of the dataset")
    assert problem.file == str(names)
    assert "'../../elsewhere'" in problem.text


def test_a_trimap_that_is_a_bomb_is_refused_before_it_takes_memory(pets, tmp_path, monkeypatch):
    trimap = pets / "annotations/trimaps/Abyssinian_1.png"
    Image.new("L", (2000, 1000)).save(trimap)
    monkeypatch.setattr("odtk.annotations.image_files.MAX_PIXELS", 1_500_000)
    report = _convert(pets, tmp_path / "out", full_body=True)
    assert [problem.kind for problem in report.skipped if problem.file == str(trimap)] == ["image too large"]


def test_faces_need_no_trimaps(pets, tmp_path):
    shutil.rmtree(pets / "annotations" / "trimaps")
    assert _convert(pets, tmp_path / "out").written == 19


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("mask_type", ["png", "numerical"])
def test_bodies_without_a_pet(pets, tmp_path, strict, mask_type):
    path = pets / "annotations" / "trimaps" / "Abyssinian_1.png"
    Image.new("L", (130, 98), 2).save(path)
    report = _convert(pets, tmp_path / "out", full_body=True, strict_tfod=strict, mask_type=mask_type)
    assert [problem.file for problem in report.skipped if "Abyss" in problem.file] == [str(path)]
    assert "Abyssinian_1.jpg" not in _decoded(tmp_path / "out")
    assert report.bad_images == (2 if strict else 3)


def test_a_blank_line_takes_a_place_but_is_no_image(pets, tmp_path):
    trainval = pets / "annotations" / "trainval.txt"
    trainval.write_text(trainval.read_text() + "\n")
    report = _convert(pets, tmp_path / "out")
    assert (report.listed, report.written, len(report.skipped)) == (21, 19, 2)
    names = [line.split(" ")[0] for line in trainval.read_text().splitlines()]
    train = {name for names in split_names(names)[:1] for name in names}
    written = {
        image["image/filename"][0].decode().removesuffix(".jpg")
        for file, images in _records(tmp_path / "out").items()
        for image in images
        if "train" in file
    }
    assert written == train - {"", "american_pit_bull_terrier_100", "yorkshire_terrier_10"}


def test_a_class_that_the_label_map_lacks_is_an_error(tmp_path):
    label_map = tmp_path / "two.pbtxt"
    label_map.write_text("item { id: 1 name: 'Abyssinian' }\nitem { id: 2 name: 'Bengal' }\n")
    with pytest.raises(DataError, match=r"two\.pbtxt has no item named Egyptian_Mau, american_bulldog"):
        _convert(PETS, tmp_path / "out", label_map=label_map)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["images", "annotations/trainval.txt", "annotations/xmls", "annotations/trimaps"])
def test_another_layout_is_explained(pets, tmp_path, part):
    path = pets / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=rf"not in the Oxford-IIIT Pet layout: {part} missing"):
        _convert(pets, tmp_path / "out", full_body=True)


def test_an_empty_list_is_explained(pets, tmp_path):
    (pets / "annotations" / "trainval.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no image"):
        _convert(pets, tmp_path / "out")


def test_the_command_names_what_it_repaired_and_skipped(tmp_path):
    arguments = ["make-tfrecords", str(PETS), str(tmp_path / "out")]
    refused = CliRunner().invoke(cli, arguments)
    assert refused.exit_code == 1
    assert list(tmp_path.iterdir()) == []
    done = CliRunner().invoke(cli, [*arguments, "--max-bad-fraction", "0.2"])
    assert done.exit_code == 0
    for name in [TRUNCATED, "yorkshire_terrier_10.xml", *REPAIRED]:
        assert f"{name}: " in done.output
    assert len(list((tmp_path / "out").glob("pet_faces_*.record-?????-of-00010"))) == 20


def test_json_is_one_document(tmp_path):
    arguments = ["make-tfrecords", str(PETS), str(tmp_path / "out"), "--max-bad-fraction", "0.2", "--json"]
    document = json.loads(CliRunner().invoke(cli, arguments).stdout)
    assert (document["written"], document["splits"]["train"]["classes"]["Bengal"]["boxes"]) == (19, 4)


def test_no_tensorflow_is_imported(tmp_path):
    code = (
        "import sys; from odtk.tools.make_tfrecords import make_tfrecords;"
        f"make_tfrecords({str(PETS)!r}, {str(tmp_path / 'out')!r}, full_body=True, max_bad_fraction=0.2);"
        "assert not {'tensorflow', 'tf_keras', 'official'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
