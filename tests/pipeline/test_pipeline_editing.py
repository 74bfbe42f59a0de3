"""Edits of a config's text: they mean what was asked, and leave alone what was not."""

import random
import re
from pathlib import Path

import pytest
from google.protobuf.message import Message

from odtk import pipeline
from odtk.errors import ConfigError
from odtk.protos import pipeline_pb2
from odtk.prototext import schema

SAMPLES = Path(__file__).parents[2] / "../shared/reference/tfod_sample_configs"
PETS = pipeline.read_text("ssd_resnet50_v1_fpn_640x640_pets")
OPTIMIZER = "train_config.optimizer"
MOMENTUM = f"{OPTIMIZER}.momentum_optimizer"
OPTIONS = "train_config.data_augmentation_options"
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
INPUT = "train_input_reader.tf_record_input_reader.input_path"


def edit(text: str, *assignments: tuple[str, str]) -> str:
    return pipeline.set_fields(text, list(assignments), "my.config")


def check(before: str, path: str, value: str, after: str) -> None:
    assert edit(before, (path, value)) == after


def test_only_the_value_changes_and_its_comment_stays():
    edited = edit(PETS, ("train_config.batch_size", "8"))
    assert edited == PETS.replace("batch_size: 64  # less", "batch_size: 8  # less")


def test_what_is_set_already_is_left_as_it_is_written():
    text = "train_config { gradient_clipping_by_norm: 10 fine_tune_checkpoint: 'a' 'b' num_steps: 0x10 }"
    same = [("gradient_clipping_by_norm", "10.0"), ("fine_tune_checkpoint", "ab"), ("num_steps", "16")]
    assert edit(text, *((f"train_config.{name}", value) for name, value in same)) == text
    assert edit(PETS) == PETS


def test_a_default_that_is_asked_for_is_written():
    check("train_config {\n}\n", "train_config.batch_size", "32", "train_config {\n  batch_size: 32\n}\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0.95", "0.95"),
        (".5", "0.5"),
        ("1e-3", "0.001"),
        ("-2", "-2.0"),
        ("inf", "inf"),
    ],
)
def test_numbers(value, written):
    check("model { ssd { loss { } } }", "model.ssd.loss.localization_weight", value, _loss(written))


def _loss(value: str) -> str:
    return f"model {{ ssd {{ loss {{ localization_weight: {value} }} }} }}"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("/data/ckpt-0", "/data/ckpt-0"),
        ("  /with blanks/#1  ", "/with blanks/#1"),
        (r"C:\new\data", r"C:\new\data"),
        ('it\'s "here"', 'it\'s "here"'),
        ('"quoted"', "quoted"),
        ("'single'", "single"),
        ('"a\\"b"', 'a"b'),
        ('""', ""),
        ("данные", "данные"),
        ("true", "true"),
    ],
)
def test_strings(value, meant):
    edited = edit(PETS, ("train_config.fine_tune_checkpoint", value))
    assert pipeline.parse(edited, "x").train_config.fine_tune_checkpoint == meant
    assert len(edited.split("\n")) == len(PETS.split("\n"))


@pytest.mark.parametrize(("value", "written"), [("true", "true"), ("False", "false"), ("1", "true")])
def test_bools(value, written):
    check("train_config { }", "train_config.use_bfloat16", value, f"train_config {{\n  use_bfloat16: {written}\n}}")


def test_enums_go_by_name_in_any_case():
    path = "model.ssd.post_processing.score_converter"
    assert edit(PETS, (path, "softmax")) == PETS.replace("score_converter: SIGMOID", "score_converter: SOFTMAX")


