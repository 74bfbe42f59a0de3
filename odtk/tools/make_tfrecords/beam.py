"""Conversion with Apache Beam: the same functions of single images and the same bytes, on any of Beam's runners."""

import contextlib
import dataclasses
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from odtk import files
from odtk.errors import OdtkError
from odtk.records import shards
from odtk.tools.make_tfrecords.plan import Shard
from odtk.tools.make_tfrecords.report import WrittenRecord

_BATCH = 64  # images that are examined as one element


class BeamRunner:
    """One pipeline that examines images, and one that writes shards.

    This process and the workers exchange files in `exchange`, which both must be able to access: results, and the
    function with its items, which may be too large for a pipeline's own graph.
    """

    def __init__(self, runner: str, options: Sequence[str], exchange: str):
        self._arguments, self._exchange = [f"--runner={runner}", *options], exchange

    @contextlib.contextmanager
    def mapped(self, function: Callable, items: Sequence) -> Iterator[Iterator]:
        """A context whose value is an iterator over `function(item)` of all items, in order."""
        batches = [(start, min(start + _BATCH, len(items))) for start in range(0, len(items), _BATCH)]
        yield self._run(_Examine, "examine", (function, items), batches)

    def write(self, folder: str | Path, planned: Sequence[Shard], convert: Callable, account: Callable) -> None:
        """Writes the shards, each by one worker; calls `account(split, written)` for each item in order."""
        results = self._run(_Write, "write", (convert, planned, str(folder)), list(range(len(planned))))
        for shard in planned:
            for _ in shard.items:
                account(shard.split, next(results))

    def _run(self, kind: type, name: str, work: tuple, elements: list) -> Iterator[Any]:
        """Runs one pipeline; yields its workers' results for each element, in order."""
        base = files.join(self._exchange, name)
        _store(f"{base}.work", work)
        try:
            with beam.Pipeline(options=PipelineOptions(self._arguments)) as pipeline:
                _ = pipeline | beam.Create(list(enumerate(elements))) | beam.Reshuffle() | beam.ParDo(kind(base))
        except OdtkError:
            raise
        except Exception as error:  # a runner may raise anything
            last_line = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise OdtkError(f"Apache Beam failed: {last_line[0]} See its log on stderr.") from error
        return (result for index in range(len(elements)) for result in _load(f"{base}.{index}"))


class _Work(beam.DoFn):
    def __init__(self, base: str):
        self._base = base

    def setup(self):
        self._work = _load(f"{self._base}.work")


class _Examine(_Work):
    def process(self, numbered):
        index, (start, stop) = numbered
        function, items = self._work
        _store(f"{self._base}.{index}", [function(item) for item in items[start:stop]])


class _Write(_Work):
    def process(self, numbered):
        index, place = numbered
        convert, planned, folder = self._work
        done: list[WrittenRecord] = []
        shards.write_records(files.join(folder, planned[place].name), _records(convert, planned[place], done))
        _store(f"{self._base}.{index}", done)


def _records(convert: Callable, shard: Shard, done: list[WrittenRecord]) -> Iterator[bytes]:
    for item in shard.items:
        written = convert(item)
        done.append(dataclasses.replace(written, record=written.record and b""))
        if written.record is not None:
            yield written.record


def _store(path: str, value: object) -> None:
    with files.create(path) as file:
        pickle.dump(value, file)


def _load(path: str) -> Any:
    return pickle.loads(files.read_bytes(path))
