"""The classes and splits of a YOLO dataset: from data.yaml, or Darknet's names and lists."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from odtk.annotations import data_folder, path_matching, yolo_splits
from odtk.annotations.annotated_image import Problem
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import SkippedImage
from odtk.annotations.value_parsing import cut, finite, is_name, short
from odtk.errors import DataError

_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_YAML_SUFFIXES = (".yaml", ".yml")
# The names of Darknet, labelImg, and Roboflow's export for Darknet.
NAMES_FILES = (
    *("obj.names", "classes.txt", "classes.names", "data.names", "_darknet.labels", "predefined_classes.txt"),
    *("labels.txt", "names.txt", "class_names.txt"),
)
LISTS = {"train": ("train.txt",), "val": ("val.txt", "valid.txt"), "test": ("test.txt",)}
_SPLIT_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_NOTHING = (None, "", "~", "null")
# YAML's own tags, which only repeat the type of a value; all others begin with another word.
_PLAIN_TAGS = {f"!!{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")} | {"!"}
_MAX_YAML_BYTES = 1 << 20  # a data.yaml is about a page; the parser needs seconds for a megabyte


@dataclass
class Config:
    """Class names by id, and the images of each split (or why they are left out) with the entry that names them."""

    path: str
    names: dict[int, str]
    splits: dict[str | None, list[tuple[str | SkippedImage, str]]] = field(default_factory=dict)
    keypoint_values: int = 0  # numbers behind each box
    kpt_shape: str = ""
    problems: list[Problem] = field(default_factory=list)


def find_config(files: DataFolder) -> str | None:
    """The file with the class names; DataError if several are possible."""
    if files.named:
        return files.named
    yamls = files.with_suffix(*_YAML_SUFFIXES)
    for found in (
        [path for path in yamls if posixpath.basename(path).lower() in _YAML_NAMES],
        [path for path in yamls if "names" in data_folder.text_start(files.path, path, _MAX_YAML_BYTES)],
    ):
        depth = min((path.count("/") for path in found), default=0)
        nearest = [path for path in found if path.count("/") == depth]
        if len(nearest) > 1:
            text = f"{files.path} has {' and '.join(nearest[:4])}: it is not clear which one has the class names."
            raise DataError(f"{text} Give the right data.yaml instead of its folder.")
        if nearest:
            return nearest[0]
    return _find_darknet(files)


def _find_darknet(files: DataFolder) -> str | None:
    """The file of class names. labelImg writes one into each folder: they have to agree, though some may be shorter."""
    named = {path: _lines(files, path) for path in _darknet_files(files)}
    if not named:
        return None
    longest = max(named, key=lambda path: (len(named[path]), -path.count("/")))
    for path, names in named.items():
        if names != named[longest][: len(names)]:
            number = next(place for place, name in enumerate(names) if name != named[longest][place])
            raise DataError(
                f"{files.path} has {path} and {longest}, which disagree: class {number} is {short(names[number])} in "
                f"the first and {short(named[longest][number])} in the second. Keep the one that the labels were made "
                "with, or convert their folders separately."
            )
    return longest


def _darknet_files(files: DataFolder) -> list[str]:
    found = files.with_suffix(".names", *NAMES_FILES)
    return [path for path in found if path.endswith(".names") or posixpath.basename(path).lower() in NAMES_FILES]


def _lines(files: DataFolder, path: str) -> list[str]:
    """The names in a file with one per line, without blank lines at the end."""
    names = [line.strip() for line in data_folder.read_text(files.path, path).splitlines()]
    while names and not names[-1]:
        names.pop()
    return names


def read_config(files: DataFolder) -> Config:
    """The classes and splits of the dataset; DataError if they are missing or cannot be read."""
    path = find_config(files)
    if path is None:
        raise DataError(f"{files.path} has no data.yaml, classes.txt or obj.names with the class names for YOLO's ids.")
    is_yaml = path.lower().endswith(_YAML_SUFFIXES)
    config = _read_yaml(files, path) if is_yaml else _read_darknet(files, path)
    config.problems += [*_disagreeing(files, config), *_repeated(config, files.at(path))]
    if not config.splits:
        by_folder = path_matching.folder_splits(files.images)
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
            f"{where}: nc is {short(stated)}, but there are {len(config.names)} names. Correct one of them."
        )
    config.kpt_shape, config.keypoint_values = _keypoints(where, content.get("kpt_shape"))
    root, config.problems = yolo_splits.root_of(files, path, content.get("path"))
    config.problems += _tags(where, data_folder.read_text(files.path, path))
    for split, keys in _SPLIT_KEYS.items():
        value = next((content[key] for key in keys if content.get(key) not in _NOTHING), None)
        if value is not None:
            found, problems = yolo_splits.images_of(files, path, root, split, value)
            config.problems += problems
            config.splits.update({split: found} if found else {})
    return config


def _keypoints(where: str, shape: object) -> tuple[str, int]:
    """A kpt_shape as it is shown in messages, and the number of values after each box."""
    if shape in (*_NOTHING, []):
        return "", 0
    count, numbers = map(finite, shape) if isinstance(shape, list) and len(shape) == 2 else (None, None)
    if count is None or numbers is None or count not in range(1000) or numbers not in (2, 3):
        raise DataError(
            f"{where}: kpt_shape is {short(shape)}; the number of keypoints and 2 or 3 numbers for each are expected, "
            "such as [17, 3]."
        )
    return f"[{count:g}, {numbers:g}]", int(count * numbers)


def _tags(where: str, text: str) -> Iterator[Problem]:
    """Reports tags for Python, which are ignored: values are read as they are written."""
    tokens = yaml.scan(text, yaml.BaseLoader) if "!" in text else ()
    for token in tokens:
        tag = "".join(filter(None, token.value)) if isinstance(token, yaml.TagToken) else "!"
        if tag not in _PLAIN_TAGS:
            said = f"the tag {short(tag)} is ignored, and the value after it is read as it is written."
            yield Problem(where, token.start_mark.line + 1, "YAML tag ignored", said)


def _disagreeing(files: DataFolder, config: Config) -> Iterator[Problem]:
    """Reports where Darknet's files of names, or another data.yaml, differ from the data.yaml that is used."""
    if not config.path.lower().endswith(_YAML_SUFFIXES):
        return
    for path in (*_darknet_files(files), *files.with_suffix(*_YAML_SUFFIXES)):
        is_yaml = path.lower().endswith(_YAML_SUFFIXES)
        try:
            names = _names_of_another(files, path) if is_yaml else dict(enumerate(_lines(files, path)))
        except DataError:
            continue  # it is not used anyway
        for number, name in names.items():
            if config.names.get(number, name) != name:
                text = f"class {number} is {short(name)} here, but {short(config.names[number])} in {config.path}, "
                line = None if is_yaml else number + 1
                yield Problem(files.at(path), line, "class names disagree", f"{text}which is used.")
                break


