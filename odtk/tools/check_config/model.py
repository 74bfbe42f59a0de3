"""Checks of `model`: a family that odtk has, image sizes it can take, anchors, thresholds."""

import difflib
import re

from odtk.detectors.ssd.validation import refusals
from odtk.detectors.supported import MODEL_TYPES
from odtk.tools.check_config.findings import ERROR, Inspection, setting
from odtk.tools.check_config.image_size import check_image_size
from odtk.tools.check_config.start_over import start_over

_SSD = "model.ssd"
_TYPE = f"{_SSD}.feature_extractor.type"
_GRID = f"{_SSD}.anchor_generator.multiscale_anchor_generator"
_PREDICTOR = f"{_SSD}.box_predictor.weight_shared_convolutional_box_predictor"
_NMS = f"{_SSD}.post_processing.batch_non_max_suppression"
_MATCHER = f"{_SSD}.matcher.argmax_matcher"

# Of the SSD-ResNet-FPN family: maps of levels 3 to 7, whatever `fpn {}` says.
_NUM_LEVELS, _FINEST_LEVEL = 5, 3
_PYRAMID = {"min_level": 3, "max_level": 7, "additional_layer_depth": 256}

_CONVERTER_OF_LOSS = {
    "weighted_sigmoid": "SIGMOID",
    "weighted_sigmoid_focal": "SIGMOID",
    "bootstrapped_sigmoid": "SIGMOID",
    "weighted_softmax": "SOFTMAX",
}


def is_implemented(config) -> bool:
    """Whether the config's model is of a family that odtk builds."""
    return config.model.WhichOneof("model") == "ssd" and config.model.ssd.feature_extractor.type in MODEL_TYPES


def is_of_another_family(config) -> bool:
    """Whether the config's model is of a family that odtk does not have; a misspelt name of one that it has is not."""
    kind = config.model.WhichOneof("model")
    return kind is not None and not is_implemented(config) and not (kind == "ssd" and _meant(_type_of(config.model)))


def _type_of(model) -> str:
    return model.ssd.feature_extractor.type


def check_model(inspection: Inspection) -> None:
    """Reports on `model`; of a family that odtk does not have, only that, with how to start over."""
    config = inspection.config
    if not is_implemented(config):
        _report_family(inspection, config.model)
        return
    ssd = config.model.ssd
    if ssd.num_classes < 1:
        inspection.error(
            f"{_SSD}.num_classes", f"is {ssd.num_classes}; a detector has at least one class.", ("--num-classes", "N")
        )
    for check in (check_image_size, _check_extractor, _check_anchors, _check_predictor, _check_losses):
        check(inspection, ssd)
    for check in (_check_matching, _check_suppression, _check_score_converter):
        check(inspection, ssd)
    _report_refusals(inspection, ssd)


def _report_refusals(inspection: Inspection, ssd) -> None:
    """What building would refuse, where no check above has found it and knows a better way to mend it."""
    known = {finding.path for finding in inspection.findings if finding.severity == ERROR}
    for path, reason in refusals(ssd):
        if path not in known:
            inspection.error(path, reason, start_over(inspection.config) if "is empty" in reason else setting(path, ""))


def _report_family(inspection: Inspection, model) -> None:
    kind = model.WhichOneof("model")
    if kind is None:
        inspection.error("model", "is empty: there is nothing to train.", start_over(inspection.config))
        return
    if kind != "ssd":
        has = f"model.ssd with feature_extractor.type one of {', '.join(MODEL_TYPES)}"
        text = f"odtk does not implement this model; it has {has}."
        inspection.error(f"model.{kind}", text, start_over(inspection.config))
        return
    name = _type_of(model)
    near = _meant(name)
    if near:
        text = f"odtk has no model '{name}'. Did you mean {near}?"
        inspection.error(_TYPE, text, setting(_TYPE, near))
    else:
        text = f"odtk does not implement '{name}'; it has {', '.join(MODEL_TYPES)}."
        inspection.error(_TYPE, text, start_over(inspection.config))


