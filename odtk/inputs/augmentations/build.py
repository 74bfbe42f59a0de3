"""train_config.data_augmentation_options to one function, applied in the config's order."""

import functools
import importlib
from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from odtk.inputs import stateless_random
from odtk.inputs.augmentations.supported import AUGMENTATIONS, refuse_unsupported_augmentations

# What TFOD's functions have another default for than the schema, where TFOD gives them only what a config sets.
_OWN_DEFAULTS = {"random_downscale_to_target_pixels": ("max_target_pixels",)}


def build_augmentation(options: Sequence) -> Callable:
    """The function (example, seed) -> example that applies every PreprocessingStep of `options`, in order.

    The image is the unresized one, 0..255; every step has a random seed of its own. Raises ConfigError that names an
    option which is not implemented.
    """
    refuse_unsupported_augmentations(options)
    steps = [_build_step(option) for option in options]

    def augment(example: dict, seed) -> dict:
        for step, step_seed in zip(steps, stateless_random.split(seed, len(steps)) if steps else [], strict=True):
            example = step(example, step_seed)
        return example

    return augment


def _build_step(option) -> Callable:
    name = option.WhichOneof("preprocessing_step")
    module = importlib.import_module(f"odtk.inputs.augmentations.{AUGMENTATIONS[name]}")
    message = getattr(option, name)
    unset = [field for field in _OWN_DEFAULTS.get(name, ()) if not message.HasField(field)]
    arguments = {field: value for field, value in _arguments(message).items() if field not in unset}
    return functools.partial(getattr(module, name), **arguments)


def _arguments(message: Message) -> dict:
    """Every field of the message by name, defaults included; the functions take the schema's own names."""
    # Box detectors have no keypoints in their groundtruth, so their permutation has no effect.
    names = [field.name for field in message.DESCRIPTOR.fields if not field.name.startswith("keypoint_")]
    return {name: _value(getattr(message, name)) for name in names}


def _value(value):
    if isinstance(value, (bool, int, float, str)):
        return value
    return tuple(_arguments(item) if isinstance(item, Message) else item for item in value)
