"""Pictures: which are found under which name, and that all kinds are read as upright 8-bit RGB."""

import numpy as np
import pytest
from PIL import Image

from odtk.errors import DataError
from odtk.picture_files import find_pictures, read_picture, write_picture

RED = (255, 0, 0)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def test_same_names_of_several_places_are_kept_apart(tmp_path):
    paths = [tmp_path / name for name in ("one/cat.jpg", "two/cat.jpg", "three/CAT.jpg")]
    for path in paths:
        save(Image.new("RGB", (4, 4)), path)
    found = find_pictures([tmp_path / "one", paths[1], tmp_path / "three", paths[0]])
    assert found == {paths[0]: "cat.jpg", paths[1]: "cat-2.jpg", paths[2]: "CAT-3.jpg"}


def test_folders_are_searched_in_order_without_hidden_ones(tmp_path):
    for name in ("b/2.png", "b/.hidden.png", ".cache/1.png", "a/1.webp", "c.gif", "B.BMP", "notes.txt"):
        save(Image.new("RGB", (4, 4)), tmp_path / name, format="PNG")
    assert list(find_pictures([tmp_path]).values()) == ["B.BMP", "c.gif", "a/1.webp", "b/2.png"]
    assert list(find_pictures([tmp_path], not_in=tmp_path / "b").values()) == ["B.BMP", "c.gif", "a/1.webp"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    kind = {"CMYK": "JPEG"}.get(mode, "PNG")
    path = save(Image.new("RGB", (8, 6), (255, 255, 255)).convert(mode), tmp_path / "image.png", format=kind)
    image = read_picture(path)
    assert (image.mode, image.size) == ("RGB", (8, 6))
    assert np.asarray(image).min() >= 250


def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path):
    grey = np.array([[0, 16384, 32768, 65535]], np.uint16)
    image = read_picture(save(Image.fromarray(grey), tmp_path / "grey.png"))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 64, 128, 255]


def test_pictures_stand_upright_as_exif_says(tmp_path):
    image = Image.new("RGB", (30, 10))
    image.paste(RED, (0, 0, 10, 10))  # on the left as stored, on top when turned
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees clockwise to view
    upright = read_picture(save(image, tmp_path / "phone.png", exif=exif))
    assert upright.size == (10, 30)
    assert upright.getpixel((5, 5)) == RED
    again = save(upright, tmp_path / "again.png")
    assert read_picture(again).size == (10, 30)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".bmp", ".gif", ".webp"])
def test_pictures_are_written_in_the_format_of_their_name(tmp_path, suffix):
    path = tmp_path / f"new/picture{suffix}"
    write_picture(Image.new("RGB", (16, 16), RED), path)
    assert np.abs(np.asarray(read_picture(path), int) - RED).max() < 10
    with Image.open(path) as image:
        assert image.format == {".jpg": "JPEG", ".JPEG": "JPEG"}.get(suffix, suffix[1:].upper())
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png cannot be decoded") as raised:
        read_picture(path)
    assert str(raised.value).count(str(path)) == 1


def test_truncated_picture_is_refused(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, [50, 50, 3], np.uint8))
    path = save(noise, tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="cut"):
        read_picture(path)
