"""Variables that training leaves as they are: train_config.freeze_variables."""

import re
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from odtk.detectors.detector import Detector
from odtk.errors import ConfigError

_FIELD = "train_config.freeze_variables"
_SHOWN = 3


def freeze(model: Detector, patterns: Sequence[str]) -> None:
    """Excludes the variables from training whose checkpoint key a pattern matches.

    The patterns are regular expressions that are searched for, as in TFOD's TensorFlow 1 trainer, which compared them
    with variable names; its TensorFlow 2 trainer ignores them. A batch norm whose variables all match also keeps its
    statistics and uses them. Frozen variables have no gradient and no slot of the optimizer. Raises ConfigError for a
    pattern that matches no variable, and if nothing is left to train.
    """
    if not patterns:
        return
    variables = model.checkpoint_variables()
    model.frozen_keys = frozenset(key for pattern in patterns for key in _matching(pattern, variables))
    frozen = {id(variables[key]) for key in model.frozen_keys}
    for norm in _batch_norms(model):
        _freeze_norm(norm, frozen)
    if not model.trainable_variables:
        raise ConfigError(f"{_FIELD} matches all variables, so nothing would be trained. Freeze fewer.")


def count_weights(variables: Sequence[tf.Variable]) -> int:
    """The number of values in all of them."""
    return sum(variable.shape.num_elements() for variable in variables)


def _matching(pattern: str, variables: Mapping[str, tf.Variable]) -> list[str]:
    try:
        found = [key for key in variables if re.search(pattern, key)]
    except re.error as error:
        raise ConfigError(f"{_FIELD}: '{pattern}' is no regular expression: {error}. Correct it.") from error
    if not found:
        examples = ", ".join([*variables][:: max(len(variables) // _SHOWN, 1)][:_SHOWN])
        raise ConfigError(
            f"{_FIELD}: '{pattern}' matches none of the {len(variables)} variables, so it would freeze nothing. It is "
            f"compared with the keys of a checkpoint, such as {examples}. Correct or remove it."
        )
    return found


def _batch_norms(model: Detector) -> list[tf_keras.layers.Layer]:
    return [each for each in model.network.submodules if hasattr(each, "moving_mean")]


def _freeze_norm(norm: tf_keras.layers.Layer, frozen: set[int]) -> None:
    statistics, others = (norm.moving_mean, norm.moving_variance), norm.trainable_variables
    are_frozen = [id(each) in frozen for each in statistics]
    if all(are_frozen) and all(id(each) in frozen for each in others):
        norm.trainable = False  # Keras then uses the statistics and does not update them
    elif any(are_frozen):
        raise ConfigError(
            f"{_FIELD} matches statistics of the batch norm {norm.name}, but not all of its variables, which cannot be "
            "trained without the statistics. Match all of them; or set freeze_batchnorm of the model, with which "
            "statistics alone are kept."
        )
