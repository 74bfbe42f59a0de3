"""The figure of a run's curves: what is drawn is looked up in matplotlib's own objects."""

import math

import numpy as np
import pytest

from odtk.report import class_curves
from odtk.report.training_curves import PENALTY, TOTAL, Best, Curves, draw_curves, smooth, to_png

MAP = "DetectionBoxes_Precision/mAP"
QUALITY = [MAP, MAP + "@.50IOU"]


def metrics(values, every=10, **others):
    return [
        {"step": every * (i + 1), TOTAL: value, "Loss/a": value / 2, "learning_rate": 0.01, **others}
        for i, value in enumerate(values)
    ]


def evaluations(values, every=100, num_classes=2):
    classes = lambda value: {f"AP/class {i}": value / (i + 1) for i in range(num_classes)}  # noqa: E731
    return [
        {"step": every * (i + 1), MAP: value, QUALITY[1]: value * 2, TOTAL: 1 - value, **classes(value)}
        for i, value in enumerate(values)
    ]


def figure_of(metric_rows, evaluation_rows=(), **settings):
    return draw_curves(Curves("cats", metric_rows, evaluation_rows, QUALITY, **settings))


def panels(figure):
    return {axes.get_title(): axes for axes in figure.axes}


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_each_curve_has_its_panel_and_its_own_values():
    figure = figure_of(metrics([3, 2, 1], gradient_norm=5, images_per_sec=7), evaluations([0.1, 0.3]))
    drawn = panels(figure)
    assert list(drawn) == [
        "Metrics on the evaluation images", "AP of each class", "Total loss", "Loss/a", "Learning rate",
        "Norm of the gradients, before clipping", "Speed: 7 images/s (median)",
    ]  # fmt: skip
    assert figure.get_suptitle() == "cats"
    total = lines(drawn["Total loss"])
    assert total["training"].get_xydata().tolist() == [[10, 3], [20, 2], [30, 1]]
    assert total["evaluation"].get_xydata().tolist() == [[100, 0.9], [200, 0.7]]
    assert lines(drawn["AP of each class"])["class 1 0.15"].get_ydata().tolist() == [0.05, 0.15]
    assert {(axes.get_xlabel(), bool(axes.get_ylabel())) for axes in figure.axes} == {("step", True)}
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


@pytest.mark.parametrize("value", [0.0, 0.1, math.nan])
def test_penalties_that_a_detector_does_not_have_are_no_panel(value):
    assert (PENALTY in panels(figure_of(metrics([2, 1], **{PENALTY: value})))) == (value != 0)


@pytest.mark.parametrize(
    ("best", "panel"),
    [
        (Best(200, MAP, 0.4), "Metrics on the evaluation images"),
        (Best(200, QUALITY[1], 0.8), "Metrics on the evaluation images"),
        (Best(200, TOTAL, 0.6), "Total loss"),
    ],
)
def test_the_best_evaluation_is_marked_in_the_panel_of_its_metric(best, panel):
    figure = figure_of(metrics([3, 2]), evaluations([0.1, 0.4, 0.2, 0.4]), best=best)
    (star,) = (line for axes in figure.axes for line in axes.get_lines() if line.get_marker() == "*")
    assert star.get_xydata().tolist() == [[200, best.value]]
    assert star.get_label() == f"best: {best.value} at step 200"
    assert star.axes is panels(figure)[panel]


def test_values_that_are_not_finite_are_marked_and_do_not_spoil_the_rest():
    figure = figure_of(metrics([3, math.nan, 1, math.inf]))
    drawn = lines(panels(figure)["Total loss"])
    assert drawn["NaN or infinite"].get_xdata().tolist() == [20, 40]
    np.testing.assert_array_equal(drawn["training"].get_ydata(), [3, math.nan, 1, math.nan])
    to_png(figure)


def test_a_single_row_is_a_visible_point():
    figure = figure_of(metrics([3]))
    assert lines(panels(figure)["Total loss"])["training"].get_marker() == "o"
    to_png(figure)


