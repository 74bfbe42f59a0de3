"""Which text belongs to which image of a YOLO data set, and which images and texts have no other, or several."""

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

_SAMPLED = 2000  # texts that are read to know what columns mean; a second or less


@dataclass
class Paired:
    """The text of each image, None where it has no objects; and what is left out, by path."""

    texts: dict[str, str | None] = field(default_factory=dict)
    left_out: dict[str, SkippedImage] = field(default_factory=dict)


def any_called_alike(files: DataFolder) -> bool:
    """Whether any text is called as an image is."""
    return not set(map(_stem, files.with_suffix(".txt"))).isdisjoint(map(_stem, files.images))


def pair(files: DataFolder, images: Collection[str]) -> Paired:
    """Finds the text of each of `images`, which the data set's splits name.

    It is the usual one; else that of the same place, folders that only say what is in them not counted; and where no
    image has a text so, the only one that is called as the image is.
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
    """Leaves out images without a text that may be those of texts in an unlikely place, or of another name."""
    used, stems = set(paired.texts.values()), set(map(_stem, paired.texts))
    nameless = {_folder(text) for stem, texts in by_name.items() if stem not in stems for text in texts}
    for image in [image for image, text in paired.texts.items() if text is None]:
        others = [text for text in by_name.get(_stem(image), ()) if text not in used]
        if others:
            kind, is_bad = "text in an unusual place", True
            said = (
                f"it has no text in the usual place, and {others[0]} may be of it. Put that beside it, or into labels/ "
                "where the image is in images/; or move it away."
            )
        elif _folder(image) in nameless:
            kind, is_bad = "image that may have lost its annotations", False
            said = (
                "it has no text, and may be the image of one that is called otherwise. An empty one says: no objects."
            )
        else:
            continue
        del paired.texts[image]
        paired.left_out[image] = SkippedImage(files.at(image), None, kind, said, is_bad)


def usual_text(files: DataFolder, image: str) -> str | None:
    """The text of an image where all tools look for it: beside it, or in labels/ where it is in images/."""
    *folders, name = posixpath.splitext(image)[0].split("/")
    if "images" in folders:
        folders[-1 - folders[::-1].index("images")] = "labels"
    usual = "/".join([*folders, f"{name}.txt"])
    return usual if usual in files else None


def sample(files: DataFolder, texts: list[str]) -> Iterator[list[float]]:
    """The numbers, that of the class first, of the lines of texts evenly spread over `texts`."""
    for text in texts[:: -(-len(texts) // _SAMPLED) or 1]:
        try:
            lines = data_folder.read_text(files.path, text).splitlines()
        except UnusableImage:
            continue  # said when the image is read
        for line in lines:
            words = words_of(line)
            values = [value for word in words if (value := finite(word)) is not None]
            if words and len(values) == len(words):
                yield values


def has_labels(files: DataFolder, path: str) -> bool:
    """Whether a text begins with a line of numbers, as labels do; the class before them may be a name."""
    words = words_of(data_folder.text_start(files.path, path, 512).lstrip().split("\n", 1)[0])
    return len(words) > BOX and all(finite(word) is not None for word in words[1:])


def _share(files: DataFolder, paired: Paired, text: str, images: list[str]) -> None:
    """Leaves out several images of one text: all of them, but for one where only that is usual or they are the same.

    Phones keep a .heic beside a .jpg, which is taken for the one.
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
        said = f"{text} is the text of {other}, too; " + ("that one is used." if is_copy else "remove one.")
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
    """Adds the texts with labels that are not used; `lost` are those of no image's place.

    Not those of an image that is left out, which says it already, or that no split names.
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
            paired.left_out[path] = SkippedImage(files.at(path), None, NO_IMAGE, "no image is called as this text is.")


def _place(path: str) -> str:
    return path_matching.place_of(_without_second_suffix(path))


def _stem(path: str) -> str:
    return path_matching.folded(posixpath.splitext(posixpath.basename(_without_second_suffix(path)))[0])


def _without_second_suffix(path: str) -> str:
    """`a.jpg.txt` as `a.txt`: some tools put the suffix of the text behind that of the image."""
    stem, suffix = posixpath.splitext(path)
    return posixpath.splitext(stem)[0] + suffix if stem.lower().endswith(IMAGE_SUFFIXES) else path


def _folder(path: str) -> str:
    return posixpath.dirname(_place(path))


def _grouped(values: Iterable, key: Callable) -> dict:
    groups = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return groups
