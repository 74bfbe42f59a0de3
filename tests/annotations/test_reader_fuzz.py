"""Whatever stands in annotation files: their readers read it or raise OdtkError, nothing else, and do not hang."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from drawn_formats import WRITERS, Drawing, coco_of, touch
from hypothesis import given, settings
from hypothesis import strategies as st

from odtk import label_map
from odtk.annotations import formats
from odtk.annotations.coco_masks import decode_mask
from odtk.errors import DataError, LabelMapError, OdtkError

IMAGES = (
    Drawing("a b.jpg", 60, 40, (("zebra", (1, 2, 30, 40)), ("Tür_ä", (3, 4, 5, 6)))),
    Drawing("train/c.jpg", 50, 50, (("Bengal cat", (0, 0, 50, 50)),)),
    Drawing("ä.jpg", 30, 20),
)

# What replaces a word: what numbers, names and paths are not, and what other programs have stumbled on.
NASTY = (
    *("", " ", "0", "-1", "1.5", "nan", "inf", "-inf", "1e400", "9" * 400, "9" * 5000, "0x10", "1_0", "٣", "true"),
    *("null", "../../etc/passwd", "/etc/passwd", "C:\\x", "a/../b", "..", ".", "/", "\\", "\0", "\ufeff", "\u202e"),
    *("é" * 300, "&a;", "&lt;", "<![CDATA[", "<!--", "<x>", "</annotation>", "[" * 3000, "{" * 3000, '{"a":' * 2000),
    *("- " * 3000, "*a", "&a [*a]", "!!python/object/apply:os.system [x]", "<<: *a", "|", ">", "'", '"', '"""'),
    *(",", ";;;;", "\t", "\r", "\n", "\n\n", "\x1a", "#", "%YAML 9.9", "---", "a: b: c", "%s%n", "{0}"),
)

fuzz = settings(max_examples=60)
_WORD = re.compile(r"[^\s,;<>\"'/:\[\]{}]+")
_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("word"), st.integers(0, 10**6), st.sampled_from(NASTY)),
        st.tuples(st.just("cut"), st.integers(0, 10**6), st.integers(1, 60)),
        st.tuples(st.just("bytes"), st.integers(0, 10**6), st.binary(max_size=6)),
        st.tuples(st.just("twice"), st.integers(0, 10**6), st.integers(1, 200)),
    ),
    min_size=1,
    max_size=4,
)


def _edit(data: bytes, edits) -> bytes:
    for kind, place, change in edits:
        at = place % (len(data) + 1)
        if kind == "word":
            words = list(_WORD.finditer(data.decode("utf-8", "surrogateescape")))
            text = data.decode("utf-8", "surrogateescape")
            word = words[place % len(words)] if words else re.match("", "")
            data = (text[: word.start()] + change + text[word.end() :]).encode("utf-8", "surrogateescape")
        elif kind == "cut":
            data = data[:at] + data[at + change :]
        elif kind == "bytes":
            data = data[:at] + change + data[at + len(change) :]
        else:
            data = data[: at + change] + data[at : at + change] + data[at + change :]
    return data


def _read_everything(folder: Path, format: str) -> int:
    """How many images could be read; whatever raises something else than OdtkError fails the test."""
    count = 0
    try:
        formats.guess(folder)
    except OdtkError as error:
        _check_message(error)
    try:
        dataset = formats.open_dataset(folder, format, keep_segmentations=True)
    except OdtkError as error:
        _check_message(error)
        return 0
    keys = [listed.key for listed in dataset.listed]
    assert keys == sorted(set(keys))
    for listed in dataset.listed:
        listed.key.encode()
        try:
            annotation = dataset.read(listed)
        except DataError as error:
            _check_message(error)
            continue
        assert Path(annotation.image_path).resolve().is_relative_to(folder.resolve())
        for found in annotation.objects:
            assert found.class_name.encode().strip()
            assert all(isinstance(side, float) and abs(side) < float("inf") for side in found.box)
        count += 1
    return count


