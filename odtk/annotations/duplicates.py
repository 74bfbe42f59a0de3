"""Near-duplicates: a 64-bit fingerprint per image that is robust to small changes, and groups of similar images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# Number of bits in which two fingerprints of the same picture may differ. Another quality, size or brightness changes 0
# to 6 of the 64; different pictures differ in 16 and more.
MAX_DISTANCE = 6

# MAX_DISTANCE changed bits leave at least two of eight bands equal, so only pairs that share two bands are compared.
_NUM_BANDS = MAX_DISTANCE + 2

# Among images that share two bands, each is compared with this many neighbours, so that a long run of similar images
# (the frames of a video) does not take quadratic time. Groups are chains, so the run still becomes one group.
_NEIGHBOURS = 64

_SMALL_SIDE = 64  # pixels; the hash itself uses 32


def fingerprint(image: Image.Image) -> int:
    """The 64-bit perceptual hash of an RGB or greyscale image: the signs of its 8 x 8 lowest frequencies.

    Pictures that differ in size, quality or brightness have fingerprints of at most MAX_DISTANCE differing bits.
    """
    import imagehash

    # Averaging pixels to a thumbnail is many times faster than the hash's own resampling, and works as well.
    small = image.reduce(max(1, min(image.size) // _SMALL_SIDE))
    return int(str(imagehash.phash(small)), 16)


def groups(fingerprints: Sequence[int]) -> list[int]:
    """A group number per image, from 0 in order of first appearance; chains of near-duplicates share one.

    Takes near-linear time: only images that agree in two of eight bands of the fingerprint are compared.
    """
    import numpy as np

    if not fingerprints:
        return []
    distinct, place = np.unique(np.asarray(fingerprints, np.uint64), return_inverse=True)
    parents = list(range(len(distinct)))
    for first, second in _near_pairs(distinct):
        parents[_root(parents, second)] = _root(parents, first)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(_root(parents, index), len(numbers)) for index in place.ravel().tolist()]


def _near_pairs(hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of positions in `hashes` (sorted, distinct) that differ in at most MAX_DISTANCE bits."""
    import numpy as np

    edges = [round(64 * band / _NUM_BANDS) for band in range(_NUM_BANDS + 1)]
    masks = [sum(1 << bit for bit in range(start, stop)) for start, stop in itertools.pairwise(edges)]
    for one, other in itertools.combinations(masks, 2):
        keys = hashes & np.uint64(one | other)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for step in range(1, min(_NEIGHBOURS, len(keys) - 1) + 1):
            (alike,) = np.nonzero(keys[:-step] == keys[step:])
            if not len(alike):
                break
            first, second = order[alike], order[alike + step]
            near = _distance(hashes[first], hashes[second]) <= MAX_DISTANCE
            yield from zip(first[near].tolist(), second[near].tolist(), strict=True)


def _distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The number of differing bits, counted in parallel within each word (Warren, Hacker's Delight, 5-1)."""
    import numpy as np

    # numpy.bitwise_count came with NumPy 2; tensorflow 2.19 allows 1.26.
    bits = first ^ second
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (bits * np.uint64(0x0101010101010101)) >> np.uint64(56)


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index