def _meant(name: str) -> str | None:
    """The implemented model that `name` is a misspelling of, or TFOD 1's name for (which lacks the ending).

    Another number in it makes it another model.
    """
    name = f"{name.lower().removesuffix('_keras')}_keras"
    same_numbers = [known for known in MODEL_TYPES if re.findall(r"\d+", known) == re.findall(r"\d+", name)]
    return next(iter(difflib.get_close_matches(name, same_numbers, n=1, cutoff=0.9)), None)


def _check_extractor(inspection: Inspection, ssd) -> None:
    extractor, path = ssd.feature_extractor, f"{_SSD}.feature_extractor"
    if extractor.depth_multiplier <= 0:
        text = f"is {extractor.depth_multiplier:g}; it multiplies the number of filters, so it is above 0."
        inspection.error(f"{path}.depth_multiplier", text, setting(f"{path}.depth_multiplier", 1.0))
    for name, value in _PYRAMID.items():
        if extractor.HasField("fpn") and getattr(extractor.fpn, name) != value:
            field = f"{path}.fpn.{name}"
            text = (
                f"is {getattr(extractor.fpn, name)}, which TFOD ignores for this family, and odtk with it: the pyramid "
                f"has {name} {value}" + (" times depth_multiplier." if name == "additional_layer_depth" else ".")
            )
            inspection.warning(field, text, setting(field, value))


def _check_anchors(inspection: Inspection, ssd) -> None:
    if not ssd.anchor_generator.HasField("multiscale_anchor_generator"):
        return
    grid = ssd.anchor_generator.multiscale_anchor_generator
    if grid.max_level - grid.min_level + 1 != _NUM_LEVELS:
        text = (
            f"levels {grid.min_level} to {grid.max_level} are {grid.max_level - grid.min_level + 1}, and the model has "
            f"{_NUM_LEVELS} feature maps."
        )
        mend = setting(f"{_GRID}.min_level", 3) + setting(f"{_GRID}.max_level", 7)
        inspection.error(f"{_GRID}.max_level", text, mend)
    elif grid.min_level != _FINEST_LEVEL:
        text = (
            f"is {grid.min_level}, while the model's finest feature map is level {_FINEST_LEVEL}: anchors are laid out "
            f"with level {grid.min_level}'s stride on it (as in TFOD)."
        )
        mend = setting(f"{_GRID}.min_level", 3) + setting(f"{_GRID}.max_level", 7)
        inspection.warning(f"{_GRID}.min_level", text, mend)
    for name, least in (("anchor_scale", 4.0), ("scales_per_octave", 2)):
        if getattr(grid, name) <= 0:
            inspection.error(f"{_GRID}.{name}", f"is {getattr(grid, name):g}, not above 0.",
                             setting(f"{_GRID}.{name}", least))  # fmt: skip
    if not grid.aspect_ratios or min(grid.aspect_ratios) <= 0:
        text = "needs at least one ratio, each above 0."
        inspection.error(f"{_GRID}.aspect_ratios", text, setting(f"{_GRID}.aspect_ratios", "[1.0, 2.0, 0.5]"))


def _check_predictor(inspection: Inspection, ssd) -> None:
    if not ssd.box_predictor.HasField("weight_shared_convolutional_box_predictor"):
        return
    predictor = ssd.box_predictor.weight_shared_convolutional_box_predictor
    codes = 3 if ssd.box_coder.HasField("square_box_coder") else 4
    if predictor.box_code_size != codes:
        field = f"{_PREDICTOR}.box_code_size"
        text = f"is {predictor.box_code_size}; the box coder codes a box in {codes} numbers."
        inspection.error(field, text, setting(field, codes))
    if predictor.num_layers_before_predictor > 0 and predictor.depth < 1:
        field = f"{_PREDICTOR}.depth"
        inspection.error(field, f"is {predictor.depth}; its layers need channels.", setting(field, 256))


