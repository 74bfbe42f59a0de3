"""README's terminal is a real recording, and what draws it shows what a terminal would."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from docs_site.badges import badges  # noqa: E402
from docs_site.recording import read_cast, record, write_cast  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
PRINTS = "import os, sys; print('\\033[31mred\\033[0m', 'ä', *os.get_terminal_size()); sys.exit(3)"


def test_a_command_is_recorded_in_a_terminal():
    events, code = record([sys.executable, "-c", PRINTS], columns=50, rows=6)
    assert code == 3
    assert "".join(text for _, text in events) == "\033[31mred\033[0m ä 50 6\r\n"
    assert [moment for moment, _ in events] == sorted(moment for moment, _ in events)


@pytest.mark.parametrize("name", ["a.cast", "a.cast.gz"])
def test_a_recording_is_read_as_it_was_written(tmp_path, name):
    events = [(0.0, "a"), (1.25, "\033[2Kb\r\n")]
    write_cast(tmp_path / name, events, "odtk demo", 80, 24)
    header, read = read_cast(tmp_path / name)
    assert (header["version"], header["width"], header["height"], read) == (2, 80, 24, events)


def drawn(tmp_path, events, **options):
    pytest.importorskip("pyte", reason="pyte is not installed; the extra dev has it")
    from docs_site.terminal_svg import frames, svg

    write_cast(tmp_path / "a.cast", events, "odtk demo", 40, 4)
    shown = frames(tmp_path / "a.cast", **({"speed": 1, "longest": 10, "per_second": 10, "last": 2} | options))
    return shown, ElementTree.fromstring(svg(shown, 40, 4, "a <title>"))


def test_a_frame_is_what_the_terminal_shows(tmp_path):
    shown, picture = drawn(tmp_path, [(0.0, "one"), (1.0, "\r\033[2Ktwo & \033[31;1mred\033[0m"), (3.0, "\r\n")])
    assert [round(frame.seconds, 3) for frame in shown] == [1.0, 2.0 + 2.0]
    lines = {text.get("id"): "".join(text.itertext()) for text in picture.iter(f"{SVG}text")}
    first, second = picture.find(f".//{SVG}g[@id='film']/{SVG}g"), None
    columns: dict[str, list[str]] = {}
    for use in first:
        columns.setdefault(use.get("x"), []).append(lines[use.get("href")[1:]])
    first, second = columns.values()
    assert first == ["$ odtk demo", "one"]
    assert second == ["$ odtk demo", "two &red"]
    (red,) = [span for span in picture.iter(f"{SVG}tspan") if span.text == "red"]
    assert (red.get("font-weight"), red.get("fill")) == ("bold", "#ff7b72")
    assert float(red.get("x")) == pytest.approx(6 * 8.4)


def test_it_is_played_faster_and_pauses_are_cut(tmp_path):
    shown, picture = drawn(tmp_path, [(0.0, "a"), (8.0, "b"), (100.0, "c")], speed=4, longest=3)
    assert [round(frame.seconds, 3) for frame in shown] == [2.0, 3.0, 2.0]
    style = picture.find(f"{SVG}style").text
    assert "animation:play 7.00s" in style
    assert "28.5714%{transform:translateX(-" in style


def test_what_changes_too_quickly_is_one_frame(tmp_path):
    shown, _ = drawn(tmp_path, [(n / 100, "x") for n in range(100)], per_second=2)
    assert len(shown) <= 3
    assert sum(frame.seconds for frame in shown) == pytest.approx(0.99 + 2)


def test_the_readmes_terminal_is_of_a_demo_that_ended_well():
    header, events = read_cast(ROOT / "docs/demo.cast.gz")
    text = "".join(text for _, text in events)
    assert header["command"] == "odtk demo"
    assert "mAP@.50IOU: " in text
    assert "Where the detector is wrong: " in text
    picture = ElementTree.parse(ROOT / "docs/demo.svg").getroot()
    assert "odtk demo" in picture.find(f"{SVG}title").text
    assert not list(picture.iter(f"{SVG}script"))


def test_the_badges_are_those_of_pyproject():
    from odtk import __version__

    for name, text in badges((ROOT / "pyproject.toml").read_text("utf-8"), __version__).items():
        assert (ROOT / "docs/badges" / name).read_text("utf-8") == text, "draw them again: python -m docs_site.badges"
        ElementTree.fromstring(text)


def test_readmes_sample_is_the_recordings_end():
    _, events = read_cast(ROOT / "docs/demo.cast.gz")
    printed = "".join(text for _, text in events).replace("\r", "").splitlines()
    readme = (ROOT / "README.md").read_text("utf-8")
    sample = readme[readme.index("    Time: make-tfrecords") : readme.index("\nOpen `odtk-demo/predictions.png`")]
    at = 0
    for line in filter(None, (line.strip() for line in sample.splitlines())):
        if line != "...":
            begun = line.removesuffix("...").rstrip()
            at = 1 + next(number for number in range(at, len(printed)) if printed[number].startswith(begun))
    assert at == len(printed), "the last line is missing"
    assert printed[-1].startswith("Certificate: ")
