"""A handful of the images of an evaluation, for pictures: spread over the records, the same each time."""

from collections.abc import Callable

import numpy as np

from odtk.report.prediction_picture import EvaluatedImage


class ImageSample:
    """Collects images while they are evaluated (see `on_batch` of run_evaluation), preferably with objects.

    Which ones depends on the records alone. Their number is not known before the end, so up to four times as many
    are kept until then, each as large as the model's input.
    """

    def __init__(self, num_wanted: int):
        self._num_wanted = num_wanted
        self._start()

    def _start(self) -> None:
        self._with_objects, self._without = _Spread(self._num_wanted), _Spread(self._num_wanted)

    def add(self, images, features: dict, groundtruth: dict, detections: dict) -> None:
        """A batch: `images` a tensor, the others of arrays, as of odtk.inputs.dataset and odtk.evaluation.step."""
        for index, count in enumerate(groundtruth["num_boxes"]):
            parts = [
                {name: values[index] for name, values in part.items()} for part in (features, groundtruth, detections)
            ]
            spread = self._with_objects if count else self._without
            spread.offer(lambda index=index, parts=parts: _evaluated(images[index].numpy(), *parts))

    def take(self) -> list[EvaluatedImage]:
        """The images, in the order of the records; the next evaluation starts from none."""
        chosen = self._with_objects.chosen()
        chosen += self._without.chosen()[: self._num_wanted - len(chosen)]
        self._start()
        return chosen


class _Spread:
    """About evenly spaced items of a sequence of unknown length."""

    def __init__(self, num_wanted: int):
        self._num_wanted, self._items, self._stride, self._count = num_wanted, [], 1, 0

    def offer(self, make: Callable) -> None:
        """The next item, which `make` makes if it is kept."""
        if self._count % self._stride == 0:
            self._items.append(make())
            if len(self._items) > 2 * self._num_wanted:
                # Every second one, from the first: what is kept stays evenly spaced.
                self._items, self._stride = self._items[::2], 2 * self._stride
        self._count += 1

    def chosen(self) -> list:
        last = len(self._items) - 1
        if last < self._num_wanted:
            return self._items
        return [self._items[round(number * last / (self._num_wanted - 1))] for number in range(self._num_wanted)]


def _evaluated(image: np.ndarray, features: dict, groundtruth: dict, detections: dict) -> EvaluatedImage:
    (height, width), original = features["true_image_shape"][:2], features["original_image_size"]
    boxes, found = int(groundtruth["num_boxes"]), int(detections["count"])
    # Groundtruth is relative to the padded image, detections to the true one.
    padding = np.array(image.shape[:2]) / (height, width)
    order = np.argsort(-detections["scores"][:found], kind="stable")
    ignored = [groundtruth[name][:boxes] for name in ("is_crowd", "difficult", "group_of")]
    return EvaluatedImage(
        pixels=np.clip(np.rint(image[:height, :width]), 0, 255).astype(np.uint8),
        size=(int(original[0]), int(original[1])),
        boxes=groundtruth["boxes"][:boxes] * np.tile(padding, 2),
        class_ids=groundtruth["classes"][:boxes] + 1,
        ignored=np.any(ignored, axis=0),
        predicted_boxes=detections["boxes"][order],
        predicted_ids=detections["classes"][order].astype(int) + 1,
        scores=detections["scores"][order],
    )
