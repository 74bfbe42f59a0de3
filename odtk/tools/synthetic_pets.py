"""Draws a dataset in the Oxford-IIIT Pet layout: four breeds that look different, on cluttered backgrounds.

Boxes are around heads, trimaps outline the whole pets. The same seed draws the same pictures.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from odtk import label_map
from odtk.atomic import atomic_directory

Color = tuple[int, int, int]

_SUPERSAMPLING = 2  # shapes are drawn this much larger, then reduced, which smooths their edges
_SIDES = (160, 260)  # of an image, pixels
_HEAD_SHARE = (0.28, 0.5)  # of the shorter side
_TWO_PETS = 0.15  # share of the images


@dataclass(frozen=True)
class Breed:
    """How a breed looks; `species` is the Pet dataset's, 1 for cats and 2 for dogs."""

    name: str
    species: int
    coat: Color
    marks: Color
    pattern: str  # plain, ticked, spotted or patched
    ears: str  # pointed, floppy or folded
    ear_color: Color
    head_shape: tuple[float, float]  # half width and half height, in head radii
    eyes: Color


BREEDS = (
    Breed(
        "Abyssinian", 1, (196, 110, 52), (120, 58, 24), "ticked", "pointed", (168, 88, 44), (0.8, 0.86), (140, 190, 60)
    ),
    Breed("beagle", 2, (244, 238, 228), (46, 36, 32), "patched", "floppy", (128, 72, 34), (0.74, 0.92), (70, 40, 20)),
    Breed(
        "Bengal", 1, (222, 178, 104), (58, 36, 22), "spotted", "pointed", (190, 140, 78), (0.86, 0.8), (70, 150, 170)
    ),
    Breed("pug", 2, (226, 200, 162), (40, 34, 34), "plain", "folded", (36, 30, 30), (0.96, 0.86), (30, 20, 16)),
)


@dataclass(frozen=True)
class DrawnDataset:
    """The folder in Pet layout, its label map, and the images of test.txt, which have no xml."""

    folder: Path
    label_map: Path
    test_images: tuple[Path, ...]


@dataclass(frozen=True)
class DrawnPicture:
    """An image, its trimap (1 pet, 2 background, 3 outline) and the heads' boxes as yxyx, pixels."""

    image: Image.Image
    trimap: Image.Image
    boxes: tuple[tuple[int, int, int, int], ...]


def draw_dataset(folder: str | os.PathLike, num_images: int = 160, num_test: int = 8, seed: int = 0) -> DrawnDataset:
    """Draws `num_images` annotated pictures (trainval.txt) and `num_test` more (test.txt) into a new `folder`.

    Breeds alternate. Raises OutputError if `folder` is not empty.
    """
    folder = Path(folder)
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    with atomic_directory(folder) as temporary:
        for part in ("images", "annotations/xmls", "annotations/trimaps"):
            (temporary / part).mkdir(parents=True)
        for index in range(num_images + num_test):
            class_id = index % len(BREEDS) + 1
            breed = BREEDS[class_id - 1]
            name = f"{breed.name}_{index // len(BREEDS) + 1}"
            picture = draw_picture(breed, np.random.default_rng((seed, index)))
            picture.image.save(temporary / "images" / f"{name}.jpg", quality=92)
            picture.trimap.save(temporary / "annotations" / "trimaps" / f"{name}.png")
            if index < num_images:
                (temporary / "annotations" / "xmls" / f"{name}.xml").write_text(_xml(name, breed, picture))
            lists["trainval" if index < num_images else "test"].append(f"{name} {class_id} {breed.species} {class_id}")
        _write_lists(temporary / "annotations", lists)
        label_map.write(label_map.of_names(breed.name for breed in BREEDS), temporary / "label_map.pbtxt")
    tests = tuple(folder / "images" / f"{line.split()[0]}.jpg" for line in lists["test"])
    return DrawnDataset(folder, folder / "label_map.pbtxt", tests)


