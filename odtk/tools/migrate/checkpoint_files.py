"""Copies a checkpoint into a model dir of its own, named by its step, as odtk names those that it saves."""

from __future__ import annotations

import shutil
from pathlib import Path

from odtk.checkpoints.state_file import STATE_FILE


def copy_checkpoint(prefix: str, folder: Path, step: int | None) -> str:
    """Copies the files of a checkpoint to `folder`/ckpt-STEP, and names it in the file `checkpoint`; returns its name.

    Names of files are no part of a checkpoint's contents. TFOD numbers checkpoints by the count of saves.
    """
    folder.mkdir(parents=True)
    old, name = Path(prefix), f"ckpt-{step or 0}"
    for path in sorted(old.parent.glob("*")):
        end = path.name.removeprefix(old.name)
        if end != path.name and (end == ".index" or end.startswith(".data-")):
            shutil.copyfile(path, folder / f"{name}{end}")
    lines = [f'model_checkpoint_path: "{name}"', f'all_model_checkpoint_paths: "{name}"']
    (folder / STATE_FILE).write_text("\n".join(lines) + "\n", "utf-8")
    return name
