"""Before the first stage of a project starts, all that is known to go wrong in a later one is said, with its line."""

from pathlib import Path

import pytest

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
        ("export: {}", "export: {output-dir: runs/p/model}", 6, "export would write to .*model, as train does"),
        ("predict: {images:", "predict: {label-map: nowhere, images:", 7, "nowhere"),
        (f"images: {PETS / 'images'}", "images: nowhere", 7, "nowhere"),
        ("seed: 7", f"seed: 7, model-dir: {PETS}", 4, f"train would replace {PETS}, which is the data"),
        ("seed: 7", "seed: 7, model-dir: ./", 4, "which holds .*/p.yaml, the project file"),
        ("seed: 7", "seed: 7, model-dir: runs", 4, "which holds .*records, what make-tfrecords writes"),
        ("predict: {", f"predict: {{output: {PETS / 'images'}, ", 7, "which is images of predict"),
        ("predict: {", f"predict: {{output: {PETS.parent}, ", 7, "which holds .*pets_mini, the data"),
        ("export: {}", "export: {output-dir: p.lock}", 6, "which is the lock of this project"),
        ("make-tfrecords:", f"output: {PETS}\nmake-tfrecords:", 3, "is the folder of the data and of all outputs"),
    ],
)
def test_what_is_wrong_in_any_stage_is_said_first(tmp_path, before, after, line, message):
    assert before in RIGHT
    with pytest.raises(OdtkError, match=f"(?s)p.yaml:{line}: .*{message}"):
        checked(RIGHT.replace(before, after), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_config_may_not_be_written_over_its_base(tmp_path):
    (tmp_path / "my.config").touch()
    with pytest.raises(OdtkError, match=r"p.yaml:1: configure would write over its base .*/my.config"):
        checked("configure: {base: my.config, output: my.config}", tmp_path)


def test_a_config_that_is_given_is_checked_before_the_records_are_made(tmp_path):
    text = f"make-tfrecords: {{data-dir: {PETS}}}\ntrain: {{pipeline-config: my.config}}"
    (tmp_path / "my.config").write_text("train_config { batch_size: 0 }")
    with pytest.raises(OdtkError, match=r"(?s)p.yaml:2: train: .*my.config has errors:.*model"):
        checked(text, tmp_path)


def test_what_is_evaluated_without_training_must_be_there(tmp_path):
    text = "evaluate: {pipeline-config: ssd_resnet50_v1_fpn_small, model-dir: model}"
    with pytest.raises(OdtkError, match=r"p.yaml:1: evaluate: .*/model holds no checkpoint.*Key: model-dir."):
        checked(text, tmp_path)


def test_nothing_is_left_of_a_run_that_cannot_begin(tmp_path):
    (tmp_path / "p.yaml").write_text(RIGHT.replace("seed: 7", "max-time: 90"))
    with pytest.raises(OdtkError, match="max_time"):
        run(tmp_path / "p.yaml")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["p.yaml"]
    assert not (tmp_path / "runs/p").exists()
