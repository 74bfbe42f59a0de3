"""Writes the PNGs of one picture: what was detected, heat, scores, anchors and features."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from odtk.detections import Detections
from odtk.explaining.anchors import Fired, MatchedBox
from odtk.explaining.feature_maps import FeatureMaps
from odtk.explaining.heat_map import HeatMap
from odtk.explaining.map_frame import MapFrame
from odtk.report import map_pictures
from odtk.report.drawing import draw_detections, draw_groundtruth, draw_outlines
from odtk.report.picture_files import flat_name, write_picture
from odtk.tools.explain.explained import Channel, Features, PictureFile, ScoreMap
from odtk.tools.explain.groundtruth import Groundtruth

_SIDE = 640  # pixels of the longer side of whole pictures
_SCORES_SIDE, _CHANNEL_SIDE = 320, 240
MOST_ANCHORS = 300
"""That are drawn; more would hide the picture."""


class PictureWriter:
    """Draws over one picture, and writes below its folder."""

    def __init__(self, folder: Path, name: str, pixels: np.ndarray, name_of: Callable[[int], str]):
        """`folder`: of all output; `name`: of the picture's own folder in it; `pixels`: uint8 [height, width, 3]."""
        self._folder, self._name, self._name_of = folder, name, name_of
        self._picture, self._taken = Image.fromarray(pixels), dict[str, set[str]]()

    def detected(self, found: Detections) -> PictureFile:
        """The picture with its detections."""
        return self._write("detections", draw_detections(self._scaled(_SIDE), found, self._name_of))

    def groundtruth(self, truth: Groundtruth) -> PictureFile:
        """The picture with its annotated boxes."""
        picture = draw_groundtruth(self._scaled(_SIDE), list(truth.boxes), truth.class_ids, truth.names)
        return self._write("groundtruth", picture)

    def heat(self, number: int, heat: HeatMap, found: Detections) -> PictureFile:
        """The heat map of one detection (alone in `found`) over the picture, with its box."""
        picture = self._scaled(_SIDE)
        hot = map_pictures.with_heat(picture, heat.on_picture((picture.height, picture.width)))
        name = f"heat-{number}-{self._name_of(int(found.classes[0]))}"
        return self._write(name, draw_detections(hot, found, self._name_of))

    def scores(self, maps: dict[str, np.ndarray], class_id: int, frame: MapFrame) -> list[ScoreMap]:
        """The scores of a class (`maps` by level: [classes, rows, columns]) over the picture, one for each level."""
        picture = self._scaled(_SCORES_SIDE).convert("L")
        size, name = (picture.height, picture.width), self._name_of(class_id)
        written = []
        for level, of_classes in maps.items():
            values = of_classes[class_id - 1]
            drawn = map_pictures.with_heat(picture, frame.on_picture(values, size, smooth=False))
            written.append(ScoreMap(level, float(values.max()), self._write(f"scores-{name}-{level}", drawn)))
        return written

    def fired(self, fired: Fired) -> PictureFile:
        """The anchors that fired, in the colors of their classes; without anchors the boxes."""
        boxes = (fired.boxes if fired.anchors is None else fired.anchors)[:MOST_ANCHORS]
        return self._write("anchors-fired", draw_outlines(self._scaled(_SIDE), boxes, fired.classes[:MOST_ANCHORS]))

    def matched(self, boxes: Sequence[MatchedBox], truth: Groundtruth) -> PictureFile:
        """The annotated boxes, and thin the anchors that training would match with them."""
        anchors = [anchor for each in boxes for anchor in each.anchors][:MOST_ANCHORS]
        classes = [each.class_id for each in boxes for _ in each.anchors][:MOST_ANCHORS]
        picture = draw_groundtruth(self._scaled(_SIDE), list(truth.boxes), truth.class_ids, truth.names)
        return self._write("anchors-matched", draw_outlines(picture, anchors, classes))

    def features(self, maps: FeatureMaps, frame: MapFrame) -> Features:
        """The sheet of a layer's channels, and each channel."""
        size = map_pictures.tile_size(frame.picture)
        folder = f"features/{self._free(maps.name, 'features', '')}"
        tiles = [frame.on_picture(values, size, smooth=False) for values in maps.values]
        rows, columns, count = maps.shape
        note = f"{len(maps.channels)} of {count} channels, {rows} x {columns}; each in the colors of its own range."
        labels = [f"channel {channel}" for channel in maps.channels]
        sheet = self._write("sheet", map_pictures.sheet(tiles, labels, maps.name, note), folder)
        large = map_pictures.scaled(frame.picture, _CHANNEL_SIDE)
        channels = [
            Channel(
                number,
                float(values.min()),
                float(values.max()),
                self._write(
                    f"channel-{number:04}",
                    map_pictures.colored(frame.on_picture(values, large, smooth=False)),
                    folder,
                ),
            )
            for number, values in zip(maps.channels, maps.values, strict=True)
        ]
        return Features(maps.name, maps.shape, sheet, channels)

    def _scaled(self, side: int) -> Image.Image:
        height, width = map_pictures.scaled((self._picture.height, self._picture.width), side)
        return self._picture.resize((width, height), Image.Resampling.LANCZOS)

    def _free(self, name: str, folder: str, suffix: str) -> str:
        """A file name in a folder of the picture, made from the name of a class or a layer, which may be anything."""
        return flat_name(name, self._taken.setdefault(folder, set()), suffix)

    def _write(self, name: str, image: Image.Image, folder: str = "") -> PictureFile:
        path = f"{self._name}/{folder}/{self._free(name, folder, '.png')}".replace("//", "/")
        (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_picture(image, self._folder / path)
        return PictureFile(path, *image.size)
