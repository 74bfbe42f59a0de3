"""Reads the records of a batch once more, by their places."""

from collections.abc import Callable, Container, Sequence

import tensorflow as tf

from odtk import label_map
from odtk.inputs import dataset
from odtk.inputs.build import record_files
from odtk.inputs.decode import make_parser
from odtk.inputs.record_errors import walk_file
from odtk.pipeline.readers import max_number_of_boxes
from odtk.records.shards import Record


def read_batch(
    pipeline_config, places: Sequence[tuple[int, int]], resize: Callable, num_classes: int, entries: Container[str]
) -> tuple[dict, dict]:
    """(features, groundtruth) of the training records at `places` (numbers of file and record), without augmentation.

    See odtk.inputs.dataset for the form of a batch, and for `entries`. Raises errors of reading.
    """
    reader = pipeline_config.train_input_reader
    labels = label_map.read(reader.label_map_path) if reader.label_map_path else None
    data = _data(record_files(reader), places)
    numbers = tf.constant(list(places), tf.int64)
    records = tf.data.Dataset.from_tensor_slices(((tf.constant(data), numbers[:, 1]), numbers[:, 0]))
    examples = dataset.prepare(
        records.enumerate(),
        parse=make_parser(labels, num_classes),
        augment=lambda example, seed: example,
        resize=resize,
        max_number_of_boxes=max_number_of_boxes(reader, pipeline_config.train_config),
        seed=0,
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
