"""The dataset without Python gives the examples of the one with it, and the same is told of what was skipped."""

import io
import re

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk import label_map
from odtk.detectors.parts.resizer import build_resizer
from odtk.errors import DataError, LabelMapError
from odtk.inputs import decode, graph_filter
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_train_dataset
from odtk.inputs.epochs import Position
from odtk.inputs.graph_filter import GraphRecordFilter
from odtk.inputs.record_errors import naming_the_record
from odtk.protos import image_resizer_pb2, pipeline_pb2
from odtk.records import shards

GOOD, INVERTED = (0.1, 0.2, 0.8, 0.9), (0.8, 0.2, 0.1, 0.9)


def an_example(number, encoded=None, box=GOOD, names=("cat",)):
    if encoded is None:
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)).save(buffer, "JPEG")
        encoded = buffer.getvalue()
    texts = {"image/encoded": [encoded], "image/source_id": [b"%d" % number],
             "image/object/class/text": [name.encode() for name in names]}  # fmt: skip
    features = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)) for key, value in texts.items()}
    for side, value in zip(("ymin", "xmin", "ymax", "xmax"), box, strict=True):
        features[f"image/object/bbox/{side}"] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def changed(path, place, by=b"\x40"):
    content = bytearray(path.read_bytes())
    content[place] ^= by[0]
    path.write_bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files with everything that can be wrong: NUM_BAD times, and 2 have a box that cannot be used; also in ram://."""
    folder = tmp_path_factory.mktemp("damaged")
    records = [an_example(number) for number in range(25)]
    records[0] = an_example(0, b"<html>404 Not Found</html>")
    records[3] = an_example(3, names=("cat", "cat"))
    records[4] = b"\xff\xfe no Example"
    records[7] = an_example(7, box=INVERTED)
    records[12] = an_example(12, box=INVERTED, names=("dog",))
    records[24] = an_example(24, b"\xff\xd8\xff\xe0 is how a JPEG begins")
    for file in range(5):
        shards.write_records(folder / f"x-{file}", records[5 * file : 5 * file + 5])
    starts = np.cumsum([0, *(len(data) + shards.HEADER_SIZE + shards.FOOTER_SIZE for data in records[10:15])])
    changed(folder / "x-2", starts[1] + 300)  # in a picture
    changed(folder / "x-2", starts[3] + 1)  # in a length
    changed(folder / "x-3", 9)  # in the first length's checksum
    content = (folder / "x-3").read_bytes()
    (folder / "x-3").write_bytes(content[:-30])
    for file in range(5):
        with tf.io.gfile.GFile(f"ram://graph/x-{file}", "wb") as copy:
            copy.write((folder / f"x-{file}").read_bytes())
    (folder / "x-5").mkdir()  # cannot be opened as a file
    (folder / "labels.pbtxt").write_text("item { id: 1 name: 'cat' } item { id: 2 name: 'dog' }")
    return folder


NUM_BAD = 9


def a_config(folder, records, options=""):
    reading = f"""{{ label_map_path: "{folder / "labels.pbtxt"}" {options} tf_record_input_reader {{
        {" ".join(f'input_path: "{pattern}"' for pattern in records)} }} }}"""
    text = f"""train_config {{ batch_size: 2 data_augmentation_options {{ random_horizontal_flip {{}} }} }}
        eval_config {{ batch_size: 2 }} train_input_reader {reading} eval_input_reader {reading}"""
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def a_resize():
    text = "fixed_shape_resizer { height: 16 width: 16 }"
    return build_resizer(text_format.Parse(text, image_resizer_pb2.ImageResizer()))


def run(kind, build, config, limit=NUM_BAD, **options):
    """(batches, bad records, images with bad boxes, what was said of each)."""
    said, boxes = [], BadBoxes()
    record_filter = kind(limit, said.append)
    batches = build(config, a_resize(), 2, record_filter=record_filter, bad_boxes=boxes, **options)
    if kind is GraphRecordFilter:
        batches = map(record_filter.without_skipped, batches)
    batches = [tf.nest.map_structure(lambda tensor: tensor.numpy(), batch) for batch in batches]
    return batches, record_filter.finish(), boxes.images, sorted(said)


