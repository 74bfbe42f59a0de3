"""What says the classes and splits of a YOLO data set: data.yaml, or Darknet's names and lists."""

from __future__ import annotations

import math
import os
import posixpath
from dataclasses import dataclass, field

import yaml

from odtk.annotations import data_folder, path_words
from odtk.annotations.annotated_image import Problem
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import LeftOut, find_image
from odtk.annotations.written_values import cut, finite, is_name, short
from odtk.errors import DataError

_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_DARKNET_NAMES = ("obj.names", "classes.txt", "classes.names", "data.names")
_LISTS = {"train": ("train.txt",), "val": ("val.txt", "valid.txt"), "test": ("test.txt",)}
_SPLIT_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_MAX_YAML_BYTES = 1 << 20  # data.yaml is a page; the parser takes seconds for a megabyte


@dataclass
class Config:
    """Class names by id, and the images (or why they are left out) of each split with what names them."""

    path: str
    names: dict[int, str]
    splits: dict[str | None, list[tuple[str | LeftOut, str]]] = field(default_factory=dict)
    keypoint_values: int = 0
    problems: list[Problem] = field(default_factory=list)


def find_config(files: DataFolder) -> str | None:
    """The file that names the classes; DataError where several may be meant."""
    for wanted in (_YAML_NAMES, None, _DARKNET_NAMES):
        found = files.with_suffix(".yaml", ".yml") if wanted is None else files.with_suffix(*wanted)
        if wanted is None:
            found = [path for path in found if "names" in data_folder.text_start(files.path, path, _MAX_YAML_BYTES)]
        else:
            found = [path for path in found if posixpath.basename(path).lower() in wanted]
        found.sort(key=lambda path: path.count("/"))
        nearest = [path for path in found if path.count("/") == found[0].count("/")]
        if len(nearest) > 1:
            text = f"{files.path} has {' and '.join(nearest[:4])}: which of them names the classes is not clear."
            raise DataError(f"{text} Name the one data.yaml.")
        if nearest:
            return nearest[0]
    return None


def read_config(files: DataFolder) -> Config:
    """The classes and splits of the data set; DataError where they are missing or cannot be read."""
    path = find_config(files)
    if path is None:
        raise DataError(
            f"{files.path} has no data.yaml, classes.txt or obj.names, which name the classes of YOLO's ids."
        )
    is_yaml = path.lower().endswith((".yaml", ".yml"))
    config = _read_yaml(files, path) if is_yaml else _read_darknet(files, path)
    if not config.splits:
        by_folder = path_words.folder_splits(files.images)
        for image in files.images:
            config.splits.setdefault(by_folder.get(image), []).append((image, image))
    if not any(config.splits.values()):
        raise DataError(f"{files.at(path)}: there is no image for it in {files.path}.")
    return config


def _read_yaml(files: DataFolder, path: str) -> Config:
    where = files.at(path)
    content = _load_yaml(files, path)
    config = Config(path, _names(where, content.get("names")))
    stated = content.get("nc")
    if stated and (not isinstance(stated, str) or finite(stated) != len(config.names)):
        raise DataError(
            f"{where}: nc is {short(stated)}, but there are {len(config.names)} names. Mend the one or other."
        )
    shape = content.get("kpt_shape")
    if (
        isinstance(shape, list)
        and all(isinstance(side, str) and side.isdecimal() for side in shape)
        and len(shape) == 2
    ):
        config.keypoint_values = math.prod(int(side[:9]) for side in shape)
    root = _root(files, path, content.get("path"), config)
    for split, keys in _SPLIT_KEYS.items():
        value = next((content[key] for key in keys if content.get(key) not in (None, "", "~", "null")), None)
        if value is not None:
            found = _images_of(files, config, root, split, value)
            config.splits.update({split: found} if found else {})
    return config


