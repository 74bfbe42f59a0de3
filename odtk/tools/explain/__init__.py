"""Shows what a detector computes on single pictures: heat maps of detections, scores, anchors and features."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from odtk import atomic, files
from odtk.detectors import activations
from odtk.detectors.activations import LayerInfo
from odtk.errors import DataError, OdtkError, OutputError
from odtk.progress import track
from odtk.report.picture_files import check_folder, flat_name, picture_folder
from odtk.streams.selection import class_ids
from odtk.streams.sources.places import find_sources
from odtk.streams.sources.source import Source
from odtk.tools.arguments import as_list, require_fraction, require_one_of, require_whole
from odtk.tools.explain.document import document
from odtk.tools.explain.drawing import PictureWriter
from odtk.tools.explain.explained import ExplainedPicture
from odtk.tools.explain.groundtruth import Groundtruth, find_groundtruth
from odtk.tools.explain.opened import METHODS, OCCLUSION, Opened, open_explained
from odtk.tools.explain.page import PAGE, write_page
from odtk.tools.explain.single_picture import Wishes, explain_picture

DOCUMENT = "explain.json"
MASKS = 500
"""Copies of a picture with hidden parts, for the method occlusion."""
_EXAMPLE_SIZE = (480, 640)  # of a picture, where the size of the network's input depends on it


@dataclass(frozen=True)
class ExplainReport:
    """What was written."""

    page: Path
    pictures: list[ExplainedPicture]
    document: dict  # what explain.json holds
    name_of: Callable[[int], str]  # 1-based class to its name
    skipped: list[tuple[str, str]]  # pictures that cannot be read, and why


@dataclass(frozen=True)
class LayerList:
    """The layers that a model's network calls, in their order."""

    layers: list[LayerInfo]
    image_size: tuple[int, int]  # (height, width) of the image that the shapes are for
    model: str


