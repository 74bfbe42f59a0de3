"""Timing of work that a device does: interleaved turns of about equal length, each awaited to its end."""

import math
import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from bench.turns import Times

_MOST = 1000


def times(works: dict[str, Callable[[int], object]], turns: int, turn_seconds: float) -> tuple[dict[str, Times], dict]:
    """Times of each work for one repetition, and the repetitions of its turns.

    A work does itself a number of times and waits for the device. Each is done once before, which compiles it, and
    then twice, which tells how long it takes.
    """
    counts = {}
    for name, work in works.items():
        work(1)
        counts[name] = max(1, min(math.ceil(turn_seconds / (_seconds(work, 2) / 2)), _MOST))
    found = {name: Times() for name in works}
    for _ in range(turns):
        for name, work in works.items():
            found[name].wall.append(_seconds(work, counts[name]) / counts[name])
    return found, counts


def _seconds(work: Callable[[int], object], count: int) -> float:
    began = time.perf_counter()
    work(count)
    return time.perf_counter() - began


def rate(found: Times, images: int, repetitions: int) -> dict:
    """As figures: images/s by the median turn, and of the slowest and the fastest."""
    rates = [images / seconds for seconds in found.wall]
    return {
        "images_per_second": images / statistics.median(found.wall),
        "slowest_and_fastest": [min(rates), max(rates)],
        "seconds": statistics.median(found.wall),
        "turns": len(found.wall),
        "repetitions_in_a_turn": repetitions,
    }


def forget_peak_memory() -> None:
    """The peak is counted anew from here."""
    for index, _ in enumerate(tf.config.get_visible_devices("GPU")):
        tf.config.experimental.reset_memory_stats(f"GPU:{index}")


def peak_memory() -> int | None:
    """Bytes in use on the first GPU at the most; None on a CPU, where TensorFlow does not count."""
    if not tf.config.get_visible_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]
