"""What the SSD-ResNet-FPN family cannot be built from, though each option by itself is one that odtk has.

Most of it TFOD refuses as well, some at once and some within its first step. No TensorFlow: `odtk configure --check`
asks too.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from odtk.protos import ssd_pb2

# The pyramid merges maps by doubling, from stride 32 down.
MERGE_STRIDE = 32
# TFOD's feature extractor refuses smaller images, before it pads them.
LEAST_SIDE = 129
NUM_LEVELS = 5

_SSD = "model.ssd"
_PREDICTOR = f"{_SSD}.box_predictor.weight_shared_convolutional_box_predictor"
_NMS = f"{_SSD}.post_processing.batch_non_max_suppression"
_CALIBRATION = f"{_SSD}.post_processing.calibration_config"

# Blocks without which there is no model: path below model.ssd, oneof.
_REQUIRED = (
    ("image_resizer", "image_resizer_oneof"),
    ("box_coder", "box_coder_oneof"),
    ("matcher", "matcher_oneof"),
    ("similarity_calculator", "region_similarity"),
    ("box_predictor", "box_predictor_oneof"),
    ("anchor_generator", "anchor_generator_oneof"),
    ("loss.localization_loss", "localization_loss"),
    ("loss.classification_loss", "classification_loss"),
)


class Refusal(NamedTuple):
    """The field that stands in the way, its dotted path, and a sentence that begins with "is", "has" or the like."""

    path: str
    reason: str


def refusals(ssd: ssd_pb2.Ssd) -> list[Refusal]:
    """Everything about this message that keeps it from being built."""
    checks = (_empty_blocks, image_size_refusals, _predictor, _anchors, _matching, _losses, _suppression, _calibration)
    return [refusal for check in checks for refusal in check(ssd)]


def _empty_blocks(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    if ssd.num_classes < 1:
        yield Refusal(f"{_SSD}.num_classes", f"is {ssd.num_classes}; a detector has at least one class.")
    for path, oneof in _REQUIRED:
        message = ssd
        for name in path.split("."):
            message = getattr(message, name)
        if message.WhichOneof(oneof) is None:
            yield Refusal(f"{_SSD}.{path}", "is empty; TFOD refuses that, and so does odtk.")


def image_size_refusals(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    """At most one: images whose sides the network cannot take."""
    resizer, kind = ssd.image_resizer, ssd.image_resizer.WhichOneof("image_resizer_oneof")
    multiple, path = max(ssd.feature_extractor.pad_to_multiple, 1), f"{_SSD}.image_resizer.{kind}"
    sides = image_sides(ssd)
    if sides:
        for name, side in sides.items():
            if side < LEAST_SIDE:
                yield Refusal(f"{path}.{name}", f"is {side}; this model takes no side below {LEAST_SIDE}.")
                return
            if math.ceil(side / multiple) * multiple % MERGE_STRIDE:
                text = (
                    f"is {side}, which is no multiple of {MERGE_STRIDE}: the levels of the feature pyramid do not meet."
                )
                yield Refusal(f"{path}.{name}", text)
                return
    elif kind is not None:
        own = max(resizer.pad_to_multiple_resizer.multiple, 1) if kind == "pad_to_multiple_resizer" else 1
        if math.lcm(multiple, own) % MERGE_STRIDE:
            text = f"gives images of any size, and this model takes multiples of {MERGE_STRIDE} only; pad them."
            yield Refusal(path, text)


def usable_side(side: int) -> int:
    """The least side from this one up, in pixels, that the network takes."""
    return max(math.ceil(side / MERGE_STRIDE), math.ceil(LEAST_SIDE / MERGE_STRIDE)) * MERGE_STRIDE


def image_sides(ssd: ssd_pb2.Ssd) -> dict[str, int]:
    """The field of the resizer that sets a side, and the side; empty where it depends on the image."""
    match ssd.image_resizer.WhichOneof("image_resizer_oneof"):
        case "fixed_shape_resizer":
            fixed = ssd.image_resizer.fixed_shape_resizer
            return {"height": fixed.height, "width": fixed.width}
        case "keep_aspect_ratio_resizer" if ssd.image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension:
            return {"max_dimension": ssd.image_resizer.keep_aspect_ratio_resizer.max_dimension}
    return {}


def _predictor(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    predictor = ssd.box_predictor.weight_shared_convolutional_box_predictor
    square = ssd.box_coder.WhichOneof("box_coder_oneof") == "square_box_coder"
    if predictor.box_code_size != (3 if square else 4):
        box = "a square box is coded in 3 numbers" if square else "a box is coded in 4 numbers"
        yield Refusal(f"{_PREDICTOR}.box_code_size", f"is {predictor.box_code_size}; {box}.")
    if predictor.use_depthwise and predictor.kernel_size == 1:
        text = "is 1, with use_depthwise; a depthwise convolution of one pixel does nothing, and TFOD refuses it."
        yield Refusal(f"{_PREDICTOR}.kernel_size", text)
    if predictor.num_layers_before_predictor > 0 and predictor.depth < 1:
        yield Refusal(f"{_PREDICTOR}.depth", f"is {predictor.depth}; its layers need channels.")
    if ssd.explicit_background_class and ssd.add_background_class:
        text = "is true, and so is add_background_class (its default): two backgrounds. TFOD refuses that."
        yield Refusal(f"{_SSD}.explicit_background_class", text)


def _anchors(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    grid = ssd.anchor_generator.multiscale_anchor_generator
    if grid.max_level - grid.min_level + 1 != NUM_LEVELS:
        yield Refusal(
            f"{_SSD}.anchor_generator.multiscale_anchor_generator.max_level",
            f"is {grid.max_level}: levels {grid.min_level} to {grid.max_level} are not the {NUM_LEVELS} feature maps "
            f"that this network has, so max_level must be min_level + {NUM_LEVELS - 1}.",
        )


def _matching(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    kind = ssd.similarity_calculator.WhichOneof("region_similarity")
    if kind == "thresholded_iou_similarity" and not ssd.add_background_class:
        text = "does not go with add_background_class: false, where TFOD rates the boxes of the first class 0."
        yield Refusal(f"{_SSD}.similarity_calculator.{kind}", text)
    matcher, path = ssd.matcher.argmax_matcher, f"{_SSD}.matcher.argmax_matcher"
    low, high = matcher.unmatched_threshold, matcher.matched_threshold
    if matcher.ignore_thresholds or ssd.matcher.WhichOneof("matcher_oneof") != "argmax_matcher":
        return
    if low > high:
        text = f"is {low:g}, above matched_threshold {high:g}: an anchor would be matched and unmatched at once."
        yield Refusal(f"{path}.unmatched_threshold", text)
    elif low == high and not matcher.negatives_lower_than_unmatched:
        text = f"is false and both thresholds are {low:g}: no anchor would ever be negative."
        yield Refusal(f"{path}.negatives_lower_than_unmatched", text)


def _losses(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    loss, path = ssd.loss, f"{_SSD}.loss"
    classification = loss.classification_loss.WhichOneof("classification_loss")
    if loss.HasField("hard_example_miner") and classification == "weighted_sigmoid_focal":
        text = "does not go with weighted_sigmoid_focal, which weighs hard examples itself; TFOD refuses that."
        yield Refusal(f"{path}.hard_example_miner", text)
    if loss.HasField("hard_example_miner") and loss.localization_loss.HasField("weighted_iou"):
        text = "does not go with weighted_iou: TFOD does not know that loss by image, and fails."
        yield Refusal(f"{path}.hard_example_miner", text)
    fraction = loss.random_example_sampler.positive_sample_fraction
    if not 0 < fraction <= 1:
        text = f"is {fraction:g}; it is the positives' share of the anchors, above 0 and up to 1."
        yield Refusal(f"{path}.random_example_sampler.positive_sample_fraction", text)


def _suppression(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    nms = ssd.post_processing.batch_non_max_suppression
    if not 0 <= nms.iou_threshold <= 1:
        yield Refusal(f"{_NMS}.iou_threshold", f"is {nms.iou_threshold:g}; overlaps lie between 0 and 1.")
    if nms.max_detections_per_class > nms.max_total_detections:
        text = f"is {nms.max_detections_per_class}, above max_total_detections {nms.max_total_detections}."
        yield Refusal(f"{_NMS}.max_detections_per_class", text)
    if nms.soft_nms_sigma < 0:
        yield Refusal(f"{_NMS}.soft_nms_sigma", f"is {nms.soft_nms_sigma:g}, below 0.")
    for name in ("use_static_shapes", "use_hard_nms"):
        if nms.soft_nms_sigma > 0 and getattr(nms, name):
            text = f"is {nms.soft_nms_sigma:g}, with {name}: true, where TFOD has no soft NMS and refuses it."
            yield Refusal(f"{_NMS}.soft_nms_sigma", text)
            break
    if nms.use_class_agnostic_nms and nms.max_classes_per_detection > 1:
        text = f"is {nms.max_classes_per_detection}, with use_class_agnostic_nms: true, where TFOD takes 1 only."
        yield Refusal(f"{_NMS}.max_classes_per_detection", text)


def _calibration(ssd: ssd_pb2.Ssd) -> Iterator[Refusal]:
    calibration = ssd.post_processing.calibration_config
    match calibration.WhichOneof("calibrator"):
        case "temperature_scaling_calibration":
            scaler = calibration.temperature_scaling_calibration.scaler
            if scaler <= 0:
                text = f"is {scaler:g}; a temperature is above 0. TFOD refuses it."
                yield Refusal(f"{_CALIBRATION}.temperature_scaling_calibration.scaler", text)
        case "function_approximation":
            yield from _curve(calibration.function_approximation.x_y_pairs, "function_approximation.x_y_pairs")
        case "class_id_function_approximations":
            for pairs in calibration.class_id_function_approximations.class_id_xy_pairs_map.values():
                yield from _curve(pairs, "class_id_function_approximations")
        case None if ssd.post_processing.HasField("calibration_config"):
            yield Refusal(_CALIBRATION, "is empty; TFOD refuses that, and so does odtk.")


def _curve(pairs, name: str) -> Iterator[Refusal]:
    xs = [pair.x for pair in pairs.x_y_pair]
    if not xs or any(right <= left for left, right in itertools.pairwise(xs)):
        yield Refusal(f"{_CALIBRATION}.{name}", "needs at least one point, and each x above the one before it.")
