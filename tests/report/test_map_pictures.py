"""Maps as pictures, and the choice among panels of a page."""

import numpy as np
from lxml import html as lxml_html
from PIL import Image

from odtk.report import map_pictures
from odtk.report.chooser import chooser
from odtk.report.html import element


def test_colors_go_from_the_least_value_to_the_greatest_or_those_that_are_given():
    values = np.array([[-1.0, 0.0, 3.0]])
    low, _, high = np.asarray(map_pictures.colored(values))[0].tolist()
    assert low == [68, 1, 84]  # viridis' ends
    assert high == [253, 231, 36]
    assert np.asarray(map_pictures.colored(values, 3.0, 9.0))[0].tolist() == [low] * 3
    assert np.asarray(map_pictures.colored(np.full((1, 2), 7.0)))[0].tolist() == [low] * 2  # no range


def test_a_picture_is_itself_where_there_is_no_heat():
    picture = Image.new("RGB", (3, 1), (10, 200, 60))
    cold, warm, hot = np.asarray(map_pictures.with_heat(picture, np.array([[0.0, 0.5, 1.0]])))[0].astype(int)
    assert cold.tolist() == [10, 200, 60]
    assert hot[0] > warm[0] > cold[0]  # over red to yellow
    assert np.asarray(map_pictures.with_heat(picture, np.array([[-1.0, 0.0, 0.0]])))[0, 0].tolist() == [10, 200, 60]


def test_a_sheet_has_all_maps_in_rows():
    maps = [np.random.default_rng(number).random((30, 40)) for number in range(5)]
    sheet = map_pictures.sheet(maps, list("abcde"), "P3", "5 of 8 channels", columns=3)
    below = map_pictures.sheet(maps[:3], list("abc"), "P3", "5 of 8 channels", columns=3)
    assert sheet.width == below.width
    assert sheet.height - below.height >= 30
    assert map_pictures.scaled((30, 40), 80) == (60, 80)


def test_one_panel_is_chosen_and_each_has_its_label():
    page = lxml_html.fromstring(lxml_html.tostring(
        chooser("layer", "layer", [("P3", element("p", "first")), ("<P4>", element("p", "second"))], "pictures")
    ))  # fmt: skip
    inputs, labels = page.findall("input"), page.findall("label")
    assert [each.get("checked") for each in inputs] == ["checked", None]
    assert {each.get("name") for each in inputs} == {"layer"}
    assert [each.get("for") for each in labels] == [each.get("id") for each in inputs]
    assert [each.text_content() for each in labels] == ["P3", "<P4>"]
    assert [each.getnext().get("class") for each in labels] == ["panel"] * 2
