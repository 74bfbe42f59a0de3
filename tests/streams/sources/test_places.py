"""What users name is found, each thing once and under a name of its own."""

import io
import os

import pytest
from PIL import Image

from odtk import files
from odtk.errors import DataError
from odtk.streams.sources.addresses import without_password
from odtk.streams.sources.cameras import Camera
from odtk.streams.sources.places import find_sources
from odtk.streams.sources.still_pictures import PictureFile, StoredPicture, WebPicture
from odtk.streams.sources.videos import Video


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def names(*places, **options):
    return [source.name for source in find_sources(places, **options)]


def test_same_names_of_several_places_are_kept_apart(tmp_path):
    one, two, three = touch(tmp_path, "one/cat.jpg", "two/cat.jpg", "three/CAT.jpg")
    found = find_sources([tmp_path / "one", two, tmp_path / "three", one])
    assert {source.path: source.name for source in found} == {one: "cat.jpg", two: "cat-2.jpg", three: "CAT-3.jpg"}


def test_names_are_in_no_folder_that_other_outputs_write_to(tmp_path):
    """Else the drawn picture would replace the picture of the YOLO dataset, or the frame of the video."""
    touch(tmp_path, "walk.mp4", "walk_mp4/000001.jpg", "yolo/images/cat.jpg", "yolo-2/images/cat.jpg", "a/Voc/1.jpg")
    assert names(tmp_path) == [
        *("walk.mp4", "a/Voc/1.jpg", "walk_mp4-2/000001.jpg", "yolo-2/images/cat.jpg", "yolo-2/images/cat-2.jpg")
    ]
    (voc,) = touch(tmp_path / "b", "VOC/1.jpg")
    assert names(tmp_path / "b", voc) == ["VOC-2/1.jpg"]


def test_folders_are_searched_in_order_without_hidden_ones(tmp_path):
    touch(tmp_path, "b/2.png", "b/.hidden.png", ".cache/1.png", "a/1.webp", "c.gif", "B.BMP", "notes.txt", "d.HEIC",
          "film.MOV")  # fmt: skip
    assert names(tmp_path) == ["B.BMP", "c.gif", "d.HEIC", "film.MOV", "a/1.webp", "b/2.png"]
    assert names(tmp_path, not_in=tmp_path / "b") == ["B.BMP", "c.gif", "d.HEIC", "film.MOV", "a/1.webp"]
    kinds = {source.name: type(source) for source in find_sources([tmp_path])}
    assert (kinds["film.MOV"], kinds["d.HEIC"]) == (Video, PictureFile)


def test_globs_name_what_they_match_by_the_path_from_their_first_wildcard(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/b/2.jpg", "a/notes.txt", "c/3.png", "[x].jpg")
    assert names(f"{tmp_path}/a/*.jpg") == ["1.jpg"]
    assert names(f"{tmp_path}/**/*.jpg") == ["[x].jpg", "a/1.jpg", "a/b/2.jpg"]
    assert names(f"{tmp_path}/[ac]") == ["a/1.jpg", "a/b/2.jpg", "c/3.png"]
    assert names(f"{tmp_path}/[x].jpg") == ["[x].jpg"], "a file that is there is meant by its name"
    with pytest.raises(DataError, match="No images in"):
        names(f"{tmp_path}/*.bmp")
    assert names(f"{tmp_path}/a/*/../../[[]x].jpg") == ["[x].jpg"], "outputs are never outside of their folder"


@pytest.mark.parametrize(
    ("place", "kind", "name"),
    [
        ("https://host/a/cat%20one.JPG?size=9#x", WebPicture, "cat one.JPG"),
        ("http://host/picture.php?id=4", WebPicture, "picture.php.jpg"),
        ("http://host", WebPicture, "host.jpg"),
        ("https://host/walk.webm", Video, "walk.mp4"),
        ("https://host/live/index.m3u8", Video, "index.mp4"),
        ("video:https://host/film?id=3", Video, "film.mp4"),
        ("rtsp://me:secret@cam.local:554/front/1", Video, "cam.local-front-1.mp4"),
        ("http://cam/video.mjpg", Video, "cam-video.mp4"),
        ("camera:0", Camera, "camera-0.mp4"),
        ("camera:/dev/video2", Camera, "camera-_dev_video2.mp4"),
        ("video:clip.xyz", Video, "clip.xyz"),
    ],
)
def test_addresses_and_cameras(place, kind, name):
    (source,) = find_sources([place])
    assert (type(source), source.name) == (kind, name)
    assert source.is_still == (kind is WebPicture)
    assert source.is_live == (place.startswith(("rtsp", "camera")) or "mjpg" in place)
    assert "secret" not in source.written


def test_passwords_are_left_out():
    assert without_password("rtsp://me:a:b@c@cam/1") == "rtsp://me:...@cam/1"
    for address in ("rtsp://me@cam/1", "https://host/a:b@c.jpg", "cat@home.jpg", "camera:0"):
        assert without_password(address) == address
    assert without_password("http://me:secret@cam:80/a@b?m=c@d") == "http://me:...@cam:80/a@b?m=c@d"
    assert without_password("rtsp://me:sec#r/et@cam/1") == "rtsp://me:...@cam/1", "which should be quoted"
    for address in ("http://host:8080/a@b.jpg", "http://[::1]/a@b.jpg"):
        assert without_password(address) == address


def test_standard_input_has_a_place_per_line(tmp_path):
    one, two = touch(tmp_path, "one.jpg", "two words.jpg")
    listed = io.BytesIO(f"\ufeff{one}\n\n{two}\r\nhttps://host/three.jpg".encode())
    assert names("-", one, stdin=listed) == ["one.jpg", "two words.jpg", "three.jpg"]
    with pytest.raises(DataError, match="No images in the list on standard input"):
        names("-", stdin=io.BytesIO())
    (other,) = touch(tmp_path, os.fsdecode(b"\xff.jpg"))  # a name that is no UTF-8
    assert names("-", stdin=io.BytesIO(os.fsencode(one) + b"\0" + os.fsencode(other))) == ["one.jpg", other.name]


def test_pictures_in_a_store():
    encoded = io.BytesIO()
    Image.new("RGB", (4, 6), (255, 0, 0)).save(encoded, "PNG")
    files.make_folder("ram://places/b")
    for name in ("a.png", "b/c.png", ".hidden.png", "notes.txt"):
        files.write_bytes(f"ram://places/{name}", encoded.getvalue())
    assert names("ram://places") == ["a.png", "b/c.png"]
    (source,) = find_sources(["ram://places/b/c.png"])
    assert (type(source), source.name) == (StoredPicture, "c.png")
    (taken,) = source.pictures()
    assert taken.load().array.tolist() == [[[255, 0, 0]] * 4] * 6
    with pytest.raises(DataError, match="ram://places/gone does not exist"):
        find_sources(["ram://places/gone"])


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["gone.jpg"], r"gone\.jpg does not exist. Give images, videos, folders"),
        (["camera:"], "camera: is not complete"),
        (["http://[::1/cat.jpg"], r"http://\[::1/cat\.jpg is not a valid address: Invalid IPv6 URL"),
        ([""], "One of the sources is an empty text"),
        (["file://cat.jpg"], r"file://cat\.jpg is on another machine. Write three slashes"),
        (["foo://host/cat.jpg"], "protocol that is not known, foo://"),
        (["camera:0", "https://host/cat.jpg"], "camera:0 does not end by itself, so the 1 other sources"),
    ],
)
def test_what_cannot_be_meant_is_named(places, message):
    with pytest.raises(DataError, match=message):
        find_sources(places)
