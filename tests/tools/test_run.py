"""`odtk run`: which stages run again after which change. Stages that compute are stand-ins that write small files."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from odtk.cli.main import cli
from odtk.cli.run import _STAGES
from odtk.errors import DataError, OdtkError, OutputError, ProjectError
from odtk.folder_lock import locked_folder
from odtk.tools.run import carrying_out, content, run
from odtk.tools.run.content import Contents
from odtk.tools.run.keys import SECTIONS
from odtk.tools.run.stages import RUN_STAGES

ALL = list(SECTIONS)
AFTER_TRAINING = ["evaluate", "export", "predict"]
TEXT = """
output: out
make-tfrecords: {data-dir: data}
configure: {base: ssd_resnet50_v1_fpn_small}
train: {seed: 7}
evaluate: {}
export: {}
predict: {images: data}
"""


class StandIns:
    """What stands in for the tools: they write what their arguments say, and remember how they were called."""

    def __init__(self):
        self.calls: list[tuple[str, bool]] = []
        self.error: BaseException | None = None
        self.early = ""

    def stage(self, name):
        return lambda call: self._run(name, call)

    def _run(self, name, call):
        self.calls.append((name, call.overwrite))
        return getattr(self, name.replace("-", "_"))(call)

    def make_tfrecords(self, call):
        folder = output(call)
        data = b"".join(path.read_bytes() for path in sorted(Path(call.arguments["data_dir"]).iterdir()))
        (folder / "x_train.record").write_bytes(data)
        (folder / "label_map.pbtxt").write_text('item { id: 1 name: "cat" }\n')
        return SimpleNamespace(written=2, skipped=[], repaired=[], warnings=[], output_dir=folder)

    def train(self, call):
        from odtk import pipeline

        folder = Path(call.arguments["model_dir"])
        folder.mkdir(exist_ok=True)
        config = pipeline.read(call.arguments["pipeline_config"])
        seed, records = call.arguments.get("seed"), Path(folder, "../records/x_train.record").read_text()
        steps = call.arguments.get("num_steps") or config.train_config.num_steps
        with call.watch_for_stop() as should_stop:
            reason = should_stop() or self.early
        if reason or self.error:
            steps = 1
        (folder / f"ckpt-{steps}.index").write_text(f"{steps} {seed} {config.train_config} {records}")
        (folder / f"ckpt-{steps}.data-00000-of-00001").write_text("weights")
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "ckpt-{steps}"\n')
        if self.error:
            raise self.error
        return SimpleNamespace(last_step=steps, reason=reason or "done", is_early=bool(reason), summary=None)

    def evaluate(self, call):
        folder = Path(call.arguments["model_dir"], "eval")
        folder.mkdir(exist_ok=True)
        for name in ("metrics.json", "classes.json"):
            (folder / name).write_text("{}")
        metrics = {"DetectionBoxes_Precision/mAP": 0.5, "Loss/total_loss": 1.0}
        return SimpleNamespace(num_images=2, summary=metrics, bad_records=[], bad_boxes=[], repeated_images=0, notes=[])

    def export(self, call):
        weights = sorted(Path(call.arguments["model_dir"]).glob("*.index"))
        (output(call) / "saved_model.pb").write_text("".join(path.read_text() for path in weights))
        return SimpleNamespace(step=1, certificate=None, label_map_note=None, label_map="x", notes=lambda: [])

    def predict(self, call):
        (output(call, "output") / "detections.json").write_text("[]")
        return SimpleNamespace(
            predictions=[1], num_images=1, num_boxes=0, skipped=[], animated=[], streams=[], stopped=False, notes=[]
        )


def output(call, argument="output_dir") -> Path:
    """An empty folder, as the tools make it; one that is there must be known to the run."""
    folder = Path(call.arguments[argument])
    assert call.overwrite == folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


class Files:
    """A project in a folder, and the tools' stand-ins."""

    def __init__(self, folder: Path, tools: StandIns):
        self.folder, self.tools = folder, tools
        self.path = folder / "p.yaml"
        (folder / "data").mkdir()
        for name in ("a.jpg", "b.jpg"):
            (folder / "data" / name).write_text(name)
        self.path.write_text(TEXT)

    def edit(self, before: str, after: str) -> None:
        text = self.path.read_text()
        assert before in text
        self.path.write_text(text.replace(before, after))

    def run(self, **options) -> list[str]:
        """The stages that ran."""
        self.tools.calls.clear()
        report = run(self.path, **options)
        if not options.get("dry_run"):
            assert [stage for stage, _ in self.tools.calls] == [name for name in report.ran if name != "configure"]
        return report.ran

    def lock(self) -> dict:
        return json.loads((self.folder / "p.lock").read_text())["stages"]

    @property
    def models(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "out").glob("model*"))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A project that has not run yet; what computes is replaced, and so are the checks, which other tests are about."""
    tools = StandIns()
    computing = {
        name: replace(stage, run=tools.stage(name)) for name, stage in RUN_STAGES.items() if name != "configure"
    }
    monkeypatch.setattr(carrying_out, "RUN_STAGES", RUN_STAGES | computing)
    monkeypatch.setattr(carrying_out, "check_stages", lambda project, running: None)
    return Files(tmp_path, tools)


@pytest.fixture
def done(files):
    """A project that has run."""
    assert files.run() == ALL
    return files


def test_nothing_runs_twice_and_dates_do_not_matter(done):
    assert done.run() == []
    for path in done.folder.rglob("*.*"):
        os.utime(path, (1e9, 1e9))
    said = []
    assert done.run(log=said.append) == []
    assert said == [f"{name}: skipped, nothing changed." for name in ALL]
    entry = done.lock()["evaluate"]
    assert entry["results"] == {"images": 2, "mAP": 0.5}
    assert str(done.folder) not in (done.folder / "p.lock").read_text()


def test_a_project_that_was_moved_writes_its_config_again_and_trains_nothing(done, tmp_path_factory):
    moved = tmp_path_factory.mktemp("moved") / "there"
    shutil.copytree(done.folder, moved)
    done.path = moved / "p.yaml"
    # The paths of the records stand in the config, which an export takes along.
    assert done.run() == ["configure", "export"]
    assert str(moved) in (moved / "out/pipeline.config").read_text()


@pytest.mark.parametrize(
    ("before", "after", "ran", "models"),
    [
        ("seed: 7", "seed: 7, keep: 3, log-every: 5, precision: auto", [], 1),
        ("seed: 7", "seed: 8", ["train", *AFTER_TRAINING], 2),
        ("seed: 7", "seed: 7, num-steps: 900", ["train", *AFTER_TRAINING], 1),
        ("seed: 7", "seed: 7, num-steps: 300", ["train", *AFTER_TRAINING], 2),
        ("seed: 7", "seed: 7, patience: 3", ["train"], 1),
        ("fpn_small", "fpn_small, num-steps: 900", ["configure", "train", *AFTER_TRAINING], 1),
        ("fpn_small", "fpn_small, learning-rate: 0.001", ["configure", "train", *AFTER_TRAINING], 2),
        ("fpn_small", "fpn_small, num-steps: 900, batch-size: 4", ["configure", "train", *AFTER_TRAINING], 2),
        ("evaluate: {}", "evaluate: {max-bad-records: 0}", ["evaluate"], 1),
        ("evaluate: {}", "evaluate: {groundtruth: data}", ["evaluate"], 1),
        ("evaluate: {}", "evaluate: {groundtruth: 'data/*.jpg'}", ["evaluate"], 1),
        ("evaluate: {}", "evaluate: {compare: p.json}", ["evaluate"], 1),
        ("evaluate: {}", "evaluate: {label-map: pet_label_map}", ["evaluate"], 1),
        ("export: {}", "export: {winograd: true}", ["export"], 1),
        ("images: data", "images: data, min-score: 0.3", ["predict"], 1),
        ("data-dir: data", "data-dir: data, val-fraction: 0.2", ["make-tfrecords"], 1),
        ("data-dir: data", "data-dir: data, workers: 2", [], 1),
        ("evaluate: {}\n", "", [], 1),
    ],
)
def test_what_a_changed_option_makes_run_again(done, before, after, ran, models):
    (done.folder / "p.json").write_text("[]")
    done.edit(before, after)
    assert done.run(dry_run=True)[:1] == ran[:1]
    assert done.run() == ran
    # An earlier training is kept, unless it goes on.
    assert len(done.models) == models
    assert done.run() == []


def test_new_data_is_trained_from_the_start(done):
    (done.folder / "data/c.jpg").write_text("c")
    said = []
    assert done.run(log=said.append) == ["make-tfrecords", "train", *AFTER_TRAINING]
    assert "\nmake-tfrecords: the data changed (2 -> 3 files)." in said
    assert f"The earlier training is kept in {done.folder}/out/model-1." in said
    assert not (done.folder / "out/model-1/eval").samefile(done.folder / "out/model/eval")


def test_a_file_of_the_same_size_and_time_is_seen_to_be_another(done):
    path = done.folder / "data/a.jpg"
    before = path.stat()
    path.write_text("c.jpg")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert done.run()[0] == "make-tfrecords"


def test_outputs_that_are_missing_or_were_changed_are_made_again(done):
    (done.folder / "out/exported/saved_model.pb").write_text("other")
    assert done.run() == ["export"]
    shutil.rmtree(done.folder / "out/records")
    assert done.run() == ["make-tfrecords"]
    # Training by hand in the model dir: it is asked whether there is more to do, and nothing starts over.
    (done.folder / "out/model/ckpt-9.index").write_text("by hand")
    assert done.run() == ["train", *AFTER_TRAINING]
    assert done.models == ["model"]


def test_a_config_that_was_edited_is_not_written_over(done):
    path = done.folder / "out/pipeline.config"
    path.write_text(path.read_text() + "# mine\n")
    for change in ("", ", batch-size: 4"):
        done.edit("fpn_small", f"fpn_small{change}")
        with pytest.raises(OutputError, match="was edited since configure wrote it") as error:
            run(done.path)
        assert error.value.argument == "force"
    assert done.run(only="evaluate") == []
    assert "configure" in done.run(force=True)
    assert "# mine" not in path.read_text()


def test_outputs_of_others_are_refused(done):
    (done.folder / "p.lock").unlink()
    with pytest.raises(
        OutputError, match=r"out/records exists, and .*p.lock does not say that a run of .*p.yaml wrote"
    ):
        run(done.path)
    assert done.run(force=True) == ALL
    assert done.models == ["model", "model-1"]
    # The same where a key leads to a folder that exists.
    (done.folder / "mine").mkdir()
    (done.folder / "mine/saved_model.pb").touch()
    done.edit("export: {}", "export: {output-dir: mine}")
    with pytest.raises(OutputError, match="mine exists"):
        run(done.path)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_no_training_wrote_is_never_set_aside(files, force):
    notes = files.folder / "out/model/notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    for options in ({"dry_run": True}, {}):
        with pytest.raises(OutputError, match=r"out/model exists, and .*p.lock does not say .*no checkpoint") as error:
            run(files.path, force=force, **options)
        assert error.value.argument is None, "it would not help"
    assert files.tools.calls == []
    assert notes.read_text() == "mine"
    # A training of others that ended before its first checkpoint is one, which force sets aside.
    notes.with_name("run.json").touch()
    if force:
        assert files.run(force=True) == ALL
        assert files.models == ["model", "model-1"]
    else:
        with pytest.raises(OutputError, match="make it again"):
            run(files.path)


def test_a_run_with_force_goes_on_where_it_was_interrupted(done):
    done.tools.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(done.path, force=True)
    assert done.models == ["model", "model-1"]
    done.tools.error = None
    assert done.run(force=True, dry_run=True) == ["train", *AFTER_TRAINING]
    lock = done.folder / "p.lock"  # killed, as by a power cut
    lock.write_text(lock.read_text().replace('"state": "stopped"', '"state": "running"'))
    assert done.run(force=True) == ["train", *AFTER_TRAINING]
    assert done.models == ["model", "model-1"]
    # It came to its end, so the next one is another.
    assert done.run(force=True) == ALL
    assert done.models == ["model", "model-1", "model-2"]


def test_force_starts_over_what_it_did_not_begin_or_what_changed(done):
    done.tools.error = KeyboardInterrupt()
    done.edit("seed: 7", "seed: 8")
    with pytest.raises(KeyboardInterrupt):
        run(done.path)
    with pytest.raises(KeyboardInterrupt):  # not what was begun without it
        run(done.path, force=True)
    assert done.models == ["model", "model-1", "model-2"]
    with pytest.raises(KeyboardInterrupt):  # nor what another run with force began
        run(done.path, from_stage="train", force=True)
    assert done.models == ["model", "model-1", "model-2", "model-3"]
    done.edit("seed: 8", "seed: 9")
    done.tools.error = None
    assert done.run(from_stage="train", force=True) == ["train", *AFTER_TRAINING]
    assert len(done.models) == 5
    # A run without it ends what it would have gone on with.
    done.tools.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(done.path, force=True)
    done.tools.error = None
    assert done.run() == ["train", *AFTER_TRAINING]
    assert done.run(force=True) == ALL


def test_training_with_force_and_too_little_time_goes_on_next_time(done):
    done.tools.early = "the time limit of 1h is reached"
    assert done.run(force=True) == ALL
    assert done.run(force=True) == ["train"]
    done.tools.early = ""
    assert done.run(force=True) == ["train", *AFTER_TRAINING]
    assert done.models == ["model", "model-1"]
    assert done.run() == []


def test_training_that_was_interrupted_goes_on(files):
    files.tools.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(files.path)
    assert (files.lock()["train"]["state"], files.lock()["train"]["reason"]) == ("stopped", "it was interrupted")
    files.tools.error = None
    assert files.run() == ["train", *AFTER_TRAINING]
    assert files.models == ["model"]
    # Killed: nothing could be written at its end.
    lock = files.folder / "p.lock"
    lock.write_text(lock.read_text().replace('"state": "done"', '"state": "running"'))
    assert files.run() == ALL
    assert files.models == ["model"]


def test_a_stage_that_fails_is_named_with_its_line_and_runs_again(files):
    files.tools.error = DataError("No images.", argument="seed")
    with pytest.raises(DataError, match=r"p.yaml:5: train: No images. Key: seed.$"):
        run(files.path)
    assert "evaluate" not in files.lock()
    files.tools.error = None
    assert files.run() == ["train", *AFTER_TRAINING]


def test_a_signal_while_training_ends_the_run_and_the_next_goes_on(files):
    @contextlib.contextmanager
    def stopped():
        yield lambda: "stopped by SIGTERM"

    report = run(files.path, watch_for_stop=stopped)
    assert (report.stopped, report.ran) == ("stopped by SIGTERM", ALL[:3])
    assert files.run() == ["train", *AFTER_TRAINING]
    assert files.models == ["model"]


@pytest.mark.parametrize(("reason", "again"), [("the time limit of 1h is reached", True), ("no patience", False)])
def test_training_that_had_no_more_time_goes_on_next_time(files, reason, again):
    files.tools.early = reason
    assert files.run() == ALL
    files.tools.early = ""
    assert files.run() == (["train", *AFTER_TRAINING] if again else [])
    assert files.models == ["model"]


def test_stages_are_chosen(done):
    assert done.run(from_stage="export", force=True) == ["export", "predict"]
    assert done.run(only="evaluate", force=True) == ["evaluate"]
    done.edit("seed: 7", "seed: 8")
    report = run(done.path, from_stage="evaluate")
    assert report.ran == []
    assert report["train"].reason == "not asked for, although seed 7 -> 8"
    with pytest.raises(OdtkError, match=r"has no stage .exprt.\. Did you mean export\?"):
        run(done.path, only="exprt")
    with pytest.raises(OdtkError, match="choose one of the two"):
        run(done.path, only="export", from_stage="train")


def test_a_dry_run_writes_nothing_and_prints_commands(files):
    report = run(files.path, dry_run=True)
    assert report.ran == ALL
    assert sorted(path.name for path in files.folder.iterdir()) == ["data", "p.yaml"]
    assert report["evaluate"].commands == [f"odtk evaluate {files.folder}/out/pipeline.config {files.folder}/out/model"]
    files.run()
    files.edit("seed: 7", "seed: 8")
    report = run(files.path, dry_run=True)
    assert report["train"].commands[0] == f"mv {files.folder}/out/model {files.folder}/out/model-1"
    assert report["export"].commands[0].endswith("/out/exported --overwrite")
    assert report["predict"].reason == "if export changes what it reads"
    assert files.models == ["model"]


def test_a_plan_says_when_an_earlier_training_is_set_aside(done):
    (done.folder / "data/c.jpg").write_text("c")
    report = run(done.path, dry_run=True)
    assert report["train"].reason == "if configure changes what it reads"
    move, train = report["train"].commands
    assert move.startswith(f"mv {done.folder}/out/model {done.folder}/out/model-1  # only if configure changes")
    assert shlex.split(move, comments=True)[2:] == [f"{done.folder}/out/model-1"]
    assert train.startswith("odtk train ")
    assert done.run() == ["make-tfrecords", "train", *AFTER_TRAINING]
    assert done.models == ["model", "model-1"]
    done.edit("images: data", "images: data, max-boxes: 3")
    assert run(done.path, dry_run=True)["train"].commands == []


def test_a_model_dir_in_which_another_process_trains_stays_where_it_is(done):
    done.edit("seed: 7", "seed: 8")
    with locked_folder(done.folder / "out/model"), pytest.raises(OutputError, match=r"Another odtk.*out/model"):
        run(done.path)
    assert done.run() == ["train", *AFTER_TRAINING]


def test_only_one_run_at_a_time(done):
    with locked_folder(done.folder / "out"), pytest.raises(OutputError, match="Another odtk"):
        run(done.path)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "stages": {"train": {"state": 1}}}', '{"format": 99}'])
def test_a_lock_that_cannot_be_read_is_an_error(done, text):
    (done.folder / "p.lock").write_text(text)
    with pytest.raises(ProjectError, match=r"p.lock (is not what|was written by a newer)"):
        run(done.path)


def test_a_finished_project_needs_no_tensorflow(done):
    program = f"""
