"""The site that `make docs` builds: whole, without anything from elsewhere, with links that lead somewhere."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
ZENSICAL = shutil.which("zensical", path=f"{ROOT / '.docs/bin'}")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ZENSICAL is None, reason="the site's generator is not here: `make docs` installs it"),
]


class Page(HTMLParser):
    """The links, anchors and loaded files of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.anchors |= {known["id"]} if known.get("id") else set()
        if tag == "a" and known.get("href"):
            self.links.append(known["href"])
        if tag in ("script", "img", "source", "iframe") and known.get("src"):
            self.loaded.append(known["src"])
        if tag == "link" and known.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(known["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built of a copy."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    done = subprocess.run([ZENSICAL, "build", "--clean"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_each_page_of_the_docs_is_there(site, pages):
    written = {path.relative_to(site).with_suffix(".md").as_posix() for path in pages}
    assert {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} <= written


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = {target for page in pages.values() for target in page.loaded}
    assert loaded
    assert [target for target in loaded if re.match(r"(https?:)?//", target)] == []


def test_links_lead_to_pages_and_headings(site, pages):
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link):
                continue
            name, _, fragment = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists() or (fragment and target in pages and fragment not in pages[target].anchors):
                wrong.append((path.relative_to(site).as_posix(), link))
    assert wrong == []


def test_tables_are_tables(site):
    """A cell of code with a bar, as in the commands' options, does not end its row, and shows no escape."""
    text = (site / "cli.html").read_text("utf-8")
    rows = re.findall(r"<tr>\s*(?:<td.*?</td>\s*)+</tr>", text, re.DOTALL)
    assert len(rows) > 100
    assert {row.count("<td") for row in rows} == {2}
    assert [row for row in rows if "\\|" in row] == []


def test_the_search_knows_a_field_of_the_config(site):
    indexes = [path for path in site.rglob("search*") if path.is_file() and path.suffix in (".json", ".js")]
    assert any("anchor_scale" in path.read_text("utf-8", "ignore") for path in indexes)
