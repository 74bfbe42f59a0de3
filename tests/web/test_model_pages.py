"""The pages of projects and models: forms with right and wrong values, several tabs, texts, refused paths."""

import os
import re

import pytest
import yaml
from running_studio import post
from small_projects import SMALL, make_records, run_in_this_process

from odtk import pipeline
from odtk.errors import OdtkError
from odtk.web.background import FAILED
from odtk.web.commands import Command, Outcome, command
from odtk.web.model_views.config_history import digest_of
from odtk.web.model_views.open_config import open_config
from odtk.web.model_views.previews import find_preview, subject_of
from odtk.web.model_views.summaries import _key
from odtk.web.projects import Project, create_project
from odtk.web.record_making import key_of

FIELD = "f:train_config."
HEIGHT = "f:model.ssd.image_resizer.fixed_shape_resizer.height"
PAGE = "/projects/pets/model"
ELSEWHERE = pipeline.set_fields(
    pipeline.read_text(SMALL), [("train_config.fine_tune_checkpoint", "/etc/ckpt-0")], "pipeline.config"
)


@pytest.fixture
def ran(monkeypatch):
    """The lines of the commands that were run."""
    lines = []
    run_in_this_process(monkeypatch, lines)
    return lines


@pytest.fixture
def project(client, ran):
    """A project of small records."""
    make_records(client.studio.workspace.folder)
    answer = post(client, "/projects/new", name="pets", records="records/pets", base=SMALL)
    assert answer.headers["location"] == PAGE
    return Project(client.studio.workspace, "pets")


def loaded(client, page=PAGE):
    """The digest of the text that a page shows."""
    return re.search(r'name="loaded" value="(\w{16})"', client.get(page).text)[1]


def by_htmx(client, path, /, **fields):
    return client.post(path, data={"csrf": client.csrf, **fields}, headers={"hx-request": "true"})


def config_of(project):
    return pipeline.read(project.config)


def test_a_new_project_has_a_config_for_its_records_and_a_file_that_odtk_run_reads(client, project, ran):
    config = config_of(project)
    assert config.model.ssd.num_classes == 2
    assert (
        str(client.studio.workspace.records / "pets") in config.train_input_reader.tf_record_input_reader.input_path[0]
    )
    assert yaml.safe_load(project.file.read_text())["train"] == {"pipeline-config": "pipeline.config"}
    assert ran[0].startswith(
        f"odtk configure {SMALL} --output projects/pets/pipeline.config --train-records records/pets"
    )


def test_records_that_the_studio_made_are_made_by_the_project_file_too(client, ran):
    workspace = client.studio.workspace
    make_records(workspace.folder)
    (workspace.data / "pets").mkdir(parents=True)
    words = command("make-tfrecords", "data/pets", "records/pets", "--val-fraction", "0.2", "--json")
    client.studio.background.start(key_of("records/pets"), words)
    post(client, "/projects/new", name="pets", records="records/pets", base=SMALL)
    sections = yaml.safe_load(Project(workspace, "pets").file.read_text())
    assert list(sections) == ["make-tfrecords", "train", "evaluate", "export"]
    assert sections["make-tfrecords"] == {"data-dir": "../../data/pets", "val-fraction": 0.2}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "../up"}, "cannot be called"),
        ({"name": "pets"}, "exists already"),
        ({"name": "new"}, "is the address of this page"),
        ({"records": "records/none"}, "has no records"),
        ({"records_path": "/etc"}, "is not below the studio"),
        ({"base": "nothing"}, "Choose a pipeline"),
        ({"base": "own", "own_text": "modle {}"}, "no field modle"),
        ({"base": "own", "own_path": "/etc/passwd"}, "is not below the studio"),
        ({"base": "own"}, "Paste a pipeline.config"),
        (
            {"base": "own", "own_text": ELSEWHERE},
            "is not below the studio",
        ),
    ],
)
def test_a_project_that_cannot_be_made_says_why_and_leaves_nothing(client, ran, fields, reason):
    make_records(client.studio.workspace.folder)
    create_project(client.studio.workspace, "pets", {})
    given = {"name": "dogs", "records": "records/pets", "base": SMALL, **fields}
    answer = post(client, "/projects/new", **given)
    assert answer.status_code == 400
    assert reason in answer.text
    assert not (client.studio.workspace.projects / "dogs").exists()


