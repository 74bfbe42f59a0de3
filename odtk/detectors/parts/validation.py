"""Findings about parts of a model that cannot be built or cannot work, although each of their options is implemented.

TFOD refuses most of these as well, some when it builds the model and some in the first step. Each function takes the
part's message and its dotted path. No TensorFlow: `odtk configure --check` uses it.
"""

import itertools
import math
from collections.abc import Iterator

from odtk.findings import ERROR, WARNING, Finding

_CONVERTER_OF_LOSS = {
    "weighted_sigmoid": "SIGMOID",
    "weighted_sigmoid_focal": "SIGMOID",
    "bootstrapped_sigmoid": "SIGMOID",
    "weighted_softmax": "SOFTMAX",
    "weighted_logits_softmax": "SOFTMAX",
    "penalty_reduced_logistic_focal_loss": "SIGMOID",
    "weighted_dice_classification_loss": "SIGMOID",
}


def error(path: str, text: str, *edits: tuple[str, object]) -> Finding:
    """A part that cannot be built or cannot work; `edits` are (field, value) pairs that fix it."""
    return _finding(ERROR, path, text, edits)


def warning(path: str, text: str, *edits: tuple[str, object]) -> Finding:
    """A part that works, but most likely not as intended."""
    return _finding(WARNING, path, text, edits)


def _finding(severity: str, path: str, text: str, edits) -> Finding:
    return Finding(severity, text, path, tuple((field, str(value)) for field, value in edits))


def number_of_classes(count: int, field: str) -> Iterator[Finding]:
    """A model's number of classes, with the dotted path `field`."""
    if count < 1:
        yield error(field, f"is {count}; a detector has at least one class.", (field, "N"))


def extractor_width(extractor, path: str) -> Iterator[Finding]:
    """The depth_multiplier of a feature_extractor."""
    if not 0 < extractor.depth_multiplier < math.inf:
        field = f"{path}.depth_multiplier"
        text = f"is {extractor.depth_multiplier:g}; it multiplies the number of filters, so it is a number above 0."
        yield error(field, text, (field, 1.0))


