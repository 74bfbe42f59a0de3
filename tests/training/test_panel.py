"""The panel and the plain lines of a run, of a made-up experiment; rich draws to a recorded console."""

import io
import types

import pytest

from odtk import progress_file
from odtk.evaluation.run import Evaluation
from odtk.progress import report_line
from odtk.training import panel_view
from odtk.training.best_metric import BestMetric
from odtk.training.callbacks.panel import Panel, evaluation_line, short_names
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.run_info import RunInfo
from odtk.training.run_status import RunStatus
from odtk.training.times import COMPILING, EVALUATION, INPUT, SAVING, STEP, Times

MAP = "DetectionBoxes_Precision/mAP"


def status(**known):
    return RunStatus("pets", 25000, 1240, **known)


FULL = {
    "epoch": 3.4, "num_epochs": 68.2, "steps_per_second": 3.1, "images_per_second": 24.8, "waiting": 0.02,
    "losses": {"loss": 0.812, "cls": 0.42, "loc": 0.21, "reg": 0.18}, "learning_rate": 0.0123, "gradient_norm": 3.2,
    "process_bytes": 2 << 30, "device_bytes": 14 << 30, "elapsed": 760.0, "eta": 13450.0, "metric": "mAP",
    "last": (1000, 0.412), "best": (800, 0.431), "activity": "evaluating 120/400 images",
}  # fmt: skip


def drawn(known, columns):
    from rich.console import Console

    console = Console(width=columns, file=io.StringIO(), record=True)
    console.print(panel_view.render(known, columns))
    return console.export_text().splitlines()


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_panel_fits_its_terminal(columns):
    lines = drawn(status(**FULL), columns)
    assert len(lines) == 11
    assert max(map(len, lines)) == min(columns, panel_view.MAX_WIDTH)
    text = "\n".join(lines)
    for part in ("Training pets", "step 1,240/25,000", "3.1 steps/s", "0.812", "best 0.431 at 800", "ETA 3:44:10",
                 "evaluating 120/400"):  # fmt: skip
        assert part in text, part
    assert ("last 0.412 at 1,000" in text) == (columns >= 60)


def test_before_the_first_step_nothing_is_made_up():
    text = "\n".join(drawn(status(activity="compiling the first step"), 80))
    assert "not yet measured" in text
    assert "compiling the first step" in text
    assert "ETA" not in text


def test_a_name_cannot_steer_the_terminal():
    lines = drawn(RunStatus("\x1b[2Jpets\nTraining", 10, 0), 80)
    assert "\\x1b[2Jpets\\nTraining" in lines[0]


def test_a_plain_line_has_the_same_figures():
    assert status(**FULL).line() == (
        "Training 1240/25000 steps, evaluating 120/400 images, epoch 3.4/68.2, 3.1 steps/s, 24.8 images/s, 2% waiting "
        "for data, ETA 3:44:10, loss 0.812, cls 0.42, loc 0.21, reg 0.18, lr 0.0123, norm 3.2, process 2.0 GiB, device "
        "14.0 GiB, best mAP 0.431 at step 800"
    )


def test_the_queue_is_told_step_loss_best_and_what_is_going_on():
    assert report_line(status(**FULL).report()) == (
        "Training 1240/25000 steps, 3.1 steps/s, ETA 3:44:10, evaluating 120/400 images, loss 0.812, best mAP 0.431 at "
        "step 800"
    )
    assert RunStatus("pets", 10, 10, eta=0.0).report().eta is None


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def measured(value):
    metrics = {MAP: value, "DetectionBoxes_Precision/mAP@.50IOU": 0.71, "Loss/total_loss": 1.02}
    return Evaluation(metrics, {"Loss/total_loss": 1.02}, {}, [], 400, 0)


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """A panel in plain lines, with the clock and the experiment that it shows, resumed at step 200 of 1000."""
    monkeypatch.setenv(progress_file.VARIABLE, str(tmp_path / "progress.json"))
    (tmp_path / "evaluations.csv").write_text(f"step,{MAP}\n100,0.3\n200,0.2\n")
    clock = Clock()
    times = Times(clock)
    evaluator = types.SimpleNamespace(num_images=400, seconds=12.0)
    schedule = EvaluationSchedule(100, 1000, clock=clock)
    made = types.SimpleNamespace(
        step=200, times=times, evaluator=evaluator, schedule=schedule, best_metric=BestMetric(MAP),
        model=types.SimpleNamespace(loss_names=("Loss/odd",)), info=RunInfo(str(tmp_path), "", 8, 80, 1000),
    )  # fmt: skip
    panel = Panel(clock)
    panel.before_training(made, 1000)
    capsys.readouterr()
    return types.SimpleNamespace(panel=panel, clock=clock, times=times, schedule=schedule)


