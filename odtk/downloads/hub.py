"""Models of the Hugging Face Hub, by addresses such as hf://user/model. The library is imported when it is used."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from odtk.errors import DownloadError, OdtkError

SCHEME = "hf://"
ENDPOINT = "HF_ENDPOINT"
"""The environment variable with the address of another Hub, as its own library reads it."""

_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?/?")
_DEFAULT = "https://huggingface.co"


@dataclass(frozen=True)
class HubPlace:
    """A repository of models, and a branch, tag or commit of it."""

    repo: str  # user/model
    revision: str | None = None

    @property
    def name(self) -> str:
        """The model's part of the name."""
        return self.repo.partition("/")[2]

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def parse(address: str) -> HubPlace:
    """The place that an address names. Raises DownloadError for anything but hf://user/model[@revision]."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise DownloadError(f"'{address}' is not hf://USER/MODEL, or hf://USER/MODEL@REVISION.")
    return HubPlace(found["repo"], found["revision"])


def endpoint() -> str:
    """The Hub that is asked."""
    return os.environ.get(ENDPOINT, _DEFAULT).rstrip("/")


def pull(place: HubPlace, folder: Path) -> None:
    """Downloads all files of a repository into a folder. Raises DownloadError with the Hub's reason."""
    library = _library()
    try:
        library.snapshot_download(repo_id=place.repo, revision=place.revision, local_dir=str(folder))
    except Exception as error:
        raise DownloadError(f"{place} cannot be downloaded from {endpoint()}: {_reason(library, error)}") from error
    _remove_cache(folder)


def push(files: Mapping[str, Path | bytes], place: HubPlace, private: bool, message: str) -> str:
    """Uploads files, by their paths there, as one commit to a repository that is made if needed; returns its address.

    Raises DownloadError with the Hub's reason.
    """
    library = _library()
    api = library.HfApi(library_name="odtk")
    try:
        api.create_repo(place.repo, repo_type="model", private=private, exist_ok=True)
        operations = [
            library.CommitOperationAdd(
                path_in_repo=name, path_or_fileobj=held if isinstance(held, bytes) else str(held)
            )
            for name, held in files.items()
        ]
        done = api.create_commit(
            place.repo, operations, repo_type="model", revision=place.revision, commit_message=message
        )
    except Exception as error:
        raise DownloadError(f"{place} cannot be written at {endpoint()}: {_reason(library, error)}") from error
    return getattr(done, "commit_url", None) or f"{endpoint()}/{place.repo}"


def _remove_cache(folder: Path) -> None:
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _library():
    try:
        import huggingface_hub
    except ImportError as error:
        raise OdtkError(
            f'Addresses that begin with {SCHEME} need the package huggingface_hub: pip install "odtk[hf]".'
        ) from error
    return huggingface_hub


def _reason(library, error: Exception) -> str:
    """The Hub's answer, with what to do about it."""
    errors = library.errors
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, errors.GatedRepoError):
        return "its owner must give you access first: ask for it on the model's page."
    if isinstance(error, errors.RevisionNotFoundError):
        return "there is no such branch, tag or commit."
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such model, or it is private: log in by `hf auth login`, or set HF_TOKEN."
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"it answers {status}: log in by `hf auth login` with a token that may write, or set HF_TOKEN."
    return text.rstrip(".") + "."