def test_missing_parents_are_made_with_the_indentation_of_the_text():
    before = "train_config {\n    batch_size: 8  # mine\n}\n# end"
    after = (
        "train_config {\n    batch_size: 8  # mine\n    optimizer {\n        adam_optimizer {\n"
        "            epsilon: 0.1\n        }\n    }\n}\n# end"
    )
    check(before, f"{OPTIMIZER}.adam_optimizer.epsilon", "0.1", after)
    check(before.replace("    ", "\t"), f"{OPTIMIZER}.adam_optimizer.epsilon", "0.1", after.replace("    ", "\t"))
    check(before.replace("\n", "\r\n"), f"{OPTIMIZER}.adam_optimizer.epsilon", "0.1", after.replace("\n", "\r\n"))
    check("", "train_config.batch_size", "8", "train_config {\n  batch_size: 8\n}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("train_config {}", "train_config {\n  num_steps: 5\n}"),
        ("train_config { }  # c", "train_config {\n  num_steps: 5\n}  # c"),
        ("train_config {\n  # c\n}", "train_config {\n  # c\n  num_steps: 5\n}"),
        ("train_config: <\n>", "train_config: <\n  num_steps: 5\n>"),
        ("train_config { batch_size: 8; }", "train_config { batch_size: 8; num_steps: 5 }"),
        ("train_config { batch_size: 8, # c\n}", "train_config { batch_size: 8, # c\n  num_steps: 5\n}"),
        ("train_config {\n  batch_size: 8 }", "train_config {\n  batch_size: 8\n  num_steps: 5\n}"),
        ("train_config\n{\n  batch_size: 8 # }\n}", "train_config\n{\n  batch_size: 8 # }\n  num_steps: 5\n}"),
        ("train_config { num_steps: 1 } model {}", "train_config { num_steps: 5 } model {}"),
        ("train_config { num_steps\n :\n # c\n 1 }", "train_config { num_steps\n :\n # c\n 5 }"),
    ],
)
def test_every_way_to_write_a_block(before, after):
    check(before, "train_config.num_steps", "5", after)


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("train_config {\n  # a\n  num_steps: 5  # b\n  batch_size: 8\n}", "num_steps", "  # a\n  batch_size: 8\n"),
        ("train_config {\n  num_steps: 5 batch_size: 8\n}", "num_steps", " batch_size: 8\n"),
        ("train_config {\n  batch_size: 8, num_steps: 5,\n}", "num_steps", "  batch_size: 8,\n"),
        ("train_config {\n  optimizer {\n    # x\n  } # y\n}", "optimizer", ""),
        ("train_config {\n  batch_size: 8\n}", "num_steps", "  batch_size: 8\n"),
        ("train_config {\n  batch_size: 8\n}", "optimizer.adam_optimizer.epsilon", "  batch_size: 8\n"),
        ("train_config {\n  freeze_variables: ['a', 'b', 'c']\n}", "freeze_variables[0]", "['b', 'c']"),
        ("train_config {\n  freeze_variables: ['a', 'b', 'c']\n}", "freeze_variables[-1]", "['a', 'b']"),
        ("train_config {\n  freeze_variables: ['a']\n}", "freeze_variables[0]", "{\n}"),
        ("train_config {\n  freeze_variables: ['a', 'b']\n}", "freeze_variables", "{\n}"),
    ],
)
def test_an_empty_value_takes_a_field_away(before, path, after):
    edited = edit(before, (f"train_config.{path}", ""))
    assert after in edited
    assert not pipeline.is_set(pipeline.parse(edited, "x"), f"train_config.{path.split('[')[0]}") or "[" in path


def test_another_member_of_a_oneof_keeps_the_text_of_what_both_have():
    text = """train_config {
  optimizer {
    momentum_optimizer {  # plain
      momentum_optimizer_value: 0.8  # of its own
      # Falls.
      learning_rate {
        constant_learning_rate { learning_rate: 0.10 }  # as it was
      }
    }
  }
}
"""
    value = "{ learning_rate { constant_learning_rate { learning_rate: 0.1 } } epsilon: 0.5 }"
    assert pipeline.set_fields(text, [("train_config.optimizer.adam_optimizer", value)], "a.config") == text.replace(
        "momentum_optimizer {", "adam_optimizer {"
    ).replace("      momentum_optimizer_value: 0.8  # of its own\n", "").replace(
        "as it was\n      }\n", "as it was\n      }\n      epsilon: 0.5\n"
    )
    one_line = "train_config { optimizer { momentum_optimizer { momentum_optimizer_value: 0.8 learning_rate {} } } }"
    changed = pipeline.set_fields(
        one_line, [("train_config.optimizer.rms_prop_optimizer", "{ momentum_optimizer_value: 0.8 decay: 0.5 }")], "x"
    )
    assert pipeline.parse(changed, "x").train_config.optimizer.rms_prop_optimizer.decay == 0.5


