"""Trying a model: pictures to a process that stays, boxes back, thresholds."""

import asyncio
import io
import json
import os
import re
import struct

import pytest
from fake_model_process import HalfModel
from fake_runs import FAKE_MODEL, jpeg, trained_project
from PIL import Image
from running_studio import post, run_in_thread
from starlette.concurrency import run_in_threadpool

from odtk import thresholds
from odtk.errors import DataError, OdtkError
from odtk.web import live_models, model_process
from odtk.web.result_views import tried
from odtk.web.workspace import Workspace


@pytest.fixture
def project(client):
    """A trained project whose model is the fake one."""
    client.studio.models._program = FAKE_MODEL
    return trained_project(client.studio.workspace)


def send(client, body, name="pets", **headers):
    """A frame, as the page's script sends it."""
    return client.post(
        f"/projects/{name}/results/detect", content=body, headers={"x-csrf-token": client.csrf, **headers}
    )


# The process


def test_the_process_answers_each_picture_with_a_line():
    pictures = [jpeg(), b"no picture", jpeg(10, 20)]
    sent = io.BytesIO(b"".join(struct.pack(">I", len(each)) + each for each in pictures) + b"\0\0")
    answers = io.BytesIO()
    model_process.answer_pictures(HalfModel, sent, answers)
    head, first, second, third = map(json.loads, answers.getvalue().splitlines())
    assert head == {"description": "half a picture", "names": {"1": "cat", "2": "<b>dog</b>"}}
    assert first["boxes"] == [[0, 0, 1, 0.5], [0.25, 0.5, 0.75, 1]]  # not that with a score of 0.01
    assert (first["classes"], first["scores"]) == ([1, 2], [0.9, 0.3])
    assert "no picture" in second["error"]
    assert (third["width"], third["height"]) == (10, 20)


