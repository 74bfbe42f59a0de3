"""`odtk train --freeze`: edits of the config, so that the one in the model dir says what was trained."""

from collections.abc import Callable

from odtk.detectors import families
from odtk.detectors.family import Family
from odtk.errors import ConfigError
from odtk.protos import pipeline_pb2

BATCH_NORM_VARIABLES = "/(gamma|beta|moving_mean|moving_variance)$"


def with_frozen(config, what: str, log: Callable[[str], None]):
    """The config with train_config.freeze_variables and the model's switch for batch norms set for one of FROZEN.

    "backbone" and "bn" add to what the config freezes, "none" removes all of it.
    """
    family, edited = families.of(config), pipeline_pb2.TrainEvalPipelineConfig()
    edited.CopyFrom(config)
    frozen = edited.train_config.freeze_variables
    if what == "none":
        del frozen[:]
        _keep_batch_norms(edited, family, False)
        return edited
    if what == "bn" and not family.has_batch_norms:
        raise ConfigError(f"Models of {family.path} have no batch norms to freeze.", argument="freeze")
    if what == "bn":
        _keep_batch_norms(edited, family, True)
    pattern = BATCH_NORM_VARIABLES if what == "bn" else family.backbone_variables
    if pattern not in frozen:
        frozen.append(pattern)
    log(f"For this run train_config.freeze_variables has {pattern} (TFOD ignores it since TensorFlow 2).")
    return edited


def _keep_batch_norms(config, family: Family, is_kept: bool) -> None:
    if family.batch_norm_switch is None:
        return
    message, (*places, switch) = family.message(config.model), family.batch_norm_switch.split(".")
    for place in places:
        message = getattr(message, place)
    value = family.batch_norm_switch_keeps == is_kept
    if getattr(message, switch) != value:
        setattr(message, switch, value)