def _check_message(error: OdtkError) -> None:
    text = str(error)
    assert len(text) < 3000, text[:500]
    text.encode("utf-8")


@pytest.mark.parametrize("kind", WRITERS)
@fuzz
@given(which=st.integers(0, 9), edits=_EDITS)
def test_mutated_annotations(kind, which, edits):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        WRITERS[kind](folder, IMAGES, touch)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".jpg")
        path = files[which % len(files)]
        path.write_bytes(_edit(path.read_bytes(), edits))
        _read_everything(folder, kind.split()[0])


@pytest.mark.parametrize("kind", WRITERS)
@fuzz
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_random_bytes_for_annotations(kind, data):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        WRITERS[kind](folder, IMAGES, touch)
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".jpg":
                path.write_bytes(data)
        _read_everything(folder, kind.split()[0])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([*NASTY, "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _replace(value, path, new):
    """A JSON value with one part of it, found along `path`, exchanged."""
    children = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not children or not path:
        return new
    key, child = children[path[0] % len(children)]
    copy = value.copy()
    copy[key] = _replace(child, path[1:], new)
    return copy


_PATHS = st.lists(st.integers(0, 20), min_size=1, max_size=5)


@settings(fuzz, max_examples=150)
@given(changes=st.lists(st.tuples(_PATHS, _JSON), min_size=1, max_size=2))
def test_json_of_another_shape(changes):
    document = coco_of(IMAGES)
    for path, new in changes:
        document = _replace(document, path, new)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        WRITERS["coco"](folder, IMAGES, touch)
        (folder / "annotations/instances.json").write_text(json.dumps(document))
        _read_everything(folder, "coco")


_YAML = {
    "path": ".",
    "train": "images",
    "val": ["images/train"],
    "nc": 3,
    "names": ["a", "b", "c"],
    "kpt_shape": [1, 2],
}


@settings(fuzz, max_examples=100)
@given(changes=st.lists(st.tuples(_PATHS, _JSON), min_size=1, max_size=2))
def test_yaml_of_another_shape(changes):
    document = _YAML
    for path, new in changes:
        document = _replace(document, path, new)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        WRITERS["yolo"](folder, IMAGES, touch)
        (folder / "data.yaml").write_text(json.dumps(document))
        _read_everything(folder, "yolo")


_NUMBERS = st.integers(-5, 100) | st.integers() | st.floats() | st.just(10**400)
_COMPRESSED = st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12) | st.text(max_size=5)


@settings(fuzz, max_examples=200)
@given(
    st.one_of(
        _JSON,
        st.lists(st.lists(_NUMBERS, max_size=8), max_size=3),
        st.builds(lambda counts: {"size": [4, 5], "counts": counts}, st.lists(_NUMBERS, max_size=5) | _COMPRESSED),
    )
)
def test_segmentations(segmentation):
    try:
        mask = decode_mask(segmentation, 4, 5)
    except DataError as error:
        _check_message(error)
    else:
        assert (mask.shape, mask.dtype.name, mask.max(initial=0) <= 1) == ((4, 5), "uint8", True)


def test_aliases_that_multiply_take_no_time(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{index}: &a{index} [*a{index - 1}, *a{index - 1}]" for index in range(1, 60)]
    WRITERS["yolo"](tmp_path, IMAGES, touch)
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "names: *a59", "train: images"]))
    with pytest.raises(DataError, match="names"):
        formats.open_dataset(tmp_path, "yolo")


_LABEL_MAP = b"item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 2\n  name: 'T\\303\\274r'\n  display_name: \"D\"\n}\n"


@settings(fuzz, max_examples=200)
@given(st.one_of(_EDITS.map(lambda edits: _edit(_LABEL_MAP, edits)), st.binary(max_size=100)))
def test_label_maps(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.pbtxt"
        path.write_bytes(data)
        try:
            label_map.read(path)
        except LabelMapError as error:
            str(error).encode("utf-8")
