"""What the field does to boxes, sizes, orientations and bits: found by all images of a set, or refused by name."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from deep_files import color_png, gray_tiff
from drawn_field import WRITERS, Picture, coco, pictures, voc_xml, write, write_rows
from PIL import Image
from pixels import check_on_objects, records

from odtk.cli.main import cli
from odtk.errors import DataError
from odtk.tools import inspect as inspection
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.view import view

SIZE = (400, 300)


@pytest.fixture(scope="module")
def drawn():
    return pictures(8, SIZE)


def _convert(tmp_path, **settings):
    return make_tfrecords(tmp_path / "data", tmp_path / "out", num_shards=2, **settings)


def _inspected(tmp_path, **options):
    return inspection.inspect(tmp_path / "data", **options)


def _kinds(found):
    return {finding.kind: (finding.severity, finding.count) for finding in found.findings}


def _save(tmp_path, picture, **options):
    """Writes a picture again where it is."""
    (path,) = (tmp_path / "data").rglob(picture.name)
    picture.save(path, **options)


def _tagged(picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


# 06b: images made smaller after they were annotated


@pytest.mark.parametrize("format", ["voc", "coco", "csv"])
@pytest.mark.parametrize("size", [(160, 160), (700, 620), (200, 150)])
def test_boxes_of_images_that_were_resized_are_scaled_by_side(drawn, tmp_path, format, size):
    WRITERS[format](tmp_path / "data", drawn)
    for picture in drawn:
        _save(tmp_path, Picture(picture.name, picture.image.resize(size), picture.objects))
    report = _convert(tmp_path)
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}
    assert [problem.kind for problem in report.problems] == ["size disagrees with the image"] * 8
    assert "its boxes are scaled with it" in report.problems[0].text
    assert all(any(each.stem in str(problem) for problem in report.problems) for each in drawn)
    found = _inspected(tmp_path)
    assert (found.splits[0].boxes, found.splits[0].unusable) == (16, 0)
    assert _kinds(found)["size-disagrees-with-the-image"] == ("warning", 8)


def test_an_image_whose_size_nothing_explains_is_left_out_in_both_commands(drawn, tmp_path):
    WRITERS["voc"](tmp_path / "data", drawn)
    odd = Picture("odd.jpg", pictures(1, (300, 300), seed=5)[0].image, (("cat", (10, 20, 80, 90)),))
    odd.save(tmp_path / "data" / "odd.jpg")
    write(tmp_path / "data" / "odd.xml", voc_xml(odd, (330, 500)))
    report = _convert(tmp_path, max_bad_fraction=0.2)
    (problem,) = report.skipped
    assert re.search(r"odd\.xml:4: the annotation says 330x500, the image is 300x300; .* fit both", str(problem))
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}
    assert _inspected(tmp_path).splits[0].unusable == 1


def test_a_stated_size_of_no_image_of_the_set_does_not_count(drawn, tmp_path):
    """Width and height exchanged in all, and one size of a template in all."""
    for place, size in ((tmp_path / "exchanged", (300, 400)), (tmp_path / "template", (250, 250))):
        WRITERS["voc"](place / "data", drawn)
        for picture in drawn:
            write(place / "data" / f"{picture.stem}.xml", voc_xml(picture, size))
        _convert(place)
        assert set(check_on_objects(place / "out").values()) == {2}


# 15b: labelImg ignores EXIF orientations


def test_what_turns_no_side_is_left_as_its_siblings_were_annotated(drawn, tmp_path):
    WRITERS["voc"](tmp_path / "data", drawn)
    for picture, orientation in zip(drawn, (1, 3, 6, 8, 1, 2, 4, 5), strict=True):
        _save(tmp_path, picture, **_tagged(picture, orientation))
    square = pictures(1, (300, 300), seed=9)[0].renamed("square.jpg")
    square.save(tmp_path / "data" / "square.jpg", **_tagged(square, 6))
    write(tmp_path / "data" / "square.xml", voc_xml(square))
    report = _convert(tmp_path)
    assert set(check_on_objects(tmp_path / "out").values()) == {2}
    said = {problem.file.rsplit("/", 1)[-1]: problem.text for problem in report.problems}
    assert {problem.kind for problem in report.problems} == {"EXIF orientation not applied"}
    assert len(said) == 7
    for name in ("img_001.jpg", "square.jpg"):
        assert "the other images of the dataset were annotated as stored" in said[name]


@pytest.mark.parametrize("format", ["voc", "yolo"])
def test_where_nothing_tells_the_orientation_is_applied_and_said_to_be_ambiguous(drawn, tmp_path, format):
    WRITERS[format](tmp_path / "data", drawn)
    turned = Picture(drawn[0].name, drawn[0].image.transpose(Image.Transpose.ROTATE_180), drawn[0].objects)
    _save(tmp_path, turned, **_tagged(turned, 3))
    report = _convert(tmp_path)
    assert set(check_on_objects(tmp_path / "out").values()) == {2}
    (problem,) = report.problems
    assert (problem.file.endswith(turned.name), problem.kind) == (True, "EXIF orientation is ambiguous")
    assert "exif: ignore" in problem.text
    assert _kinds(_inspected(tmp_path))["exif-orientation-is-ambiguous"] == ("warning", 1)


# 32: the four numbers of a box are not what the format says

NUMBERS = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "cxcywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
}


def _write_in_order(folder, format, drawn, order):
    """The dataset with boxes in an order that is not the format's."""
    WRITERS[format](folder, drawn)
    if format == "coco":
        document = coco(drawn)
        boxes = [box for picture in drawn for _, box in picture.objects]
        for annotation, box in zip(document["annotations"], boxes, strict=True):
            annotation["bbox"] = NUMBERS[order](*box)
        write(folder / "instances.json", json.dumps(document))
    for picture in drawn:
        found = [(name, NUMBERS[order](*box)) for name, box in picture.objects]
        if format == "voc":
            write(folder / f"{picture.stem}.xml", voc_xml(Picture(picture.name, picture.image, tuple(found))))
        if format == "yolo":
            scale = picture.size * 2
            lines = [
                " ".join(map(str, [("cat", "dog").index(name), *np.divide(box, scale).tolist()])) for name, box in found
            ]
            write(folder / "labels" / f"{picture.stem}.txt", "\n".join(lines))
    if format == "csv":
        rows = [[each.name, *each.size, name, *NUMBERS[order](*box)] for each in drawn for name, box in each.objects]
        header = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
        write_rows(folder / "annotations.csv", [header, *rows])


