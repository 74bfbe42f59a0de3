"""Writes a folder that finds objects in a browser: the ONNX file, a page, and onnxruntime-web, which runs it there.

onnxruntime-web is a package of the npm registry; its 14 MB are fetched by npm when the folder is written.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from odtk.errors import OdtkError
from odtk.exporting import onnx_file
from odtk.exporting.signatures import INPUT_TYPES

if TYPE_CHECKING:
    from odtk.exporting.formats import ExportOptions, Source
    from odtk.exporting.model import Model
    from odtk.protos import pipeline_pb2

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ELSEWHERE = "ODTK_ONNXRUNTIME_WEB"
"""The environment variable that names the package on this machine: its folder, or what `npm pack` makes."""

MODEL, PAGE, RUNTIME = "model.onnx", "index.html", "onnxruntime"
_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""Of the package's dist/: what a page needs that computes on the CPU."""
_TEMPLATE = Path(__file__).with_name("browser_page.html")
_SECONDS = 300  # of a download
_FIX = (
    f"Connect to the network, or run `npm pack {PACKAGE}@{VERSION}` where there is one, and set {ELSEWHERE} to the "
    ".tgz file that it makes, or to a folder of the package."
)


def refuses(config: pipeline_pb2.TrainEvalPipelineConfig, options: ExportOptions) -> str | None:
    """Why this cannot run in a browser, or cannot be written on this machine; None if it can."""
    given = os.environ.get(ELSEWHERE)
    if given and not os.path.exists(given):
        return f"{ELSEWHERE} is {given}, which does not exist. Set it to a folder or a .tgz file of {PACKAGE}."
    if not given and shutil.which("npm") is None:
        return (
            f"A browser runs the model with {PACKAGE}, which npm fetches, and npm is not installed. Install Node.js, "
            f"which brings it, or set {ELSEWHERE} to a folder or a .tgz file of the package."
        )
    return onnx_file.refuses(config, options)


def write(source: Source, folder: str) -> None:
    """Writes the folder; OdtkError if onnxruntime-web cannot be fetched."""
    place = Path(folder)
    (place / RUNTIME).mkdir(parents=True)
    _copy_runtime(place / RUNTIME)  # before the model is converted: it is what may fail
    onnx_file.write(source, str(place / MODEL))
    facts = {"names": dict(source.names), "dtype": INPUT_TYPES[source.options.input_type].dtype}
    # As a name might have "</script>" in it.
    text = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    (place / PAGE).write_text(_TEMPLATE.read_text("utf-8").replace("@MODEL@", text), "utf-8")


def embed(folder: str, certificate: str) -> None:
    """Puts a certificate, a JSON document, into the metadata of the model."""
    onnx_file.embed(os.path.join(folder, MODEL), certificate)


def load(path: str | os.PathLike, **settings) -> Model:
    """The model of the folder, run by ONNX Runtime outside of a browser; see odtk.exporting.onnx_model.load."""
    from odtk.exporting import onnx_model

    return onnx_model.load(os.path.join(path, MODEL), **settings)


def _copy_runtime(folder: Path) -> None:
    given = os.environ.get(ELSEWHERE)
    if given and os.path.isdir(given):
        inside = next((place for place in (Path(given, "dist"), Path(given)) if (place / _FILES[0]).exists()), None)
        if inside is None:
            raise OdtkError(f"{ELSEWHERE} is {given}, which has no dist/{_FILES[0]} of {PACKAGE}. {_FIX}")
        for name in _FILES:
            shutil.copyfile(inside / name, folder / name)
        return
    with tempfile.TemporaryDirectory() as temporary:
        _unpack(given or _fetch(temporary), folder)


def _fetch(folder: str) -> str:
    """The path of the package's archive, fetched by npm, or from npm's own cache."""
    command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--prefer-offline", "--silent", "--pack-destination", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, cwd=folder, check=False)
        said = done.stderr.strip() or done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    found = [name for name in os.listdir(folder) if name.endswith(".tgz")]
    if not found:
        raise OdtkError(f"npm could not fetch {PACKAGE} {VERSION}: {said or 'it said nothing'}. {_FIX}")
    return os.path.join(folder, found[0])


def _unpack(archive: str, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            for name in _FILES:
                member = tar.extractfile(f"package/dist/{name}")
                assert member is not None
                with open(folder / name, "wb") as file:
                    shutil.copyfileobj(member, file)
    except (OSError, tarfile.TarError, KeyError) as error:
        raise OdtkError(f"{archive} is not an archive of {PACKAGE}: {error}. {_FIX}") from error
