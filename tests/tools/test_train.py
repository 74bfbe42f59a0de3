"""Train, resume, evaluate, export and predict through the tools, on drawn pets and a very narrow network."""

import contextlib
import dataclasses
import functools
import json
import math
import re
import shutil
import weakref
from pathlib import Path
from types import SimpleNamespace

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from google.protobuf import text_format
from PIL import Image
from quick_runs import CURVES, NARROW, draw_nothing

from odtk import label_map, pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.cli.main import cli
from odtk.errors import (
    CheckpointError,
    ConfigError,
    DamagedCheckpointError,
    DataError,
    LabelMapError,
    OdtkError,
    OutputError,
)
from odtk.evaluation.coco import METRIC_NAMES
from odtk.hardware import CPU, GPU, Device
from odtk.inputs.epochs import Position
from odtk.protos import optimizer_pb2
from odtk.records import example, shards
from odtk.tools import synthetic_pets
from odtk.tools import train as train_module
from odtk.tools.configure import configure
from odtk.tools.evaluate import evaluate
from odtk.tools.export import export
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.train import explained_errors as explained_errors_module
from odtk.tools.train import train
from odtk.tools.train.device_line import ADVICE, device_line
from odtk.tools.train.explained_errors import explained_errors
from odtk.tools.train.restore_table import describe_restore
from odtk.training.callbacks.callback import Callback, StopTraining
from odtk.training.optimizer import build_learning_rate
from odtk.training.out_of_memory import EvaluationOutOfMemory, SumsCutOff
from odtk.training.task import DetectionTask

TFOD_TAGS = {
    "Loss/classification_loss",
    "Loss/localization_loss",
    "Loss/regularization_loss",
    "Loss/total_loss",
    "learning_rate",
    "steps_per_sec",
}
TRAINING_TAGS = TFOD_TAGS | {"train_input_images", "gradient_norm", "images_per_sec"}

# Nothing here depends on how deep the backbone is; every run builds and traces it.
pytestmark = pytest.mark.usefixtures("shallow_resnet")

COSINE = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pets")
    synthetic_pets.draw_dataset(folder / "pets", num_images=16, seed=3)
    label_map = folder / "pets" / "label_map.pbtxt"
    make_tfrecords(folder / "pets", folder / "records", num_shards=1, label_map=label_map)
    return folder / "records"


@pytest.fixture(scope="module")
def config(records, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "pipeline.config"
    sets = {"train_config.batch_size": "2", **NARROW}
    configure("ssd_resnet50_v1_fpn_small", path, train_records=[str(records)], num_steps=6, set=sets)
    return path


@dataclasses.dataclass
class Watched:
    """What training asked its task for: where the data start, and how often the step was traced.

    Of each iterator that was let go, whether nothing else had a reference to it.
    """

    starts: list
    traces: int = 0
    are_freed: list = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def watching():
    watched, step, build = Watched([]), DetectionTask.train_step, DetectionTask.build_inputs

    def train_step(*args, **options):
        watched.traces += 1
        return step(*args, **options)

    def build_inputs(task, params, input_context=None):
        watched.starts.append((task.seed, task.start))
        return build(task, params, input_context)

    def let_go(iterators):
        references = [weakref.ref(each) for each in iterators]
        iterators.clear()
        watched.are_freed += [refers() is None for refers in references]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectionTask, "train_step", train_step)
        patch.setattr(DetectionTask, "build_inputs", build_inputs)
        patch.setattr("odtk.training.trainer.let_go", let_go)
        patch.setattr("odtk.inputs.freeing.let_go", let_go)
        yield watched


@pytest.fixture(scope="module")
def watched() -> list[Watched]:
    """Of the two calls of `run`."""
    return []


@pytest.fixture(scope="module")
def run(config, watched, tmp_path_factory):
    """A model dir trained to step 4 and then, by a second call, to step 6."""
    model_dir = tmp_path_factory.mktemp("run") / "model"
    said, reports = [], []
    for options in ({"num_steps": 4, "seed": 1}, {}):
        with watching() as seen, pytest.MonkeyPatch.context() as patch:
            if options:  # its curves are those that the second call draws again
                patch.setattr(CURVES, lambda *arguments: None)
            every = {"checkpoint_every": 2, "log_every": 2, "eval_every": 2}
            reports.append(train(config, model_dir, log=said.append, **every, **options))
        watched.append(seen)
    return model_dir, *reports, said


