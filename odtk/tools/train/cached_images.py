"""Keeping the decoded images of a run: where, whether they fit there, and decoding them all before the first step."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import tensorflow as tf

from odtk import machine
from odtk.atomic import atomic_file, check_file
from odtk.errors import OdtkError, OutputError
from odtk.files import is_remote
from odtk.hardware import CPU
from odtk.inputs.build import record_files
from odtk.inputs.image_cache import decode_all, measure
from odtk.progress import track
from odtk.records import decoded_images, shards
from odtk.records.decoded_images import DecodedImages
from odtk.records.fingerprint import fingerprint
from odtk.system_errors import describe, in_bytes
from odtk.tools.train.options import MEMORY, cache_folder
from odtk.training.experiment import Experiment
from odtk.training.strategy import devices_of

CACHING = "image cache"
"""The phase of a run's times."""

_MEMORY_LEFT = 0.2  # of what is available: for batches, buffers and, on a GPU, TensorFlow's libraries
_DISK_LEFT = 10**9  # bytes, for checkpoints and logs that may be on the same disk
_SHOWN_AT_ONCE = 16


@contextlib.contextmanager
def cached_images(
    experiment: Experiment, choice: str | None, num_steps: int, log: Callable[[str], None]
) -> Iterator[None]:
    """While the block runs, the experiment's image cache has all images, where `choice` (`--cache`) says.

    Raises OdtkError if they do not fit there, OutputError if the file cannot be written.
    """
    cache, workers = experiment.task.image_cache, experiment.workers
    with workers.together():
        if cache is not None and choice is not None:
            with experiment.times.phase(CACHING):
                cache.images = _fill(experiment, choice, num_steps, log)
        workers.first(None)  # each worker agrees, with a cache or without: none trains before all have their images
    try:
        yield
    finally:
        if cache is not None and cache.images is not None:
            images, cache.images = cache.images, None
            images.close()


def _fill(experiment: Experiment, choice: str, num_steps: int, log: Callable[[str], None]) -> DecodedImages | None:
    if why := _is_useless(experiment, choice, num_steps):
        log(f"No images are cached: {why}.")
        return None
    _note_device(experiment, log)
    return keep(choice, experiment.task.config.train_input_reader, log, experiment.workers.count_here)


def keep(choice: str, reader, log: Callable[[str], None], count_here: int = 1) -> DecodedImages:
    """The decoded images of an InputReader's records, kept where `choice` says. Raises like `cached_images`.

    `count_here` processes on this machine do so at once, and each has a share of its memory.
    """
    files = record_files(reader)
    if choice == MEMORY:
        return _in_memory(files, log, count_here)
    path = cache_file(cache_folder(choice), files)
    _require_apart(path, list(reader.tf_record_input_reader.input_path))
    return _on_disk(path, files, log)


def cache_file(folder: str | None, files: Sequence[str]) -> Path:
    """The file for the decoded images of these record files, in `folder` or, if None, beside the first of them.

    Its name says which files they are and, behind that, what is in them and what decodes them.
    """
    if folder is None and is_remote(files[0]):
        raise OdtkError(
            f"{files[0]} is in a store, where no decoded images can be kept beside the records. Name a folder of this "
            "machine (disk:FOLDER), or keep them in memory.",
            argument="cache",
        )
    place = Path(files[0]).absolute().parent if folder is None else Path(folder).absolute()
    names = [file if is_remote(file) else os.path.relpath(file, place) for file in files]
    contents = [_version(file) for file in files] + [tf.__version__, platform.machine()]
    return place / decoded_images.NAME.format(_digest(names), _digest(contents))


def _in_memory(files: Sequence[str], log: Callable[[str], None], count_here: int) -> DecodedImages:
    try:
        file = decoded_images.memory_file()
    except OSError as error:
        raise OdtkError(
            f"Decoded images cannot be kept in memory: {error.strerror}. Keep them on a disk.", argument="cache"
        ) from error
    try:
        plan = _measured(files)
        available = machine.find_memory().available or 0
        room = int(available * (1 - _MEMORY_LEFT) / count_here)
        left = f"{in_bytes(available)} of memory are available, of which a fifth is left for the training"
        left += f" and the rest is shared by {count_here} workers on this machine" * (count_here > 1)
        _require_room(plan, room, left, "Keep them on a disk")
        log(f"Image cache: {_images(plan)}, in memory: {in_bytes(decoded_images.file_size(plan))}.")
        return DecodedImages(file, decoded_images.write(file, plan, _decoded(files)), is_verified=False)
    except BaseException:
        file.close()
        raise


