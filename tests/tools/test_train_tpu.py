"""A training on a TPU evaluates nothing, and says so."""

import pytest

from odtk.errors import OdtkError
from odtk.tools.train.options import TrainingOptions
from odtk.tools.train.parts import build_schedule


def test_nothing_is_evaluated_on_a_tpu():
    lines = []
    schedule = build_schedule(TrainingOptions(tpu="local"), 100, True, lines.append)
    assert not schedule.is_on
    assert "`odtk evaluate`" in lines[0]
    assert not build_schedule(TrainingOptions(tpu="local", eval_every=0), 100, True, lines.append).is_on
    assert len(lines) == 1


@pytest.mark.parametrize("argument", ["patience", "best_metric", "eval_every"])
def test_what_needs_evaluations_is_refused(argument):
    options = TrainingOptions(tpu="local", **{argument: {"best_metric": "mAP@0.5"}.get(argument, 5)})
    with pytest.raises(OdtkError, match=f"Leave {argument} out") as error:
        build_schedule(options, 100, True, print)
    assert error.value.argument == argument
