"""The training script of a run computes that run: the same losses, from the same batches, in the same order."""

import json
import re
import runpy
import sys

import fake_detector
import numpy as np
import pytest
from inspected_records import write

from odtk import pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.errors import ConfigError, ExportError
from odtk.exporting.training_script import Run, read_run, text
from odtk.tools.configure import configure
from odtk.tools.export import export
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.synthetic_pets import draw_dataset
from odtk.tools.train import train
from odtk.training.loggers.csv_files import read_metrics

pytestmark = pytest.mark.usefixtures("no_pictures")
SMALL, TOTAL = "ssd_resnet50_v1_fpn_small", "Loss/total_loss"


@pytest.fixture(scope="module")
def registered():
    with fake_detector.registered():
        yield


def run_script(script, model_dir, monkeypatch, capsys) -> tuple[dict, list[dict]]:
    """The script's names when it has ended, and the losses of the steps that it printed."""
    monkeypatch.setattr(sys, "argv", [str(script), str(model_dir)])
    names = runpy.run_path(str(script), run_name="__main__")
    lines = re.findall(r"^step \d+: (Loss/.*)$", capsys.readouterr().out, re.MULTILINE)
    return names, [{name: float(value) for name, value in re.findall(r"(Loss/\S+) ([^,]+)", line)} for line in lines]


def assert_same_losses(names, printed, report, model_dir, script_dir, is_exact: bool = True) -> None:
    """Of all steps, within 1e-6; if `is_exact` the last one's, and the weights after it, are so bit for bit.

    Two graphs of one large network may add the same numbers up in another order, so that single precision rounds
    otherwise: by parts of each number, a variance of 20 included. Steps on other data, or in another order, differ by
    hundredths.
    """
    logged = [{name: row[name] for name in row if name.startswith("Loss/")} for row in read_metrics(model_dir)]
    assert len(printed) == len(logged) > 1
    for ours, theirs in zip(printed, logged, strict=True):
        assert ours == pytest.approx({name: theirs[name] for name in ours}, rel=1e-6)
    last = {name: float(loss) for name, loss in names["losses"].items()}
    assert last == pytest.approx({name: report.losses[name] for name in last}, rel=1e-6)
    if is_exact:
        assert {**last, TOTAL: 0} == {**{name: report.losses[name] for name in last}, TOTAL: 0}
    run, script = (CheckpointReader(f"{folder}/ckpt-{report.last_step}") for folder in (model_dir, script_dir))
    assert script.variable_names("model") == run.variable_names("model")
    relative, absolute = (0, 0) if is_exact else (1e-5, 1e-6)  # the latter for weights near 0
    for name in script.variable_names("model"):
        found, expected = script.value(name), run.value(name)
        np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute, err_msg=name)
    assert (script.step, script.slots()) == (run.step, run.slots())
    positions = [int(each.value(each.tensor_name("last_position"))) for each in (script, run)]
    assert positions[0] == positions[1]


def run_and_script(tmp_path, monkeypatch, capsys, **options):
    """Both, with the fake detector; what is exported is not the config of the run, which had another batch size."""
    records = write(tmp_path / "records")
    config, model_dir, exported = tmp_path / "pipeline.config", tmp_path / "model", tmp_path / "exported"
    config.write_text(fake_detector.CONFIG.replace("{records}", str(records)))
    report = train(config, model_dir, log_every=1, checkpoint_every=2, seed=6, batch_size=3, **options)
    export(config, model_dir, exported, format="script", verify=0)
    return report, *run_script(exported / "train.py", tmp_path / "by_script", monkeypatch, capsys)


def test_it_computes_the_losses_of_its_run(registered, tmp_path, monkeypatch, capsys):
    report, names, printed = run_and_script(tmp_path, monkeypatch, capsys, num_steps=3, eval_every=0)
    script = (tmp_path / "exported/train.py").read_text("utf-8")
    assert "SEED = 6\nNUM_STEPS = 3\nLOG_EVERY, CHECKPOINT_EVERY, KEPT_CHECKPOINTS = 1, 2, 7\n" in script
    assert '"train_config.batch_size": 3,' in script
    assert_same_losses(names, printed, report, tmp_path / "model", tmp_path / "by_script")
    assert (tmp_path / "by_script/label_map.pbtxt").exists()


@pytest.mark.slow
def test_odtk_goes_on_from_it(registered, tmp_path, monkeypatch, capsys):
    """A fifth step, by odtk from the script's checkpoint, is the fifth of the run; evaluations do not disturb it."""
    report, names, printed = run_and_script(tmp_path, monkeypatch, capsys, num_steps=4, eval_every=2)
    assert_same_losses(names, printed, report, tmp_path / "model", tmp_path / "by_script")
    assert names["report"].metrics["Loss/total_loss"] > 0
    folders = [tmp_path / "model", tmp_path / "by_script"]
    for folder in folders:
        train(folder / "pipeline.config", folder, num_steps=5, log_every=1, seed=6, eval_every=0)
    fifth = [read_metrics(folder)[-1] for folder in folders]
    assert fifth[0]["step"] == fifth[1]["step"] == 5
    assert fifth[0][fake_detector.HEAT] == fifth[1][fake_detector.HEAT]