def test_an_own_config_is_the_base(client, project):
    text = pipeline.read_text(SMALL).replace("num_steps: 600", "num_steps: 77").replace("PATH_TO_BE_CONFIGURED", "/tf")
    post(client, "/projects/new", name="own", records="records/pets", base="own", own_text=text.replace("\n", "\r\n"))
    found = config_of(Project(client.studio.workspace, "own"))
    assert (found.train_config.num_steps, found.model.ssd.num_classes) == (77, 2)


def test_a_project_goes_on_where_it_is(client, project):
    where = lambda: client.get("/projects/pets").headers["location"]  # noqa: E731
    assert where() == PAGE
    (project.run / "eval").mkdir(parents=True)
    assert where() == "/projects/pets/training"
    (project.run / "eval/metrics.json").write_text("{}")
    assert where() == "/projects/pets/results"
    assert "Trained and evaluated" in client.get("/projects").text


def test_a_change_is_made_by_configure_and_the_page_gets_what_is_new(client, project, ran):
    answer = by_htmx(client, PAGE, loaded=loaded(client), **{f"{FIELD}batch_size": "16"})
    assert config_of(project).train_config.batch_size == 16
    assert (
        "odtk configure projects/pets/pipeline.config --output projects/pets/pipeline.config --batch-size 16 --json"
        in ran
    )
    changed = re.findall(r'<div class="field" id="f-([\w-]+)-field" hx-swap-oob', answer.text)
    assert [name.rpartition("-")[2] for name in changed] == ["batch_size", "learning_rate_base", "warmup_learning_rate"]
    assert "the learning rate is scaled with it" in answer.text
    assert "--batch-size 16" in client.get(PAGE).text


def test_a_wrong_value_stands_at_its_field_and_is_not_written(client, project, ran):
    before, page = project.config.read_text(), loaded(client)
    fields = {f"{FIELD}batch_size": "0", f"{FIELD}num_steps": "<b>many</b>"}
    answer = post(client, PAGE, loaded=page, **fields)
    assert answer.status_code == 400
    assert "batch_size is 0; a batch has at least one image. It was not changed." in answer.text
    assert "not &lt;b&gt;many&lt;/b&gt;." in answer.text
    assert "<b>many" not in answer.text
    assert project.config.read_text() == before
    assert sum("configure" in line for line in ran) == 1  # the project's own


def test_a_size_that_cannot_work_shows_where_it_breaks(client, project, ran):
    answer = by_htmx(client, PAGE, loaded=loaded(client), **{HEIGHT: "100"})
    assert "With the values that were not saved" in answer.text
    assert re.search(r"odtk summary \.odtk-studio/configs/pets/\w{16}\.config --json", "\n".join(ran))


def test_two_tabs_change_two_fields(client, project):
    first = second = loaded(client)
    by_htmx(client, PAGE, loaded=first, **{f"{FIELD}batch_size": "4", f"{FIELD}num_steps": "600"})
    answer = by_htmx(client, PAGE, loaded=second, **{f"{FIELD}batch_size": "8", f"{FIELD}num_steps": "500"})
    train = config_of(project).train_config
    assert (train.batch_size, train.num_steps) == (4, 500)
    assert 'name="f:train_config.batch_size" value="4"' in answer.text


def test_a_page_of_an_unknown_text_changes_nothing(client, project):
    answer = by_htmx(client, PAGE, loaded="0" * 16, **{f"{FIELD}batch_size": "4"})
    assert answer.status_code == 400
    assert "Reload it" in answer.text


