"""Project files: read with their lines; their keys are the commands' options, and mean what these mean."""

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import odtk
from odtk.cli.main import cli
from odtk.errors import ProjectError
from odtk.tools.run.keys import FILLED_IN, MADE, SECTIONS
from odtk.tools.run.project import parse

# For the terminal alone.
TERMINAL = {"json", "list", "check"}

WHOLE = """
output: runs/pets
make-tfrecords: {data-dir: pets, num-shards: 2, split: {val: my list.txt}, full-body: no, val-fraction: 2e-1}
configure:
  base: ssd_resnet50_v1_fpn_small
  image-size: 320x480
  scale-learning-rate: false
  set: {train_config.max_number_of_boxes: 20, eval_config.metrics_set: [coco_detection_metrics]}
train: {seed: 007, max-time: 1:30:00, log-to: [wandb, mlflow], batch-size: auto, cache: "disk:tmp", deterministic: yes}
evaluate:
export: {checkpoint: best, winograd: on}
predict: {images: [a b.jpg, -c.jpg], min-score: 0.25}
"""


def command(name: str) -> click.Command:
    return cli.get_command(click.Context(cli), name)


def parameters(name: str) -> dict[str, click.Parameter]:
    """By the keys that a project file calls them."""
    found = {}
    for each in command(name).params:
        names = [opt[2:] for opt in each.opts if opt.startswith("--")] or [each.name.replace("_", "-")]
        found[names[0]] = each
    return {key: each for key, each in found.items() if key not in TERMINAL}


def default_of(parameter: click.Parameter):
    """None where there is none, or where it is a list."""
    default = parameter.get_default(click.Context(click.Command("any")))
    return default if isinstance(default, (bool, int, float, str)) else None


@pytest.mark.parametrize("name", SECTIONS)
def test_keys_are_the_options_of_the_command_and_of_the_function(name):
    section = SECTIONS[name]
    assert not section.keys.keys() & section.refused.keys()
    assert section.keys.keys() | section.refused.keys() == parameters(name).keys()
    assert section.arguments == tuple(
        each.name.replace("_", "-") for each in command(name).params if isinstance(each, click.Argument)
    )
    # Without importing TensorFlow for it: test_python_api compares the functions with the commands.
    if name != "evaluate":
        taken = inspect.signature(getattr(odtk, name.replace("-", "_"))).parameters
        assert {key.replace("-", "_") for key in section.keys} <= taken.keys()


@pytest.mark.parametrize("name", SECTIONS)
def test_kinds_and_defaults_are_those_of_the_command(name):
    for key, parameter in parameters(name).items():
        if key not in SECTIONS[name].keys:
            continue
        assert SECTIONS[name].keys[key].default == default_of(parameter)
        kind, of_click = SECTIONS[name].keys[key].kind, parameter.type
        inner, takes_several = (
            getattr(kind, "kind", kind),
            parameter.nargs == -1 or getattr(parameter, "multiple", False),
        )
        assert hasattr(kind, "kind") == takes_several or key in ("set", "split")
        if isinstance(of_click, click.Choice) and key != "input-type":
            assert inner.names == tuple(of_click.choices)
        if isinstance(of_click, click.IntRange):
            assert (inner.least, inner.most) == (of_click.min, of_click.max)
        if isinstance(of_click, click.FloatRange):
            most = {"below" if of_click.max_open else "most": of_click.max}
            least = {"above" if of_click.min_open else "least": of_click.min}
            limits = {**dict.fromkeys(("least", "most", "above", "below")), **most, **least}
            assert {limit: getattr(inner, limit) for limit in limits} == limits
        if isinstance(parameter, click.Option) and parameter.secondary_opts:
            assert [inner.off] == parameter.secondary_opts
        assert getattr(parameter, "is_flag", False) == hasattr(inner, "off")


def test_each_printed_command_gives_the_arguments_that_the_run_gives(tmp_path):
    (tmp_path / "runs/pets/exported").mkdir(parents=True)  # which odtk predict looks for
    project = parse(WHOLE, f"{tmp_path}/pets.yaml")
    assert list(project.stages) == list(SECTIONS)
    for name, stage in project.stages.items():
        program, word, *words = shlex.split(stage.command(project.folder))
        assert (program, word) == ("odtk", name)
        context = command(name).make_context(name, words)
        given = plain(context.params | {"set": dict(context.params.get("set") or {})})
        defaults = {each.name: default_of(each) for each in command(name).params}
        ours = plain(stage.arguments(project.folder))
        assert {key: value for key, value in ours.items() if given[key] != value} == {}
        others = given.keys() - ours.keys()
        assert {key: given[key] for key in others if given[key] not in (defaults.get(key), [], {}, None)} == {}


def plain(arguments: dict) -> dict:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}