def test_a_member_of_a_oneof_takes_the_place_of_the_one_that_was_set():
    edited = edit(PETS, (f"{OPTIMIZER}.adam_optimizer.learning_rate.constant_learning_rate.learning_rate", "1e-4"))
    assert "momentum" not in edited
    at = edited.index("  optimizer {")
    assert edited[at:].startswith(
        "  optimizer {\n    adam_optimizer {\n      learning_rate {\n        constant_learning_rate {\n"
        "          learning_rate: 0.0001\n        }\n      }\n    }\n    use_moving_average: false\n  }\n"
    )
    check(
        "model { ssd { similarity_calculator { iou_similarity {} } } }",
        "model.ssd.similarity_calculator.ioa_similarity",
        "{}",
        "model { ssd { similarity_calculator { ioa_similarity { } } } }",
    )


def test_a_block_is_given_in_text_format():
    check(
        "train_config {\n  optimizer {\n    use_moving_average: true\n  }  # c\n}\n",
        OPTIMIZER,
        "adam_optimizer { epsilon: 0.1 } use_moving_average: false",
        "train_config {\n  optimizer {\n    adam_optimizer {\n      epsilon: 0.1\n    }\n"
        "    use_moving_average: false\n  }  # c\n}\n",
    )
    check("train_config { optimizer { use_moving_average: true } }", OPTIMIZER, "{}", "train_config { optimizer { } }")


def test_list_elements_by_index_from_the_end_and_new_ones():
    edited = edit(
        PETS,
        (f"{OPTIONS}[-1].random_crop_image.min_area", "0.5"),
        (f"{OPTIONS}[+]", "random_adjust_hue { max_delta: 0.1 }"),
        (f"{OPTIONS}[3].random_adjust_contrast.min_delta", "0.9"),
        (f"{OPTIONS}[0].random_vertical_flip", "{}"),
    )
    options = pipeline.parse(edited, "x").train_config.data_augmentation_options
    assert [option.WhichOneof("preprocessing_step") for option in options] == [
        "random_vertical_flip",
        "random_crop_image",
        "random_adjust_hue",
        "random_adjust_contrast",
    ]
    added = edited.index("random_adjust_hue")
    assert edited.index("min_area: 0.5") < added < edited.index("sync_replicas")  # behind its siblings
    assert edited[:added].endswith("\n  data_augmentation_options {\n    ")


def test_a_whole_list_keeps_the_lines_it_can():
    before = "  aspect_ratios: 1.0  # square\n  aspect_ratios: 2.0\n  aspect_ratios: 0.5\n"
    wrap = "model { ssd { anchor_generator { multiscale_anchor_generator {\n%s} } } }"
    path = f"{ANCHORS}.aspect_ratios"
    check(wrap % before, path, "[1.0, 3.0]", wrap % "  aspect_ratios: 1.0  # square\n  aspect_ratios: 3.0\n")
    check(wrap % before, path, "1, 2, 0.5, 4", wrap % (before + "  aspect_ratios: 4.0\n"))
    check(
        wrap % "  aspect_ratios: [1.0, 2.0]  # c\n", path, "[1, 2, 3]", wrap % "  aspect_ratios: [1.0, 2.0, 3.0]  # c\n"
    )
    check(wrap % "  aspect_ratios: [1.0, 2.0]\n", path, "7", wrap % "  aspect_ratios: [7.0]\n")
    check(wrap % "  aspect_ratios: []\n", path, "7", wrap % "  aspect_ratios: [7.0]\n")
    check(wrap % before, path, "", wrap % "")


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("/a/train-*", ["/a/train-*"]),
        ("/a,b/train", ["/a,b/train"]),
        ("[/a/x, /b/y]", ["/a/x", "/b/y"]),
        ("""["/a,b/x", '/c']""", ["/a,b/x", "/c"]),
    ],
)
def test_lists_of_strings(value, paths):
    assert list(pipeline.get_field(pipeline.parse(edit(PETS, (INPUT, value)), "x"), INPUT)) == paths


