"""`odtk label-map`: all problems at once with their lines, maps made from data, and whatever bytes come."""

import contextlib
import json

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from odtk import label_map, pipeline, resources
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.cli.main import cli
from odtk.errors import DataError, OdtkError
from odtk.records import shards
from odtk.records.example import encode
from odtk.tools import label_map as tool

EVERYTHING = """item { id: 0 name: 'cat' }
item { id: 2 name: 'dog ' }
item { id: 2 name: 'Cat' }
item {
  id: 5
  id: 6
  id: 7
  name: 'cow'
}
item { name: 'cat' }
item { id: 8 }
"""


def run(*words):
    return CliRunner().invoke(cli, ["label-map", *map(str, words)])


def a_map(tmp_path, text):
    path = tmp_path / "labels.pbtxt"
    path.write_text(text)
    return path


def records_of(tmp_path, *objects):
    """A record file of an image with boxes of (name, id)."""
    from PIL import Image

    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(picture)
    entries = tuple(AnnotatedObject((0.1, 0.1, 0.6, 0.6), number, name) for name, number in objects)
    image = AnnotatedImage(picture.read_bytes(), "picture.png", 8, 8, entries, format="png")
    path = tmp_path / "x.record"
    shards.write_records(path, [encode(image)])
    return path


def test_all_problems_are_found_at_once_with_their_lines(tmp_path):
    path = a_map(tmp_path, EVERYTHING)
    result = run("check", path)
    assert result.exit_code == 1
    *lines, last = result.stdout.splitlines()
    expected = [
        (None, "the ids go up to 8, but there is no id 1, 3, 4, 5, 6, 7. That is allowed"),
        (1, "the id of 'cat' is 0. Ids start at 1"),
        (2, "the name 'dog ' begins or ends with a space"),
        (3, "the id 2 is already used in line 2"),
        (3, "the name 'Cat' differs from 'cat' of line 1 only in case, spaces or dashes"),
        (4, "this item has 3 ids (5 in line 5, 6 in line 6, 7 in line 7)"),
        (10, "'cat' has no id"),
        (10, "the name 'cat' is used 2 times (lines 1, 10)"),
        (11, "this item has no name"),
    ]
    for line, (number, words) in zip(lines, expected, strict=True):
        assert f"{path}:{number}: " in line if number else f"{path}: " in line
        assert words in line
    assert last.endswith("6 errors, 1 warning, 2 notes.")
    document = json.loads(run("check", path, "--json").stdout)
    assert [problem["line"] for problem in document["problems"]] == [number for number, _ in expected]
    assert document["is_valid"] is False


@pytest.mark.parametrize("name", list(resources.shipped_files("label_maps", ".pbtxt")))
def test_shipped_maps_are_valid(name):
    found = [finding for finding in tool.check(name).findings if finding.severity != "note"]
    assert found == []


def test_gaps_and_repeated_names_are_noted_and_allowed(tmp_path):
    names = ["cat", *["NA"] * 10, "dog"]
    text = "".join(f"item {{ id: {2 * number} name: '{name}' }}\n" for number, name in enumerate(names, 1))
    result = run("check", a_map(tmp_path, text))
    assert result.exit_code == 0
    gaps, repeated, last = result.stdout.splitlines()
    assert gaps.startswith("note: ")
    assert "the ids go up to 24, but there is no id 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 2 more" in gaps
    assert "num_classes has to be 24" in gaps
    assert "labels.pbtxt:3: the name 'NA' is used 10 times (lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)" in repeated
    assert "It stands for the last of these, id 22" in repeated
    assert last.endswith("12 classes with ids up to 24, no errors, no warnings, 2 notes.")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("item {\n id: 1\n nam: 'x'\n}", 3, "item has no field nam. Did you mean name?"),
        ("item {\n id: 1 name: 'a'\n", 1, "a closing brace is missing"),
        ("# nothing", None, "has no classes"),
        ("item { id: 1 name: 'a' }\nitem { id: 9999999 name: 'b' }", 2, "the id of 'b' is 9999999"),
        ("item { id: 1.5 name: 'a' }", 1, "the id of 'a' is 1.5, which is not an integer"),
        ("item { id: 1 name: 'a' name: 'b' }", 1, "this item has 2 names (a in line 1, b in line 1)"),
    ],
)
def test_other_faults(tmp_path, text, line, words):
    problem = tool.check(a_map(tmp_path, text)).findings[0]
    assert problem.line == line
    assert words in problem.text


def test_a_background_item_and_lists_of_items_are_fine(tmp_path):
    text = "item { id: 0 name: 'background' }\nitem: [{ id: 1 name: 'a' }, { id: 2 name: 'b' }]"
    assert tool.check(a_map(tmp_path, text)).findings == []


def test_the_map_is_compared_with_the_data(tmp_path):
    data = records_of(tmp_path, ("Cat", 1), ("cow", 2), ("dog", 7), ("dog", 7))
    path = a_map(tmp_path, "item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\nitem { id: 3 name: 'bird' }")
    found = {(problem.severity, problem.line, problem.text) for problem in tool.check(path, data).findings}
    expected = [
        ("error", 1, f"the class is 'Cat' in the data ({data}, record at byte 0) and 'cat' in the map"),
        ("error", None, "the class 'cow' of the data"),
        ("warning", 2, "'dog' is 2 here, but 7 in 2 boxes of the records"),
        ("warning", 3, "'bird' has no box in the data"),
    ]
    assert len(found) == len(expected)
    for severity, line, words in expected:
        assert any((severity, line) == entry[:2] and words in entry[2] for entry in found), words
    agreeing = a_map(tmp_path, "item { id: 1 name: 'Cat' } item { id: 2 name: 'cow' } item { id: 7 name: 'dog' }")
    assert run("check", agreeing, "--data", data).exit_code == 0
    assert run("check", run_make(tmp_path, data), "--data", data).exit_code == 0


