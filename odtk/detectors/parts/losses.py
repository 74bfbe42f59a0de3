"""Builds functions of odtk.losses, with their parameters, from LocalizationLoss and ClassificationLoss messages."""

import functools
from collections.abc import Callable

from odtk import losses
from odtk.protos import losses_pb2


def build_localization_loss(message: losses_pb2.LocalizationLoss) -> Callable:
    """A function of (predictions, targets, weights)."""
    others = {
        "weighted_l2": losses.l2,
        "weighted_iou": losses.iou,
        "weighted_giou": losses.giou,
        "l1_localization_loss": losses.l1,
    }
    kind = message.WhichOneof("localization_loss")
    if kind in others:
        return others[kind]
    return functools.partial(losses.smooth_l1, delta=message.weighted_smooth_l1.delta)


def build_classification_loss(message: losses_pb2.ClassificationLoss, soft_targets: bool = False) -> Callable:
    """A function of (logits, targets, weights); targets are 0 or 1, or with `soft_targets` also between them."""
    match message.WhichOneof("classification_loss"):
        case "weighted_sigmoid_focal":
            focal = message.weighted_sigmoid_focal
            alpha = focal.alpha if focal.HasField("alpha") else None
            return functools.partial(losses.sigmoid_focal, gamma=focal.gamma, alpha=alpha, soft_targets=soft_targets)
        case "weighted_softmax":
            return functools.partial(losses.softmax_cross_entropy, logit_scale=message.weighted_softmax.logit_scale)
        case "weighted_logits_softmax":
            scale = message.weighted_logits_softmax.logit_scale
            return functools.partial(losses.softmax_against_logits, logit_scale=scale)
        case "weighted_dice_classification_loss":
            dice = message.weighted_dice_classification_loss
            return functools.partial(
                losses.dice, squared=dice.squared_normalization, are_probabilities=dice.is_prediction_probability
            )
        case "bootstrapped_sigmoid":
            boot = message.bootstrapped_sigmoid
            return functools.partial(losses.bootstrapped_sigmoid, alpha=boot.alpha, hard=boot.hard_bootstrap)
        case "penalty_reduced_logistic_focal_loss":
            reduced = message.penalty_reduced_logistic_focal_loss
            return functools.partial(losses.penalty_reduced_focal, alpha=reduced.alpha, beta=reduced.beta)
    return losses.sigmoid_cross_entropy