def draw_picture(breed: Breed, rng: np.random.Generator) -> DrawnPicture:
    """One or two pets of a breed on a background."""
    width, height = (int(side) for side in rng.integers(*_SIDES, 2, endpoint=True))
    image = _background(rng, width, height)
    covered = Image.new("L", image.size, 0)
    boxes: list[tuple[int, int, int, int]] = []
    wanted = 2 if rng.random() < _TWO_PETS else 1
    for _ in range(6):
        radius = min(width, height) * rng.uniform(*_HEAD_SHARE) / (2 if wanted == 1 else 2.6)
        pet, head = _pet(breed, rng, radius)
        corner, box = _place(head, rng, width, height)
        if box is not None and not any(_touch(box, other) for other in boxes):
            image.paste(pet, corner, pet.getchannel("A"))
            covered.paste(255, corner, pet.getchannel("A"))
            boxes.append(box)
        if len(boxes) == wanted:
            break
    grain = rng.normal(0, 5, (height, width, 1))
    pixels = (np.asarray(image, np.float32) * rng.uniform(0.85, 1.1) + grain).clip(0, 255)
    return DrawnPicture(Image.fromarray(pixels.astype(np.uint8)), _trimap(covered), tuple(boxes))


def _place(head: Image.Image, rng: np.random.Generator, width: int, height: int):
    """A corner for the pet's layer that keeps the head inside the image, and the head's box there."""
    left, top, right, bottom = head.getbbox() or (0, 0, 0, 0)
    room = width - (right - left) - 4, height - (bottom - top) - 4
    if min(room) < 1:
        return None, None
    # The upper two thirds, so that the body is visible.
    x, y = 2 + int(rng.integers(room[0])), 2 + int(rng.integers(max(1, room[1] * 2 // 3)))
    return (x - left, y - top), (y, x, y + bottom - top, x + right - left)


def _touch(box: tuple[int, ...], other: tuple[int, ...]) -> bool:
    gap = 0.5 * (box[2] - box[0])  # so that the later body does not cover the earlier head
    return box[0] < other[2] + gap and other[0] < box[2] + gap and box[1] < other[3] + gap and other[1] < box[3] + gap


def _trimap(covered: Image.Image) -> Image.Image:
    inner = np.asarray(covered.filter(ImageFilter.MinFilter(3))) > 127
    outer = np.asarray(covered.filter(ImageFilter.MaxFilter(3))) > 127
    return Image.fromarray(np.where(inner, 1, np.where(outer, 3, 2)).astype(np.uint8))


def _background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Soft colors, and things of all shapes and colors in front of them."""
    image = Image.fromarray(rng.integers(40, 220, (3, 3, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(12, 28)):
        x, y = rng.uniform(-0.1, 1.1, 2) * (width, height)
        w, h = rng.uniform(0.04, 0.4, 2) * min(width, height)
        color = tuple(int(value) for value in rng.integers(20, 240, 3))
        kind = rng.integers(4)
        if kind == 0:
            draw.rectangle((x, y, x + w, y + h), color)
        elif kind == 1:
            draw.ellipse((x, y, x + w, y + h), color)
        elif kind == 2:
            draw.polygon([(x, y), (x + w, y + h / 2), (x + w / 4, y + h)], color)
        else:
            draw.line((x, y, x + 2 * w - h, y + 2 * h - w), color, int(rng.integers(2, 7)))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))


def _pet(breed: Breed, rng: np.random.Generator, radius: float) -> tuple[Image.Image, Image.Image]:
    """A pet as an RGBA layer, and the mask of its head in the same frame; `radius` is the head's, in pixels."""
    unit = radius * _SUPERSAMPLING
    size, (x, y) = (int(6.4 * unit), int(5.8 * unit)), (int(3.2 * unit), int(1.9 * unit))
    coat = _coat(breed, rng, size, unit)
    body, reach = Image.new("L", size), int(1.7 * unit)
    _draw_body(_Pen(body, (x, y), unit), rng)
    frame = (x - reach, y - reach, x + reach, y + reach)
    face, head = coat.crop(frame), Image.new("L", (2 * reach, 2 * reach))
    center = (reach, reach)
    _draw_head(breed, _Pen(face, center, unit), _Pen(head, center, unit), rng)
    tilt = rng.uniform(-18, 18)
    face, head = (layer.rotate(tilt, Image.Resampling.BILINEAR) for layer in (face, head))
    shadow = head.filter(ImageFilter.BoxBlur(unit / 5)).point(lambda value: value // 2)
    coat.paste((0, 0, 0), frame, shadow)
    coat.paste(face, frame, head)
    whole_head = Image.new("L", size)
    whole_head.paste(head, frame)
    coat.putalpha(ImageChops.lighter(body, whole_head))
    pet, mask = coat.reduce(_SUPERSAMPLING), whole_head.reduce(_SUPERSAMPLING)
    return pet, mask.point(lambda value: 255 * (value > 127))


class _Pen:
    """Draws on a layer in head radii about the head's center, x to the right and y down."""

    def __init__(self, layer: Image.Image, center: tuple[int, int], unit: float):
        self._draw, self._center, self._unit = ImageDraw.Draw(layer), center, unit

    def _pixels(self, points) -> list[tuple[float, float]]:
        return [(self._center[0] + x * self._unit, self._center[1] + y * self._unit) for x, y in points]

    def ellipse(self, center: tuple[float, float], radii: tuple[float, float], color) -> None:
        (x, y), (rx, ry) = center, radii
        self._draw.ellipse(self._pixels([(x - rx, y - ry), (x + rx, y + ry)]), color)

    def polygon(self, points, color) -> None:
        self._draw.polygon(self._pixels(points), color)

    def line(self, points, color, width: float) -> None:
        self._draw.line(self._pixels(points), color, max(1, int(width * self._unit)), "curve")


def _coat(breed: Breed, rng: np.random.Generator, size: tuple[int, int], unit: float) -> Image.Image:
    """Fur in the breed's colors (a little different for every pet), RGB of `size`, to be cut out."""
    tint = rng.normal(0, 7, 3)
    coat, marks = (np.clip(np.add(color, tint), 0, 255).astype(int) for color in (breed.coat, breed.marks))
    across, along, ink = {
        "ticked": (14, 4, lambda value: value * 0.45),
        "patched": (0.9, 0.9, lambda value: 255 * (value > 140)),
        "spotted": (3.2, 3.2, lambda value: 255 * (value > 158)),
        "plain": (2, 2, lambda value: value * 0.15),
    }[breed.pattern]
    grid = int(size[1] / unit * along) + 2, int(size[0] / unit * across) + 2
    noise = Image.fromarray(rng.integers(0, 256, grid, np.uint8)).resize(size, Image.Resampling.BICUBIC)
    fur = Image.new("RGB", size, tuple(coat.tolist()))
    fur.paste(tuple(marks.tolist()), (0, 0), noise.point(ink))
    return fur


def _draw_body(pen: _Pen, rng: np.random.Generator) -> None:
    lean, mirror = rng.uniform(0.1, 0.7), rng.choice((-1, 1))
    x = mirror * lean
    pen.line([(x, 2.2), (x + mirror * 1.6, 2.4), (x + mirror * 2.1, rng.uniform(0.8, 1.9))], 255, 0.28)  # tail
    pen.ellipse((x, 1.7), (1.15, 1.35), 255)
    for foot in (-0.6, 0.55):
        pen.line([(x + foot, 2.2), (x + foot, 3.3)], 255, 0.5)
        pen.ellipse((x + foot, 3.3), (0.34, 0.24), 255)


def _draw_head(breed: Breed, face: _Pen, outline: _Pen, rng: np.random.Generator) -> None:
    """The face's colors on fur, and the head's outline as a mask."""
    outline.ellipse((0, 0), breed.head_shape, 255)
    _draw_ears(breed, face, outline)
    _draw_face(breed, face, rng)


def _draw_ears(breed: Breed, face: _Pen, outline: _Pen) -> None:
    for side in (-1, 1):
        if breed.ears == "pointed":
            points = [(side * x, y) for x, y in ((0.12, -0.66), (0.72, -1.3), (0.8, -0.2))]
            inner = [(side * x, y) for x, y in ((0.36, -0.72), (0.66, -1.08), (0.7, -0.5))]
            face.polygon(points, breed.ear_color)
            face.polygon(inner, (226, 160, 150))
            outline.polygon(points, 255)
        elif breed.ears == "floppy":
            face.ellipse((side * 0.86, 0.12), (0.27, 0.78), breed.ear_color)
            outline.ellipse((side * 0.86, 0.12), (0.27, 0.78), 255)
        else:
            points = [(side * x, y) for x, y in ((0.3, -0.82), (0.98, -0.72), (0.94, -0.1))]
            face.polygon(points, breed.ear_color)
            outline.polygon(points, 255)


def _draw_face(breed: Breed, pen: _Pen, rng: np.random.Generator) -> None:
    if breed.name == "beagle":
        for side in (-1, 1):
            pen.ellipse((side * 0.4, -0.3), (0.32, 0.52), breed.ear_color)
    elif breed.name == "pug":
        pen.ellipse((0, 0.32), (0.56, 0.5), breed.marks)
        for y in (-0.55, -0.42):
            pen.line([(-0.3, y), (0, y + 0.08), (0.3, y)], breed.marks, 0.05)
    else:
        pen.ellipse((0, 0.42), (0.36, 0.28), (244, 232, 214))
    eye = 0.2 if breed.species == 1 else 0.15
    gaze = rng.uniform(-0.04, 0.04)
    for side in (-1, 1):
        pen.ellipse((side * 0.38, -0.12), (eye * 1.15, eye), (250, 250, 244) if breed.species == 2 else breed.eyes)
        pupil = (eye * 0.3, eye * 0.85) if breed.species == 1 else (eye * 0.7, eye * 0.75)
        pen.ellipse((side * 0.38 + gaze, -0.12), pupil, (14, 12, 10))
    pen.polygon([(-0.14, 0.2), (0.14, 0.2), (0, 0.36)], (200, 110, 110) if breed.species == 1 else (20, 18, 18))
    for side in (-1, 1):
        pen.line([(0, 0.36), (side * 0.1, 0.52), (side * 0.24, 0.5)], (50, 30, 30), 0.04)
        if breed.species == 1:
            for angle in (-0.15, 0.1):
                pen.line([(side * 0.2, 0.42), (side * 0.75, 0.42 + math.sin(angle))], (250, 250, 250), 0.025)


def _xml(name: str, breed: Breed, picture: DrawnPicture) -> str:
    width, height = picture.image.size
    size = f"<width>{width}</width><height>{height}</height><depth>3</depth>"
    lines = [
        "<annotation>",
        f"\t<folder>OXIIIT</folder>\n\t<filename>{name}.jpg</filename>",
        "\t<source><database>drawn by odtk</database></source>",
        f"\t<size>{size}</size>\n\t<segmented>0</segmented>",
    ]
    for ymin, xmin, ymax, xmax in picture.boxes:
        lines += [
            f"\t<object>\n\t\t<name>{('cat', 'dog')[breed.species - 1]}</name>\n\t\t<pose>Frontal</pose>",
            "\t\t<truncated>0</truncated>\n\t\t<occluded>0</occluded>\n\t\t<bndbox>",
            f"\t\t\t<xmin>{xmin}</xmin>\n\t\t\t<ymin>{ymin}</ymin>",
            f"\t\t\t<xmax>{xmax}</xmax>\n\t\t\t<ymax>{ymax}</ymax>",
            "\t\t</bndbox>\n\t\t<difficult>0</difficult>\n\t</object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def _write_lists(annotations: Path, lists: dict[str, list[str]]) -> None:
    header = [f"#Image CLASS-ID SPECIES BREED ID, of {len(BREEDS)} drawn breeds; SPECIES is 1 for cats, 2 for dogs"]
    for name, lines in (lists | {"list": header + lists["trainval"] + lists["test"]}).items():
        (annotations / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
