"""The picture of an evaluation: predictions beside groundtruth, on a few images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask

from odtk.report.drawing import draw_groundtruth, font_of, wrapped
from odtk.report.sheets import add_heading, in_rows

MIN_SCORE = 0.3
"""Of the predictions that are drawn."""
MAX_PREDICTIONS = 10
"""On one image, the surest: early in training more would hide it."""
MIN_IOU = 0.5
"""Of a prediction with an object of its class, to be right."""

_SIDE = 340  # pixels of an image
_BETWEEN, _CAPTION, _PAIRS_GAP = 4, 13, 18  # pixels
_PAIRS_IN_A_ROW = 2


@dataclass(frozen=True)
class EvaluatedImage:
    """An image of the evaluation records, its groundtruth, and what the detector found."""

    pixels: np.ndarray  # uint8 [height, width, 3], of the model's size, without padding
    size: tuple[int, int]  # height and width of the original image
    boxes: np.ndarray  # [n, 4] yxyx, normalized
    class_ids: np.ndarray  # [n], from 1
    ignored: np.ndarray  # bool [n]: crowds and difficult objects, which need not be found
    predicted_boxes: np.ndarray  # [m, 4]
    predicted_ids: np.ndarray  # [m], from 1
    scores: np.ndarray  # [m], falling


def draw_evaluation(pairs: Sequence[Image.Image], title: str) -> Image.Image:
    """One picture of those from `draw_pair`, under `title`. Needs at least one."""
    note = (
        f"Left: at most {MAX_PREDICTIONS} predictions, with scores of at least {MIN_SCORE:.0%}; dashed: wrong, as no "
        f"other object of that class is there (IoU of at least {MIN_IOU}). Right: groundtruth; dashed: missed, or "
        "ignored. The same images at every evaluation."
    )
    return add_heading(in_rows(pairs, _PAIRS_IN_A_ROW, _PAIRS_GAP), title, note)


def draw_pair(image: EvaluatedImage, name_of: Callable[[int], str]) -> Image.Image:
    """Predictions (left) and groundtruth (right) of one image, and below them how many are right.

    `name_of`: the name of a class by its id.
    """
    shown = np.flatnonzero(image.scores >= MIN_SCORE)[:MAX_PREDICTIONS]
    matches = match(image, shown)
    picture = _in_original_shape(image)
    names = [f"{name_of(int(image.predicted_ids[i]))} {image.scores[i]:.0%}" for i in shown]
    marks = ["" if truth is not None else "wrong" for truth in matches]
    left = draw_groundtruth(picture, list(image.predicted_boxes[shown]), list(image.predicted_ids[shown]), names, marks)
    found = set(matches)
    missed = ["ignored" if ignored else "" if i in found else "missed" for i, ignored in enumerate(image.ignored)]
    names = [name_of(int(class_id)) for class_id in image.class_ids]
    right = draw_groundtruth(picture, list(image.boxes), list(image.class_ids), names, missed)
    pair = Image.new("RGB", (2 * _SIDE + _BETWEEN, picture.height), "white")
    pair.paste(left, ((_SIDE - left.width) // 2, 0))
    pair.paste(right, (_SIDE + _BETWEEN + (_SIDE - right.width) // 2, 0))
    return _captioned(pair, _caption(image, name_of, missed, marks))


def match(image: EvaluatedImage, shown: Sequence[int] | np.ndarray) -> list[int | None]:
    """For each prediction in `shown` (numbers, surest first) the groundtruth box that it finds, None if it is wrong.

    A box is found once, by the surest prediction of its class with an IoU of at least MIN_IOU; ignored boxes any
    number of times, by what they contain.
    """
    overlaps = mask.iou(
        _xywh(image.predicted_boxes[shown]), _xywh(image.boxes), image.ignored.astype(np.uint8).tolist()
    )
    taken: set[int] = set()
    matches: list[int | None] = []
    for row, prediction in enumerate(shown):
        same = np.flatnonzero(image.class_ids == image.predicted_ids[prediction])
        free = [int(i) for i in same if i not in taken and overlaps[row][i] >= MIN_IOU]
        best = max(free, key=lambda i: (not image.ignored[i], overlaps[row][i]), default=None)
        if best is not None and not image.ignored[best]:
            taken.add(best)
        matches.append(best)
    return matches


def _xywh(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=1)


def _in_original_shape(image: EvaluatedImage) -> Image.Image:
    """The image in the original's aspect ratio, so large that lines and labels on it can be read."""
    height, width = image.size
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(image.pixels).resize(size, Image.Resampling.LANCZOS)


def _caption(image: EvaluatedImage, name_of: Callable[[int], str], missed: list[str], marks: list[str]) -> str:
    wanted, wrong = sum(mark != "ignored" for mark in missed), sum(map(bool, marks))
    found = wanted - missed.count("missed")
    text = f"{found} of {wanted} found, {wrong} wrong" if wanted else f"no objects, {wrong} wrong"
    if not marks and len(image.scores):
        text += f"; the surest prediction: {name_of(int(image.predicted_ids[0]))} {image.scores[0]:.0%}"
    return text


def _captioned(pair: Image.Image, text: str) -> Image.Image:
    lines = wrapped(text, font_of(_CAPTION), pair.width)
    line_height = _CAPTION + 3
    picture = Image.new("RGB", (pair.width, pair.height + 4 + line_height * len(lines)), "white")
    picture.paste(pair, (0, 0))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((0, pair.height + 2 + number * line_height), line, font=font_of(_CAPTION), fill=(60, 60, 60))
    return picture
