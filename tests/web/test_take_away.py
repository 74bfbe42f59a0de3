"""The page of downloads: weights, exports, certificates, zips that are made while they are sent."""

import contextlib
import io
import sqlite3
import zipfile

import pytest
from fake_runs import export, trained_project
from running_studio import post

from odtk.atomic import write_text
from odtk.errors import OdtkError
from odtk.exporting.formats import FORMATS
from odtk.queue import Job, Queue
from odtk.web.result_views import take_away
from odtk.web.result_views.take_away import weights_files
from odtk.web.result_views.zip_stream import opened, zip_stream


@pytest.fixture
def project(client, monkeypatch):
    """A trained project; jobs stay in the queue."""
    monkeypatch.setattr("odtk.web.jobs.Jobs.start_worker", lambda jobs: None)
    return trained_project(client.studio.workspace)


def test_all_formats_are_offered_and_the_commands_are_shown(client, project):
    text = client.get("/projects/pets/take-away").text
    for name in FORMATS:
        assert f"<h4>{name}</h4>" in text
    assert "odtk train projects/pets/pipeline.config runs/pets" in text
    assert "odtk export projects/pets/pipeline.config runs/pets exports/pets/saved_model" in text


def test_the_training_is_shown_with_the_options_of_the_project(client, project):
    project.update("train", {"seed": 7})
    assert "odtk train projects/pets/pipeline.config runs/pets --seed 7" in client.get("/projects/pets/take-away").text
    project.update("train", {"nonsense": True})
    assert "odtk train projects/pets/pipeline.config runs/pets\n" in client.get("/projects/pets/take-away").text


@pytest.mark.parametrize(("kind", "step"), [("best", 10), ("last", 20)])
def test_weights_are_a_zip_with_what_one_needs(client, project, kind, step):
    answer = client.get(f"/projects/pets/take-away/weights/{kind}.zip")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    expected = {f"ckpt-{step}.index", f"ckpt-{step}.data-00000-of-00001", "checkpoint", "pipeline.config"}
    assert {f"pets-{kind}/{name}" for name in expected | {"label_map.pbtxt"}} <= set(names)
    assert not [name for name in names if f"ckpt-{30 - step}" in name]


def replace_checkpoint(run, old, new):
    """What a training does: new files, then the state, then the old ones go."""
    for path in run.glob(f"ckpt-{old}.*"):
        (run / path.name.replace(str(old), str(new))).write_bytes(path.read_bytes().replace(b"20", b"30"))
    write_text(run / "checkpoint", f'model_checkpoint_path: "ckpt-{new}"\n')
    for path in run.glob(f"ckpt-{old}.*"):
        path.unlink()


def test_weights_that_are_replaced_while_they_are_sent_are_those_of_one_step(project):
    sent = zip_stream(opened(lambda: weights_files(project, "last")))
    first = next(sent)
    replace_checkpoint(project.run, 20, 30)
    with zipfile.ZipFile(io.BytesIO(first + b"".join(sent))) as archive:
        assert archive.read("pets-last/ckpt-20.index") == b"pets 20 index"
        assert b"ckpt-20" in archive.read("pets-last/checkpoint")


@pytest.mark.parametrize("times", [1, 2])
def test_weights_that_are_replaced_while_they_are_listed_are_listed_again(project, times):
    """Once after each of the first lists."""
    left = list(range(20, 20 + 10 * times, 10))

    def listed():
        found = weights_files(project, "last")
        if left:
            replace_checkpoint(project.run, left[0], left.pop(0) + 10)
        return found

    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(opened(listed))))) as archive:
        names = {name for name in archive.namelist() if "ckpt" in name}
        step = 20 + 10 * times
        assert names == {f"pets-last/ckpt-{step}.index", f"pets-last/ckpt-{step}.data-00000-of-00001"}
        assert f"ckpt-{step}".encode() in archive.read("pets-last/checkpoint")


def test_files_that_never_rest_are_said_to(tmp_path, monkeypatch):
    monkeypatch.setattr("odtk.web.result_views.zip_stream._PAUSE", 0)
    with pytest.raises(OdtkError, match="being replaced"):
        opened(lambda: [("a", tmp_path / "a")])


