"""Label maps: read, refused with file and line, and written."""

import pytest

from odtk import label_map
from odtk.errors import LabelMapError
from odtk.label_map import Item, LabelMap

PETS = label_map.read("pet_label_map")
COCO = """
item { name: "/m/01g317" id: 1 display_name: "person" }
item { name: "/m/0199g" id: 2 display_name: "bicycle" }
"""


def test_the_shipped_map_of_37_breeds():
    assert PETS.num_classes == len(PETS.items) == 37
    assert (PETS.name_of(1), PETS.name_of(37)) == ("Abyssinian", "yorkshire_terrier")
    assert PETS.id_of("american_bulldog") == 2
    assert PETS.categories()[:2] == [{"id": 1, "name": "Abyssinian"}, {"id": 2, "name": "american_bulldog"}]
    assert (PETS.id_of("American_Bulldog"), PETS.id_of(""), PETS.name_of(38)) == (None, None, None)


def test_display_names_are_shown_and_found_after_names():
    coco = label_map.parse(COCO, "coco.pbtxt")
    assert coco.categories() == [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    assert coco.id_of("/m/0199g") == coco.id_of("bicycle") == 2
    crossed = label_map.parse("item { id: 1 name: 'a' display_name: 'b' } item { id: 2 name: 'b' }", "x")
    assert crossed.id_of("b") == 2


def test_order_does_not_matter_and_background_is_no_class():
    read = label_map.parse("item { id: 2 name: 'b' } item { id: 0 name: 'background' } item { id: 1 name: 'a' }", "x")
    assert read.items == [Item(1, "a"), Item(2, "b")]


def test_an_item_that_has_only_a_display_name_goes_by_it():
    assert label_map.parse("item { id: 1 display_name: 'cat' }", "x").items == [Item(1, "cat", "cat")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", "x.pbtxt:2: the id 1 is already used in line 1"),
        ("item { id: 1 name: 'a' }\n\nitem {\n  id: 2\n}", "x.pbtxt:3: the item with id 2 has no name"),
        ("item { id: 0 name: 'a' }", "x.pbtxt:1: the id of 'a' is 0. Ids start at 1"),
        ("item { id: -1 name: 'a' }", "the id of 'a' is -1"),
        ("item { name: 'a' }", "x.pbtxt:1: the item 'a' has no id"),
        ("\nitem { id: 2000000000 name: 'a' }", "x.pbtxt:2: the id of 'a' is 2000000000; a model would need"),
        ("# nothing", "x.pbtxt has no classes. Add items"),
        ("item {\n  id: 1\n  nam: 'a'\n}", r"x.pbtxt:3:3: item has no field nam. Did you mean name\?"),
        ("item {\n  id: '1'\n}", "x.pbtxt:2:7: id takes a whole number, without quotes: id: 1"),
        ("item {\n  id: 1\n  name: cat\n}", 'x.pbtxt:3:9: name takes a string in straight double quotes: name: "cat"'),
        (
            "item {\n  id: 1\n\nitem {\n id: 2\n}",
            "a closing brace is missing above, probably that of .item {. in line 1",
        ),
        ("model {\n ssd {}\n}", "this looks like a pipeline config, not a label map"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(LabelMapError, match=words):
        label_map.parse(text, "x.pbtxt")


def test_ids_may_have_holes_which_nothing_is_named_after():
    read = label_map.parse("item { id: 4 name: 'b' } item { id: 1 name: 'a' }", "x")
    assert (read.num_classes, read.holes()) == (4, [2, 3])
    assert [read.name_of(number) for number in range(6)] == [None, "a", None, None, "b", None]
    assert read.categories() == [{"id": 1, "name": "a"}, {"id": 4, "name": "b"}]


def test_the_shipped_map_of_coco_has_its_ids():
    coco = label_map.read("mscoco_label_map")
    assert (coco.num_classes, len(coco.items), coco.repeated()) == (90, 80, {})
    assert coco.holes() == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    assert [coco.id_of(name) for name in ("person", "stop sign", "tv", "toothbrush")] == [1, 13, 72, 90]


def test_by_a_name_that_stands_several_times_the_last_in_the_file_is_found():
    """As in TFOD's label_map_util.get_label_map_dict."""
    text = "item { id: 3 name: 'NA' } item { id: 1 name: 'cat' } item { id: 2 name: 'NA' display_name: 'n/a' }"
    read = label_map.parse(text, "x")
    assert [item.id for item in read.items] == [1, 2, 3]
    assert (read.id_of("NA"), read.id_of("n/a"), read.repeated()) == (2, 2, {"NA": [2, 3]})
    assert [read.name_of(number) for number in (1, 2, 3)] == ["cat", "n/a", "NA"]


def test_files(tmp_path):
    with pytest.raises(LabelMapError, match="Did you mean the shipped pet_label_map"):
        label_map.read("pet_labelmap.pbtxt")
    with pytest.raises(LabelMapError, match="is a folder, but a label map is expected"):
        label_map.read(tmp_path)
    (tmp_path / "x.pbtxt").write_bytes(b"\0\1")
    with pytest.raises(LabelMapError, match="is a binary file, but a label map"):
        label_map.read(tmp_path / "x.pbtxt")


@pytest.mark.parametrize(
    "labels",
    [PETS, label_map.of_names(["a", 'b "c"', "é"]), LabelMap([Item(1, "a", "A"), Item(2, "b")])],
)
def test_written_then_read(labels, tmp_path):
    label_map.write(labels, tmp_path / "x.pbtxt")
    assert label_map.read(tmp_path / "x.pbtxt") == labels
    assert label_map.parse(label_map.format(labels), "x") == labels


def test_names_are_alike_up_to_typing_errors_and_no_further():
    assert {label_map.folded(name) for name in ("Traffic Light", "traffic_light", "traffic-light ")} == {"trafficlight"}
    assert label_map.folded("C++") != label_map.folded("C#")
