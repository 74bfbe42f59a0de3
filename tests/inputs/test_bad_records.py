"""What cannot be used is left out, named once and counted; what is valid comes as if nothing had happened."""

import io
import math

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk import images
from odtk.annotations.image_files import MAX_PIXELS
from odtk.detectors.parts.resizer import build_resizer
from odtk.errors import DataError
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_train_dataset
from odtk.inputs.skipped_records import summary
from odtk.protos import image_resizer_pb2, pipeline_pb2
from odtk.records import shards

HEADER, FOOTER = 12, 4


def photograph(number, form="JPEG"):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def an_example(number, encoded=None, names=("cat",)):
    features = {
        "image/encoded": [photograph(number) if encoded is None else encoded],
        "image/source_id": [f"{number}"],
        "image/object/class/text": list(names),
    }
    kinds = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v if isinstance(v, bytes) else v.encode()
             for v in values])) for name, values in features.items()}  # fmt: skip
    for side, value in (("ymin", 0.1), ("xmin", 0.2), ("ymax", 0.8), ("xmax", 0.9)):
        kinds[f"image/object/bbox/{side}"] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature=kinds)).SerializeToString()


def a_config(folder, pattern, reader=""):
    (folder / "labels.pbtxt").write_text("item { id: 1 name: 'cat' }")
    reading = f"""{{ label_map_path: "{folder / "labels.pbtxt"}" {reader}
        tf_record_input_reader {{ input_path: "{pattern}" }} }}"""
    text = f"""train_config {{ batch_size: 2 data_augmentation_options {{ random_horizontal_flip {{}} }} }}
        eval_config {{ batch_size: 2 }} train_input_reader {reading} eval_input_reader {reading}"""
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def a_resize():
    text = "fixed_shape_resizer { height: 16 width: 16 }"
    return build_resizer(text_format.Parse(text, image_resizer_pb2.ImageResizer()))


def ids(dataset):
    return [int(name) for features, _ in dataset.as_numpy_iterator() for name in features["source_id"]]


def evaluated(folder, pattern, record_filter):
    return ids(build_eval_dataset(a_config(folder, pattern), a_resize(), 1, record_filter=record_filter))


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x40
    path.write_bytes(content)


@pytest.fixture
def damaged(tmp_path):
    """Four shards, of which 12 records are valid and 8 are not, each for another reason."""
    records = {number: an_example(number) for number in range(20)}
    records[1] = an_example(1, photograph(1)[:-200])  # a JPEG that was cut short
    records[3] = an_example(3, b"<html>404 Not Found</html>")
    records[6] = an_example(6, names=("cat", "cat"))
    records[8] = b"\xff\xfe no Example"
    offsets = {}
    for shard in range(4):
        numbers = range(5 * shard, 5 * shard + 5)
        ends = np.cumsum([0] + [HEADER + len(records[number]) + FOOTER for number in numbers])
        offsets |= dict(zip(numbers, ends.tolist(), strict=False))
        shards.write_records(tmp_path / f"x-{shard}", [records[number] for number in numbers])
    flip(tmp_path / "x-2", offsets[11] + HEADER + 300)  # in the picture
    flip(tmp_path / "x-2", offsets[13] + 1)  # in the length
    flip(tmp_path / "x-3", offsets[15] + 9)  # in the length's checksum
    whole = (tmp_path / "x-3").read_bytes()
    (tmp_path / "x-3").write_bytes(whole[: offsets[19] + 40])
    return tmp_path, offsets


SOUND = [0, 2, 4, 5, 7, 9, 10, 12, 14, 16, 17, 18]
BAD = [1, 3, 6, 8, 11, 13, 15, 19]


