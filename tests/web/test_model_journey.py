"""The pages of a model in a browser: a family is chosen, a wrong value stands at its field, a typo at its line."""

import re
import time
from urllib.parse import parse_qs

import pytest
from patience import MILLISECONDS, SECONDS
from small_projects import SMALL, make_records, run_in_this_process

from odtk import pipeline
from odtk.web.model_views.augmentations import OPTIONS
from odtk.web.projects import Project
from odtk.web.workspace import Workspace

RATE = "train_config.optimizer.momentum_optimizer.learning_rate"


def make_project(page, studio, monkeypatch):
    page.set_default_timeout(MILLISECONDS)
    run_in_this_process(monkeypatch, [])
    make_records(studio.folder)
    page.goto("/projects/new?records=records/pets")
    page.get_by_label("Name", exact=True).fill("pets")
    page.get_by_label(SMALL, exact=True).check()
    page.get_by_role("button", name="Create the project").click()
    page.get_by_role("heading", name="Model of pets").wait_for()
    return studio.folder / "projects/pets/pipeline.config"


def test_what_is_typed_while_another_option_is_saved_stays(page, studio, monkeypatch):
    held = Held(page)
    make_project(page, studio, monkeypatch)
    patience, seed = page.locator("#o-patience"), page.locator("#o-seed")
    patience.fill("5")
    patience.press("Tab")
    assert held.request()["o:patience"] == ["5"]
    seed.fill("7")
    patience.fill("")  # as it was before: which is a change again, once 5 is saved
    assert held.none_follows()
    held.answer()
    assert page.locator("#o-patience-field input[type=hidden]").get_attribute("value") == "5"
    assert (patience.input_value(), seed.input_value()) == ("", "7")
    sent = held.request()
    assert (sent["o:patience"], sent["o:seed"]) == (["5"], ["7"])  # patience may still be typed
    held.answer()
    patience.press("Tab")
    held.request()
    held.answer()
    train = Project(Workspace(studio.folder), "pets").sections()["train"]
    assert train == {"pipeline-config": "pipeline.config", "seed": "7"}


def test_what_is_typed_or_switched_while_other_augmentations_are_saved_stays(page, studio, monkeypatch):
    held = Held(page)
    config = make_project(page, studio, monkeypatch)
    crop = [("train_config.data_augmentation_options[+].random_crop_image", "{}")]
    config.write_text(pipeline.set_fields(config.read_text(), crop, str(config)))
    page.reload()
    area = "f-train_config-data_augmentation_options-{}-random_crop_image-min_area"

    # Typed while the steps before it go away.
    page.get_by_role("checkbox", name="Horizontal flip", exact=True).uncheck()
    held.request()
    page.locator(f"#{area.format(1)}").fill("0.25")
    held.answer()
    moved = page.locator(f"#{area.format(0)}")
    moved.wait_for()
    assert moved.input_value() == "0.25"
    assert focus(page) == area.format(0)
    assert held.none_follows()
    moved.press("Tab")
    assert held.request()[f"f:{OPTIONS}[0].random_crop_image.min_area"] == ["0.25"]
    held.answer()
    assert steps_of(config) == ["random_crop_image"]
    assert pipeline.read(config).train_config.data_augmentation_options[0].random_crop_image.min_area == 0.25

    # Switched while another switch is on its way, and reported before its answer comes.
    page.get_by_role("checkbox", name="Vertical flip", exact=True).check()
    assert held.request()["aug"] == ["+random_vertical_flip", "0"]
    page.get_by_role("checkbox", name="Horizontal flip", exact=True).check()
    assert held.none_follows()
    held.answer()
    assert held.request()["aug"] == ["+random_horizontal_flip", "1", "0"]
    # And one that is reported after it.
    page.get_by_role("checkbox", name="Rotation90", exact=True).check()
    held.answer()
    assert focus(page) == "aug-random_rotation90"
    assert held.request()["aug"] == ["2", "1", "+random_rotation90", "0"]
    # What was just switched on is switched off, before it is known to be on.
    page.get_by_role("checkbox", name="Rotation90", exact=True).uncheck()
    held.answer()
    assert held.request()["aug"] == ["2", "1", "0"]
    held.answer()
    page.locator("#aug-random_rotation90").wait_for()
    assert steps_of(config) == ["random_crop_image", "random_vertical_flip", "random_horizontal_flip"]
    assert focus(page) == "aug-random_rotation90"


