"""Every link of the pages leads to a file and a heading that are there, and the site's navigation has every page."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from docs_site.links import Link, anchors, links, problem, prose, slug  # noqa: E402

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]
# A navigation's entry is `{ "Title" = "page.md" }`; the format is TOML, which Python 3.10 cannot read.
IN_NAVIGATION = re.findall(r'= "([\w/-]+\.md)" \}', (ROOT / "zensical.toml").read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    found = [(link.line, link.target, problem(link, ROOT)) for link in links(page) if link.is_here]
    assert [each for each in found if each[2]] == []


def test_pages_of_the_site_link_to_pages_of_the_site():
    """What lies outside of docs/ is not on the site, so its name stands there without a link."""
    here = [link for page in DOCS.rglob("*.md") for link in links(page) if link.is_here]
    assert len(here) > 100
    targets = {(link.page, (link.page.parent / link.target.partition("#")[0]).resolve()) for link in here}
    assert [each for each in targets if DOCS not in each[1].parents and each[1] != DOCS] == []


def test_anchors_are_the_same_on_github_and_on_the_site():
    """GitHub keeps a dash for each space and dash of a heading, the site's generator one for all in a row."""
    fragments = {link.target.partition("#")[2] for page in DOCS.rglob("*.md") for link in links(page) if link.is_here}
    assert [fragment for fragment in fragments if "--" in fragment] == []


def test_the_navigation_has_every_page_once():
    assert sorted(IN_NAVIGATION) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_every_picture_of_the_docs_is_shown_somewhere():
    shown = {(link.page.parent / link.target).resolve() for page in PAGES for link in links(page) if link.is_here}
    pictures = [path for path in DOCS.rglob("*") if path.suffix in (".png", ".jpg", ".svg")]
    assert [path.name for path in pictures if path not in shown] == []


def test_the_site_loads_nothing_from_elsewhere():
    """Every picture is a file of the docs: a page that is read without a network is whole."""
    pictures = [
        link for page in DOCS.rglob("*.md") for link in links(page) if link.target.endswith((".png", ".jpg", ".svg"))
    ]
    assert pictures
    assert [link for link in pictures if not link.is_here] == []


@pytest.fixture
def two_pages(tmp_path):
    (tmp_path / "a.md").write_text("# Here\n\n## `--x` and *more*\n\n## Here\n\n```\n# no heading\n```\n")
    (tmp_path / "b.md").write_text(
        "[1](a.md#here) [over\na line](a.md#nowhere) `[code](c.md)`\n\n    [block](c.md)\n\n[2](c.md)\n"
    )
    return tmp_path


def test_a_link_that_leads_nowhere_is_found(two_pages):
    found = {link.target: (link.line, problem(link, two_pages)) for link in links(two_pages / "b.md")}
    assert found == {
        "a.md#here": (1, None),
        "a.md#nowhere": (1, "a.md has no heading with this anchor"),
        "c.md": (6, "there is no such file"),
    }
    assert problem(Link("../x.md", two_pages / "b.md", 1), two_pages) == "it leads out of the repository"


def test_anchors_are_those_of_github(two_pages):
    assert anchors(two_pages / "a.md") == {"here", "--x-and-more", "here-1"}
    assert slug("[What](x.md) is it?") == "what-is-it"


def test_code_is_no_prose():
    assert prose("a `b` c\n```\nd\n```\n    e\nf") == "a     c\n\n\n\n\nf"
