"""Suspected label errors: looked at one after the other, written into the annotation files, trained again."""

import csv
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_runs import jpeg, trained_project
from running_studio import post

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.datasets.corrections import read_corrections
from odtk.errors import OdtkError
from odtk.evaluation.analysis.suspects import COLUMNS
from odtk.records import shards
from odtk.records.example import encode
from odtk.records.shards import write_records
from odtk.web import data_use
from odtk.web.commands import Outcome, command
from odtk.web.projects import copy_project, project_called
from odtk.web.result_views import decisions, suspects
from odtk.web.workspace import Workspace

WIDTH, HEIGHT = 400, 300
BOX = (40.0, 30.0, 200.0, 150.0)


def suspicious_project(workspace):
    """A project with records, a YOLO dataset, and two suspects: a box of a wrong class, and a missing one."""
    project = trained_project(workspace, sections={"make-tfrecords": {"data-dir": "../../data/pets", "seed": 7},
                                                   "train": {"pipeline-config": "pipeline.config"}})  # fmt: skip
    data, records = workspace.data / "pets", workspace.records / "pets"
    for folder in (data / "images", data / "labels", records):
        folder.mkdir(parents=True)
    (data / "data.yaml").write_text("names: [cat, <b>dog</b>]\ntrain: images\n")
    (data / "images" / "a.jpg").write_bytes(jpeg(WIDTH, HEIGHT))
    (data / "labels" / "a.txt").write_text("0 0.3 0.3 0.4 0.4\n")
    objects = (AnnotatedObject((0.1, 0.1, 0.5, 0.5), 1, "cat"),)
    record = encode(AnnotatedImage(jpeg(WIDTH, HEIGHT), "a.jpg", HEIGHT, WIDTH, objects))
    write_records(records / "val.record", [encode(AnnotatedImage(jpeg(8, 8), "b.jpg", 8, 8)), record])
    project.config.write_text(
        f'train_input_reader {{ tf_record_input_reader {{ input_path: "{records}/train.record" }} }}\n'
    )
    write_suspects(project, str(records / "val.record"))
    return project


