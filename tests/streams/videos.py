"""Small videos whose pictures say which they are."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE, SIZE = 10, (64, 48)  # pictures per second; width, height
_STEP = 12  # between the brightness of two pictures; what an encoder loses is less than half of it


def pixels(number: int, size=SIZE) -> np.ndarray:
    """A gray picture, darker on its right, whose brightness says its number (up to 20)."""
    width, height = size
    gray = np.full([height, width, 3], _STEP * number, np.uint8)
    gray[:, width // 2 :] //= 2
    return gray


def number_of(picture: np.ndarray) -> int:
    """Which picture it is."""
    return round(float(picture[:, : picture.shape[1] // 3].mean()) / _STEP)


def write(path: Path, count: int, codec: str = "mpeg4", rate: int = RATE, size=SIZE, sound: bool = False) -> Path:
    """A video of `count` pictures, with a tone of the same length if there is `sound`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate, bit_rate=2_000_000)
        video.width, video.height = size
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(pixels(number, size), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            _add_tone(container, audio, count / rate)
    return path


def _add_tone(container, audio, seconds: float) -> None:
    samples = np.sin(np.arange(int(seconds * 16000)) * 440 * 2 * np.pi / 16000).astype(np.float32)
    for start in range(0, len(samples), 1024):
        part = np.ascontiguousarray(samples[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        container.mux(audio.encode(frame))
    container.mux(audio.encode())


def turned(path: Path, degrees: int) -> Path:
    """The same video, marked by a phone that was held on its side: to be shown turned clockwise by 90, 180 or 270."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one, w = 1 << 16, 1 << 30
    matrix = np.array([cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, w], ">i4").tobytes()
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 2 * 4
    data[place : place + 36] = matrix
    result = path.with_name(f"turned_{degrees}.mp4")
    result.write_bytes(bytes(data))
    return result
