"""The page's pictures: groundtruth, examples of findings, duplicates side by side, the model's inputs."""

from collections.abc import Callable, Iterable, Sequence

from lxml import etree
from PIL import Image, ImageDraw

from odtk.datasets.annotated_picture import AnnotatedPicture
from odtk.datasets.model_inputs import ModelInput
from odtk.datasets.splits import NO_SPLIT
from odtk.report import galleries, pictures
from odtk.report.html import code, element


def groundtruth(images: Iterable[AnnotatedPicture]) -> etree._Element:
    """Whole images with their boxes drawn."""
    return galleries.gallery(map(_whole, images))


def suspicious(images: Iterable[AnnotatedPicture]) -> etree._Element:
    """Examples of findings: the image cropped to the boxes in `focus`, or all of it if they are not all inside."""
    return galleries.gallery((_crop(each) if _is_inside(each) else _whole(each) for each in images), "crops")


def _is_inside(shown: AnnotatedPicture) -> bool:
    # Comparisons with NaN are false.
    return bool(shown.focus) and all(-0.1 <= side <= 1.1 for index in shown.focus or () for side in shown.boxes[index])


def duplicates(groups: Iterable[Sequence[AnnotatedPicture]]) -> etree._Element:
    """Near-duplicates, side by side."""
    return galleries.gallery((galleries.side_by_side(map(_whole, group)) for group in groups), "pairs")


def fed(images: Iterable[ModelInput], name_of: Callable[[int], str]) -> etree._Element:
    """Augmented images as the model gets them; a line marks the border of the padding."""
    return galleries.gallery(_fed(each, name_of) for each in images)


def _whole(shown: AnnotatedPicture) -> etree._Element:
    return galleries.whole(shown, f"{shown.name} with its {_counted(shown.class_names)} drawn", *_caption(shown))


def _crop(shown: AnnotatedPicture) -> etree._Element:
    focus = shown.focus or ()
    names = ", ".join(shown.class_names[index] for index in focus)
    return galleries.crop(shown, focus, f"Part of {shown.name} around {names}", *_caption(shown))


def _caption(shown: AnnotatedPicture) -> list["etree._Element | str"]:
    split = "" if shown.split in (None, NO_SPLIT) else f" ({shown.split})"
    remark: list[etree._Element | str] = [element("br"), shown.remark] if shown.remark else []
    return [code(shown.name), split, *remark]


def _fed(model_input: ModelInput, name_of: Callable[[int], str]) -> etree._Element:
    names = [name_of(int(class_id)) for class_id in model_input.class_ids]
    boxes, class_ids = model_input.boxes.tolist(), model_input.class_ids.tolist()
    image = pictures.drawn(model_input.image, boxes, class_ids, names, model_input.marks)
    padding = _mark_padding(image, model_input)
    size = f"{model_input.image.width} × {model_input.image.height} pixels"
    said = f"{size}, {_counted(names)}{padding}"
    return galleries.figure(
        image, f"{model_input.source_id} as the model gets it: {said}", code(model_input.source_id), f", {said}"
    )


def _mark_padding(image: Image.Image, model_input: ModelInput) -> str:
    """Draws the border of the unpadded part on the scaled `image`; returns its size as text."""
    (height, width), full = model_input.true_size, model_input.image
    if (width, height) == full.size:
        return ""
    right, bottom = round(width / full.width * image.width), round(height / full.height * image.height)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, right - 1, bottom - 1), outline="white")
    draw.rectangle((-1, -1, right, bottom), outline="black")
    return f"; image {width} × {height}, the rest is padding"


def _counted(names: Sequence[str]) -> str:
    return "1 box" if len(names) == 1 else f"{len(names) or 'no'} boxes"