def write_suspects(project, record):
    """What `odtk evaluate --export-suspects` leaves."""
    left, top, right, bottom = BOX
    with open(suspects.suspects_file(project), "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        detected = (top + 6, left + 4, bottom, right)
        writer.writerow([1, "a.jpg", "other class", 0.9, "cat", "<b>dog</b>", 0.9, 0.8, top, left, bottom, right,
                         *detected, record, 1])  # fmt: skip
        writer.writerow([2, "a.jpg", "not annotated", 0.7, "", "cat", 0.7, 0, *[""] * 4, 200, 220, 290, 380, record, 1])


def mark_of(client, rank):
    """What the form and the picture of a suspect name it by."""
    rows = suspects.read_suspects(project_called(client.studio.workspace, "pets"))
    return next((row.mark for row in rows if row.rank == rank), "")


def picture_of(client, rank):
    """Its address."""
    return f"/projects/pets/results/review/picture/{rank}?suspect={mark_of(client, rank)}"


def decide(client, rank, /, **fields):
    """Says something about a suspect, as its form does."""
    fields = {"suspect": mark_of(client, rank), **fields}
    return post(client, f"/projects/pets/results/review/{rank}", **fields)


@pytest.fixture
def project(client, monkeypatch):
    """With suspects; jobs stay in the queue."""
    monkeypatch.setattr("odtk.web.jobs.Jobs.start_worker", lambda jobs: None)
    return suspicious_project(client.studio.workspace)


def test_a_suspect_is_shown_with_its_boxes_and_its_picture(client, project):
    text = client.get("/projects/pets/results/review").text
    assert '<rect class="annotated" x="40.0" y="30.0" width="160.0" height="120.0">' in text
    assert '<rect class="detected" x="44.0" y="36.0" width="156.0" height="114.0">' in text
    # An annotated box that reaches over the picture keeps no browser from sending these.
    for decision in ("keep", "take", "discard"):
        assert f'name="do" value="{decision}" formnovalidate' in text
    assert "<b>dog" not in text
    picture = client.get(picture_of(client, 1))
    assert (picture.headers["content-type"], picture.content) == ("image/jpeg", jpeg(WIDTH, HEIGHT))
    assert client.get("/projects/pets/results/review/picture/9").status_code == 400


def test_a_picture_outside_of_the_roots_is_not_shown(client, project, tmp_path):
    write_records(tmp_path / "secret.record", [b""])
    write_suspects(project, str(tmp_path / "secret.record"))
    assert client.get(picture_of(client, 1)).status_code == 404


def test_decisions_are_a_table_for_the_command(client, project):
    corrected = {"do": "change", "class": "<b>dog</b>", "xmin": "41", "ymin": "33.5", "xmax": "200", "ymax": "150"}
    decide(client, 1, **corrected)
    assert 'href="?at=2" aria-current' in client.get("/projects/pets/results/review").text
    decide(client, 2, do="take")
    first, second = read_corrections(decisions.corrections_file(project))
    assert (first.annotated_class, first.class_name) == ("cat", "<b>dog</b>")
    assert first.annotated_box == pytest.approx((0.1, 0.1, 0.5, 0.5))
    assert first.box == pytest.approx((33.5 / HEIGHT, 41 / WIDTH, 0.5, 0.5))
    assert (second.annotated_box, second.class_name) == (None, "cat")
    decide(client, 1, do="discard")
    assert [each.decision for each in read_corrections(decisions.corrections_file(project))] == ["discard", "change"]
    text = client.get("/projects/pets/results/review").text
    assert "All suspects have been looked at" in text
    assert "odtk correct data/pets projects/pets/corrections.csv --resume --json" in text


@pytest.mark.parametrize(
    ("rank", "fields"),
    [
        (1, {"do": "change", "class": "cat", "xmin": "1", "ymin": "1", "xmax": "401", "ymax": "9"}),
        (1, {"do": "change", "class": "cat", "xmin": "9", "ymin": "1", "xmax": "3", "ymax": "9"}),
        (1, {"do": "change", "class": "cat", "xmin": "a", "ymin": "1", "xmax": "3", "ymax": "9"}),
        (1, {"do": "change", "class": "cat", "xmin": "nan", "ymin": "1", "xmax": "3", "ymax": "9"}),
        (2, {"do": "discard"}),
        (1, {"do": "magic"}),
        (7, {"do": "keep"}),
    ],
)
def test_what_says_nothing_clear_is_refused(client, project, rank, fields):
    assert decide(client, rank, **fields).status_code == 400
    assert not decisions.corrections_file(project).exists()


def test_a_decision_about_what_has_another_rank_now_is_refused(client, project):
    mark, picture = mark_of(client, 1), picture_of(client, 1)
    assert f'name="suspect" value="{mark}"' in client.get("/projects/pets/results/review?at=1").text
    table = suspects.suspects_file(project).read_text()
    changes = {",30.0,40.0,": ",31.0,40.0,", ",36.0,44.0,": ",37.0,44.0,", "1,a.jpg,other": "3,a.jpg,other"}
    for old, new in changes.items():
        assert old in table
        suspects.suspects_file(project).write_text(table.replace(old, new))
        answer = decide(client, 1, suspect=mark, do="discard")
        assert (answer.status_code, "evaluated again since suspect 1 was shown" in answer.text) == (400, True)
        assert 'id="decision"' in answer.text  # the list as it is now
        assert client.get(picture).status_code == 400
        assert post(client, "/projects/pets/results/review/2", do="keep").status_code == 400
    assert not decisions.corrections_file(project).exists()


def test_another_missing_object_at_the_same_rank_is_not_decided(client, project):
    decide(client, 2, do="keep")
    path = suspects.suspects_file(project)
    path.write_text(path.read_text().replace(",200,220,290,380,", ",10,220,90,380,"))
    assert decisions.read_decisions(project) == {}


def test_boxes_that_reach_over_the_picture_can_be_decided(client, project):
    path = suspects.suspects_file(project)
    path.write_text(path.read_text().replace("150.0,200.0,36.0,44.0,150.0,200.0", "150.0,408.0,-3.0,44.0,150.0,411.5"))
    text = client.get("/projects/pets/results/review").text
    assert re.search(r'name="xmax"[^>]* max="400"[^>]* value="400"', text)
    boxes = {"keep": (None, "keep"), "discard": (None, "discard"), "take": ((0, 0.11, 0.5, 1), "change")}
    for said, (box, decision) in boxes.items():
        assert decide(client, 1, do=said).status_code == 303
        (row,) = read_corrections(decisions.corrections_file(project))
        assert (row.decision, row.box) == (decision, box and pytest.approx(box))
        assert row.annotated_box == pytest.approx((0.1, 0.1, 0.5, 1))


def test_a_decision_is_taken_back(client, project):
    assert "Take the decision back" not in client.get("/projects/pets/results/review?at=1").text
    decide(client, 1, do="discard")
    decide(client, 2, do="keep")
    assert "Take the decision back" in client.get("/projects/pets/results/review?at=1").text
    decide(client, 1, do="withdraw")
    assert list(decisions.read_decisions(project)) == [2]
    decide(client, 2, do="withdraw")
    assert not decisions.corrections_file(project).exists()


def test_what_was_typed_stays_when_it_is_refused(client, project):
    corners = {"xmin": "12.5", "ymin": "9", "xmax": "401", "ymax": "x"}
    text = decide(client, 1, **{"do": "change", "class": "<b>dog</b>", **corners}).text
    for name, value in corners.items():
        assert re.search(rf'name="{name}"[^>]* value="{value}"', text)
    assert "<option selected>&lt;b&gt;dog" in text


def test_decisions_of_an_earlier_evaluation_do_not_count(client, project):
    decide(client, 1, do="discard")
    text = suspects.suspects_file(project).read_text()
    suspects.suspects_file(project).write_text(text.replace(",30.0,40.0,", ",31.0,40.0,"))
    assert decisions.read_decisions(project) == {}
    text = client.get("/projects/pets/results/review").text
    assert "1 decision of an earlier evaluation was never written" in text
    decide(client, 2, do="keep")
    assert decisions.earlier_decisions(project) == {"projects/pets/earlier-corrections.csv": 1}
    (kept,) = read_corrections(decisions.earlier_file(project))
    assert (kept.decision, kept.annotated_class) == ("discard", "cat")
    assert list(decisions.read_decisions(project)) == [2]


def test_written_decisions_are_put_aside(client, project, monkeypatch):
    decide(client, 1, do="keep")
    started = []

    def start(key, words, then):
        started.append(str(words))
        then(Outcome(command("correct"), 0, {}, ""))

    monkeypatch.setattr(client.studio.background, "start", start)
    post(client, "/projects/pets/results/review/write")
    assert started == ["odtk correct data/pets projects/pets/corrections.writing.csv --resume --json"]
    assert not decisions.corrections_file(project).exists()
    assert decisions.written_ranks(project) == {1}
    assert client.get("/projects/pets/results/review?at=1").text.count("<dd>written</dd>") == 1


@pytest.fixture
def writing(client, project, monkeypatch):
    """Suspect 1 was decided and is being written; called with an exit code, the command ends."""
    decide(client, 1, do="keep")
    begun = []

    def start(key, words, then):
        client.studio.background._tasks[key] = (words, None)
        begun.append((key, then))

    monkeypatch.setattr(client.studio.background, "start", start)
    post(client, "/projects/pets/results/review/write")

    def end(exit_code):
        key, then = begun.pop()
        then(Outcome(command("correct"), exit_code, {}, ""))
        del client.studio.background._tasks[key]

    return end


def test_what_is_decided_while_others_are_written_stays(client, project, writing):
    assert "being written" in client.get("/projects/pets/results/review?at=1").text
    assert decide(client, 1, do="discard").status_code == 400
    decide(client, 2, do="keep")
    writing(0)
    assert decisions.written_ranks(project) == {1}
    assert list(decisions.read_decisions(project)) == [2]
    assert decide(client, 1, do="discard").status_code == 400


def test_nothing_is_made_of_data_that_are_being_written(client, project, writing):
    """Nor for another project, nor of a folder around them."""
    train = "/projects/pets/results/review/train"
    other = copy_project(project, "others")
    assert "Wait for the end of that." in client.get("/projects/pets/results/review").text
    for path in (train, "/projects/others/results/review/train"):
        answer = post(client, path, copy="pets-b")
        assert (answer.status_code, "just now. Wait for the end of that." in answer.text) == (400, True)
    with pytest.raises(OdtkError, match="just now"):
        data_use.require_unwritten(client.studio, client.studio.workspace.data)
    data_use.require_unwritten(client.studio, client.studio.workspace.data / "petals")
    write_suspects(other, suspects.read_suspects(project)[0].record[0])
    mark = suspects.read_suspects(other)[0].mark
    post(client, "/projects/others/results/review/1", suspect=mark, do="keep")
    assert post(client, "/projects/others/results/review/write").status_code == 400
    assert client.studio.jobs.all() == []
    writing(0)
    assert post(client, train, copy="pets-b").status_code == 303


def test_nothing_is_written_while_records_are_made(client, project):
    decide(client, 1, do="keep")
    made = command("make-tfrecords", "data/pets", "records/other", "--json")
    client.studio.background._tasks["records:records/other"] = (made, None)
    answer = post(client, "/projects/pets/results/review/write")
    assert "lack others" in answer.text
    del client.studio.background._tasks["records:records/other"]
    job = client.studio.jobs.add(made, "records:pets")
    assert post(client, "/projects/pets/results/review/write").status_code == 400
    client.studio.jobs.cancel(job.number)
    data_use.require_unread(client.studio, client.studio.workspace.data / "pets")
    assert list(decisions.read_decisions(project)) == [1]


def test_records_are_not_made_without_what_was_decided(client, project):
    decide(client, 1, do="keep")
    text = client.get("/projects/pets/results/review").text
    assert re.search(r"1 decision is not written yet.*<button disabled [^>]*>Make the records again", text)
    answer = post(client, "/projects/pets/results/review/train", copy="pets-b")
    assert (answer.status_code, client.studio.jobs.all()) == (400, [])


def test_decisions_that_could_not_be_written_are_taken_back(client, project, writing):
    decide(client, 2, do="keep")
    writing(1)
    assert list(decisions.read_decisions(project)) == [1, 2]
    assert decisions.written_ranks(project) == set()
    assert not decisions.writing_file(project).exists()


def test_a_writing_that_was_cut_off_is_taken_back(client, project):
    decide(client, 1, do="keep")
    decisions.begin_writing(project)
    text = client.get("/projects/pets/results/review").text
    assert "Write 1 decision<" in text
    assert [each.decision for each in read_corrections(decisions.corrections_file(project))] == ["keep"]


def test_two_people_decide_at_the_same_time(client, project, monkeypatch):
    write, rows = decisions.write_corrections, suspects.read_suspects(project)

    def slow(*arguments):
        time.sleep(0.05)
        write(*arguments)

    monkeypatch.setattr(decisions, "write_corrections", slow)
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda row: decisions.decide(project, row, decisions.Decision("keep")), rows))
    assert sorted(decisions.read_decisions(project)) == [1, 2]


