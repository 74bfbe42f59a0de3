import pytest

from odtk.errors import OdtkError
from odtk.tools.train.profiled_steps import profiled_steps, require_within


def test_a_range_of_steps():
    assert profiled_steps("10:20") == (10, 20)
    assert profiled_steps(" 3:3 ") == (3, 3)
    require_within((10, 20), 20)


@pytest.mark.parametrize("text", ["10", "10:", "20:10", "0:5", "a:b", "1:2:3", "-1:5", ""])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(OdtkError, match="such as 10:20") as error:
        profiled_steps(text)
    assert error.value.argument == "profile"


def test_steps_behind_the_runs_end_are_refused():
    with pytest.raises(OdtkError, match="10 to 20 are to be profiled, but the run ends at step 19"):
        require_within((10, 20), 19)
