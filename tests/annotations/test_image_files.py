import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from odtk.annotations import image_files
from odtk.annotations.annotated_image import UnusableImage


def _encode(image_format, mode="RGB", **options):
    ramp = np.linspace(0, 255, 40 * 30 * 3).astype(np.uint8).reshape(30, 40, 3)
    output = io.BytesIO()
    Image.fromarray(ramp).convert(mode).save(output, image_format, **options)
    return output.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_valid_jpegs_are_left_alone(mode, options):
    decoded = image_files.decode(_encode("JPEG", mode, **options), "x.jpg")
    assert decoded == image_files.DecodedFile(40, 30, "JPEG", None)


@pytest.mark.parametrize(
    ("image_format", "mode", "kind"),
    [("PNG", "RGB", "PNG"), ("PNG", "RGBA", "RGBA PNG"), ("GIF", "P", "GIF"), ("JPEG", "CMYK", "CMYK JPEG")],
)
def test_others_become_rgb_jpegs_of_the_same_picture(image_format, mode, kind):
    encoded = _encode(image_format, mode)
    decoded = image_files.decode(encoded, "x.jpg")
    assert (decoded.width, decoded.height, decoded.kind) == (40, 30, kind)
    repaired = Image.open(io.BytesIO(decoded.repaired))
    assert (repaired.format, repaired.mode, repaired.size) == ("JPEG", "RGB", (40, 30))
    original = Image.open(io.BytesIO(encoded)).convert("RGB")
    assert np.abs(np.asarray(repaired, int) - np.asarray(original, int)).mean() < 6
    assert image_files.decode(encoded, "x.jpg", repair=False).repaired is None


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.9])
def test_a_file_cut_short_is_found(image_format, kept):
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    output = io.BytesIO()
    Image.fromarray(noise).save(output, image_format)
    encoded = output.getvalue()
    with pytest.raises(UnusableImage, match=r"^x\.jpg: the image cannot be decoded"):
        image_files.decode(encoded[: int(kept * len(encoded))], "x.jpg")


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"MZ a program", "it is not one of JPEG, PNG, "),
        (b"", "it is empty"),
        (b"\0" * 100, "it is empty"),
        (b"\n<html>404</html>", "it is a web page or a text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC"),
    ],
)
def test_other_files_are_no_images(encoded, why):
    with pytest.raises(UnusableImage, match=why):
        image_files.decode(encoded, "x.jpg")


def _bytes(image, image_format, **options):
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def _pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)


RAMP = np.linspace(0, 255, 40 * 30 * 3).astype(np.uint8).reshape(30, 40, 3)
RGB = Image.fromarray(RAMP)


@pytest.mark.parametrize(
    ("image", "image_format", "kind", "record_format"),
    [
        (RGB, "JPEG", "JPEG", "jpeg"),
        (RGB.convert("L"), "JPEG", "JPEG", "jpeg"),
        (RGB.convert("CMYK"), "JPEG", "CMYK JPEG", None),
        (RGB, "PNG", "PNG", "png"),
        (RGB.convert("L"), "PNG", "PNG", "png"),
        (RGB.convert("P"), "PNG", "palette PNG", None),
        (RGB.convert("1"), "PNG", "1-bit PNG", None),
        (RGB.convert("LA"), "PNG", "gray and alpha PNG", None),
        (RGB.convert("RGBA"), "PNG", "RGBA PNG", None),
        (Image.fromarray(RAMP[..., 0].astype(np.uint16) * 257), "PNG", "16-bit PNG", None),
        (RGB, "BMP", "BMP", None),
        (RGB, "GIF", "GIF", None),
        (RGB, "WEBP", "WEBP", None),
        (RGB, "TIFF", "TIFF", None),
    ],
)
def test_every_kind_is_told_and_what_tensorflow_reads_rightly_is_kept(image, image_format, kind, record_format):
    encoded = _bytes(image, image_format)
    seen = image_files.decode_info(encoded, "x")
    assert (seen.width, seen.height, seen.kind, seen.record_format) == (40, 30, kind, record_format)
    shown = np.asarray(image.convert("I").point(lambda value: value / 257) if "16" in kind else image.convert("L"))
    gray = _pixels(image_files.to_jpeg(encoded, "x")).mean(axis=2)
    assert np.abs(gray - shown).mean() < 8


def test_an_mpo_is_kept_as_the_jpeg_that_it_is():
    encoded = _bytes(RGB, "MPO", save_all=True, append_images=[RGB.rotate(180)])
    seen = image_files.decode_info(encoded, "x")
    assert (seen.kind, seen.record_format, encoded[:2]) == ("MPO", "jpeg", b"\xff\xd8")
    assert image_files.decode(encoded, "x").repaired is None
    # What a decoder of JPEGs that knows nothing of MPO finds is the first picture.
    first = encoded[: encoded.index(b"\xff\xd9") + 2]
    assert np.abs(_pixels(first) - RAMP).mean() < 8


def test_a_transparent_color_in_an_rgb_png_counts_as_transparency():
    flat = Image.new("RGB", (8, 8), (200, 0, 0))
    encoded = _bytes(flat, "PNG", transparency=(200, 0, 0))
    assert image_files.decode_info(encoded, "x").record_format is None
    assert _pixels(image_files.to_jpeg(encoded, "x")).min() > 250


