import io
import random

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from odtk.annotations import duplicates
from odtk.annotations.duplicates import MAX_DISTANCE
from odtk.tools.synthetic_pets import BREEDS, draw_picture

PICTURES = [draw_picture(BREEDS[index % 4], np.random.default_rng((3, index))).image for index in range(40)]


def _saved(image, **options):
    output = io.BytesIO()
    image.save(output, **options)
    return Image.open(output).convert("RGB")


COPIES = {
    "re-encoded": lambda image: _saved(image, format="JPEG", quality=40),
    "as a PNG": lambda image: _saved(image, format="PNG"),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "three times the size": lambda image: image.resize((image.width * 3, image.height * 3)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "gray": lambda image: image.convert("L"),
}


def _grouped(first, second):
    hashes = [duplicates.fingerprint(image) for image in (first, second)]
    return len(set(duplicates.groups(hashes))) == 1


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_is_grouped_with_its_original(copy):
    # A hash is no proof: of forty pictures one may slip through.
    assert sum(_grouped(picture, copy(picture)) for picture in PICTURES) >= len(PICTURES) - 1


def test_brighter_copies_are_grouped_up_to_clipping():
    pictures = [picture.point(lambda value: value * 3 // 4) for picture in PICTURES]
    assert sum(_grouped(one, ImageEnhance.Brightness(one).enhance(1.3)) for one in pictures) >= len(PICTURES) - 1


def test_different_pictures_are_not_grouped():
    assert duplicates.groups([duplicates.fingerprint(picture) for picture in PICTURES]) == list(range(len(PICTURES)))


def test_groups_are_what_comparing_all_pairs_gives():
    rng = random.Random(0)
    hashes = [rng.getrandbits(64) for _ in range(60)]
    for _ in range(240):
        value = rng.choice(hashes)
        for bit in rng.sample(range(64), rng.randint(0, MAX_DISTANCE + 2)):
            value ^= 1 << bit
        hashes.append(value)
    rng.shuffle(hashes)
    expected = list(range(len(hashes)))
    for first, one in enumerate(hashes):
        for second, other in enumerate(hashes):
            if (one ^ other).bit_count() <= MAX_DISTANCE and expected[first] != expected[second]:
                low, high = sorted((expected[first], expected[second]))
                expected = [low if number == high else number for number in expected]
    numbers = {}
    assert duplicates.groups(hashes) == [numbers.setdefault(number, len(numbers)) for number in expected]


def test_very_many_look_alikes_are_one_group():
    rng, value, film = random.Random(0), 0, []
    for _ in range(20000):
        value ^= 1 << rng.randrange(64)
        film.append(value)
    assert set(duplicates.groups(film)) == {0}


def test_of_nothing_there_are_no_groups():
    assert duplicates.groups([]) == []
