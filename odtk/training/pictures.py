"""How a run keeps pictures in its model dir."""

import io
import re
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from odtk import files, label_map
from odtk.report.batch_picture import BatchImage

_Drawn = TypeVar("_Drawn")


def save_png(model_dir: str, folder: str, name: str, image: Image.Image) -> None:
    """Writes MODEL_DIR/folder/name as a whole; OutputError or OSError if it cannot be written."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    files.write_bytes(files.join(files.join(model_dir, folder), name), buffer.getvalue())


def numbered(model_dir: str, folder: str, pattern: str) -> dict[int, str]:
    """Path of each file in MODEL_DIR/folder whose name is `pattern`, by the step in its place "{step}", rising."""
    place = files.join(model_dir, folder)
    expression = re.escape(pattern).replace(re.escape("{step}"), "([0-9]+)")
    matches = [re.fullmatch(expression, name) for name in files.names_in(place)]
    found = {int(match[1]): files.join(place, match[0]) for match in matches if match}
    return dict(sorted(found.items()))


class DrawingErrors:
    """Makes one warning of all errors while something is drawn: a picture is not worth a training.

    Errors while a picture is written are the run's own, so that is not done here.
    """

    def __init__(self, what: str, log: Callable[[str], None]):
        self._what, self._log, self._warned = what, log, False

    def attempt(self, draw: Callable[[], _Drawn]) -> _Drawn | None:
        """What `draw` returns, or None after an error."""
        try:
            return draw()
        except Exception as error:
            if not self._warned:
                self._warned = True
                reason = f"{type(error).__name__}: {error}"
                self._log(f"warning: {self._what} could not be drawn ({reason}). Training goes on without it.")
            return None


def class_namer(label_map_path: str) -> Callable[[int], str]:
    """The function that names a class by its id: as in the label map, if there is one and it has that class."""
    names = {item.id: item.shown for item in label_map.read(label_map_path).items} if label_map_path else {}
    return lambda class_id: names.get(class_id, f"class {class_id}")


def batch_images(batch: dict[str, np.ndarray]) -> list[BatchImage]:
    """The images of a batch as from FirstBatch.take, with the groundtruth that it has."""
    images = []
    for index, pixels in enumerate(batch["image"]):
        height, width = batch["true_image_shape"][index][:2]
        has_boxes = {"boxes", "classes", "num_boxes"} <= batch.keys()
        count = int(batch["num_boxes"][index]) if has_boxes else 0
        images.append(
            BatchImage(
                pixels=pixels,
                true_size=(int(height), int(width)),
                boxes=batch["boxes"][index][:count] if has_boxes else np.zeros((0, 4)),
                class_ids=(batch["classes"][index][:count] + 1).tolist() if has_boxes else [],
                weights=batch["weights"][index][:count].tolist() if "weights" in batch else None,
            )
        )
    return images
