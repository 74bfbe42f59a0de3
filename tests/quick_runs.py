"""What keeps a short run of training short where a test is not about it: for fixtures and for programs of tests."""

import gc

import pytest

CURVES = "odtk.training.loggers.results_plot.ResultsPlot._draw"
PICTURES = (
    CURVES,
    "odtk.training.callbacks.evaluation_pictures.EvaluationPictures.after_evaluation",
    "odtk.training.callbacks.first_batch.FirstBatchPicture._draw",
)

NARROW = {
    "model.ssd.box_predictor.weight_shared_convolutional_box_predictor.num_layers_before_predictor": "0",
    "model.ssd.feature_extractor.depth_multiplier": "0.1",
}
"""Edits of the pipeline ssd_resnet50_v1_fpn_small: it has towers of two layers on five levels, each with norms of its
own, whose tracing is most of a short run."""


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Neither curves nor predictions nor batches, half a second each time: what fails there would only be a warning."""
    for function in PICTURES:
        patch.setattr(function, lambda *arguments: None)


def leave_imports_alone() -> None:
    """What the imports left is never garbage: to look through it again and again took a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
