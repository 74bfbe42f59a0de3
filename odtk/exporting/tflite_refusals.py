"""What cannot be exported as TFLite, and why. No TensorFlow: it is asked before anything is built."""

import itertools
from collections.abc import Iterator

from odtk.detectors import families
from odtk.exporting.formats import ExportOptions, Tolerance

# Of the small pipelines' models on the demo's 40 evaluation images (45 to 89 objects, none missing) the largest
# differences in boxes and scores were: float16 0.0003 and 0.0015, dynamic 0.029 and 0.13, int8 0.07 and 0.13. In
# another training suppression kept other boxes of int8 in 3 of the images; such objects count as missing where they are
# too far away. The tolerances leave room for the larger models of users.
_TOLERANCES = {
    "none": Tolerance(),
    "float16": Tolerance(0.005, 0.02, 0.02, 1.0),
    "dynamic": Tolerance(0.06, 0.2, 0.1, 2.0),
    "int8": Tolerance(0.14, 0.2, 0.2, 2.0),
}

_CURVES = ("function_approximation", "class_id_function_approximations")


def refuses(config, options: ExportOptions) -> str | None:
    """The reason why a config cannot be exported with these options, with the fix; None if it can."""
    found = itertools.chain(_of_options(options), _of_calibration(config, options), _of_model(config, options))
    return next(found, None)


def tolerance(options: ExportOptions) -> Tolerance:
    """How far a file's detections may be from the checkpoint's."""
    return _TOLERANCES[options.quantize]


def _of_options(options: ExportOptions) -> Iterator[str]:
    if options.precision != "float32":
        yield (
            f"Precision {options.precision} is for a SavedModel on GPUs; a TFLite file has its own: leave the "
            "precision at float32, and choose quantization float16 for weights of half the size."
        )
    if options.winograd:
        yield (
            "Winograd's method is for TensorFlow on CPUs; TFLite's kernels choose their own. Leave winograd out, or "
            "export the SavedModel with it to another folder."
        )
    if options.uint8_input and options.quantize != "int8":
        yield f"An input of uint8 goes with quantization int8, not {options.quantize}. Choose int8, or leave it out."
    if options.quantize != "int8" and options.calibration != ExportOptions.calibration:
        yield (
            f"Only quantization int8 is calibrated with images; {options.quantize} is not. Leave calibration out, or "
            "choose int8."
        )


def _of_calibration(config, options: ExportOptions) -> Iterator[str]:
    readers = [config.train_input_reader, *config.eval_input_reader]
    if options.quantize == "int8" and not any(reader.tf_record_input_reader.input_path for reader in readers):
        yield (
            "Quantization int8 is calibrated with pictures of the kind that the model will see, and the config names "
            "no records. Give train_input_reader.tf_record_input_reader an input_path, or choose float16 or dynamic, "
            "which need none."
        )


def _of_model(config, options: ExportOptions) -> Iterator[str]:
    model = config.model
    family = families.find(model)
    if family is None:  # the checks of every export say so
        return
    if family.kind == "faster_rcnn":
        yield (
            "Faster R-CNN cannot be a TFLite file: its second stage crops the boxes of the first out of the feature "
            "maps (CropAndResize), which TFLite has no built-in operation for, and without it there are no detections. "
            "Train an SSD or a CenterNet for phones, or export ONNX."
        )
        return
    if not family.fixed_sides(model):
        yield (
            f"A TFLite file has an input of one size, and {family.image_resizer_field} gives images of several. Set "
            "fixed_shape_resizer, or keep_aspect_ratio_resizer with pad_to_max_dimension: true."
        )
    yield from _of_ssd(model.ssd) if family.kind == "ssd" else _of_center_net(model.center_net)


def _of_ssd(ssd) -> Iterator[str]:
    path, nms = "model.ssd.post_processing", ssd.post_processing.batch_non_max_suppression
    op = "TFLite_Detection_PostProcess, the operation that finds the detections in a TFLite file,"
    if nms.soft_nms_sigma:
        yield (
            f"{path}.batch_non_max_suppression.soft_nms_sigma is {nms.soft_nms_sigma:g}: {op} only suppresses "
            "outright. Set it to 0 in the config that is exported, and evaluate with that."
        )
    if not 0 < nms.iou_threshold <= 1:
        yield (
            f"{path}.batch_non_max_suppression.iou_threshold is {nms.iou_threshold:g}: {op} takes values above 0, up "
            "to 1."
        )
    if ssd.box_coder.HasField("mean_stddev_box_coder"):
        yield (
            f"model.ssd.box_coder is a mean_stddev_box_coder: {op} decodes centers and sizes, not corners. Train with "
            "faster_rcnn_box_coder."
        )
    calibrator = ssd.post_processing.calibration_config.WhichOneof("calibrator")
    if calibrator in _CURVES:
        yield (
            f"{path}.calibration_config.{calibrator} cannot be computed by TFLite's built-in operations, which have no "
            "search among a curve's points. Remove it from the config that is exported, and calibrate scores afterward."
        )


def _of_center_net(center_net) -> Iterator[str]:
    if center_net.HasField("post_processing"):
        yield (
            "model.center_net.post_processing suppresses boxes in a loop of TensorFlow's, which TFLite's built-in "
            "operations do not have. Remove it from the config that is exported: CenterNet's peaks are its detections."
        )
