"""Pictures: which are found under which name, and that all kinds are read as upright 8-bit RGB."""

import os

import numpy as np
import pytest
from PIL import Image, features

from odtk.errors import DataError, OutputError
from odtk.report.picture_files import (
    count_frames,
    flat_name,
    picture_folder,
    read_picture,
    write_picture,
)

RED = (255, 0, 0)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    kind = {"CMYK": "JPEG"}.get(mode, "PNG")
    path = save(Image.new("RGB", (8, 6), (255, 255, 255)).convert(mode), tmp_path / "image.png", format=kind)
    image = read_picture(path)
    assert (image.mode, image.size) == ("RGB", (8, 6))
    assert np.asarray(image).min() >= 250


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(tmp_path, mode):
    image = Image.new("RGBA", (8, 6), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 6))
    transparency = {"transparency": 255} if mode == "P" else {}
    if mode == "P":
        image = Image.fromarray(np.asarray(image)[:, :, 3] ^ 255).convert("P")
    seen = np.asarray(read_picture(save(image.convert(mode), tmp_path / "image.png", **transparency)))
    assert seen[:, :4].max() == 0
    assert seen[:, 4:].min() == 255


def test_sixteen_bits_of_gray_keep_their_brightness(tmp_path):
    gray = np.array([[0, 16384, 32768, 65535]], np.uint16)
    image = read_picture(save(Image.fromarray(gray), tmp_path / "gray.png"))
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


WRITTEN = {
    ".jpg": "JPEG",
    ".JPEG": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".TIFF": "TIFF",
    ".ppm": "PPM",
    ".jp2": "JPEG2000",
}
WRITTEN |= {".avif": "AVIF"} if features.check("avif") else {}


@pytest.mark.parametrize("suffix", WRITTEN)
def test_pictures_are_written_in_the_format_of_their_name(tmp_path, suffix):
    path = tmp_path / f"new/picture{suffix}"
    write_picture(Image.new("RGB", (16, 16), RED), path)
    assert np.abs(np.asarray(read_picture(path), int) - RED).max() < 10
    with Image.open(path) as image:
        assert image.format == WRITTEN[suffix]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png cannot be decoded") as raised:
        read_picture(path)
    assert str(raised.value).count(str(path)) == 1


def test_what_is_no_picture_is_not_called_it(tmp_path):
    (tmp_path / "notes.png").write_bytes(b"these are notes")
    with pytest.raises(DataError, match=r"notes\.png cannot be decoded: it is not one of JPEG, PNG, .*TIFF.*Replace"):
        read_picture(tmp_path / "notes.png")


@pytest.mark.parametrize(("name", "frames"), [("a.gif", 3), ("a.webp", 3), ("a.tif", 3), ("a.png", 3), ("a.jpg", 1)])
def test_frames_of_an_animation_are_counted(tmp_path, name, frames):
    first, *more = (Image.new("RGB", (8, 6), color) for color in (RED, "blue", "green"))
    several = {} if name == "a.jpg" else {"save_all": True, "append_images": more}
    path = save(first, tmp_path / name, **several)
    assert count_frames(path) == frames
    assert np.abs(np.asarray(read_picture(path), int) - RED).max() < 10


def test_truncated_picture_is_refused(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, [50, 50, 3], np.uint8))
    path = save(noise, tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="cut"):
        read_picture(path)


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*"))


def fill(folder, *names, **options):
    with picture_folder(folder, **options) as temporary:
        for name in names:
            save(Image.new("RGB", (4, 4)), temporary / name)


def test_an_earlier_output_is_replaced_whole_and_only_when_asked(tmp_path):
    fill(tmp_path / "out", "a.jpg", "more/b.jpg")
    with pytest.raises(OutputError, match="or overwrite it") as refused:
        fill(tmp_path / "out", "c.jpg")
    assert refused.value.argument == "overwrite"
    assert names_in(tmp_path / "out") == ["a.jpg", "more", "more/b.jpg"]
    fill(tmp_path / "out", "c.jpg", overwrite=True)
    assert names_in(tmp_path / "out") == ["c.jpg"]


@pytest.mark.parametrize("where", ["holiday.jpg", "more/holiday.jpg", ".hidden"])
def test_files_of_the_user_are_never_removed(tmp_path, where):
    fill(tmp_path / "out", "a.jpg", "more/b.jpg")
    (tmp_path / "out" / where).write_text("mine")
    with pytest.raises(OutputError, match=f"holds {where}"):
        fill(tmp_path / "out", "c.jpg", overwrite=True)
    assert (tmp_path / "out" / where).read_text() == "mine"


@pytest.mark.parametrize("content", ["[", "7", "[[]]", "null"])
def test_a_list_that_is_none_makes_no_output_of_ours(tmp_path, content):
    (tmp_path / ".odtk-pictures.json").write_text(content)
    with pytest.raises(OutputError, match="not empty"):
        fill(tmp_path, "c.jpg", overwrite=True)


def test_an_error_leaves_the_earlier_output(tmp_path):
    def stop(temporary):
        (temporary / "half.jpg").touch()
        raise KeyboardInterrupt

    fill(tmp_path / "out", "a.jpg")
    with pytest.raises(KeyboardInterrupt), picture_folder(tmp_path / "out", overwrite=True) as temporary:
        stop(temporary)
    assert names_in(tmp_path) == ["out", "out/a.jpg"]


CRAFTED = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "",
    "a\\..\\b.jpg",
    "C:\\x.png",
    "x\0y.jpg",
    "a\nb.jpg",
    "\udc80.jpg",
]
LONG = ["n" * 5000 + ".jpg", "犬" * 400 + ".png"]
ODD = [".hidden.jpg", "CON.jpg ", "~/x", "-rf.jpg", "犬/ü b.JPG"]


@pytest.mark.parametrize("name", [*CRAFTED, *LONG, *ODD])
def test_flat_names_are_names_of_one_file(tmp_path, name):
    taken = set()
    for made in (flat_name(name, taken), flat_name(name, taken)):
        save(Image.new("RGB", (4, 4)), tmp_path / made)
        assert made.endswith(".jpg")
        assert not made.startswith(".")
    assert len(list(tmp_path.iterdir())) == 2


def test_flat_names_that_a_file_system_takes_for_one_are_kept_apart():
    taken = set()
    names = ["cats/ü.jpg", "cats_u\u0308.jpg", "CATS/Ü.png", "cats/ü"]
    assert [flat_name(name, taken) for name in names] == [
        "cats_ü.jpg",
        "cats_ü-2.jpg",
        "CATS_Ü-3.jpg",
        "cats_ü-4.jpg",
    ]


def test_a_folder_and_what_is_not_there_are_no_pictures(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        read_picture(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is a folder"):
        read_picture(tmp_path)


def test_a_pipe_is_no_picture(tmp_path):
    """Reading one could block forever."""
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg is not a regular file"):
        read_picture(tmp_path / "a.jpg")


def test_leftovers_of_a_killed_run_are_not_contents(tmp_path):
    with picture_folder(tmp_path / "out"):
        pass
    (tmp_path / "out/.out.elsewhere.1.0123456789abcdef.part").mkdir()
    (tmp_path / "out/.out.elsewhere.1.0123456789abcdef.part/a.jpg").touch()
    with picture_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "b.jpg").touch()
    assert (tmp_path / "out/b.jpg").is_file()
