"""The pages about data: folders, uploads, inspections with galleries, and records; and what they refuse."""

import os
import subprocess
import sys
import time
from dataclasses import asdict

import pytest
from drawn_data import draw_voc, zip_of, zipped
from running_studio import client_of, post

from odtk.tools import inspect as tool
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.web.background import Run
from odtk.web.commands import Command, Outcome
from odtk.web.data_views.inspections import inspection_of
from odtk.web.record_making import section_of

EVIL = "<script>alert(1)</script>"


def send(client, path, /, **fields):
    """A form whose field may be called path."""
    return client.post(path, data={"csrf": client.csrf, **fields})


def noted(
    client,
    key: str,
    words: tuple[str, ...],
    document,
    exit_code: int = 0,
    error: str = "error: It cannot be.",
    options=(),
) -> Run:
    """Makes it as if a command had ended."""
    command = Command(words)
    outcome = Outcome(command, exit_code, document, error if document is None else "", options)
    client.studio.background._note(key, command, "done" if exit_code == 0 else "failed", outcome)
    found = client.studio.background.find(key)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    """A client whose studio has inspected data/voc, with a class that is a script."""
    with client_of(tmp_path_factory.mktemp("inspected") / "work") as client:
        _inspect(client)
        yield client


def _inspect(client):
    workspace = client.studio.workspace
    folder = draw_voc(workspace.data / "voc", 30, ("cat", EVIL))
    found = inspection_of(workspace, client.studio.background, folder)
    (workspace.folder / "inspections").mkdir()
    page, index = workspace.folder / found.page, workspace.folder / found.index
    document = tool.document(tool.inspect(folder, html=page, index=index))
    noted(client, "inspect:data/voc", ("inspect", "data/voc", "--json"), document, document["num_errors"] > 0)