def test_a_record_of_another_image_is_not_shown(client, project):
    path = client.studio.workspace.records / "pets" / "val.record"
    record = encode(AnnotatedImage(jpeg(WIDTH, HEIGHT), "c.jpg", HEIGHT, WIDTH, ()))
    write_records(path, [record, record])
    answer = client.get(picture_of(client, 1))
    assert answer.status_code == 400
    assert "is not a.jpg. Evaluate again." in answer.text
    page = client.get("/projects/pets/results/review")
    assert (page.status_code, "is not a.jpg. Evaluate again." in page.text) == (200, True)
    assert 'id="suspect"' not in page.text
    (form,) = re.findall('action="(/projects/pets/results/evaluate)"', page.text)
    assert post(client, form).headers["location"] == "/projects/pets/results"
    (job,) = client.studio.jobs.all()
    assert " ".join(job.command) in page.text
    path.unlink()
    assert "is not there any more. Evaluate again." in client.get("/projects/pets/results/review?at=2").text


def test_a_copy_that_cannot_be_trained_is_not_made(client, project):
    project.update("train", {"magic": 1})
    assert post(client, "/projects/pets/results/review/train", copy="pets-b").status_code == 400
    assert not (client.studio.workspace.projects / "pets-b").exists()
    assert client.studio.jobs.all() == []


