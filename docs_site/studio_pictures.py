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
from collections.abc import Iterator
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


def take_pictures(address: str, output: Path, browser: str) -> None:
    """Opens the pages, waits for what they compute, and writes a picture of each."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
        )
        size = {"width": 1200, "height": 1000}
        tab = chromium.new_context(base_url=address, viewport=size, device_scale_factor=1).new_page()
        tab.set_default_timeout(300_000)

        tab.goto(f"/data/look?path=data%2F{NAME}")
        tab.get_by_role("button", name="Inspect").click()
        tab.get_by_role("heading", name="Findings").wait_for()
        tab.wait_for_function("document.querySelectorAll('#pictures img').length > 3")
        tab.locator("#findings").scroll_into_view_if_needed()
        _top(tab, "#gallery")
        tab.wait_for_function(
            "[...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth)"
        )
        save(tab.screenshot(), output / "studio-data.jpg")

        tab.goto(f"/projects/{NAME}/model")
        tab.get_by_text("parameters", exact=False).first.wait_for()
        tab.wait_for_timeout(3000)
        save(tab.screenshot(), output / "studio-model.png")

        tab.goto(f"/projects/{NAME}/training")
        tab.locator("svg.chart").first.wait_for()
        tab.wait_for_timeout(2000)
        save(tab.screenshot(), output / "studio.png")

        tab.goto(f"/projects/{NAME}/results")
        tab.locator("iframe.report").wait_for()
        tab.wait_for_timeout(3000)
        save(tab.screenshot(), output / "studio-results.png")
        chromium.close()


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
            take_pictures(address, given.output, browser)


if __name__ == "__main__":
    main()
