"""What `odtk evaluate` says to do next."""

from types import SimpleNamespace

import pytest

from odtk.cli import evaluate


@pytest.mark.parametrize(
    ("config", "model", "checkpoint", "expected"),
    [
        ("a.config", "model", None, "odtk export a.config model exported"),
        ("a.config", "model", "last", "odtk export a.config model exported --checkpoint last"),
        ("a.config", "model", "all", "odtk export a.config model exported --checkpoint model/best/ckpt-6"),
        ("model", None, None, "odtk export model/pipeline.config model exported"),
        ("model/best/ckpt-6", None, None, "odtk export model/best/pipeline.config model/best/ckpt-6 exported"),
    ],
)
def test_the_page_and_then_the_export(config, model, checkpoint, expected, capsys):
    report = SimpleNamespace(report_path="model/eval/report.html", checkpoint="model/best/ckpt-6")
    evaluate._print_next(report, config, model, checkpoint)
    assert capsys.readouterr().out.splitlines() == ["Next: open model/eval/report.html", f"Next: {expected}"]


def test_what_is_exported_already_is_not_to_be_exported(capsys):
    report = SimpleNamespace(report_path="exported-eval/report.html", checkpoint=None)
    evaluate._print_next(report, "exported", None, None)
    assert capsys.readouterr().out == "Next: open exported-eval/report.html\n"