def explain(
    model: str | os.PathLike,
    images: str | os.PathLike | Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    groundtruth: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    method: str = "gradient",
    heat_layer: str | None = None,
    masks: int | None = None,
    min_score: float = 0.5,
    max_boxes: int = 5,
    layer: str | Sequence[str] = (),
    level: Sequence[int] = (),
    channels: Sequence[int] = (),
    classes: str | Iterable[str | int] | None = None,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> ExplainReport:
    """Writes a page, PNGs and a JSON document about what a model computes on `images` (one or several places).

    A place is a file, a folder, a glob or an address, see odtk.streams.sources.places.

    `model`: a model dir (with `checkpoint` "best", "last" or a prefix), a checkpoint prefix, or an exported folder.
    The best `max_boxes` detections with at least `min_score` get a heat map each, by `method`: "gradient" (at the
    output `heat_layer`, by default the pyramid's level that predicted it) or "occlusion" (`masks` times, by default
    500). The features are those of the outputs `layer` (names or patterns, see `list_layers`) and of the pyramid's
    levels `level`, by default all levels, and of these the `channels`, by default those that vary most. `classes`,
    names or ids, are those whose scores are shown, by default the detected and annotated ones. `groundtruth` is a
    dataset or records with the pictures' annotations. A picture that cannot be read is skipped and reported. Raises
    CheckpointError, ConfigError, DataError (also if none can be read), and OutputError for an `output` that is not
    empty, unless `overwrite` is true and it is an earlier one.
    """
    require_fraction(min_score=min_score)
    require_whole(1, max_boxes=max_boxes, masks=masks)
    require_one_of(METHODS, method=method)
    if files.is_remote(output):
        raise OutputError(
            f"{os.fspath(output)} is in a store; the page and its pictures are written to a local folder."
        )
    sources = find_sources([images] if isinstance(images, (str, os.PathLike)) else images, not_in=output)
    _require_still(sources)
    paths = [source.path for source in sources if source.path]
    check_folder(output, paths, overwrite)
    opened = open_explained(model, checkpoint, method, label_map, devices, log)
    names = opened.model.names
    truths: dict[str, Groundtruth] = {}
    if groundtruth is not None:
        truths = find_groundtruth(groundtruth, [source.name for source in sources], names)
    listed = classes.split(",") if isinstance(classes, str) else classes or ()
    wishes = Wishes(
        as_list(layer), level, channels, heat_layer, method, masks or MASKS, min_score, max_boxes,
        sorted(class_ids(listed, names)),
    )  # fmt: skip
    _require_effect(opened, wishes, masks)
    with picture_folder(output, paths, overwrite) as folder:
        explained, skipped = _explain_each(sources, opened, truths, wishes, folder)
        write_page(folder, explained, opened.model.description, opened.model.name_of, min_score)
        found = document(explained, skipped, opened.model)
        atomic.write_text(folder / DOCUMENT, json.dumps(found, indent=2) + "\n")
    return ExplainReport(Path(output) / PAGE, explained, found, opened.model.name_of, skipped)


def list_layers(
    model: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike | None = None,
    devices: str = "auto",
    log: Callable[[str], None] = lambda line: None,
) -> LayerList:
    """The layers of a model (see `explain`), with the shapes of their outputs for one image."""
    opened = open_explained(model, checkpoint, None, devices=devices, log=log)
    assert opened.trained is not None  # anything else was refused
    detector = opened.trained.detector
    image, shape = detector.resize(tf.zeros([*_EXAMPLE_SIZE, 3]))
    found = activations.list_layers(detector, image[None], shape[None])
    return LayerList(found, (image.shape[0], image.shape[1]), opened.model.description)


def _explain_each(
    sources: Sequence[Source], opened: Opened, truths: dict[str, Groundtruth], wishes: Wishes, folder: Path
) -> tuple[list[ExplainedPicture], list[tuple[str, str]]]:
    """What was explained, and the pictures that cannot be read, with the reason."""
    explained, skipped, taken = [], [], set[str]()
    with track("Explaining", len(sources), "pictures") as bar:
        for source in sources:
            (picture,) = source.pictures()
            try:
                pixels = picture.load().array
            except DataError as error:
                skipped.append((source.written, str(error)))
            else:
                name, truth = flat_name(source.name, taken, ""), truths.get(source.name)
                writer = PictureWriter(folder, name, pixels, opened.model.name_of)
                explained.append(explain_picture(opened, writer, source.written, name, pixels, truth, wishes))
            bar.advance()
    if not explained:
        raise DataError(f"None of the {len(sources)} images could be read. The first: {skipped[0][1]}")
    return explained, skipped


def _require_still(sources: Sequence[Source]) -> None:
    for source in sources:
        if not source.is_still:
            raise DataError(
                f"{source.written} is a video or a camera; explained are single pictures. Save the frames that matter "
                "(`odtk predict` draws those of a video), and give them."
            )


def _require_effect(opened: Opened, wishes: Wishes, masks: int | None) -> None:
    """Raises OdtkError for what has no effect with this method or this model."""
    if masks is not None and wishes.method != OCCLUSION:
        raise OdtkError(f"masks are of the method {OCCLUSION}. Choose that, or leave them out.", argument="masks")
    if wishes.heat_layer is not None and wishes.method == OCCLUSION:
        text = f"The method {OCCLUSION} hides parts of the picture, and needs no layer. Leave it out."
        raise OdtkError(text, argument="heat_layer")
    of_network = {
        "layer": wishes.layers,
        "level": wishes.levels,
        "channels": wishes.channels,
        "classes": wishes.class_ids,
    }
    for name, value in of_network.items():
        if opened.trained is None and value:
            raise OdtkError(
                "A SavedModel without its checkpoint shows its detections alone, and no layers, channels or scores. "
                "Leave this out, or give the whole exported folder or the model dir.",
                argument=name,
            )
