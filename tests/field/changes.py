"""What label tools, copies and scripts do to datasets: changes of files that are written as their formats want them.

A change is a function of (folder, drawn, chosen): it changes the files of the pictures `chosen` among those `drawn`.
`CHANGES` has those of each format, those of "any" go for all.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from drawn_field import CLASSES, Picture, write, write_rows
from PIL import Image

Change = Callable[[Path, Sequence[Picture], Sequence[Picture]], None]

CHANGES: dict[str, dict[str, Change]] = {"any": {}, "voc": {}, "coco": {}, "yolo": {}, "csv": {}}


def _change(format: str):
    def enter(function: Change) -> Change:
        CHANGES[format][function.__name__.strip("_")] = function
        return function

    return enter


def changes_of(format: str) -> dict[str, Change]:
    """The changes that a dataset of a format can be given."""
    return CHANGES["any"] | CHANGES[format]


# Pictures, whatever the annotations


def _image_file(folder: Path, picture: Picture) -> Path | None:
    found = [path for path in folder.rglob(f"{picture.stem}.*") if path.suffix in (".jpg", ".png", ".jfif", ".JPG")]
    return found[0] if found else None


def _each_image(folder: Path, chosen: Sequence[Picture]):
    return [path for picture in chosen if (path := _image_file(folder, picture))]


@_change("any")
def _suffix_jfif(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        path.rename(path.with_suffix(".jfif"))


@_change("any")
def _suffix_upper(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        path.rename(path.with_suffix(path.suffix.upper()))


@_change("any")
def _png_called_jpg(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        encoded = io.BytesIO()
        Image.open(path).save(encoded, "PNG")
        path.write_bytes(encoded.getvalue())


@_change("any")
def _image_cut_short(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        path.write_bytes(path.read_bytes()[:-200])


@_change("any")
def _image_gone(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        for same in path.parent.glob(f"{path.stem}.*"):
            if same.suffix.lower() in (".jpg", ".jfif", ".bmp"):
                same.unlink()


@_change("any")
def _annotated_as_stored(folder, drawn, chosen):
    """The camera was held upright, but the tool showed the pixels as they are stored (labelImg)."""
    _tag(folder, chosen, 6)


@_change("any")
def _annotated_as_stored_upside_down(folder, drawn, chosen):
    _tag(folder, chosen, 3)


def _tag(folder: Path, chosen: Sequence[Picture], orientation: int) -> None:
    for path in _each_image(folder, chosen):
        image = Image.open(path).convert("RGB")
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(path, "JPEG", quality=92, exif=exif)


@_change("any")
def _annotated_as_shown(folder, drawn, chosen):
    """The pixels lie on their side, and the tool turned them as their EXIF orientation says."""
    for path in _each_image(folder, chosen):
        image = Image.open(path).convert("RGB").transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(path, "JPEG", quality=92, exif=exif)


@_change("any")
def _second_picture_of_that_name(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        Image.new("RGB", (90, 70), (60, 160, 60)).save(path.with_suffix(".bmp"), "BMP")


# VOC


def _edit_xml(folder: Path, chosen: Sequence[Picture], edit: Callable[[str, Picture], str]) -> None:
    for picture in chosen:
        path = folder / f"{picture.stem}.xml"
        write(path, edit(path.read_text(encoding="utf-8"), picture))


@_change("voc")
def _flags_unspecified(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: re.sub("<(truncated|difficult)>0", r"<\1>Unspecified", text))


@_change("voc")
def _flags_fraction(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: text.replace("<truncated>0", "<truncated>0.0597"))


@_change("voc")
def _corners_exchanged(folder, drawn, chosen):
    def edit(text, _):
        text = re.sub(r"xmin>|xmax>", lambda found: {"xmin>": "xmax>", "xmax>": "xmin>"}[found[0]], text)
        return re.sub(r"ymin>|ymax>", lambda found: {"ymin>": "ymax>", "ymax>": "ymin>"}[found[0]], text)

    _edit_xml(folder, chosen, edit)


@_change("voc")
def _one_box_empty(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: re.sub(r"<xmax>.*?</xmax>", "<xmax>0</xmax>", text, count=1).replace(
        "<xmin>", "<xmin>0</xmin><was>", 1).replace("</xmin>\n<ymin>", "</was>\n<ymin>", 1))  # fmt: skip


@_change("voc")
def _resized_after_annotation(folder, drawn, chosen):
    for path in _each_image(folder, chosen):
        image = Image.open(path).convert("RGB")
        image.resize((image.width // 3, image.width // 3)).save(path, "JPEG", quality=95)


@_change("voc")
def _no_size(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: re.sub("<size>.*</size>\n", "", text, flags=re.DOTALL))


@_change("voc")
def _size_zero(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: re.sub(r"(<width>|<height>)\d+", r"\g<1>0", text))


@_change("voc")
def _path_of_another_machine(folder, drawn, chosen):
    _edit_xml(
        folder, chosen, lambda text, one: text.replace(f"<filename>{one.name}", f"<filename>C:\\Users\\me\\{one.name}")
    )


@_change("voc")
def _utf_16(folder, drawn, chosen):
    for picture in chosen:
        path = folder / f"{picture.stem}.xml"
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")


@_change("voc")
def _rotated_boxes(folder, drawn, chosen):
    def edit(text, picture):
        for _, (xmin, ymin, xmax, ymax) in picture.objects:
            center = f"<cx>{(xmin + xmax) / 2}</cx><cy>{(ymin + ymax) / 2}</cy>"
            rotated = f"<robndbox>{center}<w>{xmax - xmin}</w><h>{ymax - ymin}</h><angle>0</angle></robndbox>"
            text = re.sub("<bndbox>.*?</bndbox>", rotated, text, count=1, flags=re.DOTALL)
        return text

    _edit_xml(folder, chosen, edit)


@_change("voc")
def _y_before_x(folder, drawn, chosen):
    def edit(text, _):
        exchanged = {"xmin": "ymin", "ymin": "xmin", "xmax": "ymax", "ymax": "xmax"}
        return re.sub(r"(?<=[</])[xy]m(in|ax)(?=>)", lambda found: exchanged[found[0]], text)

    _edit_xml(folder, drawn, edit)  # a tool writes all of a set alike


@_change("voc")
def _line_before_the_declaration(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: f'\n  <?xml version="1.0" encoding="utf-8"?>\n{text}')


@_change("voc")
def _xml_named_as_the_image(folder, drawn, chosen):
    for picture in chosen:
        (folder / f"{picture.stem}.xml").rename(folder / f"{picture.name}.xml")


@_change("voc")
def _xml_cut_short(folder, drawn, chosen):
    _edit_xml(folder, chosen, lambda text, _: text[: len(text) * 2 // 3])


# COCO


def _edit_coco(folder: Path, edit: Callable[[dict], None]) -> None:
    path = folder / "instances.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    write(path, json.dumps(document))


def _ids(drawn: Sequence[Picture], chosen: Sequence[Picture]) -> set[int]:
    names = {picture.name for picture in chosen}
    return {number for number, picture in enumerate(drawn, 1) if picture.name in names}


def _annotations(document: dict, ids: set[int]) -> list[dict]:
    # Under its second id, too.
    return [found for found in document["annotations"] if int(found["image_id"]) % 500 in ids]


@_change("coco")
def _image_ids_text(folder, drawn, chosen):
    def edit(document):
        for found in _annotations(document, _ids(drawn, chosen)):
            found["image_id"] = str(found["image_id"])

    _edit_coco(folder, edit)


@_change("coco")
def _category_ids_text(folder, drawn, chosen):
    def edit(document):
        for found in _annotations(document, _ids(drawn, chosen)):
            found["category_id"] = str(found["category_id"])

    _edit_coco(folder, edit)


@_change("coco")
def _orphaned(folder, drawn, chosen):
    def edit(document):
        for found in _annotations(document, _ids(drawn, chosen)):
            found["image_id"] = int(found["image_id"]) + 1000

    _edit_coco(folder, edit)


@_change("coco")
def _images_numbered_from_0_in_annotations(folder, drawn, chosen):
    def edit(document):
        for found in document["annotations"]:
            found["image_id"] = int(found["image_id"]) - 1

    _edit_coco(folder, edit)


@_change("coco")
def _categories_numbered_from_0_in_annotations(folder, drawn, chosen):
    def edit(document):
        for found in document["annotations"]:
            found["category_id"] = int(found["category_id"]) - 1

    _edit_coco(folder, edit)


@_change("coco")
def _category_names_for_ids(folder, drawn, chosen):
    def edit(document):
        for found in _annotations(document, _ids(drawn, chosen)):
            if str(found["category_id"]) in "12":
                found["category_id"] = CLASSES[int(found["category_id"]) - 1]

    _edit_coco(folder, edit)


@_change("coco")
def _file_names_of_windows(folder, drawn, chosen):
    def edit(document):
        for image in document["images"]:
            if image["id"] in _ids(drawn, chosen):
                image["file_name"] = "..\\..\\label-studio\\media\\" + image["file_name"]

    _edit_coco(folder, edit)


@_change("coco")
def _corners_for_sides(folder, drawn, chosen):
    def edit(document):
        for found in document["annotations"]:  # a tool writes all of a set alike
            x, y, width, height = found["bbox"]
            found["bbox"] = [x, y, x + width, y + height]

    _edit_coco(folder, edit)


@_change("coco")
def _image_under_two_ids(folder, drawn, chosen):
    def edit(document):
        for image in list(document["images"]):
            if image["id"] in _ids(drawn, chosen):
                document["images"].append(image | {"id": image["id"] + 500})
                last = [found for found in document["annotations"] if int(found["image_id"]) == image["id"]][-1:]
                for found in last:
                    found["image_id"] = image["id"] + 500

    _edit_coco(folder, edit)


@_change("coco")
def _flags_as_they_come(folder, drawn, chosen):
    def edit(document):
        for found in _annotations(document, _ids(drawn, chosen)):
            found |= {"iscrowd": 0.0, "segmentation": None, "area": str(found["area"])}

    _edit_coco(folder, edit)


@_change("coco")
def _utf_16_json(folder, drawn, chosen):
    path = folder / "instances.json"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")


# YOLO


def _edit_txt(folder: Path, chosen: Sequence[Picture], edit: Callable[[list[str]], list[str]]) -> None:
    for picture in chosen:
        path = folder / "labels" / f"{picture.stem}.txt"
        if path.exists():
            lines = [" ".join(edit(line.split())) for line in path.read_text(encoding="utf-8").splitlines()]
            write(path, "\n".join(lines) + "\n")


@_change("yolo")
def _confidence(folder, drawn, chosen):
    _edit_txt(folder, chosen, lambda words: [*words, "0.91"])


@_change("yolo")
def _confidence_and_track(folder, drawn, chosen):
    _edit_txt(folder, chosen, lambda words: [*words, "0.91", "7"])


@_change("yolo")
def _classes_numbered_from_1(folder, drawn, chosen):
    _edit_txt(folder, chosen, lambda words: [str(int(words[0]) + 1), *words[1:]])


@_change("yolo")
def _keypoints_that_do_not_fit(folder, drawn, chosen):
    _edit_txt(folder, chosen, lambda words: [*words, "0.5", "0.5", "2", "0.4", "0.4", "1"])
    path = folder / "data.yaml"
    if "kpt_shape" not in path.read_text(encoding="utf-8"):
        write(path, path.read_text(encoding="utf-8") + "kpt_shape: [17, 3]\n")


@_change("yolo")
def _outlines(folder, drawn, chosen):
    def edit(words):
        label, cx, cy, width, height = words[0], *map(float, words[1:5])
        xs, ys = (cx - width / 2, cx + width / 2), (cy - height / 2, cy + height / 2)
        corners = [(xs[0], ys[0]), (xs[1], ys[0]), (xs[1], ys[1]), (xs[0], ys[1])]
        return [label, *(f"{side:.6f}" for corner in corners for side in corner)]

    _edit_txt(folder, chosen, edit)


@_change("yolo")
def _in_pixels(folder, drawn, chosen):
    for picture in chosen:

        def edit(words, sides=picture.size * 2):
            return [words[0], *(f"{float(word) * side:.1f}" for word, side in zip(words[1:5], sides, strict=True))]

        _edit_txt(folder, [picture], edit)


@_change("yolo")
def _lists_of_another_machine(folder, drawn, chosen):
    write(folder / "train.txt", "".join(f"/home/me/darknet/data/obj/{picture.name}\n" for picture in drawn))
    write(
        folder / "data.yaml", "train: /home/me/darknet/train.txt\nval: /home/me/darknet/train.txt\nnames: [cat, dog]\n"
    )


@_change("yolo")
def _class_names_for_ids(folder, drawn, chosen):
    _edit_txt(folder, chosen, lambda words: [{"0": "cat", "1": "dog"}.get(words[0], words[0]), *words[1:]])


@_change("yolo")
def _texts_named_as_the_image(folder, drawn, chosen):
    for picture in chosen:
        path = folder / "labels" / f"{picture.stem}.txt"
        path.rename(path.with_name(f"{picture.name}.txt"))


@_change("yolo")
def _line_ends_of_windows(folder, drawn, chosen):
    for picture in chosen:
        path = folder / "labels" / f"{picture.stem}.txt"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


# CSV


def _edit_rows(folder: Path, chosen: Sequence[Picture], edit: Callable[[list[str]], list]) -> None:
    path = folder / "annotations.csv"
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    stems = tuple(picture.stem for picture in chosen)
    write_rows(path, [header, *(edit(row) if any(stem in row[0] for stem in stems) else row for row in rows)])


@_change("csv")
def _absolute_paths(folder, drawn, chosen):
    _edit_rows(folder, chosen, lambda row: ["/data/csv/images/" + row[0].rsplit("/", 1)[-1], *row[1:]])


@_change("csv")
def _no_suffix(folder, drawn, chosen):
    _edit_rows(folder, chosen, lambda row: [row[0].removesuffix(".jpg"), *row[1:]])


@_change("csv")
def _corners_exchanged_in_csv(folder, drawn, chosen):
    _edit_rows(folder, chosen, lambda row: [*row[:4], row[6], row[7], row[4], row[5]])


@_change("csv")
def _normalized(folder, drawn, chosen):
    def edit(row):
        scale = (float(row[1]), float(row[2])) * 2
        return [*row[:4], *(f"{float(side) / by:.5f}" for side, by in zip(row[4:], scale, strict=True))]

    _edit_rows(folder, drawn, edit)  # a tool writes all of a set alike


@_change("csv")
def _y_before_x_in_csv(folder, drawn, chosen):
    _edit_rows(folder, drawn, lambda row: [*row[:4], row[5], row[4], row[7], row[6]])


@_change("csv")
def _no_header(folder, drawn, chosen):
    path = folder / "annotations.csv"
    write(path, path.read_text(encoding="utf-8").split("\n", 1)[1])


@_change("csv")
def _sides_for_corners(folder, drawn, chosen):
    def edit(row):
        (xmin, xmax), (ymin, ymax) = sorted(map(float, row[4::2])), sorted(map(float, row[5::2]))
        return [*row[:4], xmin, ymin, xmax - xmin, ymax - ymin]

    _edit_rows(folder, drawn, edit)


def some(drawn: Sequence[Picture], seed: int) -> list[Picture]:
    """Any of the pictures, one at least."""
    dice = random.Random(seed)
    return dice.sample(list(drawn), dice.randint(1, len(drawn)))
