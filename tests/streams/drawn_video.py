"""Small videos for tests, written with PyAV."""

from fractions import Fraction

import av
import numpy as np

RATE = 44100


def write(path, pictures, rate=10, audio=None, start=0.0, codec="libx264"):
    """A video of Pillow images at `rate` frames per second; `audio`: the encoder of a tone as long as the video."""
    options = {"options": {"crf": "10", "preset": "ultrafast"}} if codec == "libx264" else {"bit_rate": 2_000_000}
    with av.open(str(path), "w") as file:
        video = file.add_stream(codec, rate=rate, **options)
        video.width, video.height = pictures[0].size
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        tone = file.add_stream(audio, rate=RATE) if audio else None
        if tone:
            tone.layout = "mono"
            add_tone(file, tone, len(pictures) / rate, start)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number + round(start * rate), 1 / Fraction(rate)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))


def add_tone(file, stream, seconds, start=0.0):
    """Encodes a tone in an audio stream of RATE samples per second."""
    to_frames = av.AudioResampler(stream.format.name, "mono", RATE, frame_size=1024)
    times = np.arange(int(seconds * RATE)) / RATE
    samples = av.AudioFrame.from_ndarray(np.float32(0.3 * np.sin(2 * np.pi * 440 * times))[None], "flt", "mono")
    samples.rate, samples.pts, samples.time_base = RATE, round(start * RATE), 1 / Fraction(RATE)
    for part in (*to_frames.resample(samples), *to_frames.resample(None)):
        file.mux(stream.encode(part))
    file.mux(stream.encode(None))


def read(path):
    """The frames (seconds, uint8 array) of a video, and where its audio starts and ends in seconds, or None."""
    with av.open(str(path)) as file:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    with av.open(str(path)) as file:
        heard = list(file.decode(audio=0)) if file.streams.audio else []
    ends = (heard[0].time, heard[-1].time + heard[-1].samples / heard[-1].rate) if heard else None
    return frames, ends
