"""Findings about a `center_net` message whose options are all implemented. No TensorFlow."""

from collections.abc import Iterator

from odtk.detectors.parts import image_validation, validation
from odtk.detectors.parts.input_size import InputSize, fixed_sides
from odtk.detectors.parts.validation import error, warning
from odtk.findings import ERROR, NOTE, Finding

_L1 = "object_detection_task.localization_loss"
_FOCAL = "object_center_params.classification_loss"


def images(resizer, path: str, size: InputSize, usual_side: int) -> Iterator[Finding]:
    """The resizer at `path`, for a network that takes multiples of `size.side_multiple` only."""
    kind = resizer.WhichOneof("image_resizer_oneof")
    if kind is None:
        yield image_validation.no_resizer(path, size.usable_side(usual_side))
        return
    found = list(image_validation.image_resizer(resizer, path))
    yield from found
    if any(finding.severity == ERROR for finding in found):
        return
    sides, multiple = fixed_sides(resizer), size.side_multiple
    edits = [(f"{path}.{kind}.{name}", size.usable_side(side)) for name, side in sides.items()]
    for name, side in sides.items():
        if not size.takes(side):
            text = f"is {side}, which is not a multiple of {multiple}: maps and targets do not have the same size."
            yield error(f"{path}.{kind}.{name}", text, *edits)
            return
    if not sides:
        yield from _any_size(resizer, path, kind, multiple)


def _any_size(resizer, path: str, kind: str, multiple: int) -> Iterator[Finding]:
    if kind == "pad_to_multiple_resizer" and resizer.pad_to_multiple_resizer.multiple % multiple == 0:
        yield Finding(NOTE, "gives images of any size; batches of more than one image need one size.", f"{path}.{kind}")
        return
    text = f"gives images of any size, and this model takes multiples of {multiple} only; pad them."
    if kind == "keep_aspect_ratio_resizer":
        size = InputSize(side_multiple=multiple)
        most = resizer.keep_aspect_ratio_resizer.max_dimension
        field = f"{path}.{kind}"
        edits = [(f"{field}.pad_to_max_dimension", "true"), (f"{field}.max_dimension", size.usable_side(most))]
        yield error(field, text, *edits)
    else:
        yield error(f"{path}.{kind}", text, (f"{path}.pad_to_multiple_resizer.multiple", multiple))


def preprocessing(extractor, path: str) -> Iterator[Finding]:
    """The means and deviations of the channels."""
    for name in ("channel_means", "channel_stds"):
        values = getattr(extractor, name)
        if len(values) not in (0, 1, 3):
            text = f"has {len(values)} values; give one for each channel (three), or none."
            yield error(f"{path}.{name}", text, (f"{path}.{name}", ""))
    if any(value == 0 for value in extractor.channel_stds):
        text = "has a 0, and channels are divided by these."
        yield error(f"{path}.channel_stds", text, (f"{path}.channel_stds", ""))


def tasks(message, path: str) -> Iterator[Finding]:
    """The two tasks and their heads."""
    if not message.HasField("object_detection_task"):
        text = "is missing: without it there are centers and no boxes. TFOD refuses that, and so does odtk."
        yield error(f"{path}.object_detection_task", text, (f"{path}.{_L1}.l1_localization_loss", "{}"))
    elif message.object_detection_task.localization_loss.WhichOneof("localization_loss") is None:
        text = "is empty; TFOD refuses that, and so does odtk."
        yield error(f"{path}.{_L1}", text, (f"{path}.{_L1}.l1_localization_loss", "{}"))
    center = message.object_center_params
    if center.classification_loss.WhichOneof("classification_loss") is None:
        text = "is empty; TFOD refuses that, and so does odtk."
        yield error(f"{path}.{_FOCAL}", text, (f"{path}.{_FOCAL}.penalty_reduced_logistic_focal_loss", "{}"))
    yield from _center(center, f"{path}.object_center_params")
    for parent, field in (
        ("object_center_params", "center_head_params"),
        ("object_detection_task", "scale_head_params"),
        ("object_detection_task", "offset_head_params"),
    ):
        yield from _head(getattr(getattr(message, parent), field), f"{path}.{parent}.{field}")


def _center(center, path: str) -> Iterator[Finding]:
    if not 0 <= center.min_box_overlap_iou <= 1:
        field = f"{path}.min_box_overlap_iou"
        yield error(field, f"is {center.min_box_overlap_iou:g}; overlaps lie between 0 and 1.", (field, 0.7))
    if center.max_box_predictions < 1:
        field = f"{path}.max_box_predictions"
        yield error(field, f"is {center.max_box_predictions}: no box would be found.", (field, 100))
    if center.peak_max_pool_kernel_size < 0:
        field = f"{path}.peak_max_pool_kernel_size"
        yield error(field, f"is {center.peak_max_pool_kernel_size}, below 0.", (field, 3))
    elif center.peak_max_pool_kernel_size < 2:
        field = f"{path}.peak_max_pool_kernel_size"
        text = (
            f"is {center.peak_max_pool_kernel_size}: every cell of the heat maps is a peak, so objects are found twice."
        )
        yield warning(field, text, (field, 3))


def _head(params, path: str) -> Iterator[Finding]:
    widths, kernels = list(params.num_filters), list(params.kernel_sizes)
    if len(widths) != len(kernels):
        text = f"has {len(widths)} num_filters and {len(kernels)} kernel_sizes; each convolution has one of both."
        fitting = [3] * len(widths) if widths else []
        yield error(path, text, (f"{path}.kernel_sizes", fitting or ""))
    elif any(number < 1 for number in (*widths, *kernels)):
        yield error(
            path, "has a convolution without a channel or without a kernel; numbers are at least 1.", (path, "")
        )


def suppression(message, path: str) -> Iterator[Finding]:
    """A `post_processing` that is given: CenterNet needs none."""
    if not message.HasField("post_processing"):
        return
    nms, path = message.post_processing.batch_non_max_suppression, f"{path}.post_processing.batch_non_max_suppression"
    yield from validation.suppression(nms, path)
    if nms.score_threshold < 0:
        text = f"is {nms.score_threshold:g}: a peak's other classes, which have the score 0, would be boxes."
        yield error(f"{path}.score_threshold", text, (f"{path}.score_threshold", 0.0))
    if nms.change_coordinate_frame:
        field = f"{path}.change_coordinate_frame"
        text = "is true (its default), and CenterNet's boxes are relative to the image already: TFOD refuses that."
        yield error(field, text, (field, "false"))
