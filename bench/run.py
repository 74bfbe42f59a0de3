"""`make bench`: every measurement in a process of its own, one after another; a table, and bench/results.json.

Ratios within one run on one machine are what counts. Where TFOD's figure is absolute it was measured on 2 cores of
another machine, and is compared by what was measured beside it there and is measured here: the bare network, or
tf_keras's ResNet50.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import data
from odtk import pipeline
from odtk.progress import track

RESULTS = Path(__file__).with_name("results.json")

# TFOD 2.8 on 2 cores of the reference machine.
TFOD_LATENCY, TFOD_NETWORK_LATENCY = 0.193, 0.109
TFOD_STEP, TFOD_RESNET_STEP = 1.86, 0.93
TFOD_IMAGES_PER_SECOND = {"640": 326, "320": 643}
TFOD_CONVERSION = 7.1

# What odtk promises of large data sets.
INSPECTED_IMAGES, INSPECTION_SECONDS, MEGABYTES = 5000, 60, 600


@dataclass
class Figure:
    """One row: what was measured, against what, and the target (None: reported only)."""

    name: str
    value: float
    unit: str
    beside: str  # what the value is compared with, in words and numbers
    ratio: float | None
    target: str | None = None
    met: bool | None = None


def main() -> None:
    """Measures all there is, prints the table and writes the results."""
    began, load = time.time(), os.getloadavg()
    raw: dict[str, dict] = {}
    # Not under bench/, whose disk may be slow or full of other things.
    with (
        tempfile.TemporaryDirectory(prefix="odtk-bench-") as name,
        track("Measuring", len(_PARTS), "parts") as progress,
    ):
        folder = Path(name)
        for part, measure in _PARTS.items():
            raw[part] = measure(folder)
            progress.advance()
    figures = _figures(raw)
    document = {
        "figures": [asdict(figure) for figure in figures],
        "raw": raw,
        "cores": len(os.sched_getaffinity(0)),
        "load_before_and_after": [round(load[0], 2), round(os.getloadavg()[0], 2)],
        "seconds": round(time.time() - began),
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    print(_table(figures))
    print(f"\nMeasured on {document['cores']} cores in {document['seconds']} s; load (1 minute) before and after: "
          f"{document['load_before_and_after']}. Written to {RESULTS.relative_to(Path.cwd())}.")  # fmt: skip


def _conversion(folder: Path) -> dict:
    data.draw_pets(folder / "pets")
    return _timed("odtk", "make-tfrecords", folder / "pets", folder / "records")[1]


def _inspection(folder: Path) -> dict:
    data.draw_pets(folder / "many_pets", INSPECTED_IMAGES)
    # It exits with 1 where it finds fault, and 37 drawings a hundred times over are at fault.
    return _timed("odtk", "inspect", folder / "many_pets", may_fail=True)[1]


def _start(folder: Path) -> dict:
    pipeline.write(data.config_320(folder / "records"), folder / "pets.config")
    output, process = _timed("bench.start", folder / "pets.config", folder / "model", time.time())
    return json.loads(output) | {"peak_megabytes": process["peak_megabytes"]}


def _evaluation(folder: Path) -> dict:
    return _timed("odtk", "evaluate", folder / "pets.config", folder / "model")[1]


def _measured(module: str, *arguments: str):
    def measure(folder: Path) -> dict:
        named = [folder if argument == "FOLDER" else argument for argument in arguments]
        return json.loads(_timed(module, *named)[0])

    return measure


# In this order: the later ones read what make-tfrecords and train wrote.
_PARTS = {
    "conversion": _conversion,
    "inspection": _inspection,
    "latency": _measured("bench.network", "latency", "FOLDER"),
    "training": _measured("bench.network", "training", "FOLDER"),
    "input": lambda folder: _measured("bench.input_pipeline", str(folder / "records"))(folder),
    "coco": _measured("bench.coco"),
    "start": _start,
    "evaluation": _evaluation,
}


def _timed(module: str, *arguments, may_fail: bool = False) -> tuple[str, dict[str, float]]:
    """Standard output of `python -m module`, its seconds, CPU seconds and peak memory; its error ends the run.

    The peak is that of the largest process, where there are workers.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        # Popen has not seen the end of its own child.
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if process.returncode and not may_fail:
            sys.exit(f"{' '.join(command)} failed:\n{errors.read()}")
        measured = {
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_megabytes": usage.ru_maxrss / 1024,
        }
        return output.read(), measured