def test_lists_of_blocks():
    edited = edit(PETS, (OPTIONS, "[{random_vertical_flip {}}, {random_rotation90 {}}, {random_crop_image {}}]"))
    options = pipeline.parse(edited, "x").train_config.data_augmentation_options
    assert [option.WhichOneof("preprocessing_step") for option in options] == [
        "random_vertical_flip",
        "random_rotation90",
        "random_crop_image",
    ]
    inline = "train_config { data_augmentation_options: [{ random_vertical_flip {} }] }"
    assert edit(inline, (f"{OPTIONS}[+].random_crop_image.min_area", "0.5")) == (
        "train_config { data_augmentation_options: "
        "[{ random_vertical_flip {} }, { random_crop_image { min_area: 0.5 } }] }"
    )


def test_maps_go_by_key():
    before = "eval_config {\n  super_categories { key: 'cat' value: 'a' }  # c\n}\n"
    after = "eval_config {\n  super_categories { key: 'cat' value: \"b\" }  # c\n}\n"
    check(before, "eval_config.super_categories[cat]", "b", after)
    check(before, "eval_config.super_categories[cat]", "", "eval_config {\n}\n")
    assert pipeline.get_field(
        pipeline.parse(edit(before, ("eval_config.super_categories[dog]", "b")), "x"), "eval_config.super_categories"
    ) == {"cat": "a", "dog": "b"}
    calibration = "model.ssd.post_processing.calibration_config"
    path = f"{calibration}.class_id_sigmoid_calibrations.class_id_sigmoid_parameters_map[3].a"
    twice = edit(edit(PETS, (path, "2")), (path, "3"))
    assert pipeline.get_field(pipeline.parse(twice, "x"), path) == 3


def test_a_list_of_one_element_needs_no_index():
    edited = edit(PETS, ("eval_input_reader.label_map_path", "/x.pbtxt"))
    assert pipeline.parse(edited, "x").eval_input_reader[0].label_map_path == "/x.pbtxt"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("train_config.batch_sise", "1", "Did you mean train_config.batch_size"),
        ("train_config.batch_size", "many", "batch_size takes a whole number of 0 or more, not many"),
        ("train_config.batch_size", "1.5", "a whole number of 0 or more, not 1.5"),
        ("train_config.batch_size", "-1", "from 0 to 4294967295, not -1"),
        (f"{MOMENTUM}.momentum_optimizer_value", "0,9", "takes a number, not 0,9"),
        (f"{MOMENTUM}.momentum_optimizer_value", "1e50", "takes a number, not 1e50"),
        (f"{MOMENTUM}.momentum_optimizer_value", "nan", "takes a number, not nan"),
        ("train_config.use_bfloat16", "maybe", "takes true or false, not maybe"),
        (
            "model.ssd.post_processing.score_converter",
            "SIGMOD",
            "IDENTITY, SIGMOID, SOFTMAX, not SIGMOD. Did you mean SIG",
        ),
        (
            OPTIMIZER,
            "adam",
            "optimizer is a block with the fields rms_prop_optimizer, .* Set train_config.optimizer.FIELD",
        ),
        (OPTIMIZER, "adam_optimiser {}", "the value of train_config.optimizer.*Did you mean adam_optimizer"),
        (OPTIMIZER, "adam_optimizer {", "the value of train_config.optimizer"),
        (f"{ANCHORS}.aspect_ratios", "1;2", "aspect_ratios takes a number, not 1;2"),
        (f"{OPTIONS}[7]", "{}", r"has 2 elements, \[0\] to \[1\]"),
        ("eval_config.super_categories", "x", r"is a map. Set one entry: eval_config.super_categories\[KEY\]=VALUE"),
    ],
)
def test_what_cannot_be_set(path, value, words):
    with pytest.raises(ConfigError, match=words):
        edit(PETS, (path, value))


