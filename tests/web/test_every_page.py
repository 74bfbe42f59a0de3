"""What every page has for keyboards, screen readers and narrow screens."""

import itertools
import shlex
from collections import Counter

import click
import fake_runs
import pytest
from fake_trainings import finished_run, make_project
from lxml import html
from running_studio import client_of

from odtk.cli.main import cli
from odtk.queue import Job, Queue
from odtk.web.projects import create_project
from odtk.web.workspace import Workspace

RESULTS = [f"/projects/pets/results{last}" for last in ("", "/try", "/explain", "/review")]
PAGES = [
    *("/", "/data", "/data?folder=data", "/data/look?path=data/pets", "/data/records?path=data/pets", "/projects"),
    *("/projects/new", "/compare?projects=pets,cats", "/jobs", "/jobs/1", "/projects/cats/training", *RESULTS),
    *("/projects/cats/model/text", "/projects/pets/take-away", "/projects/empty/results"),
    *("/projects/empty/model", "/projects/empty/training", "/projects/empty/take-away"),
    "/projects/empty/results/explain",
]  # fmt: skip
NO_PAGE = "/projects/none"


def fill(folder):
    """A workspace in which each page has something to show."""
    workspace = Workspace(folder)
    done = fake_runs.trained_project(workspace)
    fake_runs.evaluate(done)
    fake_runs.export(done)
    finished_run(make_project(workspace, "cats"))
    create_project(workspace, "empty", {"train": {}})
    (workspace.data / "pets").mkdir(parents=True)
    Queue(workspace.queue_file).put(Job(["doctor", "a" * 90]), name="train:cats")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Requests to a studio whose workspace has all of it."""
    with client_of(tmp_path_factory.mktemp("filled") / "my work; rm") as client:
        fill(client.studio.workspace.folder)
        yield client


@pytest.mark.parametrize("path", [*PAGES, NO_PAGE])
def test_everything_has_a_name_and_headings_are_in_order(filled, path):
    answer = filled.get(path)
    assert answer.status_code == (404 if path == NO_PAGE else 200)
    page = html.fromstring(answer.text)
    assert nameless(page) == []
    levels = [int(each.tag[1]) for each in page.xpath("//main//*[self::h1 or self::h2 or self::h3 or self::h4]")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), levels
    ids = Counter(page.xpath("//@id"))
    assert {name for name, count in ids.items() if count > 1} == set()
    named = {name for text in page.xpath("//@aria-labelledby | //@aria-describedby") for name in text.split()}
    assert named <= set(ids)
    assert len(page.xpath("//main | //header | //footer | //nav[@aria-label='Studio']")) == 4
    assert page.xpath("//title")[0].text.strip()


@pytest.mark.parametrize("path", [*PAGES, "/projects/pets/model/text", "/data?folder=.", "/compare", NO_PAGE])
def test_the_foot_has_lines_that_a_terminal_takes(filled, path):
    found = html.fromstring(filled.get(path).text).xpath("//footer//section[h2='The same in the terminal']//pre")
    folder, *lines = [shlex.split(line) for line in found[0].text_content().splitlines()]
    assert folder == ["cd", str(filled.studio.workspace.folder)]
    assert lines
    for program, *words in lines:
        if program == "odtk":
            require_taken(words)
        elif program == "ls":
            assert (filled.studio.workspace.folder / words[0]).is_dir()
        else:
            assert program in ("diff", "tensorboard")


def require_taken(words):
    """Parses a line as odtk would; placeholders stand for what is chosen on the page."""
    group, name = cli, words.pop(0)
    found = group.get_command(click.Context(group), name)
    if name == "queue":
        name = words.pop(0)
        found = found.commands[name]
    found.make_context(name, words)


def nameless(page):
    """Controls, pictures and headers of columns that a screen reader has no words for."""
    wrong = [each for each in page.xpath("//button | //a[@href] | //th | //summary | //legend") if not words_of(each)]
    wrong += [each for each in page.xpath("//img") if each.get("alt") is None]
    wrong += [each for each in page.xpath("//iframe | //video | //progress | //svg[not(@role='img')]")
              if not (each.get("title") or each.get("aria-label") or each.get("aria-hidden"))]  # fmt: skip
    for each in page.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        labels = page.xpath("//label[@for=$name]", name=each.get("id") or "-") + each.xpath("ancestor::label")
        if not any(map(words_of, labels)) and not each.get("aria-label"):
            wrong.append(each)
    return [html.tostring(each).decode()[:200] for each in wrong]


def words_of(element):
    """The label of an element, or its text and those of its pictures."""
    return (element.get("aria-label") or " ".join([element.text_content(), *element.xpath(".//img/@alt")])).strip()


@pytest.mark.slow
def test_no_page_is_wider_than_a_narrow_screen(page, studio):
    fill(studio.folder)
    page.set_viewport_size({"width": 400, "height": 800})
    page.set_default_timeout(120_000)
    wide = []
    for path in PAGES:
        page.goto(path, wait_until="domcontentloaded")
        if not page.locator("html").evaluate("e => e.scrollWidth <= innerWidth"):
            wide.append(path)
    assert wide == []
