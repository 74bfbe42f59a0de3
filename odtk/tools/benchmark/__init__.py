"""`odtk benchmark`: how long models take, and how they compare, measured in turns."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from odtk import machine
from odtk.atomic import atomic_file, check_file
from odtk.device_words import parse_devices
from odtk.errors import OdtkError
from odtk.progress import track
from odtk.tools.arguments import require_whole
from odtk.tools.benchmark import report as reports
from odtk.tools.benchmark.pictures import LEAST, MOST, find_pictures, load_pictures
from odtk.tools.benchmark.plan import ROUNDS, WARM_UP, Case, Plan, build_plan
from odtk.tools.benchmark.processes import Asked, start
from odtk.tools.benchmark.report import BenchmarkReport, ModelFacts
from odtk.tools.benchmark.turns import count_turns, take_turns

_AUTO = "auto"


def benchmark(
    models: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    batch_size: int | Sequence[int] = (),
    image_size: str | Sequence[str | tuple[int, int]] = (),
    images: str | os.PathLike | None = None,
    seconds: float | None = None,
    runs: int | None = None,
    rounds: int = ROUNDS,
    warm_up: int = WARM_UP,
    devices: str = _AUTO,
    threads: int | None = None,
    plot: str | os.PathLike | None = None,
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> BenchmarkReport:
    """Measures latency, throughput and memory of `models`, each in a process of its own, which take turns.

    A model is whatever odtk.load takes. Each is measured with all batch sizes (by default 1) on images of all sizes
    ("640x480" or (width, height); by default 640x480): drawn ones, or the pictures in the folder `images`, which keep
    their sizes if none is given. In each of `rounds` rounds every model has a turn; all turns of a model in a case are
    together `runs` runs, or as many as fit into `seconds` (by default 5), after `warm_up` runs that do not count. A
    run is timed from the images on the model's device to the detections in memory. `devices`: see odtk.load; `threads`:
    how many cores a model may use, by default all. `plot` is a PNG to write. Raises OdtkError for models that cannot be
    opened or fail, and for options that no measurement can have; OutputError for a `plot` that exists, unless
    `overwrite`.
    """
    paths = [os.fspath(each) for each in ([models] if isinstance(models, (str, os.PathLike)) else models)]
    sizes = [image_size] if isinstance(image_size, str) else image_size
    batches = [batch_size] if isinstance(batch_size, int) else batch_size
    plan = build_plan(batches, sizes, images is not None, runs, seconds, rounds, warm_up)
    cores = _check(paths, images, devices, threads, plot, overwrite)
    load, names = reports.load_average(), reports.names_of(paths)
    with contextlib.ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="odtk-benchmark-")))
        files, decoding = _write_images(plan, images, folder)
        workers = [kept.enter_context(start(path, threads)) for path in paths]
        facts = [_open(*each, devices, log) for each in zip(workers, names, paths, strict=True)]
        with track("Measuring", count_turns(plan, len(paths)), "turns") as progress:
            measured = take_turns(workers, plan, files.__getitem__, progress.advance)
    results = [
        reports.result_of(name, each, decoding[each.case])
        for name, turns in zip(names, measured, strict=True)
        for each in turns
    ]
    notes = reports.notes_on(facts, results, cores, load)
    comparisons, drawn = reports.comparisons_of(names, measured), None if plot is None else os.fspath(plot)
    report = BenchmarkReport(facts, results, comparisons, cores, rounds, load, notes, drawn)
    if plot is not None:
        _draw(report, plot)
    return report


def _check(paths, images, devices: str, threads: int | None, plot, overwrite: bool) -> float:
    """Raises what can be said before a process starts; returns how many cores a model may use."""
    if not paths:
        raise OdtkError("No model is given; name one or more.", argument="models")
    if devices not in (_AUTO, "all"):
        parse_devices(devices)
    require_whole(1, threads=threads)
    cores = machine.find_cpu().cores
    if threads is not None and threads > cores:
        raise OdtkError(
            f"{threads} threads were asked for, but this process may use {machine.counted_cores(cores)}.",
            argument="threads",
        )
    if plot is not None:
        if Path(plot).suffix.lower() != ".png":
            raise OdtkError(
                f"{plot} is no PNG; the plot is written as one. Give it a name like speed.png.", argument="plot"
            )
        check_file(plot, overwrite)
    if images is not None:
        find_pictures(images, 1)
    return threads or cores


def _write_images(plan: Plan, images, folder: Path) -> tuple[dict[Case, list[Path]], dict[Case, float]]:
    """The images of each case as files, and the seconds that one takes to be decoded; sizes are made once."""
    count = min(max(LEAST, *(case.batch_size for case in plan.cases)), MOST)
    files, decoding = {}, {}
    for size in {case.image_size for case in plan.cases}:
        pictures = load_pictures(images, size, count)
        place = folder / ("own" if size is None else "{}x{}".format(*size))
        place.mkdir()
        paths = [place / f"{number}.npy" for number in range(len(pictures.images))]
        for path, image in zip(paths, pictures.images, strict=True):
            np.save(path, image)
        for case in plan.cases:
            if case.image_size == size:
                files[case], decoding[case] = paths, pictures.decode_seconds
    return files, decoding


def _open(worker: Asked, name: str, path: str, devices: str, log: Callable[[str], None]) -> ModelFacts:
    log(f"Loading {path}.")
    return ModelFacts(
        name=name, path=path, bytes=reports.bytes_of(path), **worker.ask("open", model=path, devices=devices)
    )


def _draw(report: BenchmarkReport, plot: str | os.PathLike) -> None:
    from odtk.report.benchmark_chart import Bar, draw_benchmark

    bars = [
        Bar(
            model=each.model,
            case=str(Case(each.batch_size, each.image_size)),
            milliseconds=each.latency.p50,
            slow_milliseconds=each.latency.p95 or each.latency.most,
            images_per_second=each.images_per_second,
        )
        for each in report.results
    ]
    devices = list(dict.fromkeys(each.device for each in report.models))
    with atomic_file(plot) as path:
        path.write_bytes(draw_benchmark(bars, "; ".join(devices)))
