"""What `odtk train` prints at its end, of a made-up report."""

import types

import pytest

from odtk.cli.training_end import print_end


def report(num_classes=2, **changes):
    summary = types.SimpleNamespace(
        seconds=760.0, times={"compiling": 60.0, "step": 600.0, "evaluation": 100.0}, best_step=400,
        best_metric="DetectionBoxes_Precision/mAP", best_checkpoint="pets/best/ckpt-400",
        best_metrics={"DetectionBoxes_Precision/mAP": 0.41234, "Loss/total_loss": 0.5},
        best_classes={f"class {number}": number / 100 for number in range(num_classes)},
        places={"best weights": ["pets/best"], "curves": ["pets/results.png"]},
        early_stopping="With a patience of 3 it would have stopped at step 500, with the same mAP.",
        next=["odtk evaluate p.config pets", "odtk export p.config pets exported"],
    )  # fmt: skip
    summary.__dict__.update(changes)
    return types.SimpleNamespace(
        summary=summary, last_step=600, reason="all steps are done", losses={"Loss/total_loss": 0.3},
        checkpoint="pets/ckpt-600",
    )  # fmt: skip


@pytest.mark.parametrize("columns", ["80", "160"])
def test_the_end_says_what_was_best_where_the_time_went_and_what_comes_next(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    print_end(report())
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Trained to step 600, Loss/total_loss 0.3: all steps are done. It took 12:40."
    for line in ("Best by mAP: step 400", "DetectionBoxes_Precision/mAP 0.4123", "class 1 0.0100", "step 10:00 79%",
                 "Checkpoint: pets/ckpt-600", "Curves: pets/results.png"):  # fmt: skip
        assert line in lines, line
    assert lines[-3:] == [
        "Early stopping: With a patience of 3 it would have stopped at step 500, with the same mAP.",
        "Next: odtk evaluate p.config pets",
        "Next: odtk export p.config pets exported",
    ]


def test_of_many_classes_the_best_and_the_worst_are_shown(capsys):
    print_end(report(num_classes=50))
    printed = capsys.readouterr().out
    assert "(30 more; see evaluations.csv)" in printed
    assert [number for number in range(50) if f"class {number} " in printed] == [*range(10), *range(40, 50)]


def test_without_evaluations_there_is_no_best(capsys):
    print_end(report(best_step=None, early_stopping=None))
    printed = capsys.readouterr().out
    assert "Best by" not in printed
    assert "Early stopping" not in printed
    assert "Where the time went" in printed