def test_an_optimizer_and_a_schedule_are_chosen_and_the_page_gets_their_fields(client, project, ran):
    cosine = f"{FIELD}optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.learning_rate_base"
    answer = by_htmx(client, PAGE, loaded=loaded(client), **{f"{FIELD}optimizer": "adam", cosine: "0.005"})
    assert 'id="group-training" hx-swap-oob="true"' in answer.text
    assert 'name="f:train_config.optimizer.adam_optimizer.epsilon"' in answer.text
    assert "HX-Refresh" not in answer.headers
    adam = config_of(project).train_config.optimizer.adam_optimizer
    assert adam.learning_rate.cosine_decay_learning_rate.learning_rate_base == pytest.approx(0.005)
    assert "--set" in ran[-2] + ran[-1]
    schedule = f"{FIELD}optimizer.adam_optimizer.learning_rate"
    by_htmx(client, PAGE, loaded=loaded(client), **{schedule: "manual_step"})
    assert config_of(project).train_config.optimizer.adam_optimizer.learning_rate.HasField("manual_step_learning_rate")
    answer = by_htmx(client, PAGE, loaded=loaded(client), **{f"{schedule}.manual_step_learning_rate.schedule": "<b>"})
    assert "&lt;b&gt;&#39; is no step and rate. Type them as 400: 0.002, 533: 0.0002. It was not" in answer.text


def test_augmentations_are_switched_and_set(client, project):
    on = {"aug_shown": "1", "aug": ["0", "+random_crop_image"]}
    answer = by_htmx(client, PAGE, loaded=loaded(client), **on)
    assert 'id="augmentations" hx-swap-oob' in answer.text
    path = "f:train_config.data_augmentation_options[1].random_crop_image.min_area"
    by_htmx(client, PAGE, loaded=loaded(client), aug_shown="1", aug=["1"], **{path: "0.5"})
    options = config_of(project).train_config.data_augmentation_options
    assert [(option.WhichOneof("preprocessing_step"), option.random_crop_image.min_area) for option in options] == [
        ("random_crop_image", 0.5)
    ]


def test_a_switch_is_refused_if_other_augmentations_are_on_meanwhile(client, project):
    stale = loaded(client)
    by_htmx(client, PAGE, loaded=stale, aug_shown="1", aug=["0", "+random_crop_image"])
    answer = by_htmx(client, PAGE, loaded=stale, aug_shown="1", aug=[], **{f"{FIELD}num_steps": "50"})
    assert "The augmentations were changed elsewhere meanwhile." in answer.text
    assert 'id="aug-random_crop_image-1"' in answer.text
    assert config_of(project).train_config.num_steps == 50
    assert len(config_of(project).train_config.data_augmentation_options) == 2
    assert "elsewhere" not in by_htmx(client, PAGE, loaded=stale, aug_shown="1", aug=["0"]).text


def test_a_change_is_undone_once(client, project):
    before = project.config.read_text()
    by_htmx(client, PAGE, loaded=loaded(client), **{f"{FIELD}num_steps": "50"})
    stale = loaded(client)
    post(client, f"{PAGE}/undo", loaded=stale)
    assert project.config.read_text() == before
    assert post(client, f"{PAGE}/undo", loaded=stale).status_code == 400
    assert "Undo" not in client.get(PAGE).text


def test_a_finding_is_fixed_by_its_button(client, project):
    project.config.write_text(project.config.read_text().replace("height: 160", "height: 100"))
    number = re.search(r'name="number" value="(\d+)"', client.get(PAGE).text)[1]
    by_htmx(client, f"{PAGE}/fix", loaded=loaded(client), number=number)
    assert config_of(project).model.ssd.image_resizer.fixed_shape_resizer.height == 160


def test_options_of_training_are_kept_in_the_project_file(client, project):
    answer = by_htmx(
        client, f"{PAGE}/options", **{"o:patience": "5", "was:patience": "", "o:seed": "x", "was:seed": ""}
    )
    assert "seed takes a whole number" in answer.text
    assert project.sections()["train"] == {"pipeline-config": "pipeline.config", "patience": "5"}
    by_htmx(client, f"{PAGE}/options", **{"o:patience": "", "was:patience": "5"})
    assert "patience" not in project.sections()["train"]


