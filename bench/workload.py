"""What odtk and TFOD are both given to do, and how often: the same numbers, and one way to time them.

Both Pythons run this, so it knows neither odtk nor TensorFlow.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from bench.timing import ratio, take_turns

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
from synthetic_weights import synthetic_groundtruth, synthetic_image  # noqa: E402

# The goldens' 320x320 network of 37 classes; its weights are their formula, so that the scores are spread.
CONFIG = GOLDEN / "ssd_resnet50_320.config"
SIDE = 320

LATENCY_ROUNDS, TRAINING_ROUNDS = 40, 11
TRAINING_BATCH = 4
MAX_BOXES = 100  # a training batch's groundtruth is padded to this, as the input pipeline does it
INPUT_SIDES = (640, 320)
INPUT_ROUNDS, INPUT_BATCHES, INPUT_BATCH = 5, 50, 8


def image() -> np.ndarray:
    """The picture that is looked at, uint8 [1, SIDE, SIDE, 3]."""
    return synthetic_image(1, SIDE, SIDE)[None]


def training_batch(num_classes: int) -> dict[str, np.ndarray]:
    """images float32 [B, SIDE, SIDE, 3] in 0..255; boxes, classes (0-based) and weights, padded; num_boxes [B]."""
    drawn = [synthetic_groundtruth(seed, 1 + seed, num_classes) for seed in range(TRAINING_BATCH)]
    counts = np.array([len(boxes) for boxes, _ in drawn], np.int32)
    images = [synthetic_image(seed, SIDE, SIDE) for seed in range(TRAINING_BATCH)]
    return {
        "images": np.stack(images).astype(np.float32),
        "boxes": np.stack([np.pad(boxes, [(0, MAX_BOXES - len(boxes)), (0, 0)]) for boxes, _ in drawn]),
        "classes": np.stack([np.pad(classes, (0, MAX_BOXES - len(classes))) for _, classes in drawn]),
        "weights": (np.arange(MAX_BOXES) < counts[:, None]).astype(np.float32),
        "num_boxes": counts,
    }


def time_latency(whole: Callable, network: Callable) -> dict[str, float]:
    """Seconds of the exported model and of its network alone, and the ratio of the two."""
    times = take_turns({"whole": whole, "network": network}, LATENCY_ROUNDS)
    return {
        "seconds": times["whole"].seconds,
        "network_seconds": times["network"].seconds,
        **ratio(times["whole"], times["network"]),
    }


def time_training(step: Callable, network: Callable, **others: Callable) -> dict[str, float]:
    """Seconds of the step, of the network's two passes and of the others, and the step's ratios to them."""
    times = take_turns({"step": step, "network": network, **others}, TRAINING_ROUNDS)
    measured = {"seconds": times["step"].seconds, "network_seconds": times["network"].seconds}
    for name in others:
        measured[f"{name}_seconds"] = times[name].seconds
        measured[f"{name}_ratio"] = ratio(times["step"], times[name])["ratio"]
    return {**measured, **ratio(times["step"], times["network"])}


def time_input(whole: Iterable, decoding: Iterable) -> dict[str, float]:
    """Images/s of endless batches as training takes them and of decoding alone, and the ratio of the seconds."""
    streams = {"whole": iter(whole), "decoding": iter(decoding)}
    times = take_turns({name: lambda stream=stream: _take(stream) for name, stream in streams.items()}, INPUT_ROUNDS)
    images = INPUT_BATCH * INPUT_BATCHES
    return {
        "images_per_second": images / times["whole"].seconds,
        "decoding_images_per_second": images / times["decoding"].seconds,
        "cpu_milliseconds_per_image": 1000 * times["whole"].cpu_seconds / images,
        **ratio(times["whole"], times["decoding"]),
    }


def _take(stream) -> None:
    for _ in range(INPUT_BATCHES):
        next(stream)
