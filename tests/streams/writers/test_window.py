"""The window: with a window of ours in the place of Tk's, and with Tk itself where there is a virtual display."""

import builtins
import shutil
import subprocess
import sys
import types

import drawn_field
import numpy as np
import pytest
from PIL import Image
from stream_frames import detections, name_of, of_video, still

from odtk.errors import OdtkError
from odtk.streams.writers import window
from odtk.streams.writers.window import WindowWriter


class _Screen:
    """What WindowWriter uses of a Tk window and of the label in it; `keys` are pressed while it waits."""

    def __init__(self, keys=(), size=(1000, 500)):
        self.keys, self.size = list(keys), size
        self.titles, self.shown, self.bound, self.waits, self.is_there = [], [], {}, 0, True

    def protocol(self, name, function):
        self.bound[name] = function

    def bind(self, name, function):
        self.bound[name] = function

    def title(self, text):
        self.titles.append(text)

    def configure(self, image):
        self.shown.append(image)

    def winfo_screenwidth(self):
        return self.size[0]

    def winfo_screenheight(self):
        return self.size[1]

    def after(self, _):
        self.waits += 1

    def update(self):
        if self.waits and self.keys:
            key = self.keys.pop(0)
            if key == "x":
                self.bound["WM_DELETE_WINDOW"]()
            else:
                self.bound["<Key>"](types.SimpleNamespace(keysym=key))

    def destroy(self):
        self.is_there = False


@pytest.fixture
def open_window(monkeypatch, tmp_path):
    import PIL.ImageTk

    monkeypatch.setattr(PIL.ImageTk, "PhotoImage", lambda picture, master: picture)

    def opened(should_stop=lambda: None, **options):
        screen = _Screen(**options)
        monkeypatch.setattr(window, "_open", lambda: (screen, screen))
        return WindowWriter(tmp_path, name_of, should_stop), screen

    return opened


def _show(writer, frame):
    drawn = []
    writer.write(
        frame, detections(drawn_field.pictures(1)[0]), lambda: drawn.append(1) or Image.fromarray(frame.pixels)
    )
    return len(drawn)


def test_videos_run_and_pictures_wait_for_a_key(open_window):
    (picture,) = drawn_field.pictures(1, (160, 120))
    writer, screen = open_window(keys=["space", "Right"])
    _show(writer, of_video(picture, 5))
    assert screen.waits == 0
    _show(writer, still(picture, "a.jpg", "zoo/a.jpg"))
    assert (screen.waits, screen.keys) == (1, ["Right"])
    _show(writer, still(picture, "b.jpg", "zoo/b.jpg"))
    assert screen.titles == [
        *("walk.mp4 0.5 s - q to end", "zoo/a.jpg - any key for the next, q to end"),
        "zoo/b.jpg - any key for the next, q to end",
    ]
    assert writer.why_stopped() is None
    writer.finish()
    assert not screen.is_there
    assert writer.written() == ""


@pytest.mark.parametrize("key", ["q", "Escape", "x"])
def test_the_window_ends_the_run(open_window, key):
    (picture,) = drawn_field.pictures(1)
    writer, screen = open_window(keys=[key])
    assert _show(writer, still(picture, "a.jpg")) == 1
    assert writer.why_stopped() == "the window was closed"
    assert _show(writer, still(picture, "b.jpg")) == 0  # for a window that is gone nothing is drawn
    writer.finish()
    assert not screen.is_there


def test_a_picture_does_not_wait_when_the_run_is_stopped(open_window):
    (picture,) = drawn_field.pictures(1)
    answers = iter([None, None, "Ctrl-C"])
    writer, screen = open_window(should_stop=lambda: next(answers))
    _show(writer, still(picture, "a.jpg"))
    assert screen.waits == 2
    assert writer.why_stopped() is None


def test_a_picture_is_never_larger_than_the_screen(open_window):
    (picture,) = drawn_field.pictures(1, (1600, 1200))
    writer, screen = open_window()
    _show(writer, of_video(picture, 0))
    assert screen.shown[0].height <= 500
    assert screen.shown[0].width / screen.shown[0].height == pytest.approx(4 / 3, abs=0.01)


def test_without_a_display_or_tk_it_says_what_to_do(monkeypatch, tmp_path):
    tkinter = pytest.importorskip("tkinter")

    def no_display(**_):
        raise tkinter.TclError("no display name and no $DISPLAY environment variable")

    monkeypatch.setattr(tkinter, "Tk", no_display)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(OdtkError, match=r"no display to show a window on .*ssh -X") as caught:
        WindowWriter(tmp_path, name_of)
    assert caught.value.argument == "show"

    original = builtins.__import__

    def missing(name, *rest):
        if name == "tkinter":
            raise ImportError("No module named '_tkinter'")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(OdtkError, match=r"Tk, which this Python lacks .*python3-tk"):
        window.check_display()


@pytest.mark.skipif(not shutil.which("xvfb-run"), reason="needs a virtual display (xvfb)")
def test_tk_itself_shows_the_pixels(tmp_path):
    code = f"""
import numpy as np
from PIL import Image, ImageGrab
from odtk.streams.frame import Frame
from odtk.streams.writers.window import WindowWriter
from odtk.detections import Detections
pixels = np.full((60, 80, 3), (200, 30, 90), np.uint8)
writer = WindowWriter(".", str)
writer.write(Frame("a.mp4", "a.mp4", 1, pixels, 0, 0.0), None, lambda: Image.fromarray(pixels))
writer._window.after(300); writer._window.update()
ImageGrab.grab(xdisplay="").save({str(tmp_path / "screen.png")!r})
writer._window.focus_force(); writer._window.update()  # there is no window manager
writer._window.event_generate("<Key>", keysym="q", when="now")
assert writer.why_stopped(), "the key had no effect"
"""
    subprocess.run(["xvfb-run", "-a", sys.executable, "-c", code], check=True, timeout=60)
    screen = np.asarray(Image.open(tmp_path / "screen.png").convert("RGB"))
    assert (screen == (200, 30, 90)).all(-1).sum() == 60 * 80
