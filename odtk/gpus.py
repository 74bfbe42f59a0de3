"""Which GPUs TensorFlow sees, and that it does not take all their memory."""

import contextlib

import tensorflow as tf


def prepare_gpus() -> list[str]:
    """Lets GPU memory grow as it is needed, so that others fit beside us; returns the GPUs' names, none on a CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Fails where TensorFlow already runs, as in a notebook; then the setting is the notebook's.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]
