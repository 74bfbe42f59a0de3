"""Pictures with boxes on a page: whole images, crops, and pictures side by side."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from lxml import etree
from PIL import Image

from odtk.report import html, pictures
from odtk.report.html import element
from odtk.report.pictures import Yxyx


class BoxedPicture(Protocol):
    """An image and what to draw on it, as `draw_groundtruth` takes it; for example an `AnnotatedPicture`."""

    @property
    def image(self) -> Image.Image:
        """The pixels."""
        ...

    @property
    def boxes(self) -> Sequence[Yxyx]:
        """Normalized boxes."""
        ...

    @property
    def class_ids(self) -> Sequence[int]:
        """From 1, for the colors."""
        ...

    @property
    def class_names(self) -> Sequence[str]:
        """The label of each box."""
        ...

    @property
    def marks(self) -> Sequence[str]:
        """The flag of each box ("difficult", "crowd"), or ""."""
        ...


def gallery(figures: Iterable[etree._Element], kind: str = "") -> etree._Element:
    """Figures in as many columns as fit; `kind` is "crops" for small ones, "pairs" for `side_by_side`."""
    return element("div", *figures, class_=f"gallery {kind}".strip())


def side_by_side(figures: Iterable[etree._Element]) -> etree._Element:
    """Figures that belong together, in one cell of a gallery of pairs."""
    return element("div", *figures, class_="pair")


def figure(image: Image.Image, alt: str, *caption: "etree._Element | str") -> etree._Element:
    """A picture, embedded in the page in its display size."""
    return html.picture(pictures.data_uri(image), image.size, alt, *caption)


def whole(shown: BoxedPicture, alt: str, *caption: "etree._Element | str") -> etree._Element:
    """A whole image, scaled down, with its boxes drawn."""
    image = pictures.drawn(shown.image, shown.boxes, shown.class_ids, shown.class_names, shown.marks)
    return figure(image, alt, *caption)


def crop(shown: BoxedPicture, focus: Sequence[int], alt: str, *caption: "etree._Element | str") -> etree._Element:
    """The part of an image around the boxes in `focus`, with these boxes drawn."""

    def chosen(values: Sequence) -> list:
        return [values[index] for index in focus]

    boxes, class_ids, names = chosen(shown.boxes), chosen(shown.class_ids), chosen(shown.class_names)
    image = pictures.cut_out(shown.image, boxes, class_ids, names, chosen(shown.marks))
    return figure(image, alt, *caption)
