"""The pages of trainings and of comparisons, over runs and a queue that are made by hand."""

import asyncio
import sqlite3
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from fake_trainings import STEPS, FakeRun, finished_run, make_project
from lxml import html
from running_studio import post

from odtk.cli.main import cli
from odtk.errors import OdtkError
from odtk.queue import Job, Queue
from odtk.web.commands import Outcome, _document, command
from odtk.web.jobs import Jobs
from odtk.web.pages.training import _pieces
from odtk.web.projects import create_project
from odtk.web.run_views.training_command import config_facts, findings_before_training, training_command
from odtk.web.run_views.training_jobs import go_on, start_training

PAGE = "/projects/pets/training"


@pytest.fixture
def project(client):
    return make_project(client.studio.workspace)


@pytest.fixture
def queue(client, monkeypatch):
    """The workspace's queue, without a worker."""
    monkeypatch.setattr(Jobs, "start_worker", lambda self: None)
    return Queue(client.studio.workspace.queue_file)


@pytest.fixture
def in_process(client, monkeypatch):
    """The studio's commands, without a new process for each."""

    async def run(command, progress_file=None):
        result = CliRunner().invoke(cli, command.words)
        return Outcome(command, result.exit_code, _document(result.stdout.encode()), result.stderr)

    monkeypatch.chdir(client.studio.workspace.folder)
    monkeypatch.setattr(client.studio.commands, "run", run)


@pytest.fixture
def records(project):
    """What the config reads, by its names."""
    folder = project.workspace.records / "pets"
    folder.mkdir(parents=True)
    text = project.config.read_text().replace("PATH_TO_BE_CONFIGURED", "records/pets")
    project.config.write_text(text)
    (folder / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }\n")
    for name in ("train", "val"):
        (folder / f"{name}.record-00000-of-00001").write_bytes(b"")
    return folder


def jobs_of(queue, state="waiting"):
    return [job for job in queue.jobs() if job.state == state]


def test_a_project_without_a_config_is_sent_to_its_model(client):
    create_project(client.studio.workspace, "empty", {"train": {}})
    page = client.get("/projects/empty/training")
    assert page.status_code == 200
    assert 'href="/projects/empty/model">Choose a model first' in page.text
    assert "Start training" not in page.text


def test_a_new_project_can_be_started(client, project):
    page = client.get(PAGE).text
    assert "Nothing has been trained yet." in page
    assert "Start training" in page
    assert "odtk train projects/pets/pipeline.config runs/pets" in page


def test_errors_of_the_config_are_shown_instead_of_a_job(client, project, queue, in_process):
    answer = post(client, f"{PAGE}/start")
    assert answer.status_code == 200
    assert "The training was not started" in answer.text
    assert "train_input_reader.label_map_path" in answer.text
    assert queue.jobs() == []


def test_the_options_of_the_project_file_are_words_of_the_command(client):
    project = make_project(client.studio.workspace, train={"seed": 7, "patience": 3, "devices": "cpu", "xla": True})
    assert str(training_command(project)) == (
        "odtk train projects/pets/pipeline.config runs/pets --seed 7 --patience 3 --devices cpu --xla"
    )


def test_an_option_that_does_not_exist_is_said(client):
    make_project(client.studio.workspace, train={"sead": 7})
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "train has no key &#39;sead&#39;" in page.text


def test_a_start_adds_a_job_and_only_one(client, project, queue, records, monkeypatch):
    monkeypatch.setattr("odtk.web.run_views.training_jobs.errors_before_training", no_errors)
    assert post(client, f"{PAGE}/start").headers["location"] == PAGE
    (job,) = queue.jobs()
    assert (job.name, job.command[:3]) == ("train:pets", ("train", "projects/pets/pipeline.config", "runs/pets"))
    assert job.folder == str(client.studio.workspace.folder)
    again = post(client, f"{PAGE}/start")
    assert "waits in the queue" in again.text
    assert len(queue.jobs()) == 1
    assert "Start a worker" in client.get(PAGE).text


def test_two_clicks_add_one_job(client, project, queue, monkeypatch):
    async def slowly(studio, project):
        await asyncio.sleep(0.1)
        return []

    async def twice():
        both = [start_training(client.studio, project) for _ in range(2)]
        return await asyncio.gather(*both, return_exceptions=True)

    monkeypatch.setattr("odtk.web.run_views.training_jobs.errors_before_training", slowly)
    first, second = client.portal.call(twice)
    assert first == []
    assert "waits in the queue" in str(second)
    assert len(queue.jobs()) == 1


async def no_errors(studio, project):
    return []


def test_a_run_of_a_terminal_is_left_alone(client, project, queue):
    run = FakeRun(project)
    run.begin()
    run.lock()
    assert "Start training" not in client.get(PAGE).text
    assert "stop it where it was started" in post(client, f"{PAGE}/start").text
    assert queue.jobs() == []


