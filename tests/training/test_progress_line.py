"""Losses in short words, whatever a detector calls them."""

import types

from odtk.training.callbacks.progress_line import ProgressLine, short_names


def test_tags_are_shortened_to_words_that_tell_them_apart():
    rpn = [f"Loss/RPNLoss/{name}_loss" for name in ("localization", "objectness")]
    classifier = [f"Loss/BoxClassifierLoss/{name}_loss" for name in ("localization", "classification")]
    assert list(short_names([*rpn, *classifier]).values()) == ["RPN loc", "obj", "BoxClassifier loc", "cls"]
    assert list(short_names(["Loss/object_center", "Loss/box/scale"]).values()) == ["object_center", "scale"]


def test_the_total_comes_first_then_the_detectors_own(capsys):
    line = ProgressLine()
    line.before_training(types.SimpleNamespace(step=0, model=types.SimpleNamespace(loss_names=("Loss/odd",))), 10)
    line.after_loop(1, {"Loss/odd": 1, "Loss/regularization_loss": 2, "Loss/total_loss": 3, "learning_rate": 0.5})
    line.at_end(None)
    assert capsys.readouterr().err.splitlines()[-1].endswith("loss 3, odd 1, lr 0.5, reg 2")
