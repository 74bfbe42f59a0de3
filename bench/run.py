"""`make bench`: runs each part in its own processes, prints a table and writes bench/results.json; with
`PARTS="latency training"` these alone, beside what earlier runs measured of the others.

Only ratios within one run on one machine are meaningful. After `make tfod`, TFOD is measured interleaved with odtk, in
its own Python; otherwise TFOD's figures are from another machine (see bench/against_tfod.py).
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bench import data, workload
from bench.figures import INSPECTED_IMAGES, ROWS, by_part
from bench.process import timed
from bench.table import MEASURED, REFERENCE, table
from bench.turns import Times, start, take_turns
from odtk import label_map, pipeline
from odtk.progress import track

RESULTS = Path(__file__).with_name("results.json")
TFOD = Path(__file__).resolve().parents[1] / ".tfod"
TFOD_PYTHON = TFOD / "bin/python"


def main() -> None:
    """Measures everything or the parts that are named, prints their table and writes the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=ALONE, metavar="PART",
                        help=f"measure these again, and keep the others' results: {', '.join(ALONE)}")  # fmt: skip
    parts = parser.parse_args().parts or list(_PARTS)
    raw: dict[str, dict] = {}
    tfod: dict[str, dict] = {}
    runs: dict[str, dict] = {}
    # The last file that `make tfod` makes.
    has_tfod = (TFOD / ".ready").exists()
    # Not under bench/, whose disk may be slow or full.
    with (
        tempfile.TemporaryDirectory(prefix="odtk-bench-") as name,
        track("Measuring", len(parts), "parts") as progress,
    ):
        for part in parts:
            began, load = time.time(), os.getloadavg()
            raw[part], theirs = _PARTS[part](Path(name), has_tfod)
            if theirs is not None:
                tfod[part] = theirs
            runs[part] = _run(began, load)
            progress.advance()
    rows = by_part(raw, tfod)
    document = {
        "figures": {part: [asdict(row) for row in rows] for part, rows in rows.items()},
        "raw": raw,
        "raw_tfod": tfod,
        "runs": runs,
    }
    RESULTS.write_text(json.dumps(_merged(document), indent=2, default=_summary) + "\n")
    print(table([row for part in rows.values() for row in part]))
    print(f"\nTFOD's figures were {MEASURED if tfod else REFERENCE}. When and under what load each part was measured:")
    for part, run in runs.items():
        print(f"{part}: {run}")
    print(f"Wrote {RESULTS.relative_to(Path.cwd())}.")


def _run(began: float, load: tuple[float, ...]) -> dict:
    """When and under what load a part was measured."""
    return {
        "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "cores": len(os.sched_getaffinity(0)),
        "load_before_and_after": [round(load[0], 2), round(os.getloadavg()[0], 2)],
    }


def _merged(document: dict[str, dict]) -> dict[str, dict]:
    """With what earlier runs measured of other parts, in the order of the table."""
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept = {
        key: {part: value for part, value in values.items() if part not in document["runs"]}
        for key, values in earlier.items()
    }
    both = {key: kept.get(key, {}) | values for key, values in document.items()}
    return {key: {part: values[part] for part in ROWS if part in values} for key, values in both.items()}


def _summary(times: Times) -> dict[str, float]:
    return {"seconds": times.seconds, "cpu_seconds": times.cpu_seconds, "turns": len(times.wall)}


# Every part takes the folder and whether TFOD is installed, and returns odtk's measurements and TFOD's or None.


def _conversion(folder: Path, has_tfod: bool) -> tuple[dict, dict | None]:
    data.draw_pets(folder / "pets")
    measured = timed("odtk", "make-tfrecords", folder / "pets", folder / "records")[1]
    theirs = _tfod_conversion(folder) if has_tfod else None
    pipeline.write(data.config_320(folder / "records"), folder / "pets.config")
    return measured, theirs


def _tfod_conversion(folder: Path) -> dict:
    (folder / "tfod_records").mkdir()
    options = {
        "data_dir": folder / "pets",
        "output_dir": folder / "tfod_records",
        "label_map_path": label_map.find("pet_label_map"),
        "faces_only": "true",
        "num_shards": 10,
    }
    flags = (f"--{name}={value}" for name, value in options.items())
    return timed("object_detection.dataset_tools.create_pet_tf_record", *flags, python=TFOD_PYTHON)[1]


def _inspection(folder: Path, has_tfod: bool) -> tuple[dict, None]:
    data.draw_pets(folder / "many_pets", INSPECTED_IMAGES)
    # It exits with 1 on errors, and a hundred copies of the same 37 images are errors.
    return timed("odtk", "inspect", folder / "many_pets", may_fail=True)[1], None


def _coco(folder: Path, has_tfod: bool) -> tuple[dict, None]:
    return json.loads(timed("bench.coco")[0]), None


def _start(folder: Path, has_tfod: bool) -> tuple[dict, None]:
    output, process = timed("bench.start", folder / "pets.config", folder / "model", time.time())
    return json.loads(output) | {"peak_megabytes": process["peak_megabytes"]}, None


def _evaluation(folder: Path, has_tfod: bool) -> tuple[dict, None]:
    return timed("odtk", "evaluate", folder / "pets.config", folder / "model")[1], None


def _watched(folder: Path, has_tfod: bool) -> tuple[dict, None]:
    (folder / "watched").mkdir()
    with start("bench.watched", folder / "pets.config", folder / "watched") as worker:
        return take_turns({"odtk": worker}, workload.WATCHED_ROUNDS)["odtk"], None


def _evaluations(folder: Path, has_tfod: bool) -> tuple[dict, None]:
    return json.loads(timed("bench.evaluations", folder)[0]), None


def _in_turns(ours: tuple, theirs: tuple, rounds: int) -> Callable:
    """A part with interleaved works of odtk and TFOD; each is a module and its arguments in the folder."""

    def measure(folder: Path, has_tfod: bool) -> tuple[dict, dict | None]:
        with contextlib.ExitStack() as stack:
            # One after another: TFOD's reads what odtk's writes at its start.
            workers = {"odtk": stack.enter_context(start(*_arguments(ours, folder)))}
            if has_tfod:
                workers["tfod"] = stack.enter_context(start(*_arguments(theirs, folder), python=TFOD_PYTHON))
            times = take_turns(workers, rounds)
        return times["odtk"], times.get("tfod")

    return measure


def _arguments(words: tuple, folder: Path) -> list:
    return [folder / word if isinstance(word, Path) else word for word in words]


# In this order, as the later ones read what make-tfrecords and train wrote.
_PARTS: dict[str, Callable[[Path, bool], tuple[dict, dict | None]]] = {
    "conversion": _conversion,
    "inspection": _inspection,
    "latency": _in_turns(
        ("bench.network", "latency", Path()), ("bench.tfod_speed", "latency", Path()), workload.LATENCY_ROUNDS
    ),
    "families": _in_turns(("bench.families", Path()), ("bench.tfod_speed", "families", Path()), workload.FAMILY_ROUNDS),
    "training": _in_turns(
        ("bench.network", "training", Path()), ("bench.tfod_speed", "training", Path()), workload.TRAINING_ROUNDS
    ),
    "input": _in_turns(
        ("bench.input_pipeline", Path("records")),
        ("bench.tfod_speed", "input", Path("pets.config")),
        workload.INPUT_ROUNDS,
    ),
    "coco": _coco,
    "start": _start,
    "evaluation": _evaluation,
    "watched": _watched,
    "evaluations": _evaluations,
}

# Those that read nothing of others.
ALONE = ("conversion", "inspection", "latency", "families", "training", "coco")

if __name__ == "__main__":
    main()
