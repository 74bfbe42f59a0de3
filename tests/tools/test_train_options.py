"""What is refused before anything is read."""

import importlib.machinery

import pytest

from odtk.errors import ConfigError, OdtkError
from odtk.tools.train import options, train
from odtk.tools.train.options import TrainingOptions
from odtk.tools.train.parts import build_schedule


@pytest.mark.parametrize("found", [None, importlib.machinery.ModuleSpec("wandb", None)], ids=["nothing", "a folder"])
def test_a_service_whose_library_is_missing_is_refused_with_the_command_that_installs_it(found, tmp_path, monkeypatch):
    monkeypatch.setattr(options, "find_spec", lambda name: found)
    with pytest.raises(OdtkError, match=r'not installed\. .* `pip install "odtk\[wandb\]"`') as raised:
        train("no.config", tmp_path / "model", log_to=["wandb"])
    assert raised.value.argument == "log_to"
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("needs", [{"patience": 3}, {"best_metric": "Loss/size"}])
def test_what_needs_evaluations_is_refused_without_them(needs, tmp_path):
    with pytest.raises(OdtkError, match="nothing would be evaluated") as raised:
        train("no.config", tmp_path / "model", eval_every=0, **needs)
    assert raised.value.argument in needs
    with pytest.raises(ConfigError, match="needs evaluations, but the evaluation part of the config has the errors"):
        build_schedule(TrainingOptions(**needs), 40, False, print)


@pytest.mark.parametrize(("chosen", "said"), [({}, "no weights are kept as the best"), ({"eval_every": 0}, None)])
def test_without_a_valid_evaluation_part_nothing_is_evaluated_and_that_is_said(chosen, said):
    lines = []
    assert not build_schedule(TrainingOptions(**chosen), 40, False, lines.append).is_on
    assert len(lines) == (said is not None)
    assert all(said in line for line in lines)
