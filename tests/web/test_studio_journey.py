"""The whole journey in a browser, on drawn data: from a folder to a detector that is taken away, and a second run.

The studio is a process of its own, which is ended and started again in the middle of the training.
"""

import contextlib
import re
import zipfile

import drawn_field
import pytest
from running_studio import studio_process

from odtk.queue import Queue

pytestmark = pytest.mark.slow

MINUTES = 60_000  # milliseconds
STEPS = 40


class Browser:
    """A window on a studio, which may be another process after a while; `tab` is the present one."""

    def __init__(self, chromium, folder):
        self._chromium, self._folder = chromium, folder
        self._stack, self.problems = contextlib.ExitStack(), []

    def open(self):
        """Starts the studio, and opens a tab on it."""
        self.process, address = self._stack.enter_context(studio_process(self._folder))
        self.context = self._chromium.new_context(base_url=address, viewport={"width": 1280, "height": 900})
        self._stack.callback(self.context.close)
        self.tab = self.another_tab()

    def another_tab(self):
        """A further tab; errors of scripts and of the security policy are noted."""
        tab = self.context.new_page()
        tab.set_default_timeout(MINUTES)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        return tab

    def close(self):
        """Ends the studio as Ctrl-C does; what it has put into the queue goes on."""
        self.tab.goto("about:blank")
        self.process.terminate()
        assert self.process.wait(30) == 0
        self._stack.close()


@pytest.fixture
def browser(chromium, tmp_path):
    folder = tmp_path / "work"
    drawn_field.write_voc(folder / "data/pets", drawn_field.pictures(16))
    made = Browser(chromium, folder)
    made.open()
    yield made
    made.close()
    assert made.problems == []


def test_from_a_folder_to_a_detector_and_a_second_run(browser, tmp_path):
    folder = tmp_path / "work"
    make_records(browser.tab)
    make_a_project(browser.tab)
    set_a_wrong_and_right_values(browser.tab, folder)
    start_training(browser.tab)
    wait_for_step(browser.tab, 1)
    browser.close()
    browser.open()
    watch_in_two_tabs(browser)
    evaluate(browser.tab)
    drop_a_picture(browser.tab, tmp_path)
    look_inside(browser.tab)
    export(browser.tab, tmp_path)
    train_a_copy(browser.tab, folder)
    assert all(job.state == "done" for job in Queue(folder / "queue.db").jobs())


def make_records(tab):
    tab.goto("/data?folder=data")
    tab.get_by_role("row", name="pets").get_by_role("button").click()
    tab.get_by_role("heading", name="Findings").wait_for()
    wait_until(tab, lambda: tab.locator("#pictures img").count() >= 8)
    tab.get_by_role("link", name="Make records", exact=True).click()
    tab.get_by_role("slider", name="Validation").fill("25")
    tab.get_by_role("button", name="Make records").click()
    tab.get_by_role("link", name="New project").first.click()


def make_a_project(tab):
    tab.get_by_label("Name", exact=True).fill("pets")
    tab.get_by_label("From scratch").check()
    tab.get_by_label("ssd_mobilenet_v2_small", exact=True).check()
    tab.get_by_role("button", name="Create the project").click()
    tab.wait_for_url("**/projects/pets/model")


def set_a_wrong_and_right_values(tab, folder):
    config = folder / "projects/pets/pipeline.config"
    before = config.read_text()
    steps = field(tab, "train_config.num_steps")
    steps.fill("many")
    steps.press("Tab")
    wrong = tab.get_by_text("It was not changed.")
    wrong.wait_for()
    assert steps.get_attribute("aria-invalid") == "true"
    assert config.read_text() == before
    for path, value in (("train_config.num_steps", STEPS), ("train_config.batch_size", 4)):
        field(tab, path).fill(str(value))
        field(tab, path).press("Tab")
        wait_until(tab, lambda value=value: re.search(rf"(num_steps|batch_size): {value}\b", config.read_text()))
    wrong.wait_for(state="detached")


