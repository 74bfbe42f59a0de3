"""The sources that a user names: files, folders, globs, addresses, cameras, and lists of these on standard input."""

import codecs
import glob
import os
import posixpath
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from odtk import files
from odtk.errors import DataError
from odtk.files import IMAGE_SUFFIXES
from odtk.report.picture_files import FORMATS, flat_name, free_name
from odtk.streams.frame import frames_folder
from odtk.streams.output_kinds import FOLDERS
from odtk.streams.sources.addresses import (
    VIDEO_SUFFIXES,
    is_live,
    is_video,
    path_in,
    scheme_of,
    without_password,
)
from odtk.streams.sources.cameras import PREFIX as CAMERA
from odtk.streams.sources.cameras import Camera
from odtk.streams.sources.source import Source
from odtk.streams.sources.still_pictures import PictureFile, StoredPicture, WebPicture
from odtk.streams.sources.videos import Video

STDIN = "-"
_VIDEO = "video:"
_STORES = ("gs", "s3", "hdfs", "ram")
_SUFFIXES = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)


def find_sources(
    places: Sequence[str | os.PathLike], not_in: str | os.PathLike | None = None, stdin: BinaryIO | None = None
) -> list[Source]:
    """Every source of `places`, each with a unique name, none opened yet.

    A place is a file, a folder (searched recursively), a glob, an object or a folder in a store, an http(s) address of
    a picture or a video, "camera:0", the address of a network camera, "video:ADDRESS" for a video whose address does
    not say so, or "-" for a place per line of standard input (`stdin`).

    A file is named by its file name or, if it was found in a folder, by its path below that folder. A repeated name
    gets `-2`, `-3` ... before its suffix. Folders are searched in sorted order without hidden files and without the
    folder `not_in`; a file found twice is taken once. Pictures that cannot be read (`.heic`) are listed, too, so that
    they are reported. Raises DataError if a place does not exist, if nothing is found, or if there are cameras, which
    do not end, among other things.
    """
    finding = _Finding(None if not_in is None else Path(not_in).resolve())
    written = [each for place in places for each in _lines(place, stdin)]
    for each in written:
        finding.add(each)
    if not finding.found:
        raise DataError(
            f"No images in {', '.join(map(without_password, written)) or 'the list on standard input'}. Looked for "
            f"files ending in {', '.join(_SUFFIXES)} (in upper or lower case, not hidden), also in subfolders."
        )
    _refuse_mixed(finding.found)
    return finding.found


class _Finding:
    """The sources so far, their names, and the files that need not be found again."""

    def __init__(self, not_in: Path | None):
        self.found: list[Source] = []
        self._not_in = not_in
        self._seen: set[object] = set()
        self._names: set[str] = set()
        self._folders = set(FOLDERS)  # those of other outputs than drawn pictures, and of the frames of videos

    def add(self, place: str) -> None:
        """What one place has."""
        if place in (CAMERA, _VIDEO):
            raise DataError(f"{place} is not complete. Write {CAMERA}0 for the first camera, {_VIDEO}FILE for a video.")
        if place.startswith(CAMERA):
            self._add(place, lambda name: Camera(place, name), f"camera-{place.removeprefix(CAMERA)}.mp4", is_flat=True)
        elif place.startswith(_VIDEO):
            self._add_video(place.removeprefix(_VIDEO))
        elif scheme_of(place) == "file":
            self._add_local(_path_of_file(place))
        elif scheme_of(place):
            self._add_address(place)
        else:
            self._add_local(place)

    def _add_local(self, place: str) -> None:
        for path, name in _local(place, self._not_in):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                self._add(path.resolve(), lambda name, path=path: Video(str(path), name), name)
            else:
                self._add(path.resolve(), lambda name, path=path: PictureFile(path, name), name)

    def _add_address(self, address: str) -> None:
        scheme = scheme_of(address)
        try:
            urlsplit(address).port  # noqa: B018
        except ValueError as error:
            raise DataError(f"{without_password(address)} is not a valid address: {error}. Correct it.") from error
        if scheme in _STORES:
            for path, name in _stored(address):
                self._add(path, lambda name, path=path: StoredPicture(path, name), name)
        elif is_video(address):
            self._add_video(address)
        elif scheme in ("http", "https"):
            name = posixpath.basename(path_in(address)) or urlsplit(address).hostname or "image"
            suffix = posixpath.splitext(name)[1].lower()
            name = name if suffix in FORMATS else f"{name}.jpg"
            self._add(address, lambda name: WebPicture(address, name), name, is_flat=True)
        else:
            raise DataError(
                f"{without_password(address)} has a protocol that is not known, {scheme}://. Give files, folders, "
                "http(s) or rtsp addresses, or gs://BUCKET/FOLDER."
            )

    def _add_video(self, address: str) -> None:
        if not scheme_of(address):
            self._add(Path(address).resolve(), lambda name: Video(address, name), posixpath.basename(address))
            return
        host, end = urlsplit(address).hostname or "video", posixpath.splitext(path_in(address).strip("/"))[0]
        name = f"{host}-{end.replace('/', '-')}".rstrip("-") if is_live(address) else posixpath.basename(end) or host
        self._add(address, lambda name: Video(address, name, is_live(address)), f"{name}.mp4", is_flat=True)

    def _add(self, identity: object, make, wanted: str, is_flat: bool = False) -> None:
        """Adds a source of that name; `is_flat`: of a name that is made up, so that any file system takes it."""
        if identity in self._seen:
            return
        self._seen.add(identity)
        if is_flat:
            stem, suffix = posixpath.splitext(wanted)
            name = flat_name(unquote(stem), self._names, suffix)
        else:
            name = free_name(self._apart(wanted), self._names)
        source = make(name)
        if not source.is_still:
            self._folders.add(frames_folder(name).lower())
        self.found.append(source)

    def _apart(self, wanted: str) -> str:
        """The name in folders that get nothing else: with `-2` behind those that do."""
        parts = wanted.split("/")
        for index, folder in enumerate(parts[:-1]):
            number = 1
            while "/".join(parts[: index + 1]).lower() in self._folders:
                number += 1
                parts[index] = f"{folder}-{number}"
        return "/".join(parts)