def test_a_model_that_cannot_be_opened_says_why():
    def broken():
        raise DataError("no model")

    answers = io.BytesIO()
    model_process.answer_pictures(broken, io.BytesIO(b"\0\0\0\1x"), answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [{"error": "no model"}]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(model_process, "MAX_PIXELS", 100)
    with pytest.raises(DataError, match="64 x 48"):
        model_process.answer(HalfModel(), jpeg())


def test_a_picture_is_turned_as_viewers_show_it():
    file, turned = io.BytesIO(), Image.Exif()
    turned[0x112] = 6
    Image.new("RGB", (60, 20)).save(file, "JPEG", exif=turned)
    found = model_process.answer(HalfModel(), file.getvalue())
    assert (found["width"], found["height"]) == (20, 60)


# The page


def test_frames_are_answered_by_one_process(client, project):
    found = send(client, jpeg()).json()
    assert found["names"]["1"] == "cat"
    assert found["scores"] == [0.9, 0.3]
    (model,) = client.studio.models._models.values()
    pid = model._process.pid
    assert send(client, b"GIF89a").status_code == 400
    assert send(client, jpeg(8, 8)).json()["width"] == 8
    assert model._process.pid == pid


def test_a_process_that_dies_is_started_once_more_and_its_words_are_shown(client, project):
    send(client, jpeg())
    (model,) = client.studio.models._models.values()
    first = model._process.pid
    answer = send(client, jpeg(1, 1))
    assert answer.status_code == 400
    assert answer.json()["error"] == "The model's process ended: out of pixels"
    assert send(client, jpeg()).json()["scores"] == [0.9, 0.3]
    assert model._process.pid != first


def test_a_model_that_cannot_be_loaded_says_why(client, project):
    trained_project(client.studio.workspace, "broken")
    assert send(client, jpeg(), "broken").json()["error"] == "runs/broken holds no model. Train it."


def test_a_new_best_checkpoint_is_loaded(client, project):
    send(client, jpeg())
    (old,) = client.studio.models._models.values()
    (project.run / "best" / "checkpoint").write_text('model_checkpoint_path: "ckpt-30"\n')
    send(client, jpeg())
    assert list(client.studio.models._models.values()) != [old]
    assert old._process is None


def test_only_so_many_models_stay(client, project, monkeypatch):
    monkeypatch.setattr(live_models, "_AT_ONCE", 1)
    trained_project(client.studio.workspace, "other")
    for name in ("pets", "other"):
        send(client, jpeg(), name)
    assert list(client.studio.models._models) == ["runs/other"]


def test_a_frame_needs_the_token_and_has_a_limit(client, project, monkeypatch):
    assert send(client, jpeg(), **{"x-csrf-token": "x"}).status_code == 403
    assert send(client, bytes(model_process.MAX_BYTES + 1)).status_code == 413
    assert client.studio.models._models == {}


def test_a_model_that_was_replaced_is_not_started_again(tmp_path):
    async def replaced():
        models = live_models.LiveModels(tmp_path, tmp_path, FAKE_MODEL)
        await models.detect("runs/pets", 1, jpeg())
        old = models._models["runs/pets"]
        answers = [models.detect("runs/pets", version, jpeg()) for version in (1, 1, 2, 2)]
        found = await asyncio.gather(*answers)
        assert [each["scores"] for each in found] == [[0.9, 0.3]] * 4
        assert (old._process, models._models["runs/pets"].version) == (None, 2)
        started = models._models["runs/pets"]
        await models.close()
        assert started._process is None
        with pytest.raises(OdtkError, match="being ended"):
            await models.detect("runs/pets", 2, jpeg())

    run_in_thread(replaced())


def test_an_idle_model_is_ended(tmp_path):
    async def idle():
        models = live_models.LiveModels(tmp_path, tmp_path, FAKE_MODEL, idle=0.2)
        await models.detect("runs/pets", 1, jpeg())
        process = models._models["runs/pets"]._process
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await asyncio.sleep(0)
        assert models._models == {}

    run_in_thread(idle())


def test_a_picture_without_scripts(client, project):
    files = {"file": ("cat <i>.JPG", jpeg(100, 50), "image/jpeg")}
    answer = client.post("/projects/pets/results/try", files=files, data={"csrf": client.csrf})
    assert answer.headers["location"] == "/projects/pets/results/try"
    found = tried.tried_picture(project)
    assert [(box.name, box.left, box.top, box.width, box.height) for box in found.boxes] == [
        ("cat", 0, 0, 50, 50),
        ("<b>dog</b>", 50, 12.5, 50, 25),
    ]
    text = client.get("/projects/pets/results/try").text
    assert "&lt;b&gt;dog&lt;/b&gt;" in text
    assert "<b>dog" not in text
    assert 'data-score="0.3" hidden' in text  # below 0.5
    assert re.search(r"odtk predict runs/pets projects/pets/tried/picture-\w{8}\.jpg --output found", text)
    assert client.get(found.address).content == jpeg(100, 50)


def test_the_last_picture_takes_the_place_of_the_one_before(client, project):
    for name in ("a.jpg", "b.png"):
        client.post("/projects/pets/results/try", files={"file": (name, jpeg())}, data={"csrf": client.csrf})
    names = sorted(path.name for path in tried.tried_folder(project).iterdir())
    assert [re.sub(r"-\w{8}", "", name) for name in names] == ["picture.json", "picture.png"]


def test_of_two_pictures_at_once_none_gets_the_boxes_of_the_other(client, project, monkeypatch):
    """The second one is uploaded and found in while the first is looked at."""
    detect, found = client.studio.models.detect, []

    async def slow(*given):
        answer = await detect(*given)
        if not found:
            found.append(None)
            await run_in_threadpool(tried.keep, project, "b.jpg", io.BytesIO(jpeg(300, 200)))
            found.append(tried.tried_picture(project))
        return answer

    monkeypatch.setattr(client.studio.models, "detect", slow)
    client.post("/projects/pets/results/try", files={"file": ("a.jpg", jpeg(100, 50))}, data={"csrf": client.csrf})
    assert found == [None, None]  # no boxes of the one before
    assert tried.tried_picture(project) is None  # nor of the first, whose answer came last
    kept = tried.tried_file(project, tried.PICTURES)
    assert kept.read_bytes() == jpeg(300, 200)
    tried.note_found(kept, {"width": 300, "height": 200, "milliseconds": 1, "boxes": [], "classes": [], "scores": []})
    assert tried.tried_picture(project).width == 300


def test_a_file_in_use_stays_until_the_next_one(client, project):
    first = tried.keep(project, "a.jpg", io.BytesIO(b"a"))
    second = tried.keep(project, "b.jpg", io.BytesIO(b"b"), {project.workspace.shown(first)})
    assert (first.exists(), tried.tried_file(project, tried.PICTURES)) == (True, second)
    third = tried.keep(project, "c.jpg", io.BytesIO(b"c"))
    assert list(tried.tried_folder(project).iterdir()) == [third]


@pytest.mark.parametrize("name", ["run.sh", "a.svg", "../../x"])
def test_other_files_are_refused(client, project, name):
    answer = client.post("/projects/pets/results/try", files={"file": (name, b"x")}, data={"csrf": client.csrf})
    assert answer.status_code == 400
    assert "is no picture or video" in answer.text


def test_a_video_is_a_command_in_the_background(client, project, monkeypatch):
    started = []
    monkeypatch.setattr(client.studio.background, "start", lambda key, command: started.append(str(command)))
    client.post("/projects/pets/results/try", files={"file": ("Walk.MP4", b"film")}, data={"csrf": client.csrf})
    video = project.workspace.shown(tried.tried_file(project, tried.VIDEOS))
    assert started == [
        f"odtk predict runs/pets {video} --output projects/pets/tried/found --save video,csv --overwrite --json"
    ]
    made = tried.tried_folder(project) / "found" / "video.mp4"
    made.parent.mkdir()
    made.write_bytes(b"drawn")
    assert client.get(tried.tried_video(project).address).content == b"drawn"
    assert started[0] in client.get("/projects/pets/results/try").text


def test_a_picture_and_a_refused_file_leave_a_video_alone(client, project, monkeypatch):
    ended = []
    monkeypatch.setattr(client.studio.background, "start", lambda key, command: None)
    monkeypatch.setattr(client.studio.background, "cancel", ended.append)
    for name, count in (("a.mp4", 0), ("cat.jpg", 0), ("run.sh", 0), ("b.mp4", 1)):
        client.post("/projects/pets/results/try", files={"file": (name, jpeg())}, data={"csrf": client.csrf})
        assert len(ended) == count


def test_the_boxes_of_an_earlier_video_are_not_shown(project):
    made = tried.tried_folder(project) / "found" / "video.mp4"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"drawn")
    os.utime(made, (1, 1))
    tried.keep(project, "walk.mp4", io.BytesIO(b"film"))
    assert tried.tried_video(project).address is None