import sys
from odtk.cli.main import cli
try:
    cli(["run", "{done.path}"], prog_name="odtk")
finally:
    assert not {{"tensorflow", "tf_keras", "official"}} & set(sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"Nothing to do: nothing changed since {done.path} was run.\n")


def test_the_command_prints_json_and_plans(done):
    assert tuple(SECTIONS) == _STAGES
    found = CliRunner().invoke(cli, ["run", str(done.path), "--json"])
    document = json.loads(found.stdout)
    assert [stage["name"] for stage in document["stages"] if not stage["ran"]] == ALL
    assert document["stages"][2]["outputs"] == {"checkpoints": f"{done.folder}/out/model"}
    done.edit("images: data", "images: data, max-boxes: 3")
    found = CliRunner().invoke(cli, ["run", str(done.path), "--dry-run"])
    assert found.stdout.splitlines()[-2] == "# predict: max-boxes unset -> 3"
    assert found.stdout.splitlines()[-1].startswith("odtk predict ")
    (done.folder / "out/pipeline.config").write_text("")
    found = CliRunner().invoke(cli, ["run", str(done.path)])
    assert found.exit_code == 1
    assert found.stderr.endswith("Option: --force.\n")


def test_the_command_says_what_a_choice_of_stages_leaves_undone(done):
    (done.folder / "data/c.jpg").write_text("c")
    said = CliRunner().invoke(cli, ["run", str(done.path), "--only", "configure"]).stdout
    assert said.startswith("Nothing was run, as only other stages have something to do: make-tfrecords, predict.\n")
    document = json.loads(CliRunner().invoke(cli, ["run", str(done.path), "--only", "configure", "--json"]).stdout)
    assert [stage["name"] for stage in document["stages"] if stage["is_left_out"]] == ["make-tfrecords", "predict"]


