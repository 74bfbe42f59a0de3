"""What the tests of checkpoints share."""

import pytest
from golden_cases import variant_case
from small_checkpoints import make_variables, save

from odtk.detectors.build import build_detector


@pytest.fixture(scope="session")
def detectors():
    """Two detectors of one config, with different values."""
    case = variant_case("base")
    first, second = build_detector(case.config), build_detector(case.config)
    case.assign_weights(first.checkpoint_variables())
    return first, second


@pytest.fixture
def saved(tmp_path) -> str:
    return save(make_variables(100), tmp_path / "ckpt-1")