@pytest.fixture(scope="module")
def tuned(run, config, tmp_path_factory):
    """What was said and watched of two steps from `run`'s weights, with averages and without evaluation records."""
    folder, said = tmp_path_factory.mktemp("tuned"), []
    sets = [("train_config.fine_tune_checkpoint", str(run[0] / "ckpt-6")),
            ("train_config.fine_tune_checkpoint_version", "V2"),
            ("train_config.fine_tune_checkpoint_type", "detection"),
            ("train_config.optimizer.use_moving_average", "true"),
            ("eval_input_reader[0].tf_record_input_reader.input_path", '["nowhere/*.record"]')]  # fmt: skip
    path = folder / "pipeline.config"
    path.write_text(pipeline.set_fields(config.read_text(), sets, "c"))
    with watching() as watched:
        train(path, folder / "model", num_steps=2, seed=2, log=said.append)
    return said, watched


@pytest.fixture
def fake_config(records, tmp_path):
    """Of a detector that is built and traced at once, for what is about the data alone."""
    path = fake_detector.write_config(tmp_path, records)
    classes = len(label_map.read(records / "label_map.pbtxt").items)
    sets = [("model.center_net.num_classes", str(classes))]
    for reader, name in (("train_input_reader", "train"), ("eval_input_reader[0]", "val")):
        (found,) = (str(each) for each in records.glob(f"*{name}*record*"))
        sets.append((f"{reader}.tf_record_input_reader.input_path", json.dumps([found])))
    path.write_text(pipeline.set_fields(path.read_text(), sets, "c"))
    with fake_detector.registered():
        yield path


@pytest.fixture(autouse=True)
def only_fixtures_draw(monkeypatch):
    """Where a test itself trains, it is not about the pictures; `run` has them all."""
    draw_nothing(monkeypatch)


@pytest.fixture
def trains_nothing(monkeypatch):
    """Steps that only count, where a test is about the data alone: most of a short run is the step's tracing."""

    def count(task, inputs, model, optimizer, metrics=None):
        with tf.control_dependencies(tf.nest.flatten(inputs)):
            optimizer.iterations.assign_add(1)
        return {task.loss: tf.constant(0.0)}

    monkeypatch.setattr(DetectionTask, "train_step", count)


def test_runs_to_the_step_that_was_asked_for_and_resumes_by_itself(run):
    model_dir, first, second, said = run
    assert (first.first_step, first.last_step) == (0, 4)
    assert (second.first_step, second.last_step) == (4, 6)
    assert any(line.startswith("Resuming from") and line.endswith("step 4.") for line in said)
    assert sorted(path.name for path in model_dir.glob("*.index")) == ["ckpt-2.index", "ckpt-4.index", "ckpt-6.index"]


def test_the_model_dir_has_the_pictures_of_both_calls(run):
    model_dir, *_ = run
    found = {path.relative_to(model_dir).as_posix() for path in model_dir.rglob("*.png")}
    evaluations = {f"evaluations/step-{step}.png" for step in (2, 4, 6)}
    assert found == {"results.png", "batches/first.png", "batches/resumed-at-4.png", *evaluations}
    for name in found:
        with Image.open(model_dir / name) as picture:
            assert picture.width > 400


def test_the_report_says_where_the_time_went_and_where_everything_lies(run):
    model_dir, _, report, _ = run
    summary = report.summary
    assert {"starting", "compiling", "step", "saving", "evaluation"} <= set(summary.times)
    assert sum(summary.times.values()) <= summary.seconds + 0.1
    assert summary.best_step in (2, 4, 6)
    assert set(summary.best_metrics) >= set(METRIC_NAMES)
    assert summary.best_classes
    assert summary.places["best weights"] == [str(model_dir / "best")]
    assert str(model_dir / "metrics.csv") in summary.places["numbers"]
    assert [command.split()[1] for command in summary.next] == ["evaluate", "export"]


def test_the_step_is_traced_once(run, watched, tuned):
    """Tracing takes longer than many steps; a variable made in the first one would have it done twice."""
    assert [seen.traces for seen in watched] == [1, 1]
    assert tuned[1].traces == 1, "with averages of the weights"


def test_the_data_of_evaluations_and_of_the_training_are_freed(run, watched):
    assert [seen.are_freed for seen in watched] == [3 * [True], 2 * [True]]


def test_a_resumed_run_goes_on_in_its_data(run, watched, records):
    """The second call draws no seed of its own, and starts after four steps of two records."""
    (number,) = (shards.count_records([path]) for path in records.glob("*train.record*"))
    (first,), (second,) = (seen.starts for seen in watched)
    assert (first, second) == ((1, Position()), (1, Position(*divmod(8, number))))


