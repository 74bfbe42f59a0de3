"""Cameras of this machine, by OpenCV."""

import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from odtk.errors import DataError
from odtk.streams.sources.source import Pixels, Source, Taken

PREFIX = "camera:"


class Camera(Source):
    """A camera by its number, from 0, or by its device file: "camera:0", "camera:/dev/video2"."""

    is_still = False
    is_live = True

    def __init__(self, written: str, name: str, connect: Callable[[int | str], Any] | None = None):
        """`connect` makes what has OpenCV's methods read and release."""
        super().__init__(written, name)
        device = written.removeprefix(PREFIX)
        self._device = int(device) if device.isascii() and device.isdigit() else device
        self._connect = connect or _connect
        self._camera: Any = None

    def open(self) -> None:
        """See Source.open."""
        self._camera = self._connect(self._device)
        is_there, _ = self._camera.read()
        if not is_there:
            self._camera.release()
            raise DataError(
                f"{self.written} gives no picture. Check that it is connected, that no other program uses it, and that "
                "this user may (on Linux: the group video); the first camera is camera:0."
            )

    def count(self) -> int | None:
        """It has no end."""
        return None

    def pictures(self, every: int = 1) -> Iterator[Taken]:
        """What it shows, until it is unplugged."""
        if self._camera is None:
            self.open()
        started, number = time.monotonic(), 0
        try:
            while (read := self._camera.read())[0]:
                if number % every == 0:
                    yield Taken(functools.partial(_pixels, read[1]), number, time.monotonic() - started)
                number += 1
        finally:
            self._camera.release()
            self._camera = None
        error = DataError(f"{self.written} gave {number} pictures and then none. Check that it is still connected.")
        self.end_of_live(error, number)


def _pixels(bgr: np.ndarray) -> Pixels:
    return Pixels(np.ascontiguousarray(bgr[..., ::-1]))


def _connect(device: int | str) -> Any:
    return _opencv().VideoCapture(device)


def _opencv() -> Any:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its warnings name no camera
    try:
        import cv2
    except ImportError as error:
        raise DataError(
            f"Cameras are read by OpenCV, which cannot be imported ({error}). Install it: pip install "
            "opencv-python-headless"
        ) from error
    return cv2
