"""Sources give their pictures upright, in order, with their times; and say what is wrong with them."""

import functools
import http.server
import io
import threading

import av
import drawn_video
import numpy as np
import pytest
import videos
from PIL import Image

from odtk.errors import DataError
from odtk.streams.sources import still_pictures
from odtk.streams.sources.cameras import Camera
from odtk.streams.sources.places import find_sources
from odtk.streams.sources.videos import Video

CODECS = {"walk.mp4": "mpeg4", "walk.mkv": "libx264", "walk.avi": "mjpeg"}


@pytest.mark.parametrize("name", CODECS)
def test_a_video_gives_all_its_pictures_with_their_times(name, tmp_path):
    if CODECS[name] not in av.codecs_available:
        pytest.skip(f"this PyAV has no {CODECS[name]}")
    path = videos.write(tmp_path / name, 15, CODECS[name])
    source = Video(str(path), name)
    assert source.count() == 15
    taken = list(source.pictures())
    assert [videos.number_of(each.load().array) for each in taken] == [each.number for each in taken] == list(range(15))
    assert [each.seconds for each in taken] == pytest.approx([number / videos.RATE for number in range(15)], abs=2e-3)
    assert all(each.spent > 0 for each in taken)
    pixels = taken[3].load().array
    assert (pixels.shape, pixels.dtype) == ((48, 64, 3), np.uint8)
    every = list(source.pictures(every=4))
    assert [(each.number, videos.number_of(each.load().array)) for each in every] == [(0, 0), (4, 4), (8, 8), (12, 12)]


def test_a_video_that_was_taken_on_its_side_is_upright(tmp_path):
    """Its right half is dark: turned clockwise that is below, then left, then above."""
    path = videos.write(tmp_path / "walk.mp4", 12)
    for degrees, dark in ((90, np.s_[50:]), (180, np.s_[:, :20]), (270, np.s_[:14])):
        last = list(Video(str(videos.turned(path, degrees)), "walk.mp4").pictures())[-1].load().array
        assert last.shape == ((48, 64, 3) if degrees == 180 else (64, 48, 3))
        assert last[dark].mean() < 0.6 * last.max()
        assert np.median(last) > 0.45 * last.max()


