"""Pictures whose pixels say what is right: a red cat and a blue dog on green noise, annotated in every format.

A test writes them in a format's usual layout, changes what the field changes, converts them, and asks `pixels` whether
each box still lies on its object. `WRITERS` has a writer for each format, of (folder, pictures).
"""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw

COLORS = {"cat": (225, 25, 25), "dog": (25, 25, 225)}
CLASSES = tuple(COLORS)

Xyxy = tuple[float, float, float, float]  # pixels


@dataclass(frozen=True)
class Picture:
    """One picture and its objects: (class, (xmin, ymin, xmax, ymax) in pixels), at most one of each class."""

    name: str
    image: Image.Image
    objects: tuple[tuple[str, Xyxy], ...]

    @property
    def stem(self) -> str:
        return self.name.rsplit(".", 1)[0]

    @property
    def size(self) -> tuple[int, int]:
        return self.image.size

    def renamed(self, name: str) -> Picture:
        return replace(self, name=name)

    def save(self, path: Path, **options) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.save(path, **({"quality": 92} if path.suffix.lower() != ".png" else {}) | options)


def pictures(count: int = 6, size: tuple[int, int] = (160, 120), seed: int = 0) -> list[Picture]:
    """`count` pictures: a cat on the left and a dog on the right, each with an object at least, none like another."""
    return [_picture(f"img_{index:03d}.jpg", size, random.Random(f"{seed} {index}")) for index in range(count)]


def _picture(name: str, size: tuple[int, int], dice: random.Random) -> Picture:
    width, height = size
    ground = Image.frombytes("RGB", (7, 5), bytes(_green(dice) for _ in range(35) for _green in _CHANNELS))
    image = ground.resize(size, Image.Resampling.BICUBIC)
    objects = []
    for index, (label, color) in enumerate(COLORS.items()):
        left, half = index * width // 2, width // 2
        box_width, box_height = round(half * dice.uniform(0.4, 0.8)), round(height * dice.uniform(0.3, 0.6))
        xmin = left + dice.randrange(2, half - box_width - 1)
        ymin = dice.randrange(2, height - box_height - 1)
        box = xmin, ymin, xmin + box_width, ymin + box_height
        ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), color)
        objects.append((label, box))
    return Picture(name, image, tuple(objects))


_CHANNELS = (lambda dice: dice.randrange(20, 150), lambda dice: dice.randrange(110, 230), lambda dice: 60)


def write_voc(folder: Path, drawn: list[Picture]) -> None:
    """Each xml beside its image, as labelImg writes them."""
    for picture in drawn:
        picture.save(folder / picture.name)
        write(folder / f"{picture.stem}.xml", voc_xml(picture))


def voc_xml(picture: Picture, size: tuple[int, int] | None = None) -> str:
    """The xml of a picture, one element per line; with a `size` (width, height), stated instead of the picture's."""
    width, height = size or picture.size
    objects = "".join(
        f"<object>\n<name>{name}</name>\n<pose>Unspecified</pose>\n<truncated>0</truncated>\n<difficult>0</difficult>\n"
        f"<bndbox>\n<xmin>{xmin}</xmin>\n<ymin>{ymin}</ymin>\n<xmax>{xmax}</xmax>\n<ymax>{ymax}</ymax>\n</bndbox>\n"
        "</object>\n"
        for name, (xmin, ymin, xmax, ymax) in picture.objects
    )
    return (
        f"<annotation>\n<folder>images</folder>\n<filename>{picture.name}</filename>\n"
        f"<size>\n<width>{width}</width>\n<height>{height}</height>\n<depth>3</depth>\n</size>\n"
        f"<segmented>0</segmented>\n{objects}</annotation>\n"
    )


def write_coco(folder: Path, drawn: list[Picture]) -> None:
    """images/ and instances.json."""
    for picture in drawn:
        picture.save(folder / "images" / picture.name)
    write(folder / "instances.json", json.dumps(coco(drawn), indent=1))


def coco(drawn: list[Picture]) -> dict:
    """A COCO document: image ids from 1, category ids 1 (cat) and 2 (dog), boxes as x, y, width, height."""
    images = [
        {"id": number, "file_name": picture.name, "width": picture.size[0], "height": picture.size[1]}
        for number, picture in enumerate(drawn, 1)
    ]
    annotations = [
        {
            "id": 10 * number + place,
            "image_id": number,
            "category_id": 1 + CLASSES.index(name),
            "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
            "area": (xmax - xmin) * (ymax - ymin),
            "iscrowd": 0,
        }
        for number, picture in enumerate(drawn, 1)
        for place, (name, (xmin, ymin, xmax, ymax)) in enumerate(picture.objects)
    ]
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(CLASSES, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_yolo(folder: Path, drawn: list[Picture]) -> None:
    """images/, labels/ and data.yaml."""
    for picture in drawn:
        picture.save(folder / "images" / picture.name)
        write(folder / "labels" / f"{picture.stem}.txt", yolo_txt(picture))
    write(folder / "data.yaml", f"path: .\ntrain: images\nval: images\nnames: [{', '.join(CLASSES)}]\n")


def yolo_txt(picture: Picture) -> str:
    """`class cx cy w h` lines."""
    width, height = picture.size
    return "".join(
        f"{CLASSES.index(name)} {(xmin + xmax) / 2 / width:.6f} {(ymin + ymax) / 2 / height:.6f} "
        f"{(xmax - xmin) / width:.6f} {(ymax - ymin) / height:.6f}\n"
        for name, (xmin, ymin, xmax, ymax) in picture.objects
    )


CSV_HEADER = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]


def write_csv(folder: Path, drawn: list[Picture]) -> None:
    """images/ and annotations.csv in the columns of TFOD's tutorials."""
    for picture in drawn:
        picture.save(folder / "images" / picture.name)
    rows = [[picture.name, *picture.size, name, *box] for picture in drawn for name, box in picture.objects]
    write_rows(folder / "annotations.csv", [CSV_HEADER, *rows])


def write_rows(path: Path, rows: list[list]) -> None:
    """A CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    """A text file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)


WRITERS = {"voc": write_voc, "coco": write_coco, "yolo": write_yolo, "csv": write_csv}
