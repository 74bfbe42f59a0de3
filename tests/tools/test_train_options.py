"""What is refused before anything is read."""

import importlib.machinery

import pytest

from odtk.errors import OdtkError
from odtk.tools.train import options, train


@pytest.mark.parametrize("found", [None, importlib.machinery.ModuleSpec("wandb", None)], ids=["nothing", "a folder"])
def test_a_service_whose_library_is_missing_is_refused_with_the_command_that_installs_it(found, tmp_path, monkeypatch):
    monkeypatch.setattr(options, "find_spec", lambda name: found)
    with pytest.raises(OdtkError, match=r'not installed\. Install it: pip install "odtk\[wandb\]"') as raised:
        train("no.config", tmp_path / "model", log_to=["wandb"])
    assert raised.value.argument == "log_to"
    assert not (tmp_path / "model").exists()
