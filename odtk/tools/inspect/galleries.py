"""The page's pictures: groundtruth, what a finding is about, duplicates side by side, batches as the model is fed."""

from collections.abc import Callable, Iterable, Sequence

from lxml import etree
from PIL import Image, ImageDraw

from odtk.datasets.annotated_picture import AnnotatedPicture
from odtk.datasets.model_inputs import FedImage
from odtk.report import html, pictures
from odtk.report.html import code, element
from odtk.report.inspection import NO_SPLIT


def groundtruth(images: Iterable[AnnotatedPicture]) -> etree._Element:
    """Whole images with their boxes drawn."""
    return _gallery(_whole(each) for each in images)


def suspicious(images: Iterable[AnnotatedPicture]) -> etree._Element:
    """What findings are about: the boxes in `focus` cut out, or the whole image where they are not all inside it."""
    return _gallery((_cut_out(each) if _is_inside(each) else _whole(each) for each in images), "gallery crops")


def _is_inside(shown: AnnotatedPicture) -> bool:
    # Comparisons with what is no number are false.
    return bool(shown.focus) and all(-0.1 <= side <= 1.1 for index in shown.focus for side in shown.boxes[index])


def pairs(groups: Iterable[Sequence[AnnotatedPicture]]) -> etree._Element:
    """Images that look alike, side by side."""
    boxes = [element("div", *map(_whole, group), class_="pair") for group in groups]
    return _gallery(boxes, "gallery pairs")


def fed(images: Iterable[FedImage], name_of: Callable[[int], str]) -> etree._Element:
    """Augmented images as the model is fed them; a line marks where padding begins."""
    return _gallery(_fed(each, name_of) for each in images)


def _gallery(figures: Iterable[etree._Element], kind: str = "gallery") -> etree._Element:
    return element("div", *figures, class_=kind)


def _whole(shown: AnnotatedPicture) -> etree._Element:
    image = pictures.drawn(shown.image, shown.boxes, shown.class_ids, shown.class_names, shown.marks)
    return _figure(image, f"{shown.name} with its {_counted(shown.class_names)} drawn", shown)


def _cut_out(shown: AnnotatedPicture) -> etree._Element:
    chosen = [[values[index] for index in shown.focus] for values in (shown.boxes, shown.class_ids, shown.class_names)]
    image = pictures.cut_out(shown.image, *chosen, [shown.marks[index] for index in shown.focus])
    return _figure(image, f"Part of {shown.name} around {', '.join(chosen[2])}", shown)


def _figure(image: Image.Image, alt: str, shown: AnnotatedPicture) -> etree._Element:
    remark = [element("br"), shown.remark] if shown.remark else []
    split = "" if shown.split in (None, NO_SPLIT) else f" ({shown.split})"
    return html.picture(pictures.data_uri(image), image.size, alt, code(shown.name), split, *remark)


def _fed(fed_image: FedImage, name_of: Callable[[int], str]) -> etree._Element:
    names = [name_of(int(class_id)) for class_id in fed_image.class_ids]
    image = pictures.drawn(fed_image.image, fed_image.boxes, fed_image.class_ids, names, fed_image.marks)
    padding = _mark_padding(image, fed_image)
    size = f"{fed_image.image.width} × {fed_image.image.height} pixels"
    said = f"{size}, {_counted(names)}{padding}"
    alt = f"{fed_image.source_id} as fed: {said}"
    return html.picture(pictures.data_uri(image), image.size, alt, code(fed_image.source_id), f", {said}")


def _mark_padding(image: Image.Image, fed_image: FedImage) -> str:
    """Draws the border of what is no padding on the reduced `image`; says how large that is."""
    (height, width), full = fed_image.true_size, fed_image.image
    if (width, height) == full.size:
        return ""
    right, bottom = round(width / full.width * image.width), round(height / full.height * image.height)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, right - 1, bottom - 1), outline="white")
    draw.rectangle((-1, -1, right, bottom), outline="black")
    return f"; image {width} × {height}, the rest is padding"


def _counted(names: Sequence[str]) -> str:
    return "1 box" if len(names) == 1 else f"{len(names) or 'no'} boxes"
