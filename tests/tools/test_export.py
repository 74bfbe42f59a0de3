"""`odtk export`: from every kind of checkpoint, with TFOD's files, into an empty folder or not at all."""

import functools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from golden_cases import SUFFIX, variant_case
from synthetic_weights import synthetic_value

from odtk import pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.cli.main import cli
from odtk.detections import Detections
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError, ConfigError, OdtkError, OutputError
from odtk.exporting import saved_model
from odtk.exporting.agreement import Agreement
from odtk.exporting.formats import FORMATS, ExportFormat, ExportOptions, Needs, Tolerance
from odtk.exporting.signatures import INPUT_TYPES
from odtk.tools.export import certifying, export
from odtk.tools.export.certificate import FormatCertificate, acceptable_limit, certify
from odtk.tools.export.verification import Answers

CASE = variant_case("base")

# Where a test is not about the comparison with the checkpoint.
export_only = functools.partial(export, verify=0)

# How deep the backbone is does not matter here, and most of an export is its tracing.
pytestmark = pytest.mark.usefixtures("shallow_resnet")


@pytest.fixture(scope="module")
def shapes():
    """Of every weight, by its key in a checkpoint. That the full network's are TFOD's is for the goldens' tests."""
    variables = build_detector(CASE.config).checkpoint_variables()
    return {key: tuple(variable.shape) for key, variable in variables.items()}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The base variant's, without the label map that its author had."""
    config = CASE.config
    path = tmp_path_factory.mktemp("config") / "pipeline.config"
    pipeline.write(config, path)
    return path


@pytest.fixture(scope="module")
def model_dir(shapes, tmp_path_factory):
    """As TFOD's trainer leaves it: `step`, and two checkpoints of which the second one holds the golden's weights."""
    detector = build_detector(CASE.config)
    step = tf.Variable(1000, dtype=tf.int64)
    folder = tmp_path_factory.mktemp("model_dir")
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=step, **detector.checkpoint_objects()), str(folder), max_to_keep=7
    )
    manager.save()
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(synthetic_value(key, shapes[key]))
    step.assign(2000)
    manager.save()
    return folder


