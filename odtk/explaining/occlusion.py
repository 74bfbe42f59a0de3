"""Where a detection comes from, for any detector: which parts of the picture it is lost without. No TensorFlow.

D-RISE: Petsiuk et al., "Black-box Explanation of Object Detectors via Saliency Maps", 2021, with the masks of RISE
(Petsiuk et al. 2018).
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from odtk.detections import Detections
from odtk.explaining.heat_map import HeatMap
from odtk.progress import track

SOURCE = "occlusion"
"""What the maps say that they are computed from."""
CELLS = 8
"""Of a mask along each side; each is kept with a probability of KEEP."""
KEEP = 0.5
LARGEST = 1024
"""Pixels of the longer side; larger pictures are scaled down first, as each mask has the picture's size."""

Detect = Callable[[Sequence[np.ndarray]], list[Detections]]
"""Pictures, uint8 [height, width, 3], to what is found in each."""


def occlusion_maps(
    detect: Detect, pixels: np.ndarray, targets: Detections, num_masks: int, seed: int = 0, batch_size: int = 8
) -> list[HeatMap]:
    """A heat map of each of `targets`, by what `detect` finds in `num_masks` copies of the picture with hidden parts.

    A copy counts for a target as much as the most similar of its detections (`similarity`). The map is the covariance
    of that number with what of each place can be seen: the paper's weighted sum of masks, which differs from it by a
    constant in expectation, has more noise. Hidden parts have the picture's mean color. The same `seed` hides the same.
    """
    pixels = _at_most(pixels, LARGEST)
    size = pixels.shape[:2]
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    weighted, plain = np.zeros((len(targets), *size)), np.zeros(size)
    total = np.zeros(len(targets))
    with track("Occluding", num_masks, "masks") as bar:
        for masks in _batches(random_masks(num_masks, size, seed), batch_size):
            copies = [
                np.rint(pixels * mask[..., None] + mean * (1 - mask[..., None])).astype(np.uint8) for mask in masks
            ]
            for mask, found in zip(masks, detect(copies), strict=True):
                seen = similarity(targets, found)
                weighted += seen[:, None, None] * mask
                plain += mask
                total += seen
            bar.advance(len(masks))
    covariance = (weighted - (total / num_masks)[:, None, None] * plain) / num_masks
    return [HeatMap(np.maximum(each, 0).astype(np.float32), SOURCE) for each in covariance]


def similarity(targets: Detections, found: Detections) -> np.ndarray:
    """How much of each target is found again, float64 [targets], in 0 to 1: of its best detection in `found`.

    IoU of the boxes, times the cosine of the class scores, times the score, which stands for the paper's objectness.
    Where the scores of all classes are not known, the cosine is 1 for the same class and 0 for another.
    """
    if not len(found):
        return np.zeros(len(targets))
    overlaps = coco.iou(_xywh(targets.boxes), _xywh(found.boxes), [0] * len(found))
    return (overlaps * _cosines(targets, found) * found.scores).max(axis=1)


def random_masks(count: int, size: tuple[int, int], seed: int) -> Iterator[np.ndarray]:
    """Masks float32 [height, width], 1 where a picture can be seen: random cells, shifted, with soft edges."""
    random = np.random.default_rng(seed)
    cell = [-(-side // CELLS) for side in size]
    large = (CELLS + 1) * cell[1], (CELLS + 1) * cell[0]
    for _ in range(count):
        cells = Image.fromarray((random.random((CELLS + 1, CELLS + 1)) < KEEP).astype(np.float32))
        mask = np.asarray(cells.resize(large, Image.Resampling.BILINEAR))
        top, left = (int(random.integers(side)) for side in cell)
        yield mask[top : top + size[0], left : left + size[1]]


def _at_most(pixels: np.ndarray, side: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _batches(masks: Iterator[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for mask in masks:
        batch.append(mask)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _xywh(boxes: np.ndarray) -> np.ndarray:
    boxes = boxes.astype(np.float64)
    return np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=1)


def _cosines(targets: Detections, found: Detections) -> np.ndarray:
    a, b = targets.class_scores, found.class_scores
    if a is None or b is None:
        return (targets.classes[:, None] == found.classes[None]).astype(np.float64)
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    return (a @ b.T) / np.maximum(norms, 1e-12)
