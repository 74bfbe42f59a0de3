"""Takes a picture of the beginning of a page with Chromium, without a window.

python -m docs_site.page_picture odtk-demo/model/eval/report.html docs/report.png
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def take_picture(page: Path, picture: Path, width: int, height: int) -> None:
    """Writes a PNG of the first `width` x `height` pixels of a page that is one file.

    Paths in it are shown as from the present folder. Raises SystemExit without a browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(
            f"No browser is here; one of {', '.join(BROWSERS)} is expected (Debian: apt install chromium)."
        )
    with tempfile.TemporaryDirectory() as folder:
        shown = Path(folder) / "page.html"
        shown.write_text(page.read_text("utf-8").replace(f"{Path.cwd()}/", ""), "utf-8")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}"]
        size = [f"--window-size={width},{height}", f"--screenshot={picture.resolve()}", "--virtual-time-budget=5000"]
        subprocess.run([browser, *options, *size, shown.as_uri()], check=True, capture_output=True)
    with Image.open(picture) as image:  # of few colors, a third of the bytes
        image.convert("RGB").quantize(128).save(picture, optimize=True)


def main() -> None:
    """Takes the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--size", default="1100x1215", help="width x height")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    take_picture(given.page, given.picture, width, height)
    print(f"Wrote {given.picture}.")


if __name__ == "__main__":
    main()
