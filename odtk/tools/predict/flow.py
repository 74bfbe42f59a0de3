"""The threads of a run of `odtk predict`: pictures flow from their sources through the model to the writers."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from PIL import Image

from odtk.exporting.model import Model
from odtk.parallel import num_cores
from odtk.progress import Progress, track
from odtk.streams.frame import Frame
from odtk.streams.pipeline import Stage, flowing
from odtk.streams.selection import Selection
from odtk.streams.sources.source import Source
from odtk.streams.times import Times
from odtk.streams.tracking import Tracker
from odtk.streams.writer import Writer
from odtk.tools.predict.report import Collected, StreamSummary
from odtk.tools.predict.stages import STAGES, WRITING, Decoding, Detecting, Drawing, Seen, Skipped, Taking

_DECODERS = 4  # threads, at most


class Flow:
    """One run: what is taken is decoded, detected in and drawn in threads, and written in this one."""

    def __init__(
        self,
        model: Model,
        sources: Sequence[Source],
        writers: Sequence[Writer],
        should_stop: Callable[[], str | None],
        every: int,
        batch_size: int,
        warm_up: int,
    ):
        self._model, self._sources, self._writers = model, sources, writers
        self._every, self._batch_size = every, batch_size
        self.times = Times(STAGES)
        self._taking = Taking(sources, every, should_stop)
        self._detecting = Detecting(model, self.times, warm_up)

    @property
    def stopped(self) -> str | None:
        """Why it ended before all was done, if it did."""
        return self._taking.stopped

    def run(
        self,
        selection: Selection,
        tracker: Tracker | None,
        collected: Collected,
        is_drawn: Callable[[Frame], bool],
    ) -> float:
        """Writes and collects what is found in all pictures; the seconds that it took, without warming up.

        `is_drawn`: whether a picture is drawn ahead, as a writer will ask for it.
        """
        start, is_live = time.monotonic(), self._taking.is_live
        drawing = Drawing(selection, tracker, self._model.name_of, is_drawn, self.times)
        stages = [
            Stage("decode", Decoding(self.times), workers=1 if is_live else min(_DECODERS, num_cores())),
            Stage("detect", self._detecting, batch=self._batch_size),
            Stage("draw", drawing),
        ]
        with (
            track("Predicting", _total(self._sources, self._every), "images", compiles=True) as progress,
            flowing(self._taking, stages, capacity=1 if is_live else 2, is_live=is_live) as results,
        ):
            for result in results:
                if isinstance(result, Seen):
                    self._write(result, drawing)
                _collect(result, collected, progress)
            if not self.stopped and progress.total is not None:
                progress.all_done()  # of some videos only the length is known
        for writer in self._writers:
            writer.finish()
        return time.monotonic() - start - self._detecting.warm_up_seconds

    def with_ends(self, streams: Mapping[str, StreamSummary]) -> list[StreamSummary]:
        """The summaries by the names of their sources, with what cameras dropped and how they ended."""
        for source in self._sources:
            if source.name in streams:
                stream = streams[source.name]
                stream.dropped, stream.ended = self._taking.dropped[source.name], source.ended
        return list(streams.values())

    def _write(self, seen: Seen, drawing: Drawing) -> None:
        frame, pictures = seen.decoded.frame, [] if seen.picture is None else [seen.picture]

        def drawn() -> Image.Image:
            pictures[:] = pictures or [drawing.draw(frame, seen.found)]
            return pictures[0]

        with self.times.measured(WRITING):
            for writer in self._writers:
                writer.write(frame, seen.found, drawn)


def _total(sources: Sequence[Source], every: int) -> int | None:
    """How many pictures there are, if that is known."""
    counts = [source.count() for source in sources]
    known = [count for count in counts if count is not None]
    return sum(math.ceil(count / every) for count in known) if len(known) == len(counts) else None


def _collect(result: Seen | Skipped, collected: Collected, progress: Progress) -> None:
    if isinstance(result, Skipped):
        collected.skipped.append((result.source.place, result.reason))
        progress.advance(note=f"{len(collected.skipped)} skipped")
        return
    decoded = result.decoded
    if decoded.animation > 1:
        collected.animated.append((decoded.source.place, decoded.animation))
    collected.add(decoded.source, decoded.frame, result.found, result.best_score)
    progress.advance()
