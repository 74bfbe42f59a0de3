"""An evaluation that several processes share: each has a part of the batches, and all have what was found on all."""

import pickle
from collections.abc import Iterable, Iterator
from typing import Protocol

import tensorflow as tf

from odtk.inputs.dataset import Part


class Sharing(Protocol):
    """The processes, all of which call `gather` equally often."""

    @property
    def index(self) -> int:
        """Of this process."""

    @property
    def count(self) -> int:
        """Of all."""

    def gather(self, own: bytes) -> list[bytes]:
        """What each gives, in the order of their indices."""


class Alone:
    """One process."""

    index, count = 0, 1

    def gather(self, own: bytes) -> list[bytes]:
        """See Sharing."""
        return [own]


ALONE = Alone()


def part_of(sharing: Sharing) -> Part:
    """The batches of this process: in turn, as many as it evaluates at once."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return Part(sharing.index, sharing.count, replicas // sharing.count)


def gathered(rounds: Iterable[list], sharing: Sharing) -> Iterator[list]:
    """`rounds` of results of this process's batches to those of all, in the order of the batches.

    A result is made of arrays and the like. Processes may have different numbers of rounds.
    """
    if sharing.count == 1:
        yield from rounds
        return
    waiting = iter(rounds)
    # Whoever is one of the processes is trusted with more than that: TensorFlow runs what they send each other.
    while found := [
        result for each in sharing.gather(pickle.dumps(next(waiting, []))) for result in pickle.loads(each)
    ]:
        yield found