def field(tab, path):
    """The control of a field of the config."""
    return tab.locator(f'[name="f:{path}"]')


def wait_until(tab, condition):
    """Lets the browser work until something holds."""
    for _ in range(600):
        if condition():
            return
        tab.wait_for_timeout(200)
    raise AssertionError("this took two minutes")


def start_training(tab):
    tab.get_by_role("link", name="Training", exact=True).click()
    tab.get_by_role("button", name="Start training").click()


def step(tab) -> int:
    """The step that the page shows."""
    shown = tab.locator("dl.figures div", has_text="step").locator("dd")
    text = shown.first.inner_text() if shown.count() else ""
    return int(re.sub(r"\D", "", text) or 0)


def wait_for_step(tab, number):
    """Until the page shows it, without being loaded again."""
    wait_until(tab, lambda: step(tab) >= number)


def watch_in_two_tabs(browser):
    first, second = browser.tab, browser.another_tab()
    for tab in (first, second):
        tab.goto("/projects/pets/training")
    seen = step(first)
    for tab in (first, second):
        wait_for_step(tab, max(seen, STEPS))
        tab.locator(".training-state", has_text=re.compile("finished", re.IGNORECASE)).wait_for(timeout=5 * MINUTES)
    assert first.locator("svg.chart").count() >= 3
    assert first.locator("svg.chart").count() == second.locator("svg.chart").count()
    second.close()


def evaluate(tab):
    tab.get_by_role("link", name="Results", exact=True).click()
    tab.get_by_role("button", name=re.compile("^Evaluate")).click()
    tab.locator("iframe.report").wait_for(timeout=5 * MINUTES)
    report = tab.frame_locator("iframe.report")
    report.get_by_role("heading", level=1).first.wait_for()


def drop_a_picture(tab, tmp_path):
    picture = tmp_path / "dropped.png"
    drawn_field.pictures(30)[-1].save(picture)
    tab.goto("/projects/pets/results/try")
    tab.locator("#file").set_input_files(picture)
    tab.locator("#count").get_by_text(re.compile("reach")).wait_for(timeout=5 * MINUTES)
    assert tab.locator("#stage").is_visible()
    tab.get_by_role("button", name="Keep it").click()
    tab.locator("svg.stage").wait_for(timeout=5 * MINUTES)


def look_inside(tab):
    """The feature maps of the picture that was dropped."""
    tab.get_by_role("link", name="Look inside").click()
    tab.get_by_role("button", name="Look inside").click()
    maps = tab.locator("#features img")
    maps.first.wait_for(timeout=5 * MINUTES)
    wait_until(tab, lambda: maps.first.evaluate("e => e.naturalWidth") > 0)


def export(tab, tmp_path):
    tab.get_by_role("link", name="Take away", exact=True).click()
    tab.get_by_role("button", name="Export saved_model").click()
    link = tab.get_by_role("link", name="The folder as a zip")
    link.wait_for(timeout=5 * MINUTES)
    with tab.expect_download() as started:
        link.click()
    path = tmp_path / "export.zip"
    started.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert any(name.endswith("saved_model.pb") for name in archive.namelist())


def train_a_copy(tab, folder):
    tab.goto("/projects/pets/training")
    tab.get_by_label("Name of the copy").fill("pets-2")
    tab.get_by_role("button", name="Copy", exact=True).click()
    tab.wait_for_url("**/projects/pets-2/model")
    config = folder / "projects/pets-2/pipeline.config"
    field(tab, "train_config.num_steps").fill("20")
    field(tab, "train_config.num_steps").press("Tab")
    wait_until(tab, lambda: "num_steps: 20" in config.read_text())
    start_training(tab)
    tab.locator(".training-state", has_text=re.compile("finished", re.IGNORECASE)).wait_for(timeout=5 * MINUTES)
    tab.goto("/compare?projects=pets,pets-2")
    tab.get_by_text("num_steps").first.wait_for()
    assert tab.locator("svg.chart").count() >= 3
