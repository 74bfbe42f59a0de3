"""A window that shows annotated pictures as they come, by Tk, which comes with Python."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from odtk.detections import Detections
from odtk.errors import OdtkError
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer

CLOSED = "the window was closed"

_OF_SCREEN = 0.85  # how much of its sides a picture may cover
_POLL_MILLISECONDS = 20  # in which a key is noticed
_STOP_KEYS = ("q", "Q", "Escape")


class WindowWriter(Writer):
    """Shows videos and cameras as fast as they come, and each still picture until a key is pressed.

    All calls must be made by the main thread, as some systems have windows only there.
    """

    def __init__(
        self, folder: Path, name_of: Callable[[int], str], should_stop: Callable[[], str | None] = lambda: None
    ):
        """Opens the window; raises OdtkError where there is no display.

        `should_stop` is asked for a reason not to wait for a key any more, such as Ctrl-C in the terminal.
        """
        super().__init__(folder, name_of)
        self.is_closed = False
        """Whether the user asked for the end: by the window's button, q or Esc."""
        self._count = 0
        self._window, self._label = _open()
        self._may_go_on, self._should_stop = False, should_stop
        self._window.protocol("WM_DELETE_WINDOW", self._close)
        self._window.bind("<Key>", self._pressed)
        self._window.bind("<Button-1>", self._pressed)

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        if self.is_closed:
            return
        from PIL import ImageTk

        picture = ImageTk.PhotoImage(_fitted(drawn(), self._window), master=self._window)
        self._label.configure(image=picture)
        self._label.image = picture  # Tk does not keep it
        self._window.title(_title(frame))
        self._count += 1
        self._may_go_on = not frame.is_still
        self._window.update()
        while not (self._may_go_on or self.is_closed or self._should_stop()):
            self._window.after(_POLL_MILLISECONDS)
            self._window.update()

    def finish(self) -> None:
        """See `Writer.finish`."""
        self._close()

    def written(self) -> str:
        """Nothing: it has no files."""
        return ""

    def why_stopped(self) -> str | None:
        """Why no more pictures are wanted; None as long as the window is open."""
        return CLOSED if self.is_closed else None

    def _pressed(self, event: Any) -> None:
        self._may_go_on = True
        if getattr(event, "keysym", "") in _STOP_KEYS:
            self._close()

    def _close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._window.destroy()


def check_display() -> None:
    """Raises OdtkError where no window can be shown."""
    window, _ = _open()
    window.destroy()


def _open() -> tuple[Any, Any]:
    """A window of Tk, and the label in it that holds the picture."""
    try:
        import tkinter

        window = tkinter.Tk(className="odtk")
    except ImportError as error:
        raise OdtkError(
            f"A window needs Tk, which this Python lacks ({error}). Install it (Debian, Ubuntu: python3-tk), "
            "or look at the saved pictures and videos.",
            argument="show",
        ) from error
    except tkinter.TclError as error:
        raise OdtkError(
            f"There is no display to show a window on ({_reason(error)}). Run it in a desktop session, or over "
            "ssh -X; or look at the saved pictures and videos.",
            argument="show",
        ) from error
    label = tkinter.Label(window, background="black", borderwidth=0)
    label.pack(expand=True, fill="both")
    return window, label


def _reason(error: Exception) -> str:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY")):
        return "DISPLAY is not set"
    return str(error)


def _fitted(picture: Image.Image, window: Any) -> Image.Image:
    """The picture, smaller if it is larger than the screen."""
    scale = min(
        1.0,
        _OF_SCREEN * window.winfo_screenwidth() / picture.width,
        _OF_SCREEN * window.winfo_screenheight() / picture.height,
    )
    return (
        picture
        if scale == 1
        else picture.resize((max(1, int(picture.width * scale)), max(1, int(picture.height * scale))))
    )


def _title(frame: Frame) -> str:
    if frame.is_still:
        return f"{frame.name} - any key for the next, q to end"
    return f"{frame.name} {frame.seconds or 0.0:.1f} s - q to end"