def test_records_are_made_again_and_a_copy_is_trained(client, project):
    answer = post(client, "/projects/pets/results/review/train", copy="pets-b")
    assert answer.headers["location"] == "/projects/pets-b/training"
    records, training = sorted(client.studio.jobs.all(), key=lambda job: job.number)
    assert " ".join(records.command) == (
        "make-tfrecords data/pets records/pets --seed 7 --label-map runs/pets/label_map.pbtxt --overwrite"
    )
    assert " ".join(training.command).startswith("train projects/pets-b/pipeline.config runs/pets-b")
    assert training.after == (records.number,)


def test_a_project_that_does_not_name_its_data_asks_for_them(client, project):
    project.update("make-tfrecords", {"data-dir": None})
    assert "Folder of the annotated data" in client.get("/projects/pets/results/review").text
    assert post(client, "/projects/pets/results/review/folder", folder="/etc").status_code == 404
    post(client, "/projects/pets/results/review/folder", folder="data/pets")
    assert project.sections()["make-tfrecords"]["data-dir"] == "../../data/pets"


AGAIN = "make-tfrecords data/pets records/pets {}--label-map runs/pets/label_map.pbtxt --overwrite"


def again(client):
    """Sends the form, and returns the command of the records or why there is none."""
    answer = post(client, "/projects/pets/results/review/train", copy="pets-b")
    if answer.status_code != 303:
        return re.sub(r"&#?\w+;", "'", answer.text)
    return " ".join(min(client.studio.jobs.all(), key=lambda job: job.number).command)


