import io

import numpy as np
import pytest
from PIL import Image

from odtk.annotations import image_files
from odtk.annotations.annotated_image import UnusableImage


def _encode(image_format, mode="RGB", **options):
    ramp = np.linspace(0, 255, 40 * 30 * 3).astype(np.uint8).reshape(30, 40, 3)
    output = io.BytesIO()
    Image.fromarray(ramp).convert(mode).save(output, image_format, **options)
    return output.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_sound_jpegs_are_left_alone(mode, options):
    decoded = image_files.decode(_encode("JPEG", mode, **options), "x.jpg")
    assert decoded == image_files.DecodedFile(40, 30, "JPEG", None)


@pytest.mark.parametrize(
    ("image_format", "mode", "kind"),
    [("PNG", "RGB", "PNG"), ("PNG", "RGBA", "PNG"), ("GIF", "P", "GIF"), ("JPEG", "CMYK", "CMYK JPEG")],
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


def test_other_files_are_no_images():
    with pytest.raises(UnusableImage, match="no image of a known format"):
        image_files.decode(b"<html>404</html>", "x.jpg")


def test_deep_pixels_are_not_clipped():
    output = io.BytesIO()
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(output, "PNG")
    with pytest.raises(UnusableImage, match="more than 8 bits"):
        image_files.decode(output.getvalue(), "x.jpg")
