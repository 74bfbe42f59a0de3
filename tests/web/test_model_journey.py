"""The pages of a model in a browser: a family is chosen, a wrong value stands at its field, a typo at its line."""

import re
import time

import pytest
from small_projects import SMALL, make_records, run_in_this_process

from odtk import pipeline
from odtk.web.commands import Commands
from odtk.web.projects import Project
from odtk.web.workspace import Workspace


def make_project(page, studio, monkeypatch):
    page.set_default_timeout(60_000)
    run_in_this_process(monkeypatch, [])
    make_records(studio.folder)
    page.goto("/projects/new?records=records/pets")
    page.get_by_label("Name", exact=True).fill("pets")
    page.get_by_label(SMALL, exact=True).check()
    page.get_by_role("button", name="Create the project").click()
    page.get_by_role("heading", name="Model of pets").wait_for()


def test_what_is_typed_while_another_option_is_saved_stays(page, studio, monkeypatch):
    make_project(page, studio, monkeypatch)
    update = Project.update
    monkeypatch.setattr(Project, "update", lambda *each: (time.sleep(1), update(*each)))
    patience, seed = page.locator("#o-patience"), page.locator("#o-seed")
    with page.expect_response("**/model/options"):
        with page.expect_request("**/model/options"):
            patience.fill("5")
            patience.press("Tab")
        seed.fill("7")
        patience.fill("")  # as it was before: which is a change again, once 5 is saved
    page.locator("#o-patience-field input[type=hidden][value='5']").wait_for(state="attached")
    assert (patience.input_value(), seed.input_value()) == ("", "7")
    with page.expect_response("**/model/options"):
        patience.press("Tab")
    train = Project(Workspace(studio.folder), "pets").sections()["train"]
    assert train == {"pipeline-config": "pipeline.config", "seed": 7}


@pytest.mark.slow  # it races with answers that are held back, and lost a switch once on a busy machine
def test_what_is_typed_or_switched_while_other_augmentations_are_saved_stays(page, studio, monkeypatch):
    make_project(page, studio, monkeypatch)
    config = studio.folder / "projects/pets/pipeline.config"
    crop = [("train_config.data_augmentation_options[+].random_crop_image", "{}")]
    config.write_text(pipeline.set_fields(config.read_text(), crop, str(config)))
    page.reload()
    run = Commands.run
    monkeypatch.setattr(Commands, "run", lambda *each: (time.sleep(1), run(*each))[1])
    area = "f-train_config-data_augmentation_options-{}-random_crop_image-min_area"

    with page.expect_request("**/pets/model"):
        page.get_by_role("checkbox", name="Horizontal flip", exact=True).uncheck()
    page.locator(f"#{area.format(1)}").fill("0.25")
    moved = page.locator(f"#{area.format(0)}")
    moved.wait_for()
    assert moved.input_value() == "0.25"
    assert page.evaluate("document.activeElement.id") == area.format(0)
    with page.expect_response("**/pets/model"):
        moved.press("Tab")
    assert steps_of(config) == ["random_crop_image"]
    assert pipeline.read(config).train_config.data_augmentation_options[0].random_crop_image.min_area == 0.25

    with page.expect_request("**/pets/model"):
        page.get_by_role("checkbox", name="Vertical flip", exact=True).check()
    page.get_by_role("checkbox", name="Horizontal flip", exact=True).check()
    page.locator("#aug-random_horizontal_flip-2").wait_for()
    assert steps_of(config) == ["random_crop_image", "random_vertical_flip", "random_horizontal_flip"]
    assert page.evaluate("document.activeElement.id") == "aug-random_horizontal_flip-2"


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
