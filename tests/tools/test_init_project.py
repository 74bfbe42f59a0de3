"""`odtk run --init` on folders: what is found in them, and the file that is written."""

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import drawn_formats
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from drawn_formats import WRITERS, Drawing
from PIL import Image

import odtk.tools.init_project as tool
from odtk.cli.main import cli
from odtk.errors import DataError, OutputError
from odtk.findings import NOTE
from odtk.hardware import Device
from odtk.tools.configure import configure
from odtk.tools.init_project import init_project
from odtk.tools.init_project.data_facts import find_data_facts
from odtk.tools.init_project.machine_facts import CPU, GPU, MachineFacts, find_machine_facts
from odtk.tools.init_project.project_text import Entry, comment, section
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.run import project as project_files
from odtk.tools.run import run
from odtk.tools.synthetic_pets import BREEDS, draw_dataset, draw_picture

MACHINE = MachineFacts(cores=2, processor="AMD EPYC", memory=8 * 10**9)
T4 = MachineFacts(cores=2, memory=13 * 10**9, kind=GPU, model="Tesla T4", device_memory=15 * 10**9)
MANY = {"eval_input_reader[0].max_number_of_boxes": "340", "model.ssd.num_classes": "3"}
NAMES = ("zebra", "Bengal cat", "Tür_ä")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(tool, "find_machine_facts", lambda: MACHINE)


@pytest.fixture(scope="module")
def pictures():
    """Drawn pets as drawings of `drawn_formats`, each with its picture."""
    drawn = {}
    for number in range(24):
        picture = draw_picture(BREEDS[number % 3], np.random.default_rng((1, number)))
        objects = tuple((NAMES[number % 3], box) for box in picture.boxes)
        drawn[Drawing(f"pet {number:03}.jpg", *picture.image.size, objects)] = picture.image
    return drawn


@pytest.fixture(scope="module")
def folders(pictures, tmp_path_factory):
    """The same pictures as Pascal VOC, COCO and YOLO."""
    root = tmp_path_factory.mktemp("formats")

    def save(path: Path, drawing: Drawing) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[drawing].save(path, quality=92)

    for name in ("voc", "coco", "yolo"):
        WRITERS[name](root / name, tuple(pictures), save)
    return root


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return draw_dataset(tmp_path_factory.mktemp("drawn") / "pets", 24, 0, seed=7).folder


def test_the_same_images_in_three_formats_give_the_same_choices(folders, tmp_path):
    reports = {name: init_project(folders / name, tmp_path / f"{name}.yaml") for name in ("voc", "coco", "yolo")}
    assert reports["voc"].chosen == reports["coco"].chosen == reports["yolo"].chosen
    assert reports["voc"].why == reports["coco"].why == reports["yolo"].why
    assert reports["voc"].chosen["base"] == "ssd_resnet50_v1_fpn_small"
    assert reports["coco"].found.startswith("COCO, 24 images")
    assert "Bengal cat (8), Tür_ä (8), zebra (8)" in reports["yolo"].found
    sizes = {name: find_data_facts(folders / name) for name in ("voc", "yolo")}
    np.testing.assert_allclose(sizes["voc"].box_sizes, sizes["yolo"].box_sizes, atol=1e-6)


def test_the_file_is_read_back_and_says_what_the_report_says(folders, tmp_path):
    report = init_project(folders / "voc", tmp_path / "pets.yaml")
    project = project_files.read(report.output)
    assert list(project.stages) == ["make-tfrecords", "configure", "train", "evaluate", "export"]
    assert Path(project.output) == tmp_path / "runs" / "voc"
    converted, configured, trained = (
        project.stages[name].arguments(project.folder) for name in list(project.stages)[:3]
    )
    assert Path(converted["data_dir"]).samefile(folders / "voc")
    assert converted["val_fraction"] == 0.3
    assert configured["base"] == "ssd_resnet50_v1_fpn_small"
    assert (configured["image_size"], configured["batch_size"], configured["num_steps"]) == ((160, 160), 8, 600)
    assert trained["patience"] == 6
    assert report.next_command == f"odtk run {report.output}"


