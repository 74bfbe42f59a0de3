"""The folder that finds objects in a browser: what it needs to be written, and that a browser finds the same."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import headless_chromium
import numpy as np
import pytest
from PIL import Image, ImageDraw

from odtk.errors import OdtkError
from odtk.exporting import browser
from odtk.exporting.formats import FORMATS, ExportOptions, Source
from odtk.protos import pipeline_pb2

CONFIG = pipeline_pb2.TrainEvalPipelineConfig()
NAMES = {1: "cat", 2: "</script><b>dog"}


def source_of(detector=None, config=CONFIG) -> Source:
    return Source(detector, config, "model/ckpt-1", 1, None, NAMES, ExportOptions(), detector)


@pytest.fixture
def package(tmp_path) -> Path:
    """What npm fetches, without what it holds."""
    folder = tmp_path / "package"
    (folder / "dist").mkdir(parents=True)
    for name in browser._FILES:
        (folder / "dist" / name).write_text(name)
    return folder


def test_a_folder_from_a_package_on_this_machine(package, tmp_path, monkeypatch):
    monkeypatch.setattr("odtk.exporting.onnx_file.write", lambda source, path: Path(path).write_bytes(b"model"))
    archive = tmp_path / "onnxruntime-web.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(package, "package")
    for number, given in enumerate((package, package / "dist", archive)):
        monkeypatch.setenv(browser.ELSEWHERE, str(given))
        assert browser.refuses(CONFIG, ExportOptions()) is None
        browser.write(source_of(), str(tmp_path / f"out-{number}"))
        files = {path.name: path.read_bytes() for path in (tmp_path / f"out-{number}").rglob("*") if path.is_file()}
        assert files.keys() == {"index.html", "model.onnx", *browser._FILES}
        assert all(files[name] == name.encode() for name in browser._FILES)
    page = files["index.html"].decode()
    text = page.split('<script id="model" type="application/json">')[1].split("</script>")[0]
    assert json.loads(text) == {"names": {"1": "cat", "2": NAMES[2]}, "dtype": "uint8"}
    assert "//cdn" not in page
    assert "https://" not in page


def test_what_is_missing_is_said_with_the_fix(package, tmp_path, monkeypatch):
    monkeypatch.delenv(browser.ELSEWHERE, raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "npm is not installed. Install Node.js" in browser.refuses(CONFIG, ExportOptions())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OdtkError, match=r"npm could not fetch onnxruntime-web .* run `npm pack onnxruntime-web@"):
        browser._copy_runtime(tmp_path)
    monkeypatch.setenv(browser.ELSEWHERE, str(tmp_path / "gone"))
    assert "gone, which does not exist" in browser.refuses(CONFIG, ExportOptions())
    (tmp_path / "other.tgz").write_bytes(b"nothing")
    for given, words in ((tmp_path, "has no dist/ort.wasm.min.mjs"), (tmp_path / "other.tgz", "is not an archive of")):
        monkeypatch.setenv(browser.ELSEWHERE, str(given))
        with pytest.raises(OdtkError, match=words):
            browser._copy_runtime(tmp_path)


def test_an_offline_npm_is_told_how_to_do_without(tmp_path, monkeypatch):
    monkeypatch.delenv(browser.ELSEWHERE, raising=False)
    failed = subprocess.CompletedProcess([], 1, "", "npm error network request failed")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(OdtkError, match=r"network request failed\. Connect to the network, or run"):
        browser._copy_runtime(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a golden, exported as users do."""
    from golden_cases import variant_case

    from odtk.detectors.build import build_detector

    pytest.importorskip("tf2onnx", reason="the extra odtk[onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="the extra odtk[onnx] is not installed")
    if headless_chromium.PROGRAM is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    if reason := browser.refuses(CONFIG, ExportOptions()):
        pytest.skip(reason)
    case = variant_case("base")
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    folder = tmp_path_factory.mktemp("browser") / "browser"
    try:
        FORMATS["browser"].write(source_of(detector, case.config), str(folder))
    except OdtkError as error:
        if "could not fetch" not in str(error):
            raise
        pytest.skip(str(error))
    return folder, detector, case.config


@pytest.fixture
def address(folder):
    """Where a server like Python's own serves the folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder[0]))
    handler.log_message = lambda *arguments: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.slow
def test_a_browser_finds_what_the_checkpoint_finds(folder, address, tmp_path):
    from odtk.exporting.model import naming
    from odtk.exporting.trained_model import TrainedModel

    place, detector, config = folder
    picture = draw_picture()
    picture.save(place / "drawn.png")
    expected = TrainedModel(detector, config, "golden", None, naming(None)).detect(picture)
    with headless_chromium.browser() as browsed:
        browsed.open(f"{address}/index.html", 900)
        found = json.loads(browsed.evaluate(
            "odtk.ready.then(() => fetch('drawn.png')).then((answer) => answer.blob())"
            ".then(odtk.showFile).then(JSON.stringify)"
        ))  # fmt: skip
        assert browsed.evaluate("document.querySelectorAll('#found tbody tr').length") == (expected.scores >= 0.5).sum()
        said = browsed.evaluate("document.getElementById('status').textContent")
        assert f"of {len(found)} objects have at least this score." in said
        assert all(url.startswith(address) or url.startswith("blob:") for url in browsed.requests())
        if os.environ.get("ODTK_SCREENSHOT"):
            browsed.screenshot(os.environ["ODTK_SCREENSHOT"])
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose([one["score"] for one in found], expected.scores, atol=1e-3)
    for index in np.flatnonzero(expected.scores > expected.scores[-1] + 1e-3):
        kind, box = int(expected.classes[index]), expected.boxes[index]
        of_class = [one for one in found if one["number"] == kind]
        assert min(np.abs(np.array(one["box"]) - box).max() for one in of_class) <= 1e-3
    assert {one["name"] for one in found} <= {"cat", NAMES[2], "class 3"}


def draw_picture() -> Image.Image:
    picture = Image.new("RGB", (260, 190), (90, 120, 150))
    drawing = ImageDraw.Draw(picture)
    drawing.ellipse([30, 40, 120, 150], fill=(230, 190, 60))
    drawing.rectangle([150, 60, 240, 170], fill=(60, 160, 70))
    return picture
