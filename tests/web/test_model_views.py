"""What the pages of models show: fields from the schema, trials of changes, texts, layers."""

import pytest
from click.testing import CliRunner
from small_projects import SMALL, SUMMARY

from odtk import pipeline, resources
from odtk.errors import ConfigError
from odtk.web.model_views import augmentations, config_fields, optimizers, pipeline_cards, training_options
from odtk.web.model_views.architecture import architecture
from odtk.web.model_views.config_edits import checker, edited_text, options, try_changes
from odtk.web.model_views.config_text import checked_text, diff, nearest_shipped
from odtk.web.projects import Project
from odtk.web.workspace import Workspace

NAME = "projects/pets/pipeline.config"
SIZE = "model.ssd.image_resizer.fixed_shape_resizer"
HEADS = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
RATE = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"


@pytest.fixture(scope="module")
def text():
    return pipeline.read_text(SMALL)


@pytest.fixture
def check(tmp_path):
    return checker(NAME, tmp_path)


@pytest.mark.parametrize("name", sorted(resources.shipped_files("pipelines", ".config")))
def test_every_shipped_pipeline_has_a_form_whose_fields_can_be_set_as_they_are(name):
    config, text = pipeline.read(name), pipeline.read_text(name)
    groups = {group.name: group for group in config_fields.groups(config)}
    assert {"images", "training", "network", "freezing"} <= groups.keys()
    assert ("anchors" in groups) == (config.model.WhichOneof("model") != "center_net")
    fields = [field for group in groups.values() for field in group.fields]
    assert len({field.path for field in fields}) == len({field.id for field in fields}) == len(fields)
    set_fields = [field for field in fields if pipeline.is_set(config, field.path)]
    plain = [each for each in set_fields if not (optimizers.is_choice(each.path) or optimizers.is_entries(each.path))]
    same = pipeline.set_fields(text, [(f.path, config_fields.as_value(f, f.value)) for f in plain], name)
    for field in set_fields:
        if field not in plain:
            same = edited_text(same, field.path, field.value, name)
    assert same == text


def test_a_field_that_is_not_set_shows_its_default_and_what_the_schema_says(text):
    field = config_fields.by_path(pipeline.parse(text, NAME))[f"{HEADS}.dropout_keep_probability"]
    assert (field.value, field.kind, field.hint) == ("0.8", "number", "The share that is kept.")


def test_what_odtk_ignores_or_refuses_is_no_field(text):
    paths = config_fields.by_path(pipeline.parse(text, NAME))
    assert not any(path.endswith((".inplace_batchnorm_update", ".use_matmul_gather")) for path in paths)


def test_a_list_is_typed_with_commas(text):
    field = config_fields.by_path(pipeline.parse(text, NAME))[f"{ANCHORS}.aspect_ratios"]
    assert field.value == "1.0, 2.0, 0.5"
    assert config_fields.as_value(field, "1, 3") == "[1, 3]"
    assert config_fields.as_value(field, " ") == ""


def test_texts_of_a_list_are_quoted(text):
    field = config_fields.by_path(pipeline.parse(text, NAME))[config_fields.FREEZE]
    value = config_fields.as_value(field, r"^model/a\d, b")
    config = pipeline.parse(pipeline.set_fields(text, [(field.path, value)], NAME), NAME)
    assert list(config.train_config.freeze_variables) == [r"^model/a\d", "b"]


def test_what_is_wrong_is_refused_by_itself_and_the_rest_is_made(text, check):
    asked = {"train_config.batch_size": "16", f"{SIZE}.width": "100", "train_config.num_steps": "many"}
    trial = try_changes(text, asked, check, NAME)
    assert trial.made == {"train_config.batch_size": "16"}
    assert trial.refused[f"{SIZE}.width"].startswith("width is 100; this model takes no side below 129")
    assert trial.refused["train_config.num_steps"] == "num_steps takes a whole number of 0 or more, not many."
    assert "width: 100" in trial.refused_text
    assert pipeline.parse(trial.text, NAME).train_config.batch_size == 16


def test_changes_that_only_work_together_are_made_together(check):
    name = "ssd_mobilenet_v2_fpnlite_320x320_pets"
    text = pipeline.read_text(name)
    asked = {ANCHORS + ".max_level": "6", "model.ssd.feature_extractor.fpn.max_level": "6"}
    assert try_changes(text, asked, check, NAME).made == asked
    assert try_changes(text, {ANCHORS + ".max_level": "6"}, check, NAME).refused


def test_an_error_that_was_there_before_refuses_nothing(text, check):
    broken = pipeline.set_fields(text, [(f"{SIZE}.height", "100")], NAME)
    assert not try_changes(broken, {"train_config.num_steps": "50"}, check, NAME).refused


