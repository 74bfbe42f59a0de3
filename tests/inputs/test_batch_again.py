"""A training batch is read again by the places of its records: the same pixels and boxes, augmentation included."""

import fake_detector
import inspected_records
import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from odtk.inputs.batch_again import read_batch
from odtk.inputs.build import build_train_dataset
from odtk.protos import pipeline_pb2

AUGMENTED = """train_config {
  data_augmentation_options { random_horizontal_flip { } }
  data_augmentation_options { random_crop_image { } }
"""


def test_a_batch_of_the_second_epoch_is_read_again_as_it_was(tmp_path):
    records = inspected_records.write(tmp_path / "records")
    text = fake_detector.CONFIG.replace("{records}", str(records)).replace("train_config {", AUGMENTED)
    config = text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())
    detector = fake_detector.FAMILY.build(config.model)
    entries = ("image", "true_image_shape", "place", "position", *detector.groundtruth_fields)
    options = {"seed": 3, "entries": entries}
    batches = list(build_train_dataset(config, detector.resize, 2, batch_size=5, **options).take(4))
    for features, groundtruth in batches:
        places = tf.concat([features["place"], features["position"][:, None]], axis=1).numpy().tolist()
        again = read_batch(config, places, detector.resize, 2, **options)
        for part, expected in zip(again, (features, groundtruth), strict=True):
            assert part.keys() == expected.keys()
            for name in part:
                np.testing.assert_array_equal(part[name], expected[name], err_msg=name)