@pytest.mark.parametrize(
    ("format", "order"),
    [
        ("coco", "xyxy"), ("coco", "cxcywh"), ("voc", "xywh"), ("voc", "cxcywh"), ("csv", "xywh"), ("csv", "cxcywh"),
        ("yolo", "xyxy"), ("yolo", "xywh"), ("voc", "yxyx"), ("csv", "yxyx"), ("coco", "yxyx"),
    ],
)  # fmt: skip
def test_boxes_in_another_order_are_an_error_that_names_it_and_the_option_reads_them(tmp_path, format, order):
    drawn = pictures(20, (200, 150), seed=3)
    _write_in_order(tmp_path / "data", format, drawn, order)
    with pytest.raises(DataError, match=rf"of 40 boxes are inverted or extend beyond .*\(boxes: {order}\)") as refused:
        _convert(tmp_path)
    assert not (tmp_path / "out").exists()
    found = _inspected(tmp_path)
    (finding,) = (each for each in found.findings if each.kind == "boxes-read-wrongly")
    assert finding.severity == "error"
    assert str(refused.value).startswith(finding.text)
    _convert(tmp_path, boxes=order)
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}
    told = _inspected(tmp_path, boxes=order)
    assert "boxes-read-wrongly" not in _kinds(told)
    assert told.next_command.endswith(f" --boxes {order}")


def test_view_warns_of_it_and_draws_what_the_option_says(tmp_path):
    _write_in_order(tmp_path / "data", "coco", pictures(8), "xyxy")
    report = view(tmp_path / "data", tmp_path / "drawn", 3)
    assert "boxes: xyxy" in report.warnings[0]
    assert view(tmp_path / "data", tmp_path / "worst", 3, worst=True).warnings == report.warnings
    assert view(tmp_path / "data", tmp_path / "again", 3, boxes="xyxy").warnings == []
    said = CliRunner().invoke(cli, ["view", str(tmp_path / "data"), "--output", str(tmp_path / "cli"), "-n", "1"])
    assert (said.exit_code, "warning: " in said.stderr, "boxes: xyxy" in said.stderr) == (0, True, True)


def test_an_order_is_for_data_sets_alone(tmp_path):
    WRITERS["voc"](tmp_path / "data", pictures(4))
    _convert(tmp_path)
    with pytest.raises(DataError, match="not the folder of a dataset in a format other than pets"):
        inspection.inspect(tmp_path / "out", boxes="xyxy")


