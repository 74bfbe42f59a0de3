"""Reads the records of a batch once more, by their places."""

from collections.abc import Callable, Container, Sequence

import tensorflow as tf

from odtk import label_map
from odtk.inputs import dataset
from odtk.inputs.augmentations.build import build_augmentation
from odtk.inputs.build import record_files
from odtk.inputs.decode import make_parser
from odtk.inputs.record_errors import walk_file
from odtk.pipeline.readers import max_number_of_boxes
from odtk.records.shards import Record


def read_batch(
    pipeline_config,
    places: Sequence[tuple[int, int, int]],
    resize: Callable,
    num_classes: int,
    seed: int,
    entries: Container[str],
) -> tuple[dict, dict]:
    """The training batch (features, groundtruth) of the records at `places`: numbers of file and record, and position.

    It is augmented as in `build_train_dataset` with this seed. See odtk.inputs.dataset for the form of a batch, and for
    `entries`. Raises errors of reading.
    """
    files = record_files(pipeline_config.train_input_reader)
    data = _data(files, [(file, record) for file, record, _ in places])
    return batch_of(pipeline_config, data, places, resize, num_classes, seed, entries)


def batch_of(
    pipeline_config,
    data: Sequence[bytes],
    places: Sequence[tuple[int, int, int]],
    resize: Callable,
    num_classes: int,
    seed: int,
    entries: Container[str],
) -> tuple[dict, dict]:
    """As `read_batch`, of serialized Examples, one for each place, which need not be in the records."""
    reader = pipeline_config.train_input_reader
    labels = label_map.read(reader.label_map_path) if reader.label_map_path else None
    file, record, position = tf.unstack(tf.constant(list(places), tf.int64), axis=1)
    records = tf.data.Dataset.from_tensor_slices((position, ((tf.constant(list(data)), record), file)))
    examples = dataset.prepare(
        records,
        parse=make_parser(labels, num_classes),
        augment=build_augmentation(pipeline_config.train_config.data_augmentation_options),
        resize=resize,
        max_number_of_boxes=max_number_of_boxes(reader, pipeline_config.train_config),
        seed=seed,
        entries=entries,
    )
    return next(iter(dataset.batch(examples, len(places), drop_remainder=False)))


def _data(files: Sequence[str], places: Sequence[tuple[int, int]]) -> list[bytes]:
    found: dict[tuple[int, int], bytes] = {}
    for file in sorted({file for file, _ in places}):
        wanted = {record for number, record in places if number == file}
        for record, content in walk_file(files[file]):
            if record in wanted and isinstance(content, Record):
                found[file, record] = content.data
            if record >= max(wanted):
                break
    return [found[place] for place in places]
