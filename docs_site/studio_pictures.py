"""Takes the pictures of docs/studio.md: the studio over a workspace that is made of a finished `odtk demo`.

python -m docs_site.studio_pictures odtk-demo docs
"""

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from PIL import Image

from docs_site.page_picture import BROWSERS

NAME = "pets"


def make_workspace(demo: Path, folder: Path) -> None:
    """A workspace whose project is the demo's."""
    project = folder / "projects" / NAME
    project.mkdir(parents=True)
    shutil.copytree(demo / "pets", folder / "data" / NAME)
    shutil.copytree(demo / "records", folder / "records" / NAME)
    shutil.copytree(demo / "model", folder / "runs" / NAME)
    config = (demo / "pipeline.config").read_text("utf-8")
    config = config.replace(f"{demo.resolve()}/records", f"{folder}/records/{NAME}")
    for path in (project / "pipeline.config", folder / "runs" / NAME / "pipeline.config"):
        path.write_text(config, "utf-8")
    report = folder / "runs" / NAME / "eval/report.html"
    report.write_text(report.read_text("utf-8").replace(f"{demo.resolve().parent}/", ""), "utf-8")
    sections = {"make-tfrecords": {"data-dir": f"../../data/{NAME}"}, "train": {"pipeline-config": "pipeline.config"}}
    (project / "project.yaml").write_text(yaml.safe_dump(sections), "utf-8")


@contextlib.contextmanager
def running_studio(folder: Path) -> Iterator[str]:
    """The address of a studio over a workspace."""
    words = [sys.executable, "-m", "odtk", "studio", os.fspath(folder), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().removeprefix("Studio: ").strip()
    finally:
        process.terminate()
        process.wait()


def take_pictures(address: str, output: Path, browser: str, names: Sequence[str]) -> None:
    """Opens the pages of these names, waits for what they compute, and writes a picture of each."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
        chromium = playwright.chromium.launch(executable_path=browser, args=options)
        tab = chromium.new_context(base_url=address, viewport={"width": 1200, "height": 1000}).new_page()
        tab.set_default_timeout(300_000)
        for name in names:
            PAGES[name](tab)
            tab.wait_for_timeout(2000)
            save(tab.screenshot(), output / name)
        chromium.close()


def _data(tab) -> None:
    tab.goto(f"/data/look?path=data%2F{NAME}")
    if tab.get_by_role("heading", name="Findings").count() == 0:
        tab.get_by_role("button", name="Inspect").click()
        tab.get_by_role("heading", name="Findings").wait_for()
    _top(tab, "#gallery")
    # Not wait_for_function, which the pages' security policy does not let poll.
    while not tab.evaluate("[...document.querySelectorAll('#pictures img')].slice(0, 9).every(i => i.naturalWidth)"):
        tab.wait_for_timeout(500)


def _model(tab) -> None:
    tab.goto(f"/projects/{NAME}/model")
    tab.locator("ul.layers").first.wait_for()
    _top(tab, ".columns")


def _training(tab) -> None:
    tab.goto(f"/projects/{NAME}/training")
    tab.locator("svg.chart").first.wait_for()


def _results(tab) -> None:
    tab.goto(f"/projects/{NAME}/results")
    tab.frame_locator("iframe.report").get_by_role("heading").first.wait_for()


PAGES = {
    "studio.png": _training,
    "studio-data.jpg": _data,
    "studio-model.png": _model,
    "studio-results.png": _results,
}


def _top(tab, selector: str) -> None:
    """Scrolls so that something stands at the top of the window."""
    tab.locator(selector).evaluate("e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 16)")


def save(png: bytes, path: Path) -> None:
    """Writes a picture: photos as JPEG, pages of few colors as PNG with a third of the bytes."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if path.suffix == ".jpg":
        image.save(path, quality=80, optimize=True)
    else:
        image.quantize(128).save(path, optimize=True)
    print(f"Wrote {path}.")


def main() -> None:
    """Takes the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("demo", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", choices=PAGES, nargs="+", default=list(PAGES))
    given = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(
            f"No browser is here; one of {', '.join(BROWSERS)} is expected (Debian: apt install chromium)."
        )
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder).resolve() / "work"
        make_workspace(given.demo, workspace)
        with running_studio(workspace) as address:
            take_pictures(address, given.output, browser, given.only)


if __name__ == "__main__":
    main()
