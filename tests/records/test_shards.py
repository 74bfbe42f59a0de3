import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtk.errors import DataError
from odtk.records import shards

RECORDS = [b"first", b"", b"third" * 1000]


@pytest.fixture
def record_file(tmp_path):
    path = tmp_path / "some.record"
    assert shards.write_records(path, RECORDS) == 3
    return path


def test_records_come_back(record_file, tmp_path):
    assert list(shards.read_records(record_file)) == RECORDS
    shards.write_records(tmp_path / "empty.record", [])
    assert list(shards.read_records(tmp_path / "empty.record")) == []


def test_framing_is_tensorflows(record_file, tmp_path):
    tf = pytest.importorskip("tensorflow")
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(record_file))] == RECORDS
    with tf.io.TFRecordWriter(str(tmp_path / "theirs.record")) as writer:
        for record in RECORDS:
            writer.write(record)
    assert (tmp_path / "theirs.record").read_bytes() == record_file.read_bytes()


# The second record (empty) begins at 8 + 4 + 5 + 4 = 21, the third at 37.
@pytest.mark.parametrize(("position", "offset"), [(3, 0), (9, 0), (13, 0), (18, 0), (22, 21), (35, 21), (60, 37)])
def test_a_flipped_bit_is_found_at_its_record(record_file, position, offset):
    content = bytearray(record_file.read_bytes())
    content[position] ^= 1
    record_file.write_bytes(content)
    with pytest.raises(DataError, match=rf"{re.escape(str(record_file))}.* at byte {offset} .*checksum"):
        list(shards.read_records(record_file))


@pytest.mark.parametrize("kept", [1, 11, 14, 20, 36, 45, 5000])
def test_a_cut_file_is_an_error(record_file, kept):
    record_file.write_bytes(record_file.read_bytes()[:kept])
    with pytest.raises(DataError, match="cut short"):
        list(shards.read_records(record_file))


def test_a_huge_length_is_not_trusted(tmp_path):
    path = tmp_path / "liar.record"
    length = struct.pack("<Q", 2**62)
    path.write_bytes(length + struct.pack("<I", shards._masked_crc(length)))
    with pytest.raises(DataError, match="cut short"):
        list(shards.read_records(path))


def test_other_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.record.*No such file"):
        list(shards.read_records(tmp_path / "absent.record"))
    (tmp_path / "text").write_text("this is no record file at all")
    with pytest.raises(DataError, match="not a TFRecord file"):
        list(shards.read_records(tmp_path / "text"))


def test_a_failed_write_leaves_what_was_there(record_file):
    before = record_file.read_bytes()

    def failing():
        yield b"one"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        shards.write_records(record_file, failing())
    assert record_file.read_bytes() == before
    assert list(record_file.parent.iterdir()) == [record_file]


def test_globs_expand_in_the_order_given(tmp_path):
    names = [shards.shard_name("b.record", index, 3) for index in range(3)] + ["a.record", "odd[1].record"]
    for name in names:
        (tmp_path / name).touch()
    assert names[2] == "b.record-00002-of-00003"
    patterns = [tmp_path / shards.shard_glob("b.record", 3), tmp_path / "a.record", tmp_path / "odd[1].record"]
    assert shards.expand_globs(patterns) == [tmp_path / name for name in names]
    assert shards.expand_globs([tmp_path / "*.nothing"]) == []


def test_a_dataset_folder_says_what_it_holds(tmp_path):
    assert not shards.is_dataset(tmp_path)
    with pytest.raises(DataError, match="not an output folder of odtk make-tfrecords"):
        shards.read_dataset(tmp_path)
    shards.write_dataset(tmp_path, "t-?", "v-?", "labels.pbtxt", {"written": 3})
    assert shards.is_dataset(tmp_path)
    expected = shards.DatasetFolder(f"{tmp_path}/t-?", f"{tmp_path}/v-?", tmp_path / "labels.pbtxt")
    assert shards.read_dataset(tmp_path) == expected
    (tmp_path / shards.DATASET_FILE).write_text('{"records": 1}')
    with pytest.raises(DataError, match="is not valid"):
        shards.read_dataset(tmp_path)


def test_records_are_counted_without_being_read(tmp_path):
    for index, records in enumerate(([b"a" * 1000, b""], [], [b"b"])):
        shards.write_records(tmp_path / f"{index}.record", records)
    assert shards.count_records(sorted(tmp_path.glob("*.record"))) == 3


FRAMED = 16  # bytes of length and checksums


def offsets_of(records):
    return [sum(len(record) + FRAMED for record in records[:index]) for index in range(len(records))]


def walked(content, folder):
    path = folder / "walked.record"
    path.write_bytes(content)
    found = list(shards.walk_records(path))
    # Nothing is left out of the account: what is found lies end to end.
    assert [0, *(entry.end for entry in found)] == [*(entry.offset for entry in found), len(content)]
    damage = [entry for entry in found if isinstance(entry, shards.Damage)]
    return {entry.offset: entry.data for entry in found if isinstance(entry, shards.Record)}, damage


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=8), st.data())
def test_a_changed_byte_costs_one_record_and_is_named(scratch, records, data):
    path, offsets = scratch / "whole.record", offsets_of(records)
    shards.write_records(path, records)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    sound, damage = walked(bytes(content), scratch)
    touched = max(offset for offset in offsets if offset <= position)
    assert sound == {o: record for o, record in zip(offsets, records, strict=True) if o != touched}
    assert [entry.offset for entry in damage] == [touched]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=8), st.data())
def test_missing_and_additional_bytes_cost_the_records_they_touch(scratch, records, data):
    path, offsets = scratch / "whole.record", offsets_of(records)
    shards.write_records(path, records)
    content = path.read_bytes()
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    added = data.draw(st.binary(max_size=50))
    sound, _ = walked(content[:begin] + added + content[end:], scratch)
    shift = len(added) - (end - begin)
    for offset, record in zip(offsets, records, strict=True):
        if offset + len(record) + FRAMED <= begin:
            assert sound[offset] == record
        elif offset >= end:
            assert sound[offset + shift] == record


@given(st.binary(max_size=3000))
def test_bytes_that_are_no_records_are_one_damage(scratch, content):
    sound, damage = walked(content, scratch)
    assert not sound
    assert len(damage) <= 1


def test_what_was_found_in_a_damaged_record_is_kept(record_file):
    content = bytearray(record_file.read_bytes())
    content[13] ^= 1
    record_file.write_bytes(content)
    damage, *rest = shards.walk_records(record_file)
    assert damage == shards.Damage(0, "has a wrong data checksum", end=21, data=b"fhrst")
    assert [record.data for record in rest] == RECORDS[1:]


def test_counting_survives_a_damaged_length(record_file):
    content = bytearray(record_file.read_bytes())
    content[21:29] = b"\xff" * 8
    record_file.write_bytes(content)
    assert shards.count_records([record_file]) == 2
