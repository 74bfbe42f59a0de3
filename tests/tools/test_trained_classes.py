"""A config's label map against that of a checkpoint: what is another class, and what is only another name."""

import pytest

from odtk import files, label_map
from odtk.errors import LabelMapError
from odtk.exporting.label_maps import find_trained_map
from odtk.label_map import Item, LabelMap
from odtk.tools.trained_classes import compare, lacks_trained_classes, require_trained_classes

TRAINED = LabelMap([Item(1, "cat", "Cat"), Item(2, "dog"), Item(4, "traffic light")])


@pytest.fixture
def compared(tmp_path):
    """A function of the items of a config's label map: how it compares with TRAINED."""
    (tmp_path / "model").mkdir()
    label_map.write(TRAINED, tmp_path / "model" / "label_map.pbtxt")

    def run(*items):
        label_map.write(LabelMap([Item(*item) for item in items]), tmp_path / "given.pbtxt")
        return compare(tmp_path / "model" / "ckpt-600", str(tmp_path / "given.pbtxt"))

    return run


@pytest.mark.parametrize(
    ("items", "conflicts"),
    [
        (
            [(1, "dog"), (2, "cat"), (4, "traffic light")],
            ["id 1 is 'cat' there and 'dog' here", "id 2 is 'dog' there and 'cat' here"],
        ),
        ([(1, "cat"), (2, "dog"), (3, "traffic light")], ["'traffic light' is id 4 there and 3 here"]),
        ([(1, "cat"), (2, "dog"), (4, "bus")], ["id 4 is 'traffic light' there and 'bus' here"]),
        ([(1, "cat", "dog"), (2, "dog", "cat")], ["'dog' is id 2 there and 1 here", "'cat' is id 1 there and 2 here"]),
    ],
)
def test_ids_that_mean_another_class(compared, items, conflicts):
    assert compared(*items).conflicts == conflicts


@pytest.mark.parametrize(
    ("items", "notes"),
    [
        ([(1, "cat", "Cat"), (2, "dog"), (4, "traffic light")], []),
        ([(1, "cat", "Katze"), (2, "dog"), (4, "traffic light")], ["id 1 is 'Cat' in"]),
        ([(1, "cat", "Cat"), (2, "dog"), (4, "Traffic_Light")], ["id 4 is 'traffic light' in"]),
        ([(1, "Cat"), (2, "dog"), (4, "traffic light")], ["Some names changed"]),
        ([(1, "cat", "Cat"), (2, "dog"), (4, "traffic light"), (5, "bus")], ["so they were not trained: 5 ('bus')"]),
        ([(1, "cat", "Cat"), (2, "dog"), (3, "bus"), (4, "traffic light")], ["so they were not trained: 3 ('bus')"]),
        ([(1, "cat", "Cat")], ["they are ignored: 2 ('dog'), 4 ('traffic light')"]),
    ],
)
def test_what_is_only_said(compared, items, notes):
    found = compared(*items)
    assert found.conflicts == []
    for note, words in zip(found.notes, notes, strict=True):
        assert words in note


def test_names_that_stand_several_times_are_no_conflict_where_both_maps_have_them(tmp_path):
    (tmp_path / "label_map.pbtxt").write_text("item { id: 1 name: 'NA' } item { id: 2 name: 'cat' }")
    (tmp_path / "given.pbtxt").write_text(
        "item { id: 1 name: 'NA' } item { id: 2 name: 'cat' } item { id: 3 name: 'NA' }"
    )
    assert compare(tmp_path, str(tmp_path / "given.pbtxt")).conflicts == []


def test_the_refusal_names_files_ids_and_the_fix(compared, tmp_path):
    compared((1, "dog"), (2, "cat"))
    with pytest.raises(LabelMapError) as caught:
        require_trained_classes(
            tmp_path / "model", str(tmp_path / "given.pbtxt"), "train_input_reader", "my pets.config"
        )
    said = str(caught.value)
    assert "id 1 is 'cat' there and 'dog' here" in said
    fix = f"odtk configure 'my pets.config' --output 'my pets.config' --label-map {tmp_path}/model/label_map.pbtxt"
    assert fix in said
    assert require_trained_classes(tmp_path / "model", "", "train_input_reader", "x.config") == []


def test_where_the_trained_map_is(tmp_path):
    exported = tmp_path / "exported"
    (exported / "checkpoint").mkdir(parents=True)
    (exported / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }")
    assert find_trained_map(exported / "checkpoint" / "ckpt-0") == str(exported / "label_map.pbtxt")
    assert find_trained_map(exported / "checkpoint") == str(exported / "label_map.pbtxt")
    assert find_trained_map(exported / "model" / "ckpt-0") is None, "a map above a model dir is of something else"
    assert compare(tmp_path / "model" / "ckpt-0", "pet_label_map") is None
    (exported / "label_map.pbtxt").write_text("this is no label map")
    assert compare(exported, "pet_label_map") is None


def test_a_trained_map_in_a_store(tmp_path):
    label_map.write(TRAINED, tmp_path / "map.pbtxt")
    files.write_text("ram://trained/model/label_map.pbtxt", (tmp_path / "map.pbtxt").read_text())
    for checkpoint in ("ram://trained/model", "ram://trained/model/ckpt-1", "ram://trained/model/best/ckpt-1"):
        found = compare(checkpoint, str(tmp_path / "map.pbtxt"))
        assert (found.trained, found.conflicts) == ("ram://trained/model/label_map.pbtxt", [])


@pytest.mark.parametrize(("names", "lacks"), [(["cat", "dog"], True), (["cat", "dog", "NA", "traffic light"], False)])
def test_a_map_without_a_trained_class_is_told_from_one_with_more(tmp_path, names, lacks):
    label_map.write(TRAINED, tmp_path / "label_map.pbtxt")
    label_map.write(label_map.of_names(names), tmp_path / "given.pbtxt")
    assert lacks_trained_classes(tmp_path, str(tmp_path / "given.pbtxt")) == lacks