# 67b: parts of the sides where the format has pixels


def _normalized_csv(folder, drawn, scale=1):
    WRITERS["csv"](folder, drawn)
    rows = [
        [each.name, *each.size, name, *(round(scale * side, 6) for side in np.divide(box, each.size * 2).tolist())]
        for each in drawn
        for name, box in each.objects
    ]
    write_rows(folder / "annotations.csv", [["image", "width", "height", "class", "x1", "y1", "x2", "y2"], *rows])


def test_normalized_corners_are_taken_and_said(drawn, tmp_path):
    _normalized_csv(tmp_path / "data", drawn)
    report = _convert(tmp_path)
    assert set(check_on_objects(tmp_path / "out").values()) == {2}
    assert [problem.kind for problem in report.problems] == ["boxes read as normalized"]
    found = _inspected(tmp_path)
    assert (found.splits[0].boxes, _kinds(found)["boxes-read-as-normalized"]) == (16, ("note", 1))


def test_percents_are_refused_with_the_fix(drawn, tmp_path):
    _normalized_csv(tmp_path / "data", drawn, scale=100)
    with pytest.raises(DataError, match=r"they seem to be percentages\. Convert them to pixels"):
        _convert(tmp_path)


# 83: 12 bits of 16


def test_pictures_of_12_bits_are_not_black(tmp_path, drawn):
    """Colors, too, of which Pillow reads the upper bytes alone."""
    for index, picture in enumerate(drawn):
        deep = np.asarray(picture.image).astype(np.uint16) * (16 if index % 2 else 257)  # 12 bits, 16 bits
        path = tmp_path / "data" / f"{picture.stem}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(color_png(deep))
        write(path.with_suffix(".xml"), voc_xml(picture.renamed(path.name)))
    report = _convert(tmp_path)
    assert check_on_objects(tmp_path / "out") == {f"{picture.stem}.png": 2 for picture in drawn}
    assert {problem.kind for problem in report.repaired} == {"16-bit PNG made an RGB JPEG"}
    assert [problem.kind for problem in report.problems] == ["image uses only part of its bits"] * 4
    assert "its samples use only 12 bits" in report.problems[0].text
    assert _kinds(_inspected(tmp_path))["image-uses-only-part-of-its-bits"] == ("note", 4)


@pytest.mark.parametrize(
    "deepen",
    [
        lambda gray: gray.astype(np.uint16) << 4,
        lambda gray: (gray / 255).astype(np.float32),
        lambda gray: gray.astype(np.int32) << 12,
    ],
    ids=["12 bits", "float", "int32"],
)
def test_deep_tiffs_show_what_is_on_them(tmp_path, drawn, deepen):
    for picture in drawn:
        path = tmp_path / "data" / f"{picture.stem}.tif"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gray_tiff(deepen(np.asarray(picture.image.convert("L")))))
        write(path.with_suffix(".xml"), voc_xml(picture.renamed(path.name)))
    _convert(tmp_path)
    for name, image in records(tmp_path / "out").items():
        (picture,) = (each for each in drawn if each.stem == name.rsplit(".", 1)[0])
        shown = np.asarray(Image.open(io.BytesIO(image.encoded)).convert("L")).astype(int)
        assert np.abs(shown - np.asarray(picture.image.convert("L"))).mean() < 3


# 85: boxes that are inverted or empty, the only ones of their image


@pytest.mark.parametrize("all_images", [False, True])
def test_exchanged_corners_are_put_in_order(drawn, tmp_path, all_images):
    WRITERS["voc"](tmp_path / "data", drawn)
    chosen = drawn if all_images else drawn[:4]
    for picture in chosen:
        objects = tuple((name, (x2, y2, x1, y1)) for name, (x1, y1, x2, y2) in picture.objects)
        write(tmp_path / "data" / f"{picture.stem}.xml", voc_xml(Picture(picture.name, picture.image, objects)))
    report = _convert(tmp_path)
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}
    assert [problem.kind for problem in report.repaired] == ["inverted box"] * 2 * len(chosen)
    assert _kinds(_inspected(tmp_path))["inverted-box"] == ("warning", 2 * len(chosen))