def test_findings_are_those_of_a_training(project, records):
    def finding(severity, path):
        return {"severity": severity, "path": path, "line": 1, "text": "x", "fix": ""}

    def severities(*findings):
        return [each["severity"] for each in findings_before_training(project, findings)]

    label_map, records_field = (
        "train_input_reader.label_map_path",
        "train_input_reader.tf_record_input_reader.input_path",
    )
    assert severities(finding("error", "eval_config.metrics_set"), finding("note", "model")) == ["warning"]
    assert severities(finding("warning", label_map), finding("warning", records_field)) == ["warning", "warning"]
    (records / "label_map.pbtxt").unlink()
    (records / "train.record-00000-of-00001").unlink()
    assert severities(finding("warning", label_map), finding("warning", records_field)) == ["error", "error"]


def test_a_config_that_does_not_fit_the_checkpoint_blocks_the_start(project, records):
    run = FakeRun(project)
    (run.folder / "ckpt-60.index").touch()
    assert findings_before_training(project, []) == []
    project.config.write_text(project.config.read_text().replace("num_classes: 1 ", "num_classes: 5 "))
    (found,) = findings_before_training(project, [])
    assert found["severity"] == "error"
    assert "model.ssd.num_classes" in found["text"]


def test_a_pause_ends_the_training_alone_and_a_stop_all_of_the_project(client, project, queue):
    for name in ("train:pets", "evaluate:pets", "export:pets/onnx", "train:pets-2", "evaluate:pets-2"):
        queue.put(Job(["doctor"]), name=name)
    post(client, f"{PAGE}/pause")
    assert [job.name for job in jobs_of(queue, "cancelled")] == ["train:pets"]
    with sqlite3.connect(client.studio.workspace.queue_file) as database:
        database.execute("UPDATE jobs SET state = 'running', worker = 'all', attempt = 1 WHERE name = 'evaluate:pets'")
    post(client, f"{PAGE}/stop")
    assert [job.name for job in jobs_of(queue)] == ["train:pets-2", "evaluate:pets-2"]
    (running,) = jobs_of(queue, "running")
    assert (running.name, running.is_cancelling) == ("evaluate:pets", False)


def test_a_training_that_waits_is_taken_out_alone(client, project, queue):
    for name in ("train:pets", "evaluate:pets"):
        queue.put(Job(["doctor"]), name=name)
    assert f'action="{PAGE}/pause"' in client.get(PAGE).text
    assert f'action="{PAGE}/stop"' not in client.get(PAGE).text


def test_a_finished_run_is_shown_with_all_that_it_wrote(client, project):
    finished_run(project)
    page = client.get(PAGE).text
    assert "Ended: all steps are done." in page
    assert page.count('<svg class="chart"') == 7
    for text in ("mAP@.50IOU", "AP of each class", "Total loss", "Learning rate", "Norm of the gradients", "Speed"):
        assert text in page
    assert "/files/runs/pets/evaluations/step-100.png?v=" in page
    assert "/files/runs/pets/batches/first.png?v=" in page
    assert "Xeon, 2 cores" in page
    assert "<dd>0.500</dd>" in page
    assert 'class="star"' in page


def test_figures_of_a_run_that_goes_on_are_of_its_files(client, project):
    run = FakeRun(project)
    run.begin(num_steps=120)
    run.lock()
    run.train(*range(10, 61, 10))
    page = client.get(PAGE).text
    assert "without this queue" in page
    assert "step of 120" in page
    assert "<dt>images/s</dt><dd>16</dd>" in page
    assert "<dt>left (estimated)</dt><dd>0:30</dd>" in page  # 60 steps of half a second


def test_names_and_logs_are_escaped(client, project, queue):
    number = queue.put(Job(["doctor"]), name="train:pets")
    queue.log_path(number).write_text("warning: <script>alert(1)</script>\n<img src=x>\n")
    run = FakeRun(project)
    run.begin()
    run.sessions[0]["command"] = "odtk train '<b>'"
    run.end(0, "RuntimeError: <i>")
    page = client.get(PAGE).text
    for text in ("<script>alert", "<img src=x>", "<b>", "<i>"):
        assert text not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_pieces_of_the_live_page_are_those_of_the_page(client, project):
    finished_run(project)
    pieces = _pieces(client.studio, project)
    names = "state status troubles actions charts values pictures batches log sessions planned"
    assert set(pieces) == set(names.split())
    page = client.get(PAGE).text
    for name, piece in pieces.items():
        if name != "log":
            assert piece.strip().rpartition("\n")[2] in page, name
    assert _pieces(client.studio, project)["charts"] is pieces["charts"]  # not drawn again