@pytest.mark.slow
@pytest.mark.usefixtures("shallow_resnet")
def test_it_computes_the_losses_of_an_ssd(tmp_path, monkeypatch, capsys):
    """With augmentations, batch norms, penalties, a schedule and clipped gradients."""
    draw_dataset(tmp_path / "pets", num_images=16, seed=3)
    label_map = tmp_path / "pets/label_map.pbtxt"
    make_tfrecords(tmp_path / "pets", tmp_path / "records", num_shards=1, label_map=label_map)
    small = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor.depth"
    sets = {"train_config.batch_size": 2, small: 16, "model.ssd.feature_extractor.depth_multiplier": 0.1}
    config, model_dir, exported = tmp_path / "pipeline.config", tmp_path / "model", tmp_path / "exported"
    configure(SMALL, config, train_records=tmp_path / "records", num_steps=3, set=sets)
    report = train(config, model_dir, log_every=1, checkpoint_every=3, seed=1, eval_every=0)
    export(config, model_dir, exported, format="script", verify=0)
    names, printed = run_script(exported / "train.py", tmp_path / "by_script", monkeypatch, capsys)
    assert_same_losses(names, printed, report, model_dir, tmp_path / "by_script", is_exact=False)


def script_of(run: Run, **changes) -> str:
    return text(pipeline.read(SMALL), run, changes, True, False)


def test_it_says_what_its_run_did_and_leaves_out_what_that_did_not():
    plain = script_of(Run("models/pets"))
    compile(plain, "train.py", "exec")
    for absent in ("restore_fine_tune", "enable_op_determinism", "shutil", "#?", "{{", "precision="):
        assert absent not in plain, absent
    assert "#   momentum_optimizer_value: 0.9" in plain
    run = Run("models/pets", "odtk train c pets", 7, 50, precision="bfloat16", replicas=2, deterministic=True,
              reuse_head_weights=True)  # fmt: skip
    full = script_of(run, **{"train_config.fine_tune_checkpoint": "zoo/ckpt-0", "train_config.batch_size": "4"})
    compile(full, "train.py", "exec")
    for present in (
        "by `odtk train c pets`.", "That ran on 2 devices", "SEED = 7", "NUM_STEPS = 50", "enable_op_determinism()",
        'build_detector(config, precision="bfloat16")', "checkpoint(config, detector, reuse_head_weights=True)",
        '    "train_config.fine_tune_checkpoint": "zoo/ckpt-0",\n', '    "train_config.batch_size": 4,\n',
    ):  # fmt: skip
        assert present in full, present
    assert "build_evaluation" in plain
    assert "odtk.evaluate" in plain
    unwatched = script_of(Run("m", eval_every=0))
    compile(unwatched, "train.py", "exec")
    assert "build_evaluation" not in unwatched


def write_run(folder, **session):
    folder.mkdir(parents=True, exist_ok=True)
    last = {"command": "odtk train a b", "arguments": {}, **session}
    (folder / "run.json").write_text(json.dumps({"seed": 5, "sessions": [{}, last]}))
    return str(folder / "best/ckpt-9")


def test_the_run_is_read_beside_the_checkpoint(tmp_path):
    arguments = {"num_steps": 70, "keep": 3, "xla": True}
    prefix = write_run(tmp_path, arguments=arguments, precision="bfloat16", batch={"micro_batches": 2, "replicas": 4})
    assert read_run(prefix) == Run(
        str(tmp_path), "odtk train a b", 5, 70, keep=3, precision="bfloat16", micro_batches=2, replicas=4
    )
    assert read_run(str(tmp_path / "other/ckpt-1")) == Run(str(tmp_path / "other"))
    (tmp_path / "run.json").write_text('{"seed": 5}')
    with pytest.raises(ExportError, match="not the description of a run"):
        read_run(prefix)


@pytest.fixture(scope="module")
def model_dir(registered, tmp_path_factory):
    return fake_detector.write_model_dir(tmp_path_factory.mktemp("script") / "model")


@pytest.mark.parametrize(
    ("session", "reason"),
    [({"precision": "float16"}, "loss scale"), ({"batch": {"micro_batches": 2}}, "2 micro-batches")],
)
def test_runs_that_no_short_script_can_be(session, reason, model_dir, tmp_path):
    write_run(model_dir, **session)
    with pytest.raises(ExportError, match=reason):
        export(model_dir / "pipeline.config", model_dir, tmp_path / "exported", format="script", verify=0)
    (model_dir / "run.json").unlink()
    assert not (tmp_path / "exported").exists()


def test_configs_that_do_not_go_together(model_dir, tmp_path):
    config = pipeline.read(model_dir / "pipeline.config")
    config.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.total_steps = 5
    pipeline.write(config, tmp_path / "other.config")
    with pytest.raises(ExportError, match=r"differs from the exported config in train_config\.optimizer.*Export with"):
        export(tmp_path / "other.config", model_dir, tmp_path / "exported", format="script", verify=0)
    config.train_input_reader.tf_record_input_reader.ClearField("input_path")
    pipeline.write(config, tmp_path / "no_records.config")
    with pytest.raises(ConfigError, match="names no training records"):
        export(tmp_path / "no_records.config", model_dir, tmp_path / "exported", format="script", verify=0)


def test_without_a_run_it_says_that_the_seed_is_not_known(model_dir, tmp_path):
    lines = []
    export(model_dir / "pipeline.config", model_dir, tmp_path / "exported", format="script", verify=0, log=lines.append)
    assert any("has no run.json, so train.py has the seed 0" in line for line in lines)
    assert "whose seed is not known" in (tmp_path / "exported/train.py").read_text()