def _figures(raw: dict[str, dict]) -> list[Figure]:
    return [
        *_latency_figures(raw["latency"]),
        *_training_figures(raw["training"]),
        *(_input_figure(side, raw["input"][side]) for side in ("640", "320")),
        _against_pycocotools(raw["coco"]),
        *_start_figures(raw["start"]),
        Figure("evaluation, peak memory", raw["evaluation"]["peak_megabytes"], "MB", "222 images, 320x320", None),
        _conversion_figure(raw["conversion"]),
        _memory_figure("make-tfrecords", raw["conversion"]),
        _inspection_figure(raw["inspection"]),
        _memory_figure("inspect", raw["inspection"]),
    ]


def _latency_figures(latency: dict) -> list[Figure]:
    own, tfod = latency["ratio"], TFOD_LATENCY / TFOD_NETWORK_LATENCY
    beside = f"network alone {1000 * latency['network_seconds']:.1f} ms"
    # As if the two networks took the same time, which leaves the machines out.
    quicker, tfods = tfod / own, f"TFOD's ratio {tfod:.2f}"
    return [
        Figure("SavedModel, 320x320", 1000 * latency["seconds"], "ms", beside, own, "ratio <= 1.2", own <= 1.2),
        Figure("  against TFOD's", quicker, "x as quick", tfods, quicker, "ratio >= 1.5", quicker >= 1.5),
    ]


def _training_figures(training: dict) -> list[Figure]:
    own, seconds = training["ratio"], training["seconds"]
    beside = f"forward and backward pass {training['network_seconds']:.2f} s"
    # What TFOD's step would take here, if the two machines differ by what a ResNet50 takes on them.
    tfod = TFOD_STEP / TFOD_RESNET_STEP
    to_tfods = training["resnet_ratio"] / tfod
    tfods = f"TFOD's {tfod:.1f} times a ResNet50's passes, here {training['resnet_seconds']:.2f} s"
    return [
        Figure("training step, 320x320, batch 4", seconds, "s", beside, own, "ratio <= 1.05", own <= 1.05),
        Figure("  against TFOD's", seconds, "s", tfods, to_tfods, "ratio <= 1", to_tfods <= 1),
    ]


def _input_figure(side: str, measured: dict) -> Figure:
    rate, tfod = measured["images_per_second"], TFOD_IMAGES_PER_SECOND[side]
    beside = f"TFOD {tfod}, other machine; decoding alone {measured['decoding_images_per_second']:.0f}"
    return Figure(f"input, to {side}x{side}", rate, "images/s", beside, rate / tfod, "ratio >= 1.3", rate / tfod >= 1.3)


def _against_pycocotools(coco: dict) -> Figure:
    beside = f"pycocotools alone {coco['pycocotools_seconds']:.1f} s"
    return Figure("COCO metrics, 5,000 images", coco["seconds"], "s", beside, coco["ratio"])


def _start_figures(start: dict) -> list[Figure]:
    stages = ", ".join(f"{name.replace('_', ' ')} {start[f'{name}_seconds']:.1f}" for name in ("imports", "build"))
    stages += f", trace and step {start['first_step_seconds']:.1f}"
    return [
        Figure("odtk train to its first step", start["seconds"], "s", stages, None),
        Figure("training, peak memory", start["peak_megabytes"], "MB", "320x320, batch 4", None),
    ]


def _conversion_figure(conversion: dict) -> Figure:
    seconds = conversion["seconds"]
    beside, ratio = f"TFOD {TFOD_CONVERSION} s, other machine", seconds / TFOD_CONVERSION
    return Figure("make-tfrecords, 740 images", seconds, "s", beside, ratio, "ratio <= 1/3", ratio <= 1 / 3)


def _inspection_figure(inspection: dict) -> Figure:
    seconds, name = inspection["seconds"], f"inspect, {INSPECTED_IMAGES:,} images"
    return Figure(name, seconds, "s", "", None, f"<= {INSPECTION_SECONDS} s", seconds <= INSPECTION_SECONDS)


def _memory_figure(command: str, measured: dict) -> Figure:
    peak = measured["peak_megabytes"]
    return Figure(f"{command}, peak memory", peak, "MB", "", None, f"<= {MEGABYTES} MB", peak <= MEGABYTES)


def _table(figures: list[Figure]) -> str:
    rows = [("", "value", "beside", "ratio", "target", "")]
    for figure in figures:
        rows.append(
            (
                figure.name,
                f"{figure.value:.4g} {figure.unit}",
                figure.beside,
                "" if figure.ratio is None else f"{figure.ratio:.3f}",
                figure.target or "",
                {None: "", True: "met", False: "NOT MET"}[figure.met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    main()
