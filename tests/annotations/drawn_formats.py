"""One small dataset, drawn, and written in every format that odtk reads.

`WRITERS` is what there is: name to a function of (folder, images). The names of the images are as people have them:
with spaces, dots and letters beyond ASCII, one in a folder of its own.
"""

import csv
import json
import random
from dataclasses import dataclass
from pathlib import Path

from lxml import etree
from PIL import Image, ImageDraw

CLASSES = ("zebra", "Bengal cat", "Tür_ä")
_COLORS = {"zebra": (250, 250, 240), "Bengal cat": (220, 150, 40), "Tür_ä": (40, 60, 200)}

# COCO's ids have holes and need not be in the order of anything.
CATEGORY_IDS = {"zebra": 3, "Bengal cat": 7, "Tür_ä": 90}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Drawing:
    """An image: its path below the images' folder, its size and its objects (class; ymin, xmin, ymax, xmax, pixels)."""

    name: str
    width: int
    height: int
    objects: tuple[tuple[str, Box], ...] = ()

    @property
    def stem(self) -> str:
        return self.name.rsplit(".", 1)[0]


DRAWINGS = (
    Drawing("0001.jpg", 120, 90, (("zebra", (10, 20, 60, 80)),)),
    Drawing("a photo.jpg", 100, 80, (("Bengal cat", (0, 0, 80, 100)), ("zebra", (30, 25, 31, 26)))),
    Drawing(
        "b.c d.v2.jpg", 90, 120, (("Tür_ä", (5, 5, 115, 44)), ("Tür_ä", (7, 50, 100, 88)), ("zebra", (1, 2, 9, 8)))
    ),
    Drawing("deep/er/0001.jpg", 64, 48, (("Bengal cat", (4, 6, 40, 60)),)),
    Drawing("deep/nothing here.png", 80, 60),
    Drawing("straße.jpg", 111, 77, (("zebra", (11, 13, 71, 107)),)),
    Drawing("x.jpeg", 50, 50, (("Tür_ä", (10.5, 12.25, 40.75, 33)),)),
    Drawing("ä ö.png", 160, 40, (("Bengal cat", (3, 3, 37, 80)), ("Bengal cat", (3, 81, 37, 157)))),
)


def draw(path: Path, drawing: Drawing) -> None:
    """Draws one image: its objects as filled boxes before a background that no other image has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dice = random.Random(drawing.name)
    ground = Image.frombytes("RGB", (6, 5), dice.randbytes(90))
    picture = ground.resize((drawing.width, drawing.height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for name, (ymin, xmin, ymax, xmax) in drawing.objects:
        pen.rectangle((xmin, ymin, xmax - 1, ymax - 1), _COLORS.get(name, (0, 0, 0)), (0, 0, 0))
    picture.save(path, quality=90) if path.suffix != ".png" else picture.save(path)


def touch(path: Path, drawing: Drawing) -> None:
    """Instead of `draw`: an empty file, for tests that only read annotations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def write_voc(folder: Path, images=DRAWINGS, picture=draw) -> None:
    """JPEGImages/ and Annotations/, with the same folders inside."""
    for image in images:
        picture(folder / "JPEGImages" / image.name, image)
        _write(folder / "Annotations" / f"{image.stem}.xml", voc_xml_of(image))


def write_voc_side_by_side(folder: Path, images=DRAWINGS, picture=draw) -> None:
    """Each xml beside its image."""
    for image in images:
        picture(folder / image.name, image)
        _write(folder / f"{image.stem}.xml", voc_xml_of(image))


def voc_xml_of(image: Drawing, filename: str | None = None) -> str:
    """A VOC xml, one element per line; `filename` instead of the image's own."""
    root = etree.Element("annotation")
    etree.SubElement(root, "folder").text = "elsewhere"
    etree.SubElement(root, "filename").text = image.name.rsplit("/", 1)[-1] if filename is None else filename
    etree.SubElement(root, "path").text = "C:\\Users\\me\\Desktop\\elsewhere.jpg"
    size = etree.SubElement(root, "size")
    for tag, value in (("width", image.width), ("height", image.height), ("depth", 3)):
        etree.SubElement(size, tag).text = str(value)
    for name, yxyx in image.objects:
        entry = etree.SubElement(root, "object")
        for tag, value in (("name", name), ("pose", "Left"), ("truncated", "1"), ("difficult", "0")):
            etree.SubElement(entry, tag).text = value
        box = etree.SubElement(entry, "bndbox")
        for tag, value in zip(("ymin", "xmin", "ymax", "xmax"), yxyx, strict=True):
            etree.SubElement(box, tag).text = repr(value)
        part = etree.SubElement(entry, "part")
        etree.SubElement(part, "name").text = "head"
        part.append(etree.fromstring("<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"))
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def write_coco(folder: Path, images=DRAWINGS, picture=draw) -> None:
    """images/ and annotations/instances.json."""
    for image in images:
        picture(folder / "images" / image.name, image)
    _write(folder / "annotations" / "instances.json", json.dumps(coco_of(images)))