def test_the_device_is_told(run):
    lines = [line for line in run[3] if line.startswith("Device: ")]  # of the run, and where it was resumed
    assert lines
    assert all(line.startswith("Device: CPU") == (not tf.config.list_physical_devices("GPU")) for line in lines)


def test_only_who_trains_on_large_images_is_advised_to_take_the_small_pipeline():
    small, large = (pipeline.read(f"ssd_resnet50_v1_fpn_{name}") for name in ("small", "640x640_pets"))
    cpu, gpu = [Device(CPU)], [Device(GPU, 0, "Tesla T4", 14_600_000_000)]
    assert ADVICE not in device_line(small, cpu)
    assert ADVICE in device_line(large, cpu)
    assert device_line(large, gpu) == "Device: Tesla T4 (14.6 GB)."
    small.model.ssd.image_resizer.keep_aspect_ratio_resizer.max_dimension = 1024
    assert ADVICE in device_line(small, cpu)


def logged_steps(folder: Path) -> dict[str, list[int]]:
    """The steps of each tag in TensorBoard's files."""
    steps: dict[str, list[int]] = {}
    for events in sorted(folder.glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(events)):
            for value in event.summary.value:
                steps.setdefault(value.tag, []).append(event.step)
    return steps


def test_scalars_carry_tfods_tags_and_steps(run):
    written = logged_steps(run[0] / "train")
    assert set(written) == TRAINING_TAGS
    # The first step, then every second one.
    assert written["Loss/total_loss"] == [1, 2, 4, 6]


def test_the_logged_total_is_the_sum_of_the_logged_parts(run):
    losses = run[2].losses
    parts = [losses[f"Loss/{part}_loss"] for part in ("classification", "localization", "regularization")]
    assert losses["Loss/total_loss"] == pytest.approx(math.fsum(parts), rel=1e-6)


def test_the_learning_rate_logged_at_a_step_is_the_schedules(run, config):
    from odtk.training.optimizer import build_optimizer

    schedule = build_optimizer(pipeline.read(config).train_config.optimizer).learning_rate
    assert run[1].losses["learning_rate"] == pytest.approx(float(schedule(4)), rel=1e-6)


def test_the_resolved_config_and_label_map_are_saved_beside_the_checkpoints(run, config, records):
    assert pipeline.read(run[0] / "pipeline.config") == pipeline.read(config)
    assert (run[0] / "label_map.pbtxt").read_bytes() == (records / "label_map.pbtxt").read_bytes()


def test_checkpoints_are_in_tfods_layout(run):
    reader = CheckpointReader(run[0] / "ckpt-6")
    key = "model/_feature_extractor/classification_backbone/layer_with_weights-0/kernel"
    assert reader.tensor_name(key) == f"{key}/.ATTRIBUTES/VARIABLE_VALUE"
    assert reader.step == 6
    # The momentum is saved with the weights, so that a resumed run goes on as if it had not stopped.
    assert reader.slot(reader.tensor_name(key), "momentum")


@pytest.mark.parametrize(
    ("optimizer", "averaged", "new"),
    [
        ("momentum", "false", None),
        ("adam", "false", "m, v"),
        # The momentum that is there starts again, too: averages wrap the optimizer.
        ("momentum", "true", "average, momentum"),
        pytest.param("rms_prop", "false", "rms", marks=pytest.mark.slow),
        pytest.param("rms_prop", "true", "average, momentum, rms", marks=pytest.mark.slow),
    ],
)
def test_resuming_with_another_optimizer_is_told(run, config, tmp_path, optimizer, averaged, new):
    other = pipeline.read(config)
    rate = "learning_rate { constant_learning_rate { } }"
    text = f"{optimizer}_optimizer {{ {rate} }} use_moving_average: {averaged}"
    other.train_config.optimizer.CopyFrom(text_format.Parse(text, optimizer_pb2.Optimizer()))
    pipeline.write(other, tmp_path / "other.config")
    shutil.copytree(run[0], tmp_path / "model")
    said = []
    # It has arrived where it is to go, so that nothing is trained.
    train(tmp_path / "other.config", tmp_path / "model", num_steps=6, eval_every=0, log=said.append)
    changed = [line for line in said if line.startswith("warning: What is trained changes with this run: ")]
    assert ["train_config.optimizer" in line for line in changed] == ([True] if new else [])
    told = [line for line in said if line.startswith("It was trained with another optimizer")]
    assert told == ([f"It was trained with another optimizer; this one's {new} start from scratch."] if new else [])


class OneStep(Callback):
    """Ends a training after its first step."""

    def after_loop(self, step, logs):
        raise StopTraining


