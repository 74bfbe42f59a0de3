"""The files that travel in a .tflite file: an uncompressed zip archive behind the model, as TFLite's metadata have it.

Its readers (MediaPipe, Android) take no compressed entries. No TensorFlow.
"""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from odtk.errors import CheckpointError

CONFIG, LABEL_MAP, CERTIFICATE = "odtk.pipeline_config", "odtk.label_map", "odtk.certificate"
"""The files of odtk: the text of the pipeline.config and of the label map, and the JSON of the certificate."""
INPUT = "odtk.input"
"""JSON: `padding`, the color that resized images are padded with."""
LABELS = "labels.txt"
"""The names of the classes by their numbers, one a line."""


def with_files(model: bytes, files: Mapping[str, str]) -> bytes:
    """The bytes of a .tflite file with these files, instead of any that it has; equal files give equal bytes."""
    held = io.BytesIO()
    held.write(model[: _length_of_model(model)])
    with zipfile.ZipFile(held, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode())
    return held.getvalue()


def files_in(model: bytes) -> dict[str, str]:
    """The files in a .tflite file's bytes, as text; none if it has no archive."""
    held = io.BytesIO(model)
    if not zipfile.is_zipfile(held):
        return {}
    with zipfile.ZipFile(held) as archive:
        return {each.filename: archive.read(each).decode(errors="replace") for each in archive.infolist()}


def read_model(path: str | os.PathLike) -> bytes:
    """The bytes of a .tflite file; raises CheckpointError if it cannot be read, or is none."""
    try:
        model = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
    if model[4:8] != b"TFL3":
        raise CheckpointError(f"{path} is not a TFLite model: it does not begin as one. Export it again.")
    return model


def _length_of_model(model: bytes) -> int:
    held = io.BytesIO(model)
    if not zipfile.is_zipfile(held):
        return len(model)
    with zipfile.ZipFile(held) as archive:
        return min((each.header_offset for each in archive.infolist()), default=archive.start_dir)
