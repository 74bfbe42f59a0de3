"""Builds the datasets for training and evaluation from a pipeline.config."""

import itertools
import sys
from collections.abc import Callable, Container, Sequence

import tensorflow as tf

from odtk import label_map
from odtk.errors import ConfigError
from odtk.files import is_remote
from odtk.inputs import dataset
from odtk.inputs.augmentations.build import build_augmentation
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.decode import make_decoder, make_parser
from odtk.inputs.epochs import Position, ReadingOrder, epochs_from, read_epoch, read_epochs, read_mix, sample_1_of_n
from odtk.inputs.graph_filter import GraphRecordFilter
from odtk.inputs.image_cache import ImageCache
from odtk.inputs.record_errors import first_fault
from odtk.inputs.record_filter import RecordFilter
from odtk.inputs.stages import without_autograph
from odtk.pipeline.readers import max_number_of_boxes
from odtk.records import shards

_FIRST = Position()


@without_autograph
def build_train_dataset(
    pipeline_config,
    resize: Callable,
    num_classes: int,
    batch_size: int | None = None,
    seed: int = 0,
    record_filter: RecordFilter | None = None,
    entries: Container[str] | None = None,
    bad_boxes: BadBoxes | None = None,
    input_context: tf.distribute.InputContext | None = None,
    start: Position = _FIRST,
    deterministic: bool = True,
    whole_batches: bool = False,
    image_cache: ImageCache | None = None,
) -> tf.data.Dataset:
    """Augmented batches, endless unless train_input_reader.num_epochs is set; see odtk.inputs.dataset for their form.

    `resize`: a detector's, image [h, w, 3] to (image, true_image_shape). `batch_size`: None for train_config's. The
    examples depend on `seed` alone, and from the position `start` on they are those of the dataset without it; if not
    `deterministic`, a fast one may overtake a slow one. Records that cannot be used end the sequence, or are collected
    by a `record_filter`; boxes that cannot be used are dropped, and collected by `bad_boxes`.
    `whole_batches`: a last one that is short is left out, so that the batch's shape is static. `image_cache` saves
    decoding; the batches are the same.
    `entries`: the entries of batches, such as TRAINING_FEATURES and a detector's groundtruth_fields; None for all. With
    an `input_context`, batches have a replica's part of the batch size, and this pipeline's part of the records, which
    together are the same in each step with any number of pipelines. Raises ConfigError for options that are not
    implemented and for a batch size that the replicas cannot divide, DataError for missing record files.
    """
    config, reader = pipeline_config.train_config, pipeline_config.train_input_reader
    augment = build_augmentation(config.data_augmentation_options)
    context = input_context or tf.distribute.InputContext()
    files = dataset.find_files(_input_paths(reader, "train_input_reader"))
    examples = dataset.prepare(
        build_training_records(reader, files, seed, record_filter, context, start),
        parse=_build_parser(reader, num_classes, _flat(files), bad_boxes, record_filter),
        augment=augment,
        resize=resize,
        max_number_of_boxes=max_number_of_boxes(reader, config),
        seed=seed,
        record_filter=record_filter,
        entries=entries,
        image_cache=image_cache,
    )
    options = {"drop_remainder": reader.drop_remainder or whole_batches, "deterministic": deterministic}
    field, batch_size = "train_config.batch_size", batch_size or config.batch_size
    return _batch(examples, field, _replica_batch_size(field, batch_size, context.num_replicas_in_sync), **options)


@without_autograph
def build_eval_dataset(
    pipeline_config,
    resize: Callable,
    num_classes: int,
    batch_size: int | None = None,
    reader_index: int = 0,
    record_filter: RecordFilter | None = None,
    bad_boxes: BadBoxes | None = None,
    max_images: int | None = None,
    part: dataset.Part = dataset.WHOLE,
) -> tf.data.Dataset:
    """Every example of an eval_input_reader once, in file order, without augmentation; the last batch may be short.

    `batch_size`: None for eval_config's. `max_images`: only a sample of so many, spread evenly over the records and the
    same each time. `part`: of the batches, as long as no record is bad; the others' records are not decoded. The
    reader's options for shuffling and num_epochs are ignored, as they do not change metrics. Raises like
    `build_train_dataset`.
    """
    if len(pipeline_config.eval_input_reader) <= reader_index:
        raise ConfigError(
            f"The config has no eval_input_reader[{reader_index}]; add one with label_map_path and "
            "tf_record_input_reader { input_path: ... }."
        )
    config, reader = pipeline_config.eval_config, pipeline_config.eval_input_reader[reader_index]
    batch_size = batch_size or config.batch_size
    files = _flat(dataset.find_files(_input_paths(reader, f"eval_input_reader[{reader_index}]")))
    open_file, numbers = _open_files(files, record_filter), tf.data.Dataset.range(len(files))
    if record_filter is not None:
        numbers = record_filter.until_exceeded(numbers)
    records = numbers.flat_map(open_file).enumerate()
    records = sample_1_of_n(records, reader.sample_1_of_n_examples)
    if max_images is not None:
        records = dataset.spread(records, max_images, _count_sampled(files, reader))
    records = part.of(records, batch_size)
    examples = dataset.prepare(
        records,
        parse=_build_parser(reader, num_classes, files, bad_boxes, record_filter),
        augment=lambda example, seed: example,
        resize=resize,
        max_number_of_boxes=max_number_of_boxes(reader),
        seed=0,
        record_filter=record_filter,
    )
    return _batch(examples, "eval_config.batch_size", batch_size, drop_remainder=False)


def count_images(reader, max_images: int | None = None) -> int | None:
    """How many images an InputReader gives, if all can be used; None if the files are in an object store."""
    files = record_files(reader)
    if any(map(is_remote, files)):
        return max_images
    return min(_count_sampled(files, reader), max_images or sys.maxsize)


