"""`odtk demo`: all steps on synthetic data, with the same tools as the five commands."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odtk import unfinished
from odtk.errors import OutputError
from odtk.growing_folder import growing_folder
from odtk.report.drawing import contact_sheet
from odtk.report.picture_files import write_picture
from odtk.tools.configure import configure
from odtk.tools.evaluate import evaluate
from odtk.tools.export import export
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.predict import predict
from odtk.tools.synthetic_pets import draw_dataset
from odtk.tools.train import TrainingReport, train

PIPELINE = "ssd_resnet50_v1_fpn_small"
NUM_IMAGES = 160
NUM_PICTURES = 9
SEED = 7

# Marks a folder as made by a demo, so that another demo may replace it.
MARKER = ".odtk-demo"


@dataclass
class DemoReport:
    """The results: metrics on held-out images, files, how training ended, and the seconds of each stage."""

    folder: str
    metrics: dict[str, float]
    picture: str
    training: TrainingReport
    seconds: dict[str, float] = field(default_factory=dict)


def demo(
    folder: str | os.PathLike,
    num_images: int = NUM_IMAGES,
    num_steps: int | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> DemoReport:
    """Makes synthetic images, converts, configures, trains from scratch, evaluates, exports and predicts in `folder`.

    `folder` must be new, empty, or an earlier demo's, which is replaced. `log` gets the command line of each stage.
    """
    folder = Path(folder)
    _check_room(folder)
    with growing_folder(folder, "The files that the demo wrote are still there; the same command starts over."):
        _clear(folder)
        return _walk(folder, num_images, num_steps, log)


def _walk(folder: Path, num_images: int, num_steps: int | None, log: Callable[[str], None]) -> DemoReport:
    data, records, config, model, exported, drawn = (
        folder / name for name in ("pets", "records", "pipeline.config", "model", "exported", "predictions")
    )
    seconds: dict[str, float] = {}

    def stage(name: str, command: str, run: Callable):
        log(f"\n$ {command}")
        start = time.monotonic()
        result = run()
        seconds[name] = round(time.monotonic() - start, 1)
        return result

    log(f"Making {num_images} synthetic images of pets, in the layout of the Oxford-IIIT Pet dataset, in {data}")
    draw_dataset(data, num_images, seed=SEED)
    label_map = data / "label_map.pbtxt"
    stage(
        "make-tfrecords",
        f"odtk make-tfrecords {data} {records} --num-shards 2 --label-map {label_map}",
        lambda: make_tfrecords(data, records, num_shards=2, label_map=label_map),
    )
    stage(
        "configure",
        f"odtk configure {PIPELINE} --output {config} --train-records {records}",
        lambda: configure(PIPELINE, config, train_records=[str(records)]),
    )
    training = stage(
        "train",
        f"odtk train {config} {model}",
        lambda: train(config, model, num_steps=num_steps, seed=SEED, log=log),
    )
    evaluation = stage("evaluate", f"odtk evaluate {config} {model}", lambda: evaluate(config, model))
    stage("export", f"odtk export {config} {model} {exported}", lambda: export(config, model, exported))
    pictures = _held_out(data, records)
    stage(
        "predict",
        f"odtk predict {exported} {data / 'images'}/... --output {drawn}",
        lambda: predict(exported, pictures, drawn),
    )
    picture = _sheet(drawn, [path.name for path in pictures], folder / "predictions.png")
    return DemoReport(str(folder), evaluation.metrics, str(picture), training, seconds)


def _check_room(folder: Path) -> None:
    if folder.is_file():
        raise OutputError(f"{folder} is a file. Choose a folder: odtk demo FOLDER")
    if folder.is_dir() and not (folder / MARKER).exists() and unfinished.contents(folder):
        raise OutputError(f"{folder} is not empty and not an earlier demo. Choose another folder: odtk demo FOLDER")


def _clear(folder: Path) -> None:
    for path in unfinished.contents(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / MARKER).touch()


def _held_out(data: Path, records: Path) -> list[Path]:
    """Some images of the validation split, by their names in the records."""
    from odtk.records import example, shards

    names = []
    for shard in sorted(records.glob("*_val.record-*")):
        names += [example.decode(record).filename for record in shards.read_records(shard)]
    return [data / "images" / name for name in sorted(names)[:: max(1, len(names) // NUM_PICTURES)][:NUM_PICTURES]]


def _sheet(folder: Path, names: list[str], output: Path) -> Path:
    from PIL import Image

    write_picture(contact_sheet([Image.open(folder / name) for name in names], columns=3), output)
    return output
