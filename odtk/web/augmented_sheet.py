"""`python -m odtk.web.augmented_sheet CONFIG PICTURE.png`: a picture, augmented eight times as training would do it.

It is one of the records, or any other. The samples are what training would be given: read, augmented and resized by its
own code. It needs TensorFlow, so the studio runs it in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import label_map, pipeline
from odtk.atomic import write_bytes
from odtk.errors import DataError, OdtkError
from odtk.records.shards import count_records

_SAMPLES = 8


@dataclass(frozen=True)
class Subject:
    """What is augmented: the record of a number, from 0 among all that are trained on, or a picture."""

    record: int = 0
    picture: str = ""
    is_annotated: bool = False
    """Whether the picture's boxes are looked for in the records, by its name."""


def draw_sheet(config_file: str, output: str, subject: Subject, samples: int = _SAMPLES) -> None:
    """Draws `samples` of a record or a picture as training would augment it.

    Raises OdtkError if the config, its records or the picture cannot be read, or there is no such record.
    """
    import numpy as np

    from odtk.detectors import families
    from odtk.inputs.batch_again import batch_of, read_batch
    from odtk.inputs.build import record_files
    from odtk.inputs.dataset import TRAINING_FEATURES
    from odtk.report.batch_picture import draw_batch

    config = pipeline.read(config_file)
    family = families.of(config)
    family.require_buildable(config.model)
    detector = family.build(config.model)
    entries = (*TRAINING_FEATURES, "boxes", "classes", "weights", "num_boxes")
    rest = (detector.resize, family.num_classes(config.model), 0, entries)
    if subject.picture:
        example, name = _example(config_file, config.train_input_reader.label_map_path, subject)
        places = [(0, 0, position) for position in range(samples)]
        features, groundtruth = batch_of(config, [example] * samples, places, *rest)
    else:
        file, number = _place(record_files(config.train_input_reader), subject.record)
        places, name = [(file, number, position) for position in range(samples)], f"Record {subject.record}"
        features, groundtruth = read_batch(config, places, *rest)
    arrays = {name: tensor.numpy() for name, tensor in (features | groundtruth).items()}
    arrays["image"] = np.clip(np.rint(arrays["image"]), 0, 255).astype(np.uint8)
    title = f"{name}, augmented {samples} times, as the network is given it"
    sheet = draw_batch(_images(arrays), _namer(config.train_input_reader.label_map_path), title)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    write_bytes(output, buffer.getvalue())


def _example(config_file: str, map_path: str, subject: Subject) -> tuple[bytes, str]:
    """A picture as a record would hold it, and how it is called."""
    from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
    from odtk.records.example import encode
    from odtk.report.picture_files import read_picture
    from odtk.tools.explain.groundtruth import find_groundtruth

    path = Path(subject.picture)
    picture, buffer, name = read_picture(path), io.BytesIO(), path.name
    picture.save(buffer, "PNG", compress_level=1)
    objects: list[AnnotatedObject] = []
    if subject.is_annotated:
        names = {item.id: item.name for item in label_map.read(map_path).items} if map_path else {}
        try:
            truth = find_groundtruth(config_file, [path.name], names)[path.name]
            rows = zip(truth.boxes.tolist(), truth.class_ids, truth.names, strict=True)
            objects = [AnnotatedObject(tuple(box), number, text) for box, number, text in rows]
        except DataError:  # it is no part of the records
            name = f"{name} (not in the records: without boxes)"
    image = AnnotatedImage(buffer.getvalue(), path.name, picture.height, picture.width, tuple(objects), format="png")
    return encode(image), name


def _place(paths: Sequence[str], record: int) -> tuple[int, int]:
    """The numbers of a record's file and of the record in it."""
    passed = 0
    for number, path in enumerate(paths):
        count = count_records([path])
        if record < passed + count:
            return number, record - passed
        passed += count
    raise DataError(f"There are {passed} records to train on, counted from 0; there is no record {record}.")


def _images(arrays) -> list:
    from odtk.report.batch_picture import BatchImage

    found = []
    for index, pixels in enumerate(arrays["image"]):
        height, width = arrays["true_image_shape"][index][:2]
        count = int(arrays["num_boxes"][index])
        classes, weights = arrays["classes"][index][:count] + 1, arrays["weights"][index][:count]
        boxes = arrays["boxes"][index][:count]
        found.append(BatchImage(pixels, (int(height), int(width)), boxes, classes.tolist(), weights.tolist()))
    return found


def _namer(path: str):
    names = {item.id: item.shown for item in label_map.read(path).items} if path else {}
    return lambda class_id: names.get(class_id, f"class {class_id}")


def main(words: Sequence[str] | None = None) -> int:
    """The program: 0, or 1 with an error on stderr."""
    parser = argparse.ArgumentParser(prog="python -m odtk.web.augmented_sheet")
    parser.add_argument("config")
    parser.add_argument("output")
    parser.add_argument("--record", type=int, default=0)
    parser.add_argument("--picture", default="")
    parser.add_argument("--annotated", action="store_true")
    given = parser.parse_args(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        draw_sheet(given.config, given.output, Subject(given.record, given.picture, given.annotated))
    except OdtkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