def test_the_command_that_goes_on_with_force_is_named_and_goes_on(done, monkeypatch):
    reasons = iter(["stopped by SIGTERM", None])

    @contextlib.contextmanager
    def stopped(log):
        yield SimpleNamespace(should_stop=lambda: next(reasons), exit_code=lambda reason: 143)

    monkeypatch.setattr("odtk.cli.stop_signals.stop_signals", stopped)
    found = CliRunner().invoke(cli, ["run", str(done.path), "--force"])
    assert found.exit_code == 143
    _, _, command = found.stdout.rstrip().partition("To go on: odtk ")
    done.tools.calls.clear()
    assert CliRunner().invoke(cli, shlex.split(command)).exit_code == 0
    assert [stage for stage, _ in done.tools.calls] == ["train", *AFTER_TRAINING]
    assert done.models == ["model", "model-1"]


def test_contents_are_read_once_while_nothing_changes(tmp_path, monkeypatch, capsys):
    folder, cache = tmp_path / "data", tmp_path / "digests.json"
    (folder / "inner/out").mkdir(parents=True)
    for name in ("a.jpg", "inner/b.record", ".hidden", "inner/out/c"):
        (folder / name).write_text(name)
    past = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: past)  # so that the files count as settled
    monkeypatch.setattr(content, "_LARGE", 0)  # so that their reading is shown
    contents = Contents(cache)
    digest = contents.of(str(folder), without=[str(folder / "inner/out"), str(tmp_path)])
    assert digest.startswith("2 files, sha256 ")
    assert "Comparing 2/2 files" in capsys.readouterr().err
    contents.save()
    monkeypatch.setattr(Contents, "_read", None)
    assert Contents(cache).of(str(folder), without=[str(folder / "inner/out")]) == digest
    with pytest.raises(TypeError):
        Contents(cache).of(str(folder))
    cache.write_text("[1")
    with pytest.raises(TypeError):
        Contents(cache).of(str(folder / "a.jpg"))