def _on_disk(path: Path, files: Sequence[str], log: Callable[[str], None]) -> DecodedImages:
    if found := _earlier(path):
        log(f"Image cache: {_images(found)}, in {path}, from an earlier run.")
        return found
    try:
        check_file(path)
    except OutputError as error:
        raise OutputError(
            f"{error} Decoded images can be kept in another folder (disk:FOLDER) or in memory.", argument="cache"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_outdated(path, log)
    plan = _measured(files)
    free = shutil.disk_usage(path.parent).free
    left = f"the disk of {path.parent} has {in_bytes(free)} free, of which {in_bytes(_DISK_LEFT)} are left for others"
    _require_room(plan, free - _DISK_LEFT, left, "Free some space, name a folder of another disk (disk:FOLDER)")
    size = decoded_images.file_size(plan)
    log(f"Image cache: {_images(plan)}, in {path}: {in_bytes(size)}. Later runs use it again.")
    with atomic_file(path, size) as part, open(part, "w+b") as file:
        decoded_images.write(file, plan, _decoded(files))
    images = _earlier(path)
    if images is None:
        raise OutputError(f"{path} was changed by another program as soon as it was written. Choose another folder.")
    return images


def _earlier(path: Path) -> DecodedImages | None:
    try:
        return decoded_images.open_images(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(describe(error, path), argument="cache") from error


def _remove_outdated(path: Path, log: Callable[[str], None]) -> None:
    """Removes caches of the same record files as they were before, or as another TensorFlow decoded them."""
    which = path.name.split("-")[1]
    for other in set(path.parent.glob(decoded_images.NAME.format(which, "*"))) - {path}:
        with contextlib.suppress(OSError):
            other.unlink()
            log(f"Removed {other}: decoded images of these records from before they changed.")


def _require_apart(path: Path, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        if not is_remote(pattern) and fnmatch(str(path), os.path.abspath(pattern)):
            raise OdtkError(
                f"input_path {pattern} would match the file of the decoded images, {path}. Name another folder "
                "(disk:FOLDER), keep them in memory, or let input_path match record files alone.",
                argument="cache",
            )


def _require_room(plan, room: int, left: str, elsewhere: str) -> None:
    needed = decoded_images.file_size(plan)
    if needed > room:
        raise OdtkError(
            f"The decoded images take {in_bytes(needed)} ({_images(plan)}), but {left}. {elsewhere}, shrink the images "
            "(`odtk make-tfrecords --max-side`), or train without keeping them.",
            argument="cache",
        )


def _is_useless(experiment: Experiment, choice: str, num_steps: int) -> str | None:
    """Why keeping the images for this run alone would save nothing, if so."""
    info = experiment.info
    images = (num_steps - experiment.step) * info.batch_size // experiment.workers.count
    if choice != MEMORY or info.num_records is None or images > info.num_records:
        return None
    return f"{images:,} images are left to train on here, of {info.num_records:,} records, so none is decoded twice"


def _note_device(experiment: Experiment, log: Callable[[str], None]) -> None:
    if all(device.kind == CPU for device in devices_of(experiment.trainer.strategy)):
        log("On a CPU a step usually takes far longer than decoding its images, so that a cache saves little.")


def _measured(files: Sequence[str]):
    with track("Measuring images", _count(files), "records") as progress:
        return measure(files, progress.advance)


def _decoded(files: Sequence[str]) -> Iterator[tuple]:
    number = 0
    with track("Decoding images", _count(files), "records") as progress:
        for number, found in enumerate(decode_all(files), 1):
            yield found
            if number % _SHOWN_AT_ONCE == 0:
                progress.update(number)
        progress.update(number)


def _count(files: Sequence[str]) -> int | None:
    try:
        return None if any(map(is_remote, files)) else shards.count_records(files)
    except OSError:
        return None


def _images(found) -> str:
    return f"{len(found):,} image{'s' * (len(found) != 1)}"


def _version(file: str) -> str:
    """What changes when the file does; nothing for one that cannot be read, which training finds out."""
    try:
        if is_remote(file):
            status = tf.io.gfile.stat(file)
            return f"{status.length} {status.mtime_nsec}"
        return str(fingerprint(file))
    except (OSError, tf.errors.OpError):
        return ""


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