def test_averages_begin_at_the_weights_and_the_schedule_goes_on(run, config, tmp_path, capsys):
    other, model_dir = tmp_path / "other.config", tmp_path / "model"
    shutil.copytree(run[0], model_dir)
    configure(config, other, set=[("train_config.optimizer.use_moving_average", "true")])
    report = train(other, model_dir, num_steps=70, eval_every=0, callbacks=[OneStep()])
    assert (report.last_step, report.checkpoint) == (7, str(model_dir / "ckpt-7"))
    assert "Training" not in capsys.readouterr().err  # the callbacks take the progress line's place
    schedule = build_learning_rate(pipeline.read(config).train_config.optimizer.momentum_optimizer.learning_rate)
    assert report.losses["learning_rate"] == pytest.approx(float(schedule(6)), rel=1e-6)
    before, after = (CheckpointReader(model_dir / f"ckpt-{step}") for step in (6, 7))
    # The average's decay after six steps, as TensorFlow 1 has it.
    decay = 7 / 16
    for name in after.variable_names("model"):
        average = after.slot(name, "average")
        if average is not None:
            expected = decay * before.value(name) + (1 - decay) * after.value(name)
            np.testing.assert_allclose(after.value(average), expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_resuming_with_another_model_is_refused_with_both_shapes(run, config, tmp_path):
    other = tmp_path / "other.config"
    other.write_text(pipeline.set_fields(config.read_text(), [("model.ssd.feature_extractor.min_depth", "40")], "c"))
    kept = (run[0] / "pipeline.config").read_bytes()
    with pytest.raises(CheckpointError, match=r"With another shape .*\(here \(.*40.*\), in the checkpoint \("):
        train(other, run[0])
    assert (run[0] / "pipeline.config").read_bytes() == kept


def test_another_number_of_classes_is_refused_before_anything_is_built(run, config, tmp_path, monkeypatch):
    other = tmp_path / "other.config"
    other.write_text(pipeline.set_fields(config.read_text(), [("model.ssd.num_classes", "9")], "c"))
    monkeypatch.setattr("odtk.training.build.build_experiment", None)
    with pytest.raises(CheckpointError, match=r"num_classes \d -> 9 \(line \d+, there line \d+\)"):
        train(other, run[0])


def test_a_run_that_has_arrived_says_so_and_invents_no_loss(run, config):
    report = train(config, run[0])
    assert (report.first_step, report.last_step, report.losses) == (6, 6, {})
    assert report.checkpoint.endswith("ckpt-6")


@pytest.fixture
def moved(run, tmp_path) -> Path:
    """A copy of the model dir as another machine left it, whose newest checkpoint is truncated."""
    model_dir = tmp_path / "moved"
    shutil.copytree(run[0], model_dir)
    (model_dir / "checkpoint").write_text('model_checkpoint_path: "/content/model/ckpt-6"')
    data = model_dir / "ckpt-6.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    return model_dir


def test_a_moved_model_dir_with_a_damaged_checkpoint_resumes_from_the_one_before(config, moved):
    said = []
    report = train(config, moved, num_steps=4, eval_every=0, log=said.append)
    assert (report.first_step, report.checkpoint) == (4, str(moved / "ckpt-4"))
    assert any("/content/model/ckpt-6, which is not there" in line for line in said)
    assert any("ckpt-6.data-00000-of-00001 is damaged" in line and "ckpt-4 is used instead" in line for line in said)
    # From now on TensorFlow's own word is right, and what it does not name is kept.
    assert tf.train.latest_checkpoint(moved) == str(moved / "ckpt-4")
    assert (moved / "ckpt-2.index").exists()


def test_evaluation_and_export_take_the_one_before_a_damaged_one_and_say_so(config, moved, tmp_path, monkeypatch):
    monkeypatch.setattr("odtk.exporting.saved_model.save", lambda *arguments: None)  # most of an export's time
    result = CliRunner().invoke(
        cli, ["evaluate", str(config), str(moved), "--checkpoint", "last", "--no-report", "--json"]
    )
    assert json.loads(result.stdout)["step"] == 4
    assert "ckpt-6.data-00000-of-00001 is damaged" in result.stderr
    said = []
    report = export(config, moved, tmp_path / "exported", checkpoint="last", verify=0, log=said.append)
    assert report.step == 4
    assert any("ckpt-4 is used instead" in line for line in said)
    with pytest.raises(DamagedCheckpointError, match=r"ckpt-6\.data-00000-of-00001 is damaged"):
        export(config, moved, tmp_path / "other", checkpoint=moved / "ckpt-6")


def test_fine_tuning_from_a_damaged_checkpoint_names_it(config, moved, tmp_path):
    damaged = tmp_path / "damaged.config"
    configure(config, damaged, fine_tune_checkpoint=str(moved / "ckpt-6"), fine_tune_checkpoint_type="full")
    with pytest.raises(DamagedCheckpointError, match=r"ckpt-6\.data-00000-of-00001 is damaged"):
        train(damaged, tmp_path / "model", num_steps=1)


def test_a_schedule_that_has_ended_is_told_before_anything_is_trained(run, config, tmp_path):
    said = []
    other, model_dir = tmp_path / "ended.config", tmp_path / "model"
    shutil.copytree(run[0], model_dir)  # which gets the config
    configure(config, other, set=[(f"{COSINE}.total_steps", "3"), (f"{COSINE}.warmup_steps", "1")])
    train(other, model_dir, num_steps=6, eval_every=0, log=said.append)
    (line,) = [line for line in said if "learning rate" in line and "is 0" in line]
    assert "from step 3 on" in line
    assert f"odtk configure {other} --output {other} --num-steps 6" in line
    assert "--extend-schedule" in line


def test_an_extended_schedule_goes_on_learning(run, config, tmp_path):
    model_dir, said = tmp_path / "model", []
    shutil.copytree(run[0], model_dir)
    report = train(config, model_dir, num_steps=8, extend_schedule=True, eval_every=0, log=said.append)
    assert report.last_step == 8
    assert not any("is 0 from step" in line for line in said)
    kept = pipeline.read(model_dir / "pipeline.config").train_config
    schedule = kept.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
    assert (kept.num_steps, schedule.total_steps) == (8, 8)
    before, after = (CheckpointReader(model_dir / f"ckpt-{step}") for step in (6, 8))
    name = before.tensor_name("model/_feature_extractor/classification_backbone/layer_with_weights-0/kernel")
    assert np.abs(before.value(name) - after.value(name)).max() > 1e-6


def test_data_that_end_are_told_and_what_was_trained_is_saved(fake_config, tmp_path, trains_nothing):
    short = tmp_path / "short.config"
    short.write_text(pipeline.set_fields(fake_config.read_text(), [("train_input_reader.num_epochs", "1")], "c"))
    with pytest.raises(DataError, match=r"ended at step 5 of 100: train_input_reader.num_epochs is 1"):
        train(short, tmp_path / "model", num_steps=100)
    assert (tmp_path / "model" / "ckpt-5.index").exists()


@pytest.fixture
def damaged(fake_config, records, tmp_path) -> tuple[Path, list[str]]:
    """A config of a copy of the records, in two of which a bit has flipped; and what these two are called."""
    shutil.copytree(records, tmp_path / "damaged")
    names = []
    for pattern in ("*train*", "*val*"):
        (path,) = (path for path in (tmp_path / "damaged").glob(pattern) if "record" in path.name)
        found = list(shards.walk_records(path))[1]
        content = bytearray(path.read_bytes())
        content[found.offset + 2000] ^= 1
        path.write_bytes(content)
        names.append(f"{path}, record 1 at byte {found.offset} (image ")
    text = fake_config.read_text().replace(str(records), str(tmp_path / "damaged"))
    (tmp_path / "damaged.config").write_text(text)
    return tmp_path / "damaged.config", names


def test_a_damaged_record_is_left_out_of_training_and_evaluation_and_named_once(damaged, tmp_path, trains_nothing):
    config, (in_training, in_evaluation) = damaged
    said = []
    report = train(config, tmp_path / "model", num_steps=12, seed=1, eval_every=6, log=said.append)
    assert report.last_step == 12
    (bad,) = report.bad_records
    assert str(bad).startswith(in_training)
    assert str(bad).endswith("has a wrong data checksum")
    skipped = [line for line in said if line.startswith("Skipped")]
    assert len(skipped) == 2, "one of each, however often they are evaluated"
    assert f"Skipped: {bad}." in skipped
    assert any(line.startswith(f"Skipped: {in_evaluation}") for line in skipped)
    assert any("1 bad record was skipped" in line for line in said)

    command = ["evaluate", str(config), str(tmp_path / "model"), "--no-report", "--json"]
    result = CliRunner().invoke(cli, command)
    document = json.loads(result.stdout)
    (left_out,) = document["bad_records"]
    assert in_evaluation.startswith(f"{left_out['file']}, record {left_out['record']}")
    assert "the metrics leave out 1 bad record" in result.stderr
    assert document["num_images"] == shards.count_records([left_out["file"]]) - 1


def test_a_box_that_cannot_be_used_does_not_spoil_the_training(config, records, tmp_path):
    shutil.copytree(records, tmp_path / "inverted")
    (path,) = (tmp_path / "inverted").glob("*train.record*")
    images = [example.decode(data) for data in shards.read_records(path)]
    (first, *others) = images[1].objects
    ymin, xmin, ymax, xmax = first.box
    upside_down = dataclasses.replace(first, box=(ymax, xmin, ymin, xmax))
    images[1] = dataclasses.replace(images[1], objects=(upside_down, *others))
    shards.write_records(path, map(example.encode, images))
    inverted, said = tmp_path / "inverted.config", []
    text = config.read_text().replace(str(records), str(tmp_path / "inverted"))
    inverted.write_text(pipeline.set_fields(text, [("train_input_reader.shuffle", "false")], "c"))
    report = train(inverted, tmp_path / "model", num_steps=3, eval_every=0, log=said.append)
    assert all(map(math.isfinite, report.losses.values()))
    (image,) = report.bad_boxes
    assert (image.file, image.record, image.image) == (str(path), 1, images[1].source_id)
    assert report.bad_records == []
    # Before the first step, when it is read, and at the end.
    told = [line for line in said if images[1].source_id in line or "1 box in 1 image" in line]
    assert told[0].startswith("warning: train_input_reader")
    assert told[1:] == [f"Skipped: {image}.", told[2]]
    assert told[2].startswith("Skipped: 1 box in 1 image (1 inverted)")


def test_more_bad_records_than_allowed_end_training_after_a_checkpoint(damaged, tmp_path, trains_nothing):
    config, _ = damaged
    (path,) = (path for path in (tmp_path / "damaged").glob("*train*") if "record" in path.name)
    picture = next(iter(shards.walk_records(path))).data
    no_picture = picture.replace(b"\xff\xd8\xff", b"no!")
    shards.write_records(path, [picture, picture, *[no_picture] * 3])
    with pytest.raises(
        DataError, match=r"(?s)3 records cannot be used, more than the limit of 2.*record 2 .*record 3 "
    ):
        train(config, tmp_path / "model", num_steps=500, max_bad_records=2)
    assert list((tmp_path / "model").glob("ckpt-*.index"))


def test_without_a_filter_the_first_bad_record_ends_training(damaged, tmp_path, trains_nothing):
    config, (in_training, _) = damaged
    with pytest.raises(DataError, match=f"{re.escape(in_training.split(', record')[0])}.*wrong data checksum"):
        train(config, tmp_path / "model", num_steps=500, max_bad_records=0)


def test_evaluation_records_that_are_not_there_are_told_before_training(tuned):
    said, _ = tuned
    assert any(line.startswith("warning: eval_input_reader[0]") and "nowhere" in line for line in said)


def test_fine_tuning_takes_all_but_the_heads_under_detection(tuned):
    said, _ = tuned
    table = next(line for line in said if line.startswith("Fine-tuning from"))
    assert re.search(r"^ *_feature_extractor/classification_backbone +85 +- +-$", table, re.MULTILINE)
    assert "fine_tune_checkpoint_type 'detection' leaves it out" in table


def test_detection_restores_the_backbone_and_leaves_the_heads(run, config):
    from odtk.detectors.build import build_detector
    from odtk.training.fine_tune import fine_tune

    detector = build_detector(pipeline.read(config))
    before = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
    report = fine_tune(detector, str(run[0] / "ckpt-6"), "detection")
    reader = CheckpointReader(run[0] / "ckpt-6")
    for key, variable in detector.checkpoint_variables().items():
        expected = before[key] if "_box_predictor" in key else reader.value(reader.tensor_name(key))
        np.testing.assert_array_equal(variable.numpy(), expected, err_msg=key)
    assert set(report.restored).isdisjoint(report.skipped)
    assert "_box_predictor" in describe_restore(report)


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_step(config, tmp_path):
    rate = "train_config.optimizer.momentum_optimizer.learning_rate"
    wild = tmp_path / "wild.config"
    wild.write_text(
        pipeline.set_fields(
            config.read_text(),
            [(rate, "constant_learning_rate { learning_rate: 1e30 }"), ("train_config.gradient_clipping_by_norm", "0")],
            "c",
        )
    )
    with pytest.raises(OdtkError, match=r"NaN or infinite at step \d") as error:
        train(wild, tmp_path / "model", seed=1, eval_every=0)
    named = re.search(r"batch of that step: (\S+) \((\S+), record (\d+)\).*odtk inspect \S+wild", str(error.value))
    assert named, error.value
    records = list(shards.read_records(named[2]))
    assert example.decode(records[int(named[3])]).source_id == named[1]
    assert not list((tmp_path / "model").glob("*.index"))


def test_a_config_without_steps_is_refused_before_training(config, tmp_path):
    endless = tmp_path / "endless.config"
    endless.write_text(pipeline.set_fields(config.read_text(), [("train_config.num_steps", "0")], "c"))
    with pytest.raises(ConfigError, match="num_steps"):
        train(endless, tmp_path / "model")


def test_evaluation_writes_the_twelve_numbers(run, config):
    report = evaluate(config, run[0], "last", report=False)
    written = json.loads((run[0] / "eval" / "metrics.json").read_text())
    assert written == report.metrics
    # With the losses on the evaluation records.
    assert sorted(set(written) - set(METRIC_NAMES)) == sorted(TFOD_TAGS - {"learning_rate", "steps_per_sec"})
    assert set(METRIC_NAMES) <= set(written)
    assert report.step == 6
    assert logged_steps(run[0] / "eval")[METRIC_NAMES[0]] == [2, 4, 6], "the training measured the same at step 6"
    assert -1 <= written["DetectionBoxes_Precision/mAP@.50IOU"] <= 1


def test_a_label_map_that_numbers_other_classes_than_were_trained_is_refused(run, config, records, tmp_path):
    labels = label_map.read(records / "label_map.pbtxt")
    names = [item.name for item in labels.items]
    swapped, other = tmp_path / "swapped.pbtxt", tmp_path / "other.config"
    label_map.write(label_map.of_names([names[1], names[0], *names[2:]]), swapped)
    paths = [f"{reader}.label_map_path" for reader in ("train_input_reader", "eval_input_reader[0]")]
    other.write_text(pipeline.set_fields(config.read_text(), [(path, str(swapped)) for path in paths], "c"))
    said = f"{swapped}, has other classes than {run[0]}/label_map.pbtxt.* id 1 is '{names[0]}' there and '{names[1]}'"
    with pytest.raises(LabelMapError, match=f"train_input_reader of {other}, {said}"):
        train(other, run[0], num_steps=7)
    with pytest.raises(LabelMapError, match=said):
        evaluate(other, run[0], run[0] / "ckpt-4")
    assert label_map.read(run[0] / "label_map.pbtxt") == labels, "it is left as it was"


def test_the_export_answers_as_the_detector_does(run, config, tmp_path):
    from odtk.detectors.build import build_detector

    report = export(config, run[0], tmp_path / "exported", checkpoint="last", verify=0)
    assert report.step == 6
    assert {"saved_model/saved_model.pb", "checkpoint/ckpt-0.index", "pipeline.config", "label_map.pbtxt"} <= set(
        report.files
    )
    detector = build_detector(pipeline.read(config))
    reader = CheckpointReader(tmp_path / "exported" / "checkpoint" / "ckpt-0")
    restore(detector.checkpoint_variables(), reader)
    image = np.random.default_rng(0).integers(0, 256, (97, 141, 3), np.uint8)
    resized, shape = detector.resize(tf.constant(image, tf.float32))
    expected = detector.detect(resized[None], shape[None])
    served = tf.saved_model.load(str(tmp_path / "exported" / "saved_model")).signatures["serving_default"]
    answer = served(input_tensor=tf.constant(image[None]))
    # After six steps many scores are equal but for the last bit, and their detections may change places; see
    # tests/exporting/test_saved_model.py for weights that tell them apart, and all tensors.
    for name in ("raw_detection_boxes", "raw_detection_scores", "detection_scores", "num_detections"):
        np.testing.assert_allclose(answer[name], expected[name], atol=1e-5, err_msg=name)


@pytest.mark.slow  # test_averages_begin_at_the_weights_and_the_schedule_goes_on is its faster sibling
def test_moving_averages_are_kept_and_evaluated_where_the_config_asks(run, config, tmp_path):
    averaging = tmp_path / "averaging.config"
    sets = [("train_config.optimizer.use_moving_average", "true"), ("eval_config.use_moving_averages", "true")]
    averaging.write_text(pipeline.set_fields(config.read_text(), sets, "c"))
    train(averaging, tmp_path / "model", num_steps=3, seed=1)
    train(averaging, tmp_path / "model", num_steps=4, seed=1)
    reader = CheckpointReader(tmp_path / "model" / "ckpt-4")
    name = reader.tensor_name("model/_feature_extractor/_fpn_features_generator/top_layers/0/kernel")
    average = reader.value(reader.slot(name, "average"))
    assert np.abs(average - reader.value(name)).max() > 0

    exported = tmp_path / "exported"
    export(averaging, tmp_path / "model", exported, checkpoint="last", verify=0)
    saved = CheckpointReader(exported / "checkpoint" / "ckpt-0")
    np.testing.assert_array_equal(
        saved.value(saved.tensor_name(name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"))), average
    )
    with pytest.raises(CheckpointError, match="use_moving_average"):
        evaluate(averaging, tmp_path / "other", checkpoint=run[0] / "ckpt-6")


FULL = tf.errors.ResourceExhaustedError(
    None, None, "/m/ckpt-1_temp/part.tempstate1; No space left on device [Op:SaveV2]"
)


def test_a_full_disk_is_not_taken_for_memory(config):
    with (
        pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"),
        explained_errors(None, 5, pipeline.read(config), config),
    ):
        raise FULL


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            tf.errors.ResourceExhaustedError,
            "OOM when allocating tensor with shape[8,640,640,64] by allocator GPU_0_bfc",
        ),
        (tf.errors.ResourceExhaustedError, "failed to allocate memory [Op:Mul]"),
        (tf.errors.InternalError, "Failed call to cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    ],
)
def test_memory_that_is_used_up_is_told_by_its_texts(config, kind, text):
    with (
        pytest.raises(OdtkError, match="Out of memory with batch_size 2, although each device computes one image"),
        explained_errors(in_micro_batches(2), 5, pipeline.read(config), config),
    ):
        raise kind(None, None, text)


def in_micro_batches(number):
    task = SimpleNamespace(micro_batches=number)
    return SimpleNamespace(task=task, trainer=SimpleNamespace(strategy=tf.distribute.get_strategy()))


def test_memory_that_a_run_or_an_evaluation_used_up_is_told_with_the_remedy(config, monkeypatch):
    read = pipeline.read(config)
    explained = functools.partial(explained_errors, in_micro_batches(1), 5, read, config)
    for several, told in ((True, "in one piece. Start all workers again with 2"), (False, "Start the training again")):
        monkeypatch.setattr(explained_errors_module, "has_several_workers", lambda strategy, several=several: several)
        with pytest.raises(OdtkError, match=told) as raised, explained():
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        assert raised.value.argument == "accumulate"
    read.eval_config.batch_size = 4
    with (
        pytest.raises(OdtkError, match=r"Out of memory while evaluating .* eval_config\.batch_size=2"),
        explained(),
    ):
        raise EvaluationOutOfMemory


def test_sums_that_an_out_of_memory_cut_off_are_told_with_the_remedy(config):
    """`in_micro_batches(2)`: the step was tried again in two, and by then TensorFlow summed no more."""
    experiment = in_micro_batches(2)
    experiment.step = 6
    explained = functools.partial(explained_errors, experiment, 5, pipeline.read(config), config)
    with (
        pytest.raises(OdtkError, match=r"in one piece at step 7, .* Start the training again with 2 micro-b") as raised,
        explained(),
    ):
        raise SumsCutOff(1)
    assert raised.value.argument == "accumulate"
    with pytest.raises(OdtkError, match="although each device computes one image"), explained():
        raise SumsCutOff(2)
    with pytest.raises(OdtkError, match="in a new process; in a notebook restart the runtime"), explained():
        raise SumsCutOff(None)


@pytest.mark.parametrize(
    ("micro_batches", "told", "argument"),
    [
        (1, "Start it again in 2 micro-batches, or without evaluations", "accumulate"),
        (2, "Start it again without evaluations", "eval_every"),
    ],
)
def test_an_evaluation_of_one_image_that_does_not_fit_is_not_told_to_take_fewer(config, micro_batches, told, argument):
    read = pipeline.read(config)
    read.eval_config.batch_size = 1
    with (
        pytest.raises(OdtkError, match=told) as raised,
        explained_errors(in_micro_batches(micro_batches), 5, read, config),
    ):
        raise EvaluationOutOfMemory
    assert raised.value.argument == argument
    assert "batch_size=" not in str(raised.value)


def test_a_full_disk_is_said_with_what_is_still_there(config, tmp_path, monkeypatch):
    def fail(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, FULL.message.replace("/m/", f"{tmp_path}/model/"))

    monkeypatch.setattr(train_module, "check", fail)
    said = rf"{tmp_path}/model cannot be written: no space is left .* run the same command again to resume"
    with pytest.raises(OutputError, match=said):
        train(config, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_model_dir_that_cannot_be_is_refused_first(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is a file, but a folder is to be written"):
        train(tmp_path / "no.config", tmp_path / "file")
