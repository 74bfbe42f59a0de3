import numpy as np
import pytest
from deep_files import colour_png, colour_tiff, grey_tiff

from odtk.annotations import image_files
from odtk.annotations.annotated_image import UnusableImage

RAMP = np.linspace(0, 1, 48).reshape(6, 8)  # of white


def _ramp(bits):
    return (RAMP * ((1 << bits) - 1)).round().astype(np.uint16)


def _shown(encoded, **options):
    return np.asarray(image_files.to_picture(encoded, "x", **options).convert("L")).astype(int)


GREY = (RAMP * 255).round().astype(int)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(
    "write",
    [
        colour_png,
        grey_tiff,
        lambda grey: colour_png(np.stack([grey] * 3, -1)),
        lambda grey: colour_tiff(np.stack([grey] * 3, -1)),
        lambda grey: colour_tiff(np.stack([grey] * 3, -1), ">"),
    ],
    ids=["grey png", "grey tiff", "colour png", "colour tiff", "colour tiff, big-endian"],
)
def test_what_is_used_of_16_bits_becomes_all_of_8(write, bits):
    encoded = write(_ramp(bits))
    assert np.abs(_shown(encoded) - GREY).max() <= 1
    assert image_files.decode_info(encoded, "x").bits == image_files.header_info(encoded, "x").bits == bits


def test_colours_and_transparency_are_kept():
    samples = np.zeros((4, 4, 4), np.uint16)
    samples[:, :2] = 4095, 2048, 0, 65535
    picture = np.asarray(image_files.to_picture(colour_png(samples), "x")).astype(int)
    assert np.abs(picture[0, 0] - [255, 128, 0]).max() <= 1
    assert picture[0, 3].tolist() == [255, 255, 255]


def test_what_the_file_declares_counts_where_it_can_be():
    dark = _ramp(12) // 8  # 9 bits, of an image that has 12
    assert image_files.decode_info(colour_png(dark), "x").bits == 10
    assert image_files.decode_info(colour_png(dark, significant=12), "x").bits == 12
    assert image_files.decode_info(grey_tiff(dark, {281: 4095}), "x").bits == 12
    assert (
        image_files.decode_info(colour_png(_ramp(16), significant=12), "x").bits == 16
    )  # samples are there in full range
    assert (
        image_files.decode_info(grey_tiff(_ramp(12), {281: 65535}), "x").bits == 12
    )  # that is all a file of 16 bits can say


def test_a_dark_image_stays_dark_among_its_like_and_none_becomes_black():
    dark = colour_png(_ramp(12) // 4)
    assert np.abs(_shown(dark, bits=12) - GREY // 4).max() <= 1
    assert np.abs(_shown(colour_png(_ramp(12)), bits=16) - GREY).max() <= 1
    assert np.abs(_shown(colour_png(_ramp(16)), bits=12) - GREY).max() <= 1


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_floating_point_of_a_known_range_is_taken(white):
    encoded = grey_tiff((RAMP * white).astype(np.float32))
    assert np.abs(_shown(encoded) - GREY).max() <= 1
    assert image_files.decode_info(encoded, "x").kind == "floating-point TIFF"


def test_whole_numbers_of_32_bits_are_taken():
    encoded = grey_tiff((RAMP * 0xFFFFF).astype(np.int32))
    assert np.abs(_shown(encoded) - GREY).max() <= 1
    assert (image_files.decode_info(encoded, "x").kind, image_files.decode_info(encoded, "x").bits) == (
        "32-bit TIFF",
        20,
    )


@pytest.mark.parametrize(
    "samples", [np.full((4, 4), -0.5, np.float32), np.full((4, 4), np.nan, np.float32), np.full((4, 4), -3, np.int32)]
)
def test_samples_of_an_unknown_range_are_refused_by_name(samples):
    with pytest.raises(UnusableImage, match=r"x\.tif: its samples .* range from .* Convert it to 8 or 16 bits"):
        image_files.decode_info(grey_tiff(samples), "x.tif")