def test_a_trial_does_what_configure_does(text, check, tmp_path):
    from odtk.tools.configure import configure

    asked = {"train_config.batch_size": "4", "train_config.num_steps": "900", f"{RATE}.learning_rate_base": "0.05"}
    base, output = tmp_path / "a.config", tmp_path / "b.config"
    base.write_text(text)
    configure(base, output, batch_size=4, num_steps=900, learning_rate=0.05)
    assert try_changes(text, asked, check, NAME).text == output.read_text()


def test_the_options_are_those_of_the_command(text):
    changes = {"train_config.batch_size": "4", f"{SIZE}.width": "320", f"{SIZE}.height": "256",
               f"{RATE}.learning_rate_base": "1e-3", f"{HEADS}.depth": "32"}  # fmt: skip
    assert options(text, changes, NAME, scale=False) == [
        "--batch-size", "4", "--no-scale-learning-rate", "--learning-rate", "1e-3", "--image-size", "256x320",
        "--set", f"{HEADS}.depth=32",
    ]  # fmt: skip


OF_MOMENTUM = "train_config.optimizer.momentum_optimizer.learning_rate"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", "learning_rate: 0.02"),
        ("exponential_decay", "initial_learning_rate: 0.02 decay_steps: 60 decay_factor: 0.63 "
         "burnin_learning_rate: 0.002 burnin_steps: 50"),
        ("manual_step", "initial_learning_rate: 0.002 schedule { step: 50 learning_rate: 0.02 } "
         "schedule { step: 400 learning_rate: 0.002 } schedule { step: 533 learning_rate: 0.0002 } warmup: true"),
    ],
)  # fmt: skip
def test_another_schedule_takes_over_rates_and_warm_up_and_back(text, check, name, expected):
    trial = try_changes(text, {OF_MOMENTUM: name}, check, NAME)
    rates = pipeline.parse(trial.text, NAME).train_config.optimizer.momentum_optimizer.learning_rate
    chosen = rates.WhichOneof("learning_rate")
    assert chosen == f"{name}_learning_rate"
    assert str(getattr(rates, chosen)).split() == expected.split()
    assert "# Rises for 50 steps" in trial.text
    back = pipeline.parse(edited_text(trial.text, OF_MOMENTUM, "cosine_decay", NAME), NAME)
    before = pipeline.parse(text, NAME)
    if name == "constant":  # it has no warm-up
        without = [(f"{RATE}.warmup_steps", "0"), (f"{RATE}.warmup_learning_rate", "")]
        before = pipeline.parse(pipeline.set_fields(text, without, NAME), NAME)
    assert back == before


@pytest.mark.parametrize("kind", ["adam", "rms_prop"])
def test_another_optimizer_keeps_the_schedule_with_its_comments(text, check, kind):
    trial = try_changes(text, {"train_config.optimizer": kind}, check, NAME)
    optimizer = pipeline.parse(trial.text, NAME).train_config.optimizer
    assert optimizer.WhichOneof("optimizer") == f"{kind}_optimizer"
    before = pipeline.parse(text, NAME).train_config.optimizer.momentum_optimizer
    assert getattr(optimizer, f"{kind}_optimizer").learning_rate == before.learning_rate
    assert "total_steps: 600  # the same as num_steps" in trial.text
    if kind == "rms_prop":
        assert (optimizer.rms_prop_optimizer.decay, optimizer.rms_prop_optimizer.HasField("decay")) == (0, True)
    paths = [field.path for field in config_fields.groups(pipeline.parse(trial.text, NAME))[1].main]
    assert f"train_config.optimizer.{kind}_optimizer.epsilon" in paths


def test_an_optimizer_and_its_schedule_change_together_with_the_rate(text, check, tmp_path):
    from odtk.tools.configure import configure

    asked = {f"{RATE}.learning_rate_base": "0.005", OF_MOMENTUM: "constant", "train_config.optimizer": "adam"}
    trial = try_changes(text, asked, check, NAME)
    assert "adam_optimizer" in trial.text
    words = options(text, trial.made, NAME)
    assert words[:2] == ["--learning-rate", "0.005"]
    base, output = tmp_path / "a.config", tmp_path / "b.config"
    base.write_text(text)
    configure(base, output, learning_rate=0.005, set=[tuple(each.split("=", 1)) for each in words[3::2]])
    assert output.read_text() == trial.text
    rates = pipeline.read(output).train_config.optimizer.adam_optimizer.learning_rate
    assert rates.constant_learning_rate.learning_rate == pytest.approx(0.005)


