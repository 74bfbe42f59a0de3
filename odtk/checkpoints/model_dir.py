"""A model dir's checkpoints when training starts: the one to resume from, leftovers, and the list of those kept."""

import os
import time
from collections.abc import Callable

from odtk import files
from odtk.checkpoints import best
from odtk.checkpoints.files import is_ours, missing_file, name_of, names_in
from odtk.checkpoints.leftovers import remove_leftovers
from odtk.checkpoints.newest import Newest, find_newest
from odtk.checkpoints.state_file import STATE_FILE, read_state, write_state
from odtk.errors import CheckpointError, DamagedCheckpointError


def prepare_to_resume(model_dir: str | os.PathLike, log: Callable[[str], None]) -> str | None:
    """The prefix to resume from, None if there is none; from now on TensorFlow's CheckpointManager finds the same one.

    What killed saves left behind is removed first. Where no other can be used, the best one is taken. `log` is called
    if another than the newest is used (see find_newest). Raises CheckpointError if the folder has checkpoints, or names
    one, but none can be used. No other process may be training in the folder.
    """
    _refuse_folders(model_dir)
    remove_leftovers(model_dir)
    found = _find(model_dir, log)
    if found is None:
        _require_none_stated(model_dir, log)
        return None
    for prefix in found.unusable:
        log(f"{prefix} is left as it is, and replaced if training saves that step again.")
    _list_checkpoints(model_dir, found)
    return found.prefix


def _find(model_dir: str | os.PathLike, log: Callable[[str], None]) -> Newest | None:
    """The newest of those that training saved; if none can be used, the best one is copied to them."""
    try:
        found = find_newest(model_dir, log, only_ours=True)
    except DamagedCheckpointError as error:
        if best.copy_as_last(model_dir, log):
            return find_newest(model_dir, log, only_ours=True)
        raise DamagedCheckpointError(
            f"{error}\nTo train from the start, choose another model dir, or move these files away."
        ) from error
    if found is None and best.copy_as_last(model_dir, log):
        return find_newest(model_dir, only_ours=True)
    return found


def _refuse_folders(model_dir: str | os.PathLike) -> None:
    """Raises CheckpointError if a folder has the name of a file that training writes: saving would fail later."""
    if files.is_remote(model_dir):  # has no folders
        return
    for name in names_in(model_dir):
        path, (checkpoint, end) = files.join(model_dir, name), os.path.splitext(name)
        of_a_checkpoint = is_ours(checkpoint) and (end == ".index" or end.startswith(".data-"))
        if (of_a_checkpoint or name == STATE_FILE) and files.is_folder(path):
            raise CheckpointError(
                f"{path} is a folder, but training writes a file of that name. Choose another model dir, or rename "
                "the folder. (An exported model has a folder `checkpoint`: it is not a model dir.)"
            )


def _require_none_stated(model_dir: str | os.PathLike, log: Callable[[str], None]) -> None:
    """For a folder without checkpoints: its file `checkpoint` may not name one either."""
    path, state = files.join(model_dir, STATE_FILE), read_state(model_dir)
    if state.stated:
        name = name_of(state.stated)
        raise CheckpointError(
            f"{path} names the checkpoint {state.stated}, but {model_dir} holds no checkpoint. Copy its files "
            f"({name}.index and {name}.data-...) there to resume from it; to train from the start, remove {path}."
        )
    if state.problem:
        log(f"{path} {state.problem}, and there is no checkpoint: training starts at step 0.")
        files.remove(path)


def _list_checkpoints(model_dir: str | os.PathLike, found: Newest) -> None:
    """Writes the file `checkpoint`, which the manager reads: it resumes from its last entry and deletes the first ones.

    Complete checkpoints that are not listed, because a process was killed or the folder was copied, are listed again,
    so that they are deleted in their turn. Those that were passed over come before: they belong to a future that this
    run replaces. Damaged ones are not listed, so that they do not count among those that are kept.
    """
    older = list(filter(is_ours, reversed(found.older)))
    incomplete = [prefix for prefix in older if missing_file(prefix)]
    replaced = list(filter(is_ours, reversed(found.newer)))
    listed = [*incomplete, *replaced, *(prefix for prefix in older if prefix not in incomplete), found.prefix]
    state, now = read_state(model_dir), time.time()
    # The manager forgets what is of the future, where a clock was set back.
    times = {name_of(each): min(state.listed.get(name_of(each)) or _saved_at(each), now) for each in listed}
    is_right = list(times.items()) == list(state.listed.items()) and state.newest == name_of(found.prefix)
    if not is_right or state.preserved >= min(times.values()):
        write_state(model_dir, times)


def _saved_at(prefix: str) -> float:
    try:
        return os.path.getmtime(f"{prefix}.index")
    except OSError:  # incomplete, or in a store
        return time.time()
