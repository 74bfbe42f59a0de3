"""The table of what odtk implements: right about the schema, about the code, and about what a config sets."""

import re
from pathlib import Path

import pytest
from google.protobuf import text_format

import odtk
from odtk import pipeline
from odtk.errors import ConfigError
from odtk.pipeline.support import IMPLEMENTED, WITHOUT_EFFECT, refuse_unsupported, unsupported, without_effect
from odtk.protos import pipeline_pb2

NMS = "model.ssd.post_processing.batch_non_max_suppression"
PREDICTOR = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"


def message_types() -> dict:
    """Every message type that a pipeline.config can hold, by name."""
    found = {}

    def visit(descriptor):
        if descriptor.name in found:
            return
        found[descriptor.name] = descriptor
        for field in descriptor.fields:
            if field.message_type is not None:
                visit(field.message_type)

    visit(pipeline_pb2.TrainEvalPipelineConfig.DESCRIPTOR)
    return found


TYPES = message_types()


def config_from(text: str) -> pipeline_pb2.TrainEvalPipelineConfig:
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def nested(path: str, value: str) -> str:
    """The text of a config that sets one field: ("a.b", "1") to "a { b: 1 }"."""
    *parents, leaf = path.split(".")
    return "".join(f"{name} {{ " for name in parents) + f"{leaf} {value}" + " }" * len(parents)


@pytest.fixture
def seed():
    return pipeline.read(Path(__file__).parents[1] / "data" / "seed_pipeline.config")


@pytest.mark.parametrize("kind", sorted({*IMPLEMENTED, *WITHOUT_EFFECT}))
def test_the_tables_name_fields_of_the_schema(kind):
    fields = set(TYPES[kind].fields_by_name)
    implemented, idle = IMPLEMENTED.get(kind, "").split(), set(WITHOUT_EFFECT.get(kind, {}))
    assert len(implemented) == len(set(implemented))
    assert set(implemented) <= fields
    assert idle <= fields
    assert not idle & set(implemented)


def test_messages_that_are_implemented_are_in_the_table_themselves():
    # A message that is named by a field but has no entry would have each of its fields refused.
    for kind, names in IMPLEMENTED.items():
        for name in names.split():
            child = TYPES[kind].fields_by_name[name].message_type
            # Augmentation has a table of its own, beside its functions.
            assert child is None or name == "data_augmentation_options" or child.name in IMPLEMENTED, (kind, name)


def test_the_tables_have_no_entry_that_no_config_reaches():
    reached = {"TrainEvalPipelineConfig"}
    for kind, names in IMPLEMENTED.items():
        children = (TYPES[kind].fields_by_name[name].message_type for name in names.split())
        reached |= {child.name for child in children if child is not None}
    assert {*IMPLEMENTED, *WITHOUT_EFFECT} <= reached


