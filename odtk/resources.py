"""Finds the pipelines, label maps and project files that odtk ships, in an installed wheel or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(kind: str) -> Path:
    """The folder of shipped files of a `kind` ("pipelines" or "label_maps")."""
    inside_wheel = _PACKAGE / kind
    return inside_wheel if inside_wheel.is_dir() else _PACKAGE.parent / kind


def shipped_files(kind: str, suffix: str) -> dict[str, Path]:
    """Name (without `suffix`) to path of every shipped file of a `kind`, sorted by name."""
    return {path.name.removesuffix(suffix): path for path in sorted(shipped_folder(kind).glob(f"*{suffix}"))}
