"""The page of results: evaluation as a job, its numbers, its report."""

import pytest
from fake_runs import evaluate, trained_project
from running_studio import post

from odtk.web.result_views.evaluation import read_evaluation


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """Jobs are put into the queue, and stay there."""
    monkeypatch.setattr("odtk.web.jobs.Jobs.start_worker", lambda jobs: None)


def test_a_project_without_a_checkpoint_is_told_to_train(client):
    project = trained_project(client.studio.workspace)
    for path in (project.run / "checkpoint", project.run / "best" / "checkpoint"):
        path.unlink()
    for part in ("", "/try"):
        assert "no checkpoint yet" in client.get(f"/projects/pets/results{part}").text
    answer = post(client, "/projects/pets/results/evaluate")
    assert answer.status_code == 400
    assert "Train first" in answer.text
    assert client.studio.jobs.all() == []


def test_an_evaluation_is_a_job_once(client):
    trained_project(client.studio.workspace)
    trained_project(client.studio.workspace, "other")
    assert "There is no evaluation yet" in client.get("/projects/pets/results").text
    for _ in range(2):
        post(client, "/projects/pets/results/evaluate", checkpoint="all", compare="other")
    (job,) = client.studio.jobs.all()
    assert job.name == "evaluate:pets"
    assert " ".join(job.command) == (
        "evaluate projects/pets/pipeline.config runs/pets --export-suspects projects/pets/suspects.csv "
        "--checkpoint all --compare runs/other"
    )
    text = client.get("/projects/pets/results").text
    assert f'href="/jobs/{job.number}"' in text
    assert "--checkpoint all --compare runs/other" in text[text.index("The same in the terminal") :]


def test_what_is_no_choice_is_refused(client):
    trained_project(client.studio.workspace)
    assert post(client, "/projects/pets/results/evaluate", checkpoint="--output").status_code == 400
    assert post(client, "/projects/pets/results/evaluate", compare="../..").status_code == 400
    assert client.studio.jobs.all() == []


def test_the_numbers_are_those_of_the_files(client):
    project = trained_project(client.studio.workspace)
    evaluate(project)
    found = read_evaluation(project)
    assert dict(found.figures) == {
        "mAP": "0.490",
        "mAP at IoU 0.5": "0.887",
        "Precision": "0.833",
        "Recall": "–",
        "F1": "0.700",
    }
    assert found.line == "12 images with 1,300 boxes"
    text = client.get("/projects/pets/results").text
    assert "0.887" in text
    report = client.get(found.report)
    assert "The report of cats" in report.text
    assert "sandbox" in report.headers["content-security-policy"]


def test_half_of_an_evaluation_is_none(client):
    project = trained_project(client.studio.workspace)
    evaluate(project)
    (project.run / "eval" / "metrics.json").write_text("{")
    assert read_evaluation(project) is None
    assert client.get("/projects/pets/results").status_code == 200