def note_options(client, options):
    """Records as make-tfrecords leaves them."""
    shards.write_dataset(client.studio.workspace.records / "pets", "t", "v", "map", {}, options=options)


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, ""), ({"val-fraction": 0.1, "max-side": 800, "masks": True}, "--val-fraction 0.1 --max-side 800 --masks ")],
)
def test_records_are_made_again_with_the_options_that_they_have(client, project, options, words):
    project.update("make-tfrecords", {"data-dir": None, "seed": None})
    note_options(client, options)
    post(client, "/projects/pets/results/review/folder", folder="data/pets")
    written = {name: str(value).lower() for name, value in options.items()}
    assert project.sections()["make-tfrecords"] == {"data-dir": "../../data/pets", **written}
    assert AGAIN.format(words) in client.get("/projects/pets/results/review").text
    assert again(client) == AGAIN.format(words)


def test_corrections_are_read_as_the_records_were(client, project):
    project.update("make-tfrecords", {"seed": None})
    note_options(client, {"boxes": "xywh", "exif": "ignore", "seed": 3})
    assert " --boxes=xywh --exif=ignore " in str(decisions.correct_command(project, project.folder / "c.csv"))


def test_records_of_unknown_options_are_not_replaced(client, project):
    project.update("make-tfrecords", {"seed": None})
    assert "is not known with which options records/pets was made" in again(client)
    assert re.search("not known with which.*<button disabled", client.get("/projects/pets/results/review").text)
    for options in ({"label-map": "/etc/passwd"}, {"split": {"val": "/etc"}}, {"magic": 1}, {"output-dir": "data"}):
        note_options(client, options)
        assert "is not known with which options" in again(client)
    assert client.studio.jobs.all() == []


def test_a_project_file_that_does_not_say_what_the_records_have_is_asked_about(client, project):
    note_options(client, {"seed": 7, "max-side": 800})
    assert "records/pets was made with max-side: 800, but projects/pets/project.yaml says no max-side" in again(client)
    project.update("make-tfrecords", {"max-side": 800, "val-fraction": 0.3, "format": "yolo"})
    assert again(client) == AGAIN.format("--seed 7 --max-side 800 --format yolo ")


def test_in_a_browser(studio, page):
    """A box is dragged by its corner, and the correction is written into the file of labels by the command."""
    project = suspicious_project(Workspace(studio.folder))
    page.goto("/projects/pets/results/review")
    corner = page.locator(".handle").nth(2).bounding_box()
    scale = page.locator("#suspect").bounding_box()["width"] / WIDTH
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40 * scale, y - 30 * scale, steps=3)
    page.mouse.up()
    assert float(page.get_by_label("Right").input_value()) == pytest.approx(240, abs=1)
    page.get_by_label("Right").fill("240")
    page.get_by_label("Bottom").fill("120")
    page.get_by_label("Class").select_option("<b>dog</b>")
    page.get_by_role("button", name="Correct it").click()
    page.get_by_role("button", name="Nothing is missing").click()
    page.get_by_role("button", name="Write 2 decisions").click()
    page.get_by_text("1 changed, 0 added, 0 discarded").wait_for()
    path = studio.folder / "data" / "pets" / "labels" / "a.txt"
    assert path.read_text() == "1 0.350000 0.250000 0.500000 0.300000\n"
    assert path.with_name("a.txt.orig").read_text() == "0 0.3 0.3 0.4 0.4\n"
    assert decisions.written_ranks(project) == {1, 2}
    assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth")
