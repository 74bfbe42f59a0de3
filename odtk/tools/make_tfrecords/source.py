"""Datasets in an object store: annotations are copied to this machine, images are read remotely."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odtk import files
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.data_folder import is_data_set
from odtk.annotations.dataset import Dataset, ImageAnnotation, Listed
from odtk.errors import DataError, OdtkError
from odtk.tools.make_tfrecords.plan import Settings


@contextlib.contextmanager
def near(data_dir: str) -> Iterator[str]:
    """Yields a local folder to read annotations from: `data_dir`, or a copy that is removed when the block ends.

    A local folder may be given by its data.yaml. Raises DataError if `data_dir` is not a folder.
    """
    if not files.is_remote(data_dir):
        if not is_data_set(data_dir):
            raise DataError(f"{data_dir} is not a folder. Give the folder with the images and their annotations.")
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="odtk-annotations-") as folder:
        files.mirror(data_dir, Path(folder))
        try:
            yield folder
        except OdtkError as error:
            text = str(error).replace(folder, data_dir.rstrip("/"))
            raise type(error)(text, argument=error.argument) from error


def bring_images(data_dir: str, folder: str, options: Settings) -> None:
    """Copies the images, too, for the Pet layout; raises DataError if other machines would need them."""
    if options.runner:
        raise DataError(
            f"An Apache Beam runner cannot convert pets from {data_dir}: the Pet layout is read from a file system. "
            "Use a folder that all workers can read.",
            argument="runner",
        )
    files.mirror(data_dir, Path(folder), images=True)


def with_images_afar(dataset: Dataset, folder: str, data_dir: str, read_ahead: bool) -> Dataset:
    """The dataset in `folder` with its images in `data_dir`; `read_ahead` reads annotations now, for other machines."""
    moved = _Moved(dataset, folder, data_dir.rstrip("/"))
    return _ReadAhead.of(moved) if read_ahead else moved


@dataclass(frozen=True)
class _Moved:
    dataset: Dataset
    folder: str
    data_dir: str

    @property
    def listed(self) -> Sequence[Listed]:
        return self.dataset.listed

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.dataset.problems

    @property
    def format(self) -> str:
        return self.dataset.format

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self.dataset.class_names

    def read(self, listed: Listed) -> ImageAnnotation:
        annotation = self.dataset.read(listed)
        return replace(annotation, image_path=annotation.image_path.replace(self.folder, self.data_dir, 1))


@dataclass(frozen=True)
class _ReadAhead:
    """Entries are annotations, or the arguments of an UnusableImage."""

    format: str
    folder: str
    class_names: tuple[str, ...] | None
    listed: tuple[Listed, ...]
    problems: tuple[Problem, ...]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"listed": ()}  # workers are sent their part of it separately

    @classmethod
    def of(cls, dataset: Dataset) -> "_ReadAhead":
        listed = tuple(replace(each, entry=_read(dataset, each)) for each in dataset.listed)
        return cls(dataset.format, dataset.folder, dataset.class_names, listed, dataset.problems)

    def read(self, listed: Listed) -> ImageAnnotation:
        if isinstance(listed.entry, ImageAnnotation):
            return listed.entry
        problem, is_bad = listed.entry
        raise UnusableImage(problem.file, problem.line, problem.kind, problem.text, is_bad)


def _read(dataset: Dataset, listed: Listed):
    try:
        return dataset.read(listed)
    except UnusableImage as error:
        return error.problem, error.is_bad
