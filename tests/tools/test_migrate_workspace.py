"""`odtk migrate` with checkpoints: of odtk's own in TFOD's layout, and of TFOD itself where it is here."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import tensorflow as tf
from click.testing import CliRunner

from odtk import label_map, pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.cli.main import cli
from odtk.detectors.build import build_detector
from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.migrate import migrate
from odtk.tools.train import train

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SMALL = "ssd_mobilenet_v2_small"
THIN = [("model.ssd.feature_extractor.depth_multiplier", "0.1")]


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    """Records of drawn pets, and their label map."""
    folder = tmp_path_factory.mktemp("drawn")
    data = synthetic_pets.draw_dataset(folder / "pets", num_images=20, seed=3)
    make_tfrecords(data.folder, folder / "records", num_shards=1, label_map=data.label_map)
    return folder / "records"


@pytest.fixture(scope="module")
def saved(tmp_path_factory, annotations):
    """A model dir as TFOD lays it out, with a step and no file of odtk's beside the checkpoint."""
    root = tmp_path_factory.mktemp("old")
    (root / "annotations").symlink_to(annotations)
    model = root / "model"
    model.mkdir()
    configure(SMALL, model / "pipeline.config", train_records=str(annotations), batch_size=4, set=THIN)
    detector = build_detector(pipeline.read(model / "pipeline.config"))
    objects = detector.checkpoint_objects() | {"step": tf.Variable(40, dtype=tf.int64)}
    tf.train.CheckpointManager(tf.train.Checkpoint(**objects), str(model), max_to_keep=1).save(checkpoint_number=3)
    return root


def test_all_variables_are_restored_and_the_checkpoint_is_named_by_its_step(saved, tmp_path):
    report = migrate(saved, tmp_path / "out", evaluate=False)
    assert report.variables.fits
    assert report.variables.restored > 100
    assert (report.copied, report.fits, report.not_scored) == ("model/ckpt-40", True, "not asked for")
    old, new = (CheckpointReader(str(prefix)) for prefix in (saved / "model/ckpt-3", tmp_path / "out/model/ckpt-40"))
    key = old.variable_names("model")[0]
    assert old.value(key).tobytes() == new.value(key).tobytes()
    assert label_map.read(tmp_path / "out/model/label_map.pbtxt").num_classes == 4
    assert report.next_commands[0] == f"odtk train {tmp_path}/out/pipeline.config {tmp_path}/out/model"
    again = CliRunner().invoke(cli, ["migrate", str(saved), str(tmp_path / "out"), "--no-evaluate", "--overwrite",
                                     "--json"])  # fmt: skip
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["variables"]["restored"] == report.variables.restored


def test_what_does_not_fit_is_named_and_nothing_is_copied(saved, tmp_path):
    other = tmp_path / "other.config"
    configure(saved / "model/pipeline.config", other, num_classes=7)
    report = migrate(saved, tmp_path / "out", config=other)
    assert not report.variables.fits
    assert report.variables.different
    assert all("(" in each and " here, " in each for each in report.variables.different)
    assert (report.copied, report.fits) == (None, False)
    text = (tmp_path / "out/migration.txt").read_text("utf-8")
    assert f"of another shape: {len(report.variables.different)} variables" in text
    assert "Scores: none, as the checkpoint does not fit the model." in text
    assert "no checkpoint, as it does not fit" in text


@pytest.mark.skipif(not (ROOT / ".tfod/.ready").exists(), reason="TFOD itself is not here; `make tfod` installs it")
class TestWhatTfodLeft:
    """Trained, evaluated and exported by TFOD; then moved, so that no path in the config is right any more."""

    @pytest.fixture(scope="class")
    def start(self, tmp_path_factory, annotations):
        """A trained checkpoint to begin with: among the scores of random weights the last bit decides the order."""
        folder = tmp_path_factory.mktemp("start")
        configure(
            SMALL, folder / "pipeline.config", train_records=str(annotations), batch_size=8, num_steps=150, set=THIN
        )
        train(folder / "pipeline.config", folder / "model", eval_every=0)
        return folder / "model"

    @pytest.fixture(scope="class")
    def workspace(self, tmp_path_factory, annotations, start):
        folder = tmp_path_factory.mktemp("tfod")
        made, moved = folder / "workspace", folder / "moved" / "workspace"
        (made / "models/mine").mkdir(parents=True)
        (made / "annotations").mkdir()
        for path in annotations.iterdir():
            if ".record-" in path.name or path.suffix == ".pbtxt":
                (made / "annotations" / path.name).write_bytes(path.read_bytes())
        config = made / "models/mine/pipeline.config"
        configure(SMALL, config, train_records=str(made / "annotations"), batch_size=4, num_steps=4,
                  fine_tune_checkpoint=str(start / "ckpt-150"), fine_tune_checkpoint_type="full",
                  set=[*THIN, ("eval_config.num_visualizations", "0")])  # fmt: skip
        config.write_text(config.read_text("utf-8").replace("\\", "/"), "utf-8")
        script = ROOT / "tests/golden/from_tfod/workspace.py"
        command = [ROOT / ".tfod/bin/python", script, made]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-5000:]
        moved.parent.mkdir()
        os.rename(made, moved)
        return moved

    @pytest.fixture(scope="class")
    def migrated(self, workspace, tmp_path_factory):
        target = tmp_path_factory.mktemp("migrated") / "out"
        return target, migrate(workspace, target)

    def test_it_scores_what_tfod_logged(self, migrated):
        _, report = migrated
        assert report.fits, report
        assert report.variables.step == 4
        assert report.variables.slots == ["optimizer/momentum"]
        assert all(each.here is not None for each in report.paths)
        assert len(report.scores.compared) == 12
        for name, (ours, theirs) in report.scores.compared.items():
            assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-6), name

    def test_training_goes_on_with_the_optimizer(self, migrated):
        target, report = migrated
        done = train(target / "pipeline.config", target / "model", num_steps=6, eval_every=0)
        assert report.copied == "model/ckpt-4"
        assert (target / "model/ckpt-6.index").exists(), done

    def test_the_exported_model_alone(self, workspace, tmp_path):
        report = migrate(workspace / "exported-models/mine", tmp_path / "out", evaluate=False)
        assert report.variables.fits
        train_config = pipeline.read(tmp_path / "out/pipeline.config").train_config
        assert train_config.fine_tune_checkpoint == str(tmp_path / "out/model/ckpt-0")
        assert report.next_commands[0].endswith(f"{tmp_path}/out/run")
