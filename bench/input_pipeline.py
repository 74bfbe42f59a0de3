"""Images per second of the training input, compared with only reading and decoding the same JPEGs.

Run as `python -m bench.input_pipeline RECORDS` (a folder of make-tfrecords), a worker of bench/turns.py. The shipped
config's augmentations are on: flip and crop. TFOD's counterpart is in bench/tfod_speed.py. All again with
the decoded images in memory (`odtk train --cache memory`).
"""

import sys
from pathlib import Path

import tensorflow as tf

from bench import workload
from bench.data import config_320
from bench.turns import Work, serve
from odtk import images
from odtk.detectors.detector import BOX_FIELDS
from odtk.detectors.parts.resizer import build_resizer
from odtk.devices import keep_freed_memory
from odtk.inputs import dataset
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_train_dataset
from odtk.inputs.image_cache import ImageCache
from odtk.tools.train.cached_images import keep
from odtk.tools.train.options import MEMORY


def works(records: Path) -> dict[str, Work]:
    """Batches as in training, 640x640 and 320x320, the same with kept images, and only decoding."""
    keep_freed_memory()  # as in `odtk train`
    found = {}
    config = config_320(records)
    cache = ImageCache()
    cache.images = keep(MEMORY, config.train_input_reader, log=lambda line: None)
    for side in workload.INPUT_SIDES:
        resizer = config.model.ssd.image_resizer.fixed_shape_resizer
        resizer.height = resizer.width = side
        resize = build_resizer(config.model.ssd.image_resizer)
        # As in `odtk train`, bad records and boxes are tolerated.
        options = {"batch_size": workload.INPUT_BATCH, "entries": (*dataset.TRAINING_FEATURES, *BOX_FIELDS)}
        for name, image_cache in ((f"{side}", None), (f"{side} cached", cache)):
            watching = {"record_filter": BadRecordFilter(100), "bad_boxes": BadBoxes(), "image_cache": image_cache}
            found[name] = workload.batches(build_train_dataset(config, resize, 37, **options, **watching))
    return found | {"decoding": workload.batches(_decoding_alone(config))}


def _decoding_alone(config) -> tf.data.Dataset:
    """Batches of image shapes: bytes are read, parsed and decoded, nothing else."""
    files = [name for group in dataset.find_files(_patterns(config)) for name in group]
    feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}

    def decode(serialized):
        return tf.shape(images.decode(tf.io.parse_single_example(serialized, feature)["image/encoded"]))

    records = tf.data.TFRecordDataset(files).repeat()
    return (
        records.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(workload.INPUT_BATCH).prefetch(tf.data.AUTOTUNE)
    )


def _patterns(config) -> list[str]:
    return list(config.train_input_reader.tf_record_input_reader.input_path)


if __name__ == "__main__":
    serve(lambda: works(Path(sys.argv[1])))
