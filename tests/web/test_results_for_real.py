"""Evaluation, a picture tried, a look inside and an export of a tiny trained network, through the pages; minutes."""

import zipfile

import pytest
from playwright.sync_api import expect

from odtk.queue import ENDED, Queue
from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.train import train
from odtk.web.projects import create_project
from odtk.web.workspace import Workspace

pytestmark = pytest.mark.slow

MINUTES = 60_000  # milliseconds
PREDICTOR = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"


@pytest.fixture
def project(studio, no_pictures):
    """A project that was trained for a few steps; whatever still runs at the end is ended."""
    workspace = Workspace(studio.folder)
    pets = synthetic_pets.draw_dataset(workspace.data / "pets", num_images=16, seed=3)
    records = workspace.records / "pets"
    make_tfrecords(pets.folder, records, num_shards=1, label_map=pets.label_map)
    sections = {"make-tfrecords": {"data-dir": "../../data/pets"}, "train": {"pipeline-config": "pipeline.config"}}
    project = create_project(workspace, "pets", sections)
    sets = [
        ("train_config.batch_size", "2"),
        (f"{PREDICTOR}.depth", "16"),
        ("model.ssd.feature_extractor.depth_multiplier", "0.1"),
    ]
    configure(
        "ssd_resnet50_v1_fpn_small", project.config, train_records=[str(records)], num_steps=4, image_size=(160, 160),
        set=sets,
    )  # fmt: skip
    train(project.config, project.run, seed=7, devices="cpu")
    yield project
    queue = Queue(workspace.queue_file)
    for job in queue.jobs():
        if job.state not in ENDED:
            queue.cancel(job.number)
    queue.wait()


def test_results_of_a_real_run(page, project, tmp_path):
    page.set_default_timeout(5 * MINUTES)
    picture = next((project.workspace.data / "pets" / "images").glob("*.jpg"))

    page.goto("/projects/pets/results")
    page.get_by_role("button", name="Evaluate").click()
    page.frame_locator("iframe.report").get_by_text("What to do next").wait_for()
    expect(page.locator(".figures")).to_contain_text("mAP at IoU 0.5", timeout=5 * MINUTES)
    assert (project.folder / "suspects.csv").exists()

    page.get_by_role("link", name="Try it").click()
    page.get_by_label("All other classes").fill("0")
    page.get_by_label("Drop a picture").set_input_files(picture)
    expect(page.locator("#status")).to_contain_text("ms in the model", timeout=5 * MINUTES)  # expect has its own
    expect(page.locator("#count")).to_contain_text("boxes reach their threshold")

    page.get_by_role("link", name="Look inside").click()
    page.get_by_label("Or a picture of the workspace").fill(f"data/pets/images/{picture.name}")
    page.get_by_role("button", name="Look inside").click()
    page.get_by_role("heading", name="Features").wait_for()
    page.locator("#channel").select_option(index=1)
    expect(page.locator("#features figcaption")).to_contain_text("Channel", timeout=5 * MINUTES)

    page.get_by_role("link", name="Take away").click()
    page.get_by_role("button", name="Export weights").click()
    page.get_by_role("link", name="The folder as a zip").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="The folder as a zip").click()
    download.value.save_as(tmp_path / "weights.zip")
    with zipfile.ZipFile(tmp_path / "weights.zip") as archive:
        assert "pets-weights/weights.npz" in archive.namelist()
        assert archive.testzip() is None
