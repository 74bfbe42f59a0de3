"""An image with its groundtruth, as drawn on the HTML page and by `odtk view`."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PIL import Image

from odtk import label_map
from odtk.annotations.annotated_image import UnusableImage
from odtk.datasets.open_dataset import Target
from odtk.datasets.sources import DatasetSource, ImageSummary, PetSource, Source
from odtk.progress import track


@dataclass(frozen=True)
class AnnotatedPicture:
    """An image with its groundtruth, to be drawn."""

    name: str
    split: str | None
    image: Image.Image
    boxes: Sequence[tuple[float, float, float, float]]  # yxyx, normalized
    class_ids: Sequence[int]  # from 1, for the colors
    class_names: Sequence[str]
    marks: Sequence[str]  # "difficult", "crowd", ..., or ""
    focus: Sequence[int] | None = None  # the boxes of a finding; None: the whole image
    remark: str = ""


def show(
    source: Source,
    index: int,
    summary: ImageSummary,
    name_of: Callable[[int], str | None],
    numbers: dict[str, int],
    remark: str = "",
) -> AnnotatedPicture:
    """The image of a source with its groundtruth; `name_of` names class ids that have no name.

    `numbers` gives the colors, see `color_ids`. Raises DataError if its pixels cannot be decoded.
    """
    named = zip(summary.class_names, summary.class_ids, strict=True)
    names = [name or name_of(class_id) or f"class {class_id}" for name, class_id in named]
    return AnnotatedPicture(
        name=summary.name,
        split=source.split,
        image=source.picture(index),
        boxes=summary.boxes,
        class_ids=color_ids(names, summary.class_ids, numbers),
        class_names=names,
        marks=summary.marks,
        remark=remark,
    )


def color_numbers(target: Target, found: Iterable[str]) -> dict[str, int]:
    """The number that determines each class name's color: its id in the label map, if there is one.

    Without a label map, the names of a dataset (`found` are those of its objects) get the ids that make-tfrecords would
    give them; records have ids themselves.
    """
    labels = target.labels
    if labels is None and target.is_annotated:
        is_pets = isinstance(target.sources[0], PetSource)
        labels = label_map.read("pet_label_map") if is_pets else label_map.of_names(target.class_names)
    if labels is None:
        return {}
    numbers = labels.texts
    if target.is_annotated:
        others = [name for name in label_map.names_in_order(None, found) if name not in numbers]
        numbers |= {name: number for number, name in enumerate(others, start=labels.num_classes + 1)}
    return numbers


def found_names(target: Target) -> set[str]:
    """The names that `color_numbers` needs if not all images are read: those that the dataset does not list.

    Reads every annotation of such a dataset, but no image.
    """
    if not target.is_annotated or target.class_names or target.labels is not None:
        return set()
    sources = [source for source in target.sources if isinstance(source, DatasetSource)]
    names: set[str] = set()
    with track("Reading", sum(map(len, sources)), "annotations") as progress:
        for source in sources:
            for listed in source.listed:
                with contextlib.suppress(UnusableImage):
                    names |= {entry.class_name for entry in source.dataset.read(listed).objects}
                progress.advance()
    return names


def color_ids(names: Sequence[str], class_ids: Sequence[int], numbers: dict[str, int]) -> list[int]:
    """The numbers that determine classes' colors: those of their names in `numbers`, or else their ids."""
    return [numbers.get(name, max(class_id, 0)) for name, class_id in zip(names, class_ids, strict=True)]
