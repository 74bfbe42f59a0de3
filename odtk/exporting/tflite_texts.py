"""The texts that travel in a .tflite file: odtk's own, or another writer's. No TensorFlow."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from odtk import label_map
from odtk.errors import CheckpointError, OdtkError
from odtk.exporting import tflite_archive
from odtk.exporting.tflite_metadata import OUTPUTS
from odtk.exporting.tflite_metadata_reading import FoundMetadata, read_metadata


@dataclass(frozen=True)
class FileTexts:
    """What travels in a .tflite file beside the graph."""

    path: str
    metadata: FoundMetadata | None
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, path: str | os.PathLike) -> FileTexts:
        """Those of a file; raises CheckpointError if it is no TFLite file."""
        model = tflite_archive.read_model(path)
        try:
            return cls(os.fspath(path), read_metadata(model), tflite_archive.files_in(model))
        except ValueError as error:
            raise CheckpointError(f"{path} cannot be used: {error}. Export it again.") from error

    @property
    def names(self) -> dict[int, str]:
        """The names of the classes by their 1-based ids: of odtk's label map, or of the metadata's label file."""
        if tflite_archive.LABEL_MAP in self.files:
            found = label_map.parse(self.files[tflite_archive.LABEL_MAP], f"the label map in {self.path}")
            return {item.id: item.shown for item in found.items}
        lines = self.files.get((self.metadata and self.metadata.label_file) or "", "").splitlines()
        return {number: line for number, line in enumerate(lines, start=1) if line and line != "???"}

    def output_places(self) -> list[int]:
        """Where boxes, classes, scores and their number are among the outputs: by their names, else in this order."""
        names = list(self.metadata.outputs) if self.metadata else []
        return [names.index(name) for name in OUTPUTS] if set(OUTPUTS) <= set(names) else [0, 1, 2, 3]


def names_of(texts: FileTexts, given: str | os.PathLike | None) -> dict[int, str]:
    """The names of the classes by their 1-based ids: of a label map that is given, else the file's own."""
    if given:
        return {item.id: item.shown for item in label_map.read(given).items}
    try:
        return texts.names
    except OdtkError:  # a damaged text in the file: classes are named by number
        return {}