def _names_of_another(files: DataFolder, path: str) -> dict[int, str]:
    """The names in a YAML file, if it is a dataset's; otherwise empty."""
    if data_folder.text_start(files.path, path, _MAX_YAML_BYTES).find("names") < 0:
        return {}
    content = _load_yaml(files, path)
    is_data = any(key in content for keys in _SPLIT_KEYS.values() for key in keys)
    return _names(files.at(path), content.get("names")) if is_data else {}


def _repeated(config: Config, where: str) -> Iterator[Problem]:
    """Reports names that several ids have."""
    for name, count in Counter(config.names.values()).items():
        if count > 1:
            numbers = [number for number, other in config.names.items() if other == name]
            text = f"the ids {' and '.join(map(str, numbers))} are both {short(name)}: they are read as one class."
            yield Problem(where, None, "one name for several classes", text)


def _load_yaml(files: DataFolder, path: str) -> dict:
    where, text = files.at(path), data_folder.read_text(files.path, path)
    if len(text) > _MAX_YAML_BYTES:
        raise DataError(f"{where} has {len(text)} characters; a data.yaml of at most {_MAX_YAML_BYTES} is expected.")
    try:
        # The base loader reads all values as text: a class may be called no, 007 or 2024-01-01.
        content = yaml.load(text, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{where}{line}: it is not valid YAML: {cut(str(error.problem))}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{where}: the YAML cannot be read: {cut(str(error))}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{where} holds {short(content)}; `train:`, `val:` and `names:` are expected.")
    return content


def _names(where: str, names: object) -> dict[int, str]:
    """Class names by id, from a list or a dict with the ids as keys."""
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


def _read_darknet(files: DataFolder, path: str) -> Config:
    """A file with a class name per line; the lists of splits, if any, are next to it."""
    config = Config(path, _names(files.at(path), _lines(files, path)))
    for split, candidates in LISTS.items():
        for name in candidates:
            place = posixpath.join(posixpath.dirname(path), name)
            if place in files:
                config.splits[split] = yolo_splits.listed_images(files, place, "")
    return config
