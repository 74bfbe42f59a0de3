"""Collects the results of an evaluation while it runs, so that they can be analysed when the metrics are known."""

from collections.abc import Iterable, Sequence

import numpy as np

from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.record_pixels import RecordPixels
from odtk.evaluation.results import ImageResult, Results, image_result


class ResultsCollector:
    """Keeps the groundtruth and the detections of images: about 3 kB of one with 100 detections."""

    def __init__(self, categories: Iterable[dict], files: Sequence[str] = ()):
        """`categories`: see metrics_sets.build_categories. `files`: the record files, from which pixels are read;
        without them there are none.
        """
        self._names = {int(item["id"]): str(item["name"]) for item in categories}
        self._files = list(files)
        self._images: list[ImageResult] = []

    def add(self, features: dict, truth: dict, found: dict, flags: dict, evaluator: Evaluator) -> None:
        """An image of a batch: its features, boxes in pixels (as for Evaluator.add_image) and groundtruth's flags.

        What need not be found is what `evaluator` ignores.
        """
        ignored = flags[evaluator.ignored_flag].astype(bool)
        self._images.append(
            image_result(
                features["source_id"].decode("utf-8", "replace"),
                features["original_image_size"],
                truth["boxes"],
                truth["classes"],
                found["boxes"],
                found["classes"],
                found["scores"],
                areas=flags["area"],
                ignored=ignored,
                crowds=ignored if evaluator.ignores_many else None,
                place=self._place(features["place"]) if self._files else None,
            )
        )

    def results(self) -> Results:
        """Of all images so far."""
        places = [image.place for image in self._images if image.place is not None]
        return Results(self._images, self._names, RecordPixels(places).read if self._files else None)

    def _place(self, place: np.ndarray) -> tuple[str, int]:
        return self._files[int(place[0])], int(place[1])
