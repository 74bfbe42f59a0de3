"""The common workload of odtk and TFOD, with the same inputs and the same number of turns.

Both Pythons run this module, so it imports neither odtk nor TensorFlow.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from bench.turns import Work

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
from synthetic_weights import synthetic_groundtruth, synthetic_image  # noqa: E402

# The goldens' 320x320 network of 37 classes, with weights from their formula, so that scores are spread.
CONFIG = GOLDEN / "ssd_resnet50_320.config"
SIDE = 320

# A shipped pipeline of each family, whose model is measured at the size it has there.
PIPELINES = (
    "ssd_mobilenet_v2_fpnlite_320x320_pets",
    "ssd_efficientdet_d0_512x512_pets",
    "ssd_mobilenet_v2_320x320_pets",
    "faster_rcnn_resnet50_v1_640x640_pets",
    "centernet_resnet50_v1_fpn_512x512_pets",
)

LATENCY_ROUNDS, TRAINING_ROUNDS, INPUT_ROUNDS, WATCHED_ROUNDS = 31, 31, 9, 5
FAMILY_ROUNDS = 9
STEPS_PER_TURN = 10  # of whole trainings, as many as from one log to the next
TRAINING_BATCH = 4
DRAWN = 8
MAX_BOXES = 100  # a training batch's groundtruth is padded to this, as in the input pipeline
INPUT_SIDES = (640, 320)
INPUT_BATCHES, SKIPPED_BATCHES, INPUT_BATCH = 40, 30, 8
IMAGES_PER_TURN = INPUT_BATCHES * INPUT_BATCH


def image() -> np.ndarray:
    """The input image, uint8 [1, SIDE, SIDE, 3]."""
    return synthetic_image(1, SIDE, SIDE)[None]


def training_batch(num_classes: int, side: int = SIDE, batch_size: int = TRAINING_BATCH) -> dict[str, np.ndarray]:
    """images float32 [B, side, side, 3] in 0..255; boxes, classes (0-based) and weights, padded; num_boxes [B].

    Only the first DRAWN images are different: drawing takes long.
    """
    seeds = [image % DRAWN for image in range(batch_size)]
    drawn = [synthetic_groundtruth(seed, 1 + seed, num_classes) for seed in seeds]
    counts = np.array([len(boxes) for boxes, _ in drawn], np.int32)
    images = [synthetic_image(seed, side, side) for seed in sorted(set(seeds))]
    return {
        "images": np.stack([images[seed] for seed in seeds]).astype(np.float32),
        "boxes": np.stack([np.pad(boxes, [(0, MAX_BOXES - len(boxes)), (0, 0)]) for boxes, _ in drawn]),
        "classes": np.stack([np.pad(classes, (0, MAX_BOXES - len(classes))) for _, classes in drawn]),
        "weights": (np.arange(MAX_BOXES) < counts[:, None]).astype(np.float32),
        "num_boxes": counts,
    }


def network_of(name: str) -> str:
    """The name of the work that is only the network of one of PIPELINES."""
    return f"{name}, network"


def calls(function: Callable[[], object]) -> Work:
    """A turn of one call."""
    return lambda: function


def batches(dataset: Iterable) -> Work:
    """A turn of INPUT_BATCHES batches, from a stream that is newly opened and warmed up.

    A stream that waited for its next turn would start it with full buffers, and fill them during another's turn.
    """

    def start() -> Callable[[], None]:
        stream = iter(dataset)
        _take(stream, SKIPPED_BATCHES)
        return lambda: _take(stream, INPUT_BATCHES)

    return start


def _take(stream: Iterator, count: int) -> None:
    for _ in range(count):
        next(stream)
