"""Damaged files read by TensorFlow's operations alone, beside `odtk.records.shards.walk`."""

import numpy as np
import pytest
import tensorflow as tf

from odtk.inputs.graph_framing import GraphFiles
from odtk.records import shards
from odtk.records.shards import Record


def changed(content: bytes, random: np.random.Generator, way: str) -> bytes:
    place = int(random.integers(len(content)))
    if way == "cut":
        return content[:place]
    if way == "missing":
        return content[:place] + content[place + 5 :]
    if way == "added":
        return content[:place] + b"more" + content[place:]
    return content[:place] + bytes([content[place] ^ 1 << int(random.integers(8))]) + content[place + 1 :]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Files with one to three changes each, the first with none."""
    folder, random, paths = tmp_path_factory.mktemp("damaged"), np.random.default_rng(3), []
    for index in range(25):
        lengths = random.integers(0, 60, 70 if index < 5 else 6)
        path = folder / f"x-{index}"
        shards.write_records(path, [random.bytes(int(length)) for length in lengths])
        content = path.read_bytes()
        for _ in range(index and index % 3 + 1):
            content = changed(content, random, ("flip", "cut", "missing", "added", "flip")[random.integers(5)])
        path.write_bytes(content)
        paths.append(path)
    (folder / "text").write_bytes(b"This is no TFRecord file." * 3)
    return [*paths, folder / "text"]


def test_the_valid_records_of_damaged_files_are_those_that_python_finds(damaged):
    walked = [list(shards.walk_records(path)) for path in damaged]
    begin_damaged = [bool(found) and not isinstance(found[0], Record) for found in walked]
    files = GraphFiles([str(path) for path in damaged], [path.stat().st_size for path in damaged], begin_damaged)
    read: list[list] = [[] for _ in damaged]
    numbers = tf.data.Dataset.range(len(damaged))
    placed = numbers.flat_map(lambda number: files.open(number).map(lambda *record: (number, *record)))
    for number, data, record, offset, is_damaged in placed.as_numpy_iterator():
        read[number].append((record, offset, data, is_damaged))
    for path, found, got in zip(damaged, walked, read, strict=True):
        valid = [(index, each.offset, each.data) for index, each in enumerate(found) if isinstance(each, Record)]
        assert [each[:3] for each in got] == valid, path
        bad = [index for index, each in enumerate(found) if not isinstance(each, Record)]
        # The record before the first damage knows of it, and each behind it.
        assert all(each[3] == bool(bad) for each in got[-1:]), path
        assert all(each[3] for each in got if bad and each[0] > bad[0] - 2), path
    assert sum(any(not isinstance(each, Record) for each in found) for found in walked) > 20
    assert min(map(len, read)) == 0


def test_a_file_that_vanishes_is_an_error_and_no_endless_loop(tmp_path):
    files = GraphFiles([str(tmp_path / "gone")], [100], [False])
    with pytest.raises(tf.errors.NotFoundError, match="gone"):
        next(iter(tf.data.Dataset.range(1).flat_map(files.open)))
