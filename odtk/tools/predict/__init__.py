"""Detects objects in images, videos and what cameras show, draws them, and writes what is asked for."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from odtk.errors import DataError, OdtkError
from odtk.exporting.model import Model
from odtk.exporting.open_model import kind_of, open_model, open_trained
from odtk.report.picture_files import picture_folder
from odtk.streams import output_kinds
from odtk.streams.frame import Frame
from odtk.streams.selection import build_selection
from odtk.streams.sources.places import find_sources
from odtk.streams.sources.source import Source
from odtk.streams.tracking import Tracker
from odtk.streams.writer import Writer
from odtk.streams.writers.build import Wanted, build_writers
from odtk.streams.writers.coco import FILE as DETECTIONS_FILE
from odtk.streams.writers.features import FeaturesOf
from odtk.streams.writers.window import WindowWriter, check_display
from odtk.tools.arguments import require_fraction, require_whole
from odtk.tools.predict.flow import Flow
from odtk.tools.predict.report import Collected, Prediction, PredictReport, StreamSummary

__all__ = ["DETECTIONS_FILE", "PredictReport", "Prediction", "StreamSummary", "predict"]

_FEATURES = "features"


def predict(
    model: str | os.PathLike,
    images: str | os.PathLike | Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike | None = None,
    save: str | Iterable[str] = ",".join(output_kinds.DEFAULT),
    min_score: float | None = None,
    thresholds: str | os.PathLike | None = None,
    classes: str | Iterable[str | int] | None = None,
    max_boxes: int | None = None,
    top: int | None = None,
    layer: str | None = None,
    track: bool = False,
    show: bool = False,
    every: int = 1,
    batch_size: int = 1,
    warm_up: int = 1,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> PredictReport:
    """Detects objects in `images` (files, folders, globs, addresses, videos, cameras, or one) and saves what is found.

    `model` is an exported folder, a model dir, of which `checkpoint` chooses the weights ("best", "last" or a prefix),
    or a checkpoint. `save` names outputs (see odtk.streams.output_kinds), by default annotated images and videos, and
    detections.json. Kept are boxes of `classes` (names or ids) with at least `min_score` (None: 0.5), or what the file
    `thresholds` says, at most the best `max_boxes` per picture; `top` saves so many classes of each box, `layer` is
    what features are taken from. With `track` the boxes of videos get ids, of `every` few frames only one is looked at;
    with `show` a window shows what is drawn. The model gets `batch_size` pictures at once, and is run `warm_up` times
    before times are taken.

    The folder `output` is written atomically; `overwrite` replaces that of an earlier run, and nothing else. Names come
    from `label_map` (a file, or a shipped map's name), else from the model's own, else classes are named by number.
    `devices` is what the model runs on, see `odtk.load`. A picture that cannot be read is skipped and reported; raises
    DataError if none can be read. `log` is told which checkpoint is used; `should_stop` is asked between pictures for a
    reason to end early, with all outputs whole.
    """
    _check_numbers(min_score, max_boxes, top, every, batch_size, warm_up)
    kinds, output_dir = output_kinds.check(save), Path(output)
    kind_of(model)  # fails before the seconds that TensorFlow takes to import
    sources = find_sources([images] if isinstance(images, (str, os.PathLike)) else images, not_in=output_dir)
    _require_videos(sources, every=every > 1, track=track)
    if layer is not None and _FEATURES not in kinds:
        raise OdtkError(
            "layer says what features are taken from; save features, too, or leave it out.", argument="layer"
        )
    with picture_folder(output_dir, [source.path for source in sources if source.path], overwrite) as folder:
        if show:
            check_display()
        for source in sources:
            source.open()
        loaded = open_model(model, checkpoint, label_map=label_map, devices=devices, log=log)
        _require_batches(loaded, batch_size)
        names = loaded.names
        listed = classes.split(",") if isinstance(classes, str) else classes
        selection = build_selection(names, min_score, thresholds, listed, max_boxes, top)
        tracker = Tracker(selection.least_score) if track else None
        features_of = _features_of(loaded, model, layer, log) if _FEATURES in kinds else None
        wanted = Wanted(kinds, loaded.name_of, names, top=top, features_of=features_of, layer=layer)
        writers = build_writers(wanted, folder)
        window = WindowWriter(folder, loaded.name_of, should_stop) if show else None
        if window:
            writers, should_stop = [*writers, window], _either(window.why_stopped, should_stop)
        flow = Flow(loaded, sources, writers, should_stop, every=every, batch_size=batch_size, warm_up=warm_up)
        collected = Collected(output_dir, "pictures" in kinds, loaded.name_of)
        seconds = flow.run(selection, tracker, collected, lambda frame: show or _is_drawn(frame, kinds))
        _require_some(collected, len(sources), flow.stopped)
    detections_path = output_dir / DETECTIONS_FILE if "coco" in kinds else None
    return _report(flow, collected, loaded, bool(names), writers, seconds, detections_path)


def _check_numbers(min_score: float | None, max_boxes: int | None, top: int | None, every: int, batch_size: int,
                   warm_up: int) -> None:  # fmt: skip
    if min_score is not None:
        require_fraction(min_score=min_score)
    require_whole(1, max_boxes=max_boxes, top=top, every=every, batch_size=batch_size)
    require_whole(0, warm_up=warm_up)


def _is_drawn(frame: Frame, kinds: Sequence[str]) -> bool:
    """Whether a writer will ask for the annotated picture, so that it is drawn while others are written."""
    return "pictures" in kinds or ("video" in kinds and not frame.is_still)


def _either(first: Callable[[], str | None], second: Callable[[], str | None]) -> Callable[[], str | None]:
    """Asks the second only if the first has no reason."""
    return lambda: first() or second()


def _require_batches(model: Model, batch_size: int) -> None:
    if batch_size > 1 and not model.takes_batches:
        raise OdtkError(
            f"Batches of {batch_size} images are not possible with {model.description}. Export it with the input type "
            "float_image_tensor, or give its model dir.",
            argument="batch_size",
        )


def _features_of(model: Model, path: str | os.PathLike, layer: str | None, log: Callable[[str], None]) -> FeaturesOf:
    """What computes features: the detector itself, whose weights an exported model has in its checkpoint, too."""
    from odtk.explaining.box_features import BoxFeatures
    from odtk.exporting.trained_model import TrainedModel

    if not isinstance(model, TrainedModel):
        model = open_trained(path, log=log, verb="Taking features with")
    return BoxFeatures(model.detector, layer)


def _require_videos(sources: Sequence[Source], **options: bool) -> None:
    """Raises OdtkError for an option that has no effect on pictures of their own."""
    for option, is_given in options.items():
        if is_given and all(source.is_still for source in sources):
            raise OdtkError(
                f"{option} is about the frames of videos and cameras, but all {len(sources)} sources are still images. "
                "Leave it out.",
                argument=option,
            )


def _report(
    flow: Flow,
    collected: Collected,
    model: Model,
    has_names: bool,
    writers: Sequence[Writer],
    seconds: float,
    detections_path: Path | None,
) -> PredictReport:
    return PredictReport(
        predictions=collected.predictions,
        streams=flow.with_ends(collected.streams),
        skipped=collected.skipped,
        output=collected.output,
        detections_path=detections_path,
        has_names=has_names,
        name_of=model.name_of,
        model=model.description,
        seconds=seconds,
        best_score=collected.best_score,
        boxes=collected.boxes,
        animated=collected.animated,
        written=[text for text in (writer.written() for writer in writers) if text],
        notes=[note for writer in writers for note in writer.notes],
        times=flow.times.table(),
        stopped=flow.stopped,
    )


def _require_some(collected: Collected, num_sources: int, stopped: str | None) -> None:
    if collected.predictions or collected.streams:
        return
    if collected.skipped:
        raise DataError(f"None of the {num_sources} images could be read. The first: {collected.skipped[0][1]}")
    raise OdtkError(f"It ended before the first image was done ({stopped}), so nothing was written.")
