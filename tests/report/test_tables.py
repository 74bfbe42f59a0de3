"""A table on a page and as CSV."""

import csv

from odtk.report.tables import FOLDED_FROM, Table, shown

ROWS = [["cat, small", 1234, 0.5], ["dög", 7, float("nan")], ["none", 0, None]]
CLASSES = Table("classes", "All classes", ["Class", "boxes", "AP"], ROWS)


def _texts(made, tag):
    return ["".join(cell.itertext()) for cell in made.iter(tag)]


def test_a_page_shows_chosen_columns_and_bars():
    made = shown(CLASSES, columns=[0, 2], bar=1)
    assert _texts(made, "th") == ["Class", "AP", "", "cat, small", "dög", "none"]
    assert _texts(made, "td") == ["0.500", "", "–", "", "–", ""]
    assert [span.get("style") for span in made.iter("span")] == ["width: 100.0%", "width: 0.6%", "width: 0.0%"]


def test_csv_has_all_columns_and_leaves_empty_what_does_not_exist():
    lines = list(csv.reader(CLASSES.as_csv().decode("utf-8").splitlines()))
    assert lines == [["Class", "boxes", "AP"], ["cat, small", "1234", "0.5"], ["dög", "7", ""], ["none", "0", ""]]


def test_many_rows_fold_and_none_is_lost():
    rows = [[f"class {number}", number] for number in range(FOLDED_FROM)]
    made = shown(Table("many", "Many", ["Class", "boxes"], rows))
    assert len(made.findall("figure//tbody/tr")) < len(made.findall(".//tbody/tr")) == FOLDED_FROM
    assert made.findtext("details/summary") == "4 more"


def test_long_names_in_any_column_wrap_and_numbers_do_not():
    made = shown(Table("pairs", "Pairs", ["Groundtruth", "detected as", "times"], [["cat", "x" * 200, 3]]))
    assert [(cell.get("class"), cell.text) for cell in made.iter("td")] == [("name", "x" * 200), (None, "3")]
