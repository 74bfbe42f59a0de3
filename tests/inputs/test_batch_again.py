"""A training batch is read again by the places of its records: the same pixels and boxes, augmentation included."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image
from test_datasets import a_config, a_resize, an_example, write

from odtk.detectors.detector import BOX_FIELDS
from odtk.inputs.batch_again import read_batch
from odtk.inputs.build import build_train_dataset
from odtk.inputs.dataset import TRAINING_FEATURES

AUGMENTED = (
    "data_augmentation_options { random_horizontal_flip { } } data_augmentation_options { random_crop_image { } }"
)


def noise(seed):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (10, 20, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_batches_of_two_epochs_are_read_again_as_they_were(tmp_path):
    for file in range(2):
        records = [
            an_example([(0.1, 0.2, 0.6, 0.5)], label=[1], image__encoded=[noise(10 * file + number)])
            for number in range(4)
        ]
        write(tmp_path / f"{file}.record", records)
    config, resize = a_config(tmp_path, train=AUGMENTED), a_resize()
    options = {"seed": 3, "entries": (*TRAINING_FEATURES, *BOX_FIELDS)}
    seen = []
    for features, groundtruth in build_train_dataset(config, resize, 3, batch_size=4, **options).take(4):
        places = tf.concat([features["place"], features["position"][:, None]], axis=1).numpy().tolist()
        again = read_batch(config, places, resize, 3, **options)
        for part, expected in zip(again, (features, groundtruth), strict=True):
            assert part.keys() == expected.keys()
            for name in part:
                np.testing.assert_array_equal(part[name], expected[name], err_msg=name)
        seen += [image.tobytes() for image in features["image"].numpy()]
    assert len(set(seen)) == 16, "each of the eight images was augmented in two ways"