def test_only_a_change_gives_up_a_summary_that_other_tabs_may_wait_for(client, project, monkeypatch):
    cancelled = []
    monkeypatch.setattr(client.studio.background, "cancel", cancelled.append)
    one = loaded(client)
    post(client, PAGE, loaded=one, **{f"{FIELD}num_steps": "700"})
    two = loaded(client)
    for digest in (one, two, one, two):
        assert client.get(f"{PAGE}/summary?of={digest}").status_code == 200
    assert cancelled == []
    by_htmx(client, PAGE, loaded=two, **{f"{FIELD}num_steps": "800"})
    assert cancelled == [_key(two)]


@pytest.mark.parametrize("of", ["model", "new"])
def test_a_summary_that_failed_is_made_again_when_one_asks_for_it(client, project, ran, of):
    address = {"model": f"{PAGE}/summary", "new": f"/projects/new/cost/{SMALL}"}[of]
    key = _key(loaded(client) if of == "model" else f"shipped:{SMALL}")

    def note(code, messages):
        words = Command(("summary", "x"))
        client.studio.background._note(key, words, FAILED, Outcome(words, code, None, messages))
        ran.clear()

    note(-9, "")
    for _ in range(2):
        page = client.get(address).text
        assert "ended with exit code -9" in page
        assert "Try again" in page
    assert ran == []
    assert "Multiply-adds" in by_htmx(client, address, of="").text
    assert len(ran) == 1
    note(1, "error: It was cut off, as the studio was killed while it ran. Start it again.")
    assert "Multiply-adds" in client.get(address).text
    by_htmx(client, address, of="")  # what is there already is not made again
    assert len(ran) == 1


def test_a_new_picture_gives_up_the_one_before(client, project, monkeypatch):
    cancelled = []
    monkeypatch.setattr(client.studio.background, "cancel", cancelled.append)
    for record in ("1", "1", "2"):
        by_htmx(client, f"{PAGE}/preview", record=record)
    client.get(f"{PAGE}/preview?of=1")
    assert len(cancelled) == 1


def test_a_text_with_a_typo_is_not_saved_and_shows_its_line(client, project):
    before = project.config.read_text()
    text = before.replace("num_steps: 600", "num_stesp: 600")
    number = text[: text.index("num_stesp")].count("\n") + 1
    answer = post(client, f"{PAGE}/text", loaded=loaded(client, f"{PAGE}/text"), text=text.replace("\n", "\r\n"))
    assert answer.status_code == 400
    assert re.search(rf'id="L{number}" class="tone-error marked".*Did you mean num_steps', answer.text)
    assert "num_stesp: 600" in answer.text
    assert project.config.read_text() == before


def test_a_text_is_saved_with_its_own_line_ends(client, project):
    text = project.config.read_text().replace("num_steps: 600", "num_steps: 60")
    post(client, f"{PAGE}/text", loaded=loaded(client, f"{PAGE}/text"), text=text.replace("\n", "\r\n"))
    assert project.config.read_bytes() == text.encode()


def test_a_text_that_was_changed_meanwhile_is_shown_beside_the_other(client, project):
    before, page = project.config.read_text(), loaded(client, f"{PAGE}/text")
    project.config.write_text(before.replace("num_steps: 600", "num_steps: 61"))
    mine = before.replace("batch_size: 8", "batch_size: 3")
    answer = post(client, f"{PAGE}/text", loaded=page, text=mine)
    assert answer.status_code == 409
    assert "num_steps: 61" in answer.text
    assert "batch_size: 3" in answer.text
    assert "num_steps: 61" in project.config.read_text()
    again = re.findall(r'name="loaded" value="(\w{16})"', answer.text)[0]
    post(client, f"{PAGE}/text", loaded=again, text=mine)
    assert project.config.read_text() == mine


