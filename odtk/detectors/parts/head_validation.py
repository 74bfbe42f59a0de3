"""Findings about box predictors. See odtk.detectors.parts.validation. No TensorFlow."""

from collections.abc import Iterator

from odtk.detectors.parts.validation import error, warning
from odtk.findings import Finding


def shared_heads(predictor, path: str, code_size: int) -> Iterator[Finding]:
    """A weight_shared_convolutional_box_predictor, for a box coder of `code_size` numbers."""
    yield from _heads(predictor, path, code_size)
    if predictor.conv_hyperparams.HasField("sync_batch_norm"):
        field = f"{path}.conv_hyperparams"
        text = "leaves these heads without batch norms, in TFOD and so in odtk; `batch_norm` gives them some."
        yield warning(f"{field}.sync_batch_norm", text, (f"{field}.batch_norm", "{}"))
    if predictor.num_layers_before_predictor > 0 and predictor.depth < 1:
        field = f"{path}.depth"
        yield error(field, f"is {predictor.depth}; its layers need channels.", (field, 256))


def sigmoids_in_exports(path: str, post_processing: str) -> Finding:
    """The shared heads at `path` make sigmoids, before the score_converter of the message at `post_processing`."""
    field = f"{path}.score_converter"
    text = (
        "is SIGMOID: exported models make sigmoids of the logits, before post_processing.score_converter, while "
        "evaluation has the logits, in TFOD and so in odtk. Their scores are not the same."
    )
    return warning(field, text, (field, "IDENTITY"), (f"{post_processing}.score_converter", "SIGMOID"))


def map_heads(predictor, path: str, code_size: int) -> Iterator[Finding]:
    """A convolutional_box_predictor, for a box coder of `code_size` numbers."""
    yield from _heads(predictor, path, code_size)
    least, most = predictor.min_depth, predictor.max_depth
    if least > most:
        text = f"is {least}, above max_depth {most}; TFOD refuses that."
        yield error(f"{path}.min_depth", text, (f"{path}.max_depth", least))
    elif most <= 0 < predictor.num_layers_before_predictor:
        field = f"{path}.num_layers_before_predictor"
        text = f"is {predictor.num_layers_before_predictor}, but max_depth is {most}: TFOD makes no such layers then."
        yield warning(field, text, (field, 0))
    if predictor.use_depthwise and predictor.class_prediction_bias_init:
        field = f"{path}.class_prediction_bias_init"
        text = "has no effect with use_depthwise, where TFOD starts the class bias at 0."
        yield warning(field, text, (field, 0.0))


def _heads(predictor, path: str, code_size: int) -> Iterator[Finding]:
    if predictor.box_code_size != code_size:
        field = f"{path}.box_code_size"
        box = "a square box is coded in 3 numbers" if code_size == 3 else f"a box is coded in {code_size} numbers"
        yield error(field, f"is {predictor.box_code_size}; {box}.", (field, code_size))
    if predictor.kernel_size < 1:
        field = f"{path}.kernel_size"
        yield error(field, f"is {predictor.kernel_size}; a kernel has at least one pixel.", (field, 3))
    if predictor.use_depthwise and predictor.kernel_size == 1:
        field = f"{path}.kernel_size"
        text = "is 1, with use_depthwise; a depthwise convolution of one pixel does nothing, and TFOD refuses it."
        yield error(field, text, (field, 3))
    if predictor.use_dropout and not 0 < predictor.dropout_keep_probability <= 1:
        field = f"{path}.dropout_keep_probability"
        text = f"is {predictor.dropout_keep_probability:g}; it is a probability, above 0 and up to 1."
        yield error(field, text, (field, ""))