def _load_yaml(files: DataFolder, path: str) -> dict:
    where, text = files.at(path), data_folder.read_text(files.path, path)
    if len(text) > _MAX_YAML_BYTES:
        raise DataError(f"{where} has {len(text)} characters; a data.yaml of at most {_MAX_YAML_BYTES} is expected.")
    try:
        # The base loader leaves all words as they are: a class may be called no, 007 or 2024-01-01.
        content = yaml.load(text, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{where}{line}: it is no YAML: {cut(str(error.problem))}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{where}: it is no YAML that can be read: {cut(str(error))}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{where} holds {short(content)}; `train:`, `val:` and `names:` are expected.")
    return content


def _names(where: str, names: object) -> dict[int, str]:
    """Class names by id, of a list or of a dict with the ids as keys."""
    pairs = (
        list(names.items()) if isinstance(names, dict) else list(enumerate(names)) if isinstance(names, list) else []
    )
    if not pairs:
        raise DataError(f"{where}: names is {short(names)}; a list of class names is expected, or `0: cat` lines.")
    found = {}
    for key, name in pairs:
        number = finite(key)
        if number is None or number < 0 or number != int(number) or not is_name(name):
            raise DataError(f"{where}: names has {short(key)}: {short(name)}; a whole number and a name are expected.")
        found[int(number)] = name.strip()
    return dict(sorted(found.items()))


def _root(files: DataFolder, path: str, written: object, config: Config) -> str:
    """The folder that the splits are relative to: `path`, or the file's own where `path` is of another machine."""
    beside = posixpath.dirname(path)
    if not isinstance(written, str) or not written.strip():
        return beside
    place = _inside(files, beside, written)
    if place is not None and any(_is_below(place, file) for file in files.files):
        return place
    text = f"path is {short(written)}, which is no folder in {files.path}; the file's own folder stands for it."
    config.problems.append(Problem(files.at(path), None, "path is elsewhere", text))
    return beside


def _inside(files: DataFolder, base: str, written: str) -> str | None:
    """A written path relative to the data set's folder; None where it leads out of it."""
    root = os.path.realpath(files.path)
    path = posixpath.normpath(posixpath.join(root, base, written.replace("\\", "/")))
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        return None
    return (
        posixpath.relpath(path, root).removeprefix(".").lstrip("/") if path == root else posixpath.relpath(path, root)
    )


def _is_below(place: str, file: str) -> bool:
    return not place or file.startswith(place + "/")


def _images_of(files: DataFolder, config: Config, root: str, split: str, value: object) -> list:
    """The images of a split: of a folder, a list file, or several of those."""
    where = files.at(config.path)
    parts = value if isinstance(value, list) else [value]
    found = []
    for part in parts:
        if not isinstance(part, str) or "\0" in part:
            raise DataError(f"{where}: {split} is {short(value)}; a folder or a list file is expected, or several.")
        images = _images_in(files, root, part)
        if images is not None:
            found += images
        elif split == "test":  # exports name one, whether there is one or not
            text = f"test is {short(part)}, which is neither a folder with images nor a list in {files.path}: no test."
            config.problems.append(Problem(where, None, "split is not there", text))
        else:
            text = f"{split} is {short(part)}, which is neither a folder with images nor a list in {files.path}."
            raise DataError(f"{where}: {text} Write it relative to the folder {files.at(root)}.")
    return found


def _images_in(files: DataFolder, root: str, written: str) -> list[tuple[str | LeftOut, str]] | None:
    """The images of a folder or a list; None where it is neither. Some exports write one `../` too many."""
    for candidate in (written, written.removeprefix("../")):
        place = _inside(files, root, candidate)
        if place is None:
            continue
        if place in files:
            return _listed_images(files, place, root)
        found = [(image, image) for image in files.images if _is_below(place, image)]
        if found:
            return found
    return None


def _listed_images(files: DataFolder, path: str, root: str) -> list[tuple[str | LeftOut, str]]:
    found = []
    roots = tuple(dict.fromkeys((posixpath.dirname(path), root, "")))
    for number, line in enumerate(data_folder.read_text(files.path, path).splitlines(), start=1):
        if line.strip():
            where = files.at(path), number
            found.append((find_image(files, line.strip(), roots, where, "the line names"), f"{path}#{number}"))
    return found


def _read_darknet(files: DataFolder, path: str) -> Config:
    """A file with a class name per line; the lists of splits are beside it, where there are any."""
    names = [line.strip() for line in data_folder.read_text(files.path, path).splitlines()]
    while names and not names[-1]:
        names.pop()
    config = Config(path, _names(files.at(path), names))
    for split, candidates in _LISTS.items():
        for name in candidates:
            place = posixpath.join(posixpath.dirname(path), name)
            if place in files:
                config.splits[split] = _listed_images(files, place, "")
    return config
