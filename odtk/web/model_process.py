"""A model in a process of its own, which answers pictures as they come: `python -m odtk.web.model_process runs/pets`.

Standard input has pictures (JPEG, PNG ...), each after its length in four bytes, the highest first. Standard output has
a line of JSON first, with the names of the classes, then one for each picture, in the same order:

    {"description": "...", "names": {"1": "cat"}}
    {"width": 640, "height": 480, "milliseconds": 31.2,
     "boxes": [[ymin, xmin, ymax, xmax]], "classes": [1], "scores": [0.97]}

Boxes are parts of the upright picture. All with a score of at least 0.05 are in it, the best first, at most 300. A
picture that cannot be answered has a line {"error": "..."}; a model that cannot be opened, too, and then it ends. It
also ends with its input.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from odtk.errors import DataError, OdtkError

if TYPE_CHECKING:
    import numpy as np

    from odtk.exporting.model import Model

LENGTH = struct.Struct(">I")
MIN_SCORE, MAX_BOXES = 0.05, 300
MAX_BYTES = 30_000_000
"""Of an encoded picture."""
MAX_PIXELS = 100_000_000
"""Of a picture: decoded it needs four times as many bytes, or more."""


def answer_pictures(open_model: Callable[[], Model], pictures: BinaryIO, answers: BinaryIO) -> None:
    """Opens a model and answers pictures until there are no more."""
    try:
        model = open_model()
    except OdtkError as error:
        _write(answers, {"error": str(error)})
        return
    _write(answers, {"description": model.description, "names": model.names})
    for encoded in _frames(pictures):
        try:
            _write(answers, answer(model, encoded))
        except OdtkError as error:
            _write(answers, {"error": str(error)})


def answer(model: Model, encoded: bytes) -> dict[str, Any]:
    """What a model finds in an encoded picture, and how long it took to decode it and to find it."""
    import numpy as np

    began = time.perf_counter()
    image = _decoded(encoded)
    found = model.detect(image).best(min_score=MIN_SCORE, max_boxes=MAX_BOXES)
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "boxes": np.asarray(found.boxes, float).round(5).tolist(),
        "classes": found.classes.tolist(),
        "scores": np.asarray(found.scores, float).round(5).tolist(),
        "milliseconds": round((time.perf_counter() - began) * 1000, 1),
    }


def _decoded(encoded: bytes) -> np.ndarray:
    import numpy as np
    from PIL import Image

    from odtk.report.picture_files import decode_picture

    try:
        with Image.open(io.BytesIO(encoded)) as image:  # reads no pixels yet
            width, height = image.size
    except Exception as error:  # whatever Pillow raises for bytes that are no picture
        raise DataError("This is no picture that can be read. Use JPEG, PNG or WebP.") from error
    if width * height > MAX_PIXELS:
        raise DataError(f"A picture of {width} x {height} pixels is too large; at most {MAX_PIXELS:,} pixels are read.")
    return np.asarray(decode_picture(encoded, "The picture"))


def _frames(pictures: BinaryIO) -> Iterator[bytes]:
    while len(head := pictures.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        encoded = pictures.read(length)
        if len(encoded) < length:
            return
        yield encoded


def _write(answers: BinaryIO, document: dict[str, Any]) -> None:
    answers.write(json.dumps(document).encode() + b"\n")
    answers.flush()


def main(path: str) -> None:
    """Serves the model that `odtk.load` finds at a path."""
    # Libraries print to standard output, too: what they say goes to standard error instead.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def open_model() -> Model:
        from odtk.exporting.open_model import load

        return load(path)

    answer_pictures(open_model, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main(sys.argv[1])
