"""The command lines of README and the docs are run, page by page and in order, where all that they name is there.

Data are drawn, trainings have two steps, and networks are small: what a line does is run, not what comes out. It takes
minutes, so it is `slow`; tests/test_docs_commands.py parses the same lines in the default run.
"""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import drawn_field
import pytest
import videos
import yaml
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from docs_site.commands import block_commands  # noqa: E402
from odtk.cli.main import cli  # noqa: E402
from odtk.datasets import corrections  # noqa: E402
from odtk.exporting import browser  # noqa: E402
from odtk.tools.synthetic_pets import draw_dataset  # noqa: E402

PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "cli.md")]
PAGES = [page for page in PAGES if any(True for _ in block_commands(page))]

NOT_RUN = {
    "from the network; tests/downloads and tests/tools have servers of their own": r"^download |^push |hf://",
    "a folder of TFOD's; tests/tools/test_migrate.py draws one": r"migrate |migrated",
    "no such device or machine here": r"--tpu|--workers|--devices gpu|FlinkRunner|gs://|camera:|rtsp:|https?:",
    "a worker of its own; tests/queue runs queues": r"^queue ",
    "a server, which does not end; tests/web runs studios": r"^studio",
    "placeholders": r"\b(FILE|MODEL|SOURCE\.\.\.|CONFIG|COMMAND|[A-Z]+_DIR)\b",
}
EXTRAS = {"ai_edge_litert": "tflite", "onnxruntime": "onnx|browser", "openvino": "openvino"}
NOT_RUN |= {
    f"{package} is not installed": what for package, what in EXTRAS.items() if not importlib.util.find_spec(package)
}
SMALL, STEPS = "ssd_resnet50_v1_fpn_small", "2"
ZOO = ("ssd_resnet50_v1_fpn_640x640_coco17_tpu-8", "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8",
       "ssd_mobilenet_v2_320x320_coco17_tpu-8")  # fmt: skip
SIDE = "160"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_pictures", "shallow_resnet")]


def why_not_run(words) -> str | None:
    line = " ".join(words)
    return next((why for why, pattern in NOT_RUN.items() if re.search(pattern, line)), None)


