"""A config that does not parse: file, line, column, the offending line with a caret, and the likely cause."""

import random
import re

import pytest

from odtk import pipeline
from odtk.errors import ConfigError

PETS = pipeline.read_text("ssd_resnet50_v1_fpn_640x640_pets")


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        pipeline.parse(text, "my.config")
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert old in PETS
    return PETS.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_text_names_file_line_column_and_shows_the_line_with_a_caret():
    text = "model {\n  ssd {\n\t num_clases: 37 # a comment\n  }\n}\n"
    assert complaint(text) == (
        "my.config:3:3: ssd has no field num_clases. Did you mean num_classes?\n  \t num_clases: 37 # a comment\n  \t ^"
    )


def test_a_long_line_is_cut_around_the_caret():
    lines = complaint("model { " + "ssd { } " * 1 + " " * 300 + "sdd { } }").split("\n")
    assert max(map(len, lines[1:])) < 120
    assert lines[1][len(lines[2]) - 1 :].startswith("sdd")


CAUSES = {
    # what is wrong: (text, where the error points to, words of the likely cause)
    "misspelt field": (changed("num_classes: 37", "num_clases: 37"), "num_clases", "Did you mean num_classes?"),
    "cut field": (changed("total_steps: 25000", "total: 25000"), "total: 25000", "Did you mean total_steps?"),
    "field of another message": (
        changed("num_classes: 37", "fine_tune_checkpoint_type: 'x'"),
        "fine_tune_checkpoint_type: 'x'",
        "It belongs elsewhere: train_config.fine_tune_checkpoint_type.",
    ),
    "field of a block below": (
        changed("num_classes: 37", "gamma: 2.0"),
        "gamma: 2.0",
        "It belongs elsewhere: ssd.loss.classification_loss.weighted_sigmoid_focal.gamma",
    ),
    "unknown field": (changed("num_classes: 37", "frobnicate: 1"), "frobnicate", "Ssd has num_classes, image_resizer,"),
    "missing brace": (
        changed("        width: 640\n      }\n    }", "        width: 640\n      }"),
        "feature_extractor {",
        'a closing brace is missing above, probably that of "image_resizer {"',
    ),
    "missing inner brace": (
        changed("        width: 640\n      }\n", "        width: 640\n"),
        "feature_extractor {",
        'a closing brace is missing above, probably that of "fixed_shape_resizer {"',
    ),
    "missing last brace": (PETS.rstrip()[:-1], "eval_input_reader {", "the file ends but a closing brace is missing"),
    "extra brace": (
        changed("        width: 640\n      }\n    }", "        width: 640\n      }\n    }\n    }"),
        "feature_extractor {",
        f'is probably one too many (it closes "ssd {{" in line {line_of(PETS, "  ssd {")})',
    ),
    "wrong brace": ("model { ssd < }", "}", '"ssd <" in line 1 must be closed by >, not by }'),
    "curly quotes": (changed('"detection"', "“detection”"), "“", "“ is a curly quote; strings need straight quotes"),
    "curly closing quote": (changed('"detection"', '"detection”'), "”", "” is a curly quote"),
    "invisible character": (
        changed("num_classes: 37", "num_classes:\u200b37"),
        "\u200b",
        "invisible character (U+200B)",
    ),
    "pasted URL": (
        changed("train_config {", "https://github.com/a/b.config\ntrain_config {"),
        "https",
        "the URL https://github.com/a/b.config is not part of a field",
    ),
    "unquoted URL": (
        changed('"PATH_TO_BE_CONFIGURED/pet_label_map.pbtxt"', "gs://bucket/map.pbtxt"),
        "gs://",
        'in double quotes: label_map_path: "gs://bucket/map.pbtxt"',
    ),
    "unquoted path": (
        changed('"PATH_TO_BE_CONFIGURED/pet_label_map.pbtxt"', "/data/map.pbtxt  # mine"),
        "/data/map.pbtxt",
        'label_map_path takes a string in straight double quotes: label_map_path: "/data/map.pbtxt".',
    ),
    "Windows path": (
        changed("PATH_TO_BE_CONFIGURED/pet_label_map.pbtxt", r"C:\Users\me\map.pbtxt"),
        '"C:',
        "a backslash starts an escape",
    ),
    "Windows path that parses": (
        changed("PATH_TO_BE_CONFIGURED/pet_label_map.pbtxt", r"C:\new\train.pbtxt"),
        "\\new",
        "Write paths with /",
    ),
    "Windows folder": (changed("PATH_TO_BE_CONFIGURED/pet_label_map.pbtxt", "D:\\maps\\"), '"D:', "a backslash"),
    "string for a number": (changed("num_classes: 37", 'num_classes: "37"'), '"37"', "without quotes: num_classes: 37"),
    "fraction": (changed("num_classes: 37", "num_classes: 37.5"), "37.5", "takes a whole number, not 37.5"),
    "negative": (changed("batch_size: 64", "batch_size: -64"), "-64", "a whole number of 0 or more, not -64"),
    "number for a string": (
        changed('type: "ssd_resnet50_v1_fpn_keras"', "type: 50"),
        "50",
        'takes a string in straight double quotes: type: "50"',
    ),
    "enum": (changed("RELU_6", "RELU6"), "RELU6", "one of NONE, RELU, RELU_6, SWISH, not RELU6. Did you mean RELU_6"),
    "quoted enum": (changed("RELU_6", '"RELU_6"'), '"RELU_6"', "without quotes: activation: RELU_6"),
    "bool": (changed("shuffle: false", "shuffle: no"), "no", "shuffle takes true or false, not no"),
    "scalar for a block": (
        "model { ssd { matcher: argmax_matcher } }",
        "argmax_matcher",
        "matcher takes a block of Matcher fields in braces, matcher { ... }, not argmax_matcher",
    ),
    "block for a scalar": ("model { ssd { num_classes { 37 } } }", "{ 37", "takes a whole number, not a block"),
    "list for a scalar": (changed("num_classes: 37", "num_classes: [37]"), "[37]", "it is not a list"),
    "open list": (changed("aspect_ratios: 1.0", "aspect_ratios: [1.0"), "aspect_ratios: 2.0", "the closing ]"),
    "missing value": (changed("num_classes: 37", "num_classes:"), "num_classes:", "the value is missing"),
    "missing colon": (changed("num_classes: 37", "num_classes 37"), "37", "followed by a colon: num_classes: VALUE"),
    "equals sign": (changed("num_classes: 37", "num_classes = 37"), "= 37", "followed by a colon, not ="),
    "thousands": (changed("total_steps: 25000", "total_steps: 25,000"), "000", "no thousands separators"),
    "other comments": (changed("num_classes: 37", "num_classes: 37 // all"), "//", "comments start with #"),
    "unclosed string": (changed("_keras", '_keras\n#"').replace('\n#""', "\n"), '"ssd_', 'put a " at its end'),
    "set twice": (
        changed("num_classes: 37", "num_classes: 37\n    num_classes: 4"),
        "4",
        f"num_classes is set twice (first in line {line_of(PETS, 'num_classes')})",
    ),
    "oneof": (
        changed("      iou_similarity {\n", "      ioa_similarity {\n      }\n      iou_similarity {\n"),
        "iou_similarity {",
        f"iou_similarity and ioa_similarity (line {line_of(PETS, 'iou_similarity')}) exclude each other",
    ),
    "oneof in a list": (
        changed(
            "    random_horizontal_flip {\n    }\n",
            "    random_horizontal_flip {\n    }\n    ssd_random_crop {\n    }\n",
        ),
        "ssd_random_crop {",
        "the same data_augmentation_options block as random_horizontal_flip (line "
        f"{line_of(PETS, 'random_horizontal_flip')}); each block takes only one, "
        "but there may be several blocks. Put each in its own: "
        "data_augmentation_options { random_horizontal_flip { ... } } "
        "data_augmentation_options { ssd_random_crop { ... } }.",
    ),
    "set twice in a list": (
        changed(
            "    random_horizontal_flip {\n    }\n",
            "    random_horizontal_flip {\n    }\n    random_horizontal_flip {\n    }\n",
        ),
        "{",
        "or put each in its own block: data_augmentation_options { ... } data_augmentation_options { ... }.",
    ),
    "extension": (changed("train_config {", "[a.b] { }\ntrain_config {"), "b]", "[a.b] is unknown to odtk"),
    "JSON": ('{"model": {"ssd": {}}}', "{", "this looks like JSON"),
    "web page": ("<!DOCTYPE html>\n<html></html>", "<", "Raw button"),
    "label map": ("item {\n  id: 1\n  name: 'cat'\n}\n", "item", "looks like a label map"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_likely_cause(name):
    text, place, cause = CAUSES[name]
    message = complaint(text)
    assert cause in message
    line, column = map(int, re.match(r"my\.config:(\d+):(\d+): ", message).groups())
    assert text.split("\n")[line - 1][column - 1 :].startswith(place)
    shown, caret = message.split("\n")[1:]
    assert caret.endswith("^")
    assert shown[len(caret) - 1 :].startswith(place[0])


def test_a_comment_may_say_anything():
    pipeline.parse("# “curly” C:\\new https://x.y { } model\nmodel { ssd { num_classes: 1 # } \" ' “\n} }", "my.config")


def test_escapes_that_make_no_control_characters_are_fine():
    config = pipeline.parse(r'train_config { fine_tune_checkpoint: "C:\\data\303\251 \"x\"" }', "my.config")
    assert config.train_config.fine_tune_checkpoint == 'C:\\dataé "x"'


def test_whatever_is_broken_the_error_is_ours_and_points_into_the_file():
    draw = random.Random(5)
    refused = 0
    for _ in range(150):
        at = draw.randrange(len(PETS))
        broken = PETS[:at] + draw.choice(["", "}", "{", '"', "“", ":", "\\", "[", "\0", "\n", "x"]) + PETS[at + 1 :]
        try:
            pipeline.parse(broken, "my.config")
        except ConfigError as error:
            refused += 1
            line, column = map(int, re.match(r"my\.config:(\d+):(\d+): \S", str(error)).groups())
            assert 1 <= line <= broken.count("\n") + 1
            assert 1 <= column <= len(broken.split("\n")[line - 1]) + 1
    assert refused > 30