def test_values_mean_what_they_mean_as_words_of_a_command(tmp_path):
    project = parse(WHOLE, f"{tmp_path}/pets.yaml")
    train = project.stages["train"].arguments(project.folder)
    assert (train["seed"], train["max_time"], train["batch_size"]) == (7, "1:30:00", "auto")
    assert train["cache"] == f"disk:{tmp_path}/tmp"
    assert project.stages["export"].arguments("")["checkpoint"] == "best"
    # A list of a split that is not beside the file may be one of the data.
    assert project.stages["make-tfrecords"].arguments(project.folder)["split"] == {"val": "my list.txt"}
    (tmp_path / "my list.txt").touch()
    assert project.stages["make-tfrecords"].arguments(project.folder)["split"] == {"val": f"{tmp_path}/my list.txt"}
    configure = project.stages["configure"].arguments(project.folder)
    assert configure["base"] == "ssd_resnet50_v1_fpn_small"
    (tmp_path / "ssd_resnet50_v1_fpn_small").touch()
    assert project.stages["configure"].arguments(project.folder)["base"] == f"{tmp_path}/ssd_resnet50_v1_fpn_small"


def test_what_other_stages_make_is_filled_in():
    project = parse(
        "train: {pipeline-config: mine.config}\nexport: {output-dir: gs://bucket/x}\npredict: {images: y}", "p.yaml"
    )
    assert project.stages["train"].values["model-dir"] == "runs/p/model"
    assert project.stages["export"].values["pipeline-config"] == "mine.config"
    assert project.stages["export"].values["model-dir"] == "runs/p/model"
    assert project.stages["predict"].arguments("sub")["model"] == "gs://bucket/x"
    assert {key for _, key in [*FILLED_IN, *MADE]} <= {key for each in SECTIONS.values() for key in each.keys}


def test_the_files_that_are_shown_and_shipped_are_project_files():
    root = Path(__file__).parents[2]
    (shown,) = re.findall(r"```yaml\n(.*?)```", (root / "docs/run.md").read_text("utf-8"), re.DOTALL)
    assert list(parse(shown, "p.yaml").stages) == list(SECTIONS)
    for text in (root / "projects").glob("*.yaml"):
        project = parse(text.read_text("utf-8"), "here/p.yaml")
        assert project.stages["train"].arguments(project.folder)["model_dir"] == "here/model"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trian: {}", "p.yaml:1: 'trian' is no stage. Did you mean train?"),
        ("train:\n  sed: 7", "p.yaml:2: train has no key 'sed'. Did you mean seed?"),
        ("train:\n  num_steps: 7", "Did you mean num-steps?"),
        ("train:\n  num-shards: 7", "p.yaml:2: train has no key 'num-shards'. It is a key of make-tfrecords."),
        ("train: {}\nevaluate: {}\ntrain: {}", "p.yaml:3: train stands twice, first in line 1."),
        ("configure:\n  set: {a: 1,\n    a: 2}", "p.yaml:3: a stands twice"),
        ("train: [1]", "p.yaml:1: train is a list; it is keys and values"),
        ("train:\n  seed: -1", "p.yaml:2: seed of train is '-1'; it is a whole number from 0 to 4294967295."),
        ("train:\n  seed: 1.5", "seed of train is '1.5'"),
        ("train:\n  seed:", "p.yaml:2: seed of train is empty"),
        ("train:\n  deterministic: 1", "it is true or false"),
        ("train:\n  min-delta: .nan", "it is a number, 0 or more"),
        ("train:\n  precision: fp16", "it is one of auto, float32, float16, bfloat16"),
        ("train:\n  repeat: true", "p.yaml:2: repeat of train is no key here: it starts another run's training"),
        ("make-tfrecords: {data-dir: d, split: {dev: x}}", "it is train, val and test"),
        ("make-tfrecords: {data-dir: d, val-fraction: 1}", "it is a number, 0 or more and less than 1"),
        ("make-tfrecords: {}", "p.yaml:1: make-tfrecords has no data-dir."),
        ("train:", "p.yaml:1: train needs a pipeline-config, and no stage before it makes one. Add a section"),
        ("a: b: c", "p.yaml:1 is no YAML"),
        ("train:\n\tseed: 7", "p.yaml:2 is no YAML"),
        ("- train", "p.yaml:1 is a list; sections"),
        ("# only words", "p.yaml is empty"),
        ("output: runs", "p.yaml has no stage"),
        ("output: gs://bucket\ntrain:", "p.yaml:1: output is 'gs://bucket'; it is a folder on this machine"),
        ("train: &a {seed: 1}\nevaluate: *a", "an alias"),
        ("train: &a [*a]", "an alias"),
        ("? [1]\n: 2", "p.yaml:1: a key of the file is a list; it is a word."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_answered_with_its_line(text, message):
    with pytest.raises(ProjectError) as error:
        parse(text, "p.yaml")
    assert message in str(error.value)
