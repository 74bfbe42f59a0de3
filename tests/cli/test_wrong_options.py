"""An option of another command, or of another tool, is answered with where it lives; the exit code stays 2."""

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from odtk.cli.main import cli
from odtk.cli.wrong_options import _ANSWERS, _OTHER_NAMES

IN_THE_CONFIG = "odtk configure CONFIG --output CONFIG"


def refused(words):
    result = CliRunner().invoke(cli, shlex.split(words), prog_name="odtk")
    assert result.exit_code == 2, result.output
    return result.stderr.splitlines()[-1].removeprefix("error: ")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("train --learning-rate 1 c m", f"It is set in the config: {IN_THE_CONFIG} --learning-rate RATE"),
        ("train c m --learning-rate=0.1", f"{IN_THE_CONFIG} --learning-rate RATE"),
        ("train --lr 0.1", f"{IN_THE_CONFIG} --learning-rate RATE"),
        ("train --imgsz 640", f"{IN_THE_CONFIG} --image-size HxW"),
        ("train --weights x.pt", f"{IN_THE_CONFIG} --fine-tune-checkpoint PREFIX"),
        ("train --epochs 50", f"odtk counts steps; .* {IN_THE_CONFIG} --num-steps N"),
        ("configure --epochs 50", "odtk counts steps; "),
        ("train --data data.yaml", f"{IN_THE_CONFIG} --train-records FOLDER"),
        ("train --device 0", "Did you mean --devices?"),
        ("train --gpus 2", "Did you mean --devices?"),
        ("evaluate --device 0", "Did you mean --devices?"),
        ("predict --device 0", "Did you mean --devices?"),
        ("export --device 0", "CUDA_VISIBLE_DEVICES=0"),
        ("export --devices gpu:0", "Only odtk train, odtk evaluate and odtk predict can be told with --devices"),
        ("evaluate --split test", f"{IN_THE_CONFIG} --train-records GLOB --eval-records GLOB"),
        ("evaluate --num-steps 9", f"{IN_THE_CONFIG} --num-steps N"),
        ("predict --conf 0.3", r"Did you mean --min-score\?"),
        ("view --num_images 3", r"Did you mean --num-images\?"),
        ("view --count 3", r"Did you mean --num-images\?"),
        ("evaluate --conf 0.3", "odtk evaluate has no option --conf. odtk predict and odtk explain have it."),
        ("train --num_steps 9", r"Did you mean --num-steps\?"),
        (
            "train --model_dir=m --pipeline_config_path=c",
            r"It is an argument, not an option: odtk train \[OPTIONS\] PIPELINE_C",
        ),
        ("export --trained_checkpoint_prefix=x", "Did you mean '--checkpoint'"),
        ("predict --weights best.pt", "It is an argument, not an option: odtk predict .* MODEL"),
        ("make-tfrecords --data x", "It is an argument, not an option: odtk make-tfrecords .* DATA_DIR"),
        ("train --project runs", "It is an argument, not an option: odtk train .* MODEL_DIR"),
        ("view --project runs", r"Did you mean --output\?"),
        ("view --val-fraction 0.3", "odtk view has no option --val-fraction. odtk make-tfrecords has it."),
        ("export --seed 3", "odtk view, odtk make-tfrecords and odtk train have it."),
        ("label-map make --html x", "odtk label-map make has no option --html. odtk inspect has it."),
        ("train --debug", "It goes before the command: odtk --debug train"),
        ("--learning-rate 8 train", "odtk has no option --learning-rate. odtk configure has it."),
    ],
)
def test_where_an_option_lives(typed, answer):
    assert re.search(answer, refused(typed))


def test_a_misspelt_option_is_still_answered_with_the_nearest_of_the_command():
    assert "--checkpoint-every" in refused("train --chekpoint-every 4")


def test_the_answers_name_options_that_exist():
    ctx = click.Context(cli, info_name="odtk")
    known = {param.name for name in cli.list_commands(ctx) for param in cli.get_command(ctx, name).params}
    names = {name.replace("-", "_") for name in _OTHER_NAMES if name not in _ANSWERS}
    assert names <= known
    words = " ".join(_ANSWERS.values()).replace(".", " ").split()
    assert {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")} <= known | {"split"}
