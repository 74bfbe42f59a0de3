"""Finds the largest size that fits into the memory, by trial steps.

The memory of a training step is a line in its number of images: weights, slots and gradients, and the activations of
each image. Two small trials give the line, and a trial of the predicted size verifies it.
"""

from collections.abc import Callable, Iterable

import tensorflow as tf

from odtk.training.out_of_memory import SumsCutOff, are_sums_cut_off, is_out_of_memory

_SMALL = (2, 4)
_SHARE = 0.9
"""Of the memory: the rest is for what is prefetched, for evaluations, and for gaps between tensors."""


class Trials:
    """The trial steps of one search, none of which is made twice."""

    def __init__(self, step: Callable[[int], int | None], limit: int | None, may_fail: bool = True):
        """`step`: trains on so many images and returns the peak of the memory in bytes, None if it is not known.

        `limit`: the memory in bytes, None if unknown. `may_fail`: whether a step that needs more raises an error of
        TensorFlow's. Otherwise it would end the process: what the line predicts, all without a limit, is not verified.
        """
        self._step, self._may_fail = step, may_fail
        self._budget = None if limit is None else limit * _SHARE
        self.peaks: dict[int, int | None] = {}
        """By the number of images, of the steps that were not out of memory."""
        self._failed: set[int] = set()

    def largest(self, choices: Iterable[int]) -> int | None:
        """The largest of these numbers of images that fits; None if none does.

        Raises SumsCutOff if a step on several devices ran out of memory, after which they cannot be tried any more.
        """
        left = sorted(choices)
        if self._budget is None:
            return self._by_doubling(left) if self._may_fail else left[-1]
        for size in sorted({min(size, left[-1]) for size in _SMALL}):
            if not self._fits(size):
                left = [each for each in left if each < size]
                break
        while left:
            size = max((each for each in left if self._predicted(each) <= self._budget), default=left[0])
            if self._fits(size) if self._may_fail else self._predicted(size) <= self._budget:
                return size
            left = [each for each in left if each < size]
        return None

    def _fits(self, size: int) -> bool:
        if size not in self.peaks and size not in self._failed:
            try:
                self.peaks[size] = self._step(size)
            except tf.errors.OpError as error:
                if are_sums_cut_off(error):
                    failed = min(self._failed, default=size if is_out_of_memory(error) else None)
                    raise SumsCutOff(failed, max(self.peaks, default=None)) from error
                if not is_out_of_memory(error):
                    raise
                self._failed.add(size)
        peak = self.peaks.get(size)
        return size not in self._failed and (self._budget is None or peak is None or peak <= self._budget)

    def _predicted(self, size: int) -> float:
        """Bytes, by the line through the two largest steps that were measured."""
        points = sorted((images, peak) for images, peak in self.peaks.items() if peak is not None)[-2:]
        if not points:
            return 0.0
        (first, low), (last, high) = points[0], points[-1]
        if first == last:  # how much of it is the images' is not known
            return high * max(size / last, 1.0)
        return high + max((high - low) / (last - first), 0.0) * (size - last)

    def _by_doubling(self, choices: list[int]) -> int | None:
        """Where the memory of a step is not reported: larger and larger ones until one fails, then between the two."""
        good, bad = -1, len(choices)
        while bad - good > 1:
            doubled = next((at for at in range(good + 1, bad) if choices[at] >= 2 * choices[max(good, 0)]), good + 1)
            at = (good + bad) // 2 if self._failed else doubled if good >= 0 else 0
            good, bad = (at, bad) if self._fits(choices[at]) else (good, at)
        return choices[good] if good >= 0 else None


def round_sizes(most: int) -> list[int]:
    """Numbers of images from 1 to `most` with four binary digits at the front: 1, 2, ... 16, 18, ... 32, 36, ...

    They can be halved, and a device computes in such blocks; at most an eighth of what would fit is lost.
    """
    return [size for size in range(1, most + 1) if size % 2 ** max(size.bit_length() - 4, 0) == 0]
