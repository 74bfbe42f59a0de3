"""Before the first stage of a project starts, all that is known to go wrong in a later one is said, with its line."""

from pathlib import Path

import pytest

from odtk import machine
from odtk.errors import OdtkError
from odtk.tools.run import run
from odtk.tools.run.checks import check_stages
from odtk.tools.run.project import parse

PETS = Path(__file__).parents[1] / "data/pets_mini"

RIGHT = f"""
make-tfrecords: {{data-dir: {PETS}}}
configure: {{base: ssd_resnet50_v1_fpn_small}}
train: {{seed: 7, devices: cpu}}
evaluate: {{}}
export: {{}}
predict: {{images: {PETS / "images"}}}
"""


def checked(text: str, folder: Path, running=None) -> None:
    project = parse(text, f"{folder}/p.yaml")
    check_stages(project, list(project.stages) if running is None else running)


def test_a_project_without_errors_passes_before_anything_is_made(tmp_path):
    checked(RIGHT, tmp_path)
    assert list(tmp_path.iterdir()) == []
    # Evaluation uses what training uses: TensorFlow cannot change its devices.
    assert parse(RIGHT, "p.yaml").stages["evaluate"].values["devices"] == "cpu"


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        (f"data-dir: {PETS}", "data-dir: nowhere", 2, "nowhere is not a folder"),
        (f"data-dir: {PETS}", f"data-dir: {PETS}, masks: true", 2, "does not support masks.*Key: masks."),
        ("fpn_small", "fpn_smal", 3, "configure: "),
        ("fpn_small", "fpn_small, image-size: 128", 3, "the config that it would write has errors.*no side below 129"),
        ("fpn_small", "fpn_small, set: {train_config.batch_sise: 3}", 3, "train_config.batch_size"),
        ("fpn_small", "fpn_small, fine-tune-checkpoint: a.h5", 3, "prefix of a TensorFlow checkpoint is expected"),
        ("seed: 7", "patience: 3, eval-every: 0", 4, "patience needs evaluations"),
        ("seed: 7", "max-time: 90", 4, "max_time is '90' .of what"),
        ("seed: 7", "profile: 10:90000", 4, "Key: profile"),
        ("seed: 7", "reuse-head-weights: true", 4, "Head weights are reused from a checkpoint"),
        ("evaluate: {}", "evaluate: {devices: gpu:1}", 5, "train is to use cpu and evaluate gpu:1"),
        ("export: {}", "export: {winograd: true, precision: float16}", 6, "winograd is for CPUs.*Key: precision."),
        ("export: {}", "export: {input-type: tensor}", 6, "'tensor' is not an input type"),
        ("export: {}", "export: {output-dir: runs/p/model}", 6, "export would replace .*model, which is what train"),
        ("predict: {images:", "predict: {label-map: nowhere, images:", 7, "nowhere"),
        (f"images: {PETS / 'images'}", "images: nowhere", 7, "nowhere"),
        (f"images: {PETS / 'images'}", "images: camera:0", 7, "camera:0 does not end by itself.*Key: images."),
        (f"images: {PETS / 'images'}", "images: '-'", 7, "no standard input.*Key: images."),
        ("predict: {", "predict: {save: films, ", 7, "'films' is not known.*Key: save."),
        ("devices: cpu", "devices: gpo", 4, "devices of train is 'gpo'; it is auto, cpu, gpu:0,1 or all"),
        ("evaluate: {}", "evaluate: {devices: gpu-1}", 5, "devices of evaluate is 'gpu-1'"),
        (
            "predict: {",
            "predict: {devices: 'gpu:0,1', ",
            7,
            "devices of predict is 'gpu:0,1'; it is auto, cpu or gpu:0",
        ),
        ("devices: cpu", "devices: gpu:9", 4, "train is to use gpu:9, but this machine has 1 GPU"),
        ("seed: 7", "seed: 7, best-metric: mAPP", 4, "No metric is called 'mAPP'. The nearest: mAP.*Key: best-metric."),
        (
            "fpn_small",
            "fpn_small, fine-tune-checkpoint: nope/ckpt-0",
            3,
            "there is no checkpoint .*nope/ckpt-0 here.*Key: fine-tune-checkpoint.",
        ),
        (
            "evaluate: {}",
            "evaluate: {checkpoint: ../other/ckpt-1}",
            5,
            "other/ckpt-1 holds no checkpoint.*Key: checkpoint",
        ),
        ("export: {}", "export: {checkpoint: beste}", 6, "/beste holds no checkpoint.* best, last, or the path of one"),
        ("export: {}", "export: {model-dir: another}", 6, "/another holds no checkpoint.*Key: model-dir."),
        ("seed: 7", f"seed: 7, model-dir: {PETS}", 4, f"train would replace {PETS}, which is the data"),
        ("seed: 7", "seed: 7, model-dir: ./", 4, "which holds .*/p.yaml, the project file"),
        ("seed: 7", "seed: 7, model-dir: runs", 4, "which holds .*records, what make-tfrecords writes"),
        ("predict: {", f"predict: {{output: {PETS / 'images'}, ", 7, "which is images of predict"),
        ("predict: {", f"predict: {{output: {PETS.parent}, ", 7, "which holds .*pets_mini, the data"),
        ("export: {}", "export: {output-dir: p.lock}", 6, "which is the lock of this project"),
        ("make-tfrecords:", f"output: {PETS}\nmake-tfrecords:", 3, "is the folder of the data and of all outputs"),
    ],
)
def test_what_is_wrong_in_any_stage_is_said_first(tmp_path, monkeypatch, before, after, line, message):
    monkeypatch.setattr(machine, "most_gpus", lambda: 1)
    assert before in RIGHT
    with pytest.raises(OdtkError, match=f"(?s)p.yaml:{line}: .*{message}"):
        checked(RIGHT.replace(before, after), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        RIGHT.replace("seed: 7", "seed: 7, best-metric: mAP@.50IOU"),
        RIGHT.replace("seed: 7", "seed: 7, best-metric: AP/pug"),
        RIGHT.replace("seed: 7", "seed: 7, best-metric: total_loss"),
        RIGHT.replace("evaluate: {}", "evaluate: {checkpoint: runs/p/model/ckpt-9}"),  # that training will write
        RIGHT.replace("devices: cpu", "devices: 'GPU:0'"),
    ],
)
def test_what_can_work_is_not_refused(tmp_path, monkeypatch, text):
    monkeypatch.setattr(machine, "most_gpus", lambda: 1)
    assert text != RIGHT
    checked(text, tmp_path)