@pytest.mark.parametrize("base", [None, "0.0123"])
@pytest.mark.parametrize("chosen", [{}, {OF_MOMENTUM: "manual_step"}, {"train_config.optimizer": "adam"}])
def test_a_trial_makes_what_its_command_makes_in_whatever_order_fields_come(text, check, tmp_path, base, chosen):
    asked = {**chosen, f"{RATE}.warmup_learning_rate": "0.0007", f"{RATE}.warmup_steps": "33"}
    asked |= {f"{RATE}.learning_rate_base": base} if base else {}
    asked |= {"train_config.num_steps": "900", "train_config.batch_size": "3"}
    for given in (asked, dict(reversed(asked.items()))):
        trial = try_changes(text, given, check, NAME)
        assert trial.made == asked
        assert configured(text, options(text, trial.made, NAME), tmp_path) == trial.text
    rates = optimizers.rates_of(pipeline.parse(trial.text, NAME))
    assert (rates.first, rates.warmup_steps) == (pytest.approx(0.0007), 33)
    assert rates.base == pytest.approx(float(base or "0.0075"))


def test_a_trial_makes_what_its_command_makes_if_some_is_refused(text, check, tmp_path):
    asked = {f"{RATE}.learning_rate_base": "x", f"{RATE}.warmup_learning_rate": "0.0007"}
    trial = try_changes(text, asked | {"train_config.batch_size": "4"}, check, NAME)
    assert list(trial.refused) == [f"{RATE}.learning_rate_base"]
    assert configured(text, options(text, trial.made, NAME), tmp_path) == trial.text
    rates = optimizers.rates_of(pipeline.parse(trial.text, NAME))
    assert (rates.base, rates.first) == (pytest.approx(0.01), pytest.approx(0.0007))


def configured(text, words, folder):
    """What `odtk configure` makes of a text with options."""
    from odtk.cli.configure import configure

    base, output = folder / "base.config", folder / "made.config"
    base.write_text(text)
    result = CliRunner().invoke(configure, [str(base), "--output", str(output), "--overwrite", *words])
    assert result.exit_code == 0, result.output
    return output.read_text()


def test_rates_by_step_are_typed_as_pairs(text, check):
    manual = edited_text(text, OF_MOMENTUM, "manual_step", NAME)
    path = f"{OF_MOMENTUM}.manual_step_learning_rate.schedule"
    assert config_fields.by_path(pipeline.parse(manual, NAME))[path].value == "50: 0.02, 400: 0.002, 533: 0.0002"
    trial = try_changes(manual, {path: "050: 0.02, 300: 1e-3"}, check, NAME)  # 050 is no octal number
    assert config_fields.by_path(pipeline.parse(trial.text, NAME))[path].value == "50: 0.02, 300: 0.001"
    assert options(manual, trial.made, NAME) == [
        "--set", f"{path}=[{{step: 50 learning_rate: 0.02}}, {{step: 300 learning_rate: 1e-3}}]"
    ]  # fmt: skip
    for typed, reason in {"50 0.02": "no step and rate", "300: 0.1, 200: 0.01": "steps must increase",
                          "5: x": "no step and rate", "9: nan": "no step and rate"}.items():  # fmt: skip
        assert reason in try_changes(manual, {path: typed}, check, NAME).refused[path]
    assert (
        "is none of rms_prop, momentum, adam"
        in try_changes(text, {"train_config.optimizer": "sgd"}, check, NAME).refused["train_config.optimizer"]
    )


def test_a_typo_stands_at_its_line(text, check):
    found = checked_text(text.replace("        depth: 64", "        dept: 64"), check, NAME)
    marked = [line for line in found.lines if line.messages]
    assert not found.parses
    assert [line.text.strip() for line in marked] == ["dept: 64"]
    assert "Did you mean depth?" in marked[0].messages[0].text


def test_findings_stand_at_their_lines(text, check):
    found = checked_text(text.replace("batch_size: 8", "batch_size: 0"), check, NAME)
    wrong = [line for line in found.lines if line.tone == "error"]
    assert [line.text.strip() for line in wrong] == ["batch_size: 0"]
    assert found.counts["error"] == 1


def test_a_config_is_compared_with_the_shipped_one_that_is_nearest(text):
    name, base = nearest_shipped(text.replace("height: 160", "height: 192"), NAME)
    assert name == SMALL
    lines = diff(base, text.replace("height: 160", "height: 192"), name, NAME)
    assert [(line.kind, line.text.strip()) for line in lines if line.kind in ("added", "removed")] == [
        ("removed", "-        height: 160"),
        ("added", "+        height: 192"),
    ]


def test_every_augmentation_is_there_once_and_those_that_are_on_have_fields(text):
    steps = [step for group in augmentations.augmentation_groups(pipeline.parse(text, NAME)) for step in group.steps]
    assert sorted(step.name for step in steps) == sorted(augmentations.AUGMENTATIONS)
    on = [step for step in steps if step.place is not None]
    assert [step.name for step in on] == ["random_horizontal_flip"]
    assert [field.path.rpartition(".")[2] for field in on[0].fields] == ["probability"]
    assert all(step.hint for step in steps)


