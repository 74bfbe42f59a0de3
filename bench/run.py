"""`make bench`: every measurement in a process of its own, one after another; a table, and bench/results.json.

Ratios within one run on one machine are what counts. Where `make tfod` has been, TFOD does each part right after odtk,
with its own Python; where not, TFOD's figures are those of another machine (see bench/against_tfod.py).
"""

import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench import data
from bench.figures import INSPECTED_IMAGES, figures
from bench.process import timed
from bench.table import MEASURED, REFERENCE, table
from odtk import label_map, pipeline
from odtk.progress import track

RESULTS = Path(__file__).with_name("results.json")
TFOD = Path(__file__).resolve().parents[1] / ".tfod"


def main() -> None:
    """Measures all there is, prints the table and writes the results."""
    began, load = time.time(), os.getloadavg()
    raw: dict[str, dict] = {}
    tfod: dict[str, dict] = {}
    # The last thing that `make tfod` makes.
    tfod_parts = _TFOD_PARTS if (TFOD / ".ready").exists() else {}
    # Not under bench/, whose disk may be slow or full of other things.
    with (
        tempfile.TemporaryDirectory(prefix="odtk-bench-") as name,
        track("Measuring", len(_PARTS) + len(tfod_parts), "parts") as progress,
    ):
        folder = Path(name)
        for part, measure in _PARTS.items():
            raw[part] = measure(folder)
            progress.advance()
            # At once, so that both meet the machine in the same mood.
            if part in tfod_parts:
                tfod[part] = tfod_parts[part](folder)
                progress.advance()
    rows = figures(raw, tfod)
    document = {
        "figures": [asdict(row) for row in rows],
        "tfod": dict.fromkeys(_TFOD_PARTS, REFERENCE) | dict.fromkeys(tfod, MEASURED),
        "raw": raw,
        "raw_tfod": tfod,
        "cores": len(os.sched_getaffinity(0)),
        "load_before_and_after": [round(load[0], 2), round(os.getloadavg()[0], 2)],
        "seconds": round(time.time() - began),
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    print(table(rows))
    print(f"\nTFOD's figures were {MEASURED if tfod else REFERENCE}. "
          f"Measured on {document['cores']} cores in {document['seconds']} s; load (1 minute) before and after: "
          f"{document['load_before_and_after']}. Written to {RESULTS.relative_to(Path.cwd())}.")  # fmt: skip


def _conversion(folder: Path) -> dict:
    data.draw_pets(folder / "pets")
    measured = timed("odtk", "make-tfrecords", folder / "pets", folder / "records")[1]
    pipeline.write(data.config_320(folder / "records"), folder / "pets.config")
    return measured


def _inspection(folder: Path) -> dict:
    data.draw_pets(folder / "many_pets", INSPECTED_IMAGES)
    # It exits with 1 where it finds fault, and 37 drawings a hundred times over are at fault.
    return timed("odtk", "inspect", folder / "many_pets", may_fail=True)[1]


def _start(folder: Path) -> dict:
    output, process = timed("bench.start", folder / "pets.config", folder / "model", time.time())
    return json.loads(output) | {"peak_megabytes": process["peak_megabytes"]}


def _evaluation(folder: Path) -> dict:
    return timed("odtk", "evaluate", folder / "pets.config", folder / "model")[1]


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
    return timed("object_detection.dataset_tools.create_pet_tf_record", *flags, python=TFOD / "bin/python")[1]


def _tfod_speed(part: str, path: Path) -> dict:
    return json.loads(timed("bench.tfod_speed", part, path, python=TFOD / "bin/python")[0])


# In this order: the later ones read what make-tfrecords and train wrote.
_PARTS = {
    "conversion": _conversion,
    "inspection": _inspection,
    "latency": lambda folder: json.loads(timed("bench.network", "latency", folder)[0]),
    "training": lambda folder: json.loads(timed("bench.network", "training", folder)[0]),
    "input": lambda folder: json.loads(timed("bench.input_pipeline", folder / "records")[0]),
    "coco": lambda folder: json.loads(timed("bench.coco")[0]),
    "start": _start,
    "evaluation": _evaluation,
}

# Each right after odtk's of that name, whose records, config and weights it takes.
_TFOD_PARTS = {
    "conversion": _tfod_conversion,
    "latency": lambda folder: _tfod_speed("latency", folder),
    "training": lambda folder: _tfod_speed("training", folder),
    "input": lambda folder: _tfod_speed("input", folder / "pets.config"),
}

if __name__ == "__main__":
    main()