def test_the_studio_starts_without_what_is_heavy():
    code = (
        "import sys, odtk.web.app as app; app._routes(); "
        "print([name for name in ('PIL', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_empty_workspace_has_folders_and_an_upload(client):
    answer = client.get("/data")
    assert answer.status_code == 200
    assert "No folders in here." in answer.text
    assert 'enctype="multipart/form-data"' in answer.text


def test_folders_are_listed_with_what_they_hold(client):
    draw_voc(client.studio.workspace.data / "voc", 3)
    assert "3 images, Pascal VOC" in client.get("/data?folder=data").text
    assert "3 images, Pascal VOC" in client.get("/data/contents?folder=data/voc").text


def test_names_that_are_no_text_do_not_break_the_page(client):
    folder = draw_voc(client.studio.workspace.data / "voc", 2)
    os.rename(folder / "picture_00.jpg", os.fsencode(folder) + b"/\xff.jpg")
    os.mkdir(os.fsencode(folder) + b"/\xff")
    assert client.get("/data?folder=data/voc").status_code == 200
    assert client.get("/data/look?path=data/voc").status_code == 200


@pytest.mark.parametrize("path", ["/etc", "..", "data/../..", ".odtk-studio", "a\0b"])
def test_folders_outside_are_not_shown(client, path):
    assert client.get("/data", params={"folder": path}).status_code == 404
    for page in ("/data/look", "/data/records", "/data/gallery", "/data/image", "/data/image.jpg", "/data/contents"):
        values = {"path": path, "folder": path, "image": "0"}
        assert client.get(page, params=values).status_code == 404
    for page in ("/data/inspect", "/data/records"):
        assert send(client, page, path=path, name="x").status_code == 404


def test_a_folder_that_is_none_is_said(client):
    answer = client.get("/data/look?path=data/none")
    assert answer.status_code == 400
    assert "data/none is no folder" in answer.text


def test_an_upload_becomes_a_dataset(client, tmp_path):
    files = {"file": ("My pets.zip", zipped(draw_voc(tmp_path / "voc", 2), "pets/"))}
    answer = client.post("/data/upload", data={"csrf": client.csrf}, files=files)
    assert answer.headers["location"] == "/data/look?path=data%2FMy-pets"
    assert "2 images, Pascal VOC" in client.get("/data").text


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt"])
def test_an_upload_with_evil_names_leaves_nothing(client, name):
    files = {"file": ("a.zip", zip_of({name: b"evil"}))}
    answer = client.post("/data/upload", data={"csrf": client.csrf}, files=files)
    assert answer.status_code == 400
    assert "would lie outside the folder" in answer.text
    assert not list(client.studio.workspace.data.glob("*"))


def test_an_upload_needs_the_token_and_a_file(client):
    assert client.post("/data/upload", files={"file": ("a.zip", b"")}).status_code == 403
    assert "No file was chosen" in post(client, "/data/upload").text


def test_an_inspection_is_offered_before_it_is_made(client):
    draw_voc(client.studio.workspace.data / "voc", 3)
    answer = client.get("/data/look?path=data/voc")
    assert "3 images, pascal voc" in answer.text.lower()
    assert "odtk inspect data/voc --html inspections/voc-" in answer.text
    assert "no format" in send(client, "/data/inspect", path="data/voc", format="--verify").text


def test_an_inspection_that_failed_says_why_and_offers_the_formats(client):
    draw_voc(client.studio.workspace.data / "voc", 1)
    error = "error: data/voc may be of several formats. Choose the format: voc or csv."
    options = [{"command": "inspect", "option": "--format", "value": name} for name in ("voc", "csv")]
    noted(client, "inspect:data/voc", ("inspect", "data/voc"), None, 1, error, options)
    text = client.get("/data/look?path=data/voc").text
    assert "data/voc may be of several formats." in text
    assert "Inspect as voc" in text
    assert "Inspect as csv" in text


def test_findings_gallery_and_page_are_shown(inspected):
    text = inspected.get("/data/look?path=data/voc").text
    assert "odtk inspect data/voc --json" in text
    assert 'src="/files/inspections/voc-' in text
    assert "Make records" in text
    assert text.count("/data/image.jpg?") == 24
    assert "Page 1 of 2" in text


def test_names_of_the_data_are_escaped(inspected):
    for address in (
        "/data/look?path=data/voc",
        "/data/image?path=data/voc&image=1",
        f"/data/gallery?path=data/voc&name={EVIL}",
    ):
        text = inspected.get(address).text
        assert EVIL not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in inspected.get("/data/image?path=data/voc&image=1").text


def test_the_gallery_alone_keeps_the_address_of_the_page(inspected):
    answer = inspected.get("/data/gallery?path=data/voc&class=cat&size=small")
    assert "15 images" in answer.text
    assert "<html" not in answer.text
    assert answer.headers["hx-replace-url"] == "/data/look?path=data%2Fvoc&class=cat&size=small&page=1"
    assert "No image is like that" in inspected.get("/data/gallery?path=data/voc&class=cow").text


def test_pictures_are_jpegs_and_those_that_cannot_be_read_are_missing(inspected):
    address = "/data/image.jpg?path=data/voc&image="
    assert inspected.get(f"{address}3").headers["content-type"] == "image/jpeg"
    (inspected.studio.workspace.data / "voc" / "picture_04.jpg").write_bytes(b"no picture")
    for number in ("4", "30", "x", "-1", "9" * 30):
        assert inspected.get(address + number).status_code == 404


def test_pictures_outside_are_not_read(inspected, tmp_path):
    path = inspected.studio.workspace.data / "voc" / "picture_05.jpg"
    path.rename(tmp_path / "outside.jpg")
    path.symlink_to(tmp_path / "outside.jpg")
    assert inspected.get("/data/image.jpg?path=data/voc&image=5").status_code == 404


def test_a_change_since_the_inspection_is_said(inspected):
    run = inspected.studio.background.find("inspect:data/voc")
    noted(inspected, run.key, run.command.words, run.outcome.document)
    assert "have changed since" not in inspected.get("/data/look?path=data/voc").text
    later = time.time() + 5
    os.utime(inspected.studio.workspace.data / "voc", (later, later))
    assert "have changed since" in inspected.get("/data/look?path=data/voc").text


def test_the_form_for_records_keeps_what_was_wrong(inspected):
    fields = {"path": "data/voc", "name": "mine", "train": "50", "val": "30", "test": "0"}
    answer = send(inspected, "/data/records", **fields)
    assert answer.status_code == 400
    assert "The shares add up to 80 %, not to 100 %." in answer.text
    assert 'value="mine"' in answer.text
    assert inspected.studio.background.find("records:records/mine") is None


def test_a_query_fills_in_the_form(inspected):
    text = inspected.get("/data/records?path=data/voc&max-side=640&resplit=on").text
    assert 'name="max-side" value="640"' in text
    assert "odtk make-tfrecords data/voc records/voc --val-fraction 0.3 --max-side 640 --resplit --json" in text


def test_records_that_are_there_are_not_replaced_unasked(inspected):
    (inspected.studio.workspace.records / "taken").mkdir(parents=True)
    (inspected.studio.workspace.records / "taken" / "file").touch()
    fields = {"path": "data/voc", "name": "taken", "train": "70", "val": "30", "test": "0"}
    assert "records/taken exists" in send(inspected, "/data/records", **fields).text


def test_made_records_are_shown_and_known_to_a_project(inspected):
    workspace = inspected.studio.workspace
    report = asdict(
        make_tfrecords(workspace.data / "voc", workspace.records / "mine", num_shards=1, max_bad_fraction=0.5)
    )
    words = ("make-tfrecords", "data/voc", "records/mine", "--val-fraction", "0.3", "--skip-crowd", "--json")
    noted(inspected, "records:records/mine", words, report)
    text = inspected.get("/data/made?records=records/mine").text
    assert 'href="/projects/new?records=records/mine"' in text
    assert "&lt;script&gt;" in text
    assert EVIL not in text
    section = {"data-dir": "data/voc", "val-fraction": 0.3, "skip-crowd": True}
    assert section_of(inspected.studio, "records/mine") == section_of(inspected.studio, workspace.records / "mine")
    assert section_of(inspected.studio, "records/mine") == section
    assert section_of(inspected.studio, "records/other") is None
    assert section_of(inspected.studio, "/etc") is None


def test_records_made_elsewhere_are_inspected_and_lead_to_a_project(tmp_path):
    make_tfrecords(draw_voc(tmp_path / "voc", 6), tmp_path / "elsewhere", num_shards=1)
    with client_of(tmp_path / "work", roots=[tmp_path / "elsewhere"]) as client:
        path = str(tmp_path / "elsewhere")
        assert "TFRecords" in client.get("/data", params={"folder": path}).text
        found = inspection_of(client.studio.workspace, client.studio.background, tmp_path / "elsewhere")
        noted(client, f"inspect:{path}", ("inspect", path), tool.document(tool.inspect(path)))
        text = client.get("/data/look", params={"path": path}).text
        assert f'href="/projects/new?records={path}"' in text
        assert "/data/records?" not in text
        assert found.page.startswith("inspections/elsewhere-")
        assert section_of(client.studio, path) is None


def test_records_that_were_not_made_say_why(inspected):
    words = ("make-tfrecords", "data/voc", "records/mine", "--val-fraction", "0.2", "--json")
    noted(inspected, "records:records/mine", words, None, 1)
    text = inspected.get("/data/made?records=records/mine").text
    assert "It cannot be." in text
    assert "path=data%2Fvoc&amp;name=mine&amp;train=80&amp;val=20" in text.replace("&amp;test=0", "")
    assert section_of(inspected.studio, "records/mine") is None
    assert inspected.get("/data/made?records=records/other").status_code == 404


def test_the_journey_from_a_folder_to_records(page, studio):
    page.set_default_timeout(120_000)  # two commands run
    draw_voc(studio.folder / "data" / "pets", 12, ("cat", EVIL))
    page.goto("/data?folder=data")
    page.get_by_role("row", name="pets").get_by_role("button").click()
    page.get_by_role("heading", name="Findings").wait_for()
    page.get_by_label("Class", exact=True).select_option(EVIL)
    page.get_by_text("6 images", exact=True).wait_for()
    assert page.locator("#pictures img").count() == 6
    # Not wait_for_function, which the pages' security policy does not let poll.
    while not page.evaluate("[...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth)"):
        page.wait_for_timeout(100)
    assert "class=%3Cscript" in page.url
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Make records", exact=True).click()
    page.get_by_role("slider", name="Validation").fill("25")
    assert [page.locator(f"#{name}").input_value() for name in ("train", "val", "test")] == ["75", "25", "0"]
    page.get_by_role("button", name="Make records").click()
    page.get_by_role("link", name="New project").wait_for()
    assert page.get_by_role("row", name="written").first.inner_text().split() == ["written", "12"]
    assert (studio.folder / "records" / "pets" / "dataset.json").exists()


def test_a_file_that_is_too_large_is_said_before_it_is_sent(page, tmp_path):
    (tmp_path / "pets.zip").write_bytes(bytes(2000))
    page.goto("/data")
    page.locator("#upload").evaluate("form => form.dataset.limit = '1000'")
    page.locator("#file").set_input_files(tmp_path / "pets.zip")
    assert "larger than the 2.0 GB" in page.locator("#file").evaluate("each => each.validationMessage")
    page.get_by_role("button", name="Upload").click()
    assert not page.locator("#sent").is_visible()


def test_a_zip_is_uploaded_with_its_progress_shown(page, studio, tmp_path):
    page.goto("/data")
    data = zipped(draw_voc(tmp_path / "voc", 2))
    page.get_by_label("Zip of a folder").set_input_files({"name": "cats.zip", "mimeType": "", "buffer": data})
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/data/look?path=data%2Fcats")
    assert (studio.folder / "data" / "cats" / "picture_00.xml").exists()
