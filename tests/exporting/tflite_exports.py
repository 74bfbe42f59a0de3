"""What tests of TFLite files share: a source of a detector, and whether two models find the same."""

import numpy as np
import tensorflow as tf

from odtk import pipeline
from odtk.detections import Detections
from odtk.exporting.formats import ExportOptions, Source
from odtk.exporting.model import naming
from odtk.exporting.trained_model import TrainedModel
from odtk.records import shards

NAMES = {1: "Mops", 2: "Kater", 3: "Wellensittich"}


def source_of(detector, config, **options) -> Source:
    """The detector under three names, as `odtk export` hands it on."""
    label_map = "".join(f"item {{ id: {number} name: '{name}' }}\n" for number, name in NAMES.items()).encode()
    return Source(detector, config, "model/ckpt-7", 7, label_map, NAMES, ExportOptions(**options), detector)


def trained(detector, config) -> TrainedModel:
    return TrainedModel(detector, config, "model/ckpt-7", 7, naming(None))


def assert_same(exact: Detections, found: Detections, boxes: float = 1e-3, scores: float = 1e-3, least: int = 1):
    """Each finds what the other finds, at least `least`; what is left out at the end of one need not be the other's."""
    assert min(len(exact), len(found)) >= least
    floor = max(exact.scores.min(), found.scores.min()) + scores
    for one, other in ((exact, found), (found, exact)):
        for box, kind, score in zip(one.boxes, one.classes, one.scores, strict=True):
            near = np.abs(other.scores - score) <= scores
            same = near & (other.classes == kind) & (np.abs(other.boxes - box).max(axis=1) <= boxes)
            assert same.any() or score <= floor, (box, kind, score)


def calibrated_by(config, pictures, path):
    """The config, with training records of these pictures, which are written to `path`."""
    features = []
    for picture in pictures:
        encoded = tf.train.BytesList(value=[tf.io.encode_png(picture).numpy()])
        features.append(tf.train.Features(feature={"image/encoded": tf.train.Feature(bytes_list=encoded)}))
    shards.write_records(path, [tf.train.Example(features=each).SerializeToString() for each in features])
    config = pipeline.parse(pipeline.format(config), "")
    config.train_input_reader.Clear()
    config.train_input_reader.tf_record_input_reader.input_path.append(str(path))
    return config