def test_a_config_may_not_be_written_over_its_base(tmp_path):
    (tmp_path / "my.config").touch()
    with pytest.raises(OdtkError, match=r"p.yaml:1: configure would replace .*/my.config, which is the base"):
        checked("configure: {base: my.config, output: my.config}", tmp_path)


def test_a_config_that_is_given_is_checked_before_the_records_are_made(tmp_path):
    text = f"make-tfrecords: {{data-dir: {PETS}}}\ntrain: {{pipeline-config: my.config}}"
    (tmp_path / "my.config").write_text("train_config { batch_size: 0 }")
    with pytest.raises(OdtkError, match=r"(?s)p.yaml:2: train: .*my.config has errors:.*model"):
        checked(text, tmp_path)


@pytest.mark.parametrize(
    ("running", "message"),
    [
        (
            ["train"],
            r":4: train reads .*/runs/p/pipeline.config, which configure has not made yet. Run configure as well",
        ),
        (["configure"], r":3: configure reads .*/runs/p/records, which make-tfrecords has not made yet"),
        (["export"], r":6: export reads .*/runs/p/pipeline.config, which configure has not made yet"),
    ],
)
def test_a_stage_alone_needs_what_others_make(tmp_path, running, message):
    with pytest.raises(OdtkError, match=message):
        checked(RIGHT, tmp_path, running)


def test_a_shipped_config_is_no_missing_file(tmp_path):
    text = "train: {pipeline-config: ssd_resnet50_v1_fpn_small, model-dir: m}\nevaluate:"
    (tmp_path / "m").mkdir()
    with pytest.raises(OdtkError, match=r":2: evaluate: .*/m holds no checkpoint"):
        checked(text, tmp_path, ["evaluate"])


def test_what_is_evaluated_without_training_must_be_there(tmp_path):
    text = "evaluate: {pipeline-config: ssd_resnet50_v1_fpn_small, model-dir: model}"
    with pytest.raises(OdtkError, match=r"p.yaml:1: evaluate: .*/model holds no checkpoint.*Key: model-dir."):
        checked(text, tmp_path)


@pytest.mark.parametrize("model", ["exported", "exported/saved_model", "found.json"])
def test_what_is_evaluated_may_also_be_an_export_or_a_file(tmp_path, model):
    (tmp_path / "exported/saved_model").mkdir(parents=True)
    (tmp_path / "exported/saved_model/saved_model.pb").touch()
    (tmp_path / "found.json").touch()
    checked(f"evaluate: {{pipeline-config: ssd_resnet50_v1_fpn_small, model-dir: {model}}}", tmp_path)


def test_nothing_is_left_of_a_run_that_cannot_begin(tmp_path):
    (tmp_path / "p.yaml").write_text(RIGHT.replace("seed: 7", "max-time: 90"))
    with pytest.raises(OdtkError, match="max_time"):
        run(tmp_path / "p.yaml")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["p.yaml"]
    assert not (tmp_path / "runs/p").exists()
