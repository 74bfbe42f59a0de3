"""`make bench`: every measurement in a process of its own, one after another; a table, and bench/results.json.

Ratios within one run on one machine are what counts. Where TFOD's figure is absolute it was measured on 2 cores of
another machine; the bare network's milliseconds (TFOD's there: 109) say how far the two machines compare.
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
TFOD_STEP = 1.86
TFOD_IMAGES_PER_SECOND = {"640": 326, "320": 643}
TFOD_CONVERSION = 7.1


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
    with tempfile.TemporaryDirectory(prefix="odtk-bench-") as name, track("Measuring", 7, "parts") as progress:
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
    "latency": _measured("bench.network", "latency", "FOLDER"),
    "training": _measured("bench.network", "training", "FOLDER"),
    "input": lambda folder: _measured("bench.input_pipeline", str(folder / "records"))(folder),
    "coco": _measured("bench.coco"),
    "start": _start,
    "evaluation": _evaluation,
}


def _timed(module: str, *arguments) -> tuple[str, dict[str, float]]:
    """Standard output of `python -m module`, its seconds, CPU seconds and peak memory; its error ends the run."""
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
        if process.returncode:
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
    return [
        Figure("training step, 320x320, batch 4", seconds, "s", beside, own, "ratio <= 1.05", own <= 1.05),
        Figure("  to TFOD's, other machine", seconds, "s", f"TFOD {TFOD_STEP} s", seconds / TFOD_STEP, "ratio <= 1",
               seconds <= TFOD_STEP),
    ]  # fmt: skip


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
    beside = f"TFOD {TFOD_CONVERSION} s, other machine"
    return Figure("make-tfrecords, 740 images", seconds, "s", beside, seconds / TFOD_CONVERSION, "ratio <= 1",
                  seconds <= TFOD_CONVERSION)  # fmt: skip


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