def test_a_text_that_does_not_parse_is_refused_under_its_name():
    with pytest.raises(ConfigError, match=r"my\.config:1:9: "):
        edit("model { sdd {} }", ("train_config.batch_size", "1"))


def test_later_assignments_see_earlier_ones():
    edited = edit(
        "", (f"{OPTIONS}[+].random_crop_image.min_area", "0.5"), (f"{OPTIONS}[0].random_crop_image.max_area", "1")
    )
    assert len(pipeline.parse(edited, "x").train_config.data_augmentation_options) == 1


def _another(value) -> str:
    if isinstance(value, bool):
        return str(not value).lower()
    return str(value + 1) if isinstance(value, (int, float)) else f'/a "b"/#{value}'


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="TFOD's sample configs are not on this machine")
@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.config")), ids=lambda path: path.stem)
def test_any_value_of_tfods_samples_can_be_changed_alone_and_taken_away(sample):
    draw, text = random.Random(sample.name), pipeline.read_text(sample)
    values = dict(pipeline.walk(pipeline.parse(text, sample.name)))
    simple = {p: v for p, v in values.items() if not isinstance(v, Message) and not str(v).isupper()}
    for path in draw.sample(sorted(simple), 5):
        changed = edit(text, (path, _another(values[path])))
        after = dict(pipeline.walk(pipeline.parse(changed, "x")))
        assert {p for p in values | after if values.get(p) != after.get(p)} == {path}
        lines = [(a, b) for a, b in zip(text.split("\n"), changed.split("\n"), strict=True) if a != b]
        assert len(lines) == 1
        assert lines[0][0].partition("#")[2] in lines[0][1]
        without = edit(text, (path, ""))
        assert all("[" in line for line in set(without.split("\n")) - set(text.split("\n")))
        assert len(list(pipeline.walk(pipeline.parse(without, "x")))) <= len(values)


def _every_path() -> list[tuple[str, str]]:
    """Every field of the schema with a value for it; lists get a new element, maps the key 3."""
    assignments = []
    for path, field in schema.every_field(pipeline_pb2.TrainEvalPipelineConfig.DESCRIPTOR):
        maps = r"(super_categories|keypoint_label_to_\w+|class_id_\w+_map)"
        path = re.sub(rf"{maps}\.(key|value)(?=\.|$)", r"\1[3]", path)
        path = path.replace("augmentation_options", "augmentation_options[+]")
        if schema.is_map(field) or path.endswith("[3]"):
            continue
        names = schema.enum_names(field)
        value = names[-1] if names else "true" if schema.is_bool(field) else "3"
        assignments.append((path, "{}" if schema.is_message(field) else value))
    return assignments


ONE_LINE = " ".join(re.sub(r"#.*", "", PETS).split())
LAYOUTS = {
    "as shipped": PETS,
    "one line": ONE_LINE,
    "angle brackets": PETS.replace("{", "<").replace("}", ">"),
    "colons and semicolons": re.sub(r"(\w) \{", r"\1: {", re.sub(r"(\w+: [^\s{]+)", r"\1;", ONE_LINE)),
    "Windows and tabs": PETS.replace("  ", "\t").replace("\n", "\r\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_field_of_the_schema_can_be_set_in_any_layout(layout):
    text, draw = LAYOUTS[layout], random.Random(layout)
    for path, value in draw.sample(_every_path(), 100):
        edited = edit(text, (path, value))  # which judges what it did
        if layout == "Windows and tabs":
            assert not re.search(r"(?<!\r)\n|^ ", edited, re.MULTILINE)
