"""The table of what odtk implements: right about the schema, about the code, and about what a config sets."""

import re
from pathlib import Path

import pytest
from google.protobuf import text_format

import odtk
from odtk import pipeline
from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.pipeline import support
from odtk.pipeline.support import PIPELINE, refuse_unsupported
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


# Each table with the message that it is about.
TABLES = {"pipeline": ("TrainEvalPipelineConfig", PIPELINE)} | {
    family.types[0]: ("DetectionModel", family.options) for family in families.families()
}
ROWS = [(table, kind) for table, (_, options) in TABLES.items() for kind in sorted(options)]
RESNET = families.of(pipeline.read("ssd_resnet50_v1_fpn_640x640_pets"))


def unsupported(config) -> list[support.Option]:
    return [*support.unsupported(config.model, "model", RESNET.options), *support.unsupported(config)]


def without_effect(config) -> list[support.Option]:
    return [*support.without_effect(config.model, "model", RESNET.options), *support.without_effect(config)]


def refuse(config) -> None:
    refuse_unsupported(config.model, "model", RESNET.options)
    refuse_unsupported(config)


@pytest.mark.parametrize(("table", "kind"), ROWS)
def test_the_tables_name_fields_of_the_schema_once(table, kind):
    row = TABLES[table][1][kind]
    listed = [*row.names, *row.without_effect, *row.refused]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(TYPES[kind].fields_by_name)


@pytest.mark.parametrize("table", TABLES)
def test_messages_that_are_implemented_are_in_the_table_themselves_and_no_others(table):
    # A message that is named by a field but has no entry would have each of its fields refused.
    root, options = TABLES[table]
    reached = {root}
    for kind, row in options.items():
        for name in row.names:
            child = TYPES[kind].fields_by_name[name].message_type
            # Augmentation has a table of its own, beside its functions, as each family; a map is a value.
            if child is not None and not child.GetOptions().map_entry and name not in support.ELSEWHERE:
                reached.add(child.name)
    assert reached == set(options)


def test_every_reason_says_something():
    rows = [options[kind] for _, options in TABLES.values() for kind in options]
    assert all(len(reason) > 5 for row in rows for reason in (*row.without_effect.values(), *row.refused.values()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.faster_rcnn", "{ num_classes: 3 }"),
        ("model.center_net", "{ }"),
        ("model.ssd.feature_extractor.replace_preprocessor_with_placeholder", ": true"),
        ("model.ssd.feature_extractor.bifpn", "{ min_level: 3 }"),
        ("model.ssd.feature_extractor.conv_hyperparams.group_norm", "{ }"),
        ("model.ssd.matcher.bipartite_matcher", "{ }"),
        ("model.ssd.box_coder.keypoint_box_coder", "{ num_keypoints: 4 }"),
        ("model.ssd.anchor_generator.flexible_grid_anchor_generator.normalize_coordinates", ": false"),
        ("model.ssd.anchor_generator.multiscale_anchor_generator.normalize_coordinates", ": false"),
        ("model.ssd.box_predictor.mask_rcnn_box_predictor", "{ }"),
        ("model.ssd.feature_extractor.spaghettinet_arch_name", ": 'spaghettinet_edgetpu_s'"),
        ("model.ssd.loss.localization_loss.l1_localization_loss", "{ }"),
        ("model.ssd.loss.expected_loss_weights", ": EXPECTED_SAMPLING"),
        (f"{NMS}.use_combined_nms", ": true"),
        ("model.ssd.post_processing.calibration_config.sigmoid_calibration", "{ }"),
        ("model.ssd.post_processing.calibration_config.class_id_sigmoid_calibrations", "{ }"),
        ("model.ssd.mask_head_config", "{ }"),
        ("train_config.merge_multiple_label_boxes", ": true"),
        ("train_config.update_trainable_variables", ": '.*'"),
        ("train_input_reader.num_additional_channels", ": 1"),
        ("train_input_reader.num_keypoints", ": 17"),
        ("graph_rewriter", "{ quantization { } }"),
        ("eval_config.parameterized_metric", "{ coco_keypoint_metrics { class_label: 'person' } }"),
        ("eval_config.recall_lower_bound", ": 0.2"),
        ("eval_config.recall_upper_bound", ": 0.8"),
        ("eval_config.eval_instance_masks", ": true"),
        ("eval_config.force_no_resize", ": true"),
        ("eval_config.skip_predictions_for_unlabeled_class", ": true"),
        ("train_input_reader.load_multiclass_scores", ": true"),
        ("train_input_reader.load_context_features", ": true"),
        ("train_input_reader.input_type", ": TF_SEQUENCE_EXAMPLE"),
        ("train_input_reader.external_input_reader", "{ }"),
        ("train_input_reader.expand_labels_hierarchy", ": true"),
    ],
)
def test_what_is_not_implemented_is_named_by_its_path(path, value):
    config = config_from(nested(path, value))
    assert [finding.path for finding in unsupported(config)] == [path]
    with pytest.raises(ConfigError) as error:
        refuse(config)
    assert re.search(rf": {re.escape(path)}( \(.*\))?\. Remove it,", str(error.value))