def assert_equal(got, wanted):
    assert len(got[0]) == len(wanted[0])
    tf.nest.map_structure(np.testing.assert_array_equal, got[0], wanted[0])
    assert got[1:] == wanted[1:]


SHUFFLED = "shuffle_buffer_size: 5 num_readers: 2 read_block_length: 2"
CASES = {
    "evaluation": (build_eval_dataset, ""),
    "shuffled": (build_train_dataset, f"num_epochs: 2 {SHUFFLED}"),
    "a mix": (build_train_dataset, "num_epochs: 2 sample_from_datasets_weights: 0.7 sample_from_datasets_weights: 0.3"),
}


@pytest.mark.parametrize(
    ("case", "where"),
    [
        pytest.param("evaluation", "local", marks=pytest.mark.slow),
        ("shuffled", "ram"),
        pytest.param("a mix", "local", marks=pytest.mark.slow),
    ],
)
def test_the_examples_and_what_is_told_of_the_skipped_ones_are_those_of_the_other_filter(folder, case, where):
    build, options = CASES[case]
    start = "ram://graph" if where == "ram" else str(folder)
    config = a_config(folder, [f"{start}/x-[01]", f"{start}/x-[2345]"], options)
    got, wanted = (run(kind, build, config) for kind in (GraphRecordFilter, BadRecordFilter))
    assert_equal(got, wanted)
    assert (len(wanted[1]), len(wanted[2])) == (NUM_BAD - (where == "ram"), 2)


def test_a_resumed_run_reads_on_where_it_stopped_and_finds_what_is_damaged_there(folder):
    config = a_config(folder, [str(folder / "x-*")], f"num_epochs: 3 {SHUFFLED}")
    batches, *told = run(BadRecordFilter, build_train_dataset, config)
    stop = len(batches) * 2 // 3  # about the end of the second epoch
    start = Position.after(int(batches[stop - 1][0]["position"].max()))
    assert_equal(run(GraphRecordFilter, build_train_dataset, config, start=start), (batches[stop:], *told))


@pytest.mark.slow
def test_what_was_used_and_cannot_be_read_again_is_looked_at_when_it_comes_again(folder, monkeypatch):
    """Where a box is bad, or a neighbor is damaged: none of these records is a bad one."""
    record_filter, boxes = GraphRecordFilter(NUM_BAD), BadBoxes()
    config = a_config(folder, [str(folder / "x-[12]")])
    dataset = build_eval_dataset(config, a_resize(), 2, record_filter=record_filter, bad_boxes=boxes)

    def fail(*_):
        raise OSError("the store is away")

    with monkeypatch.context() as away:
        away.setattr(GraphRecordFilter, "_walk", fail)
        list(map(record_filter.without_skipped, dataset))
        assert (record_filter.finish(), boxes.images) == ([], [])
    list(map(record_filter.without_skipped, dataset))
    assert (len(record_filter.finish()), len(boxes.images)) == (2, 2)


def read_all(record_filter, folder, records, build, options) -> int:
    with naming_the_record(record_filter.find_fault):
        dataset = build(a_config(folder, records, options), a_resize(), 2, record_filter=record_filter)
        batches = list(map(record_filter.without_skipped, dataset))
        record_filter.finish()
    return len(batches)


def fault(folder, records, limit, build=build_train_dataset, options="") -> str:
    """The error with which reading ends."""
    with pytest.raises(DataError) as error:
        read_all(GraphRecordFilter(limit), folder, records, build, options)
    assert error.value.argument == "max_bad_records"
    return str(error.value)


def test_more_than_the_limit_are_an_error_that_lists_them(folder):
    records = [str(folder / "x-*")]
    text = fault(folder, records, NUM_BAD - 1, build_eval_dataset)
    assert text.startswith(f"{NUM_BAD} records cannot be used, more than the limit of {NUM_BAD - 1}:\n")
    assert "x-3, record 4 at byte" in text
    assert "cannot be used, more than the limit of 0:\n" in fault(folder, records, 0, build_eval_dataset)