def odtk(*words: str, stdin: str | None = None):
    result = CliRunner().invoke(cli, list(words), input=stdin, prog_name="odtk")
    assert result.exit_code == 0, f"odtk {' '.join(words)}: {result.stderr[-2000:]}"
    return result


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with all that the pages name: data in each format, records, configs, a model dir, an exported model."""
    folder = tmp_path_factory.mktemp("world")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Classes that the Pet label map has, too: the pages compare models of pets with other groundtruth.
            patch.setattr(drawn_field, "COLORS", {"Bengal": (225, 25, 25), "beagle": (25, 25, 225)})
            patch.setattr(drawn_field, "CLASSES", ("Bengal", "beagle"))
            draw_data()
        draw_models()
    finally:
        os.chdir(before)
    return folder


def draw_data() -> None:
    draw_dataset("petdata", num_images=40, num_test=2, seed=3)
    drawn = drawn_field.pictures(16)
    for name in ("mydata", "my_voc", "pets", "more_photos"):
        drawn_field.write_voc(Path(name), drawn)
    drawn_field.write_coco(Path("my_coco"), drawn)
    drawn_field.write_voc(Path("foxes"), drawn_field.pictures(6, seed=1))
    for index, name in enumerate(("photo.jpg", "cat.jpg", "photos/a.jpg", "new-photos/b.jpg", "more/photos/c.jpg")):
        drawn_field.pictures(index + 20)[-1].save(Path(name))
    videos.write(Path("walk.mp4"), 4)
    shutil.copy("my_coco/instances.json", "instances_val.json")
    for picture in drawn:  # beside the JSON, where its pictures are looked for
        picture.save(Path(picture.name))
    draw_corrections(drawn[0])
    for name in browser._FILES:  # of the package that npm would fetch
        drawn_field.write(Path(browser.PACKAGE, "dist", name), name)


def draw_corrections(picture: drawn_field.Picture) -> None:
    """A table that removes an object of mydata."""
    label, (xmin, ymin, xmax, ymax) = picture.objects[0]
    annotated = {"annotated_class": label, "annotated_ymin": ymin, "annotated_xmin": xmin,
                 "annotated_ymax": ymax, "annotated_xmax": xmax}  # fmt: skip
    size = dict(zip(("width", "height"), picture.size, strict=True))
    row = {"image": picture.name, "decision": corrections.DISCARD} | annotated | size
    corrections.write_corrections("corrections.csv", [row])


def draw_models() -> None:
    odtk("make-tfrecords", "mydata", "records", "--num-shards", "1")
    for path in Path("records").glob("val.record*"):
        Path("more").mkdir(exist_ok=True)
        shutil.copy(path, "more")
    shutil.copy("records/label_map.pbtxt", "more")
    small = ["--image-size", SIDE, "--batch-size", "2", "--num-steps", STEPS]
    odtk("configure", SMALL, "--output", "mine.config", "--train-records", "records", *small)
    for name in ("pets.config", "my.config", "phone.config", "pipeline.config"):
        shutil.copy("mine.config", name)
    odtk("train", "mine.config", "model")
    odtk("evaluate", "mine.config", "model")
    odtk("export", "mine.config", "model", "exported")
    shutil.copy("model/eval/detections.json", "their_results.json")
    for name in ("models/pets", "other-model", "old-model", "new-model"):
        shutil.copytree("model", name)
    for name in ZOO:
        shutil.copytree("exported", name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_lines_of_a_page_run(page, world, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv(browser.ELSEWHERE, browser.PACKAGE)
    made: set[str] = set()
    for command in block_commands(page):
        if why_not_run(command.words) is None:
            words = reduced(list(command.words))
            make_room(words, made)
            odtk(*words, stdin="photo.jpg\n" if "-" in words else None)
            shorten_project(words)
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(folder)  # some 200 MB


def reduced(words: list[str]) -> list[str]:
    """The command with a small network, two steps and few images."""
    if words[0] == "configure":
        words = [SMALL if re.search("_(pets|small)$", word) else word for word in words]
        if "--fine-tune" in words:  # what it downloads would not fit the small network
            at = words.index("--fine-tune")
            words = [*words[:at], "--fine-tune-checkpoint", f"{ZOO[0]}/checkpoint/ckpt-0", *words[at + 1 :]]
        return with_values(words, {"--image-size": SIDE, "--batch-size": "2"})
    if words[0] == "train" and "--repeat" not in words:
        return [*without(words, "--num-steps"), "--num-steps", STEPS, "--eval-images", "2"]
    if words[0] == "benchmark":
        runs = [] if "--seconds" in words else ["--runs", "2"]
        return [*with_values(words, {"--seconds": "0.1"}), *runs, "--rounds", "1", "--warm-up", "0"]
    if words[0] == "export":
        return [*words, "--verify", "2"]
    if words[0] == "predict":  # a model of two steps is sure of nothing
        return with_values(words, {"--min-score": "0"})
    if words[0] == "demo":
        return [*words, "--num-images", "24", "--num-steps", STEPS]
    return words


def with_values(words: list[str], values: dict[str, str]) -> list[str]:
    for name, value in values.items():
        if name in words:
            words[words.index(name) + 1] = value
    return words


def without(words: list[str], option: str) -> list[str]:
    if option not in words:
        return words
    at = words.index(option)
    return words[:at] + words[at + 2 :]


def make_room(words: list[str], made: set[str]) -> None:
    """Removes what the world has and the page makes itself, once: the first line that makes it writes it.

    A later line to the same place has to run as it does for a reader. Records alone are made room for each time: a page
    shows them made from several kinds of data, of which a reader has one.
    """
    outputs = {"make-tfrecords": words[2:3], "train": words[2:3], "export": words[3:4]}.get(words[0], [])
    if "--output" in words and words[0] != "configure":
        outputs = [words[words.index("--output") + 1]]
    if words[0] == "configure" and "--output" in words and words[1] == SMALL:
        outputs = [words[words.index("--output") + 1]]
    if words[:2] == ["run", "--init"]:
        outputs = [f"{words[2]}.yaml"]
    for name in outputs:
        path = Path(name)
        is_again = name in made and words[0] != "make-tfrecords"
        if path.exists() and not is_again:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        made.add(name)


def shorten_project(words: list[str]) -> None:
    """Gives a project that was just written two steps of small images."""
    if words[:2] == ["run", "--init"]:
        path = Path(f"{words[2]}.yaml")
        project = yaml.safe_load(path.read_text())
        project["configure"] |= {"base": SMALL, "image-size": int(SIDE), "batch-size": 2, "num-steps": int(STEPS)}
        path.write_text(yaml.safe_dump(project))


def test_each_reason_is_needed():
    lines = [" ".join(command.words) for page in PAGES for command in block_commands(page)]
    assert [why for why, pattern in NOT_RUN.items() if not any(re.search(pattern, line) for line in lines)] == []


def test_most_lines_are_run():
    every = [command for page in PAGES for command in block_commands(page)]
    assert sum(why_not_run(command.words) is None for command in every) > 75
