"""Annotated videos: H.264 in MP4, each frame at its own time, with the audio of the source."""

import contextlib
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from odtk.detections import Detections
from odtk.errors import OutputError
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer
from odtk.streams.writers.audio import AudioTrack, open_audio

_ENCODERS = {
    # Without B-frames, which come before the frame that they follow: the file would end with the last to come.
    "libx264": {"crf": "20", "preset": "veryfast", "bf": "0"},
    "libopenh264": {},
    "mpeg4": {"qscale": "3"},  # for builds without H.264; few browsers play it
}
_TICKS = 90_000  # of a second, as in broadcasts: all usual frame rates are whole numbers of them
_ALONE_SECONDS = 0.04  # for which the only frame of a video is shown
_BT709 = 1  # the number of the matrix, primaries and curve, by which players that are told nothing read large videos
_MPEG_RANGE = 1


class VideoWriter(Writer):
    """A video for each source of frames, named as the source; still pictures are left to other writers.

    Frames keep their times, so that a video with every third frame, or of a camera that lost some, is as long as its
    source, and its audio fits.
    """

    def __init__(self, folder: Path, name_of: Callable[[int], str], expected: bool = True):
        """`expected`: whether a note is due if there is nothing to write."""
        super().__init__(folder, name_of)
        self._expected = expected
        self._videos: dict[str, _Video] = {}  # by the source's name, open ones and closed ones

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        if frame.is_still:
            return
        if frame.name not in self._videos:
            self._close(only_files=True)  # of which there is one at a time, while cameras take turns
            self._videos[frame.name] = _Video(self._path(frame), frame)
        self._videos[frame.name].add(np.asarray(drawn().convert("RGB")), frame.seconds or 0.0)

    def finish(self) -> None:
        """See `Writer.finish`."""
        self._close()
        self.notes += [f"{name}: {note}" for name, video in self._videos.items() for note in video.notes]
        if self._expected and not self._videos:
            self.notes.append("no video was written, as all sources are still pictures.")

    def written(self) -> str:
        """See `Writer.written`."""
        return ", ".join(
            f"{video.path.relative_to(self.folder).as_posix()} ({video.count} frames)"
            for video in self._videos.values()
        )

    def _path(self, frame: Frame) -> Path:
        wanted = (self.folder / frame.name).with_suffix(".mp4")
        taken = {video.path for video in self._videos.values()}
        path, number = wanted, 1
        while path in taken:
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
        return path

    def _close(self, only_files: bool = False) -> None:
        for video in self._videos.values():
            if not only_files or video.is_of_file:
                video.close()


class _Video:
    """One file, open until `close`."""

    def __init__(self, path: Path, first: Frame):
        self.path, self.count, self.notes = path, 0, []
        self.is_of_file = os.path.isfile(first.source)
        self._is_open, self._last_tick = True, -1
        path.parent.mkdir(parents=True, exist_ok=True)
        with _answering(path):
            self._file = av.open(os.fspath(path), "w", options={"movflags": "+faststart"})
        height, width = first.pixels.shape[:2]
        self._size = width + width % 2, height + height % 2  # H.264 has half as many colors as pixels each way
        self._stream = self._new_stream(*self._size)
        self._audio: AudioTrack | None = open_audio(first.source, self._file, self.notes) if self.is_of_file else None

    def add(self, pixels: np.ndarray, seconds: float) -> None:
        """Encodes uint8 [height, width, 3] at its time, and the audio up to there."""
        frame = av.VideoFrame.from_ndarray(self._fitted(pixels), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts = self._last_tick = max(self._last_tick + 1, round(seconds * _TICKS))
        frame.time_base = Fraction(1, _TICKS)
        with _answering(self.path):
            self._file.mux(self._stream.encode(frame))
            if self._audio:
                self._audio.copy_until(seconds)
        self.count += 1

    def close(self) -> None:
        """Makes the file whole; again without effect."""
        if not self._is_open:
            return
        self._is_open = False
        with _answering(self.path):
            # The last frame is shown for as long as a frame is on average.
            mean = self._last_tick / _TICKS / max(1, self.count - 1) or _ALONE_SECONDS
            for packet in self._stream.encode(None):
                packet.duration = round(mean / packet.time_base)
                self._file.mux(packet)
            if self._audio:
                self._audio.copy_until(self._last_tick / _TICKS + mean)
                self._audio.close()
            self._file.close()

    def _new_stream(self, width: int, height: int):
        encoder = next(name for name in _ENCODERS if _is_there(name))
        if encoder == "mpeg4":
            self.notes.append("PyAV has no encoder for H.264 here, so the video is MPEG-4, which browsers do not play.")
        stream = self._file.add_stream(encoder, rate=30, options=_ENCODERS[encoder])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        if encoder != "mpeg4":  # whose ticks may be at most 1/65535 of a second
            context.time_base = stream.time_base = Fraction(1, _TICKS)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _MPEG_RANGE
        return stream

    def _fitted(self, pixels: np.ndarray) -> np.ndarray:
        """The pixels with even sides; those of a source that changes its size are scaled to the first frame's."""
        width, height = self._size
        if not (0 <= height - pixels.shape[0] <= 1 and 0 <= width - pixels.shape[1] <= 1):
            pixels = np.asarray(Image.fromarray(pixels).resize(self._size))
            text = "the size of its frames changes; all are scaled to that of the first."
            self.notes += [] if text in self.notes else [text]
        missing = (0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)
        return np.ascontiguousarray(np.pad(pixels, missing, mode="edge"))


def _is_there(encoder: str) -> bool:
    with contextlib.suppress(av.codec.codec.UnknownCodecError):
        return bool(av.codec.Codec(encoder, "w"))
    return False


@contextlib.contextmanager
def _answering(path: Path):
    """Errors of the library, which do not say what could not be written, as OutputErrors; a full disk stays one."""
    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise OutputError(f"The video {path.name} cannot be written: {error.strerror or error}.") from error
