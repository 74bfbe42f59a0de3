"""The commands that need TensorFlow on disks that are full, with a network as narrow as it can be."""

import shutil

import pytest
from click.testing import CliRunner
from small_disk import small_disk

from odtk.cli.main import cli
from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.export import export
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.train import train

pytestmark = pytest.mark.slow

NARROW = {
    "train_config.batch_size": "2",
    "model.ssd.box_predictor.weight_shared_convolutional_box_predictor.depth": "16",
    "model.ssd.feature_extractor.depth_multiplier": "0.1",
}


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    """Pets, a config, a model of 2.6 MB after one step, and its export."""
    folder = tmp_path_factory.mktemp("journey")
    synthetic_pets.draw_dataset(folder / "pets", num_images=16, seed=3)
    label_map = folder / "pets/label_map.pbtxt"
    make_tfrecords(folder / "pets", folder / "records", num_shards=1, label_map=label_map)
    records, sets = [str(folder / "records")], list(NARROW.items())
    configure("ssd_resnet50_v1_fpn_small", folder / "a.config", train_records=records, num_steps=1, set=sets)
    train(folder / "a.config", folder / "model")
    export(folder / "a.config", folder / "model", folder / "exported", verify=0)
    return folder


def refused(disk, place, *args) -> str:
    """The paragraph that a command ends with."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="odtk")
    assert result.exit_code == 1, result.output
    error = result.stderr[result.stderr.rindex("\nerror: " if "\nerror: " in result.stderr else "error: ") :].strip()
    assert error.startswith(f"error: {disk / place}"), error
    assert " cannot be written: no space is left on its disk." in error, error
    assert len(error.splitlines()) == 1
    return error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_train_says_what_is_still_there(journey, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with small_disk(tmp_path / "disk", 300) as disk:
        error = refused(disk, "model", "train", journey / "a.config", disk / "model")
        assert "There is no checkpoint yet. The weights of step 1 are saved in" in error
        assert not list((disk / "model").glob("*.index"))


def test_export_predict_and_demo_leave_nothing(journey, tmp_path):
    with small_disk(tmp_path / "small", 1500) as disk:
        refused(disk, "out", "export", journey / "a.config", journey / "model", disk / "out")
        assert names(disk) == []
    with small_disk(tmp_path / "disk", 3000) as disk:
        (disk / "fill").write_bytes(bytes(2_980_000))
        refused(disk, "out", "predict", journey / "exported", journey / "pets/images", "--output", disk / "out")
        refused(disk, "demo/pets", "demo", disk / "demo", "--num-images", "20")
        assert names(disk) == ["demo", "fill"]
        assert names(disk / "demo") == [".odtk-demo"]


def test_evaluate_keeps_the_old_metrics(journey, tmp_path):
    with small_disk(tmp_path / "disk", 10_000) as disk:
        shutil.copytree(journey / "model", disk / "model")
        (disk / "model/eval").mkdir(exist_ok=True)
        (disk / "model/eval/metrics.json").write_text("{}")
        (disk / "fill").write_bytes(bytes(shutil.disk_usage(disk).free))
        error = refused(disk, "model/eval/metrics.json", "evaluate", journey / "a.config", disk / "model")
        assert "the old metrics.json is unchanged" in error
        assert (disk / "model/eval/metrics.json").read_text() == "{}"
