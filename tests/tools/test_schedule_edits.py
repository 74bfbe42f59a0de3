"""What becomes of the learning rate in steps that its schedule was not made for, and how it is stretched to them."""

import pytest
from google.protobuf import text_format

from odtk import pipeline
from odtk.protos import pipeline_pb2
from odtk.tools import schedule_edits

MANUAL = "manual_step_learning_rate { initial_learning_rate: 0.1 schedule { step: 60 learning_rate: %s } }"
COSINE = "cosine_decay_learning_rate { learning_rate_base: 0.1 total_steps: %s warmup_steps: 10 }"
EXPONENTIAL = "exponential_decay_learning_rate { initial_learning_rate: 0.1 decay_steps: 20 }"


def a_config(schedule):
    text = f"train_config {{ num_steps: 100 optimizer {{ momentum_optimizer {{ learning_rate {{ {schedule} }} }} }} }}"
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


@pytest.mark.parametrize(
    ("schedule", "steps", "is_idle", "words"),
    [
        (COSINE % 100, 101, True, "is 0 from step 100 on"),
        (COSINE % 100, 100, None, None),
        (COSINE % 50, 100, True, "nothing is learned in steps 50 to 100"),
        (COSINE % 100, 60, None, None),
        (EXPONENTIAL, 200, False, "continues to fall"),
        (EXPONENTIAL, 100, None, None),
        (MANUAL % 0.01, 200, False, "stays at the last rate of manual_step_learning_rate, 0.01, from step 60 on"),
        (MANUAL % 0.01, 100, None, None),
        (MANUAL % 0.0, 200, True, "stays at the last rate of manual_step_learning_rate, 0, from step 60 on"),
        ("constant_learning_rate { learning_rate: 0.1 }", 200, None, None),
    ],
)
def test_what_a_schedule_does_beyond_its_end(schedule, steps, is_idle, words):
    found = schedule_edits.overrun(a_config(schedule), steps)
    if words is None:
        assert found is None
    else:
        assert found.is_idle == is_idle
        assert words in found.text


@pytest.mark.parametrize("schedule", [COSINE % 100, EXPONENTIAL, MANUAL % 0.01, MANUAL % 0.0])
def test_a_stretched_schedule_does_not_end_before_the_last_step(schedule):
    config = a_config(schedule)
    text = pipeline.set_fields(pipeline.format(config), schedule_edits.set_num_steps(config, 200), "c")
    assert schedule_edits.overrun(pipeline.parse(text, "c"), 200) is None