def test_all_of_them_are_named_at_once():
    config = config_from(nested("model.ssd.mask_head_config", "{ }"))
    config.MergeFrom(config_from(nested(f"{NMS}.use_combined_nms", ": true")))
    with pytest.raises(ConfigError, match="Remove them") as error:
        refuse(config)
    assert "model.ssd.mask_head_config (it is about masks" in str(error.value)
    assert f"{NMS}.use_combined_nms (TFOD refuses it" in str(error.value)


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
    refuse(config_from(nested(path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train_config.sync_replicas", ": true"),
        ("model.ssd.feature_extractor.fpn", "{ min_level: 2 max_level: 6 additional_layer_depth: 96 }"),
        ("model.ssd.loss.localization_loss.weighted_smooth_l1.anchorwise_output", ": true"),
        ("eval_config.num_examples", ": 8000"),
        (f"{NMS}.use_static_shapes", ": true"),
        (f"{NMS}.use_hard_nms", ": true"),
        (f"{NMS}.use_partitioned_nms", ": true"),
        (f"{NMS}.use_cpu_nms", ": true"),
        ("model.ssd.feature_extractor.conv_hyperparams.batch_norm.train", ": false"),
        ("model.ssd.feature_extractor.conv_hyperparams.regularize_depthwise", ": true"),
        ("model.ssd.loss.desired_negative_sampling_ratio", ": 2"),
        ("model.ssd.loss.equalization_loss", "{ weight: 1 }"),
        ("model.ssd.return_raw_detections_during_predict", ": true"),
    ],
)
def test_what_has_no_effect_is_listed_and_not_refused(path, value):
    config = config_from(nested(path, value))
    assert [finding.path for finding in without_effect(config)] == [path]
    refuse(config)


def test_a_map_is_a_value():
    config = config_from("eval_config { super_categories { key: 'pets' value: 'cat,dog' } }")
    assert unsupported(config) == []


def test_a_reason_is_told():
    (option,) = unsupported(config_from("eval_config { recall_lower_bound: 0.2 }"))
    assert "precision_at_recall" in option.reason


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
    }


def test_every_implemented_field_is_read_somewhere():
    """Against options that are accepted and then forgotten: the code must at least name each of them."""
    package, tables = Path(odtk.__file__).parent, ("support.py", "options.py")
    sources = [path for path in package.rglob("*.py") if path.name not in tables and path.parent.name != "protos"]
    code = "\n".join(path.read_text() for path in sources)
    names = {name for _, options in TABLES.values() for row in options.values() for name in row.names}
    assert {name for name in names if not re.search(rf"[.\"']{name}\b", code)} == set()
