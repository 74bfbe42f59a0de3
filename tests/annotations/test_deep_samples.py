import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from odtk.annotations import image_files
from odtk.annotations.annotated_image import UnusableImage

RAMP = np.linspace(0, 1, 48).reshape(6, 8)  # of white


def _png(samples, significant=None):
    """A PNG of 16 bits by hand, as Pillow writes no coloured one: grey, RGB or RGBA."""
    height, width, channels = samples.shape if samples.ndim == 3 else (*samples.shape, 1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    if significant:
        chunks.insert(1, (b"sBIT", bytes([significant] * channels)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _tiff(samples, **tags):
    file, info = io.BytesIO(), ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[int(tag.removeprefix("tag"))] = value
    Image.fromarray(samples).save(file, "TIFF", tiffinfo=info)
    return file.getvalue()


def _colour_tiff(samples, order="<"):
    """A TIFF of 16 bits a channel by hand."""
    height, width, channels = samples.shape
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, 0), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 0), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, samples.size * 2),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    values = {258: start, 273: start + 2 * channels}
    packed = [
        struct.pack(f"{order}HHI", tag, kind, count)
        + struct.pack(
            f"{order}HH" if kind == 3 and count == 1 else f"{order}I",
            *([value, 0] if kind == 3 and count == 1 else [values.get(tag, value)]),
        )
        for tag, kind, count, value in entries
    ]
    head = (
        (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(entries))
    )
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    return head + b"".join(packed) + bytes(4) + bits + samples.astype(f"{order}u2").tobytes()


def _ramp(bits, *channels):
    ramp = (RAMP * ((1 << bits) - 1)).round().astype(np.uint16)
    return np.stack([ramp] * channels[0], axis=-1) if channels else ramp


def _shown(encoded, **options):
    return np.asarray(image_files.to_picture(encoded, "x", **options).convert("L")).astype(int)


GREY = (RAMP * 255).round().astype(int)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(
    "write",
    [_png, _tiff, lambda grey: _png(np.stack([grey] * 3, -1)), lambda grey: _colour_tiff(np.stack([grey] * 3, -1)),
     lambda grey: _colour_tiff(np.stack([grey] * 3, -1), ">")],
    ids=["grey png", "grey tiff", "colour png", "colour tiff", "colour tiff, big-endian"],
)  # fmt: skip
def test_what_is_used_of_16_bits_becomes_all_of_8(write, bits):
    encoded = write(_ramp(bits))
    assert np.abs(_shown(encoded) - GREY).max() <= 1
    assert image_files.look(encoded, "x").bits == image_files.glance(encoded, "x").bits == bits


def test_colours_and_transparency_are_kept():
    samples = np.zeros((4, 4, 4), np.uint16)
    samples[:, :2] = 4095, 2048, 0, 65535
    picture = np.asarray(image_files.to_picture(_png(samples), "x")).astype(int)
    assert np.abs(picture[0, 0] - [255, 128, 0]).max() <= 1
    assert picture[0, 3].tolist() == [255, 255, 255]


def test_what_the_file_declares_counts_where_it_can_be():
    dark = _ramp(12) // 8  # 9 bits, of an image that has 12
    assert image_files.look(_png(dark), "x").bits == 10
    assert image_files.look(_png(dark, significant=12), "x").bits == 12
    assert image_files.look(_tiff(dark, tag281=4095), "x").bits == 12
    assert image_files.look(_png(_ramp(16), significant=12), "x").bits == 16  # samples are there in full range
    assert image_files.look(_tiff(_ramp(12), tag281=65535), "x").bits == 12  # that is all a file of 16 bits can say


def test_a_dark_image_stays_dark_among_its_like_and_none_becomes_black():
    dark = _png(_ramp(12) // 4)
    assert np.abs(_shown(dark, bits=12) - GREY // 4).max() <= 1
    assert np.abs(_shown(_png(_ramp(12)), bits=16) - GREY).max() <= 1
    assert np.abs(_shown(_png(_ramp(16)), bits=12) - GREY).max() <= 1


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_floating_point_of_a_known_range_is_taken(white):
    encoded = _tiff((RAMP * white).astype(np.float32))
    assert np.abs(_shown(encoded) - GREY).max() <= 1
    assert image_files.look(encoded, "x").kind == "floating-point TIFF"


def test_whole_numbers_of_32_bits_are_taken():
    encoded = _tiff((RAMP * 0xFFFFF).astype(np.int32))
    assert np.abs(_shown(encoded) - GREY).max() <= 1
    assert (image_files.look(encoded, "x").kind, image_files.look(encoded, "x").bits) == ("32-bit TIFF", 20)


@pytest.mark.parametrize(
    "samples", [np.full((4, 4), -0.5, np.float32), np.full((4, 4), np.nan, np.float32), np.full((4, 4), -3, np.int32)]
)
def test_samples_of_an_unknown_range_are_refused_by_name(samples):
    with pytest.raises(UnusableImage, match=r"x\.tif: its samples .* go from .* Convert it to 8 or 16 bits"):
        image_files.look(_tiff(samples), "x.tif")
