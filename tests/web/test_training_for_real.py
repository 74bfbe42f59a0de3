"""A short training of a tiny network through the page, while the studio is restarted; minutes."""

import csv
import re

import pytest
from playwright.sync_api import expect
from running_studio import running_studio

from odtk.queue import ENDED, Queue
from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.web.projects import create_project
from odtk.web.workspace import Workspace

pytestmark = pytest.mark.slow

PAGE = "/projects/pets/training"
MINUTES = 60_000  # milliseconds
PREDICTOR = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"


@pytest.fixture
def folder(tmp_path):
    """A workspace with a project whose 300 steps leave time to pause; whatever still runs at the end is ended."""
    workspace = Workspace(tmp_path / "work")
    pets = synthetic_pets.draw_dataset(tmp_path / "pets", num_images=16, seed=3)
    records = workspace.records / "pets"
    make_tfrecords(pets.folder, records, num_shards=1, label_map=pets.label_map)
    options = {"log-every": 10, "checkpoint-every": 100, "eval-every": 100, "seed": 7, "devices": "cpu"}
    project = create_project(workspace, "pets", {"train": {"pipeline-config": "pipeline.config", **options}})
    sets = [
        ("train_config.batch_size", "2"),
        (f"{PREDICTOR}.depth", "16"),
        ("model.ssd.feature_extractor.depth_multiplier", "0.1"),
    ]
    configure("ssd_resnet50_v1_fpn_small", project.config, train_records=[str(records)], num_steps=300, set=sets)
    yield workspace.folder
    queue = Queue(workspace.queue_file)
    for job in queue.jobs():
        if job.state not in ENDED:
            queue.cancel(job.number)
    queue.wait()


def tab_on(chromium, studio):
    tab = chromium.new_context(base_url=studio.address).new_page()
    tab.set_default_timeout(3 * MINUTES)
    tab.goto(PAGE)
    return tab


def test_a_training_goes_on_over_a_pause_and_a_restart_of_the_studio(chromium, folder):
    with running_studio(folder) as studio:
        page = tab_on(chromium, studio)
        page.get_by_role("button", name="Start training").click()
        _wait_for(page, "Training")
        page.locator("figure.chart").filter(has_text="Total loss").wait_for(timeout=12 * MINUTES)
        page.get_by_role("button", name="Pause").click()
        _wait_for(page, "Paused")
        paused_at = int(re.search(r"at step (\d+)", page.locator(".training-state").inner_text())[1])
        page.get_by_role("button", name="Resume").click()
        _wait_for(page, "Training|Finished")
        page.context.close()
    with running_studio(folder) as studio:
        page = tab_on(chromium, studio)
        _wait_for(page, "Finished")
        expect(page.locator(".figures")).to_contain_text("step of 300")
        expect(page.locator("figure.chart").filter(has_text="Metrics on the evaluation images")).to_be_visible()
        expect(page.locator("#picture")).to_have_attribute("src", re.compile("step-300.png"))
        page.get_by_label("Steps in all").fill("340")
        page.get_by_role("button", name="Change and go on").click()
        expect(page.get_by_text("ends at step 340 instead of 300")).to_be_visible(timeout=3 * MINUTES)
        expect(page.locator(".figures")).to_contain_text("step of 340", timeout=12 * MINUTES)
        _wait_for(page, "Finished")
        page.context.close()
    with open(folder / "runs" / "pets" / "metrics.csv", newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps[-1] == 340
    assert set(range(10, 341, 10)) <= set(steps)
    assert sorted(set(steps)) == steps
    assert 0 < paused_at < 300


def _wait_for(page, words: str) -> None:
    expect(page.locator(".training-state .state")).to_have_text(re.compile(words), timeout=12 * MINUTES)
