"""The order of training's records: epochs are permutations, and a resumed run reads on where the last one stopped."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk.annotations.annotated_image import AnnotatedImage
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_train_dataset, build_training_records
from odtk.inputs.dataset import find_files
from odtk.inputs.epochs import NOTHING_READ, Position
from odtk.protos import pipeline_pb2
from odtk.records import example, shards

SIZES = (7, 4, 1, 6)  # records of each file
NUM_RECORDS = sum(SIZES)
BAD = 9  # the number of the record without an image
FIRST, ALONE = Position(), tf.distribute.InputContext()


def a_record(number: int) -> bytes:
    """Its picture is a horizontal gradient, so that a flip shows."""
    pixels = np.full((2, 4, 3), 8 * number, np.uint8) + np.arange(4, dtype=np.uint8)[:, None]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return example.encode(AnnotatedImage(buffer.getvalue(), f"{number}", 2, 4, ()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder, number = tmp_path_factory.mktemp("order"), 0
    for file, size in enumerate(SIZES):
        shards.write_records(folder / f"{file}.record", map(a_record, range(number, number + size)))
        number += size
    return folder


def a_config(folder, reader, patterns):
    paths = " ".join(f'input_path: "{folder / pattern}"' for pattern in patterns)
    text = f"""train_config {{ batch_size: 1 data_augmentation_options {{ random_horizontal_flip {{}} }} }}
        train_input_reader {{ {reader} tf_record_input_reader {{ {paths} }} }}"""
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def read(folder, reader="", patterns=("*",), count=None, **options):
    """(position, image's name, pixels) of the first `count` examples, or of all."""
    config = a_config(folder, reader, patterns)
    resize = lambda image: (tf.ensure_shape(tf.cast(image, tf.float32), [2, 4, 3]), tf.constant([2, 4, 3]))  # noqa: E731
    dataset = build_train_dataset(config, resize, 1, seed=options.pop("seed", 3), **options)
    return [
        (int(features["position"][0]), int(features["source_id"][0]), features["image"][0, 0, :, 0].tolist())
        for features, _ in dataset.take(-1 if count is None else count).as_numpy_iterator()
    ]


def read_order(folder, reader="", patterns=("*",), count=None, seed=3, start=FIRST, context=ALONE):
    """`read` without the pixels: of the records before they are prepared, in a third of the time."""
    config = a_config(folder, reader, patterns).train_input_reader
    files = find_files(config.tf_record_input_reader.input_path)
    records = build_training_records(config, files, seed, None, context, start)
    return [
        (int(position), int(example.read_features(serialized)["image/source_id"][0]))
        for position, ((serialized, _), _) in records.take(-1 if count is None else count).as_numpy_iterator()
    ]


def order(examples):
    return [(position, name) for position, name, _ in examples]


READERS = {
    "shuffled": "",
    "in small buffers": "shuffle_buffer_size: 3 filenames_shuffle_buffer_size: 2 num_readers: 2 read_block_length: 2",
    "in order": "shuffle: false num_readers: 3 read_block_length: 4",
    "one of three": "num_readers: 1 sample_1_of_n_examples: 3",
    "a mix": "shuffle_buffer_size: 3 sample_from_datasets_weights: 0.8 sample_from_datasets_weights: 0.2",
    "one of two of a mix": "sample_1_of_n_examples: 2 sample_from_datasets_weights: 0.5 "
    "sample_from_datasets_weights: 0.5",
}  # fmt: skip


SLOW = ("in order", "one of three")  # orders that the others have as parts
CASES = [pytest.param(READERS[name], id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name in READERS]


@pytest.mark.parametrize("reader", CASES)
def test_a_resumed_run_reads_the_tail_of_the_uninterrupted_one(folder, reader):
    """The same images, augmented alike, from within an epoch, from its end, and from a later one."""
    patterns = ("[01].record", "[23].record") if "weights" in reader else ("*",)
    whole = read(folder, f"{reader} num_epochs: 3", patterns)
    assert len({position for position, *_ in whole}) == len(whole), "each example has a position of its own"
    for stop in (1, len(whole) // 3 - 1, len(whole) // 2, len(whole) - 1, len(whole)):
        start = Position.after(whole[stop - 1][0])
        assert read_order(folder, f"{reader} num_epochs: 3", patterns, start=start) == order(whole[stop:]), stop
    stop = len(whole) // 2
    assert read(folder, f"{reader} num_epochs: 3", patterns, start=Position.after(whole[stop - 1][0])) == whole[stop:]


@pytest.mark.parametrize("reader", ["", "num_readers: 1 shuffle_buffer_size: 2", "num_readers: 3 read_block_length: 2"])
def test_every_epoch_is_another_permutation_that_depends_on_the_seed(folder, reader):
    names = np.array([name for _, name in read_order(folder, reader, count=4 * NUM_RECORDS)]).reshape(4, NUM_RECORDS)
    np.testing.assert_array_equal(np.sort(names), [range(NUM_RECORDS)] * 4)
    assert len({tuple(epoch) for epoch in names}) == 4
    other = [name for _, name in read_order(folder, reader, count=NUM_RECORDS, seed=4)]
    assert names[0].tolist() != other


def test_the_order_does_not_depend_on_tensorflows_global_seed(folder):
    expected = read(folder, count=2 * NUM_RECORDS, seed=0)
    try:
        for seed in (0, 1):
            tf.random.set_seed(seed)
            assert read(folder, count=2 * NUM_RECORDS, seed=0) == expected
    finally:
        tf.random.set_seed(None)


@pytest.mark.parametrize(("pattern", "count"), [("*", 2), ("0.record", 3)], ids=["files", "records of too few files"])
def test_each_of_several_pipelines_resumes_its_share(folder, pattern, count):
    """Behind the last record of all of them, when each has given the same number."""
    options = {"reader": "num_epochs: 2", "patterns": (pattern,)}
    contexts = [tf.distribute.InputContext(count, index, 1) for index in range(count)]
    whole = [read(folder, **options, input_context=context) for context in contexts]
    taken = min(map(len, whole)) // 2
    start = Position.after(max(given[taken - 1][0] for given in whole))
    for context, given in zip(contexts, whole, strict=True):
        assert read_order(folder, **options, context=context, start=start) == order(given[taken:])
    seen = [name for given in whole for _, name, _ in given]
    assert sorted(seen) == sorted([*range(NUM_RECORDS if pattern == "*" else SIZES[0])] * 2)


def test_bad_records_and_files_keep_their_places(folder, tmp_path):
    """One record cannot be decoded, one file's are all bad and one's is damaged: what comes when does not change."""
    paths = [tmp_path / path.name for path in sorted(folder.iterdir())]
    for path in paths:
        records = list(shards.read_records(folder / path.name))
        shards.write_records(path, [b"no Example" if path.name == "2.record" else record for record in records])
    records = list(shards.read_records(paths[1]))
    shards.write_records(paths[1], [*records[:2], b"no Example", records[3]])  # record 9
    content = bytearray(paths[3].read_bytes())
    content[len(content) // 2] ^= 1
    paths[3].write_bytes(content)

    def read_usable(**options):
        return read(tmp_path, "num_epochs: 4 shuffle_buffer_size: 4", record_filter=BadRecordFilter(9), **options)

    whole = read_usable()
    (damaged,) = {*range(12, 18)} - {name for _, name, _ in whole}
    usable = {*range(NUM_RECORDS)} - {BAD, 11, damaged}
    assert sorted(name for _, name, _ in whole) == sorted([*usable] * 4)
    for stop in range(5, len(whole), 17):
        assert read_usable(start=Position.after(whole[stop - 1][0])) == whole[stop:], stop


def test_positions_are_numbered_in_their_order():
    assert Position.after(NOTHING_READ) == Position(0, 0)
    for position in (Position(0, 1), Position(0, 2**40 - 1), Position(3, 0), Position(2**20, 7)):
        assert Position.after(position.number - 1) == position
    assert Position(1, 5).number < Position(2, 0).number