@pytest.fixture(scope="module")
def exported(config, model_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "first"
    return folder, export(config, model_dir, folder, verify=3)


@pytest.fixture
def no_saved_model(monkeypatch):
    """Where a test is not about the SavedModel: most of an export's time is spent on it."""
    monkeypatch.setattr("odtk.exporting.saved_model.save", lambda *arguments: None)


def assert_golden_weights(prefix, shapes) -> None:
    reader = CheckpointReader(prefix)
    for key, shape in shapes.items():
        assert reader.value(reader.tensor_name(key)).tobytes() == synthetic_value(key, shape).tobytes(), key


def test_the_files_are_tfods(exported, golden_dir):
    folder, report = exported
    golden = json.loads((golden_dir / "export_signatures.json").read_text())["image_tensor"]["files"]
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert written == report.files
    certificates = {"certificate.json", "saved_model/assets.extra/certificate.json"}
    assert certificates <= set(written)
    assert sorted(set(written) - certificates) == sorted(golden)


@pytest.mark.slow  # tests/exporting/test_winograd_detectors.py has the SavedModel's answers
def test_winograd_exports_the_checkpoints_weights(exported, config, model_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("odtk.layers.winograd.LEAST_CHANNELS", 1)
    report = export(config, model_dir, tmp_path / "out", winograd=True, verify=1)
    plain, quick = (tf.saved_model.load(str(folder / "saved_model")) for folder in (exported[0], tmp_path / "out"))
    assert report.winograd_convolutions > 0
    picture = tf.cast(tf.random.stateless_uniform([1, 150, 200, 3], [1, 2], 0, 256), tf.uint8)
    expected = plain(picture)["raw_detection_scores"]
    np.testing.assert_allclose(quick(picture)["raw_detection_scores"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precision", [pytest.param("float16", marks=pytest.mark.slow), "bfloat16"])
def test_a_network_in_low_precision_is_exported_with_its_certificate(
    precision, exported, config, model_dir, tmp_path, shapes
):
    out = tmp_path / "out"
    command = ["export", str(config), str(model_dir), str(out), "--precision", precision, "--verify", "4", "--json"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    certificate = report["certificate"]
    assert (report["precision"], certificate["images"], certificate["source"]) == (precision, 4, "drawn images")
    agreement = certificate["formats"][0]["agreement"]
    assert agreement["objects"] >= 4
    assert 0 < agreement["scores"] < 0.05
    assert 0 < agreement["boxes"] < {"float16": 0.01, "bfloat16": 0.1}[precision]
    assert_golden_weights(out / "checkpoint" / "ckpt-0", shapes)
    plain, low = (tf.saved_model.load(str(folder / "saved_model")) for folder in (exported[0], out))
    picture = tf.cast(tf.random.stateless_uniform([1, 150, 200, 3], [1, 2], 0, 256), tf.uint8)
    expected, found = plain(picture), low(picture)
    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        name: (value.dtype, value.shape) for name, value in expected.items()
    }
    distance = np.abs(found["raw_detection_scores"] - expected["raw_detection_scores"]).max()
    assert 0 < distance < 0.05
    graph = low.signatures["serving_default"].graph.as_graph_def()
    nodes = [node for function in graph.library.function for node in function.node_def if node.op == "Conv2D"]
    assert {node.attr["T"].type for node in nodes} == {tf.dtypes.as_dtype(precision).as_datatype_enum}


def test_winograd_is_not_combined_with_low_precision(config, model_dir, tmp_path):
    with pytest.raises(ConfigError, match="amplifies rounding too much for bfloat16") as raised:
        export(config, model_dir, tmp_path / "out", winograd=True, precision="bfloat16")
    assert raised.value.argument == "precision"


def test_the_label_map_comes_along(config, model_dir, tmp_path, no_saved_model):
    label_map = tmp_path / "map.pbtxt"
    label_map.write_text("item { id: 1 name: 'cat' }")
    named = tmp_path / "named.config"
    message = pipeline.read(config)
    message.train_input_reader.label_map_path = str(label_map)
    pipeline.write(message, named)
    report = export_only(named, model_dir, tmp_path / "out", input_type="tf_example")
    assert "label_map.pbtxt" in report.files
    assert (tmp_path / "out" / "label_map.pbtxt").read_bytes() == label_map.read_bytes()
    assert report.input_type == "tf_example"


def test_the_label_map_that_was_trained_with_is_exported_and_a_difference_is_said(
    config, model_dir, tmp_path, no_saved_model
):
    trained = tmp_path / "model" / "label_map.pbtxt"
    shutil.copytree(model_dir, trained.parent)
    trained.write_text("item { id: 1 name: 'cat' } item { id: 2 name: 'dog' }")
    swapped, named = tmp_path / "swapped.pbtxt", tmp_path / "named.config"
    swapped.write_text("item { id: 1 name: 'dog' } item { id: 2 name: 'cat' }")
    message = pipeline.read(config)
    message.train_input_reader.label_map_path = str(swapped)
    pipeline.write(message, named)
    result = CliRunner().invoke(
        cli, ["export", str(named), str(trained.parent), str(tmp_path / "out"), "--verify", "0"]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "label_map.pbtxt").read_bytes() == trained.read_bytes()
    assert f"label map {swapped} is not the one of the training run" in result.stderr
    assert "It has other classes for these ids: id 1 is 'cat' there and 'dog' here, id 2 is" in result.stderr
    assert f"The export has {trained}." in result.stderr
    swapped.write_text("item { id: 1 name: 'cat' display_name: 'Katze' } item { id: 2 name: 'dog' }")
    report = export_only(named, trained.parent / "ckpt-2", tmp_path / "again")
    assert "id 1 is 'cat' in" in report.label_map_note
    swapped.write_bytes(trained.read_bytes())
    assert export_only(named, trained.parent, tmp_path / "third").label_map_note is None


def test_a_model_dir_means_its_latest_checkpoint(exported, model_dir, shapes):
    folder, report = exported
    assert (report.checkpoint, report.step) == (str(model_dir / "ckpt-2"), 2000)
    assert_golden_weights(folder / "checkpoint" / "ckpt-0", shapes)


def test_the_exported_checkpoint_has_no_step(exported, shapes):
    reader = CheckpointReader(exported[0] / "checkpoint" / "ckpt-0")
    assert reader.step is None
    assert set(reader.variable_names("model")) == {key + SUFFIX for key in shapes}


def test_a_prefix_is_taken_as_it_is(config, model_dir, tmp_path, no_saved_model):
    report = export_only(config, model_dir / "ckpt-1", tmp_path / "out")
    assert (report.checkpoint, report.step) == (str(model_dir / "ckpt-1"), 1000)


def test_an_exported_folder_is_exported_again(exported, tmp_path, no_saved_model, shapes):
    folder, _ = exported
    report = export_only(folder / "pipeline.config", folder, tmp_path / "again", input_type="float_image_tensor")
    assert report.checkpoint == str(folder / "checkpoint" / "ckpt-0")
    assert_golden_weights(tmp_path / "again" / "checkpoint" / "ckpt-0", shapes)


def test_a_folder_that_holds_something_is_refused_and_left_alone(config, model_dir, exported):
    folder, _ = exported
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(OutputError, match="not empty"):
        export(config, model_dir, folder)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_an_earlier_export_is_replaced_with_overwrite_and_nothing_else_is(
    config, model_dir, tmp_path, no_saved_model, shapes
):
    folder = tmp_path / "out"
    export_only(config, model_dir, folder)
    (folder / "saved_model").mkdir()
    (folder / "checkpoint/old").touch()
    with pytest.raises(OutputError, match=r"earlier output\. Choose another folder, or overwrite it"):
        export_only(config, model_dir, folder)
    export_only(config, model_dir, folder, overwrite=True)
    assert not (folder / "checkpoint/old").exists()
    assert_golden_weights(folder / "checkpoint" / "ckpt-0", shapes)
    (folder / "saved_model").mkdir()
    (folder / "thesis.tex").touch()
    with pytest.raises(OutputError, match=r"thesis\.tex, which this command did not write"):
        export_only(config, model_dir, folder, overwrite=True)
    assert (folder / "thesis.tex").exists()


def test_an_empty_folder_is_filled_and_a_failure_leaves_nothing(config, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        export_only(config, tmp_path / "nothing" / "ckpt-3", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not list((tmp_path / "out").iterdir())


def test_an_unknown_input_type(config, model_dir, tmp_path):
    with pytest.raises(ConfigError, match="image_tensor, float_image_tensor"):
        export(config, model_dir, tmp_path / "out", input_type="images")
    arguments = ["export", str(config), str(model_dir), str(tmp_path / "out"), "--input-type", "images"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "'images' is not one of" in result.output


def test_a_format_is_a_row_of_the_table(config, model_dir, tmp_path, monkeypatch):
    def write(source, path):
        Path(path).write_text(f"{source.options.input_type} {source.detector.num_classes} {source.step}")

    monkeypatch.setitem(FORMATS, "txt", ExportFormat("model.txt", "to read", write))
    for overwrite in (False, True):
        report = export(config, model_dir, tmp_path / "out", format="txt", overwrite=overwrite, verify=1)
    assert "model.txt" in report.files
    assert not any(name.startswith("saved_model") for name in report.files)
    assert (tmp_path / "out/model.txt").read_text() == f"image_tensor {CASE.config.model.ssd.num_classes} 2000"
    assert (report.certificate, report.no_models) == (None, ["model.txt"])
    assert report.notes() == ["model.txt is no model: it was not compared with the checkpoint."]
    assert not (tmp_path / "out/certificate.json").exists()
    with pytest.raises(ConfigError, match=r"'no_format' is not an export format; it is one of saved_model, .*txt"):
        export(config, model_dir, tmp_path / "other", format="txt,no_format")
    with pytest.raises(ConfigError, match="No export format"):
        export(config, model_dir, tmp_path / "other", format=())


def test_a_format_says_what_it_needs_and_what_it_refuses(config, model_dir, tmp_path, monkeypatch):
    row = ExportFormat("model.txt", "to read", lambda source, path: None, needs=Needs("more", ("json", "no_such_one")))
    monkeypatch.setitem(FORMATS, "txt", row)
    with pytest.raises(OdtkError, match=r"txt needs no_such_one, which is not .*pip install 'odtk\[more\]'"):
        export(config, model_dir, tmp_path / "out", format=["txt"])
    refusing = ExportFormat(
        "model.txt", "to read", lambda source, path: None,
        refuses=lambda config, options: f"{config.model.WhichOneof('model')} has {options.input_type}.",
    )  # fmt: skip
    monkeypatch.setitem(FORMATS, "txt", refusing)
    with pytest.raises(ConfigError, match="cannot be exported as txt: ssd has image_tensor"):
        export(config, model_dir, tmp_path / "out", format=["txt"])
    assert list(tmp_path.iterdir()) == []


def test_the_certificate_is_written_into_the_model_too(exported):
    folder, report = exported
    whole = json.loads((folder / "certificate.json").read_text())
    (one,) = whole["formats"]
    assert (whole["checkpoint"], whole["step"], whole["images"]) == (report.checkpoint, 2000, 3)
    assert one["agreement"]["objects"] >= 3
    assert (one["agreement"]["missing"], one["agreement"]["extra"]) == (0, 0)
    assert one["agreement"]["boxes"] < 1e-4
    inside = json.loads((folder / "saved_model/assets.extra/certificate.json").read_text())
    assert inside["formats"] == [one]


def test_a_model_that_answers_otherwise_is_refused_and_leaves_nothing(config, model_dir, tmp_path, monkeypatch):
    save = saved_model.save

    def save_broken(detector, *arguments):
        variable = next(
            value
            for key, value in detector.checkpoint_variables().items()
            if "BoxPredictor" in key or "box_predictor" in key
        )
        kept = variable.numpy()
        variable.assign(variable + 0.5)
        save(detector, *arguments)
        variable.assign(kept)

    monkeypatch.setattr(saved_model, "save", save_broken)
    arguments = ["export", str(config), str(model_dir), str(tmp_path / "out"), "--verify", "2"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1, result.output
    assert "saved_model does not answer as" in result.stderr
    assert "(accepted: 0" in result.stderr
    assert "--tolerance" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("score", "is_unsure"), [(0.21, True), (0.8, False)])
def test_a_model_that_has_hardly_learned_is_told_of(score, is_unsure):
    said = str(refusal(answers(score), objects=1, missing=1))
    assert ("No detection there has a score above 0.21" in said and "--verify 0" in said) == is_unsure


@pytest.mark.parametrize(
    ("differences", "limit"),
    [
        ({"missing": 2}, "0.05"),
        ({"extra": 9}, "0.23"),
        ({"scores": 0.0123}, "0.013"),
        ({"boxes": 0.0123, "missing": 8}, "0.2"),
        ({"map_after": 0.4877}, "0.013"),
        ({"extra": 41}, None),
        ({"scores": math.nan}, None),
    ],
)
def test_a_refusal_says_which_tolerance_accepts_it_and_that_one_does(differences, limit):
    refused = refusal(answers(0.9), **differences)
    assert "saved_model does not answer as model/ckpt-8 does, on 1 drawn images: " in str(refused)
    assert refused.argument == (limit and "tolerance")
    assert ("accept the difference" in str(refused)) == (limit is not None)
    if limit is not None:
        assert f"with a tolerance of {limit}." in str(refused)
        assert certified(**differences, tolerance=Tolerance.of(float(limit))).problems() == []
        assert certified(**differences, tolerance=Tolerance.of(0.9 * float(limit))).problems()


def test_nothing_is_certified_where_neither_finds_anything():
    refused = refusal(answers(), objects=0)
    assert "as neither finds anything on 1 drawn images. Nothing was written." in str(refused)
    assert refused.argument is None, "no tolerance accepts that"


def refusal(exact, **differences):
    limit = acceptable_limit(lambda limit: certified(**differences, tolerance=Tolerance.of(limit)))
    return certifying._refusal("model/ckpt-8", certified(**differences), exact, limit)


def test_with_a_small_tolerance_the_limit_that_accepts_it_is_still_that_of_the_differences():
    """With 0.001 all forty objects are missing, as none is so near; that is no reason to accept whatever."""
    boxes, scores = np.tile([0.1, 0.1, 0.5, 0.5], [40, 1]) + np.linspace(0, 0.4, 40)[:, None], np.linspace(0.9, 0.5, 40)
    exact, found = (
        Answers("drawn images", [Detections(boxes + moved, np.arange(40), scores)], None, None) for moved in (0, 0.0301)
    )
    judge = functools.partial(
        certify, "tflite", FORMATS["tflite"], ExportOptions(quantize="int8"), exact=exact, found=found
    )
    assert judge(0.001).agreement.missing == 40
    assert judge(None).problems() == []
    assert acceptable_limit(judge) == 0.031


def certified(objects=40, map_after=0.5, tolerance=None, **differences) -> FormatCertificate:
    agreement = Agreement(**{"objects": objects, "missing": 0, "extra": 0, "boxes": 0.0, "scores": 0.0} | differences)
    return FormatCertificate("saved_model", "saved_model", agreement, tolerance or Tolerance(), 0.5, map_after, 1, 1)


def answers(*scores: float) -> Answers:
    """Of one image."""
    boxes = np.tile([0.1, 0.1, 0.5, 0.5], [len(scores), 1])
    found = Detections(boxes, np.ones(len(scores), int), np.array(scores))
    return Answers("drawn images", [found], None, None)


def test_the_command_offers_every_input_type():
    (option,) = (one for one in cli.get_command(None, "export").params if one.name == "input_type")
    assert list(option.type.choices) == list(INPUT_TYPES)


def test_a_full_disk_is_said_and_leaves_no_folder(config, model_dir, tmp_path, monkeypatch):
    def full(detector, input_type, folder, more_variables=()):
        text = f"{{{{function_node SaveV2}}}} {folder}/variables/x.tempstate1; No space left on device [Op:SaveV2]"
        raise tf.errors.ResourceExhaustedError(None, None, text)

    monkeypatch.setattr("odtk.exporting.saved_model.save", full)
    with pytest.raises(OutputError, match=rf"{tmp_path}/out cannot be written: no space is left on its disk"):
        export_only(config, model_dir, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
