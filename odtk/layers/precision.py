"""The precision in which layers compute; their variables are float32 in each."""

import contextlib
from collections.abc import Iterator

import tf_keras

FLOAT32, FLOAT16, BFLOAT16 = "float32", "float16", "bfloat16"
PRECISIONS = (FLOAT32, FLOAT16, BFLOAT16)


@contextlib.contextmanager
def layers_in(precision: str) -> Iterator[None]:
    """Layers that are made in the block compute in `precision`, one of PRECISIONS, whenever they are called."""
    policy = tf_keras.mixed_precision.global_policy()
    # Tests compute in float64 by Keras's floatx.
    tf_keras.mixed_precision.set_global_policy(
        tf_keras.backend.floatx() if precision == FLOAT32 else f"mixed_{precision}"
    )
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)
