"""What TFOD's optimizers make of a weight, and the rates of its schedules where they bend.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/optimizers.py

As in TFOD's training loop, the step is counted up after the update, and the schedule looks at the step.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from object_detection.builders import optimizer_builder
from object_detection.protos import optimizer_pb2

FALLING = """learning_rate { exponential_decay_learning_rate {
  initial_learning_rate: 0.1 decay_steps: 2 decay_factor: 0.5 staircase: false } }"""
PLAIN, AVERAGED = "use_moving_average: false", "moving_average_decay: 0.27"
OPTIMIZERS = [
    f"{kind} {{ {FALLING} {options} }} {average}"
    for kind, options in [
        ("momentum_optimizer", ""),
        ("momentum_optimizer", "momentum_optimizer_value: 0.5"),
        ("rms_prop_optimizer", ""),
        ("rms_prop_optimizer", "momentum_optimizer_value: 0.7 decay: 0.4 epsilon: 0.01"),
        ("adam_optimizer", ""),
        ("adam_optimizer", "epsilon: 0.01"),
    ]
    for average in (PLAIN, AVERAGED)
]
SCHEDULES = [
    "cosine_decay_learning_rate { learning_rate_base: 2 total_steps: 20 warmup_steps: 0 }",
    """cosine_decay_learning_rate { learning_rate_base: 2 total_steps: 20 warmup_steps: 5 warmup_learning_rate: 0.5
    hold_base_rate_steps: 4 }""",
    """cosine_decay_learning_rate { learning_rate_base: 2 total_steps: 20 warmup_steps: 0 hold_base_rate_steps: 4 }""",
    "cosine_decay_learning_rate { learning_rate_base: 2 total_steps: 5 warmup_steps: 5 warmup_learning_rate: 0.5 }",
    """cosine_decay_learning_rate { learning_rate_base: 2 total_steps: 10 warmup_steps: 5 warmup_learning_rate: 0.5
    hold_base_rate_steps: 5 }""",
    "exponential_decay_learning_rate { initial_learning_rate: 2 decay_steps: 5 decay_factor: 0.5 burnin_steps: 7 }",
    """exponential_decay_learning_rate { initial_learning_rate: 2 decay_steps: 5 decay_factor: 0.5 staircase: false
    burnin_steps: 7 burnin_learning_rate: 0.3 min_learning_rate: 0.4 }""",
    "exponential_decay_learning_rate { initial_learning_rate: 2 decay_steps: 5 decay_factor: 0.5 }",
    """manual_step_learning_rate { initial_learning_rate: 2 schedule { step: 5 learning_rate: 1 }
    schedule { step: 6 learning_rate: 0.5 } schedule { step: 17 learning_rate: 0.25 } }""",
    """manual_step_learning_rate { initial_learning_rate: 0.5 warmup: true schedule { step: 8 learning_rate: 1 }
    schedule { step: 17 learning_rate: 0.25 } }""",
    "constant_learning_rate { learning_rate: 0.3 }",
]
STEPS = 24


def main() -> None:
    """Writes optimizers.json beside this file."""
    gradients = np.random.default_rng(23).normal(0, 1, [7, 3]).astype(np.float32)
    gradients[3] = 0
    written = {
        "gradients": gradients.tolist(),
        "optimizers": [{"config": config} | updated(config, gradients) for config in OPTIMIZERS],
        "schedules": [{"config": config, "rates": rates(config)} for config in SCHEDULES],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(written, separators=(",", ":")) + "\n")


def built(text: str) -> tuple:
    """TFOD's optimizer, its learning rate as it stands in the loop, and the step that both look at."""
    step = tf.Variable(0, dtype=tf.int64)
    message = text_format.Parse(text, optimizer_pb2.Optimizer())
    optimizer, (learning_rate,) = optimizer_builder.build(message, global_step=step)
    return optimizer, learning_rate, step


def updated(config: str, gradients: np.ndarray) -> dict[str, list]:
    """The weight after each update, and its moving average where there is one."""
    optimizer, _, step = built(config)
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False)])
    model.build([None, gradients.shape[1]])
    model.set_weights([np.ones([gradients.shape[1], 1], np.float32)])
    (weight,) = model.trainable_variables
    averaged = AVERAGED in config
    if averaged:
        optimizer.shadow_copy(model)
    weights, averages = [], []
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient[:, None]), weight)])
        step.assign_add(1)
        weights.append(weight.numpy()[:, 0].tolist())
        if averaged:
            averages.append(optimizer.get_slot(weight, "average").numpy()[:, 0].tolist())
    return {"weights": weights} | ({"averages": averages} if averaged else {})


def rates(config: str) -> list[float | None]:
    """The rate at each step from 0 on, None where it is NaN: TFOD divides a cosine of no length by it."""
    _, rate, step = built(f"momentum_optimizer {{ learning_rate {{ {config} }} }} {PLAIN}")
    found = []
    for number in range(STEPS):
        step.assign(number)
        found.append(float(rate() if callable(rate) else rate))
    return [None if np.isnan(value) else value for value in found]


if __name__ == "__main__":
    main()