def test_what_is_typed_while_a_fix_or_another_optimizer_is_saved_stays(page, studio, monkeypatch):
    held = Held(page)
    config = make_project(page, studio, monkeypatch)
    config.write_text(config.read_text().replace("height: 160", "height: 100"))
    page.reload()
    page.get_by_role("button", name="Fix").click()
    held.request()
    page.get_by_label("Height", exact=True).fill("96")
    held.answer()
    assert page.get_by_label("Height", exact=True).input_value() == "96"
    page.get_by_label("Height", exact=True).fill("160")
    optimizer = page.get_by_label("Optimizer", exact=True)

    # Into a field whose name is another one then; and it is not sent before it is left.
    optimizer.select_option("adam")
    page.get_by_label("Learning rate base", exact=True).fill("0.03")
    before = f"f:{RATE}.cosine_decay_learning_rate.learning_rate_base"
    assert held.request()[before] == ["0.02"]
    page.get_by_label("Learning rate base", exact=True).fill("0.035")
    held.answer()
    rate = page.locator("[name*=adam_optimizer][data-role='base rate']")
    assert rate.input_value() == "0.035"
    assert focus(page) == rate.get_attribute("id")
    assert held.none_follows()
    rate.press("Tab")
    assert held.request()[rate.get_attribute("name")] == ["0.035"]
    held.answer()
    assert cosine(config, "adam").learning_rate_base == pytest.approx(0.035)

    # Into the choice of another schedule, whose own name is another one then, too.
    optimizer.select_option("rms_prop")
    held.request()
    page.get_by_label("Learning rate schedule").select_option("constant")
    page.get_by_label("Warmup steps").fill("77")
    held.answer()
    name = "f:train_config.optimizer.rms_prop_optimizer.learning_rate"
    assert held.request()[name] == ["constant"]
    held.answer()
    # And into a field that is gone then.
    page.locator("#model-problem").get_by_text("Warmup steps: 77 was not saved").wait_for()


def test_a_link_waits_until_what_was_just_typed_is_saved(page, studio, monkeypatch):
    config = make_project(page, studio, monkeypatch)
    held = Held(page)  # its clock stands still: what waits for further changes is never sent by itself
    page.reload()
    page.get_by_label("Batch size", exact=True).fill("4")
    page.get_by_role("link", name="pipeline.config as text").click()
    assert held.request()["f:train_config.batch_size"] == ["4"]
    assert page.url.endswith("/model")
    held.let_through()
    page.get_by_role("heading", name="pipeline.config of pets").wait_for()
    assert pipeline.read(config).train_config.batch_size == 4

    # A wrong value keeps the page, which shows it, until the link is followed again.
    page.go_back()
    batch = page.get_by_label("Batch size", exact=True)
    batch.fill("0")
    page.get_by_role("link", name="pipeline.config as text").click()
    held.request()
    held.let_through()
    page.get_by_text("batch_size is 0; a batch has at least one image. It was not changed.").wait_for()
    assert page.url.endswith("/model")
    page.get_by_role("link", name="pipeline.config as text").click()
    page.get_by_role("heading", name="pipeline.config of pets").wait_for()
    assert pipeline.read(config).train_config.batch_size == 4


_COUNT_ANSWERS = """
window.answers = 0;
addEventListener("htmx:afterRequest", (event) => { answers += event.detail.requestConfig.verb === "post"; });
"""