def test_every_reason_says_something():
    assert all(len(reason) > 5 for reasons in WITHOUT_EFFECT.values() for reason in reasons.values())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.faster_rcnn", "{ num_classes: 3 }"),
        ("model.center_net", "{ }"),
        ("model.ssd.feature_extractor.replace_preprocessor_with_placeholder", ": true"),
        ("model.ssd.feature_extractor.bifpn", "{ min_level: 3 }"),
        ("model.ssd.feature_extractor.conv_hyperparams.group_norm", "{ }"),
        ("model.ssd.feature_extractor.conv_hyperparams.batch_norm.train", ": false"),
        ("model.ssd.matcher.bipartite_matcher", "{ }"),
        ("model.ssd.box_coder.keypoint_box_coder", "{ num_keypoints: 4 }"),
        ("model.ssd.similarity_calculator.neg_sq_dist_similarity", "{ }"),
        ("model.ssd.anchor_generator.ssd_anchor_generator", "{ }"),
        ("model.ssd.anchor_generator.multiscale_anchor_generator.normalize_coordinates", ": false"),
        ("model.ssd.box_predictor.convolutional_box_predictor", "{ }"),
        (f"{PREDICTOR}.apply_conv_hyperparams_pointwise", ": true"),
        (f"{PREDICTOR}.score_converter", ": SIGMOID"),
        ("model.ssd.loss.hard_example_miner", "{ }"),
        ("model.ssd.loss.random_example_sampler", "{ }"),
        ("model.ssd.loss.localization_loss.weighted_giou", "{ }"),
        (f"{NMS}.use_class_agnostic_nms", ": true"),
        (f"{NMS}.use_combined_nms", ": true"),
        ("model.ssd.post_processing.calibration_config", "{ }"),
        ("model.ssd.explicit_background_class", ": true"),
        ("model.ssd.mask_head_config", "{ }"),
        ("train_config.merge_multiple_label_boxes", ": true"),
        ("train_config.freeze_variables", ": '.*'"),
        ("train_config.update_trainable_variables", ": '.*'"),
        ("train_input_reader.num_additional_channels", ": 1"),
        ("train_input_reader.num_keypoints", ": 17"),
        ("graph_rewriter", "{ quantization { } }"),
    ],
)
def test_what_is_not_implemented_is_named_by_its_path(path, value):
    config = config_from(nested(path, value))
    assert [finding.path for finding in unsupported(config)] == [path]
    with pytest.raises(ConfigError) as error:
        refuse_unsupported(config)
    assert f": {path}. Remove it," in str(error.value)


def test_all_of_them_are_named_at_once():
    config = config_from(nested("model.ssd.loss.hard_example_miner", "{ }"))
    config.MergeFrom(config_from(nested(f"{NMS}.use_class_agnostic_nms", ": true")))
    with pytest.raises(ConfigError, match="Remove them") as error:
        refuse_unsupported(config)
    assert "model.ssd.loss.hard_example_miner" in str(error.value)
    assert f"{NMS}.use_class_agnostic_nms" in str(error.value)


def test_lists_are_counted():
    text = "eval_input_reader { name: 'a' } eval_input_reader { num_additional_channels: 1 }"
    assert [finding.path for finding in unsupported(config_from(text))] == [
        "eval_input_reader[1].num_additional_channels"
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{NMS}.use_static_shapes", ": false"),
        ("model.ssd.explicit_background_class", ": false"),
        ("model.ssd.add_background_class", ": true"),
        ("model.ssd.anchor_generator.multiscale_anchor_generator.normalize_coordinates", ": true"),
    ],
)
def test_an_option_at_its_default_is_not_refused(path, value):
    refuse_unsupported(config_from(nested(path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train_config.sync_replicas", ": true"),
        ("model.ssd.feature_extractor.fpn", "{ min_level: 2 max_level: 6 additional_layer_depth: 96 }"),
        ("model.ssd.loss.localization_loss.weighted_smooth_l1.anchorwise_output", ": true"),
        ("eval_config.num_examples", ": 8000"),
    ],
)
def test_what_has_no_effect_is_listed_and_not_refused(path, value):
    config = config_from(nested(path, value))
    assert [finding.path for finding in without_effect(config)] == [path]
    refuse_unsupported(config)


def test_the_walk_throughs_config(seed):
    assert unsupported(seed) == []
    assert {finding.path for finding in without_effect(seed)} == {
        "model.ssd.feature_extractor.fpn",
        "model.ssd.inplace_batchnorm_update",
        "model.ssd.matcher.argmax_matcher.use_matmul_gather",
        "train_config.replicas_to_aggregate",
        "train_config.startup_delay_steps",
        "train_config.sync_replicas",
        "train_config.unpad_groundtruth_tensors",
        "train_config.use_bfloat16",
    }


def test_every_implemented_field_is_read_somewhere():
    """Against options that are accepted and then forgotten: the code must at least name each of them."""
    package = Path(odtk.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "support.py" and path.parent.name != "protos"]
    code = "\n".join(path.read_text() for path in sources)
    fields = {(kind, name) for kind, names in IMPLEMENTED.items() for name in names.split()}
    unread = {(kind, name) for kind, name in fields if not re.search(rf"[.\"']{name}\b", code)}
    assert unread == set()