def options_in_comments(text: str):
    """The text with each of the keys that are not used put into use, one at a time."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if match := re.match(r"  #([a-z-]+):", line):
            block = [number]
            while block[-1] + 1 < len(lines) and lines[block[-1] + 1].startswith("  #  "):
                block.append(block[-1] + 1)
            used = [each.replace("#", "", 1) if index in block else each for index, each in enumerate(lines)]
            yield match[1], "\n".join(used)


@pytest.mark.parametrize("name", ["voc", "coco", "yolo", "pets"])
@pytest.mark.parametrize("machine_facts", [MACHINE, T4], ids=["cpu", "gpu"])
def test_each_key_in_the_comments_is_one_and_has_a_value_that_it_takes(
    name, machine_facts, folders, pets, tmp_path, monkeypatch
):
    monkeypatch.setattr(tool, "find_machine_facts", lambda: machine_facts)
    folder = pets if name == "pets" else folders / name
    text = Path(init_project(folder, tmp_path / "project.yaml").output).read_text("utf-8")
    before = project_files.parse(text, "project.yaml")
    keys = []
    for key, changed in options_in_comments(text):
        after = project_files.parse(changed, "project.yaml")
        added = {(name, each) for name, stage in after.stages.items() for each in stage.lines}
        added -= {(name, each) for name, stage in before.stages.items() for each in stage.lines}
        assert [each for _, each in added] == [key]
        keys.append(key)
    assert {"learning-rate", "set", "eval-every", "max-time", "winograd"} <= set(keys)


def test_the_file_is_two_screens_at_most_and_its_lines_fit(folders, tmp_path):
    lines = Path(init_project(folders / "coco", tmp_path / "a.yaml").output).read_text("utf-8").splitlines()
    assert len(lines) < 90
    assert [line for line in lines if len(line) > 100 and "http://" not in line] == []


def test_the_same_folder_gives_the_same_file_and_replaces_none_unasked(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = init_project(folders / "yolo")
    assert report.output == "yolo.yaml"
    first = Path("yolo.yaml").read_bytes()
    Path("yolo.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"yolo\.yaml already exists"):
        init_project(folders / "yolo")
    assert Path("yolo.yaml").read_text() == "mine"
    init_project(folders / "yolo", overwrite=True)
    assert Path("yolo.yaml").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["yolo.yaml"]


def test_the_pet_layout_brings_its_label_map(pets, tmp_path):
    report = init_project(pets, tmp_path / "pets.yaml")
    arguments = project_files.read(report.output).stages["make-tfrecords"].arguments(str(tmp_path))
    assert Path(arguments["label_map"]).samefile(pets / "label_map.pbtxt")
    assert "Abyssinian (6), beagle (6), Bengal (6), pug (6)" in report.found


def test_a_label_map_without_a_class_of_the_data_is_named_and_not_used(folders, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in (folders / "voc").iterdir():
        (data / path.name).symlink_to(path)
    (data / "mine.pbtxt").write_text('item { id: 1 name: "zebra" }')
    facts = find_data_facts(data)
    assert facts.label_map is None
    assert "mine.pbtxt is not used, as it has no item for 'Bengal cat'" in facts.notes[0]


def test_a_project_beside_the_images_writes_outside_of_them(pets, monkeypatch):
    monkeypatch.chdir(pets)
    path = Path(init_project(".").output)
    text = yaml.safe_load(path.read_text("utf-8"))
    path.unlink()
    assert (text["make-tfrecords"]["data-dir"], text["output"]) == (".", "../runs/pets")


@pytest.mark.parametrize("name", ["coco", "pets"])
def test_what_it_says_is_what_the_commands_do(name, folders, pets, tmp_path):
    report = init_project(pets if name == "pets" else folders / name, tmp_path / "project.yaml")
    stages = project_files.read(report.output).stages
    converted = make_tfrecords(**stages["make-tfrecords"].arguments(str(tmp_path)))
    assert converted.format == name
    assert converted.listed == 24
    said = int(re.search(r"About (\d+) images are held out", report.why["val-fraction"])[1])
    assert abs(said - converted.splits["val"].images) <= 2
    configured = configure(**stages["configure"].arguments(str(tmp_path)))
    of_training = [each for each in configured.findings if not each.path.startswith("eval_")]
    assert [str(each) for each in of_training if each.severity != NOTE] == []
    fields = {change.path.rpartition(".")[2] for change in configured.changes}
    assert not fields & {"batch_size", "num_steps", "learning_rate_base", "height"}, "the demo's training"


@pytest.mark.parametrize("name", ["voc", "coco", "pets"])
def test_what_is_written_can_be_run_in_a_moment(name, folders, pets, tmp_path):
    # The runs themselves take minutes: tests/tools/test_run_journey.py.
    report = init_project(pets if name == "pets" else folders / name, tmp_path / "project.yaml")
    planned = run(report.output, dry_run=True)
    assert planned.ran == ["make-tfrecords", "configure", "train", "evaluate", "export"]
    configured = planned["configure"].commands[0]
    assert f" --num-steps {report.chosen['num-steps']} " in f"{configured} "
    assert f" --image-size {report.chosen['image-size']} " in f"{configured} "
    assert configured.endswith(f"--train-records {planned['make-tfrecords'].outputs['records']}")
    assert [path.name for path in tmp_path.iterdir()] == ["project.yaml"]


def test_a_checkpoint_beside_the_file_is_fine_tuned(folders, tmp_path):
    name = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
    (tmp_path / name / "checkpoint").mkdir(parents=True)
    (tmp_path / name / "checkpoint/ckpt-0.index").touch()
    report = init_project(folders / "voc", tmp_path / "tuned.yaml")
    stages = project_files.read(report.output).stages
    assert stages["configure"].values["base"] == "ssd_mobilenet_v2_fpnlite_320x320_pets"
    assert stages["configure"].values["fine-tune-checkpoint"] == f"{name}/checkpoint/ckpt-0"
    assert stages["train"].values["reuse-head-weights"] is True


def test_changed_fields_are_written_as_the_file_has_them(folders, tmp_path, monkeypatch):
    plan = tool.make_plan
    monkeypatch.setattr(tool, "make_plan", lambda *arguments: dataclasses.replace(plan(*arguments), fields=MANY))
    report = init_project(folders / "voc", tmp_path / "many.yaml")
    assert project_files.read(report.output).stages["configure"].values["set"] == MANY


def nothing(folder: Path) -> None:
    folder.mkdir()


def images_alone(folder: Path) -> None:
    folder.mkdir()
    Image.new("RGB", (20, 20)).save(folder / "a.jpg")


def unknown_format(folder: Path) -> None:
    images_alone(folder)
    (folder / "a.json").write_text('{"shapes": [], "imagePath": "a.jpg", "imageData": null}')


def without_boxes(folder: Path) -> None:
    WRITERS["voc"](folder, (Drawing("a.jpg", 40, 30), Drawing("b.jpg", 40, 30)))


def one_image(folder: Path) -> None:
    WRITERS["voc"](folder, drawn_formats.DRAWINGS[:1])


def broken_images(folder: Path) -> None:
    WRITERS["voc"](folder, drawn_formats.DRAWINGS[:2], drawn_formats.touch)


def records(folder: Path) -> None:
    folder.mkdir()
    (folder / "train.record-00000-of-00001").touch()


def a_file(folder: Path) -> None:
    folder.write_text("")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (nothing, "neither images nor annotations"),
        (images_alone, "images but no annotations"),
        (unknown_format, "labelme"),
        (without_boxes, r"2 images without a box: there is nothing to learn"),
        (one_image, "one image; at least two are expected"),
        (broken_images, r"0 images without a box, and 2 that cannot be used .*0001"),
        (records, "odtk configure ssd_resnet50_v1_fpn_small .*--train-records"),
        (a_file, "is a file; a folder with annotated images is expected"),
        (lambda folder: None, "does not exist; a folder with annotated images is expected"),
    ],
)
def test_what_is_no_folder_of_annotated_images_is_named(make, said, tmp_path):
    make(tmp_path / "data")
    with pytest.raises(DataError, match=said) as caught:
        init_project(tmp_path / "data", tmp_path / "project.yaml")
    assert str(tmp_path / "data") in str(caught.value)
    assert caught.value.argument is None
    assert not (tmp_path / "project.yaml").exists()


def test_folders_and_files_that_are_not_on_this_machine(folders, tmp_path):
    with pytest.raises(DataError, match="gs://bucket/data is not on this machine"):
        init_project("gs://bucket/data", tmp_path / "a.yaml")
    with pytest.raises(OutputError, match=r"gs://bucket/a\.yaml is not on this machine"):
        init_project(folders / "voc", "gs://bucket/a.yaml")


def test_a_dataset_further_down_is_found_and_a_pet_layout_there_is_noted(folders, pets, tmp_path):
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "inner").symlink_to(folders / "coco")
    assert find_data_facts(tmp_path / "outer").images == 24
    (tmp_path / "above").mkdir()
    (tmp_path / "above" / "pets").symlink_to(pets)
    assert "above/pets is in the Oxford-IIIT Pet layout" in find_data_facts(tmp_path / "above").notes[-1]


def test_its_own_splits_are_those_that_make_tfrecords_keeps(pictures, tmp_path):
    def save(path: Path, drawing: Drawing) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[drawing].save(path)

    drawings = tuple(pictures)
    WRITERS["voc"](tmp_path / "data", drawings, save)
    sets = tmp_path / "data/ImageSets/Main"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("".join(f"{each.stem}\n" for each in drawings[:18]))
    (sets / "val.txt").write_text("".join(f"{each.stem}\n" for each in drawings[18:]))
    assert find_data_facts(tmp_path / "data").own_splits == {"train": 18, "val": 6}
    text = Path(init_project(tmp_path / "data", tmp_path / "a.yaml").output).read_text()
    assert "val-fraction" not in text
    assert "18 images for train, 6 images for val" in text


def test_tensorflow_is_asked_for_devices_only_where_there_may_be_one(tmp_path):
    def refuse():
        raise AssertionError("TensorFlow was asked")

    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 1000 kB\n")
    assert find_machine_facts(tmp_path, refuse).kind == CPU
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06 \n")
    found = find_machine_facts(tmp_path, lambda: [Device(GPU, number, "Tesla T4", 15_843_721_216) for number in (0, 1)])
    assert (found.kind, found.devices, found.device_memory, found.memory) == (GPU, 2, 16 * 10**9, 8_192_000_000)
    assert found.in_words == "2 Tesla T4 with 16 GB each"
    assert find_machine_facts(tmp_path, lambda: [Device(CPU)]).has_unused_gpu


def test_names_that_yaml_would_read_otherwise_stand_in_quotes():
    entries = [Entry("data-dir", name) for name in ("a: b", "# c", "null", "-x", 'it"s', "", "plain name", "1_0")]
    text = "\n".join(line for entry in entries for line in section("make-tfrecords", [entry]))
    assert [project_files.parse(part, "p").stages["make-tfrecords"].values["data-dir"]
            for part in re.split(r"\n(?=make)", text)] == [entry.value for entry in entries]  # fmt: skip


def test_names_of_classes_cannot_end_a_comment():
    assert all(line.startswith("# ") for line in comment("a class\noutput: elsewhere " * 20))


def test_strange_names_give_a_file_that_can_be_read_and_commands_that_can_be_pasted(folders, tmp_path):
    data = tmp_path / "it's\nnew\x7f"
    data.symlink_to(folders / "voc")
    (tmp_path / "sub").mkdir()
    report = init_project(data, tmp_path / "sub/my pets.yaml")
    stages = project_files.read(report.output).stages
    assert stages["make-tfrecords"].values["data-dir"] == f"../{data.name}"
    text = Path(report.output).read_text("utf-8")
    commands = [line.lstrip(" #") for line in text.splitlines() if re.match(r" *# {5}odtk", line)]
    assert "file's folder:" in text
    program = "odtk() { printf '%s\\0' \"$@\"; }\n" + "\n".join(commands)
    words = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split("\0")
    assert words == ["run", "my pets.yaml", "--dry-run", "run", "my pets.yaml", "download",
                     "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8", "run", "--init",
                     f"../{data.name}", "my pets.yaml", "--overwrite", ""]  # fmt: skip


def test_the_command_says_what_it_chose_and_what_comes_next(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(cli, ["run", "--init", str(folders / "voc"), "mine.yaml"])
    assert ran.exit_code == 0
    assert "base: ssd_resnet50_v1_fpn_small\n    Made for CPUs" in ran.stdout
    assert ran.stdout.endswith("Next: odtk run mine.yaml\n")
    assert "warning: 17 training images are very few" in ran.stderr
    again = CliRunner().invoke(cli, ["run", "--init", str(folders / "voc"), "mine.yaml"])
    assert again.exit_code == 1
    assert "mine.yaml already exists" in again.stderr
    assert "Option: --overwrite." in again.stderr
    as_json = CliRunner().invoke(cli, ["run", "--init", str(folders / "voc"), "mine.yaml", "--overwrite", "--json"])
    assert json.loads(as_json.stdout)["chosen"]["num-steps"] == 600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--init", "data", "--dry-run"], "leave --dry-run out"),
        (["--init", "data", "--from", "train"], "leave --from out"),
        (["a.yaml", "--overwrite"], "use --force"),
        ([], "--init FOLDER"),
    ],
)
def test_options_that_do_not_go_together(arguments, said):
    ran = CliRunner().invoke(cli, ["run", *arguments])
    assert ran.exit_code == 2
    assert said in ran.stderr
