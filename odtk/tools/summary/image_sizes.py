"""The size of the images that a config trains on, and what the detector makes of it."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk.errors import OdtkError
from odtk.records import shards
from odtk.records.example import read_features

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector
    from odtk.protos import pipeline_pb2

DEFAULT_SIZE = (640, 480)
"""Width and height, where nothing else is known."""
_READ = 200  # records


@dataclass(frozen=True)
class Frame:
    """An image on its way into the network; sizes are (height, width) in pixels."""

    original: tuple[int, int]
    scaled: tuple[int, int]  # after resizing, without padding
    padded: tuple[int, int]


def typical_size(config: pipeline_pb2.TrainEvalPipelineConfig) -> tuple[int, int] | None:
    """The most frequent (width, height) among the first training records; None if there are none here."""
    patterns = config.train_input_reader.tf_record_input_reader.input_path
    sizes: Counter[tuple[int, int]] = Counter()
    try:
        for path in shards.expand_globs(pattern for pattern in patterns if "://" not in pattern):
            for data in itertools.islice(shards.read_records(path), _READ - sizes.total()):
                features = read_features(data)
                sizes[features["image/width"][0], features["image/height"][0]] += 1
    except (OSError, OdtkError, LookupError):
        pass  # it is for orientation only: what is wrong with records is said by the commands that use them
    return max(sizes, key=lambda size: sizes[size]) if sizes else None


def resized(detector: Detector, size: tuple[int, int]) -> Frame:
    """What the resizer makes of an image of this (width, height)."""
    import tensorflow as tf

    width, height = size
    image, shape = detector.resize(tf.zeros([height, width, 3]))
    return Frame((height, width), tuple(shape.numpy()[:2].tolist()), tuple(image.shape[:2]))
