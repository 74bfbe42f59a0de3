"""`odtk download`: the Pet archives, a checkpoint of TFOD's model zoo, or a model of the Hugging Face Hub, unpacked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk import atomic, unfinished
from odtk.checkpoints.files import missing_file, prefixes_in
from odtk.downloads import Timing, hub
from odtk.downloads.fetching import MIRROR_VARIABLE
from odtk.downloads.unpacking import top_folder
from odtk.errors import OdtkError, OutputError
from odtk.listed_files import files_below, read_list, refuse_others, write_list
from odtk.tools.download import catalog
from odtk.tools.download.catalog import PETS, Archive
from odtk.tools.download.place import Downloaded, Place, put_in_place
from odtk.tools.zoo_checkpoints import zoo_checkpoints

__all__ = ["DownloadReport", "Downloaded", "download", "download_model"]

_LIST_FILE = ".odtk-download.json"
"""In a folder of the Hub's: which files were downloaded."""


@dataclass(frozen=True)
class DownloadReport:
    """What is here now."""

    name: str
    folder: str
    parts: list[Downloaded] = field(default_factory=list)
    checkpoint: str | None = None
    """The prefix to fine-tune from."""
    next_command: str = ""


def download(
    what: str,
    *,
    dir: str | os.PathLike | None = None,
    mirror: str | Sequence[str] = (),
    from_files: str | os.PathLike | Sequence[str | os.PathLike] = (),
    keep_archive: bool = False,
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> DownloadReport:
    """Downloads and unpacks "pets", a model of TFOD's zoo by its name, or "hf://user/model", into `dir`.

    `dir` None is `petdata` for the pets, and the current folder otherwise, in which a model gets a folder of its name.
    `mirror`: addresses of folders, tried before the known ones. `from_files`: archives that are here already. What was
    unpacked before is left as it is, unless `overwrite`. A download that broke off goes on where it ended. Raises
    DownloadError, or OutputError if the folder has other contents or cannot be written: what odtk did not download is
    never replaced.
    """
    mirrors, given = _several(mirror), [os.fspath(path) for path in _several(from_files)]
    if what.startswith(hub.SCHEME):
        if mirrors or given:
            text = f"A model of the Hub has no mirror and no archive; the variable {hub.ENDPOINT} names another Hub."
            raise OdtkError(text, argument="mirror" if mirrors else "from_files")
        return _of_hub(what, Path(dir or "."), overwrite, log)
    mirrors += [address for address in [os.environ.get(MIRROR_VARIABLE)] if address]
    if what == PETS:
        return _pets(Path(dir or "petdata"), mirrors, given, keep_archive, overwrite, log)
    return download_model(what, Path(dir or "."), mirrors, given, keep_archive, overwrite, log)


def download_model(
    name: str,
    folder: Path,
    mirrors: Sequence[str] = (),
    given: Sequence[str] = (),
    keep_archive: bool = False,
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
    timing: Timing | None = None,
) -> DownloadReport:
    """A model of the zoo, as `download` does it."""
    model = catalog.find_model(name)
    if len(given) > 1:
        raise OdtkError(f"{model.name} is one archive; {len(given)} files are given.", argument="from_files")
    if not model.trainable:
        log(f"note: odtk does not train {model.title}: its SavedModel can be used by odtk predict and odtk evaluate.")
    place = Place(folder, mirrors, keep_archive, overwrite, log, timing)
    part = put_in_place(model.archive, given[0] if given else None, place)
    target = folder / model.archive.folder
    return DownloadReport(model.name, str(target), [part], _checkpoint(target), _next_of_model(model, target))


def _pets(folder: Path, mirrors, given: Sequence[str], keep_archive: bool, overwrite: bool, log) -> DownloadReport:
    files = _assigned(given, catalog.pets())
    # The small one first: what is wrong with the network or the folder shows at once.
    place = Place(folder, mirrors, keep_archive, overwrite, log)
    archives = sorted(catalog.pets(), key=lambda archive: archive.size or 0)
    parts = [put_in_place(archive, files.get(archive.archive), place) for archive in archives]
    command = shlex.join(["odtk", "make-tfrecords", str(folder), str(folder / "tfrecords")])
    return DownloadReport(PETS, str(folder), parts, None, command)


def _assigned(given: Sequence[str], archives: Sequence[Archive]) -> Mapping[str, str]:
    """Which of the given files is which archive, by the folder inside, else by its name."""
    found: dict[str, str] = {}
    for path in given:
        _require_file(path)
        top, name = top_folder(Path(path)), os.path.basename(path)
        which = next((each.archive for each in archives if each.folder == top or each.archive == name), None)
        if which is None or which in found:
            wanted = " and ".join(archive.archive for archive in archives)
            what = "a second one of these" if which else "none of these"
            raise OdtkError(f"{path} is {what}: {wanted}.", argument="from_files")
        found[which] = path
    return found


def _require_file(path: str) -> None:
    if not os.path.isfile(path):
        raise OdtkError(f"{path} is not a file. Name the archive itself.", argument="from_files")


def _of_hub(address: str, folder: Path, overwrite: bool, log) -> DownloadReport:
    place = hub.parse(address)
    target = folder / place.name
    with atomic.atomic_directory(target, replace=_may_replace(target, overwrite)) as part:
        log(f"Downloading {place} from {hub.endpoint()} ...")
        hub.pull(place, part)
        size = sum((part / name).stat().st_size for name in files_below(part))
        write_list(part, _LIST_FILE)
    checkpoint = _checkpoint(target)
    done = Downloaded(str(target), str(place), address, size)
    return DownloadReport(str(place), str(target), [done], checkpoint, _next_of_folder(target, checkpoint))


def _may_replace(target: Path, overwrite: bool) -> bool:
    """Whether the folder is an earlier download to replace; the names of models are such as folders of data have."""
    if not target.is_dir() or not unfinished.contents(target):
        return False
    earlier = read_list(target, _LIST_FILE)
    if earlier is None:
        raise OutputError(
            f"{target} is there already, and odtk did not download it. Choose another folder, or remove it.",
            argument="dir",
        )
    refuse_others(target, earlier | {_LIST_FILE})
    if not overwrite:
        raise OutputError(f"{target} is there already. Choose another folder, or overwrite it.", argument="overwrite")
    return True


def _next_of_model(model: catalog.ZooModel, folder: Path) -> str:
    if not model.trainable:
        return _next_of_folder(folder, None)
    pipelines = pipelines_by_model().get(model.name)
    base = pipelines[0] if pipelines else str(folder / "pipeline.config")
    words = ["odtk", "configure", base, "--output", "my.config", "--train-records", "RECORDS"]
    return shlex.join([*words, "--fine-tune-checkpoint", _checkpoint(folder) or "PREFIX"])


def _next_of_folder(folder: Path, checkpoint: str | None) -> str:
    if (folder / "saved_model").is_dir() or checkpoint is None:
        return shlex.join(["odtk", "predict", str(folder), "IMAGE", "--output", "FOLDER"])
    config = str(folder / "pipeline.config")
    return shlex.join(["odtk", "configure", config, "--output", "my.config", "--fine-tune-checkpoint", checkpoint])


def pipelines_by_model() -> dict[str, list[str]]:
    """The shipped pipelines that are made for fine-tuning from a model of the zoo, by its name."""
    found: dict[str, list[str]] = {}
    for pipeline, checkpoint in zoo_checkpoints().items():
        found.setdefault(checkpoint.model, []).append(pipeline)
    return found


def _checkpoint(folder: Path) -> str | None:
    """The prefix of the newest whole checkpoint in an unpacked folder; None if there is none."""
    return next(_whole_checkpoints(folder), None)


def _whole_checkpoints(folder: Path) -> Iterator[str]:
    for place in (folder / "checkpoint", folder):
        if place.is_dir():
            yield from (prefix for prefix in prefixes_in(place) if missing_file(prefix) is None)


def _several(value) -> list:
    return [value] if isinstance(value, (str, os.PathLike)) else list(value)
