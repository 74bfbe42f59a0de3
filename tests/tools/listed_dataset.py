"""A small dataset without a format: what the readers of all formats give, for tests of what is made of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.dataset import ImageAnnotation, Listed, MarkedObject
from odtk.tools.synthetic_pets import BREEDS, draw_picture


@dataclass(frozen=True)
class ListedDataset:
    """Entries are annotations, or the text of an error."""

    folder: str
    listed: tuple[Listed, ...]
    format: str = "voc"
    class_names: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()

    def read(self, listed: Listed) -> ImageAnnotation:
        if isinstance(listed.entry, str):
            raise UnusableImage(f"{listed.key}.xml", 3, "xml cannot be read", listed.entry)
        return listed.entry

    def with_entry(self, index: int, entry: object) -> "ListedDataset":
        changed = [replace(each, entry=entry) if at == index else each for at, each in enumerate(self.listed)]
        return replace(self, listed=tuple(changed))

    def with_splits(self, splits: dict[str, str]) -> "ListedDataset":
        return replace(self, listed=tuple(replace(each, split=splits.get(each.key)) for each in self.listed))


def draw(folder: Path, count: int = 24, size=(120, 90)) -> ListedDataset:
    """`count` drawn pets below images/a and images/b; every sixth has no object."""
    listed = []
    for index in range(count):
        breed = BREEDS[index % len(BREEDS)]
        key = f"images/{'ab'[index % 2]}/pet {index:03d}.jpg"
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw_picture(breed, np.random.default_rng((5, index)))
        picture.image.resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
        objects = [] if index % 6 == 5 else [MarkedObject(breed.name, (10, 20, 60, 80), line=4)]
        entry = ImageAnnotation(str(path), key, tuple(objects), stated_size=size, annotation_path=f"{path}.xml")
        listed.append(Listed(key, None, entry))
    return ListedDataset(str(folder), tuple(sorted(listed, key=lambda each: each.key)))
