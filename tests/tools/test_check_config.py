"""What `odtk configure --check` finds in a config: severity, field, words, and a command that really fixes it."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from odtk import label_map, pipeline
from odtk.cli.main import cli
from odtk.errors import ConfigError
from odtk.protos.example_pb2 import Example
from odtk.records import shards
from odtk.tools.check_config import check_config, require_valid
from odtk.tools.check_config.model import is_of_another_family

SEED = Path(__file__).parents[1] / "data/seed_pipeline.config"
SAMPLES = Path(__file__).parents[2] / "../shared/reference/tfod_sample_configs"

SSD, TRAIN, EVAL = "model.ssd", "train_config", "eval_input_reader[0]"
NMS = f"{SSD}.post_processing.batch_non_max_suppression"
MATCHER = f"{SSD}.matcher.argmax_matcher"
GRID = f"{SSD}.anchor_generator.multiscale_anchor_generator"
RESIZER = f"{SSD}.image_resizer"
FIXED = f"{RESIZER}.fixed_shape_resizer"
COSINE = f"{TRAIN}.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"
RATES = f"{TRAIN}.optimizer.momentum_optimizer.learning_rate"
CHECKPOINT = f"{TRAIN}.fine_tune_checkpoint"
TRAIN_RECORDS = "train_input_reader.tf_record_input_reader.input_path"
EVAL_RECORDS = f"{EVAL}.tf_record_input_reader.input_path"

DETECTION_INDEX = b"\0_CHECKPOINTABLE_OBJECT_GRAPH\0model/_feature_extractor/x\0"
CLASSIFICATION_INDEX = b"\0_CHECKPOINTABLE_OBJECT_GRAPH\0feature_extractor/x\0"


def example_of(names=(), ids=()):
    message = Example()
    message.features.feature["image/object/class/text"].bytes_list.value.extend(name.encode() for name in names)
    message.features.feature["image/object/class/label"].int64_list.value.extend(ids)
    return message.SerializeToString()


def write_project(folder):
    """Two classes, three records, two shards each, a checkpoint; returns the text of a valid config for them."""
    label_map.write(label_map.of_names(["cat", "dog"]), folder / "label_map.pbtxt")
    for split in ("train", "val"):
        for index in range(2):
            path = folder / f"pets_{split}.record-{index:05d}-of-00002"
            shards.write_records(path, [example_of(["cat", "dog"])])
    (folder / "ckpt-0.index").write_bytes(DETECTION_INDEX)
    (folder / "ckpt-0.data-00000-of-00001").touch()
    return pipeline.set_fields(
        SEED.read_text(encoding="utf-8"),
        [
            (f"{SSD}.num_classes", "2"),
            (CHECKPOINT, str(folder / "ckpt-0")),
            ("train_input_reader.label_map_path", str(folder / "label_map.pbtxt")),
            (f"{EVAL}.label_map_path", str(folder / "label_map.pbtxt")),
            (TRAIN_RECORDS, f"{folder}/pets_train.record-?????-of-00002"),
            (EVAL_RECORDS, f"{folder}/pets_val.record-?????-of-00002"),
        ],
        "seed",
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder (the working one) with a valid `pets.config` and all that it names."""
    (tmp_path / "pets.config").write_text(write_project(tmp_path), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings_of(path, **options):
    text = path.read_text(encoding="utf-8")
    return check_config(pipeline.parse(text, str(path)), path, text, **options)


def change(path, *assignments):
    path.write_text(pipeline.set_fields(path.read_text(encoding="utf-8"), list(assignments), str(path)), "utf-8")


def found(findings, severity, path):
    matching = [finding for finding in findings if (finding.severity, finding.path) == (severity, path)]
    assert len(matching) == 1, [str(finding) for finding in findings if finding.severity != "note"]
    return matching[0]


def test_a_valid_config_has_neither_errors_nor_warnings(project):
    findings = findings_of(project / "pets.config", paths_must_exist=True)
    assert {finding.severity for finding in findings} == {"note"}
    assert f"{SSD}.inplace_batchnorm_update" in [finding.path for finding in findings]


def test_options_without_effect_are_notes_with_the_reason(project):
    finding = found(findings_of(project / "pets.config"), "note", f"{TRAIN}.sync_replicas")
    assert "has no effect" in finding.text


def test_patterns_of_frozen_variables_are_a_note_and_broken_ones_an_error(project):
    sets = [(f"{TRAIN}.freeze_variables", '["box_predictor", "("]')]
    config = project / "pets.config"
    findings = check_config(pipeline.parse(pipeline.set_fields(config.read_text(), sets, "c"), "c"), config)
    assert "TFOD 2 ignores it" in found(findings, "note", f"{TRAIN}.freeze_variables").text
    assert "'(', which is no regular expression" in found(findings, "error", f"{TRAIN}.freeze_variables[1]").text


def test_squares_of_an_augmentation_are_not_smaller_than_the_models_images(project):
    config = project / "pets.config"
    field = f"{TRAIN}.data_augmentation_options[0].random_scale_crop_and_pad_to_square.output_size"
    side = pipeline.read(config).model.ssd.image_resizer.fixed_shape_resizer.height
    change(config, (f"{TRAIN}.data_augmentation_options[0]", "{ random_scale_crop_and_pad_to_square {} }"))
    change(config, (field, f"{side - 1}"))
    finding = found(findings_of(config), "warning", field)
    assert "detail is lost" in finding.text
    fix(finding)
    assert not [each for each in findings_of(config) if each.path == field]


# Assignments to the valid config, what has to be found, and a part of what it has to say.
CASES = {
    "no class": ([(f"{SSD}.num_classes", "0")], "error", f"{SSD}.num_classes", "at least one class"),
    "num_classes": ([(f"{SSD}.num_classes", "90")], "warning", f"{SSD}.num_classes", "is 90, but"),
    "side": ([(f"{FIXED}.height", "300")], "error", f"{FIXED}.height", "not a multiple of 32"),
    "small side": ([(f"{FIXED}.width", "128")], "error", f"{FIXED}.width", "no side below 129"),
    "decay of RMSProp": (
        [(f"{TRAIN}.optimizer.rms_prop_optimizer", "{ learning_rate { constant_learning_rate {} } }")],
        "warning",
        f"{TRAIN}.optimizer.rms_prop_optimizer.decay",
        "1/91 of it is left",
    ),
    "any size": ([(f"{RESIZER}.identity_resizer", "{}")], "error", f"{RESIZER}.identity_resizer", "any size"),
    "any size, batch": (
        [(f"{RESIZER}.keep_aspect_ratio_resizer", "{}")],
        "error",
        f"{TRAIN}.batch_size",
        "cannot share a batch",
    ),
    "any size, batch, odd side": (
        [(f"{RESIZER}.keep_aspect_ratio_resizer", "min_dimension: 800 max_dimension: 1333")],
        "error",
        f"{TRAIN}.batch_size",
        "cannot share a batch",
    ),
    "size of the image, batch": (
        [(f"{RESIZER}.identity_resizer", "{}")],
        "error",
        f"{TRAIN}.batch_size",
        "cannot share a batch",
    ),
    "min over max": (
        [(f"{RESIZER}.keep_aspect_ratio_resizer", "min_dimension: 640 max_dimension: 512 pad_to_max_dimension: true")],
        "error",
        f"{RESIZER}.keep_aspect_ratio_resizer.min_dimension",
        "above max_dimension 512",
    ),
    "padded side": (
        [(f"{RESIZER}.keep_aspect_ratio_resizer", "max_dimension: 1000 pad_to_max_dimension: true")],
        "error",
        f"{RESIZER}.keep_aspect_ratio_resizer.max_dimension",
        "not a multiple of 32",
    ),
    "model": (
        [(f"{SSD}.feature_extractor.type", "ssd_resnet50_v1_fpn")],
        "error",
        f"{SSD}.feature_extractor.type",
        "Did you mean ssd_resnet50_v1_fpn_keras?",
    ),
    "fpn": (
        [(f"{SSD}.feature_extractor.fpn.max_level", "6")],
        "warning",
        f"{SSD}.feature_extractor.fpn.max_level",
        "TFOD ignores",
    ),
    "levels": ([(f"{GRID}.max_level", "6")], "error", f"{GRID}.max_level", "5 feature maps"),
    "other levels": (
        [(f"{GRID}.min_level", "2"), (f"{GRID}.max_level", "6")],
        "warning",
        f"{GRID}.min_level",
        "finest feature map is level 3",
    ),
    "ratios": ([(f"{GRID}.aspect_ratios", "")], "error", f"{GRID}.aspect_ratios", "at least one"),
    "code size": (
        [(f"{SSD}.box_predictor.weight_shared_convolutional_box_predictor.box_code_size", "5")],
        "error",
        f"{SSD}.box_predictor.weight_shared_convolutional_box_predictor.box_code_size",
        "4 numbers",
    ),
    "unmatched": (
        [(f"{MATCHER}.unmatched_threshold", "0.6")],
        "error",
        f"{MATCHER}.unmatched_threshold",
        "above matched_threshold 0.5",
    ),
    "matched": ([(f"{MATCHER}.matched_threshold", "50")], "error", f"{MATCHER}.matched_threshold", "between 0 and 1"),
    "negatives": (
        [(f"{MATCHER}.negatives_lower_than_unmatched", "false")],
        "error",
        f"{MATCHER}.negatives_lower_than_unmatched",
        "no anchor would ever be negative",
    ),
    "NMS overlap": ([(f"{NMS}.iou_threshold", "60")], "error", f"{NMS}.iou_threshold", "between 0 and 1"),
    "NMS score": ([(f"{NMS}.score_threshold", "0.5")], "warning", f"{NMS}.score_threshold", "lowers its mAP"),
    "NMS counts": (
        [(f"{NMS}.max_total_detections", "50")],
        "error",
        f"{NMS}.max_detections_per_class",
        "above max_total_detections 50",
    ),
    "converter": (
        [(f"{SSD}.post_processing.score_converter", "")],
        "warning",
        f"{SSD}.post_processing.score_converter",
        "weighted_sigmoid_focal trains for SIGMOID",
    ),
    "unsupported option": (
        [(f"{SSD}.mask_head_config.mask_height", "14")],
        "error",
        f"{SSD}.mask_head_config",
        "does not implement",
    ),
    "unsupported alternative": (
        [(f"{SSD}.loss.localization_loss.l1_localization_loss", "{}")],
        "error",
        f"{SSD}.loss.localization_loss.l1_localization_loss",
        "as it is CenterNet's, and TFOD's SSD fails with it; it has weighted_l2, weighted_smooth_l1, weighted_iou",
    ),
    "encodings as boxes": (
        [(f"{SSD}.loss.localization_loss.weighted_giou", "{}")],
        "warning",
        f"{SSD}.loss.localization_loss.weighted_giou",
        "compares box encodings",
    ),
    "mining and focal loss": (
        [(f"{SSD}.loss.hard_example_miner", "{}")],
        "error",
        f"{SSD}.loss.hard_example_miner",
        "TFOD refuses that",
    ),
    "classes per detection": (
        [(f"{NMS}.use_class_agnostic_nms", "true"), (f"{NMS}.max_classes_per_detection", "2")],
        "error",
        f"{NMS}.max_classes_per_detection",
        "TFOD takes 1 only",
    ),
    "soft and static": (
        [(f"{NMS}.use_static_shapes", "true"), (f"{NMS}.soft_nms_sigma", "0.5")],
        "error",
        f"{NMS}.soft_nms_sigma",
        "with use_static_shapes: true",
    ),
    "augmentation": (
        [(f"{TRAIN}.data_augmentation_options[+].autoaugment_image", "{}")],
        "error",
        f"{TRAIN}.data_augmentation_options[2].autoaugment_image",
        "does not implement it",
    ),
    "metrics": (
        [("eval_config.metrics_set", "coco_mask_metrics")],
        "error",
        "eval_config.metrics_set[0]",
        "it measures masks, and this model predicts boxes. odtk has coco_detection_metrics, pascal_voc",
    ),
    "metrics of another name": (
        [("eval_config.metrics_set[+]", "pascal_metrics")],
        "error",
        "eval_config.metrics_set[1]",
        "there is no metrics set of that name",
    ),
    "bounds of recall": (
        [("eval_config.recall_lower_bound", "0.2")],
        "error",
        "eval_config.recall_lower_bound",
        "as it is for precision_at_recall_detection_metrics",
    ),
    "averages": (
        [("eval_config.use_moving_averages", "true")],
        "warning",
        "eval_config.use_moving_averages",
        "no averages to evaluate",
    ),
    "batch": ([(f"{TRAIN}.batch_size", "0")], "error", f"{TRAIN}.batch_size", "at least one image"),
    "steps": ([(f"{TRAIN}.num_steps", "0")], "error", f"{TRAIN}.num_steps", "would never end"),
    "warm-up": ([(f"{COSINE}.warmup_steps", "30000")], "error", f"{COSINE}.warmup_steps", "more than total_steps"),
    "warm-up rate": (
        [(f"{COSINE}.warmup_learning_rate", "0.1")],
        "error",
        f"{COSINE}.warmup_learning_rate",
        "above learning_rate_base 0.04",
    ),
    "total": ([(f"{COSINE}.total_steps", "20000")], "warning", f"{COSINE}.total_steps", "the rate is 0 from then on"),
    "rate": ([(f"{TRAIN}.batch_size", "8")], "warning", f"{COSINE}.learning_rate_base", "high for a batch of 8"),
    "zero rate": ([(f"{COSINE}.learning_rate_base", "0")], "error", f"{COSINE}.learning_rate_base", "nothing would be"),
    "no optimizer": ([(f"{TRAIN}.optimizer", "use_moving_average: false")], "error", f"{TRAIN}.optimizer", "is empty"),
    "boundaries": (
        [(f"{RATES}.manual_step_learning_rate", "schedule { step: 90 } schedule { step: 80 }")],
        "error",
        f"{RATES}.manual_step_learning_rate.schedule[1].step",
        "not above the 90 before it",
    ),
    "decay steps": (
        [(f"{RATES}.exponential_decay_learning_rate", "decay_steps: 0")],
        "error",
        f"{RATES}.exponential_decay_learning_rate.decay_steps",
        "is 0",
    ),
    "checkpoint file": ([(CHECKPOINT, "HERE/ckpt-0.index")], "error", CHECKPOINT, "the prefix of its files"),
    "checkpoint folder": ([(CHECKPOINT, "HERE")], "error", CHECKPOINT, "is a folder"),
    "absent checkpoint": (
        [(CHECKPOINT, "HERE/ckpt-7")],
        "warning",
        CHECKPOINT,
        "does not exist. There is",
    ),
    "type": ([(f"{CHECKPOINT}_type", "detecton")], "error", f"{CHECKPOINT}_type", "full, detection, classification"),
    "no type": ([(f"{CHECKPOINT}_type", "")], "warning", f"{CHECKPOINT}_type", "only the backbone"),
    "version": ([(f"{CHECKPOINT}_version", "V1")], "error", f"{CHECKPOINT}_version", "which are V2"),
    "no version": ([(f"{CHECKPOINT}_version", "")], "warning", f"{CHECKPOINT}_version", "means V1"),
    "absent records": (
        [(TRAIN_RECORDS, "HERE/cats_train.record-?????-of-00010")],
        "warning",
        TRAIN_RECORDS,
        "matches no file here. There is",
    ),
    "folder of records": ([(TRAIN_RECORDS, "HERE")], "error", TRAIN_RECORDS, "is a folder"),
    "absent label map": (
        [("train_input_reader.label_map_path", "/content/data/pet_label_map.pbtxt")],
        "warning",
        "train_input_reader.label_map_path",
        "does not exist here",
    ),
    "other label map": (
        [(f"{EVAL}.label_map_path", "/content/label_map.pbtxt")],
        "warning",
        f"{EVAL}.label_map_path",
        "does not exist here",
    ),
    "same records": (
        [(EVAL_RECORDS, "HERE/pets_train.record-00000-of-00002")],
        "warning",
        EVAL_RECORDS,
        "training reads the same records",
    ),
    "weights": (
        [("train_input_reader.sample_from_datasets_weights", "[1, 2]")],
        "error",
        "train_input_reader.sample_from_datasets_weights",
        "2 values for 1 input_path",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_finding_names_the_field_and_a_command_that_fixes_it(project, case):
    assignments, severity, field, words = CASES[case]
    config = project / "pets.config"
    change(config, *((path, value.replace("HERE", str(project))) for path, value in assignments))
    finding = found(findings_of(config), severity, field)
    assert words in finding.text
    assert finding.line is not None
    fix(finding)
    assert (severity, field) not in [(f.severity, f.path) for f in findings_of(config)]


def fix(finding):
    """Runs a finding's command."""
    program, *words = shlex.split(finding.fix)
    assert program == "odtk"
    filled = {
        "N": "2",
        "HEIGHTxWIDTH": "320x320",
        "FILE": "label_map.pbtxt",
        "FOLDER_OR_GLOB": "pets_val.record-?????-of-00002",
    }
    words = [filled.get(word, word) for word in words]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output


def test_lines_are_those_of_the_fields(project):
    config = project / "pets.config"
    change(config, (f"{FIXED}.height", "300"))
    line = found(findings_of(config), "error", f"{FIXED}.height").line
    assert config.read_text(encoding="utf-8").splitlines()[line - 1].strip() == "height: 300"


@pytest.mark.parametrize("size", ["320x320", "160x640", "640x480"])
def test_sides_that_are_multiples_of_32_are_no_error(project, size):
    height, width = size.split("x")
    change(project / "pets.config", (f"{FIXED}.height", height), (f"{FIXED}.width", width))
    assert not [f for f in findings_of(project / "pets.config") if f.severity != "note"]


def test_pad_to_multiple_makes_other_sides_good(project):
    change(project / "pets.config", (f"{FIXED}.height", "300"), (f"{SSD}.feature_extractor.pad_to_multiple", "128"))
    assert not [f for f in findings_of(project / "pets.config") if f.severity != "note"]


@pytest.mark.parametrize(
    ("resizer", "size"),
    [
        ("identity_resizer {}", (640, 640)),
        ("fixed_shape_resizer { height: 300 width: 100 }", (300, 100)),
        ("keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1000 }", (1000, 600)),
    ],
)
def test_another_family_is_one_error_and_its_data_classes_size_batch_and_steps_are_kept(project, resizer, size):
    config = project / "pets.config"
    change(config, ("model.faster_rcnn", f"num_classes: 2 image_resizer {{ {resizer} }}"))
    change(config, ("train_config.batch_size", "2"), ("train_config.num_steps", "777"))
    (finding,) = findings_of(config)
    assert (finding.severity, finding.path) == ("error", "model.faster_rcnn.feature_extractor.type")
    assert finding.text.startswith("is not set; odtk has faster_rcnn_")
    fix(finding)
    assert config.read_text(encoding="utf-8").count("faster_rcnn") == 1, "the user's own file is left alone"
    assert not [f for f in findings_of(project / "new_pipeline.config") if f.severity == "error"]
    old, new = pipeline.read(config), pipeline.read(project / "new_pipeline.config")
    model = new.model.faster_rcnn
    assert (model.num_classes, new.train_config.batch_size, new.train_config.num_steps) == (2, 2, 777)
    for field in ("train_input_reader.label_map_path", TRAIN_RECORDS, EVAL_RECORDS):
        assert pipeline.get_field(new, field) == pipeline.get_field(old, field)
    fixed, kept = model.image_resizer.fixed_shape_resizer, model.image_resizer.keep_aspect_ratio_resizer
    if kept.pad_to_max_dimension:
        assert (kept.max_dimension, kept.min_dimension) == size
    else:
        assert (fixed.height, fixed.width) == size


@pytest.mark.parametrize(
    ("kind", "fields", "text", "start"),
    [
        ("faster_rcnn", "type: 'faster_rcnn_nas'", "odtk does not implement 'faster_rcnn_nas'", "faster_rcnn_"),
        ("ssd", "type: 'ssd_efficientnet-b8_bifpn_keras'", "odtk does not implement", "ssd_efficientdet_"),
        ("ssd", "type: 'embedded_ssd_mobilenet_v1'", "odtk does not implement", "ssd_mobilenet_v2_fpnlite_320x320_"),
        ("ssd", "type: 'ssd_inception_v2'", "odtk does not implement", "ssd_resnet50_v1_fpn_640x640_pets"),
        ("center_net", "type: 'resnet_v1_50'", "odtk does not implement 'resnet_v1_50'", "centernet_resnet50_v1_fpn_"),
        ("center_net", "type: 'resnet_v1_50_fpn_keras'", "Did you mean resnet_v1_50_fpn?", "pets.config"),
        ("faster_rcnn", "type: 'faster_rcnn_resnet101' } number_of_stages: 3 first_stage_anchor_generator {",
         "as it is a Mask R-CNN, and odtk's models predict boxes;", "faster_rcnn_"),
        ("faster_rcnn", "type: 'faster_rcnn_resnet101' } second_stage_box_predictor { rfcn_box_predictor {}",
         "as it is an R-FCN, another detector;", "faster_rcnn_"),
    ],
)  # fmt: skip
def test_the_way_out_of_an_unknown_model_is_the_most_similar_one(project, kind, fields, text, start):
    config = project / "pets.config"
    change(config, (f"model.{kind}", f"num_classes: 2 feature_extractor {{ {fields} }}"))
    errors = [finding for finding in findings_of(config) if finding.path == f"model.{kind}.feature_extractor.type"]
    assert text in errors[0].text
    assert start in errors[0].fix.split()[2]


@pytest.mark.parametrize(
    ("name", "field", "keeps"),
    [
        ("faster_rcnn_resnet50_v1_640x640_pets", "model.faster_rcnn.feature_extractor.batch_norm_trainable", "false"),
        ("ssd_resnet50_v1_fpn_640x640_pets", "model.ssd.freeze_batchnorm", "true"),
    ],
)
def test_from_random_weights_batch_norms_have_to_learn(project, name, field, keeps):
    config = project / "pets.config"
    config.write_text(pipeline.read_text(name), "utf-8")
    change(config, (field, keeps))
    assert not [finding for finding in findings_of(config) if finding.path == field]
    change(config, ("train_config.fine_tune_checkpoint", ""))
    finding = found(findings_of(config), "warning", field)
    assert "nothing is normalized" in finding.text
    fix(finding)
    assert not [finding for finding in findings_of(config) if finding.path == field]


@pytest.mark.parametrize(("resizer", "side"), [("", 1024), ("min_dimension: 800 max_dimension: 1333", 1344)])
def test_images_of_any_size_share_a_batch_once_they_are_padded(project, resizer, side):
    config = project / "pets.config"
    change(config, (f"{RESIZER}.keep_aspect_ratio_resizer", f"{{ {resizer} }}"))
    fix(found(findings_of(config), "error", f"{TRAIN}.batch_size"))
    kept = pipeline.read(config).model.ssd.image_resizer.keep_aspect_ratio_resizer
    assert (kept.pad_to_max_dimension, kept.max_dimension) == (True, side)


def test_num_classes_has_to_reach_the_largest_id_and_ids_may_have_holes(project):
    path, config = project / "label_map.pbtxt", project / "pets.config"
    path.write_text("item { id: 1 name: 'cat' } item { id: 3 name: 'dog' }", encoding="utf-8")
    finding = found(findings_of(config), "error", f"{SSD}.num_classes")
    assert "is 2, below the largest id of" in finding.text
    assert "3 ('dog')" in finding.text
    fix(finding)
    assert not [finding for finding in findings_of(config) if finding.severity != "note"]
    change(config, (f"{SSD}.num_classes", "90"))
    assert "is 90, but the largest id" in found(findings_of(config), "warning", f"{SSD}.num_classes").text


def test_a_name_that_several_ids_have_counts_where_the_records_have_it(project):
    path, config = project / "label_map.pbtxt", project / "pets.config"
    text = "item { id: 1 name: 'cat' } item { id: 2 name: 'dog' } item { id: 3 name: 'NA' } item { id: 4 name: 'NA' }"
    path.write_text(text, encoding="utf-8")
    change(config, (f"{SSD}.num_classes", "4"))
    assert not any("'NA'" in finding.text for finding in findings_of(config)), "it only fills holes"
    path.write_text(text.replace("NA", "dog"), encoding="utf-8")
    finding = found(findings_of(config), "warning", "train_input_reader.label_map_path")
    assert "gives 'dog' the ids 2, 3, 4: all 2 boxes of it become 4" in finding.text


def test_label_map_ids_stand_once_each(project):
    path = project / "label_map.pbtxt"
    path.write_text("item { id: 1 name: 'cat' } item { id: 1 name: 'dog' }", encoding="utf-8")
    assert "id 1" in found(findings_of(project / "pets.config"), "error", "train_input_reader.label_map_path").text


def test_classes_that_the_label_map_lacks_and_the_reverse(project):
    shards.write_records(project / "pets_train.record-00000-of-00002", [example_of(["cat", "fox", "fox"])])
    shards.write_records(project / "pets_train.record-00001-of-00002", [example_of(["cat"])])
    findings = findings_of(project / "pets.config")
    lacking = found(findings, "warning", "train_input_reader.label_map_path")
    assert "has no 'fox', which the 2 records have 2 boxes of" in lacking.text
    assert "no box of 'dog'" in found(findings, "warning", TRAIN_RECORDS).text


def test_a_class_that_is_trained_and_never_measured_is_a_warning(project):
    for index in range(2):
        shards.write_records(project / f"pets_val.record-{index:05d}-of-00002", [example_of(["cat"])])
    (finding,) = (each for each in findings_of(project / "pets.config") if each.path == EVAL_RECORDS)
    assert finding.severity == "warning"
    assert "the 2 records have no box of 'dog', which training's records have" in finding.text


def test_records_without_a_single_known_class_are_an_error(project):
    for index in range(2):
        shards.write_records(project / f"pets_train.record-{index:05d}-of-00002", [example_of(["Cat"])])
    assert "'Cat'" in found(findings_of(project / "pets.config"), "error", "train_input_reader.label_map_path").text


def test_numbers_count_where_records_have_no_names(project):
    for index in range(2):
        shards.write_records(project / f"pets_train.record-{index:05d}-of-00002", [example_of(ids=[1, 2, 7])])
    finding = found(findings_of(project / "pets.config"), "warning", "train_input_reader.label_map_path")
    assert "has no id 7" in finding.text


def test_missing_shards_damaged_and_empty_files_are_errors(project):
    config, shard = project / "pets.config", project / "pets_train.record-00001-of-00002"
    data = shard.read_bytes()
    shard.write_bytes(data[:-1])
    # Training leaves it out, and says so.
    assert "cut short" in found(findings_of(config), "warning", TRAIN_RECORDS).text
    other = project / "pets_train.record-00000-of-00002"
    whole = other.read_bytes()
    other.write_bytes(whole[:-1])
    assert "There are no others" in found(findings_of(config), "error", TRAIN_RECORDS).text
    other.write_bytes(whole)
    shard.unlink()
    assert "record-00001-of-00002" in found(findings_of(config), "error", TRAIN_RECORDS).text
    shard.write_bytes(b"")
    (project / "pets_train.record-00000-of-00002").write_bytes(b"")
    assert "are empty" in found(findings_of(config), "error", TRAIN_RECORDS).text


def test_checkpoints_of_another_kind(project):
    config, index = project / "pets.config", project / "ckpt-0.index"
    index.write_bytes(CLASSIFICATION_INDEX)
    fix(found(findings_of(config), "error", f"{CHECKPOINT}_type"))
    assert not [f for f in findings_of(config) if f.severity != "note"]
    index.write_bytes(b"\0FeatureExtractor/x" + bytes.fromhex("57fb808b247547db"))
    assert "TensorFlow 1" in found(findings_of(config), "error", CHECKPOINT).text
    index.write_bytes(b"\0FeatureExtractor/x")
    assert "ckpt-0.index is damaged" in found(findings_of(config), "error", CHECKPOINT).text


def test_a_checkpoint_of_which_a_part_was_copied(project):
    (project / "ckpt-0.data-00000-of-00001").rename(project / "ckpt-0.data-00000-of-00002")
    message = found(findings_of(project / "pets.config"), "error", CHECKPOINT).text
    assert f"{project}/ckpt-0.data-00001-of-00002 is missing" in message
    (project / "ckpt-0.data-00000-of-00002").unlink()
    message = found(findings_of(project / "pets.config"), "error", CHECKPOINT).text
    assert f"{project}/ckpt-0.data-00000-of-00001 is missing" in message


def test_the_config_beside_a_checkpoint_says_what_cannot_be_restored(project):
    config, beside = project / "pets.config", project / "pipeline.config"
    beside.write_text(SEED.read_text(encoding="utf-8"), encoding="utf-8")
    assert not [f for f in findings_of(config) if f.severity != "note"], "other classes do not matter here"
    change(config, (f"{CHECKPOINT}_type", "full"))
    assert "37 of them" in found(findings_of(config), "error", f"{CHECKPOINT}_type").text
    change(beside, (f"{SSD}.feature_extractor.type", "ssd_resnet101_v1_fpn_keras"))
    assert "ssd_resnet101_v1_fpn_keras" in found(findings_of(config), "error", CHECKPOINT).text


def test_label_maps_that_number_differently(project):
    label_map.write(label_map.of_names(["dog", "cat"]), project / "other.pbtxt")
    change(project / "pets.config", (f"{EVAL}.label_map_path", str(project / "other.pbtxt")))
    finding = found(findings_of(project / "pets.config"), "error", f"{EVAL}.label_map_path")
    assert "metrics would be wrong" in finding.text


def test_paths_that_are_not_here_are_errors_where_they_must_exist(tmp_path):
    text = SEED.read_text(encoding="utf-8")
    absent = {CHECKPOINT, "train_input_reader.label_map_path", TRAIN_RECORDS}
    for must_exist, severity in ((False, "warning"), (True, "error")):
        findings = check_config(pipeline.parse(text, "x"), "x.config", text, must_exist, needs=("train",))
        assert {f.path for f in findings if f.severity != "note"} == absent
        assert {f.severity for f in findings if f.path in absent} == {severity}


def test_require_valid_names_every_error_with_its_command(project):
    config = project / "pets.config"
    change(config, (f"{FIXED}.height", "300"), (TRAIN_RECORDS, "nowhere/*.record"))
    with pytest.raises(ConfigError) as raised:
        require_valid(pipeline.read(config), config)
    text = str(raised.value)
    for part in (f"{FIXED}.height", "--image-size 320x640", TRAIN_RECORDS, "--train-records", "2 errors"):
        assert part in text


def test_require_valid_asks_only_for_what_is_needed(project):
    config = project / "pets.config"
    change(config, (EVAL_RECORDS, "nowhere/*.record"))
    lines = [str(finding) for finding in require_valid(pipeline.read(config), config)]
    assert any("sync_replicas" in line for line in lines)
    with pytest.raises(ConfigError, match="eval_input_reader"):
        require_valid(pipeline.read(config), config, needs=("eval",))
    change(config, (f"{TRAIN}.num_steps", "0"))
    require_valid(pipeline.read(config), config, overridden=(f"{TRAIN}.num_steps",))
    with pytest.raises(ConfigError, match="num_steps"):
        require_valid(pipeline.read(config), config)


def test_a_shipped_pipeline_is_fixed_in_a_copy(project):
    text = pipeline.read_text("ssd_resnet50_v1_fpn_640x640_pets")
    findings = check_config(pipeline.parse(text, "x"), "ssd_resnet50_v1_fpn_640x640_pets", text)
    assert not [f for f in findings if f.severity == "error"]
    warned = [f for f in findings if f.severity == "warning"]
    assert {f.path for f in warned} >= {CHECKPOINT, TRAIN_RECORDS, EVAL_RECORDS}
    assert all("--output my_ssd_resnet50_v1_fpn_640x640_pets.config" in f.fix for f in warned)


@pytest.mark.parametrize("decay", ["0", "1e-4"])
def test_a_small_decay_of_rms_prop_is_meant(project, decay):
    path, optimizer = project / "pets.config", f"{TRAIN}.optimizer.rms_prop_optimizer"
    made = f"{{ learning_rate {{ constant_learning_rate {{}} }} decay: {decay} }}"
    path.write_text(pipeline.set_fields(path.read_text(), [(optimizer, made)], "pets.config"))
    assert not [each for each in findings_of(path) if each.path.startswith(optimizer)]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample configs are in ../shared/reference, which is not here")
def test_any_config_can_be_checked():
    paths = sorted(SAMPLES.glob("*.config"))
    assert len(paths) == 46
    for path in paths:
        errors = [f for f in findings_of(path) if f.severity == "error"]
        assert any(f.path.startswith("model.") for f in errors), path
        assert all(f.fix for f in errors), path


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample configs are in ../shared/reference, which is not here")
def test_starting_over_from_any_family_gives_a_config_without_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in sorted(SAMPLES.glob("*.config"))[::4]:
        config = pipeline.read(path)
        if not is_of_another_family(config):
            continue
        fix(findings_of(path)[0])
        errors = [f"{path.name}: {f}" for f in findings_of(tmp_path / "new_pipeline.config") if f.severity == "error"]
        assert not errors
        (tmp_path / "new_pipeline.config").unlink()


def test_no_tensorflow_is_loaded(project):
    program = (
        "import sys; from odtk.tools.configure import check; check('pets.config'); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