def test_a_path_that_is_to_be_set_does_not_lead_elsewhere(client, project):
    text = re.sub(
        r'label_map_path: "[^"]*"', 'label_map_path: "PATH_TO_BE_CONFIGURED/../../x"', project.config.read_text()
    )
    answer = post(client, f"{PAGE}/text", loaded=loaded(client, f"{PAGE}/text"), text=text)
    assert "is not below the studio" in answer.text


def test_two_projects_of_a_name_at_once_are_one(client, project, monkeypatch):
    monkeypatch.setattr("pathlib.Path.exists", lambda path: False)
    with pytest.raises(OdtkError, match="projects/pets exists already"):
        create_project(client.studio.workspace, "pets", {})


def test_a_picture_is_of_the_records_as_they_are_now(client, project):
    opened = open_config(client.studio.workspace, "pets")
    first = find_preview(client.studio, opened, subject_of(opened, ""))
    words = Command(("x",))
    client.studio.background._note(f"preview:{first.key}", words, "done", Outcome(words, 0, None, ""))
    assert find_preview(client.studio, opened, first.subject).failure == ""  # it was drawn, and removed since
    for shard in client.studio.workspace.records.rglob("*train*"):
        os.utime(shard, (1, 1))
    assert find_preview(client.studio, opened, first.subject).key != first.key


def test_texts_that_were_only_tried_are_removed_in_the_end(client, project, monkeypatch):
    history = open_config(client.studio.workspace, "pets").history
    monkeypatch.setattr("odtk.web.model_views.config_history._KEPT", 3)
    for number in range(6):
        history.keep(f"# {number}")
    assert len(list(history.folder.glob("*.config"))) <= 3 + len(history._order())
    assert history.text_of(digest_of(history.now())) is not None


@pytest.mark.parametrize("part", ["text", "text/check"])
def test_a_text_that_names_files_of_elsewhere_is_refused(client, project, part):
    before = project.config.read_text()
    text = re.sub(r'label_map_path: "[^"]*"', 'label_map_path: "/etc/passwd"', before)
    answer = post(client, f"{PAGE}/{part}", loaded=loaded(client, f"{PAGE}/text"), text=text)
    assert answer.status_code in (400, 404)
    assert "is not below the studio" in answer.text
    assert "root:" not in answer.text
    assert project.config.read_text() == before


def test_a_config_that_cannot_be_read_leads_to_its_text(client, project):
    project.config.write_text("model {")
    assert client.get(PAGE).headers["location"] == f"{PAGE}/text"
    assert client.get(f"{PAGE}/text").status_code == 200


def test_a_config_is_compared_with_the_trained_one(client, project):
    project.run.mkdir(parents=True)
    trained = project.config.read_text().replace("num_steps: 600", "num_steps: 5")
    (project.run / "pipeline.config").write_text(trained)
    assert re.search(r'class="removed">-\s+num_steps: 5<', client.get(f"{PAGE}/text").text)
    assert "num_steps: 5<" not in client.get(f"{PAGE}/text?against=shipped").text


def test_pictures_are_drawn_by_a_program_of_their_own(client, project, ran):
    answer = by_htmx(client, f"{PAGE}/preview", record="1")
    assert answer.status_code == 200
    assert ran[-1].startswith("python -m odtk.web.augmented_sheet projects/pets/pipeline.config .odtk-studio/previews/")
    assert ran[-1].endswith("--record 1")
    assert by_htmx(client, f"{PAGE}/preview", record="-1").status_code == 400
    assert client.get(f"{PAGE}/preview/..%2F..%2Fsecret.png").status_code == 404