def _check_losses(inspection: Inspection, ssd) -> None:
    kind = ssd.loss.localization_loss.WhichOneof("localization_loss")
    if kind in ("weighted_iou", "weighted_giou"):
        field = f"{_SSD}.loss.localization_loss.{kind}"
        text = (
            "compares box encodings as if they were boxes, in TFOD's SSD and so in odtk: it does not measure how well "
            "boxes overlap."
        )
        inspection.warning(field, text, setting(f"{_SSD}.loss.localization_loss.weighted_smooth_l1", "{}"))
    if ssd.explicit_background_class:
        field = f"{_SSD}.explicit_background_class"
        text = "makes the label map's first class the background; detections are numbered from its second."
        inspection.warning(field, text, setting(field, "false"))


def _check_matching(inspection: Inspection, ssd) -> None:
    matcher = ssd.matcher.argmax_matcher
    if matcher.ignore_thresholds:
        return
    low, high = matcher.unmatched_threshold, matcher.matched_threshold
    for name, value in (("matched_threshold", high), ("unmatched_threshold", low)):
        if not 0 <= value <= 1:
            field = f"{_MATCHER}.{name}"
            inspection.error(field, f"is {value:g}; overlaps lie between 0 and 1.", setting(field, 0.5))
    field = f"{_MATCHER}.unmatched_threshold"
    if low > high:
        text = f"is {low:g}, above matched_threshold {high:g}: an anchor would be matched and unmatched at once."
        inspection.error(field, text, setting(field, f"{high:g}"))
    elif low == high and not matcher.negatives_lower_than_unmatched:
        field = f"{_MATCHER}.negatives_lower_than_unmatched"
        text = f"is false and both thresholds are {low:g}: no anchor would ever be negative."
        inspection.error(field, text, setting(field, "true"))


def _check_suppression(inspection: Inspection, ssd) -> None:
    nms = ssd.post_processing.batch_non_max_suppression
    if not 0 <= nms.iou_threshold <= 1:
        field = f"{_NMS}.iou_threshold"
        inspection.error(field, f"is {nms.iou_threshold:g}; overlaps lie between 0 and 1.", setting(field, 0.6))
    field = f"{_NMS}.score_threshold"
    if nms.score_threshold >= 1:
        text = f"is {nms.score_threshold:g}: no score is above it, so nothing would ever be found."
        inspection.error(field, text, setting(field, "1e-8"))
    elif nms.score_threshold > 0.1:
        text = f"is {nms.score_threshold:g}: boxes scored lower are lost to evaluation, which lowers its mAP."
        inspection.warning(field, text, setting(field, "1e-8"))
    for name in ("max_detections_per_class", "max_total_detections"):
        if getattr(nms, name) < 1:
            field = f"{_NMS}.{name}"
            inspection.error(field, f"is {getattr(nms, name)}: no box would be kept.", setting(field, 100))
    if 0 < nms.max_total_detections < nms.max_detections_per_class:
        field = f"{_NMS}.max_detections_per_class"
        text = f"is {nms.max_detections_per_class}, above max_total_detections {nms.max_total_detections}."
        inspection.error(field, text, setting(field, nms.max_total_detections))
    if nms.soft_nms_sigma < 0:
        field = f"{_NMS}.soft_nms_sigma"
        inspection.error(field, f"is {nms.soft_nms_sigma:g}, below 0.", setting(field, 0.0))


def _check_score_converter(inspection: Inspection, ssd) -> None:
    field = f"{_SSD}.post_processing.score_converter"
    names = ssd.post_processing.DESCRIPTOR.fields_by_name["score_converter"].enum_type.values_by_number
    found = names[ssd.post_processing.score_converter].name
    loss = ssd.loss.classification_loss.WhichOneof("classification_loss")
    fitting = _CONVERTER_OF_LOSS.get(loss, found)
    if found != fitting:
        text = f"is {found}, but {loss} trains for {fitting}: scores would not be probabilities."
        inspection.warning(field, text, setting(field, fitting))