def empty_blocks(message, path: str, required: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    """Required blocks that are missing: `required` has their paths below `path`, and the oneof that must be set."""
    for place, oneof in required:
        block = message
        for name in place.split("."):
            block = getattr(block, name)
        if block.WhichOneof(oneof) is None:
            yield error(f"{path}.{place}", "is empty; TFOD refuses that, and so does odtk.")


def argmax_matcher(matcher, path: str) -> Iterator[Finding]:
    """Its thresholds."""
    if matcher.ignore_thresholds:
        return
    low, high = matcher.unmatched_threshold, matcher.matched_threshold
    beyond = [(name, value) for name, value in (("matched", high), ("unmatched", low)) if not 0 <= value <= 1]
    for name, value in beyond:
        field = f"{path}.{name}_threshold"
        yield error(field, f"is {value:g}; overlaps lie between 0 and 1.", (field, 0.5))
    if beyond:
        return
    if low > high:
        field = f"{path}.unmatched_threshold"
        text = f"is {low:g}, above matched_threshold {high:g}: an anchor would be matched and unmatched at once."
        yield error(field, text, (field, f"{high:g}"))
    elif low == high and not matcher.negatives_lower_than_unmatched:
        field = f"{path}.negatives_lower_than_unmatched"
        text = f"is false and both thresholds are {low:g}: no anchor would ever be negative."
        yield error(field, text, (field, "true"))


def losses(loss, path: str) -> Iterator[Finding]:
    """A `loss` message of a model with anchors: mining, sampling, and losses that are not what their names suggest."""
    miner, sampler = f"{path}.hard_example_miner", f"{path}.random_example_sampler.positive_sample_fraction"
    classification = loss.classification_loss.WhichOneof("classification_loss")
    if loss.HasField("hard_example_miner") and classification == "weighted_sigmoid_focal":
        text = "does not go with weighted_sigmoid_focal, which weighs hard examples itself; TFOD refuses that."
        yield error(miner, text, (miner, ""))
    if loss.HasField("hard_example_miner") and loss.localization_loss.HasField("weighted_iou"):
        text = "does not go with weighted_iou: TFOD does not know that loss by image, and fails."
        yield error(miner, text, (miner, ""))
    if loss.HasField("hard_example_miner") and classification == "weighted_dice_classification_loss":
        text = "does not go with weighted_dice_classification_loss, which is not one of anchors; TFOD fails with both."
        yield error(miner, text, (miner, ""))
    if classification in ("weighted_softmax", "weighted_logits_softmax"):
        scaled = getattr(loss.classification_loss, classification)
        yield from logit_scale(scaled, f"{path}.classification_loss.{classification}")
    fraction = loss.random_example_sampler.positive_sample_fraction
    if not 0 < fraction <= 1:
        text = f"is {fraction:g}; it is the positives' share of the anchors, above 0 and up to 1."
        yield error(sampler, text, (sampler, ""))
    kind = loss.localization_loss.WhichOneof("localization_loss")
    if kind in ("weighted_iou", "weighted_giou"):
        text = (
            "compares box encodings as if they were boxes, in TFOD's SSD and so in odtk: it does not measure how well "
            "boxes overlap."
        )
        field = f"{path}.localization_loss"
        yield warning(f"{field}.{kind}", text, (f"{field}.weighted_smooth_l1", "{}"))


def suppression(nms, path: str) -> Iterator[Finding]:
    """A batch_non_max_suppression."""
    if not 0 <= nms.iou_threshold <= 1:
        field = f"{path}.iou_threshold"
        yield error(field, f"is {nms.iou_threshold:g}; overlaps lie between 0 and 1.", (field, 0.6))
    field = f"{path}.score_threshold"
    if nms.score_threshold >= 1:
        text = f"is {nms.score_threshold:g}: no score is above it, so nothing would ever be found."
        yield error(field, text, (field, "1e-8"))
    elif nms.score_threshold > 0.1:
        text = f"is {nms.score_threshold:g}: boxes scored lower are lost to evaluation, which lowers its mAP."
        yield warning(field, text, (field, "1e-8"))
    for name in ("max_detections_per_class", "max_total_detections"):
        if getattr(nms, name) < 1:
            yield error(f"{path}.{name}", f"is {getattr(nms, name)}: no box would be kept.", (f"{path}.{name}", 100))
    if 0 < nms.max_total_detections < nms.max_detections_per_class:
        field = f"{path}.max_detections_per_class"
        text = f"is {nms.max_detections_per_class}, above max_total_detections {nms.max_total_detections}."
        yield error(field, text, (field, nms.max_total_detections))
    if nms.use_class_agnostic_nms and nms.max_classes_per_detection > 1:
        field = f"{path}.max_classes_per_detection"
        text = f"is {nms.max_classes_per_detection}, with use_class_agnostic_nms: true, where TFOD takes 1 only."
        yield error(field, text, (field, ""))
    yield from _soft_suppression(nms, f"{path}.soft_nms_sigma")


def _soft_suppression(nms, field: str) -> Iterator[Finding]:
    if nms.soft_nms_sigma < 0:
        yield error(field, f"is {nms.soft_nms_sigma:g}, below 0.", (field, 0.0))
    hard = [name for name in ("use_static_shapes", "use_hard_nms") if getattr(nms, name)]
    if nms.soft_nms_sigma > 0 and hard:
        text = f"is {nms.soft_nms_sigma:g}, with {hard[0]}: true, where TFOD has no soft NMS and refuses it."
        yield error(field, text, (field, ""))


def score_converter(post_processing, path: str, loss: str | None) -> Iterator[Finding]:
    """Whether scores are computed as the classification `loss` (its name in the config) trains them."""
    names = post_processing.DESCRIPTOR.fields_by_name["score_converter"].enum_type.values_by_number
    found = names[post_processing.score_converter].name
    fitting = _CONVERTER_OF_LOSS.get(loss or "", found)
    if found != fitting:
        field = f"{path}.score_converter"
        text = f"is {found}, but {loss} trains for {fitting}: scores would not be probabilities."
        yield warning(field, text, (field, fitting))
    yield from logit_scale(post_processing, path)


def logit_scale(message, path: str) -> Iterator[Finding]:
    """The logit_scale of a post_processing or of a weighted_softmax loss."""
    if message.logit_scale == 0:
        field = f"{path}.logit_scale"
        yield error(field, "is 0, and logits are divided by it.", (field, ""))


def calibration(post_processing, path: str) -> Iterator[Finding]:
    """The calibration_config of a post_processing; the fix of all findings is to remove it."""
    config, place = post_processing.calibration_config, f"{path}.calibration_config"
    away, broken = (place, ""), "needs at least one point, and each x above the one before it."
    match config.WhichOneof("calibrator"):
        case "temperature_scaling_calibration":
            scaler = config.temperature_scaling_calibration.scaler
            if scaler <= 0:
                text = f"is {scaler:g}; a temperature is above 0. TFOD refuses it."
                yield error(f"{place}.temperature_scaling_calibration.scaler", text, away)
        case "function_approximation":
            if not _is_curve(config.function_approximation.x_y_pairs):
                yield error(f"{place}.function_approximation.x_y_pairs", broken, away)
        case "class_id_function_approximations":
            if not all(map(_is_curve, config.class_id_function_approximations.class_id_xy_pairs_map.values())):
                yield error(f"{place}.class_id_function_approximations", broken, away)
        case None if post_processing.HasField("calibration_config"):
            yield error(place, "is empty; TFOD refuses that, and so does odtk.", away)


def _is_curve(pairs) -> bool:
    xs = [pair.x for pair in pairs.x_y_pair]
    return bool(xs) and all(left < right for left, right in itertools.pairwise(xs))