def test_the_augmentations_are_shown_on_a_picture_of_ones_own(client, project, ran):
    folder = client.studio.workspace.data / "pets"
    folder.mkdir(parents=True)
    (folder / "a cat.jpg").write_bytes(b"1")
    piece = by_htmx(client, f"{PAGE}/preview", path="data/pets/a cat.jpg", record="0", was="0").text
    assert ran[-1].endswith("--picture 'data/pets/a cat.jpg'")
    assert 'name="live" value="data/pets/a cat.jpg" form="model-form"' in piece or "live" not in piece
    project.update("make-tfrecords", {"data-dir": "../../data/pets"})
    (folder / "a cat.jpg").write_bytes(b"22")  # another file has another picture
    by_htmx(client, f"{PAGE}/preview", path="data/pets/a cat.jpg", was="data/pets/a cat.jpg")
    assert ran[-1].endswith("--picture 'data/pets/a cat.jpg' --annotated")
    by_htmx(client, f"{PAGE}/preview", path="data/pets/a cat.jpg", record="3", was="data/pets/a cat.jpg")
    assert ran[-1].endswith("--record 3")
    for path in ("/etc/passwd", "data/none.jpg", "records/pets/label_map.pbtxt", "upload:../../secret", "upload:"):
        assert by_htmx(client, f"{PAGE}/preview", path=path).status_code in (400, 404)


def test_an_uploaded_picture_is_kept_while_augmentations_are_changed(client, project, ran):
    headers = {"hx-request": "true", "x-csrf-token": client.csrf}
    answer = client.post(f"{PAGE}/preview", files={"file": ("Mine.PNG", b"\x89PNG", "image/png")}, headers=headers)
    was = re.search(r'name="was" value="(upload:\w{24}\.png)"', answer.text)[1]
    kept = client.studio.workspace.hidden / "previews" / "uploads" / was.removeprefix("upload:")
    assert kept.read_bytes() == b"\x89PNG"
    assert ran[-1].endswith(f"--picture .odtk-studio/previews/uploads/{kept.name}")
    ran.clear()
    by_htmx(client, f"{PAGE}/preview", path="", record="", was=was)
    by_htmx(client, PAGE, loaded=loaded(client), live=was, aug_shown="1", aug="random_horizontal_flip")
    assert [line for line in ran if "augmented_sheet" in line][-1].endswith(kept.name)
    assert client.post(f"{PAGE}/preview", files={"file": ("a.mp4", b"x")}, headers=headers).status_code == 400


def test_only_models_of_the_type_are_downloaded(client, project, ran):
    assert post(client, f"{PAGE}/download", zoo="efficientdet_d0_coco17_tpu-32").status_code == 400
    post(client, f"{PAGE}/download", zoo="ssd_resnet50_v1_fpn_640x640_coco17_tpu-8")
    assert ran[-1] == "odtk download ssd_resnet50_v1_fpn_640x640_coco17_tpu-8 --dir downloads --json"


def test_a_checkpoint_is_chosen_with_what_belongs_to_it(client, project):
    prefix = client.studio.workspace.runs / "other/ckpt-5"
    prefix.parent.mkdir(parents=True)
    for suffix in (".index", ".data-00000-of-00001"):
        prefix.with_name(prefix.name + suffix).write_bytes(b"")
    assert f'value="{prefix}"' in client.get(PAGE).text
    by_htmx(client, PAGE, loaded=loaded(client), **{f"{FIELD}fine_tune_checkpoint": str(prefix)})
    train = config_of(project).train_config
    assert (train.fine_tune_checkpoint, train.fine_tune_checkpoint_type) == (str(prefix), "detection")
    answer = by_htmx(client, PAGE, loaded=loaded(client), **{f"{FIELD}fine_tune_checkpoint": "/etc/ckpt-0"})
    assert "is not below the studio" in answer.text
    assert config_of(project).train_config.fine_tune_checkpoint == str(prefix)


def test_a_text_that_is_not_saved_is_asked_about(page, studio):
    folder = studio.folder / "projects/pets"
    folder.mkdir(parents=True)
    (folder / "project.yaml").write_text("train: {pipeline-config: pipeline.config}")
    (folder / "pipeline.config").write_text(pipeline.read_text(SMALL))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(f"{PAGE}/text")
    page.reload()
    assert asked == []
    page.locator("#text").press_sequentially("#")
    page.reload()
    assert asked == ["beforeunload"]