class Held:
    """The requests by which a page saves: each waits until it is let through."""

    def __init__(self, page):
        self._page, self._routes = page, []
        page.clock.install()  # a form waits for further changes until `run_for`
        page.route(re.compile("/pets/model(/fix|/options)?$"), self._keep)
        page.add_init_script(_COUNT_ANSWERS)

    def _keep(self, route):
        if route.request.method == "POST":
            self._routes.append(route)
        else:
            route.continue_()

    def request(self):
        """What the form sends, by name, once the page has waited for further changes."""
        self._page.clock.run_for(400)
        self._until(lambda: self._routes)
        return parse_qs(self._routes[0].request.post_data, keep_blank_values=True)

    def none_follows(self):
        """Whether the page sends nothing more than what waits."""
        before = len(self._routes)
        self._page.clock.run_for(1000)
        return len(self._routes) == before

    def answer(self):
        """Lets the request through, and returns once the page has its answer."""
        before = self._page.evaluate("answers")
        self.let_through()
        self._until(lambda: self._page.evaluate("answers") > before)

    def let_through(self):
        self._routes.pop(0).continue_()

    def _until(self, done):
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end
            self._page.wait_for_timeout(10)


def focus(page):
    return page.evaluate("document.activeElement.id")


def cosine(config, kind):
    optimizer = getattr(pipeline.read(config).train_config.optimizer, f"{kind}_optimizer")
    return optimizer.learning_rate.cosine_decay_learning_rate


def steps_of(config):
    options = pipeline.read(config).train_config.data_augmentation_options
    return [each.WhichOneof("preprocessing_step") for each in options]


def test_from_a_family_to_a_config_that_is_right(page, studio, monkeypatch):
    make_project(page, studio, monkeypatch)
    page.locator("#summary").get_by_text("backbone", exact=True).wait_for()
    config = studio.folder / "projects/pets/pipeline.config"

    batch = page.get_by_label("Batch size", exact=True)
    batch.fill("0")
    batch.press("Tab")
    page.get_by_text("batch_size is 0; a batch has at least one image. It was not changed.").wait_for()
    assert batch.get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.name") == "f:train_config.num_steps"
    assert pipeline.read(config).train_config.batch_size == 8

    batch.fill("4")
    batch.press("Tab")
    page.get_by_text("The batch size changes from 8 to 4").wait_for()
    assert batch.get_attribute("aria-invalid") is None
    assert page.get_by_label("Learning rate base", exact=True).input_value() == "0.01"
    assert "--batch-size 4" in page.locator("#same").inner_text()
    assert pipeline.read(config).train_config.batch_size == 4

    page.get_by_label("When the batch changes").select_option("false")
    page.get_by_label("Optimizer", exact=True).focus()
    page.get_by_label("Optimizer", exact=True).select_option("adam")
    page.get_by_label("Epsilon", exact=True).first.wait_for()
    assert page.evaluate("document.activeElement.name") == "f:train_config.optimizer"
    assert page.get_by_label("When the batch changes").input_value() == "false"
    assert pipeline.read(config).train_config.optimizer.WhichOneof("optimizer") == "adam_optimizer"

    page.get_by_role("checkbox", name="Vertical flip", exact=True).check()
    page.locator("#aug-random_vertical_flip-1").wait_for()
    assert steps_of(config)[1:] == ["random_vertical_flip"]

    page.get_by_role("link", name="pipeline.config as text").click()
    text = page.get_by_role("textbox", name=re.compile("pipeline.config"))
    right = text.input_value()
    replace(page, text, "num_steps: 600", "num_stesp: 600")
    line = right[: right.index("num_steps: 600")].count("\n") + 1
    wrong = page.locator(f"#lines #L{line}")
    wrong.get_by_text("Did you mean num_steps?").wait_for()
    assert page.locator(".gutter .wrong").inner_text().strip() == str(line)
    assert pipeline.read_text(config) == right

    replace(page, text, "num_stesp: 600", "num_steps: 700")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".diff .added", has_text="num_steps: 700").wait_for()
    assert pipeline.read(config).train_config.num_steps == 700
    assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth")


def replace(page, area, old, new):
    """Types over a part of a text; filling all of it takes Chromium seconds."""
    script = "(e, old) => { e.focus(); const at = e.value.indexOf(old); e.setSelectionRange(at, at + old.length); }"
    area.evaluate(script, old)
    page.keyboard.insert_text(new)