def test_the_rate_is_changed_in_the_config_and_a_new_job_goes_on(client, project, queue, in_process, monkeypatch):
    monkeypatch.setattr("odtk.web.run_views.config_change.errors_before_training", no_errors)
    run = FakeRun(project)
    run.begin()
    run.train(*range(10, 61, 10))
    run.end(60, "stopped by SIGTERM")
    address = post(client, f"{PAGE}/change", rate="0.01", num_steps="400").headers["location"]
    assert address == f"{PAGE}?at=60&rate=0.02&steps=200&schedule=200"
    page = client.get(address).text
    assert "changes from 0.02 to 0.01" in page
    assert "ends at step 400 instead of 200" in page
    assert "at step 60 the rate is what it was, or would have been, at step 30" in page
    assert 'tone-good" role="status"' not in client.get(f"{PAGE}?at=60&rate=x").text
    facts = config_facts(project.config.read_text(), "x")
    assert (facts.rate, facts.num_steps) == (0.01, 400)
    assert len(jobs_of(queue)) == 1


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_change_that_cannot_be_checked_is_taken_back_unless_the_config_was_edited(
    client, project, queue, in_process, monkeypatch, is_edited
):
    async def broken(studio, project):
        assert config_facts(project.config.read_text(), "x").rate == 0.01
        if is_edited:
            project.config.write_text("# edited\n" + before)
        raise OdtkError("The check cannot be made.")

    before = project.config.read_text()
    monkeypatch.setattr("odtk.web.run_views.config_change.errors_before_training", broken)
    assert "The check cannot be made." in post(client, f"{PAGE}/change", rate="0.01").text
    assert project.config.read_text() == ("# edited\n" if is_edited else "") + before
    assert queue.jobs() == []


def test_steps_of_the_project_file_give_way_to_those_of_the_config(client, queue, in_process, monkeypatch):
    monkeypatch.setattr("odtk.web.run_views.config_change.errors_before_training", no_errors)
    project = make_project(client.studio.workspace, train={"num-steps": 100})
    address = post(client, f"{PAGE}/change", num_steps="400").headers["location"]
    assert address == f"{PAGE}?at=0&steps=100&schedule=200"
    assert "ends at step 400 instead of 100" in client.get(address).text
    assert "--num-steps" not in queue.jobs()[0].command
    assert "num-steps" not in project.sections()["train"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"rate": "-1"}, "is &#39;-1&#39;; it is a number above 0"),
        ({"rate": "nan"}, "it is a number above 0"),
        ({"num_steps": "many"}, "it is a whole number"),
        ({"num_steps": "60"}, "at step 60 already"),
        ({"rate": "0.02", "num_steps": str(STEPS)}, "Nothing was changed"),
    ],
)
def test_a_change_that_cannot_be_is_said(client, project, queue, fields, text):
    run = FakeRun(project)
    run.begin()
    run.train(*range(10, 61, 10))
    before = project.config.read_text()
    answer = post(client, f"{PAGE}/change", **fields)
    assert answer.status_code == 400
    assert text in answer.text
    assert project.config.read_text() == before
    assert queue.jobs() == []


def test_what_was_typed_is_kept_when_it_is_refused(client, project):
    def fields_of(answer):
        inputs = html.fromstring(answer.text).xpath("//main//input[@name and not(@type='hidden')]")
        return [each.get("value") for each in inputs]

    was = {"was:rate": "0.02", "was:num_steps": str(STEPS)}
    assert fields_of(post(client, f"{PAGE}/change", rate="0,5", num_steps="500", **was)) == ["0,5", "500", "pets-2"]
    assert fields_of(post(client, f"{PAGE}/change", rate="0.02", num_steps="x", **was)) == ["0.02", "x", "pets-2"]
    answer = post(client, f"{PAGE}/copy", name="../x")
    assert (answer.status_code, fields_of(answer)) == (400, ["0.02", str(STEPS), "../x"])


def test_a_tab_changes_only_what_was_typed_in_it(client, project, queue, in_process, monkeypatch):
    monkeypatch.setattr("odtk.web.run_views.config_change.errors_before_training", no_errors)
    assert "a base learning rate of 0.02, and 200 steps" in client.get(PAGE).text
    was = {"was:rate": "0.02", "was:num_steps": str(STEPS)}
    post(client, f"{PAGE}/change", rate="0.01", num_steps=str(STEPS), **was)
    idle = post(client, f"{PAGE}/change", rate="0.02", num_steps=str(STEPS), **was)
    assert "the config was meanwhile, in another tab" in idle.text
    assert 'value="0.01"' in idle.text
    address = post(client, f"{PAGE}/change", rate="0.02", num_steps="400", **was).headers["location"]
    assert address == f"{PAGE}?at=0&steps=200&schedule=200"
    facts = config_facts(project.config.read_text(), "x")
    assert (facts.rate, facts.num_steps) == (0.01, 400)
    assert "a base learning rate of 0.01, and 400 steps" in _pieces(client.studio, project)["planned"]


