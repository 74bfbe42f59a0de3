"""An image with its groundtruth as it is drawn, on the page and by `odtk view`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from odtk.tools.inspect.sources import Look, Source


@dataclass(frozen=True)
class Shown:
    """An image with its groundtruth, to be drawn."""

    name: str
    split: str | None
    image: Image.Image
    boxes: Sequence[tuple[float, float, float, float]]  # yxyx, normalised
    class_ids: Sequence[int]  # from 1, for the colours
    class_names: Sequence[str]
    marks: Sequence[str]  # "difficult", "crowd", ..., or ""
    focus: Sequence[int] | None = None  # the boxes that a finding is about; None: the whole image
    remark: str = ""


def show(
    source: Source,
    index: int,
    look: Look,
    name_of: Callable[[int], str | None],
    numbers: dict[str, int],
    remark: str = "",
) -> Shown:
    """The image of a source with what a look at it found; `name_of` names the ids that stand without a name.

    `numbers` keeps the colours of names without an id the same from image to image, see `color_ids`. Raises DataError
    where its pixels cannot be decoded.
    """
    named = zip(look.class_names, look.class_ids, strict=True)
    names = [name or name_of(class_id) or f"class {class_id}" for name, class_id in named]
    return Shown(
        name=look.name,
        split=source.split,
        image=source.picture(index),
        boxes=look.boxes,
        class_ids=color_ids(names, look.class_ids, numbers),
        class_names=names,
        marks=look.marks,
        remark=remark,
    )


def color_ids(names: Sequence[str], class_ids: Sequence[int], numbers: dict[str, int]) -> list[int]:
    """The numbers that classes are coloured by: their ids, or where there are none those of the names in `numbers`.

    Names that are not there yet are added.
    """
    return [
        class_id if class_id > 0 else numbers.setdefault(name, len(numbers) + 1)
        for name, class_id in zip(names, class_ids, strict=True)
    ]