def test_thresholds_are_a_file_for_predict(client, project):
    answer = post(client, "/projects/pets/results/thresholds", **{"all": "0.3", "class-1": "0.8", "class-7": "0.1"})
    assert answer.status_code == 303
    found = thresholds.read(project.folder / "thresholds.json")
    assert (found.score, found.classes) == (0.3, {"cat": 0.8})
    text = client.get("/projects/pets/results/try").text
    assert "--thresholds projects/pets/thresholds.json" in text
    assert 'value="0.80"' in text


@pytest.mark.parametrize("text", ["1.5", "nan", "much"])
def test_what_is_no_threshold_is_refused(client, project, text):
    assert post(client, "/projects/pets/results/thresholds", **{"class-1": text}).status_code == 400
    assert not (project.folder / "thresholds.json").exists()


def test_the_evaluation_s_thresholds_come_first(client, project):
    (project.run / "eval").mkdir()
    thresholds.write(thresholds.Thresholds(0.2, {"cat": 0.7}), project.run / "eval" / "thresholds.json")
    assert tried.chosen_thresholds(project).of("cat") == 0.7


def test_too_many_waiting_frames_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(live_models, "_WAITING", 2)

    async def many():
        models = live_models.LiveModels(tmp_path, tmp_path, FAKE_MODEL)
        answers = [models.detect("runs/pets", 1, jpeg()) for _ in range(4)]
        found = await asyncio.gather(*answers, return_exceptions=True)
        await models.close()
        return found

    kinds = [type(each) for each in run_in_thread(many())]
    assert kinds == [dict, dict, OdtkError, OdtkError]


# In a browser


@pytest.fixture
def fake_model(monkeypatch):
    """Studios that are started after this have the fake model."""
    monkeypatch.setattr(live_models, "PROGRAM", FAKE_MODEL)


def test_in_a_browser(fake_model, studio, page, tmp_path):
    """A picture is dropped and answered, a threshold hides a box, the webcam is watched, and all of it saved."""
    (tmp_path / "cat.jpg").write_bytes(jpeg(400, 300))
    project = trained_project(Workspace(studio.folder))
    page.goto("/projects/pets/results/try")
    _drop(page, tmp_path / "cat.jpg")
    page.get_by_text("1 of 2 boxes reach their threshold.").wait_for()
    assert page.locator("#rows tr").all_inner_texts() == ["cat\t0.900\t0, 0, 200, 300"]
    slider = page.get_by_label("<b>dog</b>")
    slider.fill("0.25")
    page.get_by_text("2 of 2 boxes reach their threshold.").wait_for()
    before = _pixels(page)
    slider.fill("0.35")
    assert before != _pixels(page)
    page.get_by_role("button", name="Start the webcam").click()
    page.get_by_text("frames/s").wait_for()
    assert "cat" in page.locator("#rows").inner_text()
    page.get_by_role("button", name="Stop the webcam").click()
    page.get_by_role("button", name="Save as a file").click()
    page.get_by_role("link", name="Download thresholds.json").wait_for()
    assert thresholds.read(project.folder / "thresholds.json").of("<b>dog</b>") == 0.35


def _drop(page, path):
    """Drops a file from the desktop on the page."""
    transfer = page.evaluate_handle(
        """bytes => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "cat.jpg", { type: "image/jpeg" }));
        return data;
    }""",
        list(path.read_bytes()),
    )
    page.dispatch_event("#upload", "drop", {"dataTransfer": transfer})


def _pixels(page):
    return page.evaluate("() => document.getElementById('stage').toDataURL()")