@pytest.mark.parametrize(
    ("box", "kind"), [((50, 60, 50, 90), "empty box"), ((900, 900, 950, 950), "box outside the image")]
)
def test_an_image_with_a_box_that_means_nothing_is_left_out_and_named(drawn, tmp_path, box, kind):
    WRITERS["voc"](tmp_path / "data", drawn)
    odd = Picture(drawn[0].name, drawn[0].image, (("cat", box), drawn[0].objects[1]))
    write(tmp_path / "data" / f"{odd.stem}.xml", voc_xml(odd))
    report = _convert(tmp_path, max_bad_fraction=0.2)
    assert [(problem.kind, problem.file.endswith(f"{odd.stem}.xml")) for problem in report.skipped] == [(kind, True)]
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn[1:]}
    said = CliRunner().invoke(cli, ["inspect", str(tmp_path / "data")])
    assert f"Unusable images, {kind}: 1" in " ".join(said.stdout.split())
    assert f"{kind}: {kind}" not in said.stdout
    with pytest.raises(DataError, match=f"{odd.stem}.xml:15: cat at xmin"):
        make_tfrecords(tmp_path / "data", tmp_path / "refused", max_bad_fraction=0.1)


# Large photographs


def test_larger_images_are_shrunk_and_their_boxes_follow(tmp_path):
    large, small = pictures(5, (800, 600)), [each.renamed(f"small_{each.name}") for each in pictures(3, (150, 200), 7)]
    WRITERS["coco"](tmp_path / "data", [*large, *small])
    report = _convert(tmp_path, max_side=320, masks=True)
    found = records(tmp_path / "out")
    assert set(check_on_objects(tmp_path / "out").values()) == {2}
    assert report.shrunk_images == 5
    for picture in [*large, *small]:
        image = found[picture.name]
        assert (image.width, image.height) == ((320, 240) if picture in large else (150, 200))
        assert [entry.mask.shape for entry in image.objects] == [(image.height, image.width)] * 2
        factor = 0.4**2 if picture in large else 1
        areas = [(x2 - x1) * (y2 - y1) * factor for _, (x1, y1, x2, y2) in picture.objects]
        assert [entry.area for entry in image.objects] == pytest.approx(areas)
        if picture in small:
            (path,) = (tmp_path / "data").rglob(picture.name)
            assert image.encoded == path.read_bytes()
    said = CliRunner().invoke(
        cli, ["make-tfrecords", str(tmp_path / "data"), str(tmp_path / "cli"), "--max-side", "320"]
    )
    assert re.search(r"shrunk to --max-side +5", said.stdout)


def test_any_workers_give_the_same_bytes(tmp_path, drawn, monkeypatch):
    """With a decision of the whole set to be taken along: the annotations are read a second time."""
    WRITERS["voc"](tmp_path / "data", drawn)
    for picture in drawn:
        _save(tmp_path, Picture(picture.name, picture.image.resize((160, 160)), picture.objects))
    reports = []
    for workers, many in ((1, 4000), (2, 4000), (3, 1)):
        monkeypatch.setattr("odtk.parallel.MANY", many)
        reports.append(make_tfrecords(tmp_path / "data", tmp_path / f"{workers}", workers=workers, num_shards=2))
    first, *others = [
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).glob("*.record-*"))} for name in "123"
    ]
    assert others == [first, first]
    assert reports[0].problems == reports[1].problems == reports[2].problems


@pytest.mark.parametrize("format", WRITERS)
def test_boxes_that_are_there_twice_are_said(tmp_path, format):
    drawn = pictures(4)
    twice = replace(drawn[0], objects=(*drawn[0].objects, drawn[0].objects[1]))
    WRITERS[format](tmp_path / "data", [twice, *drawn[1:]])
    report = _convert(tmp_path)
    (problem,) = report.problems
    assert problem.kind == "box there twice"
    assert "1 box is repeated" in problem.text
    assert len(records(tmp_path / "out")[twice.name].objects) == 3


def test_a_size_of_the_stored_pixels_with_boxes_of_the_turned_ones_is_no_other_order(tmp_path):
    """As scripts write it that ask Pillow for the size: boxes do not lie in it."""
    drawn = pictures(20, (150, 200))
    for picture in drawn:
        lying = replace(picture, image=picture.image.transpose(Image.Transpose.ROTATE_90))
        lying.save(tmp_path / "data" / picture.name, **_tagged(picture, 6))
        write(tmp_path / "data" / f"{picture.stem}.xml", voc_xml(picture, (200, 150)))
    with pytest.raises(DataError, match="drawn on the rotated images, set exif to apply instead"):
        _convert(tmp_path)
    _convert(tmp_path, exif="apply")
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}
