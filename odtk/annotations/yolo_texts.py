"""Pairs texts and images of a YOLO dataset, and reports those without a partner, or with several."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from odtk.annotations import data_folder, duplicates, image_files, path_matching
from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import NO_IMAGE, SkippedImage
from odtk.annotations.value_parsing import finite
from odtk.annotations.yolo_columns import BOX, words_of
from odtk.annotations.yolo_config import LISTS, NAMES_FILES
from odtk.files import IMAGE_SUFFIXES, UNREAD_SUFFIXES

_SAMPLED = 2000  # texts that are read to detect the meaning of columns; takes a second or less


@dataclass
class Paired:
    """The text of each image, None if it has no objects; and what is left out, by path."""

    texts: dict[str, str | None] = field(default_factory=dict)
    left_out: dict[str, SkippedImage] = field(default_factory=dict)


def any_called_alike(files: DataFolder) -> bool:
    """Whether any text has the name of an image."""
    return not set(map(_stem, files.with_suffix(".txt"))).isdisjoint(map(_stem, files.images))


def pair(files: DataFolder, images: Collection[str]) -> Paired:
    """Finds the text of each of `images`, which are those in the dataset's splits.

    It is the one in the usual place; else the one in the same folder, ignoring folders named after their contents; and
    if no image has such a text, the only one with the name of the image.
    """
    no_labels = {*NAMES_FILES, *(name for names in LISTS.values() for name in names)}
    texts = [path for path in files.with_suffix(".txt") if posixpath.basename(path).lower() not in no_labels]
    by_place, places = _grouped(texts, _place), set(map(_place, files.images))
    lost = [path for path in texts if _place(path) not in places and has_labels(files, path)]
    by_name = _grouped(lost, _stem)
    paired = Paired()
    for image in images:
        usual = usual_text(files, image)
        _choose(files, paired, image, [usual] if usual else by_place.get(_place(image), []))
    if not any(paired.texts.values()):
        for image in list(paired.texts):
            _choose(files, paired, image, by_name.get(_stem(image), []))
    _leave_out_unsure(files, paired, by_name)
    for text, claimants in _grouped(paired.texts, paired.texts.get).items():
        if text and len(claimants) > 1:
            _share(files, paired, text, claimants)
    _name_unused(files, paired, texts, lost)
    return paired


def _choose(files: DataFolder, paired: Paired, image: str, texts: list[str]) -> None:
    if len(texts) < 2:
        paired.texts[image] = texts[0] if texts else None
        return
    paired.texts.pop(image, None)
    said = f"{' and '.join(texts[:3])} may be its text. Remove all but one."
    paired.left_out[image] = SkippedImage(files.at(image), None, "several texts for one image", said)


def _leave_out_unsure(files: DataFolder, paired: Paired, by_name: dict[str, list[str]]) -> None:
    """Leaves out images without a text whose text may be in an unusual place, or have another name."""
    used, stems = set(paired.texts.values()), set(map(_stem, paired.texts))
    nameless = {_folder(text) for stem, texts in by_name.items() if stem not in stems for text in texts}
    for image in [image for image, text in paired.texts.items() if text is None]:
        others = [text for text in by_name.get(_stem(image), ()) if text not in used]
        if others:
            kind, is_bad = "text in an unusual place", True
            said = (
                f"it has no text in the usual place, but {others[0]} may belong to it. Move that next to it, or into "
                "labels/ if the image is in images/; or remove it."
            )
        elif _folder(image) in nameless:
            kind, is_bad = "image that may have lost its annotations", False
            said = (
                "it has no text, but may belong to a text with another name. If it has no objects, add an empty text."
            )
        else:
            continue
        del paired.texts[image]
        paired.left_out[image] = SkippedImage(files.at(image), None, kind, said, is_bad)


def usual_text(files: DataFolder, image: str) -> str | None:
    """The text of an image where all tools look for it: next to it, or in labels/ if the image is in images/."""
    *folders, name = posixpath.splitext(image)[0].split("/")
    if "images" in folders:
        folders[-1 - folders[::-1].index("images")] = "labels"
    usual = "/".join([*folders, f"{name}.txt"])
    return usual if usual in files else None


def sample(files: DataFolder, texts: list[str]) -> Iterator[list[float]]:
    """The numbers, class first, in the lines of texts evenly sampled from `texts`."""
    for text in texts[:: -(-len(texts) // _SAMPLED) or 1]:
        try:
            lines = data_folder.read_text(files.path, text).splitlines()
        except UnusableImage:
            continue  # reported when the image is read
        for line in lines:
            words = words_of(line)
            values = [value for word in words if (value := finite(word)) is not None]
            if words and len(values) == len(words):
                yield values


def has_labels(files: DataFolder, path: str) -> bool:
    """Whether a text begins with a line of numbers, like labels; the class before them may be a name."""
    words = words_of(data_folder.text_start(files.path, path, 512).lstrip().split("\n", 1)[0])
    return len(words) > BOX and all(finite(word) is not None for word in words[1:])


def _share(files: DataFolder, paired: Paired, text: str, images: list[str]) -> None:
    """Leaves out several images with the same text: all of them, or all but a usual one or the first of copies.

    Phones keep a .heic next to a .jpg; the .jpg is used.
    """
    usual = [image for image in images if usual_text(files, image) == text] or images
    usual = [image for image in usual if not image.lower().endswith(UNREAD_SUFFIXES)] or usual
    kept = usual[0] if len(usual) == 1 or _are_one_picture(files, usual) else None
    for image in images:
        if image == kept:
            continue
        del paired.texts[image]
        other = kept or next(one for one in images if one != image)
        is_copy = kept is not None and image in usual
        is_copy |= kept is not None and image.lower().endswith(UNREAD_SUFFIXES)
        said = f"{text} is also the text of {other}; " + ("that image is used." if is_copy else "remove one of them.")
        paired.left_out[image] = SkippedImage(files.at(image), None, "several images for one text", said, not is_copy)


def _are_one_picture(files: DataFolder, images: list[str]) -> bool:
    try:
        seen = [image_files.decode_info(data_folder.read_bytes(files.path, image), image) for image in images]
    except UnusableImage:
        return False
    return len({one.upright_size for one in seen}) == 1 and not any(
        duplicates.groups([one.fingerprint for one in seen])
    )


def _name_unused(files: DataFolder, paired: Paired, texts: list[str], lost: list[str]) -> None:
    """Adds the texts with labels that are not used; `lost` are those in no image's place.

    Texts of images that are left out, which is reported already, or that are in no split, are not added.
    """
    used, left_out, is_lost = {*paired.texts.values()}, {*map(_stem, paired.left_out)}, set(lost)
    by_place, by_name = _grouped(paired.texts, _place), _grouped(paired.texts, _stem)
    for path in texts:
        others = (by_name.get(_stem(path)) if path in is_lost else None) or by_place.get(_place(path))
        if path in used or _stem(path) in left_out:
            continue
        if others and (path in is_lost or has_labels(files, path)):
            said = f"{paired.texts[others[0]]} is the text of {others[0]}."
            paired.left_out[path] = SkippedImage(files.at(path), None, "another text for an image", said, is_bad=False)
        elif path in is_lost:
            paired.left_out[path] = SkippedImage(files.at(path), None, NO_IMAGE, "no image has the name of this text.")


def _place(path: str) -> str:
    return path_matching.place_of(_without_second_suffix(path))


def _stem(path: str) -> str:
    return path_matching.folded(posixpath.splitext(posixpath.basename(_without_second_suffix(path)))[0])


def _without_second_suffix(path: str) -> str:
    """`a.jpg.txt` as `a.txt`: some tools append the suffix of the text to that of the image."""
    stem, suffix = posixpath.splitext(path)
    return posixpath.splitext(stem)[0] + suffix if stem.lower().endswith(IMAGE_SUFFIXES) else path


def _folder(path: str) -> str:
    return posixpath.dirname(_place(path))


def _grouped(values: Iterable, key: Callable) -> dict:
    groups = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return groups