def test_misspellings_and_repeated_names_in_the_data_are_said(tmp_path):
    data = records_of(tmp_path, ("mgu", 1), *[("mug", 2)] * 31, ("NA", 5))
    made = a_map(tmp_path, "item { id: 1 name: 'mgu' }\nitem { id: 2 name: 'mug' }\nitem { id: 5 name: 'NA' }")
    asked = f"'mgu' (1, {data}, record at byte 0): did you mean 'mug' (31)?"
    assert [(p.severity, p.line, asked in p.text) for p in tool.check(made, data).findings] == [
        ("note", None, False),  # the gaps
        ("warning", 1, True),
    ]
    lacking = a_map(tmp_path, "item { id: 2 name: 'mug' }\nitem { id: 4 name: 'NA' }\nitem { id: 5 name: 'NA' }")
    found = {(p.severity, p.line): p.text for p in tool.check(lacking, data).findings}
    assert "its boxes are lost. 'mgu' (1): did you mean 'mug' (31)?" in found["error", None]
    assert "'NA' stands for several ids; all 1 boxes of it become 5" in found["warning", 3]


def test_long_maps_are_checked_item_by_item(tmp_path):
    text = "".join(f"item {{\n  id: {number}\n  name: 'class {number}'\n}}\n" for number in range(1, 3001))
    assert tool.check_text(text, "x")[1] == []
    (problem,) = tool.check_text(text + "item { id: 7 name: 'b' }", "x")[1]
    assert (problem.line, problem.text.split(". ")[0]) == (12001, "the id 7 is already used in line 25")


def run_make(tmp_path, data):
    made = tmp_path / "made.pbtxt"
    result = run("make", data, "--output", made, "--order", "data", "--overwrite")
    assert result.exit_code == 0, result.output
    return made


def test_maps_are_made_of_names_lists_and_data(tmp_path):
    made = tmp_path / "made.pbtxt"
    assert run("make", "--names", "dog, cat", "--output", made, "--order", "data").exit_code == 0
    assert label_map.read(made) == label_map.of_names(["dog", "cat"])
    (tmp_path / "names.txt").write_text("# breeds\nzébu\n\n  cow\n", encoding="utf-8")
    assert run("make", tmp_path / "names.txt", "--output", made).exit_code == 1  # it exists
    document = json.loads(run("make", tmp_path / "names.txt", "--output", made, "--overwrite", "--json").stdout)
    assert document["names"] == ["cow", "zébu"]
    assert label_map.read(made) == label_map.of_names(["cow", "zébu"])
    assert label_map.read(run_make(tmp_path, records_of(tmp_path, ("b", 1), ("a", 2)))).items[0].name == "b"
    assert run("make", "--output", made).exit_code == 2
    with pytest.raises(DataError, match="'a' occurs twice"):
        tool.make(tmp_path / "other.pbtxt", names=["a", "b", "a"])


def test_maps_are_shown(tmp_path):
    made = tmp_path / "made.pbtxt"
    tool.make(made, names=["cat", "dog"])
    assert [line.split() for line in run("show", made).stdout.splitlines()[-2:]] == [["1", "cat"], ["2", "dog"]]
    assert json.loads(run("show", made, "--json").stdout)[1] == {"id": 2, "name": "dog", "display_name": ""}
    assert len(json.loads(run("show", "pet_label_map", "--json").stdout)) == 37


TEXTS = {
    "map": EVERYTHING
    + "# π\nitem: [{ id: 3 name: 'a' \"b\" display_name: '\\x41\\303\\251' }]\nitem < id: 4 name: 'd' >",
    "config": pipeline.find("ssd_resnet50_v1_fpn_640x640_pets").read_text(),
}
SNIPPETS = ["{", "}", "<", ">", "[", "]", ":", ",", "'", '"', "\\", "#", "\n", "\0", "-", "1e999", "\\xff", "\\u1", "é",
            "item", "id:", "[a.b/c]", "{" * 300, "9" * 30, "\ud800", "\u2028", "name: 'x'"]  # fmt: skip


@st.composite
def mutated(draw, text):
    """A text with a few stretches of it cut, doubled or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 30)))
        middle = draw(st.sampled_from(["", text[begin:end] * 2, *SNIPPETS]) | st.text(max_size=5))
        text = text[:begin] + middle + text[end:]
    return text


def only_our_errors(function, *arguments):
    with contextlib.suppress(OdtkError):
        function(*arguments)


def every_reader(text, path):
    only_our_errors(label_map.parse, text, "x.pbtxt")
    only_our_errors(pipeline.parse, text, "x.config")
    tool.check_text(text, "x.pbtxt")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for function in (label_map.read, pipeline.read, tool.check):
        only_our_errors(function, path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=200)
@given(mutated(TEXTS["map"]))
@example("item { id: 0 name: '\ud800cat' }\n" * 2)
def test_a_mutated_label_map_is_no_traceback(scratch, text):
    every_reader(text, scratch / "x.pbtxt")


@settings(max_examples=60)
@given(mutated(TEXTS["config"]))
def test_a_mutated_config_is_no_traceback(scratch, text):
    every_reader(text, scratch / "x.config")


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_are_no_traceback(scratch, data):
    (scratch / "x").write_bytes(data)
    for function in (label_map.read, pipeline.read, tool.check):
        only_our_errors(function, scratch / "x")
