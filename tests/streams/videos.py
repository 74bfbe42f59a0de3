"""Small videos whose pictures say which they are."""

from pathlib import Path

import drawn_video
import numpy as np
from PIL import Image

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
    pictures = [Image.fromarray(pixels(number, size)) for number in range(count)]
    drawn_video.write(path, pictures, rate, "aac" if sound else None, codec=codec)
    return path


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
