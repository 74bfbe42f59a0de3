"""What a benchmark found, as data."""

from __future__ import annotations

import dataclasses
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk.exporting.formats import FORMATS
from odtk.tools.benchmark.latency import Latency, Ratio, latency_of, ratio_of
from odtk.tools.benchmark.turns import Measured


@dataclass(frozen=True)
class ModelFacts:
    """A model that was measured."""

    name: str
    """In tables: the end of its path, or the whole path where two would be called the same."""
    path: str
    description: str
    device: str
    takes_batches: bool
    """Whether it takes several images at once; else those of a batch go through one after the other."""
    load_seconds: float
    bytes: int | None
    """Of its file, or of the files of its SavedModel or checkpoint; None if they are in a store."""


@dataclass(frozen=True)
class Result:
    """A model in one case."""

    model: str
    batch_size: int
    image_size: tuple[int, int] | None
    """Width and height; None for pictures of the user's at their own sizes."""
    latency: Latency
    images_per_second: float
    """By the mean latency, one batch after the other; without decoding and placing."""
    first_run_ms: float
    """Of the very first run of this case, in which a model may compile or allocate."""
    place_ms: float
    """The median time in which the batch is put into the model's input form and on its device."""
    decode_ms: float
    """The median time in which one JPEG of this size is decoded, on one core, by Pillow: the same for all models."""
    peak_bytes: int
    """Of the model's process, with everything that it loaded."""
    gpu_peak_bytes: int | None


@dataclass(frozen=True)
class Comparison:
    """A model against the first one in the same case."""

    model: str
    base: str
    batch_size: int
    image_size: tuple[int, int] | None
    latency: Ratio


@dataclass(frozen=True)
class BenchmarkReport:
    """All models in all cases."""

    models: list[ModelFacts]
    results: list[Result]
    comparisons: list[Comparison]
    cores: float
    """That each model's process could use."""
    rounds: int
    load_average: float | None
    """How many processes wanted to compute before it began, as a mean of the last minute; None if unknown."""
    notes: list[str] = field(default_factory=list)
    plot: str | None = None

    def document(self) -> dict:
        """For JSON."""
        return dataclasses.asdict(self)


def names_of(paths: Sequence[str]) -> list[str]:
    """A short name for each path; a path that is given twice is numbered."""
    short = [Path(path).name or path for path in paths]
    distinct = dict.fromkeys(zip(short, paths, strict=True))
    unique = [
        name if [each for each, _ in distinct].count(name) == 1 else path
        for name, path in zip(short, paths, strict=True)
    ]
    seen: dict[str, int] = {}
    names = []
    for name in unique:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def bytes_of(path: str) -> int | None:
    """The size of a model's files: of one file, of the model in an exported folder, or of a checkpoint."""
    place = Path(path)
    if (place / "saved_model.pb").is_file():
        return _bytes_below(place)
    models = [place / row.path for row in FORMATS.values() if row.load is not None]
    exported = next((each for each in (place, *models) if each.is_file() or (each in models and each.is_dir())), None)
    if exported is not None:
        return exported.stat().st_size if exported.is_file() else _bytes_below(exported)
    names = (f"{place.name}.index", f"{place.name}.data-")
    return sum(each.stat().st_size for each in place.parent.glob("*") if each.name.startswith(names)) or None


def _bytes_below(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def result_of(model: str, measured: Measured, decode_seconds: float) -> Result:
    """What one model's turns in one case mean."""
    seconds = [each for turn in measured.running for each in turn]
    latency, case = latency_of(seconds), measured.case
    return Result(
        model=model,
        batch_size=case.batch_size,
        image_size=case.image_size,
        latency=latency,
        images_per_second=1000 * case.batch_size / latency.mean,
        first_run_ms=1000 * measured.first_seconds,
        place_ms=1000 * statistics.median(each for turn in measured.placing for each in turn),
        decode_ms=1000 * decode_seconds,
        peak_bytes=measured.peak_bytes,
        gpu_peak_bytes=measured.gpu_peak_bytes,
    )


def comparisons_of(names: Sequence[str], measured: Sequence[Sequence[Measured]]) -> list[Comparison]:
    """Every model but the first against the first, in every case."""
    return [
        Comparison(name, names[0], own.case.batch_size, own.case.image_size, ratio_of(own.running, base.running))
        for name, turns in zip(names[1:], measured[1:], strict=True)
        for own, base in zip(turns, measured[0], strict=True)
    ]


def notes_on(models: Sequence[ModelFacts], results: Sequence[Result], cores: float, load: float | None) -> list[str]:
    """What a reader of the numbers has to know."""
    notes = []
    if load is not None and load > cores / 2:
        notes.append(
            f"Other processes kept about {load:.1f} of the cores busy when this began, so latencies are larger than on "
            "an idle machine. Ratios of models that take turns hold nevertheless."
        )
    if any(each.latency.p99 is None for each in results):
        fewest = min(each.latency.runs for each in results)
        notes.append(
            f"A percentile is left out where there are too few runs to tell (p95 needs 20, p99 100; the fewest here "
            f"are {fewest}): measure for longer."
        )
    single = [each.name for each in models if not each.takes_batches]
    if single and any(each.batch_size > 1 for each in results):
        notes.append(f"{', '.join(single)} takes one image at a time: those of a batch go through one after the other.")
    if len({each.device for each in models}) > 1:
        notes.append("The models do not run on the same device.")
    return notes


def load_average() -> float | None:
    """Of the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