def test_pngs_of_16_bits_a_channel_are_not_kept():
    # Pillow writes no such file, so one is made by hand: the header's bit depth is what counts.
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + b"\x80\x01" * 3 * 4 for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    encoded = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert image_files.decode_info(encoded, "x").record_format is None
    assert np.abs(_pixels(image_files.to_jpeg(encoded, "x")) - 128).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_becomes_white(mode):
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 10, 10))
    encoded = _bytes(image.quantize(4) if mode == "PA" else image.convert(mode), "PNG")
    pixels = _pixels(image_files.to_jpeg(encoded, "x"))
    assert pixels[:, :8].max() < 8
    assert pixels[:, 12:].min() > 247


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (16, 16), color) for color in ("white", "black")]
    encoded = _bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert _pixels(image_files.to_jpeg(encoded, "x")).min() > 250


def test_deep_pixels_are_scaled_not_clipped():
    encoded = _bytes(Image.fromarray(np.full((4, 4), 40000, np.uint16)), "PNG")
    assert np.abs(_pixels(image_files.to_jpeg(encoded, "x")) - (40000 >> 8)).max() <= 1
    # Eight bits in a file of sixteen would be black if they were scaled.
    encoded = _bytes(Image.fromarray(np.full((4, 4), 200, np.uint16)), "PNG")
    assert np.abs(_pixels(image_files.to_jpeg(encoded, "x")) - 200).max() <= 1


def test_an_image_bomb_is_refused_before_it_takes_memory(monkeypatch):
    def load(self):
        raise AssertionError("pixels were decoded")

    encoded = _bytes(Image.new("1", (10000, 9000)), "PNG")
    assert len(encoded) < 20000
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(UnusableImage, match="10000x9000, more than"):
        image_files.decode_info(encoded, "x.png")


def test_formats_that_start_programs_are_not_opened():
    encoded = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(UnusableImage, match="not one of JPEG"):
        image_files.decode_info(encoded, "x.jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_seen_and_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = _bytes(RGB, "JPEG", exif=exif, quality=100, subsampling=0)
    seen = image_files.decode_info(encoded, "x")
    assert (seen.width, seen.height, seen.orientation) == (40, 30, orientation)
    assert seen.upright_size == ((30, 40) if orientation >= 5 else (40, 30))
    upright = image_files.to_jpeg(encoded, "x", upright=True)
    assert not Image.open(io.BytesIO(upright)).getexif()
    # Exif 2.32, 4.6.4, Orientation: where row 0 and column 0 of what is stored are to be seen.
    rows_first = {1: RAMP, 2: RAMP[:, ::-1], 3: RAMP[::-1, ::-1], 4: RAMP[::-1]}
    turned = RAMP.transpose(1, 0, 2)
    expected = rows_first | {5: turned, 6: turned[:, ::-1], 7: turned[::-1, ::-1], 8: turned[::-1]}
    assert np.abs(_pixels(upright) - expected[orientation]).mean() < 2


def _png_with_exif(place):
    exif = Image.Exif()
    exif[0x0112] = 6
    if place == "before the pixels":
        return _bytes(RGB, "PNG", exif=exif)
    if place == "in XMP":
        xmp = PngImagePlugin.PngInfo()
        xmp.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>')
        return _bytes(RGB, "PNG", pnginfo=xmp)
    png, data = _bytes(RGB, "PNG"), exif.tobytes()[6:]
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    return png[:-12] + chunk + png[-12:]


@pytest.mark.parametrize("place", ["before the pixels", "behind the pixels", "in XMP"])
def test_the_orientation_of_a_png_is_seen_wherever_it_stands(place):
    encoded = _png_with_exif(place)
    assert image_files.header_info(encoded, "x").orientation == image_files.decode_info(encoded, "x").orientation == 6


def test_a_glance_at_a_png_decodes_no_pixels(monkeypatch):
    loaded = []
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: loaded.append(self))
    assert image_files.header_info(_bytes(RGB, "PNG"), "x").orientation == image_files.UPRIGHT
    assert not loaded


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_nonsense_orientation_is_none(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert image_files.decode_info(_bytes(RGB, "JPEG", exif=exif), "x").orientation == image_files.UPRIGHT


@pytest.mark.filterwarnings("ignore")  # Pillow has much to say of broken TIFFs
@pytest.mark.parametrize("image_format", ["JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_whatever_the_bytes_the_answer_is_a_picture_or_unusable(image_format):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if image_format in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    sound, refused = np.frombuffer(_bytes(RGB, image_format, **options), np.uint8), 0
    for _ in range(150):
        broken = sound.copy()
        places = rng.integers(0, min(len(broken), 400), rng.integers(1, 6))
        broken[places] = rng.integers(0, 256, len(places))
        try:
            image_files.decode_info(broken.tobytes(), "x")
            image_files.to_jpeg(broken.tobytes(), "x", upright=True)
        except UnusableImage:
            refused += 1
    assert refused


@pytest.mark.parametrize("image_format", ["GIF", "TIFF", "WEBP"])
def test_of_several_pictures_in_a_file_the_first_is_taken_and_said(image_format):
    red, blue = (Image.new("RGB", (16, 16), color) for color in ("red", "blue"))
    decoded = image_files.decode(_bytes(red, image_format, save_all=True, append_images=[blue]), "x")
    assert decoded.kind == f"multi-picture {image_format}"
    pixel = np.asarray(Image.open(io.BytesIO(decoded.repaired)).convert("RGB"))[8, 8]
    assert (pixel[0] > 200, pixel[2] < 60) == (True, True)