def test_what_is_not_there_is_not_found(client, project):
    assert client.get("/projects/pets/take-away/weights/worst.zip").status_code == 404
    assert client.get("/projects/pets/take-away/exports/none.zip").status_code == 404
    assert client.get("/projects/pets/take-away/exports/...zip").status_code == 400


def test_an_export_is_shown_with_its_certificate_and_as_a_zip(client, project):
    export(project)
    text = client.get("/projects/pets/take-away").text
    for words in ("43 of 44", "0.00012 (accepted: 0.001)", "0.489 (0.490)", "41 (73.5)", "Compared on 12 evaluation"):
        assert words in text
    assert client.get("/files/exports/pets/onnx/model.onnx?download").content[:2] == b"oo"
    answer = client.get("/projects/pets/take-away/exports/onnx.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["pets-onnx/certificate.json", "pets-onnx/model.onnx"]
        assert archive.testzip() is None
        assert archive.read("pets-onnx/model.onnx") == b"o" * 2_500_000


def test_a_zip_comes_in_pieces(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(5 << 20))
    pieces = list(zip_stream(opened(lambda: [("large", path)])))
    assert max(map(len, pieces)) < 2 << 20
    assert len(pieces) > 4


def test_an_export_is_a_job_of_its_own(client, project):
    post(client, "/projects/pets/take-away/export", format="tflite", quantize="int8", checkpoint="last")
    post(client, "/projects/pets/take-away/export", format="saved_model", precision="float32")
    jobs = {job.name: " ".join(job.command) for job in client.studio.jobs.all()}
    assert jobs["export:pets/tflite-last-int8"] == (
        "export projects/pets/pipeline.config runs/pets exports/pets/tflite-last-int8 --format tflite "
        "--checkpoint last --quantize int8 --overwrite"
    )
    assert "export:pets/saved_model" in jobs
    assert project.sections()["export"] == {"format": "saved_model", "precision": "float32"}
    text = client.get("/projects/pets/take-away").text
    assert "odtk " + jobs["export:pets/tflite-last-int8"] in text


@pytest.mark.parametrize("field", ["format", "checkpoint", "quantize", "precision"])
def test_what_is_no_choice_is_refused(client, project, field):
    answer = post(client, "/projects/pets/take-away/export", **{"format": "onnx", field: "../x"})
    assert answer.status_code == 400
    assert client.studio.jobs.all() == []


def test_an_export_without_a_certificate_says_so(client, project):
    export(project)
    (project.exports / "onnx" / "certificate.json").write_text("[1]")
    (made,) = take_away.exports(project)
    assert made.certificate == []
    assert "Without a certificate" in client.get("/projects/pets/take-away").text


def test_the_job_that_is_shown_is_the_one_that_was_tried_again(client, project):
    queue, name = Queue(client.studio.workspace.queue_file), "export:pets/onnx"
    first = queue.put(Job(["export", "a", "b", "exports/pets/onnx", "--format", "onnx"]), name=name)
    queue.cancel(first)
    second = queue.put(Job(["export", "a", "b", "exports/pets/onnx", "--overwrite"]), name=name)
    queue.cancel(second)
    queue.retry(first)
    shown = client.get("/projects/pets/take-away").text
    assert f"/jobs/{first}" in shown
    assert f"/jobs/{second}" not in shown
    assert client.studio.jobs.last(name).number == first


def test_a_failed_export_says_why(client, project):
    path = client.studio.workspace.queue_file
    queue = Queue(path)
    number = queue.put(Job(["export", "a", "b", "exports/pets/onnx"]), name="export:pets/onnx")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE jobs SET state = 'failed', exit_code = 1, ended = 1")
    queue.log_path(number).parent.mkdir(exist_ok=True)
    queue.log_path(number).write_text("Exporting\nerror: There is no <b>kernel</b>.\n")
    assert "There is no &lt;b&gt;kernel&lt;/b&gt;." in client.get("/projects/pets/take-away").text
