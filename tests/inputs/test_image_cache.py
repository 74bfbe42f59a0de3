"""With decoded images kept, training gets the same batches bit for bit, and decodes nothing that is kept."""

import numpy as np
import pytest
import tensorflow as tf
from test_bad_records import SOUND, a_config, a_resize, an_example, damaged, photograph  # noqa: F401

from odtk import images
from odtk.inputs import stages
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_train_dataset, record_files
from odtk.inputs.epochs import Position
from odtk.inputs.image_cache import ImageCache, decode_all, decoded, measure
from odtk.records import decoded_images, shards

BEFORE_DAMAGE = [0, 2, 4, 5, 7, 9, 10]
"""Those of SOUND that do not stand behind a damage of their file."""


class Counting:
    """Decoded images, and what was asked of them."""

    def __init__(self, images):
        self.images, self.found, self.missed = images, 0, 0

    def read(self, key):
        image = self.images.read(key)
        self.found, self.missed = self.found + (image is not None), self.missed + (image is None)
        return image


def filled(files) -> decoded_images.DecodedImages:
    file = decoded_images.memory_file()
    return decoded_images.DecodedImages(
        file, decoded_images.write(file, measure(files, lambda n: None), decode_all(files))
    )


def batches(config, **options):
    record_filter = BadRecordFilter(8)
    dataset = build_train_dataset(config, a_resize(), 1, seed=3, record_filter=record_filter, **options)
    seen = list(dataset.as_numpy_iterator())
    return seen, [(bad.file, bad.record, bad.problem) for bad in record_filter.finish()]


def assert_same(one, other):
    tf.nest.assert_same_structure(one, other)
    for value, expected in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_batches_are_the_same_bit_for_bit_and_bad_records_are_found(damaged, monkeypatch):  # noqa: F811
    """Two epochs, shuffled and augmented; and with deterministic operations those of a run that is resumed in them."""
    folder, _ = damaged
    config = a_config(folder, folder / "x-*", "num_epochs: 2 shuffle_buffer_size: 5")
    expected, bad = batches(config)
    cache = ImageCache(pytest.fail)
    cache.images = counting = Counting(filled(record_files(config.train_input_reader)))
    assert len(counting.images) == len(BEFORE_DAMAGE) + 1, "and that of a record whose boxes are wrong"
    seen, bad_with_cache = batches(config, image_cache=cache)
    assert_same(seen, expected)
    assert bad_with_cache == bad
    assert counting.found >= 2 * len(BEFORE_DAMAGE)
    assert sorted({int(name) for features, _ in seen for name in features["source_id"]}) == SOUND

    monkeypatch.setattr(stages, "are_operations_deterministic", lambda: True)
    start = Position.after(max(seen[1][0]["position"]))
    assert_same(batches(config, image_cache=cache, start=start)[0], expected[2:])


def test_what_is_not_there_or_cannot_be_read_is_decoded_and_said_once(tmp_path):
    """What is there belongs to the encoded bytes, wherever they are read."""
    encoded, said = photograph(2), []
    shards.write_records(tmp_path / "x", [an_example(number) for number in range(6)])
    cache = ImageCache(said.append)
    assert cache.look_up(encoded).shape == (0, 0, 3), "it is not filled yet"
    cache.images = filled([str(tmp_path / "x")])
    np.testing.assert_array_equal(cache.look_up(encoded), images.decode(encoded))
    assert cache.look_up(photograph(7)).shape == (0, 0, 3)
    assert said == []
    cache.images._rows["checksum"][:] += 1
    for _ in range(2):
        np.testing.assert_array_equal(decoded(encoded, cache.look_up(encoded)), images.decode(encoded))
    (line,) = said
    assert line.startswith("warning: The image cache cannot be read ([Errno 5] its bytes are no longer")
    cache.images.close()
    assert cache.look_up(encoded).shape == (0, 0, 3)
    assert len(said) == 1


def test_what_is_measured_is_what_is_written(tmp_path):
    """By headers alone; in any format, once each, from files of a store too, one of which is not there."""
    forms = [photograph(number, form) for number, form in enumerate(("JPEG", "PNG", "GIF", "BMP", "JPEG"))]
    records = [
        an_example(number, encoded) for number, encoded in enumerate([*forms, forms[0], b"", photograph(5)[:-99]])
    ]
    shards.write_records(tmp_path / "x", [*records, b"\xff no Example"])
    tf.io.gfile.makedirs("ram://image_cache")
    tf.io.gfile.copy(str(tmp_path / "x"), "ram://image_cache/x", overwrite=True)
    counts = []
    plan = measure(["ram://image_cache/none", "ram://image_cache/x"], counts.append)
    assert sum(counts) == 8
    assert len(plan) == 6, "five images, and one that is cut behind its header"
    assert decoded_images.file_size(plan) - decoded_images.file_size(plan[:0]) == 6 * (20 * 30 * 3 + plan.itemsize)
    with decoded_images.memory_file() as file:
        assert len(decoded_images.write(file, plan, decode_all(["ram://image_cache/x"]))) == 5
