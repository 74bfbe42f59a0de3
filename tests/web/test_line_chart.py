"""Charts: numbers to pixels, ticks, long curves with few points, and what a reader is told without seeing them."""

import numpy as np
import pytest

from odtk.web.run_views.growing_table import Columns
from odtk.web.run_views.line_chart import HEIGHT, WIDTH, Axis, Curve, draw, short, ticks, with_step
from odtk.web.run_views.run_charts import Best, RunCurves, draw_charts, last_values
from odtk.web.run_views.thinning import smoothed, thinned


def columns(steps, **values) -> Columns:
    from array import array

    return Columns(array("d", steps), {name: array("d", column) for name, column in values.items()})


def curve(steps, values, **kind) -> Curve:
    return Curve("loss", np.array(steps, float), np.array(values, float), **kind)


def points(text: str) -> list[tuple[float, ...]]:
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def test_an_axis_maps_its_ends_and_its_middle():
    axis = Axis(0, 10, 200, 0)
    assert [axis.at(value) for value in (0, 5, 10, 11)] == [200, 100, 0, 0]
    assert Axis(1, 100, 0, 100, is_logarithmic=True).at(10) == 50


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 150, [0, 50, 100, 150]), (-3, 3, [-2, 0, 2]), (7, 7, [7])],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high, 4 if high > 1 else 5) == pytest.approx(expected)


def test_ticks_have_as_many_decimals_as_they_need():
    assert [with_step(value, 0.005) for value in (0.0, 0.005, 0.01)] == ["0", "0.005", "0.010"]
    assert with_step(2000, 500) == "2,000"
    assert [short(value) for value in (25_000, 250_000, 3_000_000, 3e-5)] == ["25,000", "250k", "3M", "3e-05"]


def test_a_curve_stays_within_its_chart():
    chart = draw("x", "Total loss", "loss", [curve([0, 50, 100], [2, 1, 1.5])], (0, 100))
    xs, ys = zip(*points(chart.lines[0].points), strict=True)
    assert chart.left <= min(xs) < max(xs) <= chart.right <= WIDTH
    assert chart.top <= min(ys) < max(ys) <= chart.bottom <= HEIGHT
    assert ys[0] < ys[2] < ys[1]  # up is small in pixels
    assert "loss 2 at step 0, 1.5 at step 100" in chart.words


def test_values_over_several_powers_are_on_a_logarithmic_axis():
    chart = draw("x", "Norm", "norm", [curve(range(100), np.geomspace(1000, 0.1, 100))], (0, 99))
    assert chart.is_logarithmic
    assert {"0.1", "1", "10", "100", "1,000"} <= {tick.text for tick in chart.y_ticks}
    assert not draw("x", "Rate", "rate", [curve(range(100), np.linspace(0.02, 0, 100))], (0, 99)).is_logarithmic


def test_values_that_are_not_finite_are_crosses_at_the_bottom():
    chart = draw("x", "Total loss", "loss", [curve([1, 3], [1, 2], bad=[2])], (1, 3))
    assert len(chart.lines[0].crosses) == 1
    assert "1 values of loss were NaN or infinite" in chart.words
    assert draw("x", "Total loss", "loss", [curve([], [], bad=[2])], (1, 3)) is None


def test_equal_values_and_one_value_can_be_drawn():
    for steps, values in (([1, 2, 3], [0, 0, 0]), ([5], [0.25])):
        chart = draw("x", "Rate", "rate", [curve(steps, values)], (steps[0], steps[-1]))
        assert len(points(chart.lines[0].points)) == len(steps)


def test_peaks_and_ends_of_long_curves_stay():
    steps, values = np.arange(100_000.0), np.zeros(100_000)
    values[54_321], values[77] = 9, -9
    few_steps, few = thinned(steps, values)
    assert len(few) <= 482
    assert {few.max(), few.min(), few_steps[0], few_steps[-1]} == {9, -9, 0, 99_999}


def test_a_smooth_line_follows_the_mean():
    steps = np.arange(20_000.0)
    noisy = 1 + np.random.default_rng(0).normal(0, 1, 20_000)
    assert np.abs(smoothed(steps, noisy)[1][20:] - 1).max() < 0.2
    assert smoothed(steps[:3], noisy[:3])[1][0] == pytest.approx(noisy[0])


def long_run(rows: int) -> RunCurves:
    steps = np.arange(1, rows + 1) * 10
    noise = np.random.default_rng(0).uniform(1, 2, rows)
    names = ("Loss/total_loss", "Loss/localization_loss", "learning_rate", "gradient_norm", "images_per_sec")
    evaluations = columns(
        steps[::100], **{"DetectionBoxes_Precision/mAP": noise[::100] / 4, "AP/cat": noise[::100] / 5}
    )
    return RunCurves("pets", columns(steps, **dict.fromkeys(names, noise)), evaluations)


def test_a_hundred_thousand_rows_are_a_small_page():
    charts = draw_charts([long_run(100_000)])
    assert [chart.title for chart in charts][:3] == [
        "Metrics on the evaluation images",
        "AP of each class",
        "Total loss",
    ]
    size = sum(len(line.points) + len(line.faint) for chart in charts for line in chart.lines)
    assert size < 90_000


def test_what_has_no_groundtruth_is_not_drawn():
    evaluations = columns([10, 20], **{"DetectionBoxes_Precision/mAP": [-1, 0.5], "AP/cat": [-1, -1]})
    run = RunCurves("pets", columns([]), evaluations, Best(20, "DetectionBoxes_Precision/mAP", 0.5))
    (chart,) = draw_charts([run])
    assert len(points(chart.lines[0].points)) == 1
    assert chart.lines[0].star is not None
    assert [(row.name, row.last) for row in last_values(run)] == [("mAP", 0.5)]


def test_the_table_has_the_best_value_of_each_curve():
    logged = columns([10, 20, 30], **{"Loss/total_loss": [3, 1, 2], "images_per_sec": [1, 9, 8]})
    loss, speed = last_values(RunCurves("pets", logged, columns([])))
    assert (loss.name, loss.last, loss.extreme, loss.extreme_step) == ("Total loss, training", 2, 1, 20)
    assert (speed.name, speed.extreme) == ("Speed", 9)


def test_several_runs_share_charts_and_steps():
    first, second = long_run(30), long_run(60)
    charts = draw_charts([first, second])
    assert charts[0].title == "mAP on the evaluation images"
    total = next(chart for chart in charts if chart.title == "Total loss")
    assert [line.color for line in total.lines] == [0, 1]
    ends = [points(line.points)[-1][0] for line in total.lines]
    assert ends[0] < ends[1]
