"""Strangers' texts: as large, as deep and as endless as they like, and answered in bounded memory all the same."""

import os
import tracemalloc

import pytest

from odtk import label_map, pipeline, prototext
from odtk.errors import ConfigError, LabelMapError
from odtk.files import read_bounded
from odtk.prototext import syntax

MEGABYTE = 10**6
ITEM = "item { id: 1 name: 'cat' }"


def peak_bytes(read) -> int:
    """What `read` took at most, of memory that Python knows of."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        ITEM + " " * MEGABYTE,
        " " * MEGABYTE + ITEM,
        ITEM + "\n" * MEGABYTE,
        ITEM + "#" * MEGABYTE,
        ITEM.replace("cat", "c" * MEGABYTE),
    ],
    ids=["blanks behind", "blanks before", "lines", "comment", "name"],
)
def test_memory_is_a_small_multiple_of_the_text(text):
    assert peak_bytes(lambda: label_map.parse(text, "map.pbtxt")) < 30 * MEGABYTE
    assert label_map.parse(text, "map.pbtxt").items[0].name[0] == "c"


def test_long_blanks_in_strings_stay_and_lines_keep_their_numbers():
    name = "c" + " " * 20_000 + "t"
    text = ITEM.replace("cat", name) + "\n" + " " * 20_000 + "\n item { id: 2 nam: 'dog' }"
    with pytest.raises(LabelMapError, match=r"map\.pbtxt:3:15: item has no field nam\. Did you mean name\?"):
        label_map.parse(text, "map.pbtxt")
    assert label_map.parse(text.replace("nam:", "name:"), "map.pbtxt").items[0].name == name


@pytest.mark.parametrize("text", ["1" * MEGABYTE, "1e" + "9" * MEGABYTE, '"' + "x" * MEGABYTE + '"', "x" * MEGABYTE])
def test_what_is_shown_of_a_long_value_is_short(text):
    with pytest.raises(ConfigError) as caught:
        pipeline.parse(f"train_config {{ batch_size: {text} }}", "a.config")
    assert "a.config:1:28: batch_size takes a whole number" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["n" * MEGABYTE, "x" + "+-" * (MEGABYTE // 2)])
def test_a_long_name_is_no_field(name):
    with pytest.raises(ConfigError) as caught:
        pipeline.parse(f"{name}: 1", "a.config")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("opening", ["item {", "item <", "item: [", "item { keypoints {", "{", "[a.b/c] {", "}"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_deep_text_is_refused_as_any_other(opening, closed):
    text = opening * 10_000
    text += {"{": "}", "<": ">", "[": "]", "}": ""}[opening[-1]] * 10_000 * opening.count("{") if closed else ""
    with pytest.raises(LabelMapError, match=r"^map\.pbtxt:1:"):
        label_map.parse(text, "map.pbtxt")
    with pytest.raises(ValueError, match=r"deep|inside|Expected"):
        syntax.read_tree(text)


def test_a_text_is_no_larger_than_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(prototext.reading, "MAX_BYTES", len(ITEM))
    path = tmp_path / "map.pbtxt"
    path.write_text(ITEM)
    assert label_map.read(path).num_classes == 1
    path.write_text(ITEM + "\n")
    with pytest.raises(LabelMapError, match=r"map\.pbtxt cannot be read \(it has more than 0 MiB"):
        label_map.read(path)


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_what_may_never_end_is_no_file(tmp_path, kind):
    path = "/dev/zero" if kind == "device" else tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(path)
    elif not os.path.exists(path):
        pytest.skip("there is no /dev/zero here")
    with pytest.raises(ConfigError, match=f"{path} cannot be read .it is a pipe or a device"):
        pipeline.read(path)
    with pytest.raises(OSError, match="pipe or a device"):
        read_bounded(path)