def test_what_is_valid_is_evaluated_in_order_and_the_rest_is_named(damaged):
    folder, offsets = damaged
    said = []
    record_filter = BadRecordFilter(8, said.append)
    assert evaluated(folder, folder / "x-*", record_filter) == SOUND
    bad = record_filter.finish()
    assert [(entry.file, entry.record, entry.offset) for entry in bad] == [
        (str(folder / f"x-{number // 5}"), number % 5, offsets[number]) for number in BAD
    ]
    problems = ["Truncated|premature|Invalid JPEG", "Unknown image", "differ in length", "Could not parse",
                "wrong data checksum", "wrong length checksum", "wrong length checksum", "cut short"]  # fmt: skip
    for entry, problem in zip(bad, problems, strict=True):
        assert any(word.lower() in entry.problem.lower() for word in problem.split("|")), entry
    # What is damaged may still tell its name; where the length is lost, nothing can be read.
    assert [entry.image for entry in bad] == ["1", "3", "6", None, "11", None, None, None]
    assert sorted(said) == sorted(f"Skipped: {entry}." for entry in bad)
    assert "8 bad records were skipped" in summary(bad)


def test_training_goes_on_and_names_each_once_in_many_epochs(damaged):
    folder, _ = damaged
    said = []
    record_filter = BadRecordFilter(8, said.append)
    config = a_config(folder, folder / "x-*", "num_epochs: 6 shuffle_buffer_size: 5")
    seen = ids(build_train_dataset(config, a_resize(), 1, seed=1, record_filter=record_filter))
    assert sorted(seen) == sorted(SOUND * 6)
    assert len(record_filter.finish()) == len(said) == 8


def test_the_same_seed_leaves_the_same_sequence_of_valid_records(damaged):
    folder, _ = damaged
    config = a_config(folder, folder / "x-*", "num_epochs: 2 shuffle_buffer_size: 5")
    runs = []
    for _ in range(2):
        batches = build_train_dataset(config, a_resize(), 1, seed=3, record_filter=BadRecordFilter(8))
        runs.append([features["image"] for features, _ in batches.as_numpy_iterator()])
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("weights", ["", "sample_from_datasets_weights: 0.7 sample_from_datasets_weights: 0.3"])
def test_on_valid_files_a_filter_changes_nothing(tmp_path, weights):
    for shard in range(3):
        shards.write_records(tmp_path / f"x-{shard}", [an_example(7 * shard + index) for index in range(7)])
    config = a_config(tmp_path, tmp_path / "x-[01]", f"{weights} num_readers: 2 read_block_length: 2")
    config.train_input_reader.tf_record_input_reader.input_path.append(str(tmp_path / "x-2"))
    record_filter = BadRecordFilter(8)
    runs = [
        [
            np.concatenate([features["image"].ravel(), groundtruth["boxes"].ravel()])
            for features, groundtruth in build_train_dataset(config, a_resize(), 1, seed=3, record_filter=used)
            .take(30)
            .as_numpy_iterator()
        ]
        for used in (None, record_filter)
    ]
    np.testing.assert_array_equal(*runs)
    assert record_filter.finish() == []


def test_more_than_the_limit_is_an_error_that_lists_them(damaged):
    folder, _ = damaged
    record_filter = BadRecordFilter(3)
    evaluated(folder, folder / "x-*", record_filter)
    with pytest.raises(DataError, match=r"(?s)more than the limit of 3:\n  .*x-3, record 4") as error:
        record_filter.finish()
    assert error.value.argument == "max_bad_records"


def test_training_on_nothing_but_bad_records_ends(tmp_path):
    path = tmp_path / "x"
    shards.write_records(path, [an_example(number, b"no picture") for number in range(9)])
    record_filter = BadRecordFilter(5)
    config = a_config(tmp_path, path)
    assert ids(build_train_dataset(config, a_resize(), 1, record_filter=record_filter)) == []
    # A thread that was judging another record may still add it.
    with pytest.raises(DataError, match=r"[67] records cannot be used, more than the limit of 5"):
        record_filter.finish()


@pytest.mark.parametrize("weights", ["", "sample_from_datasets_weights: 0.5 sample_from_datasets_weights: 0.5"])
def test_training_ends_where_fewer_bad_records_than_the_limit_are_all_there_is(tmp_path, weights):
    for shard in range(2):
        shards.write_records(tmp_path / f"x-{shard}", [an_example(shard, b"no picture")] * 2)
    config = a_config(tmp_path, tmp_path / "x-0", weights)
    config.train_input_reader.tf_record_input_reader.input_path.append(str(tmp_path / "x-1"))
    record_filter = BadRecordFilter(100)
    assert ids(build_train_dataset(config, a_resize(), 1, record_filter=record_filter)) == []
    with pytest.raises(DataError, match="records cannot be used, and no others are left"):
        record_filter.finish()