def test_broken_videos_say_so_when_they_are_loaded(tmp_path):
    whole = videos.write(tmp_path / "walk.avi", 15, "mjpeg").read_bytes()
    cases = {"empty.mp4": b"", "text.mp4": b"a video" * 99, "cut.avi": whole[: len(whole) // 2]}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    for name, words in (("empty.mp4", "cannot be decoded"), ("text.mp4", "cannot be decoded"),
                        ("gone.mp4", "does not exist")):  # fmt: skip
        (taken,) = Video(str(tmp_path / name), name).pictures()
        with pytest.raises(DataError, match=f"{name} {words}"):
            taken.load()
    assert Video(str(tmp_path / "empty.mp4"), "empty.mp4").count() is None
    *whole, last = Video(str(tmp_path / "cut.avi"), "cut.avi").pictures()
    assert [videos.number_of(each.load().array) for each in whole] == list(range(len(whole)))
    assert len(whole) > 1
    with pytest.raises(DataError, match=rf"cut\.avi is damaged: .*, after which it has {len(whole)} pictures"):
        last.load()
    drawn_video.write(tmp_path / "late.mkv", [Image.fromarray(videos.pixels(number)) for number in range(3)], start=9.0)
    late = Video(str(tmp_path / "late.mkv"), "late.mkv")
    assert [each.load().array.shape for each in late.pictures()] == [(48, 64, 3)] * 3, "it begins at 9 s and is whole"
    path = videos.write(tmp_path / "cut.mkv", 15)
    assert len(list(Video(str(path), "cut.mkv").pictures())) == 15
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *whole, last = Video(str(path), "cut.mkv").pictures()
    assert [videos.number_of(each.load().array) for each in whole] == list(range(len(whole)))
    with pytest.raises(DataError, match=rf"cut\.mkv is cut off: it should last 1\.5 s, .* {len(whole)} pictures"):
        last.load()
    with av.open(str(tmp_path / "tone.mp4"), "w") as container:
        drawn_video.add_tone(container, container.add_stream("aac", rate=drawn_video.RATE, layout="mono"), 0.2)
    (taken,) = Video(str(tmp_path / "tone.mp4"), "tone.mp4").pictures()
    with pytest.raises(DataError, match="has no video in it"):
        taken.load()


def test_videos_of_huge_pictures_are_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("odtk.annotations.image_files.MAX_PIXELS", 64 * 48 - 1)
    (taken,) = Video(str(videos.write(tmp_path / "walk.mp4", 2)), "walk.mp4").pictures()
    with pytest.raises(DataError, match=r"has pictures of 64x48, more than 3071 pixels\. Scale it down"):
        taken.load()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and /live.mjpg as a network camera does."""

    def do_GET(self):
        if self.path == "/private.png" and self.headers["Authorization"] != "Basic bWU6c2VjcmV0":
            self.send_error(401)
            return
        if self.path == "/round.jpg" or self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/broken-off.jpg":
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(bytes(1000))
        elif self.path == "/live.mjpg":
            self._show(12)
        else:
            super().do_GET()

    def _show(self, count):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(count):
            encoded = io.BytesIO()
            Image.fromarray(videos.pixels(number)).save(encoded, "JPEG", quality=95)
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(encoded.getvalue())}\r\n\r\n"
            self.wfile.write(head.encode() + encoded.getvalue() + b"\r\n")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}", folder
        found.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def test_pictures_and_videos_are_read_from_addresses(server):
    address, folder = server
    image = Image.new("RGB", (8, 6), (0, 0, 255))
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees
    image.save(folder / "cat.jpg", exif=exif)
    videos.write(folder / "walk.mp4", 6)
    picture, video = find_sources([f"{address}/cat.jpg", f"{address}/walk.mp4"])
    (taken,) = picture.pictures()
    assert taken.load().array.shape == (8, 6, 3)
    image.save(folder / "private.png")
    (private,) = find_sources([f"{address.replace('http://', 'http://me:secret@')}/private.png"])
    assert next(private.pictures()).load().array.shape == (6, 8, 3)
    assert [videos.number_of(each.load().array) for each in video.pictures()] == list(range(6))
    image.save(folder / "eine Straße.png")
    (folder / "no type").write_bytes((folder / "private.png").read_bytes())  # the server says nothing of it, or text
    for written in ("eine Straße.png", "eine%20Stra%C3%9Fe.png?a=b&c", "no%20type"):
        (source,) = find_sources([f"{address}/{written}"])
        assert next(source.pictures()).load().array.shape == (6, 8, 3)


def test_redirections_lead_to_addresses_only_and_a_password_to_no_other_machine(server):
    address, folder = server
    Image.new("RGB", (8, 6)).save(folder / "private.png")
    mine = address.replace("http://", "http://me:secret@")
    cases = {
        f"/to/{address}/private.png": None,
        f"/to/{address.replace('127.0.0.1', 'localhost')}/private.png": "the server answers 401",
        "/to/ftp://127.0.0.1/cat.jpg": "the server answers 302 with a redirection to ftp://, which is not followed",
    }
    for path, message in cases.items():
        (source,) = find_sources([mine + path])
        (taken,) = source.pictures()
        if message is None:
            assert taken.load().array.shape == (6, 8, 3)
            continue
        with pytest.raises(DataError, match=message) as error:
            taken.load()
        assert "secret" not in str(error.value)


def test_the_frames_of_an_animation_are_counted_at_an_address_too(server):
    address, folder = server
    frames = [Image.new("L", (8, 6), shade) for shade in (0, 90, 200)]
    frames[0].save(folder / "run.gif", save_all=True, append_images=frames[1:])
    (source,) = find_sources([f"{address}/run.gif"])
    (taken,) = source.pictures()
    assert taken.load().frames == 3


def test_addresses_that_give_no_picture_say_why(server):
    address, folder = server
    (folder / "page.html").write_text("<img>")
    (folder / "notes.jpg").write_text("notes")
    (folder / "film").write_bytes(b"")
    for name, message in (("gone.jpg", "the server answers 404 File not found"),
                          ("page.html", "is no picture but text/html. Give the address of the picture itself"),
                          ("notes.jpg", "cannot be decoded: it is not one of JPEG"),
                          ("round.jpg", r"the server answers 302 [^\n]*infinite loop\.$"),
                          ("broken-off.jpg", "the connection ended after 1,000 of its 5,000 bytes")):  # fmt: skip
        (source,) = find_sources([f"{address}/{name}"])
        (taken,) = source.pictures()
        with pytest.raises(DataError, match=f"^{address}/{name} .*{message}"):
            taken.load()
    (source,) = find_sources(["http://me:secret@127.0.0.1:9/cat.jpg"])
    (taken,) = source.pictures()
    with pytest.raises(DataError, match=r"^http://me:\.\.\.@127\.0\.0\.1:9/cat\.jpg cannot be fetched") as error:
        taken.load()
    assert "secret" not in str(error.value)


def test_a_server_that_sends_next_to_nothing_is_not_waited_for(server, monkeypatch):
    address, folder = server
    (folder / "endless.jpg").write_bytes(bytes(10))
    (source,) = find_sources([f"{address}/endless.jpg"])
    monkeypatch.setattr(still_pictures, "time", Clock())
    with pytest.raises(DataError, match=f"^{address}/endless.jpg cannot be fetched: after 100 s 10 bytes of it"):
        next(source.pictures()).load()


class Clock:
    """Each look at it is 100 seconds later."""

    def __init__(self):
        self._seconds = 0

    def monotonic(self):
        self._seconds += 100
        return self._seconds


def test_a_network_camera_shows_what_it_has_until_it_ends(server):
    address, _ = server
    (source,) = find_sources([f"{address}/live.mjpg"])
    assert (source.is_live, source.count()) == (True, None)
    source.open()
    taken = list(source.pictures(every=2))
    numbers = [each.number for each in taken]
    assert numbers == list(range(0, numbers[-1] + 1, 2))
    assert numbers[-1] >= 8
    assert [videos.number_of(each.load().array) for each in taken] == numbers
    assert source.ended.startswith(f"{address}/live.mjpg ")
    assert "after 12 pictures" in source.ended


def test_a_network_camera_that_is_not_there_is_an_error_without_its_password():
    (source,) = find_sources(["rtsp://me:secret@127.0.0.1:9/front"])
    with pytest.raises(DataError, match=r"cannot be decoded: Connection refused. Check the address") as error:
        source.open()
    assert "secret" not in str(error.value)
    assert "secret" not in repr(error.value.__cause__ and str(error.value))


class FakeCapture:
    """A camera as OpenCV gives it: BGR, until it is unplugged."""

    def __init__(self, count):
        self.left, self.is_released = count, False

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full([4, 6, 3], (255, 0, 0), np.uint8)

    def release(self):
        self.is_released = True


def test_a_camera_gives_rgb_until_it_is_unplugged():
    capture = FakeCapture(6)
    source = Camera("camera:3", "camera-3.mp4", lambda device: capture if device == 3 else None)
    source.open()
    taken = list(source.pictures(every=2))
    assert [each.number for each in taken] == [0, 2, 4]
    assert taken[0].load().array.tolist() == [[[0, 0, 255]] * 6] * 4
    assert source.count() is None
    assert source.ended == "camera:3 gave 5 pictures and then none. Check that it is still connected."
    assert capture.is_released


def test_a_camera_that_shows_nothing_is_an_error():
    capture = FakeCapture(0)
    with pytest.raises(DataError, match=r"camera:0 gives no picture. Check that it is connected"):
        Camera("camera:0", "camera-0.mp4", lambda device: capture).open()
    assert capture.is_released
    with pytest.raises(DataError, match="camera:99 gives no picture"):
        Camera("camera:99", "camera-99.mp4").open()
