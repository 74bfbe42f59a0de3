"""Conversion on this machine's CPU cores."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from odtk import files, parallel
from odtk.records import shards
from odtk.tools.make_tfrecords.plan import Shard
from odtk.tools.make_tfrecords.report import WrittenRecord


@dataclass(frozen=True)
class LocalRunner:
    """Threads or processes, depending on the number of items; `num_workers` None is one per core."""

    num_workers: int | None = None

    def mapped(self, function: Callable, items: Sequence) -> AbstractContextManager[Iterator]:
        """A context whose value is an iterator over `function(item)` of all items, in order."""
        return parallel.mapped(function, items, self.num_workers)

    def write(self, folder: str | Path, planned: Sequence[Shard], convert: Callable, account: Callable) -> None:
        """Writes the shards, one file at a time; calls `account(split, written)` for each item in order."""
        items = [item for shard in planned for item in shard.items]
        with self.mapped(convert, items) as results:
            for shard in planned:
                part = itertools.islice(results, len(shard.items))
                shards.write_records(files.join(folder, shard.name), _records(part, shard.split, account))


def _records(results: Iterable[WrittenRecord], split: str, account: Callable) -> Iterator[bytes]:
    for written in results:
        account(split, written)
        if written.record is not None:
            yield written.record
