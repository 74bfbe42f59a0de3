"""Finds the newest readable checkpoint of a folder."""

import os
from collections.abc import Callable

import tensorflow as tf

from odtk.checkpoints.files import prefixes_in, stated_newest
from odtk.checkpoints.reader import CheckpointReader, checked_prefix
from odtk.errors import CheckpointError, DamagedCheckpointError


def find_checkpoint(path: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> str:
    """The prefix meant by `path`: a prefix itself, a model dir (its newest that can be read), or an exported folder.

    `log` is called with the reason if another than the newest checkpoint is used. Raises CheckpointError.
    """
    if not os.path.isdir(path):
        return checked_prefix(path)
    for folder in (path, os.path.join(path, "checkpoint")):
        newest = newest_checkpoint(folder, log)
        if newest is not None:
            return newest
    raise CheckpointError(f"{path} holds no checkpoint. Train first, or choose another folder.")


def newest_checkpoint(folder: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> str | None:
    """The newest readable checkpoint of a folder; None if it has no checkpoints.

    The newest is the one named in the file `checkpoint`, or the one with the highest number if that one is not in the
    folder (a folder that was moved or copied). If it is damaged, the previous one is used and `log` is called. Raises
    DamagedCheckpointError if none can be read.
    """
    damages = []
    for prefix in _by_preference(folder, log):
        try:
            CheckpointReader(prefix).verify()
        except DamagedCheckpointError as error:
            damages.append(str(error))
            continue
        for damage in damages:
            log(f"{damage} {prefix} is used instead.")
        return prefix
    if damages:
        raise DamagedCheckpointError(
            f"{folder} holds no readable checkpoint:" + "".join(f"\n  {damage}" for damage in damages)
        )
    return None


def _by_preference(folder: str | os.PathLike, log: Callable[[str], None]) -> list[str]:
    """The checkpoints in a folder, the preferred one first."""
    prefixes, stated = prefixes_in(folder), stated_newest(folder)
    place = os.path.join(folder, stated) if stated else None
    if place and os.path.abspath(place) in map(os.path.abspath, prefixes):
        return sorted(prefixes, key=lambda prefix: os.path.abspath(prefix) != os.path.abspath(place))
    if not prefixes and place and tf.io.gfile.exists(f"{place}.index"):
        return [place]
    if place:
        newest = f"the newest in this folder is {prefixes[0]}" if prefixes else "the folder holds none"
        log(f"{os.path.join(folder, 'checkpoint')} names the checkpoint {stated}, which is not there; {newest}.")
    elif prefixes:
        log(f"{folder} has no file `checkpoint` that names the newest; by its number that is {prefixes[0]}.")
    return prefixes
