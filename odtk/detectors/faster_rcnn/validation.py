"""Findings about models whose options are all implemented, but which cannot be built or cannot work. No TensorFlow."""

import math
from collections.abc import Iterator

from odtk.detectors.parts.anchor_validation import multiscale_anchors
from odtk.detectors.parts.input_size import fixed_sides
from odtk.detectors.parts.validation import empty_blocks, error, warning
from odtk.findings import NOTE, Finding

# Required blocks: path below model.faster_rcnn, oneof.
_REQUIRED = (
    ("first_stage_anchor_generator", "anchor_generator_oneof"),
    ("second_stage_box_predictor", "box_predictor_oneof"),
)
# Numbers that must be at least 1, with the usual value.
_COUNTS = {
    "first_stage_atrous_rate": 1,
    "first_stage_box_predictor_kernel_size": 3,
    "first_stage_box_predictor_depth": 512,
    "first_stage_minibatch_size": 256,
    "first_stage_max_proposals": 300,
    "second_stage_batch_size": 64,
}
# Without a second stage there are no crops.
_COUNTS_OF_CROPS = {"initial_crop_size": 14, "maxpool_kernel_size": 2, "maxpool_stride": 2}
_FRACTIONS = {
    "first_stage_positive_balance_fraction": "the positives' share of the sampled anchors",
    "second_stage_balance_fraction": "the positives' share of the sampled proposals",
    "first_stage_nms_iou_threshold": "an overlap",
}


def blocks(model, path: str) -> Iterator[Finding]:
    """Blocks that must be there."""
    yield from empty_blocks(model, path, _REQUIRED)


def stages(model, path: str) -> Iterator[Finding]:
    """The number of stages, and what goes with one alone."""
    field, count = f"{path}.number_of_stages", model.number_of_stages
    if count == 3:
        text = "is 3: that is Mask R-CNN, whose third stage predicts masks. odtk's models predict boxes; they have 2."
        yield error(field, text)
    elif count not in (1, 2):
        text = f"is {count}; there are one (proposals alone) or two."
        yield error(field, text, (field, 2))
    elif count == 1:
        combined = f"{path}.use_combined_nms_in_first_stage"
        if model.use_combined_nms_in_first_stage:
            text = "does not go with number_of_stages: 1, whose detections have scores that TFOD then lacks."
            yield error(combined, text, (combined, ""))
        if _pads(model.image_resizer):
            text = (
                "is 1: the proposals come out as detections, and as in TFOD their boxes are relative to the image with "
                "its padding, so that they are too small for padded images. fixed_shape_resizer does not pad."
            )
            yield warning(field, text, (field, 2))


def _pads(resizer) -> bool:
    kind = resizer.WhichOneof("image_resizer_oneof")
    return kind == "pad_to_multiple_resizer" or bool(
        kind == "keep_aspect_ratio_resizer" and resizer.keep_aspect_ratio_resizer.pad_to_max_dimension
    )


def numbers(model, path: str) -> Iterator[Finding]:
    """Counts and fractions, each by itself."""
    for name, usual in (_COUNTS | (_COUNTS_OF_CROPS if model.number_of_stages > 1 else {})).items():
        if getattr(model, name) < 1:
            field = f"{path}.{name}"
            yield error(field, f"is {getattr(model, name)}; it must be at least 1.", (field, usual))
    for name, what in _FRACTIONS.items():
        value, field = getattr(model, name), f"{path}.{name}"
        if not 0 <= value <= 1:
            yield error(field, f"is {value:g}; it is {what}, from 0 to 1.", (field, ""))
    field = f"{path}.first_stage_nms_score_threshold"
    if model.first_stage_nms_score_threshold >= 1:
        text = f"is {model.first_stage_nms_score_threshold:g}: no score is above it, so there are no proposals."
        yield error(field, text, (field, 0.0))


def sizes(model, path: str) -> Iterator[Finding]:
    """Numbers that must fit each other."""
    pool, crop = model.maxpool_kernel_size, model.initial_crop_size
    if model.number_of_stages > 1 and crop >= 1 and pool > crop:
        field = f"{path}.maxpool_kernel_size"
        yield error(field, f"is {pool}, above initial_crop_size {crop}: nothing is left of a crop.", (field, crop))
    size, most = model.second_stage_batch_size, model.first_stage_max_proposals
    if size > most >= 1:
        field = f"{path}.second_stage_batch_size"
        text = f"is {size}, above first_stage_max_proposals {most}, from which it is drawn; TFOD refuses that."
        yield error(field, text, (field, most))
    is_exact = model.use_static_balanced_label_sampler and model.use_static_shapes
    if is_exact and not model.clip_anchors_to_image:
        field = f"{path}.clip_anchors_to_image"
        text = (
            "is false, with use_static_balanced_label_sampler and use_static_shapes: that sampler needs to know the "
            "number of anchors, and training leaves out those that reach over the image. TFOD refuses it."
        )
        yield error(field, text, (field, "true"))


