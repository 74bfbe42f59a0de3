"""What a save that was killed or failed leaves behind, and its removal.

TensorFlow saves ckpt-N in this order: it writes ckpt-N_temp/part-..., renames the data to ckpt-N.data-..., writes
ckpt-N.index, removes ckpt-N_temp, and replaces the file `checkpoint` by way of checkpoint.tmp<hex>. So next to a
ckpt-N_temp there may be the beginning of ckpt-N.
"""

import contextlib
import os
import re

from odtk import files
from odtk.checkpoints.files import is_index, missing_file, names_in
from odtk.errors import OdtkError

_FOLDER = re.compile(r"(ckpt-\d+)_temp")
_PART = re.compile(r"part-\d{5}-of-\d{5}\..*")
_FILE = re.compile(r"checkpoint\.tmp[0-9a-f]{32}|ckpt-\d+\.(index|data-\d{5}-of-\d{5})\.tempstate\d+")


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes what killed and failed saves left in a model dir, as far as possible; complete checkpoints stay.

    No other process may be saving there.
    """
    with contextlib.suppress(OSError, OdtkError):
        names = names_in(folder)
        for name in names:
            with contextlib.suppress(OSError, OdtkError):
                if temporary := _FOLDER.fullmatch(name):
                    _remove_save(folder, temporary[1], names)
                elif _FILE.fullmatch(name):
                    _remove_file(folder, name)


def _remove_save(folder: str | os.PathLike, checkpoint: str, names: list[str]) -> None:
    temporary = files.join(folder, f"{checkpoint}_temp")
    if not files.is_folder(temporary) or not all(map(_PART.fullmatch, files.names_in(temporary))):
        return
    if not _is_complete(files.join(folder, checkpoint)):
        own = re.compile(rf"{checkpoint}\.(index|data-\d{{5}}-of-\d{{5}})")
        for name in filter(own.fullmatch, names):
            _remove_file(folder, name)
    files.remove_folder(temporary)  # last: it marks ckpt-N as unfinished


def _remove_file(folder: str | os.PathLike, name: str) -> None:
    if not files.is_folder(files.join(folder, name)):
        files.remove(files.join(folder, name))


def _is_complete(prefix: str) -> bool:
    return missing_file(prefix) is None and is_index(files.read_bytes(f"{prefix}.index"))
