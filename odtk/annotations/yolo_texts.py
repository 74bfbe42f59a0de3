"""Which text belongs to which image of a YOLO data set, and which images and texts have no other, or several."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from odtk import duplicates
from odtk.annotations import data_folder, image_files, path_words
from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import NO_IMAGE, LeftOut
from odtk.annotations.written_values import finite
from odtk.annotations.yolo_columns import BOX, words_of
from odtk.annotations.yolo_config import NAMES_FILES

_LISTS = ("train.txt", "val.txt", "valid.txt", "test.txt")

_SAMPLED = 2000  # texts that are read to know what columns mean; a second or less


@dataclass
class Paired:
    """The text of each image, None where it has no objects; and what is left out, by path."""

    texts: dict[str, str | None] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)


def any_called_alike(files: DataFolder) -> bool:
    """Whether any text is called as an image is."""
    return not set(map(_stem, files.with_suffix(".txt"))).isdisjoint(map(_stem, files.images))


def pair(files: DataFolder, images: Collection[str]) -> Paired:
    """Finds the text of each of `images`, which the data set's splits name.

    It is the usual one; else that of the same place, folders that only say what is in them not counted; and where no
    image has a text so, the only one that is called as the image is.
    """
    texts = [
        path for path in files.with_suffix(".txt") if posixpath.basename(path).lower() not in (*_LISTS, *NAMES_FILES)
    ]
    by_place, by_name = _grouped(texts, path_words.place_of), _grouped(texts, _stem)
    paired = Paired()
    for image in images:
        usual = usual_text(files, image)
        _choose(files, paired, image, [usual] if usual else by_place.get(path_words.place_of(image), []))
    if not any(paired.texts.values()):
        for image in list(paired.texts):
            _choose(files, paired, image, by_name.get(_stem(image), []))
    else:
        _leave_out_unsure(files, paired, by_name)
    for text, claimants in _grouped(paired.texts, paired.texts.get).items():
        if text and len(claimants) > 1:
            _share(files, paired, text, claimants)
    _name_unused(files, paired, texts, images)
    return paired


def _choose(files: DataFolder, paired: Paired, image: str, texts: list[str]) -> None:
    if len(texts) < 2:
        paired.texts[image] = texts[0] if texts else None
        return
    paired.texts.pop(image, None)
    said = f"{' and '.join(texts[:3])} may be its text. Remove all but one."
    paired.left_out[image] = LeftOut(files.at(image), None, "several texts for one image", said)


def _leave_out_unsure(files: DataFolder, paired: Paired, by_name: dict[str, list[str]]) -> None:
    """Images without a text, when one in an unlikely place is called as they are: nobody knows if they have objects."""
    used = set(paired.texts.values())
    for image, text in list(paired.texts.items()):
        others = [] if text else [path for path in by_name.get(_stem(image), ()) if path not in used]
        if others and _has_labels(files, others[0]):
            del paired.texts[image]
            said = (
                f"it has no text in the usual place, and {others[0]} may be of it. Put that beside it, or into labels/ "
                "where the image is in images/; or move it away."
            )
            paired.left_out[image] = LeftOut(files.at(image), None, "text in an unusual place", said)


def usual_text(files: DataFolder, image: str) -> str | None:
    """The text of an image where all tools look for it: beside it, or in labels/ where it is in images/."""
    *folders, name = posixpath.splitext(image)[0].split("/")
    if "images" in folders:
        folders[-1 - folders[::-1].index("images")] = "labels"
    usual = "/".join([*folders, f"{name}.txt"])
    return usual if usual in files else None


def sample(files: DataFolder, texts: list[str]) -> Iterator[list[float]]:
    """The numbers behind the classes, of the lines of texts evenly spread over `texts`."""
    for text in texts[:: -(-len(texts) // _SAMPLED) or 1]:
        try:
            lines = data_folder.read_text(files.path, text).splitlines()
        except UnusableImage:
            continue  # said when the image is read
        for line in lines:
            values = [finite(word) for word in words_of(line)[1:]]
            if None not in values:
                yield values


def _share(files: DataFolder, paired: Paired, text: str, images: list[str]) -> None:
    """Leaves out several images of one text: all of them, but for one where only that is usual or they are the same."""
    usual = [image for image in images if usual_text(files, image) == text] or images
    kept = usual[0] if len(usual) == 1 or _are_one_picture(files, usual) else None
    for image in images:
        if image == kept:
            continue
        del paired.texts[image]
        other = kept or next(one for one in images if one != image)
        is_copy = kept is not None and image in usual
        said = f"{text} is the text of {other}, too; " + ("it is the same picture." if is_copy else "remove one.")
        paired.left_out[image] = LeftOut(files.at(image), None, "several images for one text", said, not is_copy)


def _are_one_picture(files: DataFolder, images: list[str]) -> bool:
    try:
        seen = [image_files.look(data_folder.read_bytes(files.path, image), image) for image in images]
    except UnusableImage:
        return False
    return len({one.upright_size for one in seen}) == 1 and not any(
        duplicates.groups([one.fingerprint for one in seen])
    )


def _name_unused(files: DataFolder, paired: Paired, texts: list[str], images: Collection[str]) -> None:
    """Adds the texts with labels that are not used, unless they are of an image that no split names or is left out."""
    used, listed = {*paired.texts.values()}, _grouped(images, path_words.place_of)
    known, names = _grouped(files.images, path_words.place_of), _grouped(images, _stem)
    for path in texts:
        place = path_words.place_of(path)
        if path in used or any(image in paired.left_out for image in listed.get(place, names.get(_stem(path), ()))):
            continue
        if (place in known and place not in listed) or not _has_labels(files, path):
            continue
        if others := listed.get(place) or names.get(_stem(path)):
            said = f"{paired.texts[others[0]]} is the text of {others[0]}."
            paired.left_out[path] = LeftOut(files.at(path), None, "another text for an image", said, is_bad=False)
        else:
            paired.left_out[path] = LeftOut(files.at(path), None, NO_IMAGE, "no image is called as this text is.")


def _has_labels(files: DataFolder, path: str) -> bool:
    """Whether a text begins with a line of numbers, as labels do."""
    words = words_of(data_folder.text_start(files.path, path, 512).lstrip().split("\n", 1)[0])
    return len(words) > BOX and all(finite(word) is not None for word in words)


def _stem(path: str) -> str:
    return path_words.folded(posixpath.splitext(posixpath.basename(path))[0])


def _grouped(values: Iterable, key: Callable) -> dict:
    groups = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return groups
