"""Detects objects in images with an exported detector, draws them, and writes detections.json."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from odtk import detections
from odtk.detections import DetectedImage
from odtk.errors import DataError
from odtk.exporting import runtime
from odtk.exporting.model import naming
from odtk.progress import track
from odtk.report.drawing import draw_detections
from odtk.report.picture_files import count_frames, find_pictures, picture_folder, read_picture, write_picture
from odtk.tools.arguments import require_fraction, require_whole

DETECTIONS_FILE = "detections.json"


@dataclass(frozen=True)
class Prediction:
    """One image: its source, the file with the drawn boxes, and the detections."""

    source: Path
    picture: Path
    image: DetectedImage


@dataclass(frozen=True)
class PredictReport:
    """All images in the order they were read, and those that could not be read, with the reason."""

    predictions: list[Prediction]
    skipped: list[tuple[Path, str]]
    detections_path: Path
    label_map_path: Path | str | None
    name_of: Callable[[int], str]  # 1-based class to its name
    seconds: float  # without loading the model
    best_score: float | None  # of all boxes, including those below min_score; None if there are none
    animated: list[tuple[Path, int]] = field(default_factory=list)  # only the first frame is used; number of frames

    @property
    def num_boxes(self) -> int:
        """The number of boxes in all pictures."""
        return sum(len(prediction.image.detections) for prediction in self.predictions)


def predict(
    exported_dir: str | os.PathLike,
    images: str | os.PathLike | Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    min_score: float = 0.5,
    max_boxes: int | None = None,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    overwrite: bool = False,
) -> PredictReport:
    """Detects objects in all `images` (files and folders, or one) and writes annotated images and detections.json.

    The folder `output` is written atomically; `overwrite` replaces that of an earlier run, and nothing else. Keeps
    boxes with at least `min_score`, at most the best `max_boxes` per picture. Names come from `label_map` (a file, or a
    shipped map's name), else from the exported folder's label_map.pbtxt, else classes are named by number. `devices` is
    what the model runs on, see `odtk.load`. A picture that cannot be read is skipped and reported; raises DataError if
    none can be read.
    """
    require_fraction(min_score=min_score)
    require_whole(1, max_boxes=max_boxes)
    output_dir = Path(output)
    images = [images] if isinstance(images, (str, os.PathLike)) else images
    runtime.find_saved_model(exported_dir)  # fails before the seconds that TensorFlow takes to import
    map_path = runtime.find_label_map(exported_dir, label_map)
    name_of = naming(map_path)
    names = find_pictures(images, not_in=output_dir)
    image_ids = _image_ids(list(names))
    with picture_folder(output_dir, names, overwrite) as folder:
        detector = runtime.load(exported_dir, label_map=map_path, devices=devices)
        start = time.monotonic()
        predictions, skipped, animated, best_scores = [], [], [], []
        with track("Predicting", total=len(names), unit="images", compiles=True) as progress:
            for (source, name), image_id in zip(names.items(), image_ids, strict=True):
                try:
                    picture = read_picture(source)
                    everything = detector.detect(np.asarray(picture))
                except DataError as error:
                    skipped.append((source, str(error)))
                    progress.advance(note=f"{len(skipped)} skipped")
                    continue
                if (frames := count_frames(source)) > 1:
                    animated.append((source, frames))
                found = everything.best(min_score, max_boxes)
                best_scores += everything.best(max_boxes=1).scores.tolist()
                write_picture(draw_detections(picture, found, name_of), folder / name)
                image = DetectedImage(image_id, name, picture.width, picture.height, found)
                predictions.append(Prediction(source, output_dir / name, image))
                progress.advance()
        if not predictions:
            raise DataError(f"None of the {len(names)} images could be read. The first: {skipped[0][1]}")
        results = detections.to_coco_results((prediction.image for prediction in predictions), name_of)
        detections.write(results, folder / DETECTIONS_FILE)
    seconds, best_score, path = time.monotonic() - start, max(best_scores, default=None), output_dir / DETECTIONS_FILE
    return PredictReport(predictions, skipped, path, map_path, name_of, seconds, best_score, animated)


def _image_ids(sources: list[Path]) -> list[int]:
    # COCO's own files are named by their image id; ids of other files count from 1.
    stems = [path.stem for path in sources]
    if all(stem.isascii() and stem.isdigit() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(1, len(sources) + 1))
