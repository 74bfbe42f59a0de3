"""Videos and network cameras, by PyAV."""

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from odtk.annotations import image_files
from odtk.errors import DataError
from odtk.streams.sources.addresses import scheme_of, without_password
from odtk.streams.sources.source import Pixels, Source, Taken

_OPEN_SECONDS, _READ_SECONDS = 20.0, 30.0
_CUT_OFF_SECONDS, _CUT_OFF_PART = 0.5, 0.02  # what may be missing at the end of a file: writers count differently


class Video(Source):
    """A video file, one at an address, or the stream of a network camera."""

    is_still = False

    def __init__(self, address: str, name: str, is_live: bool = False):
        super().__init__(without_password(address), name)
        self._address, self.is_live = address, is_live
        self.path = None if scheme_of(address) else Path(address)
        self._opened: Any = None

    def open(self) -> None:
        """See Source.open."""
        if self.is_live:
            self._opened = self._container()

    def count(self) -> int | None:
        """The number that the file states, or that follows from its duration; None for an address."""
        if self.path is None:
            return None
        try:
            with self._container() as container:
                stream = self._stream(container)
                if stream.frames or not (container.duration and stream.average_rate):
                    return stream.frames or None
                return round(container.duration / 1e6 * float(stream.average_rate))
        except DataError:
            return None

    def pictures(self, every: int = 1) -> Iterator[Taken]:
        """See Source.pictures. What is damaged is left out; the last of the pictures raises a DataError about it."""
        number, error = 0, None
        try:
            container, self._opened = self._opened or self._container(), None
            with container:
                started = time.perf_counter()
                for frame, shown in self._frames(container):
                    if number % every == 0:
                        spent = 0.0 if self.is_live else time.perf_counter() - started  # a camera is waited for
                        yield Taken(functools.partial(_pixels, frame), number, shown, spent)
                        started = time.perf_counter()
                    number += 1
        except DataError as found:
            error = found
        if error is None and not number:
            error = DataError(f"{self.written} has no picture that can be decoded. Replace or remove it.")
        if self.is_live:
            self.end_of_live(error or DataError(f"{self.written} ended after {number} pictures."), number)
        elif error is not None:
            yield Taken(_raising(error), number)

    def _frames(self, container: Any) -> Iterator[tuple[Any, float]]:
        """The frames, and at which second each is shown."""
        import av

        stream = self._stream(container)
        stream.thread_type = "AUTO"
        start = container.start_time / 1e6 if container.start_time and not self.is_live else None
        clock = _Clock(start, float(stream.average_rate or stream.guessed_rate or 1))
        number, damaged, began, end = 0, 0, 0.0, 0.0
        with self._errors(lambda: f" after {number} pictures"):
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    damaged += 1
                    continue
                for frame in frames:
                    seconds = clock.since_start(frame.time)
                    began = began if number else (frame.time or 0.0) - seconds
                    end = seconds + float((frame.duration or 0) * frame.time_base if frame.time_base else 0)
                    yield frame, seconds
                    number += 1
        if damaged and not self.is_live:
            raise DataError(
                f"{self.written} is damaged: pieces that cannot be decoded ({damaged}) were left out, after which it "
                f"has {number} pictures."
            )
        stated = 0.0 if self.is_live else _stated_seconds(container, stream, number, began)
        if stated - end > max(_CUT_OFF_SECONDS, _CUT_OFF_PART * stated):
            raise DataError(
                f"{self.written} is cut off: it should last {stated:.1f} s, but ends after {end:.1f} s, with {number} "
                "pictures, which were used. If it was downloaded or copied, get it again."
            )

    def _container(self) -> Any:
        import av

        options = {"rtsp_transport": "tcp"} if scheme_of(self._address).startswith("rtsp") else {}
        timeout = (_OPEN_SECONDS, _READ_SECONDS) if scheme_of(self._address) else None
        if self.path is not None and not self.path.is_file():
            raise DataError(f"{self.written} {'is not a file' if self.path.exists() else 'does not exist'}.")
        with self._errors(lambda: ""):
            return av.open(os.fspath(self._address), options=options, timeout=timeout)

    def _stream(self, container: Any) -> Any:
        for stream in container.streams.video:
            if "attached_pic" not in str(getattr(stream, "disposition", "")).lower():
                self._check_size(stream)
                return stream
        raise DataError(f"{self.written} has no video in it. Give a video, or a picture.")

    def _check_size(self, stream: Any) -> None:
        if stream.width * stream.height > image_files.MAX_PIXELS:
            raise DataError(
                f"{self.written} has pictures of {stream.width}x{stream.height}, more than {image_files.MAX_PIXELS} "
                "pixels. Scale it down."
            )

    @contextlib.contextmanager
    def _errors(self, where):
        """Raises DataError for what PyAV says; its texts have the address in it, with its password."""
        import av

        try:
            yield
        except av.error.FFmpegError as error:
            raise DataError(
                f"{self.written} cannot be decoded{where()}: {error.strerror or type(error).__name__}. "
                f"{'Check the address and the network' if scheme_of(self._address) else 'Replace or remove it'}."
            ) from error


class _Clock:
    """When the frames of a stream are shown, in seconds since its start."""

    def __init__(self, start: float | None, rate: float):
        """`start`: of the container, None for the first frame's; `rate`: of frames that have no times, per second."""
        self._start, self._step = start, 1 / rate
        self._last: float | None = None

    def since_start(self, time: float | None) -> float:
        """Of the next frame, whose own `time` may be unknown."""
        following = 0.0 if self._last is None else self._last + self._step
        if self._start is None:
            self._start = time or 0.0
        shown = following if time is None else time - self._start
        if self._last is not None and shown < self._last:  # recordings that were joined begin at 0 again
            self._start -= following - shown
            shown = following
        self._last = shown
        return max(shown, 0.0)


def _stated_seconds(container: Any, stream: Any, number: int, began: float) -> float:
    """When a file says that its pictures end, if that is not where `number` of them end; 0 where it does not say."""
    if stream.frames:  # of MP4 and AVI; as audio may be longer, the seconds alone prove nothing
        return (container.duration or 0) / 1e6 if stream.frames > number else 0.0
    parts = stream.metadata.get("DURATION", "").split(":")  # of Matroska and WebM: 00:00:03.710000000
    try:
        hours, minutes, seconds = map(float, parts)
    except ValueError:
        return 0.0
    return 3600 * hours + 60 * minutes + seconds - began


def _pixels(frame: Any) -> Pixels:
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4  # as phones write them
    return Pixels(np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels)


def _raising(error: DataError):
    def load() -> Pixels:
        raise error

    return load
