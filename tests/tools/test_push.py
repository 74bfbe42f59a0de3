"""`odtk push` and hf:// addresses of `odtk download`, against a Hub of this process."""

import builtins
import json
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from fake_hub import Repositories

from odtk import label_map
from odtk.cli.main import cli
from odtk.downloads import hub
from odtk.errors import DownloadError, OdtkError, OutputError
from odtk.resources import shipped_files
from odtk.tools.download import download
from odtk.tools.push import push
from odtk.tools.push.saved_input import saved_model_type

PLACE = "hf://me/pets"
METRICS = {
    "DetectionBoxes_Precision/mAP": 0.63156,
    "DetectionBoxes_Precision/mAP@.50IOU": 1.0,
    "DetectionBoxes_Precision/mAP@.75IOU": None,
    "DetectionBoxes_Precision/mAP (small)": -1.0,
}


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The library, in whose place a fake stands; the working folder has an exported folder and the model dir."""
    found = Repositories()
    monkeypatch.setitem(sys.modules, "huggingface_hub", found)
    monkeypatch.delenv(hub.ENDPOINT, raising=False)
    monkeypatch.chdir(tmp_path)
    config = shipped_files("pipelines", ".config")["ssd_resnet50_v1_fpn_small"].read_text("utf-8")
    config = config.replace("PATH_TO_BE_CONFIGURED", "/home/secret", 1)
    write("exported/saved_model/saved_model.pb", "graph")
    write("exported/pipeline.config", config)
    write("exported/.hidden/x", "")
    label_map.write(label_map.of_names(["cat", "dog | wolf"]), tmp_path / "exported/label_map.pbtxt")
    agreement = {"objects": 30, "missing": 1, "extra": 0, "boxes": 1.234e-4, "scores": 0.0}
    certified = {"path": "saved_model", "agreement": agreement, "map_before": 0.8, "map_after": None}
    write("exported/certificate.json", json.dumps({"checkpoint": "/home/secret", "formats": [certified]}))
    write("model/eval/metrics.json", json.dumps(METRICS))
    write("model/eval/classes.json", json.dumps([{"name": "cat", "AP": 0.5, "AP@.50IOU": None}]))
    records = {f"/home/secret/pets_val.record-{n:05d}-of-00002": {"records": 24} for n in range(2)}
    session = {"versions": {"odtk": "0.1.0", "tensorflow": "2.20.0"}, "last_step": 300, "batch": {"images": 8}}
    session |= {"machine": {"host": "secret"}, "command": "odtk train /home/secret"}
    write("model/run.json", json.dumps({"records": records, "sessions": [{}, session]}))
    for step in (50, 300, 75):
        write(f"model/evaluations/step-{step}.png", f"picture {step}")
    return found


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")


def head(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_folder_goes_there_and_comes_back(fake):
    report = push("exported", PLACE, run="model", license="apache-2.0", private=True, message="Better")
    assert fake.calls == [
        ("create_repo", "me/pets", "model", True, True), ("create_commit", "me/pets", "model", None, "Better")
    ]  # fmt: skip
    assert report.address == "https://hub.example/me/pets/commit/1"
    assert report.notes == []
    assert report.files == ["README.md", "certificate.json", "label_map.pbtxt", "picture.png", "pipeline.config",
                            "saved_model/saved_model.pb"]  # fmt: skip
    assert fake.files["me/pets"]["picture.png"] == b"picture 300"
    back = download(f"{PLACE}@main", dir="there")
    assert fake.calls[-1] == ("snapshot_download", "me/pets", "main")
    assert back.folder == "there/pets"
    found = {path.relative_to("there/pets").as_posix() for path in Path("there/pets").rglob("*") if path.is_file()}
    assert found == {*report.files, ".odtk-download.json"}
    assert not Path("there/pets/.cache").exists()
    assert back.next_command == "odtk predict there/pets IMAGE --output FOLDER"


def test_the_card_says_what_the_run_was(fake):
    text = push("exported", PLACE, run="model", license="apache-2.0", dry_run=True).card
    found = head(text)
    assert (found["license"], found["pipeline_tag"]) == ("apache-2.0", "object-detection")
    assert "ssd_resnet50_v1_fpn_keras" in found["tags"]
    (model,) = found["model-index"]
    assert [(each["name"], each["value"]) for each in model["results"][0]["metrics"]] == [
        ("mAP", 0.6316), ("mAP at IoU 0.50", 1.0)
    ]  # fmt: skip
    for line in (
        "# pets\n",
        "A detector of 2 classes: `ssd_resnet50_v1_fpn_keras`",
        "![Groundtruth and detections](picture.png)",
        "| mAP | 0.632 |\n",
        "| cat | 0.500 |  |\n",
        "| saved_model | 29 of 30 | 0.00012 | 0 |  | 0.800 |\n",
        "- `pets_val.record`: 48 images\n",
        "- 300 steps of 8 images, odtk 0.1.0, TensorFlow 2.20.0\n",
        "- Classes: cat, dog | wolf\n",
        "odtk download hf://me/pets\n",
    ):
        assert line in text
    # Neither this machine nor its folders are the world's business.
    assert "secret" not in text


def write_signature(shape, dtype, ops=(), name="input_tensor"):
    saved = saved_model_type()()
    graph = saved.meta_graphs.add()
    given = graph.signature_def["serving_default"].inputs[name]
    given.dtype = dtype
    for size in shape:
        given.tensor_shape.dim.add(size=size)
    function = graph.graph_def.library.function.add()
    for op in ops:
        function.node_def.add(op=op)
    Path("exported/saved_model/saved_model.pb").write_bytes(saved.SerializeToString())


@pytest.mark.parametrize(
    ("shape", "dtype", "ops", "words"),
    [
        ((1, -1, -1, 3), 4, (), "uint8 [1, height, width, 3], one image"),
        ((-1, -1, -1, 3), 1, (), "float32 [batch, height, width, 3], a batch, values from 0 to 255"),
        ((-1,), 7, ("DecodeImage",), "string [batch], JPEG or PNG bytes"),
        ((-1,), 7, ("ParseExampleV2",), "string [batch], serialized tf.train.Examples"),
        ((-1, 5), 9, (), "int64 [?, 5]"),
    ],
)
def test_the_card_says_what_this_model_takes(fake, shape, dtype, ops, words):
    write_signature(shape, dtype, ops)
    text = push("exported", PLACE, dry_run=True).card
    assert f"found = detect(input_tensor=tf.constant(given))  # given: {words}\n" in text


def test_a_model_that_cannot_be_read_is_not_described(fake):
    line = "tf.constant(given))  # given: see detect.structured_input_signature\n"
    assert line in push("exported", PLACE, dry_run=True).card
    write("exported/saved_model/saved_model.pb", "")
    assert line in push("exported", PLACE, dry_run=True).card
    Path("exported/saved_model/saved_model.pb").unlink()
    assert "serving_default" not in push("exported", PLACE, dry_run=True).card


def test_what_is_not_known_is_said_and_not_made_up(fake):
    report = push("exported", PLACE, dry_run=True)
    assert (fake.calls, report.address) == ([], None)
    assert [note.split(":")[0].split(",")[0] for note in report.notes] == [
        "no license is stated", "the card has no metrics", "the card has no picture"
    ]  # fmt: skip
    assert "license" not in head(report.card)
    assert "model-index" not in head(report.card)
    assert "## Results" not in report.card
    assert "No license was stated" in report.card


def test_a_card_of_ones_own_stays(fake):
    write("exported/README.md", "mine")
    report = push("exported", PLACE, run="model")
    assert fake.files["me/pets"]["README.md"] == b"mine"
    assert "picture.png" not in report.files
    assert "nothing of the run is added" in report.notes[0]


def test_folders_that_are_no_exports(fake):
    write("model/ckpt-300.index", "")
    write("empty/x", "")
    for folder, words in (("model", "First: odtk export model/pipeline.config model exported"),
                          ("empty", "has no pipeline.config"), ("absent", "is not a folder")):  # fmt: skip
        with pytest.raises(OdtkError, match=words) as error:
            push(folder, PLACE)
        assert error.value.argument == "folder"
    assert fake.calls == []


@pytest.mark.parametrize("address", ["me/pets", "hf://pets", "hf://a/b/c", "hf://me/pets@"])
def test_addresses_that_are_none(fake, address):
    with pytest.raises(DownloadError, match="is not hf://USER/MODEL"):
        push("exported", address)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RepositoryNotFoundError", "there is no such model, or it is private: log in by `hf auth login`"),
        ("GatedRepoError", "its owner must give you access first"),
        ("RevisionNotFoundError", "there is no such branch"),
        ("HfHubHTTPError", "Server said no"),
    ],
)
def test_the_hubs_refusals(fake, name, words, tmp_path, monkeypatch):
    fake.failure = getattr(fake.errors, name)("Server said no\n(Request ID: 1)")
    monkeypatch.setenv(hub.ENDPOINT, "http://hub.example/")
    with pytest.raises(DownloadError, match=f"hf://me/pets cannot be downloaded from http://hub.example: .*{words}"):
        download(PLACE)
    assert not (tmp_path / "pets").exists()


def test_only_an_earlier_download_is_replaced(fake):
    push("exported", PLACE)
    download(PLACE)
    with pytest.raises(OutputError, match="pets is there already") as error:
        download(PLACE)
    assert error.value.argument == "overwrite"
    write("pets/pipeline.config", "changed")
    fake.files["me/pets"]["new.txt"] = b"new"
    download(PLACE, overwrite=True)
    assert Path("pets/pipeline.config").read_bytes() == fake.files["me/pets"]["pipeline.config"]
    # Also what only the earlier one had is gone.
    del fake.files["me/pets"]["new.txt"]
    download(PLACE, overwrite=True)
    assert not Path("pets/new.txt").exists()
    with pytest.raises(OdtkError, match="has no mirror"):
        download(PLACE, mirror="http://x")


def test_files_that_were_not_downloaded_are_never_replaced(fake):
    push("exported", PLACE)
    write("pets/images/mine.jpg", "mine")
    calls = len(fake.calls)
    with pytest.raises(OutputError, match="pets is there already, and odtk did not download it") as error:
        download(PLACE, overwrite=True)
    assert error.value.argument == "dir"
    assert len(fake.calls) == calls  # nothing was downloaded for it
    download(PLACE, dir="models")
    write("models/pets/saved_model/mine.txt", "mine")
    with pytest.raises(OutputError, match=r"pets holds saved_model/mine\.txt, which odtk did not write there"):
        download(PLACE, dir="models", overwrite=True)
    for kept in ("pets/images/mine.jpg", "models/pets/saved_model/mine.txt"):
        assert Path(kept).read_text() == "mine"


def test_without_the_library_the_extra_is_named(fake, monkeypatch):
    monkeypatch.delitem(sys.modules, "huggingface_hub")
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "huggingface_hub":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(OdtkError, match=r'pip install "odtk\[hf\]"'):
        download(PLACE)


def test_the_command_line(fake):
    done = CliRunner().invoke(cli, ["push", "exported", PLACE, "--run", "model", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("---\nlibrary_name: odtk\n")
    assert "note: no license is stated" in done.stderr
    done = CliRunner().invoke(cli, ["push", "exported", PLACE, "--run", "model", "--license", "mit"])
    assert done.stdout == ("Uploaded 6 files: https://hub.example/me/pets/commit/1\nNext: odtk download hf://me/pets\n")