def test_augmentations_are_switched_off_from_the_last_and_on_at_the_end(text):
    two = pipeline.set_fields(text, [(f"{augmentations.OPTIONS}[+].random_vertical_flip", "{}")], NAME)
    config = pipeline.parse(two, NAME)
    changes = augmentations.switch_changes(config, ["+random_rotation90", "+no_such_thing"])
    after = pipeline.parse(pipeline.set_fields(two, list(changes.items()), NAME), NAME)
    assert [step.name for step in augmentations.steps(after)] == ["random_rotation90"]


def test_each_pipeline_is_a_card_with_what_the_zoo_states():
    cards = {card.name: card for card in pipeline_cards.cards()}
    assert cards.keys() == resources.shipped_files("pipelines", ".config").keys()
    assert cards["ssd_resnet50_v1_fpn_640x640_pets"].coco_map == "34.3"
    assert cards["ssd_resnet50_v1_fpn_640x640_pets"].milliseconds == 46
    assert cards[SMALL].zoo_model is None
    assert cards[SMALL].about.startswith("A small SSD with a ResNet-50 v1 backbone")


def test_layers_lie_inside_one_another_and_what_has_no_row_is_summed():
    found = architecture(SUMMARY)
    assert [(layer.name, layer.parameters) for layer in found.layers] == [("backbone", 2352), ("pyramid", 300)]
    assert [layer.shapes for layer in found.layers[0].inside] == ["166 × 166 × 3", "80 × 80 × 16"]
    assert found.layers[1].shapes == "2: 20 × 20 × 64 to 2 × 2 × 64"
    assert found.anchors[0].sides == "32 × 32 to 45 × 45"


def test_the_layer_that_breaks_is_open_with_the_reason():
    broken = {"name": "pyramid/merge", "kind": "Add", "inputs": [[None, 10, 10, 64], [None, 9, 9, 64]],
              "reason": "the shapes differ"}  # fmt: skip
    memory = dict.fromkeys(SUMMARY["memory_bytes"]) | {"weights": 7, "batch_size": 8}
    found = architecture(SUMMARY | {"broken": broken, "anchors": [], "memory_bytes": memory})
    pyramid = found.layers[1]
    assert pyramid.is_open
    assert pyramid.inside[-1].broken == ("pyramid/merge (Add) fails on 10 × 10 × 64, 9 × 9 × 64: the shapes differ")
    assert found.parameters is None
    assert found.memory == [("Weights", 7)]


def test_options_of_training_are_read_by_their_kinds(tmp_path):
    values, errors = training_options.read_options(
        Project(Workspace(tmp_path), "pets"), {"patience": "0", "seed": "7", "freeze": "", "deterministic": "true"}
    )
    assert values == {"seed": 7, "freeze": None, "deterministic": True}
    assert errors == {"patience": "patience takes a whole number from 1 on, not 0."}


def test_a_cache_lies_in_the_workspace(tmp_path):
    (tmp_path / "root").mkdir()
    project = Project(Workspace(tmp_path / "work", [tmp_path / "root"]), "pets")
    for text in ("memory", "disk", "disk:cache", "disk:../../caches/pets", f"disk:{tmp_path}/work/caches"):
        assert training_options.read_options(project, {"cache": text}) == ({"cache": text}, {})
    outside = ("disk:/etc/x", "disk:../../../x", f"disk:{tmp_path}/root/x", "disk:../../.odtk-studio/x")
    for text in outside:
        values, errors = training_options.read_options(project, {"cache": text, "seed": "7"})
        assert values == {"seed": 7}
        assert "a folder of the workspace" in errors["cache"]


def test_every_option_of_training_is_in_the_form_or_elsewhere():
    elsewhere = {
        "pipeline-config",
        "model-dir",
        "num-steps",
        "batch-size",
        "extend-schedule",
        "log-to",
        "tpu",
        "profile",
    }
    shown = {*training_options.MAIN, *training_options.MORE}
    assert shown | elsewhere == training_options.SECTIONS["train"].keys.keys()
    assert not shown & elsewhere


def test_a_model_of_no_family_has_no_form():
    config = pipeline.read(SMALL)
    config.model.ssd.feature_extractor.type = "ssd_nothing"
    with pytest.raises(ConfigError, match="not one that odtk builds"):
        config_fields.groups(config)


def test_comments_are_found_for_fields_of_nested_messages():
    config = pipeline.read("centernet_small")
    field = config_fields.by_path(config)["model.center_net.object_detection_task.scale_loss_weight"]
    assert field.hint
