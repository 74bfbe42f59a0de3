"""A sample of the evaluation images: as many as asked for, spread, and the same each time."""

import itertools

import pytest
import tensorflow as tf

from odtk.inputs.dataset import count_records, spread


@pytest.mark.parametrize(("wanted", "count"), [(1, 7), (3, 7), (4, 8), (7, 7), (9, 7), (999, 1000)])
def test_so_many_are_taken_at_even_distances(wanted, count):
    dataset = spread(tf.data.Dataset.range(count).map(lambda number: (number, "record")), wanted, count)
    taken = [int(number) for number, _ in dataset]
    assert len(taken) == min(wanted, count)
    assert taken == [int(number) for number, _ in dataset]
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    assert max(gaps, default=1) - min(gaps, default=1) <= 1


def test_records_of_a_store_are_counted():
    for name, count in (("a", 3), ("b", 0), ("c", 2)):
        with tf.io.TFRecordWriter(f"ram://counted-{name}") as writer:
            for _ in range(count):
                writer.write(b"record")
    assert count_records([f"ram://counted-{name}" for name in "abc"]) == 5
    assert count_records([]) == 0