def test_training_that_finds_nothing_to_use_ends(tmp_path):
    """Within the limit, beyond it, and where of two inputs that are mixed one has no valid record."""
    (tmp_path / "labels.pbtxt").write_text("item { id: 1 name: 'cat' }")
    shards.write_records(tmp_path / "x", [an_example(number, b"no picture") for number in range(4)])
    (tmp_path / "y").write_bytes(b"This is no TFRecord file." * 3)
    pictures, text = str(tmp_path / "x"), str(tmp_path / "y")
    assert fault(tmp_path, [pictures], 10).startswith("4 records cannot be used, and no others are left")
    assert fault(tmp_path, [pictures], 2).startswith("3 records cannot be used, more than the limit of 2")
    mix = "sample_from_datasets_weights: 0.5 sample_from_datasets_weights: 0.5"
    assert fault(tmp_path, [pictures, text], 10, options=mix).startswith("1 record cannot be used, and no others are")


@pytest.fixture
def mix(tmp_path):
    """Of an input that has only unusable records, 2, and one of 4 good ones, nearly all are of the first."""
    (tmp_path / "labels.pbtxt").write_text("item { id: 1 name: 'cat' }")
    shards.write_records(tmp_path / "x", [an_example(number, b"no picture") for number in range(2)])
    shards.write_records(tmp_path / "y", [an_example(number) for number in range(4)])
    weights = "sample_from_datasets_weights: 0.95 sample_from_datasets_weights: 0.05"
    return a_config(tmp_path, [str(tmp_path / "x"), str(tmp_path / "y")], weights)


@pytest.mark.slow
def test_an_input_of_a_mix_may_repeat_its_bad_records_many_times(mix):
    record_filter = GraphRecordFilter(5)
    dataset = build_train_dataset(mix, a_resize(), 2, record_filter=record_filter).take(20)
    places = [features["position"].numpy() for features, _ in map(record_filter.without_skipped, dataset)]
    assert len(places) == 20
    assert max(np.diff(np.concatenate(places))) > 2 * record_filter.limit + 1
    assert len(record_filter.finish()) == 2


@pytest.mark.slow
def test_too_many_bad_ones_in_a_row_are_told_of_even_if_they_are_few(mix, monkeypatch):
    monkeypatch.setattr(graph_filter, "_MOST_IN_A_ROW", 3)
    record_filter = GraphRecordFilter(5)
    dataset = build_train_dataset(mix, a_resize(), 2, record_filter=record_filter)
    with pytest.raises(DataError) as error, naming_the_record(record_filter.find_fault):
        list(dataset)
    told = (
        r"More than 3 records in a row .* Of all 6 records, 2 cannot .*here:\n  \S*/x, record 0 .*\n  \S*/x, record 1"
    )
    assert re.match(told, str(error.value))
    with pytest.raises(tf.errors.InvalidArgumentError, match="of a model"), naming_the_record(record_filter.find_fault):
        raise tf.errors.InvalidArgumentError(None, None, "of a model")


def operations(kind, config, build) -> set[str]:
    dataset = build(config, a_resize(), 2, record_filter=kind(NUM_BAD), bad_boxes=BadBoxes())
    graph = tf.compat.v1.GraphDef.FromString(
        tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(dataset)).numpy()
    )
    return {node.op for nodes in (graph.node, *(each.node_def for each in graph.library.function)) for node in nodes}


@pytest.mark.parametrize("build", [build_train_dataset, build_eval_dataset])
def test_nothing_in_the_dataset_needs_this_process(folder, build):
    config = a_config(folder, [str(folder / "x-*")])
    ops = operations(GraphRecordFilter, config, build)
    assert "ScanDataset" in ops
    bound = {op for op in ops if re.search("Py|Generator|Table|Variable|Resource|Queue|VarHandle", op)}
    assert bound == set()


def test_names_with_one_hash_are_refused(monkeypatch):
    monkeypatch.setattr(decode, "_HASHES", 1)
    names = label_map.parse("item { id: 1 name: 'cat' } item { id: 2 name: 'dog' }", "labels.pbtxt")
    with pytest.raises(LabelMapError, match="have the same hash"):
        decode.make_parser(names, 2)
