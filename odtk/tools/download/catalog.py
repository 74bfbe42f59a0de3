"""What can be downloaded by name: the Pet archives, and the checkpoints of TFOD's TensorFlow 2 model zoo.

`catalog.json` is the one table of it. Names, speeds and mAPs are those of TFOD's tf2_detection_zoo.md; checksums and
sizes of the Pet archives are those that TensorFlow Datasets records. The zoo publishes none, so the models have none.
"""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from pathlib import Path

from odtk.detectors import families
from odtk.errors import DownloadError

PETS = "pets"
_TABLE = Path(__file__).with_name("catalog.json")


@dataclass(frozen=True)
class Archive:
    """One file to download, and what is in it."""

    archive: str
    """Its name, as the addresses end."""
    folder: str
    """What its contents become, in the folder that is downloaded to."""
    addresses: tuple[str, ...]
    mark: str
    """A file that is in it: `trainval.txt`; a pattern for a model's checkpoint."""
    sha256: str | None = None
    size: int | None = None  # bytes


@dataclass(frozen=True)
class ZooModel:
    """A model of the zoo, as its page has it."""

    name: str
    title: str
    outputs: str
    """Boxes, Boxes/Keypoints or Boxes/Masks."""
    coco_map: str | None
    """COCO mAP, of boxes and, after a slash, of keypoints or masks."""
    milliseconds: int | None
    type: str
    """feature_extractor.type of its config; "" where it has none."""
    trainable: bool
    """Whether odtk builds and trains this model."""
    date: str
    """A part of its addresses: 20200711."""
    archive: Archive


@functools.cache
def pets() -> tuple[Archive, ...]:
    """The two archives of Oxford-IIIT Pet."""
    return tuple(Archive(**row | {"addresses": tuple(row["addresses"])}) for row in _table()["pets"])


@functools.cache
def models() -> dict[str, ZooModel]:
    """The zoo's models by name, in the order of its page."""
    return {row["name"]: _model(row) for row in _table()["models"]}


def zoo_addresses() -> list[str]:
    """Where the zoo's archives are, with DATE and MODEL in the places of a model's own."""
    return [pattern.format(date="DATE", name="MODEL") for pattern in _table()["zoo_addresses"]]


def find_model(name: str) -> ZooModel:
    """A model by its name, which may end before `_coco17`. Raises DownloadError with the nearest names."""
    found = models()
    if name in found:
        return found[name]
    begun = [each for each in found if each.startswith(f"{name}_coco17")]
    if len(begun) == 1:
        return found[begun[0]]
    near = difflib.get_close_matches(name, found, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise DownloadError(f"There is no '{name}' to download.{meant} `odtk download list` lists all.", argument="what")


def _model(row: dict) -> ZooModel:
    place = {"date": row["date"], "name": row["name"]}
    addresses = tuple(pattern.format(**place) for pattern in _table()["zoo_addresses"])
    archive = Archive(f"{row['name']}.tar.gz", row["name"], addresses, "checkpoint/*.index", row["sha256"], row["size"])
    return ZooModel(
        row["name"], row["title"], row["outputs"], row["map"], row["ms"], row["type"], _is_trainable(row), row["date"],
        archive,
    )  # fmt: skip


def _is_trainable(row: dict) -> bool:
    # With keypoints or masks it is another model of the same type.
    known = row["type"] in families.names(row["kind"]) if row["kind"] else False
    return known and row["outputs"] == "Boxes"


@functools.cache
def _table() -> dict:
    return json.loads(_TABLE.read_text("utf-8"))