def test_an_input_of_a_mix_that_has_no_usable_record_is_named(tmp_path):
    shards.write_records(tmp_path / "bad", [an_example(0, b"no picture")] * 2)
    shards.write_records(tmp_path / "good", [an_example(number) for number in range(40)])
    weights = "sample_from_datasets_weights: 0.5 sample_from_datasets_weights: 0.5"
    config = a_config(tmp_path, tmp_path / "bad", weights)
    config.train_input_reader.tf_record_input_reader.input_path.append(str(tmp_path / "good"))
    record_filter = BadRecordFilter(100)
    assert set(ids(build_train_dataset(config, a_resize(), 1, record_filter=record_filter))) == set(range(40))
    with pytest.raises(DataError, match=r"2 records cannot be used, and no others are left in .*bad, an input of the"):
        record_filter.finish()


def test_a_file_that_goes_away_counts_as_one_bad_record(tmp_path):
    for shard in range(2):
        shards.write_records(tmp_path / f"x-{shard}", [an_example(2 * shard), an_example(2 * shard + 1)])
    record_filter = BadRecordFilter(1)
    dataset = build_eval_dataset(a_config(tmp_path, tmp_path / "x-*"), a_resize(), 1, record_filter=record_filter)
    (tmp_path / "x-0").unlink()
    assert ids(dataset) == [2, 3]
    (bad,) = record_filter.finish()
    assert bad.file.endswith("x-0")
    assert bad.problem == "cannot be read: No such file or directory" or "cannot be read" in bad.problem


def with_sides(form, side):
    """A small image whose header says that it is `side` x `side`: decoding it would fail, or fill the memory."""
    content = bytearray(photograph(1, form))
    start = {"PNG": 16, "GIF": 6, "BMP": 18, "JPEG": content.find(b"\xff\xc0") + 5}[form]
    size, order = {"PNG": (4, "big"), "GIF": (2, "little"), "BMP": (4, "little"), "JPEG": (2, "big")}[form]
    content[start : start + 2 * size] = side.to_bytes(size, order) * 2
    return bytes(content)


def test_an_image_of_too_many_pixels_is_left_out_by_its_header(tmp_path):
    """The limit is that of make-tfrecords."""
    path, side, forms = tmp_path / "x", math.isqrt(MAX_PIXELS) + 1, ("PNG", "GIF", "BMP", "JPEG")
    large = [an_example(number, with_sides(form, side)) for number, form in enumerate(forms, start=1)]
    shards.write_records(path, [an_example(0), *large, an_example(5)])
    record_filter = BadRecordFilter(4)
    assert evaluated(tmp_path, path, record_filter) == [0, 5]
    problems = {bad.record: bad.problem for bad in record_filter.finish()}
    said = f"cannot be used: the image is {side}x{side}, more than {MAX_PIXELS} pixels"
    assert problems == dict.fromkeys(range(1, 5), said)


def test_the_header_has_the_size_of_the_decoded_image():
    for form in ("PNG", "GIF", "BMP", "JPEG"):
        assert images.encoded_size(photograph(0, form)).numpy().tolist() == [30, 20]
    upside_down = bytearray(photograph(0, "BMP"))
    upside_down[22:26] = (-20).to_bytes(4, "little", signed=True)
    assert images.encoded_size(bytes(upside_down)).numpy().tolist() == [30, 20]
    for other in (b"", b"BM", b"GIF8", b"\x89PNG\r\n\x1a\n", b"<html>"):
        assert images.encoded_size(other).numpy().tolist() == [0, 0]


def test_other_filesystems(damaged):
    folder, _ = damaged
    for shard in range(4):
        with tf.io.gfile.GFile(f"ram://tolerance/x-{shard}", "wb") as file:
            file.write((folder / f"x-{shard}").read_bytes())
    record_filter = BadRecordFilter(8)
    assert evaluated(folder, "ram://tolerance/x-*", record_filter) == SOUND
    assert [int(entry.file[-1]) * 5 + entry.record for entry in record_filter.finish()] == BAD