def build_fault_finder(reader, num_classes: int, record_filter: RecordFilter | None = None) -> Callable:
    """For `odtk.inputs.record_errors.naming_the_record`: finds the first bad record of an InputReader's files.

    The dataset of a GraphRecordFilter only fails where there are too many: that error is found.
    """
    if isinstance(record_filter, GraphRecordFilter):
        return record_filter.find_fault

    def find_fault(error):
        return first_fault(record_files(reader), make_decoder(_labels(reader), num_classes))

    return find_fault


def record_files(reader) -> list[str]:
    """The files of an InputReader; its dataset numbers them in this order."""
    return _flat(dataset.find_files(_input_paths(reader, "tf_record_input_reader")))


@without_autograph
def build_training_records(
    reader,
    files: list[list[str]],
    seed: int,
    record_filter: RecordFilter | None,
    context: tf.distribute.InputContext,
    start: Position,
) -> tf.data.Dataset:
    """The records that `build_train_dataset` prepares, in their order: (number of the position, record).

    `files`: those of each path of the InputReader, see `dataset.find_files`; for a record see `dataset.open_files`.
    Raises ConfigError for weights of another number.
    """
    weights = list(reader.sample_from_datasets_weights)
    if weights and len(weights) != len(files):
        raise ConfigError(
            f"sample_from_datasets_weights has {len(weights)} values for {len(files)} input_path; give one for each."
        )
    open_file, order, first, reads = _open_files(_flat(files), record_filter), _reading_order(reader, seed), 0, []
    for group in files if weights else [_flat(files)]:
        numbers = range(first, first + len(group))
        if record_filter is not None:
            record_filter.require_records(numbers)
        first += len(group)
        reads.append(_epoch_reader(numbers, open_file, order, record_filter))
    epochs = epochs_from(0 if weights else start.epoch, reader.num_epochs or None)
    if record_filter is not None:
        epochs = record_filter.while_usable(epochs)
    records = read_mix(epochs, reads, weights, seed, start) if weights else read_epochs(epochs, reads[0], start)
    records = sample_1_of_n(records, reader.sample_1_of_n_examples)
    # By record, in the order in which one pipeline reads them: by file, those with few records would repeat theirs more
    # often, and no number could say where a resumed run goes on. It costs that each pipeline reads all files' bytes.
    records = records.shard(context.num_input_pipelines, context.input_pipeline_id)
    # In a thread of its own, so that no image waits to be prepared while an epoch's shuffle buffer is filled.
    return records.prefetch(tf.data.AUTOTUNE)


def _reading_order(reader, seed: int) -> ReadingOrder:
    return ReadingOrder(
        seed=seed,
        shuffle=reader.shuffle,
        shuffle_buffer_size=max(reader.shuffle_buffer_size, 1),
        filenames_shuffle_buffer_size=max(reader.filenames_shuffle_buffer_size, 1),
        num_readers=max(reader.num_readers, 1),
        read_block_length=max(reader.read_block_length, 1),
    )


def _epoch_reader(
    numbers: range, open_file: Callable, order: ReadingOrder, record_filter: RecordFilter | None
) -> Callable:
    limits = () if record_filter is None else (record_filter.until_exceeded,)
    return lambda epoch: read_epoch(numbers, open_file, order, epoch, *limits)


def _open_files(files: list[str], record_filter: RecordFilter | None) -> Callable:
    return dataset.open_files(files) if record_filter is None else record_filter.open_files(files)


def _count_sampled(files: Sequence[str], reader) -> int:
    """Number of the records that `sample_1_of_n` lets through."""
    local = [file for file in files if not is_remote(file)]
    count = shards.count_records(local) + dataset.count_records([file for file in files if is_remote(file)])
    return -(-count // max(reader.sample_1_of_n_examples, 1))


def _build_parser(
    reader, num_classes: int, files: Sequence[str], bad_boxes: BadBoxes | None, record_filter: RecordFilter | None
) -> Callable:
    if bad_boxes is not None:
        bad_boxes.files = files
    parse = make_parser(_labels(reader), num_classes, bad_boxes)
    if not isinstance(record_filter, GraphRecordFilter):
        return parse
    record_filter.name_bad_boxes = tf.function(parse, autograph=False)
    return make_parser(_labels(reader), num_classes)


def _labels(reader) -> label_map.LabelMap | None:
    return label_map.read(reader.label_map_path) if reader.label_map_path else None


def _flat(files: list[list[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(files))


def _input_paths(reader, name: str) -> list[str]:
    paths = list(reader.tf_record_input_reader.input_path)
    if not paths:
        raise ConfigError(f"{name}.tf_record_input_reader has no input_path; give the path or glob of record files.")
    return paths


def _replica_batch_size(field: str, batch_size: int, replicas: int) -> int:
    if batch_size % replicas:
        raise ConfigError(
            f"{field} is {batch_size}, which {replicas} devices cannot share evenly. Make it a multiple of {replicas}."
        )
    return batch_size // replicas


def _batch(examples: tf.data.Dataset, field: str, batch_size: int, **options) -> tf.data.Dataset:
    features, _ = examples.element_spec
    if batch_size > 1 and not features["image"].shape.is_fully_defined():
        raise ConfigError(
            f"{field} makes batches of {batch_size} images, but the model's image_resizer gives images of several "
            "sizes, which cannot share a batch. Set the batch size to 1, train in micro-batches of 1, use "
            "fixed_shape_resizer, or set keep_aspect_ratio_resizer.pad_to_max_dimension: true."
        )
    return dataset.batch(examples, batch_size, **options)
