"""The charts of an evaluation: what they show, of many classes too, and that each is readable in light and in dark."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from odtk.report import chart_style, class_charts, evaluation_charts, page
from odtk.report.chart_style import DARK, LIGHT, WIDTH, chart_figure, shortened

# A name that cannot be drawn, or does not fit, is no reason for a warning.
pytestmark = pytest.mark.filterwarnings("error")

NAMES = ["cat", "$5 bill$", "猫 with\na very long name of a class 7"]
XS = np.linspace(0, 1, 101)
CURVES = 1 - XS[None] * np.array([[0.2], [0.5], [1.0]])
COUNTS = np.array([[20, 3, 0, 2], [0, 9, 1, 0], [0, 0, 0, 4], [5, 0, 1, 0]])
BINS = (np.linspace(0, 1, 11), np.full(10, 0.5), np.full(10, np.nan), np.zeros(10, int))


def charts(names=NAMES, curves=CURVES, counts=COUNTS):
    """All charts of some classes, made when they are called."""
    column = np.arange(len(names), dtype=float)
    missing = np.where(column == 1, np.nan, column / 5)
    evaluation, classes = evaluation_charts, class_charts
    means = {"mean": curves.mean(axis=0) if len(names) else np.full(101, np.nan)}
    return {
        "precision_recall": lambda: evaluation.precision_recall(XS, names, curves, means),
        "confidence_curves": lambda: evaluation.confidence_curves(XS, np.where(XS > 0.9, np.nan, XS), 1 - XS, XS, 0.42),
        "class_f1": lambda: evaluation.class_f1(XS, names, curves, [0.25, None, 0.5][: len(names)]),
        "calibration": lambda: evaluation.calibration(*BINS, expected_error=np.nan),
        "checkpoint_curve": lambda: evaluation.checkpoint_curve(
            np.array([100, 200]), {"mAP": np.array([0.1, 0.3])}, 200
        ),
        "confusion_matrix": lambda: classes.confusion_matrix(names, counts),
        "confusion_shares": lambda: classes.confusion_matrix(names, counts, normalized=True),
        "outcome_bars": lambda: classes.outcome_bars(names, column, 2 * column, column),
        "size_dots": lambda: classes.size_dots(names, {"all": column / 5, "small": missing}),
        "error_costs": lambda: classes.error_costs(["classification", "missed"], np.array([0.1, 0.02])),
        "class_changes": lambda: classes.class_changes(names, missing, column / 6),
    }


@pytest.fixture
def drawn(monkeypatch):
    """The axes of a chart, by a function that makes it."""
    from matplotlib.figure import Figure

    def render(draw, height, alt):
        figure = Figure((WIDTH / 100, height / 100))
        draw(figure, LIGHT)
        return figure

    monkeypatch.setattr(evaluation_charts, "render", render)
    monkeypatch.setattr(class_charts, "render", render)
    return lambda make: make().axes


@pytest.mark.parametrize("name", charts())
def test_each_is_a_picture_in_light_and_in_dark(name):
    chart = charts()[name]()
    for data, palette in ((chart.light, LIGHT), (chart.dark, DARK)):
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.size) == ("PNG", tuple(2 * side for side in chart.size))
        pixels = np.asarray(image.convert("RGB"), int)
        assert abs(pixels[0, -1] - _rgb(palette.paper)).max() < 8
        # Something is written in ink, and texts reach no border.
        assert (abs(pixels - _rgb(palette.ink)).max(axis=-1) < 40).mean() > 0.001
        assert (abs(pixels[:, [0, -1]] - _rgb(palette.paper)).max(axis=-1) < 8).all()
        assert len(data) < 60_000
    assert chart.size[0] == WIDTH


def test_nothing_to_show_is_drawn_without_a_warning(drawn):
    for make in charts([], np.zeros([0, 101]), np.zeros([1, 1], int)).values():
        assert drawn(make)


def test_a_page_shows_the_readers_choice():
    chart = chart_style.Chart(b"light", b"dark", (400, 300), "Precision <b>")
    text = etree.tostring(chart_figure(chart, "AP of ", "classes")).decode()
    assert '<source srcset="data:image/png;base64,ZGFyaw==" media="(prefers-color-scheme: dark)"/>' in text
    assert 'src="data:image/png;base64,bGlnaHQ=" alt="Precision &lt;b&gt;" width="400" height="300"' in text
    assert "<figcaption>AP of classes</figcaption>" in text


def test_colors_are_those_of_the_page():
    light, dark = Path(page.__file__).with_name("page.css").read_text().split("@media (prefers-color-scheme: dark)")[:2]
    for css, palette in ((light, LIGHT), (dark, DARK)):
        names = {"paper": palette.paper, "ink": palette.ink, "faint": palette.faint, "line": palette.line}
        names |= {"good": palette.good, "error": palette.bad} | {f"bar-{i}": palette.series[i] for i in range(4)}
        assert {name for name, color in names.items() if f"--{name}: {color};" not in css} == set()


def test_precision_recall_has_the_ap_of_each_class_and_the_mean_of_all(drawn):
    (axes,) = drawn(charts()["precision_recall"])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["cat 0.90", "$5 bill$ 0.75", f"{shortened(NAMES[2])} 0.50", "mean 0.72"]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), CURVES[0])


def test_of_many_classes_the_best_and_the_worst_are_named(drawn):
    names = [f"class {number}" for number in range(30)]
    curves = np.tile(np.arange(30)[:, None] / 30, [1, 101])
    (axes,) = drawn(charts(names, curves)["precision_recall"])
    labels = [text.get_text().rpartition(" ")[0] for text in axes.get_legend().get_texts()]
    assert labels == ["class 29", "class 28", "class 27", "class 2", "class 1", "class 0", "mean"]
    assert len(axes.lines) == 31


def test_the_best_thresholds_are_marked(drawn):
    (axes,) = drawn(charts()["confidence_curves"])
    assert axes.lines[-1].get_xdata() == [0.42, 0.42]
    assert axes.lines[-1].get_label() == "best threshold 0.42"
    (axes,) = drawn(charts()["class_f1"])
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(0.25, pytest.approx(0.95)), (0.5, pytest.approx(0.5))]


def test_a_confusion_matrix_shows_counts_and_colors_by_row(drawn):
    (axes,) = drawn(charts()["confusion_matrix"])
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (column, row): str(COUNTS[row, column]) for row, column in zip(*np.nonzero(COUNTS), strict=True)
    }
    assert [text.get_text() for text in axes.get_yticklabels()][-1] == "background"
    (axes,) = drawn(charts()["confusion_shares"])
    # Of 25 cats, 10 and 4 others; and of 25 and 2 detections.
    assert [text.get_text() for text in axes.texts] == ["80", "12", "8", "90", "10", "100", "20", "50"]
    colors = axes.images[0].get_array()
    np.testing.assert_allclose(colors[0, 2] * 255, _rgb(LIGHT.paper))
    np.testing.assert_allclose(colors[2, 3] * 255, _rgb(LIGHT.bad))  # all of class 3 are missed


def test_a_large_confusion_matrix_keeps_what_is_confused_and_adds_up_the_rest(drawn):
    random = np.random.default_rng(0)
    counts = np.diag(random.integers(10, 50, 91))
    counts[-1, -1] = 0
    counts[70, 33] = 25
    counts[5, 90] = 4
    names = [f"class {number}" for number in range(90)]
    (axes,) = drawn(lambda: class_charts.confusion_matrix(names, counts))
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert len(labels) == 15
    assert labels[-2:] == ["77 others", "background"]
    shown = {text.get_position(): int(text.get_text()) for text in axes.texts if text.get_text().isdigit()}
    assert shown[labels.index("class 33"), labels.index("class 70")] == 25
    assert axes.texts[-1].get_text() == "4"  # missed
    assert sum(shown.values()) == counts.sum()


def test_a_class_that_is_nowhere_has_no_row(drawn):
    counts = np.array([[3, 0, 0], [0, 0, 0], [0, 0, 0]])
    (axes,) = drawn(lambda: class_charts.confusion_matrix(["cat", "unused"], counts))
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "background"]


def test_rows_are_those_with_the_most_to_tell(drawn):
    names = [f"class {number}" for number in range(30)]
    errors, none = np.arange(30), np.zeros(30, int)
    (axes,) = drawn(lambda: class_charts.outcome_bars(names, none, errors, none))
    assert _row_names(axes) == [f"class {number}" for number in range(29, 9, -1)]
    (axes,) = drawn(lambda: class_charts.size_dots(names, {"all": errors / 30}))
    assert _row_names(axes)[0] == "class 0"
    after = np.where(errors == 7, 0.1, np.where(errors == 3, 0.9, 0.5))
    (axes,) = drawn(lambda: class_charts.class_changes(names, np.full(30, 0.5), after))
    assert (_row_names(axes)[0], _row_names(axes)[-1], len(_row_names(axes))) == ("class 3", "class 7", 20)
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches][::19], [40, -40])


def test_large_counts_are_short():
    assert [class_charts._short_count(count) for count in (9, 9999, 12_345, 3_000_000, 12_000_000)] == [
        "9", "9999", "12k", "3000k", "12M",
    ]  # fmt: skip


def test_a_long_name_keeps_its_end():
    assert shortened("class number 1234567890 7", 16) == "class numb…890 7"
    assert shortened("a\n b") == "a b"


def test_a_notebooks_own_figures_and_style_are_left_alone(monkeypatch):
    import matplotlib

    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    before = list(dict.items(matplotlib.rcParams))  # to get "backend" the usual way would import pyplot
    charts()["error_costs"]()
    assert list(dict.items(matplotlib.rcParams)) == before
    assert "matplotlib.pyplot" not in sys.modules


def _rgb(color: str) -> np.ndarray:
    return np.array([int(color[first : first + 2], 16) for first in (1, 3, 5)])


def _row_names(axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]
