"""Fingerprints of what a run is made of: its config, label maps, records and fine-tuning checkpoint."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator

from odtk import files, label_map, pipeline
from odtk.errors import OdtkError
from odtk.records.fingerprint import fingerprint
from odtk.records.shards import expand_globs


def of_inputs(config) -> dict:
    """The text of a config, and name and fingerprint of each file that it names; None for one that cannot be read."""
    readers = [config.train_input_reader, *config.eval_input_reader]
    checkpoint = config.train_config.fine_tune_checkpoint
    return {
        "label_maps": {name: _of_label_map(name) for name in dict.fromkeys(r.label_map_path for r in readers) if name},
        "records": {file: print_ for reader in readers for file, print_ in _of_records(reader)},
        # The index has a checksum of each variable.
        "checkpoint": {checkpoint: _of_file(f"{checkpoint}.index")} if checkpoint else {},
        "config": pipeline.format(config),
    }


def of_text(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def changes(before: dict, now: dict) -> list[str]:
    """The files that are others now, by name; both from `of_inputs`."""
    return [
        name
        for part in ("label_maps", "records", "checkpoint")
        for name in before.get(part, {}).keys() | now[part].keys()
        if before.get(part, {}).get(name) != now[part].get(name)
    ]


def _of_label_map(name: str) -> str | None:
    try:
        return _of_file(label_map.find(name))
    except OdtkError:
        return None


def _of_file(path: str | os.PathLike) -> str | None:
    try:
        return hashlib.sha256(files.read_bytes(path)).hexdigest()
    except OSError:
        return None


def _of_records(reader) -> Iterator[tuple[str, dict | None]]:
    for pattern in reader.tf_record_input_reader.input_path:
        # Without reading them all, nothing is known of files in a store.
        for path in [] if files.is_remote(pattern) else expand_globs([pattern]):
            try:
                yield str(path), dataclasses.asdict(fingerprint(path))
            except OSError:
                yield str(path), None