def second_stage(model, path: str) -> Iterator[Finding]:
    """The heads of the second stage, and its mining."""
    heads, place = model.second_stage_box_predictor.mask_rcnn_box_predictor, f"{path}.second_stage_box_predictor"
    place = f"{place}.mask_rcnn_box_predictor"
    if heads.box_code_size != 4:
        field = f"{place}.box_code_size"
        yield error(field, f"is {heads.box_code_size}; a box is coded in 4 numbers.", (field, 4))
    if heads.use_dropout and not 0 < heads.dropout_keep_probability <= 1:
        field = f"{place}.dropout_keep_probability"
        text = f"is {heads.dropout_keep_probability:g}; it is a probability, above 0 and up to 1."
        yield error(field, text, (field, ""))
    ignored = [name for name in ("initializer", "regularizer", "activation") if heads.fc_hyperparams.HasField(name)]
    if ignored:
        text = f"has {' and '.join(ignored)}, without effect: as in TFOD only its batch norm is used."
        yield Finding(NOTE, text, f"{place}.fc_hyperparams")
    if model.HasField("hard_example_miner"):
        field = f"{path}.hard_example_miner"
        text = (
            "mines in the first image of each batch alone, as in TFOD: the second stage learns nothing of the others. "
            "It then takes no sample of the proposals either."
        )
        yield warning(field, text, (field, ""))


def first_stage(model, path: str) -> Iterator[Finding]:
    """What of the first stage's hyperparameters has no effect."""
    if model.first_stage_box_predictor_conv_hyperparams.HasField("activation"):
        field = f"{path}.first_stage_box_predictor_conv_hyperparams.activation"
        yield Finding(NOTE, "has no effect: as in TFOD the first stage's convolution is followed by ReLU6.", field)


def anchors(model, path: str, levels: tuple[int, int]) -> Iterator[Finding]:
    """The first stage's anchors, for maps of these levels, the finest and the coarsest."""
    kind, generator = model.first_stage_anchor_generator.WhichOneof("anchor_generator_oneof"), None
    path = f"{path}.first_stage_anchor_generator.{kind}"
    if kind == "multiscale_anchor_generator":
        generator = model.first_stage_anchor_generator.multiscale_anchor_generator
        yield from multiscale_anchors(generator, path, *levels)
        if generator.normalize_coordinates:
            field = f"{path}.normalize_coordinates"
            text = "is true, which is the default; the first stage's boxes are in pixels. TFOD refuses it."
            yield error(field, text, (field, "false"))
    elif kind == "grid_anchor_generator":
        yield from _grid(model.first_stage_anchor_generator.grid_anchor_generator, path, levels)


def _grid(grid, path: str, levels: tuple[int, int]) -> Iterator[Finding]:
    if levels[0] != levels[1]:
        text = f"is for one map, and this network has {levels[1] - levels[0] + 1}: use multiscale_anchor_generator."
        yield error(path, text)
    for name, usual in (("scales", "[0.25, 0.5, 1.0, 2.0]"), ("aspect_ratios", "[0.5, 1.0, 2.0]")):
        values = getattr(grid, name)
        if not values or min(values) <= 0:
            yield error(f"{path}.{name}", "needs at least one number, each above 0.", (f"{path}.{name}", usual))
    for name in ("height", "width", "height_stride", "width_stride"):
        if getattr(grid, name) < 1:
            field = f"{path}.{name}"
            yield error(field, f"is {getattr(grid, name)}; it must be at least 1 pixel.", (field, ""))
    stride = 2 ** levels[0]
    for name in ("height_stride", "width_stride"):
        value, field = getattr(grid, name), f"{path}.{name}"
        if value >= 1 and value != stride and levels[0] == levels[1]:
            text = f"is {value}, while the map that anchors are laid out on has stride {stride} (as in TFOD)."
            yield warning(field, text, (field, stride))


def anchors_inside(model, path: str, anchor_sizes: list[tuple[float, float]]) -> Iterator[Finding]:
    """Whether training has any anchors: without clipping only those that lie inside the image count."""
    sides = list(fixed_sides(model.image_resizer).values())
    if model.clip_anchors_to_image or not sides or not anchor_sizes:
        return
    height, width = sides[0], sides[-1]
    if not any(anchor[0] <= height and anchor[1] <= width for anchor in anchor_sizes):
        field = f"{path}.clip_anchors_to_image"
        least = min(anchor_sizes, key=lambda anchor: anchor[0] * anchor[1])
        text = (
            f"is false, so that training leaves out anchors that reach over the image, and all do: the smallest is "
            f"{math.ceil(least[0])}x{math.ceil(least[1])}, the image {height}x{width} pixels."
        )
        yield error(field, text, (field, "true"))