def test_an_average_starts_at_the_first_value_and_passes_over_nan():
    smoothed = smooth(np.array([4.0, math.nan, 4.0, 0.0, 0.0, 0.0, 0.0]), 3)
    np.testing.assert_allclose(smoothed[[0, 2]], 4)
    assert math.isnan(smoothed[1])
    assert 0 < smoothed[-1] < smoothed[-2] < smoothed[3] < 4
    np.testing.assert_array_equal(smooth(np.array([1.0, 5.0]), 0), [1, 5])


def test_a_noisy_curve_is_smoothed_and_the_raw_one_is_still_there():
    noisy = 1 + 0.5 * np.tile([1, -1], 200)
    drawn = lines(panels(figure_of(metrics(noisy)))["Total loss"])
    assert np.std(drawn["training"].get_ydata()) == pytest.approx(0.5)
    assert np.std(drawn["training, smoothed"].get_ydata()[20:]) < 0.1


@pytest.mark.parametrize(("rates", "scale"), [
    (0.04 * 0.7 ** np.arange(30), "log"),
    (0.02 * (1 + np.cos(np.linspace(0, 3.14, 30))), "linear"),
    (np.full(30, 0.01), "linear"),
    (np.zeros(30), "linear"),
])  # fmt: skip
def test_a_rate_that_decays_by_orders_of_magnitude_has_a_logarithmic_axis(rates, scale):
    rows = [{"step": step, "learning_rate": rate} for step, rate in enumerate(rates, 1)]
    assert panels(figure_of(rows))["Learning rate"].get_yscale() == scale


def test_epochs_are_a_second_axis_where_they_are_known():
    figure = figure_of(metrics([3, 2]), steps_per_epoch=5)
    (epochs,) = panels(figure)["Total loss"].child_axes
    assert epochs.get_xlabel() == "epoch"
    to_png(figure)  # which computes its limits
    assert np.array(epochs.get_xlim()) * 5 == pytest.approx(panels(figure)["Total loss"].get_xlim())
    assert not panels(figure_of(metrics([3, 2])))["Total loss"].child_axes


@pytest.mark.parametrize(("num_classes", "rows"), [(7, 7), (20, 20), (90, 20)])
def test_many_classes_are_rows_of_colors_with_the_best_first(num_classes, rows):
    drawn = panels(figure_of(metrics([3, 2]), evaluations([0.1, 0.9], num_classes=num_classes)))
    (axes,) = (axes for title, axes in drawn.items() if title.startswith("AP of"))
    (colors,) = axes.collections
    values = colors.get_array().reshape(rows, 2)
    assert values[:, 1].tolist() == sorted(values[:, 1], reverse=True)
    assert values[0].tolist() == pytest.approx([0.1, 0.9])
    assert values[-1, 1] == pytest.approx(0.9 / num_classes)
    texts = [text.get_text() for text in axes.texts]
    assert texts[:2] == ["class 0", "0.90"]
    assert len(texts) == 2 * rows


def test_classes_without_any_ap_are_left_out():
    rows = [{"step": 1, "AP/cat": 0.5, "AP/dog": math.nan}]
    assert class_curves.class_names(rows) == ["cat"]


def test_a_long_run_is_thinned_but_not_at_its_end_nor_where_it_failed():
    values = np.ones(30_000)
    values[12_345] = math.nan
    drawn = lines(panels(figure_of(metrics(values)))["Total loss"])
    assert len(drawn["training"].get_xdata()) < 2100
    assert drawn["training"].get_xdata()[-1] == 300_000
    assert drawn["NaN or infinite"].get_xdata().tolist() == [123_460]


def test_a_notebooks_own_figures_are_not_disturbed():
    from matplotlib import pyplot  # not at the top: most runs of this file need not load it

    own = pyplot.figure()
    to_png(figure_of(metrics([3, 2]), evaluations([0.1])))
    assert (pyplot.get_fignums(), pyplot.gcf()) == ([own.number], own)
    pyplot.close(own)