def _lines(place: str | os.PathLike, stdin: BinaryIO | None) -> Iterator[str]:
    """The place, or for "-" those on standard input, a line each."""
    if os.fspath(place) != STDIN:
        yield os.fspath(place)
        return
    read = (stdin or sys.stdin.buffer).read()  # bytes, as names of files need not be UTF-8
    for line in read.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"\n").splitlines():  # \0: of find -print0
        if line.strip():
            yield os.fsdecode(line)


def _path_of_file(address: str) -> str:
    """The path in file:///...; what stands behind two slashes is the name of a machine."""
    if urlsplit(address).netloc not in ("", "localhost"):
        raise DataError(
            f"{address} is on another machine. Write three slashes before the path: file:///home/me/cat.jpg."
        )
    return path_in(address)


def _local(place: str, not_in: Path | None) -> Iterable[tuple[Path, str]]:
    """The files of a path or a glob, and how each is called."""
    if not place:
        raise DataError("One of the sources is an empty text. Give a path, or . for the current folder.")
    path = Path(place)
    if path.is_dir():
        return ((each, each.relative_to(path).as_posix()) for each in _below(path, not_in))
    if path.exists():
        return [(path, path.name)]
    if glob.has_magic(place):
        return _matching(place, not_in)
    raise DataError(f"{place} does not exist. Give images, videos, folders with these, addresses, or camera:0.")


def _matching(pattern: str, not_in: Path | None) -> Iterator[tuple[Path, str]]:
    """What a glob matches, folders with all below them, by their paths from where its first wildcard is."""
    parts = Path(pattern).parts
    base = Path(*parts[: next(index for index, part in enumerate(parts) if glob.has_magic(part))])
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):
        found = _below(path, not_in) if path.is_dir() else [path] if _is_searched(path.name) else []
        yield from ((each, _name_below(base, each)) for each in found)


def _name_below(base: Path, path: Path) -> str:
    """The path from `base`, or the file name if that goes up again, as what is written stays below its folder."""
    relative = path.relative_to(base)
    return path.name if ".." in relative.parts else relative.as_posix()


def _below(folder: Path, not_in: Path | None) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and (Path(root) / name).resolve() != not_in)
        yield from (Path(root) / name for name in sorted(names) if _is_searched(name))


def _stored(place: str) -> list[tuple[str, str]]:
    """Pictures in a store: the paths at or below an address, and how each is called."""
    try:
        found = [path for path, _, _ in files.remote_facts(place)]
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error}.") from error
    if not found:
        raise DataError(f"{place} does not exist. Give an image, or a folder with images.")
    if found == [place]:
        return [(place, posixpath.basename(place))]
    below = [(path, path.removeprefix(place.rstrip("/") + "/")) for path in found]
    return [(path, name) for path, name in below if _is_shown(name) and name.lower().endswith(IMAGE_SUFFIXES)]


def _is_shown(path: str) -> bool:
    return not any(part.startswith(".") for part in path.split("/"))


def _is_searched(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(_SUFFIXES)


def _refuse_mixed(sources: Sequence[Source]) -> None:
    live = [source.written for source in sources if source.is_live]
    if live and len(live) < len(sources):
        raise DataError(
            f"{live[0]} does not end by itself, so the {len(sources) - len(live)} other sources would have to wait for "
            "it. Give cameras to a command of their own."
        )