def test_a_finished_run_goes_on_when_its_steps_were_raised_elsewhere(client, project):
    finished_run(project)
    page = client.get(PAGE).text
    assert "All steps are done" in page
    assert "Resume" not in page
    project.config.write_text(project.config.read_text().replace(f"num_steps: {STEPS}", "num_steps: 400"))
    page = client.get(PAGE).text
    assert "All steps are done" not in page
    assert f'action="{PAGE}/start"' in page
    assert "now it has 400 in all. Resume goes on to there." in page
    unchanged = {"rate": "0.02", "num_steps": "400", "was:rate": "0.02", "was:num_steps": "400"}
    assert "Resume goes on with them." in post(client, f"{PAGE}/change", **unchanged).text


def test_the_options_are_listed_with_the_way_to_change_them(client):
    make_project(client.studio.workspace, train={"patience": 5})
    page = client.get(PAGE).text
    assert "<code>patience: 5</code>" in page
    assert 'href="/projects/pets/model#options"' in page


def test_a_copy_is_a_project_without_a_run(client, project):
    finished_run(project)
    assert 'value="pets-2"' in client.get(PAGE).text
    assert post(client, f"{PAGE}/copy", name="pets-2").headers["location"] == "/projects/pets-2/model"
    assert "Nothing has been trained yet." in client.get("/projects/pets-2/training").text
    assert "exists already" in post(client, f"{PAGE}/copy", name="pets-2").text
    assert "cannot be called" in post(client, f"{PAGE}/copy", name="../x").text


def test_two_runs_are_compared(client, project):
    finished_run(project)
    other = make_project(client.studio.workspace, "half", train={"seed": 3})
    other.config.write_text(other.config.read_text().replace("learning_rate_base: 0.02", "learning_rate_base: 0.01"))
    finished_run(other, scale=2, quality=0.6, seed=3)
    page = client.get("/compare?projects=pets,half").text
    assert "mAP on the evaluation images" in page
    assert "<strong>0.6</strong>" in page
    assert "cosine_decay_learning_rate.learning_rate_base" in page
    assert "<td>0.02</td><td>0.01</td>" in page
    assert "<code>seed</code>" in page
    assert "diff runs/pets/pipeline.config runs/half/pipeline.config" in page
    assert client.get("/compare?projects=pets&projects=half").text == page


def test_a_config_that_cannot_be_read_is_said(client, project, queue, in_process):
    finished_run(make_project(client.studio.workspace, "other"))
    project.config.write_text("model { ssd { num_clases: 2 } }\n")
    assert "num_clases" in client.get("/compare?projects=pets,other").text
    assert "cannot be read" in client.get(PAGE).text
    assert "num_clases" in post(client, f"{PAGE}/start").text
    assert queue.jobs() == []


def test_a_change_pauses_the_training_that_runs_and_a_new_job_waits(project):
    words = training_command(project).words

    def job(number, state, is_cancelling=False, command=words):
        return SimpleNamespace(
            number=number, name="train:pets", state=state, is_cancelling=is_cancelling, command=command
        )

    def done_with(*jobs):
        done = []
        fake = SimpleNamespace(
            all=lambda: jobs, cancel=lambda number: done.append(number), add=lambda command, name: done.append(name)
        )
        go_on(SimpleNamespace(jobs=fake), project)
        return done

    assert done_with(job(1, "done"), job(2, "running")) == [2, "train:pets"]
    assert done_with(job(2, "running", is_cancelling=True)) == ["train:pets"]
    assert done_with(job(2, "running", is_cancelling=True), job(3, "waiting")) == []
    assert done_with(job(3, "waiting", command=(*words, "--num-steps", "9"))) == [3, "train:pets"]
    assert done_with(job(1, "failed")) == ["train:pets"]


def test_a_worker_that_is_just_ending_is_replaced(client, monkeypatch):
    asked = []

    def start(queue, **options):
        asked.append(options)
        if len(asked) == 1:
            raise OdtkError("a worker works already")

    monkeypatch.setattr(Queue, "start", start)
    client.studio.jobs.start_worker()
    assert len(asked) == 1  # nothing waits
    asked.clear()
    client.studio.jobs.add(command("doctor"), "look")
    assert len(asked) == 2


def test_a_comparison_begins_with_a_choice(client, project):
    page = client.get("/compare").text
    assert 'type="checkbox" name="projects" value="pets"' in page
    one = client.get("/compare?projects=pets").text
    assert "Choose a second run" in one
    assert client.get("/compare?projects=nothing").status_code == 404
    assert "too many" in client.get("/compare?projects=a,b,c,d,e,f,g").text
