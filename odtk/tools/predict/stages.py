"""What happens to a picture on its way: it is taken, decoded, looked at by the detector, and drawn."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from odtk.detections import Detections
from odtk.errors import DataError
from odtk.exporting.model import Model
from odtk.report.drawing import draw_detections
from odtk.streams.drop_oldest import DropOldest
from odtk.streams.frame import Frame
from odtk.streams.selection import Selection
from odtk.streams.sources.source import Source, Taken
from odtk.streams.times import Times
from odtk.streams.tracking import Tracker

DECODING, TRANSFER, INFERENCE, DRAWING, WRITING = STAGES = ("decode", "transfer", "inference", "draw", "write")


@dataclass(frozen=True)
class Job:
    """A picture that was taken, and what is known of it by then."""

    source: Source
    taken: Taken
    image_id: int


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be used."""

    source: Source
    reason: str


@dataclass(frozen=True)
class Decoded:
    """A picture before the detector has seen it."""

    source: Source
    frame: Frame
    animation: int  # number of frames of the animation whose first it is


@dataclass(frozen=True)
class Detected:
    """A picture and all that the detector finds in it."""

    decoded: Decoded
    everything: Detections


@dataclass(frozen=True)
class Seen:
    """A picture, what of its detections the user wants to see, and these drawn on it if a writer asks for it."""

    decoded: Decoded
    found: Detections
    best_score: float | None
    picture: Image.Image | None


class Taking:
    """The pictures of all sources, one after the other; those of cameras as they come."""

    def __init__(self, sources: Sequence[Source], every: int, should_stop: Callable[[], str | None]):
        self._sources, self._every, self._should_stop = sources, every, should_stop
        self.stopped: str | None = None
        """Why it ended early."""
        self.is_live = any(source.is_live for source in sources)
        self._live = DropOldest([self._of(source) for source in sources], should_stop=self._is_stopped)

    @property
    def dropped(self) -> dict[str, int]:
        """How many pictures of each camera were not taken, by its name."""
        return {source.name: count for source, count in zip(self._sources, self._live.dropped, strict=True)}

    def __iter__(self) -> Iterator[Job]:
        numbers = _numbers_in_names(self._sources)
        with contextlib.closing(iter(self._live) if self.is_live else self._in_order()) as pairs:
            for count, (source, taken) in enumerate(pairs, start=1):
                yield Job(source, taken, numbers.get(source.name, count))

    def _in_order(self) -> Generator[tuple[Source, Taken], None, None]:
        for source in self._sources:
            with contextlib.closing(self._of(source)) as pairs:
                for pair in pairs:
                    if self._is_stopped():
                        return
                    yield pair

    def _of(self, source: Source) -> Generator[tuple[Source, Taken], None, None]:
        for taken in source.pictures(self._every):
            yield source, taken

    def _is_stopped(self) -> bool:
        self.stopped = self.stopped or self._should_stop()
        return self.stopped is not None


class Decoding:
    """Taken pictures to pixels."""

    def __init__(self, times: Times):
        self._times = times

    def __call__(self, jobs: list[Job]) -> list[Decoded | Skipped]:
        """Jobs to pictures, or to the reason why not."""
        return [self._decoded(job) for job in jobs]

    def _decoded(self, job: Job) -> Decoded | Skipped:
        source, taken = job.source, job.taken
        try:
            with self._times.measured(DECODING, spent=taken.spent):
                pixels = taken.load()
        except DataError as error:
            return Skipped(source, str(error))
        frame = Frame(source.written, source.name, job.image_id, pixels.array, taken.number, taken.seconds)
        return Decoded(source, frame, pixels.frames)


class Detecting:
    """Pictures to detections, in batches; `warm_up` runs of the model on the first of them do not count."""

    def __init__(self, model: Model, times: Times, warm_up: int):
        self._model, self._times, self._warm_up = model, times, warm_up
        self.warm_up_seconds = 0.0

    def __call__(self, things: list[Decoded | Skipped]) -> list[Detected | Skipped]:
        """What is found in each; a picture on which the model fails is left out, and those beside it are not."""
        decoded = [each for each in things if isinstance(each, Decoded)]
        if self._warm_up and decoded:
            self._warm(decoded)
        answers = iter(self._found(decoded))
        return [next(answers) if isinstance(each, Decoded) else each for each in things]

    def _found(self, decoded: Sequence[Decoded]) -> list[Detected | Skipped]:
        if not decoded:
            return []
        try:
            with self._times.measured(TRANSFER, len(decoded)):
                placed = self._model.place([each.frame.pixels for each in decoded])
            with self._times.measured(INFERENCE, len(decoded)):
                found = self._model.run(placed)
        except DataError as error:
            if len(decoded) == 1:
                return [Skipped(decoded[0].source, str(error))]
            return [answer for each in decoded for answer in self._found([each])]
        return [Detected(each, everything) for each, everything in zip(decoded, found, strict=True)]

    def _warm(self, decoded: Sequence[Decoded]) -> None:
        start = time.monotonic()
        for _ in range(self._warm_up):
            try:
                self._model.run(self._model.place([each.frame.pixels for each in decoded]))
            except DataError:  # which is reported when it counts
                break
        self._warm_up, self.warm_up_seconds = 0, time.monotonic() - start


class Drawing:
    """Detections to those that are wanted, drawn on the picture where `is_drawn` says so."""

    def __init__(
        self,
        selection: Selection,
        tracker: Tracker | None,
        name_of: Callable[[int], str],
        is_drawn: Callable[[Frame], bool],
        times: Times,
    ):
        self._selection, self._tracker, self._name_of = selection, tracker, name_of
        self._is_drawn, self._times = is_drawn, times

    def __call__(self, things: list[Detected | Skipped]) -> list[Seen | Skipped]:
        """Pictures in the order of each source."""
        return [each if isinstance(each, Skipped) else self._seen(each) for each in things]

    def draw(self, frame: Frame, found: Detections) -> Image.Image:
        """The annotated picture."""
        with self._times.measured(DRAWING):
            return draw_detections(Image.fromarray(frame.pixels), found, self._name_of)

    def _seen(self, detected: Detected) -> Seen:
        frame, everything = detected.decoded.frame, detected.everything
        if self._tracker:
            everything = self._tracker.track(frame, everything)
        found = self._selection.apply(everything, self._name_of)
        picture = self.draw(frame, found) if self._is_drawn(frame) else None
        best = float(everything.scores.max()) if len(everything) else None
        return Seen(detected.decoded, found, best, picture)


def _numbers_in_names(sources: Sequence[Source]) -> dict[str, int]:
    """The image id of each source by its name, if all are pictures that are named by a number, as COCO's are."""
    stems = [Path(source.name).stem for source in sources]
    if all(source.is_still for source in sources) and all(stem.isascii() and stem.isdigit() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers) and max(numbers) < 2**63:  # as arrays and other readers hold them
            return {source.name: number for source, number in zip(sources, numbers, strict=True)}
    return {}
