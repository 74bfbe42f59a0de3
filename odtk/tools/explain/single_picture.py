"""Explains what a model makes of one picture, and writes what shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from odtk.detections import Detections
from odtk.detectors.activations import find_outputs
from odtk.detectors.candidates import Candidates
from odtk.detectors.detector import Detector
from odtk.errors import OdtkError
from odtk.explaining import anchors
from odtk.explaining.feature_maps import feature_maps, map_outputs, score_maps
from odtk.explaining.gradient_maps import gradient_map, is_map
from odtk.explaining.heat_map import HeatMap
from odtk.explaining.occlusion import occlusion_maps
from odtk.explaining.picture_run import PictureRun, run_picture
from odtk.tools.explain.drawing import PictureWriter
from odtk.tools.explain.explained import ExplainedDetection, ExplainedPicture, Features
from odtk.tools.explain.groundtruth import Groundtruth
from odtk.tools.explain.opened import OCCLUSION, Opened

_CHANNELS = 16  # of a layer, unless they are chosen
_LAYERS = 5  # of a network without a pyramid, unless they are chosen
_CLASSES = 6  # whose scores are shown, unless they are chosen


@dataclass(frozen=True)
class Wishes:
    """What is to be shown; the keyword arguments of `odtk.explain`."""

    layers: Sequence[str]
    levels: Sequence[int]
    channels: Sequence[int]
    heat_layer: str | None
    method: str
    masks: int
    min_score: float
    max_boxes: int
    class_ids: Sequence[int]


def explain_picture(
    opened: Opened, writer: PictureWriter, source: str, name: str, pixels: np.ndarray, truth: Groundtruth | None,
    wishes: Wishes,
) -> ExplainedPicture:  # fmt: skip
    """All that the model shows of a picture, uint8 RGB [height, width, 3], written by `writer`."""
    detector = opened.trained.detector if opened.trained else None
    run = run_picture(detector, pixels) if detector else None
    everything = run.detections if run else opened.model.detect(pixels)
    shown, notes = _shown(everything, wishes)
    if truth and truth.others:
        notes = [*notes, f"Annotated classes that the model does not have are left out: {', '.join(truth.others)}."]
    heats = _heats(opened, run, pixels, shown, wishes)
    detections = [_detection(index, heat, shown, run, writer, opened) for index, heat in enumerate(heats)]
    found = ExplainedPicture(
        source=source,
        name=name,
        size=(pixels.shape[1], pixels.shape[0]),
        detected=writer.detected(shown),
        detections=detections,
        groundtruth=writer.groundtruth(truth) if truth else None,
        notes=notes,
    )
    if run is None or detector is None:
        return found
    found = replace(found, features=_features(run, writer, wishes))
    return _with_candidates(found, detector, run, shown, truth, writer, opened, wishes)


def _shown(everything: Detections, wishes: Wishes) -> tuple[Detections, list[str]]:
    shown = everything.best(wishes.min_score, wishes.max_boxes)
    if len(shown) or not len(everything):
        return shown, [] if len(shown) else ["The model detects nothing here at any score."]
    note = f"No detection has a score of {wishes.min_score:g} or more; the best one is explained."
    return everything.best(max_boxes=1), [note]


def _heats(
    opened: Opened, run: PictureRun | None, pixels: np.ndarray, shown: Detections, wishes: Wishes
) -> list[HeatMap]:
    if wishes.method == OCCLUSION or run is None:
        if not len(shown):
            return []
        return occlusion_maps(opened.model.detect_batch, pixels, shown, wishes.masks)
    outputs = [] if wishes.heat_layer is None else _of_one_layer(wishes.heat_layer, run)
    # Detections are sorted, and the best were taken: their indices are those of all.
    return [gradient_map(run, index, outputs) for index in range(len(shown))]


def _of_one_layer(name: str, run: PictureRun) -> list[str]:
    outputs = find_outputs([name], run.outputs, "heat_layer")
    layers = list(dict.fromkeys(output.split(":")[0] for output in outputs))
    if len(layers) > 1:
        raise OdtkError(
            f"{name} means {len(layers)} layers, {layers[0]}, {layers[1]} and so on, but a heat map is of one. Choose "
            "one of them.",
            argument="heat_layer",
        )
    return outputs


def _detection(
    index: int, heat: HeatMap, shown: Detections, run: PictureRun | None, writer: PictureWriter, opened: Opened
) -> ExplainedDetection:
    alone = shown.take(np.array([index]))
    level = run.level(index) if run else None
    return ExplainedDetection(
        class_name=opened.model.name_of(int(alone.classes[0])),
        score=float(alone.scores[0]),
        box=tuple(alone.boxes[0].tolist()),
        level=level.name if level else None,
        heat=writer.heat(index + 1, heat, alone),
        heat_source=heat.source,
        heat_inside=heat.share_inside(alone.boxes[0]),
    )


def _features(run: PictureRun, writer: PictureWriter, wishes: Wishes) -> list[Features]:
    names = _layers(run, wishes)
    channels = wishes.channels or None
    return [writer.features(feature_maps(run, name, channels, _CHANNELS), run.frame) for name in names]


def _layers(run: PictureRun, wishes: Wishes) -> list[str]:
    if not wishes.layers and not wishes.levels:
        # A coarsest level of a single cell shows nothing of places.
        return [name for name in run.levels if is_map(run.outputs[name])] or map_outputs(run)[-_LAYERS:]
    levels = [f"P{level}" for level in wishes.levels]
    missing = [level for level, name in zip(wishes.levels, levels, strict=True) if name not in run.levels]
    if missing:
        has = f"its levels are {', '.join(run.levels)}" if run.levels else "it has no feature pyramid"
        raise OdtkError(f"The model has no level {missing[0]}: {has}. Choose among these.", argument="level")
    chosen = find_outputs(wishes.layers, run.outputs)
    # What a pattern meets by the way need not be a map; what is named has to be.
    return levels + [name for name in chosen if name in wishes.layers or is_map(run.outputs[name])]


def _with_candidates(
    found: ExplainedPicture, detector: Detector, run: PictureRun, shown: Detections, truth: Groundtruth | None,
    writer: PictureWriter, opened: Opened, wishes: Wishes,
) -> ExplainedPicture:  # fmt: skip
    """Adds score maps and anchors, where the detector shows its candidates."""
    fired = anchors.fired(run, wishes.min_score)
    if run.candidates is None or fired is None:
        return replace(
            found, notes=[*found.notes, "This detector does not show boxes before suppression, nor anchors."]
        )
    named = None if run.candidates.of_any_class else truth
    _require_classes(run.candidates, wishes, named)
    maps, name_of = score_maps(run.candidates), opened.model.name_of
    classes = wishes.class_ids or _classes(maps, shown, named)
    matched = anchors.match(detector, run, truth.boxes, truth.class_ids) if truth and len(truth.boxes) else None
    found = replace(
        found,
        scores={name_of(number): writer.scores(maps, number, run.frame) for number in classes} if maps else {},
        fired=writer.fired(fired),
        num_fired=len(fired.rows),
        called=run.candidates.called,
        is_moved=fired.anchors is not None,
        levels=anchors.levels(run.candidates, fired, matched),
    )
    if truth is None or matched is None:
        return found
    boxes = anchors.matched_boxes(run, truth.boxes, truth.class_ids, matched, wishes.min_score)
    return replace(found, boxes=boxes, matched=writer.matched(boxes, truth))


def _require_classes(candidates: Candidates, wishes: Wishes, truth: Groundtruth | None) -> None:
    """Raises OdtkError for a class that a model does not have, where no label map has said so."""
    if candidates.of_any_class and wishes.class_ids:
        raise OdtkError(
            "The model finds objects and does not say of what class, so that no class has scores. Leave classes out.",
            argument="classes",
        )
    count = candidates.scores.shape[-1]
    for argument, numbers in (("classes", wishes.class_ids), ("groundtruth", truth.class_ids if truth else ())):
        if max(numbers, default=0) > count:
            raise OdtkError(
                f"The model has {count} classes, and none with the number {max(numbers)}. Choose among 1 to {count}, "
                "or give the label map of the model.",
                argument=argument,
            )


def _classes(maps: dict[str, np.ndarray], shown: Detections, truth: Groundtruth | None) -> list[int]:
    """Those that are detected and those that are annotated, else the best ones."""
    named = [*shown.classes.tolist(), *(truth.class_ids if truth else ())]
    if not named and maps:
        best = np.max([scores.max(axis=(1, 2)) for scores in maps.values()], axis=0)
        named = (np.argsort(-best, kind="stable")[:2] + 1).tolist()
    return list(dict.fromkeys(int(number) for number in named))[:_CLASSES]