LOGS = {"Loss/odd": 1.0, "Loss/regularization_loss": 2.0, "Loss/total_loss": 3.0, "learning_rate": 0.5,
        "gradient_norm": 4.0}  # fmt: skip


def step(run, steps, seconds, waiting=0.0, phase=STEP):
    with run.times.phase(phase):
        run.clock.now += seconds
    run.times.move(waiting, phase, INPUT)
    run.panel.after_loop(run.panel.status.step + steps, LOGS)


def test_speed_and_eta_are_without_compiling_and_with_evaluations_and_checkpoints(run, capsys):
    step(run, 1, 60, phase=COMPILING)
    assert run.panel.status.eta is None
    step(run, 99, 9.9, waiting=0.99)
    with run.times.phase(SAVING):
        run.clock.now += 1
    with run.times.phase(EVALUATION), run.schedule.measuring():
        run.clock.now += 50
        run.panel.during_evaluation(300, 120)
        assert run.panel.status.activity == "evaluating 120/400 images"
    step(run, 10, 1.0)
    known = run.panel.status
    assert (known.steps_per_second, known.images_per_second) == pytest.approx((10, 80))
    assert known.waiting == pytest.approx(0.99 / 10.9)
    # 690 steps, 7 evaluations, and as much saving per second of training as before.
    assert known.eta == pytest.approx(69 + 7 * 50 + 69 / 10.9)
    assert (known.epoch, known.num_epochs) == (31, 100)


def test_best_and_last_go_on_after_a_resume_and_going_back(run, capsys):
    assert (run.panel.status.best, run.panel.status.last) == ((100, 0.3), (200, 0.2))
    run.panel.after_evaluation(300, measured(0.4))
    assert (run.panel.status.best, run.panel.status.last) == ((300, 0.4), (300, 0.4))
    run.panel.after_going_back(150)
    assert (run.panel.status.step, run.panel.status.best, run.panel.status.last) == (150, (100, 0.3), (100, 0.3))


def test_plain_lines_come_during_long_evaluations_and_at_the_end(run, capsys):
    step(run, 1, 60, phase=COMPILING)
    step(run, 1, 1)  # too soon after the last line
    with run.times.phase(EVALUATION):
        run.clock.now += 30
        run.panel.during_evaluation(202, 8)
    run.panel.after_evaluation(202, measured(0.1))
    run.panel.at_end(None)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line[:22] for line in lines] == [
        "Training 201/1000 step", "Training 202/1000 step", "Evaluated step 202: mA", "Training 202/1000 step",
    ]  # fmt: skip
    assert "loss 3, odd 1, reg 2, lr 0.5, norm 4, " in lines[0]
    assert "evaluating 8/400 images" in lines[1]


def test_the_line_of_an_evaluation():
    known = status(**FULL)
    assert evaluation_line(known, 1000, measured(0.412), 12.2) == (
        "Evaluated step 1,000: mAP 0.412 (best 0.431 at step 800), mAP@.50IOU 0.710, loss 1.02, 400 images in 12.2 s"
    )
    known.best = known.last
    assert "mAP 0.412 (the best so far)" in evaluation_line(known, 1000, measured(0.412), None)


def test_tags_are_shortened_to_words_that_tell_them_apart():
    rpn = [f"Loss/RPNLoss/{name}_loss" for name in ("localization", "objectness")]
    classifier = [f"Loss/BoxClassifierLoss/{name}_loss" for name in ("localization", "classification")]
    assert list(short_names([*rpn, *classifier]).values()) == ["RPN loc", "obj", "BoxClassifier loc", "cls"]
    assert list(short_names(["Loss/object_center", "Loss/box/scale"]).values()) == ["object_center", "scale"]


def test_a_job_reports_from_its_start_to_its_end(run, tmp_path):
    first = progress_file.read(tmp_path / "progress.json")
    assert (first.title, first.completed, first.total) == ("Training", 200, 1000)
    assert first.note == "compiling the first step, best mAP 0.300 at step 100"
    step(run, 800, 10)
    run.panel.at_end(None)
    last = progress_file.read(tmp_path / "progress.json")
    assert (last.completed, last.eta, last.note) == (1000, None, "loss 3, best mAP 0.300 at step 100")