def coco_of(images=DRAWINGS) -> dict:
    """A COCO document: ids from 100 on, the annotations of an image not side by side."""
    numbered = [(100 + index, image) for index, image in enumerate(images)]
    annotations = [
        {
            "id": 1000 * place + number,
            "image_id": number,
            "category_id": CATEGORY_IDS[name],
            "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
            "area": (xmax - xmin) * (ymax - ymin),
            "iscrowd": 0,
            "segmentation": [[xmin, ymin, xmax, ymin, xmax, ymax, xmin, ymax]],
        }
        for number, image in numbered
        for place, (name, (ymin, xmin, ymax, xmax)) in enumerate(image.objects)
    ]
    annotations.sort(key=lambda annotation: annotation["id"])
    return {
        "info": {"description": "drawn"},
        "images": [
            {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
            for number, image in reversed(numbered)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in reversed(CATEGORY_IDS.items())],
    }


def write_yolo(folder: Path, images=DRAWINGS, picture=draw) -> None:
    """images/, labels/ and data.yaml; an image without objects has no text."""
    for image in images:
        picture(folder / "images" / image.name, image)
        if image.objects:
            _write(folder / "labels" / f"{image.stem}.txt", yolo_txt_of(image))
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(CLASSES))
    _write(folder / "data.yaml", f"path: .\ntrain: images\nval: images\nnames:\n{names}")


def yolo_txt_of(image: Drawing) -> str:
    """`class cx cy w h`, with nine decimals."""
    lines = []
    for name, (ymin, xmin, ymax, xmax) in image.objects:
        center = (xmin + xmax) / 2 / image.width, (ymin + ymax) / 2 / image.height
        sides = (xmax - xmin) / image.width, (ymax - ymin) / image.height
        lines.append(f"{CLASSES.index(name)} " + " ".join(f"{value:.9f}" for value in center + sides) + "\n")
    return "".join(lines)


def write_csv_tutorial(folder: Path, images=DRAWINGS, picture=draw) -> None:
    """The CSV of the TFOD tutorials, beside the images."""
    for image in images:
        picture(folder / image.name, image)
    rows = [["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]]
    for image in images:
        size = [image.name, image.width, image.height]
        rows += [[*size, name, xmin, ymin, xmax, ymax] for name, (ymin, xmin, ymax, xmax) in image.objects]
        rows += [] if image.objects else [[*size, "", "", "", "", ""]]
    _write_csv(folder / "labels.csv", rows)


def write_csv_tool(folder: Path, images=DRAWINGS, picture=draw) -> None:
    """The CSV of labeling tools: no sizes, semicolons, a byte order mark, the images in images/."""
    for image in images:
        picture(folder / "images" / image.name, image)
    rows = [["image", "xmin", "ymin", "xmax", "ymax", "label"]]
    for image in images:
        rows += [[image.name, xmin, ymin, xmax, ymax, name] for name, (ymin, xmin, ymax, xmax) in image.objects]
        rows += [] if image.objects else [[image.name, "", "", "", "", ""]]
    _write_csv(folder / "export.csv", rows, delimiter=";", encoding="utf-8-sig")


def _write_csv(path: Path, rows, delimiter=",", encoding="utf-8") -> None:
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# The name of the format stands first in each name.
WRITERS = {
    "voc": write_voc,
    "voc side by side": write_voc_side_by_side,
    "coco": write_coco,
    "yolo": write_yolo,
    "csv tutorial": write_csv_tutorial,
    "csv tool": write_csv_tool,
}

# Those whose annotations state the image's size.
STATES_SIZE = {"voc", "voc side by side", "coco", "csv tutorial"}
