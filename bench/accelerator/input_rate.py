"""Images/s of the training input pipeline on this machine's CPU cores, without a training."""

import itertools
import os
import time
from pathlib import Path

from bench import data, workload
from bench.accelerator import models
from bench.accelerator.sizes import Sizes
from odtk import label_map
from odtk.detectors.detector import BOX_FIELDS
from odtk.detectors.parts.resizer import build_resizer
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_train_dataset
from odtk.inputs.dataset import TRAINING_FEATURES
from odtk.records import shards
from odtk.tools.make_tfrecords import make_tfrecords


def measure(sizes: Sizes, folder: Path) -> dict:
    """By the images' side; the augmentations are those of the shipped config: flip and crop."""
    records = pets(sizes, folder)
    found: dict = {"cores": len(os.sched_getaffinity(0)), "batch": workload.INPUT_BATCH}
    for side in sizes.sides:
        config = models.config_of(sizes, side, workload.INPUT_BATCH)
        read_pets(config, records)
        found[str(side)] = {"images_per_second": _rate(config, sizes.input_batches)}
    return found


def pets(sizes: Sizes, folder: Path) -> Path:
    """The folder of the drawn pets' records, made at the first call."""
    records = folder / "records"
    if not records.exists():
        data.draw_pets(folder / "pets", sizes.num_pets)
        make_tfrecords(folder / "pets", records)
    return records


def read_pets(config, records: Path) -> None:
    """Lets the config train on these records."""
    dataset = shards.read_dataset(records)
    reader = config.train_input_reader
    reader.label_map_path = str(dataset.label_map or label_map.find("pet_label_map"))
    reader.tf_record_input_reader.input_path[:] = [dataset.train_records]


def _rate(config, batches: int) -> float:
    resize = build_resizer(config.model.ssd.image_resizer)
    # As in `odtk train`, bad records and boxes are tolerated.
    options = {"record_filter": BadRecordFilter(100), "bad_boxes": BadBoxes(), "deterministic": False}
    entries = (*TRAINING_FEATURES, *BOX_FIELDS)
    stream = iter(build_train_dataset(config, resize, models.NUM_CLASSES, entries=entries, **options))
    _take(stream, batches // 2)
    began = time.perf_counter()
    _take(stream, batches)
    return batches * config.train_config.batch_size / (time.perf_counter() - began)


def _take(stream, count: int) -> None:
    for _ in itertools.islice(stream, count):
        pass
