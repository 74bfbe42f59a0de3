"""Decoded images come back as they were written; a file that is not whole is not taken for one."""

import numpy as np
import pytest

from odtk.records import decoded_images

SIZES = {7: (3, 5), -4: (2, 2), 2**62: (1, 9), 5: (4, 4)}


def image(key):
    return np.random.default_rng(abs(key)).integers(0, 256, (*SIZES[key], 3), np.uint8)


def a_plan(keys=tuple(SIZES)):
    heights, widths = np.array([SIZES[key] for key in keys]).reshape(-1, 2).T
    return decoded_images.planned(np.array(keys, np.int64), heights, widths)


@pytest.fixture
def path(tmp_path):
    with open(tmp_path / "file", "w+b") as file:
        decoded_images.write(file, a_plan(), ((key, image(key)) for key in SIZES))
    return tmp_path / "file"


def test_images_come_back_from_disk_and_from_memory(path):
    with decoded_images.memory_file() as memory:
        in_memory = decoded_images.DecodedImages(
            memory, decoded_images.write(memory, a_plan(), ((key, image(key)) for key in SIZES))
        )
        for images in (decoded_images.open_images(path), in_memory):
            assert len(images) == len(SIZES)
            for key in SIZES:
                np.testing.assert_array_equal(images.read(key), image(key))
            assert images.read(8) is images.read(-(2**62)) is images.read(2**62 + 1) is None


def test_a_file_takes_what_was_planned_and_each_image_once(path, tmp_path):
    plan = a_plan((7, -4, 7, 5, 7))
    assert len(plan) == 3
    with open(tmp_path / "other", "w+b") as file:
        rows = decoded_images.write(file, plan, ((key, image(key)) for key in (7, 7, -4, 5)))
    assert len(rows) == 3
    assert (tmp_path / "other").stat().st_size == decoded_images.file_size(plan)
    assert path.stat().st_size == decoded_images.file_size(a_plan())


def test_what_does_not_come_or_has_another_size_is_not_there(tmp_path):
    with open(tmp_path / "file", "w+b") as file:
        wrong = image(5)[:3]
        decoded_images.write(file, a_plan((7, 5, -4)), [(5, wrong), (2**62, image(2**62)), (-4, image(-4))])
    images = decoded_images.open_images(tmp_path / "file")
    assert [images.read(key) is None for key in (7, 5, 2**62, -4)] == [True, True, True, False]
    np.testing.assert_array_equal(images.read(-4), image(-4))


def test_no_image_at_all_is_a_file_too(tmp_path):
    with open(tmp_path / "file", "w+b") as file:
        decoded_images.write(file, a_plan(()), [])
    images = decoded_images.open_images(tmp_path / "file")
    assert len(images) == 0
    assert images.read(0) is None


def test_a_file_that_was_cut_or_is_another_is_none(path):
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[:40], whole[-20:], b"x" * 200, whole[:-30] + b"x" + whole[-29:]):
        path.write_bytes(content)
        assert decoded_images.open_images(path) is None, content


def test_pixels_that_are_not_those_that_were_written_are_an_error(path):
    images = decoded_images.open_images(path)
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="no longer those that were written"):
        images.read(7)
    np.testing.assert_array_equal(images.read(5), image(5))
    images.close()
    with pytest.raises(ValueError, match="closed"):
        images.read(5)
