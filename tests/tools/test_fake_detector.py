"""The whole journey with a detector that only the contracts know: train, evaluate, export, predict, inspect."""

import gc
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from fake_detector import HEAT, SIZE
from inspected_records import picture, write
from PIL import Image

from odtk import label_map, pipeline
from odtk.checkpoints.best import read_best
from odtk.checkpoints.reader import CheckpointReader
from odtk.cli.main import cli
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError, ConfigError, DataError, LabelMapError, OdtkError
from odtk.evaluation import build as evaluation_build
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.evaluation.coco_results import read_results
from odtk.evaluation.metrics_sets import build_categories, build_evaluators
from odtk.evaluation.record_pixels import RecordPixels
from odtk.evaluation.scoring import score
from odtk.records import example, shards
from odtk.records.example import read_features
from odtk.tools.evaluate import evaluate
from odtk.tools.explain import explain, list_layers
from odtk.tools.export import export
from odtk.tools.inspect import inspect
from odtk.tools.predict import predict
from odtk.tools.train import running, train
from odtk.tools.train.run_record import read_run
from odtk.training.fine_tune import fine_tune
from odtk.training.loggers.csv_files import read_evaluations

pytestmark = pytest.mark.usefixtures("no_pictures")

LOSSES = [HEAT, SIZE, "Loss/regularization_loss", "Loss/total_loss"]


@dataclass
class Journey:
    config: Path
    model_dir: Path
    trained: object
    evaluated: object
    left: int
    """Detectors that are in memory after both."""


@pytest.fixture(scope="module")
def registered():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def journey(registered, tmp_path_factory) -> Journey:
    folder = tmp_path_factory.mktemp("fake")
    records = write(folder / "records")
    config, model_dir = folder / "pipeline.config", folder / "model"
    config.write_text(fake_detector.CONFIG.replace("{records}", str(records)))
    trained = train(config, model_dir, log_every=1, checkpoint_every=3, seed=1)
    evaluated = evaluate(config, model_dir)
    gc.collect()
    left = sum(type(each) is fake_detector.FakeDetector for each in gc.get_objects())
    return Journey(config, model_dir, trained, evaluated, left)


def test_training_and_evaluation_leave_no_weights_in_the_process(journey):
    assert journey.left == 0


def test_training_logs_and_shows_the_detectors_own_losses(journey):
    assert journey.trained.last_step == 3
    assert set(LOSSES) <= set(journey.trained.losses)
    assert all(np.isfinite(journey.trained.losses[tag]) for tag in LOSSES)
    (events,) = (journey.model_dir / "train").glob("events.*")
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(events)) for value in event.summary.value}
    assert set(LOSSES) <= tags
    assert not any("classification" in tag or "localization" in tag for tag in tags)
    keys = CheckpointReader(journey.trained.checkpoint).variable_names("model")
    assert any(key.startswith("model/_center/heads/heat") for key in keys)


def test_its_losses_are_measured_beside_the_metrics_and_have_a_meaning(journey):
    report = journey.evaluated
    assert list(report.losses) == LOSSES
    assert report.num_images == 10
    assert list(report.summary)[-4:] == LOSSES
    assert report.meanings[HEAT] == "a loss of this model, mean over batches, in inference mode"
    assert sum(report.losses[tag] for tag in LOSSES[:-1]) == pytest.approx(report.losses[LOSSES[-1]], rel=1e-6)
    assert -1 < report.metrics["DetectionBoxes_Precision/mAP"] <= 1


def measured(model_dir, step):
    (row,) = (row for row in read_evaluations(model_dir) if row["step"] == step)
    return row


def test_training_measured_what_evaluate_measures_and_kept_the_best(journey):
    best = read_best(journey.model_dir)
    assert str(journey.evaluated.checkpoint) == best.prefix
    assert journey.evaluated.metrics == {name: best.metrics[name] for name in journey.evaluated.metrics}
    command = ["evaluate", str(journey.config), str(journey.model_dir), "--checkpoint", "last", "--no-report", "--json"]
    result = CliRunner().invoke(cli, command)
    last = json.loads(result.stdout)
    assert result.stderr.startswith(f"Evaluating {journey.model_dir}/ckpt-3, the last.\n")
    assert last["step"] == 3
    assert last["metrics"].items() <= measured(journey.model_dir, 3).items(), "to the last digit"


def test_averages_are_measured_where_the_config_asks_and_training_goes_on_as_if_not(journey, tmp_path):
    config, weights = tmp_path / "averaging.config", []
    sets = [("train_config.optimizer.use_moving_average", "true"), ("eval_config.use_moving_averages", "true")]
    config.write_text(pipeline.set_fields(journey.config.read_text(), sets, "c"))
    for name, every in (("measured", 2), ("alone", 0)):
        report = train(config, tmp_path / name, num_steps=4, eval_every=every, checkpoint_every=2, seed=1)
        reader = CheckpointReader(report.checkpoint)
        weights.append({name: reader.value(name) for name in reader.variable_names("model")})
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name], err_msg=name)
    for step in (2, 4):
        report = evaluate(config, tmp_path / "measured", tmp_path / f"measured/ckpt-{step}", report=False)
        assert report.metrics.items() <= measured(tmp_path / "measured", step).items()
    best = read_best(tmp_path / "measured")
    assert evaluate(config, tmp_path / "measured", "best", report=False).metrics.items() <= best.metrics.items()
    with pytest.raises(CheckpointError, match="has no best checkpoint"):
        evaluate(config, tmp_path / "alone", "best")


def test_a_sample_of_the_images_is_measured_and_an_unknown_metric_refused_before_the_first_step(journey, tmp_path):
    said = []
    options = {"num_steps": 2, "eval_every": 1, "seed": 1, "log": said.append}
    with pytest.raises(ConfigError, match=r"No metric is called 'mAPP'\. The nearest: mAP, "):
        train(journey.config, tmp_path / "model", best_metric="mAPP", **options)
    assert not (tmp_path / "model").exists()
    train(journey.config, tmp_path / "model", best_metric="Loss/size", eval_images=4, **options)
    assert "Evaluations are on a fixed sample of 4 of 10 images." in said
    best = read_best(tmp_path / "model")
    assert best.value == min(row["Loss/size"] for row in read_evaluations(tmp_path / "model"))


def test_the_evaluation_that_a_killed_run_owes_is_made_first(journey, tmp_path):
    shutil.copytree(journey.model_dir, tmp_path / "model")
    before = read_evaluations(tmp_path / "model")
    rows = (tmp_path / "model/evaluations.csv").read_text().splitlines(keepends=True)
    (tmp_path / "model/evaluations.csv").write_text("".join(rows[:-1]))
    report = train(journey.config, tmp_path / "model", checkpoint_every=3, seed=1)
    assert (report.first_step, report.last_step) == (3, 3)
    assert read_evaluations(tmp_path / "model") == before
    assert read_best(tmp_path / "model").step == read_best(journey.model_dir).step


@pytest.fixture(scope="module")
def exported(journey, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "exported"
    export(journey.config, journey.model_dir, folder, verify=2)
    return folder


COCO = 12  # of the metrics are not losses


def coco_metrics(report):
    return pytest.approx(dict(list(report.metrics.items())[:COCO]), abs=1e-6)


def test_an_exported_model_and_its_detections_have_the_metrics_of_the_checkpoint(journey, exported, tmp_path):
    """On the same records, by the config in the exported folder, by the model dir's own, and without any."""
    own = evaluate(journey.model_dir, groundtruth=journey.config, report=False, output=tmp_path / "own")
    assert (own.metrics, own.checkpoint) == (journey.evaluated.metrics, journey.evaluated.checkpoint)
    said = []
    report = evaluate(exported, log=said.append, compare=journey.model_dir, export_suspects=tmp_path / "suspects.csv")
    assert report.metrics == coco_metrics(journey.evaluated)
    assert (report.checkpoint, report.model, report.num_images) == (None, str(exported), 10)
    assert report.metrics_path == exported.parent / "exported-eval/metrics.json"
    assert report.report_path == exported.parent / "exported-eval/report.html"
    assert report.explanation.measured.target == str(exported)
    assert sorted(report.seconds) == ["first step", "inference", "reading", "scoring"]
    ours, theirs = (read_results(each.detections_path).images for each in (report, own))
    for one, other in zip(ours, theirs, strict=True):
        # Not in the order of the scores, as some are almost equal.
        first, second = (np.lexsort((*each.boxes.round(1).T, each.classes)) for each in (one, other))
        assert one.file_name == other.file_name
        np.testing.assert_array_equal(one.classes[first], other.classes[second])
        np.testing.assert_allclose(one.boxes[first], other.boxes[second], atol=1e-3)
        np.testing.assert_allclose(one.scores[first], other.scores[second], atol=1e-6)
    assert (tmp_path / "suspects.csv").exists()
    assert any(line.startswith("Evaluating ") for line in said)

    records = journey.config.parent / "records"
    options = {"groundtruth": records, "report": False, "output": tmp_path / "again"}
    for detections in (report.detections_path, own.detections_path):
        again = evaluate(detections, **options)
        assert again.metrics == coco_metrics(journey.evaluated)
        assert (again.notes, again.repeated_images) == ([], 0)
        assert list(again.seconds) == ["reading", "scoring"]
    assert again.metrics_path == tmp_path / "again/metrics.json"


def test_classes_of_an_export_and_of_records_with_other_numbers_meet_by_name(journey, exported, tmp_path):
    shutil.copytree(journey.config.parent / "records", tmp_path / "records")
    label_map.write(label_map.of_names(("dog", "cat")), tmp_path / "records/label_map.pbtxt")
    options = {"groundtruth": tmp_path / "records", "report": False, "output": tmp_path / "eval"}
    report = evaluate(exported, **options)
    assert report.metrics == coco_metrics(journey.evaluated)
    assert [each["name"] for each in report.classes] == ["dog", "cat"]
    with pytest.raises(LabelMapError, match="Export the model and evaluate the export") as error:
        evaluate(journey.model_dir, **options)
    assert error.value.argument == "groundtruth"
    # As by a file alone, whose label map is found beside it; the config's own is not to blame for more classes.
    label_map.write(label_map.of_names(("dog", "cat", "horse")), tmp_path / "records/label_map.pbtxt")
    options["groundtruth"] = tmp_path / "records/val.record-?????-of-00001"
    assert evaluate(exported, **options).metrics == coco_metrics(journey.evaluated)
    with pytest.raises(LabelMapError, match="Export the model and evaluate the export"):
        evaluate(journey.model_dir, **options)
    label_map.write(label_map.of_names(("dog", "horse")), tmp_path / "records/label_map.pbtxt")
    with pytest.raises(
        DataError, match=r"has \d+ boxes of classes that .*label_map\.pbtxt does not have: cat"
    ) as error:
        evaluate(exported, **options)
    assert error.value.argument == "label_map"


def test_any_model_is_evaluated_on_annotations_that_are_no_records(journey, exported, tmp_path):
    """The same pictures as a COCO JSON whose categories have other ids, and as a folder of VOC's files."""
    truth = write_coco(journey.config.parent / "records/val.record-00000-of-00001", tmp_path / "coco")
    options = {"groundtruth": truth, "report": False, "output": tmp_path / "eval"}
    of_export, of_checkpoint = evaluate(exported, **options), evaluate(journey.model_dir, **options)
    assert of_export.metrics == coco_metrics(journey.evaluated)
    assert of_checkpoint.metrics == coco_metrics(journey.evaluated)
    assert (of_checkpoint.step, of_checkpoint.checkpoint) == (journey.evaluated.step, journey.evaluated.checkpoint)
    assert [(each["id"], each["name"]) for each in of_export.classes] == [(4, "dog"), (9, "cat")]
    again = evaluate(of_export.detections_path, **options)
    assert again.metrics == coco_metrics(journey.evaluated)
    folder = evaluate(exported, groundtruth=truth.parent, report=False, output=tmp_path / "eval")
    assert folder.metrics == coco_metrics(journey.evaluated)
    (truth.parent / "100.jpg").write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"1 pictures of .*instances\.json cannot be read, more than the limit"
    ) as error:
        evaluate(exported, max_bad_records=0, **options)
    assert error.value.argument == "max_bad_records"
    report = evaluate(exported, **options)
    assert report.num_images == 9
    assert report.notes[0].startswith("1 pictures of ")


def write_coco(records: Path, folder: Path) -> Path:
    """The images of a record file, and instances.json, whose numbers are those of the records."""
    folder.mkdir()
    images, annotations, ids = [], [], {"cat": 9, "dog": 4}
    for number, found in enumerate(shards.walk_records(records), 1):
        image = example.decode(found.data)
        (folder / image.filename).write_bytes(image.encoded)
        size = {"width": image.width, "height": image.height}
        images.append({"id": number, "file_name": image.filename, **size})
        sides = [image.height, image.width] * 2
        for each in image.objects:
            ymin, xmin, ymax, xmax = (side * scale for side, scale in zip(each.box, sides, strict=True))
            numbers = {"id": len(annotations) + 1, "image_id": number, "category_id": ids[each.class_name]}
            box = {"bbox": [xmin, ymin, xmax - xmin, ymax - ymin], "area": (xmax - xmin) * (ymax - ymin)}
            annotations.append({**numbers, **box, "iscrowd": 0})
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


def test_all_checkpoints_are_measured_and_the_best_one_explained(journey, tmp_path):
    shutil.copytree(journey.model_dir, tmp_path / "model")
    train(journey.config, tmp_path / "model", num_steps=5, checkpoint_every=1, eval_every=0, seed=1)
    report = evaluate(tmp_path / "model", checkpoint="all", report=False)
    steps = [each.step for each in report.checkpoints]
    assert steps == [1, 3, 4, 5], "step 1 is in best/ alone"
    values = [each.metrics["DetectionBoxes_Precision/mAP"] for each in report.checkpoints]
    assert report.metrics == report.checkpoints[values.index(max(values))].metrics
    assert report.step == steps[values.index(max(values))]
    rows = [line.split(",") for line in report.checkpoints_path.read_text().splitlines()]
    assert rows[0][:3] == ["checkpoint", "step", "DetectionBoxes_Precision/mAP"]
    assert [(int(row[1]), float(row[2])) for row in rows[1:]] == list(zip(steps, values, strict=True))
    alone = evaluate(tmp_path / "model", checkpoint=tmp_path / "model/ckpt-4", report=False)
    assert alone.metrics == report.checkpoints[2].metrics
    with pytest.raises(CheckpointError, match=r"is one checkpoint\. To evaluate all of a training, give its model dir"):
        evaluate(tmp_path / "model/ckpt-4", checkpoint="all")


def test_options_that_would_do_nothing_are_refused(journey, exported):
    found = journey.evaluated.detections_path
    for wrong, model in (
        ({"checkpoint": "last"}, exported),
        ({"precision": "bfloat16"}, exported),
        ({"tpu": "local"}, exported),
        ({"label_map": "coco"}, journey.model_dir),
        ({"devices": "cpu", "groundtruth": journey.config}, found),
        ({"checkpoint": "best"}, found),
        ({"groundtruth": None}, found),
    ):
        with pytest.raises(OdtkError) as error:
            evaluate(model, report=False, **wrong)
        assert error.value.argument == next(iter(wrong))


def test_what_is_exported_detects_as_the_detector(journey, tmp_path):
    exported = export(journey.config, journey.model_dir, tmp_path / "exported", winograd=True, verify=0)
    assert exported.winograd_convolutions == 0
    (tmp_path / "photo.jpg").write_bytes(picture(5))
    report = predict(tmp_path / "exported", [tmp_path / "photo.jpg"], tmp_path / "out", min_score=0)
    results = json.loads(report.detections_path.read_text())
    assert len(results) == fake_detector.PEAKS
    assert {result["category_name"] for result in results} <= {"cat", "dog"}

    detector = build_detector(pipeline.read(journey.config))
    reader = CheckpointReader(exported.checkpoint)
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(reader.value(reader.tensor_name(key)))
    image, shape = detector.resize(tf.constant(np.asarray(Image.open(tmp_path / "photo.jpg")), tf.float32))
    expected = detector.detect(image[None], shape[None])
    np.testing.assert_allclose([result["score"] for result in results], expected["detection_scores"][0], atol=1e-6)
    np.testing.assert_array_equal(
        [result["category_id"] for result in results], expected["detection_classes"][0].numpy() + 1
    )


def test_what_it_computes_is_shown_without_anchors_or_levels(journey, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(picture(1))
    (shown,) = explain(journey.model_dir, tmp_path / "photo.jpg", tmp_path / "out", min_score=0, max_boxes=2).pictures
    assert [each.layer for each in shown.features] == ["stem", "heat", "size"]
    assert [(each.heat_source, each.level) for each in shown.detections] == [("heat", None)] * 2
    assert (shown.fired, shown.scores, shown.levels) == (None, {}, ())
    assert shown.notes == ["This detector does not show boxes before suppression, nor anchors."]
    layers = list_layers(journey.model_dir).layers
    assert (layers[0].name, layers[0].shapes) == ("stem", ((1, 6, 4, 4),))


def test_an_export_is_verified_on_the_evaluation_records_with_the_metrics_of_both(journey, tmp_path):
    report = export(journey.config, journey.model_dir, tmp_path / "low", precision="bfloat16", verify=4)
    certificate = report.certificate
    assert (certificate.images, certificate.source, certificate.note) == (4, "evaluation images", None)
    (one,) = certificate.formats
    assert 0 < one.agreement.scores < 0.01
    assert -1 < one.map_before <= 1
    assert one.map_after == pytest.approx(one.map_before, abs=0.05)


def test_its_fine_tune_types_are_its_own(journey):
    detector = build_detector(pipeline.read(journey.config))
    restored = fine_tune(detector, journey.trained.checkpoint, "stem").restored
    assert sorted(restored) == ["model/_center/stem/bias", "model/_center/stem/kernel"]


def test_inspect_takes_its_config_and_has_no_anchors_to_compare_with(journey, tmp_path):
    inspection = inspect(journey.config, html=tmp_path / "page.html")
    assert inspection.coverage is None
    assert "Boxes were not compared with anchors: the config's model has none." in inspection.not_looked_at
    assert sum(split.images for split in inspection.splits) == 22
    assert (tmp_path / "page.html").exists()


def test_its_run_can_be_repeated(journey, tmp_path):
    said = []
    again = train(journey.model_dir, tmp_path / "again", repeat=True, log=said.append)
    assert again.losses == pytest.approx(journey.trained.losses, rel=1e-4)
    (session,) = read_run(tmp_path / "again")["sessions"]
    assert session["arguments"] == {"log_every": 1, "checkpoint_every": 3, "seed": 1, "precision": "float32"}
    assert again.pipeline_config == str(journey.model_dir / "pipeline.config")
    assert "Repeating the run" in said[0]
    assert not any(line.startswith("warning: other") for line in said)


def test_evaluations_in_one_process_share_one_trace_and_one_dataset(journey):
    config = pipeline.read(journey.config)
    detector = build_detector(config)
    made, build = [], evaluation_build.build_eval_dataset

    def build_noted(*arguments, **options):
        made.append(build(*arguments, **options))
        return made[-1]

    traced, predict = [], detector.predict

    def predict_noted(*arguments):
        traced.append(arguments)
        return predict(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation_build, "build_eval_dataset", build_noted)
        patch.setattr(detector, "predict", predict_noted)
        measured, seen = ConfiguredEvaluation(config, detector, max_images=6), []
        first, second = measured.run(seen.append), measured.run(seen.append, collect=True)
    assert first.metrics == second.metrics, "each begins with new evaluators, on the same images"
    assert (first.num_images, measured.num_images, seen) == (6, 6, [4, 2, 4, 2])
    assert (len(made), len(traced)) == (1, 1)
    assert first.results is None, "it is only kept where it is asked for"
    rescored = score(second.results, build_evaluators(config.eval_config, build_categories(config, 2)))
    assert rescored.metrics.items() <= second.metrics.items(), "all of them but the losses, to the last digit"
    assert rescored.classes == second.classes
    assert second.results.names == {1: "cat", 2: "dog"}


def test_results_know_their_pictures_also_behind_damaged_records(journey, tmp_path):
    shutil.copytree(journey.config.parent / "records", tmp_path / "records")
    (path,) = (tmp_path / "records").glob("val.record*")
    content = bytearray(path.read_bytes())
    content[list(shards.walk_records(path))[1].offset + 300] ^= 1
    path.write_bytes(content)
    config = pipeline.read(fake_detector.write_config(tmp_path, tmp_path / "records"))
    results = ConfiguredEvaluation(config, build_detector(config)).run(collect=True).results
    assert [image.place for image in results.images] == [(str(path), number) for number in (0, *range(2, 10))]
    encoded = [record.data for record in shards.walk_records(path) if isinstance(record, shards.Record)]
    for index in (0, 1, 8):
        image, pixels = results.images[index], results.read_pixels(index)
        features = read_features(encoded[index])
        assert image.source_id == features["image/source_id"][0].decode()
        expected = np.asarray(Image.open(io.BytesIO(features["image/encoded"][0])).convert("RGB"), int)
        assert image.size == pixels.shape[:2] == expected.shape[:2]
        assert abs(pixels - expected).max() <= 5, "another JPEG decoder rounds otherwise"
        boxes = np.stack([features[f"image/object/bbox/{side}"] for side in ("ymin", "xmin", "ymax", "xmax")], 1)
        np.testing.assert_allclose(image.boxes, boxes * np.tile(image.size, 2), rtol=1e-5)
    tf.io.gfile.copy(str(path), "ram://records/val.record", overwrite=True)
    np.testing.assert_array_equal(RecordPixels([("ram://records/val.record", 9)]).read(0), results.read_pixels(8))
    shards.write_records(path, encoded[:3])
    with pytest.raises(DataError, match=r"record 9: its picture cannot be read again: the record is no longer there"):
        results.read_pixels(8)


def test_what_is_skipped_without_python_in_the_dataset_is_told_as_in_other_runs(journey, tmp_path, monkeypatch):
    """As for a TPU, and with micro-batches."""
    shutil.copytree(journey.config.parent / "records", tmp_path / "records")
    for path in (tmp_path / "records").glob("*record*"):
        content = bytearray(path.read_bytes())
        content[list(shards.walk_records(path))[1].offset + 300] ^= 1
        path.write_bytes(content)
    config, runs = tmp_path / "damaged.config", []
    config.write_text(journey.config.read_text().replace(str(journey.config.parent), str(tmp_path)))
    for is_on_tpu in (False, True):
        monkeypatch.setattr(running, "is_on_tpu", lambda answer=is_on_tpu: answer)
        said, options = [], {"num_steps": 5, "eval_every": 0, "accumulate": 2, "seed": 1}
        report = train(config, tmp_path / f"model-{is_on_tpu}", log=said.append, **options)
        runs.append((report.losses, report.bad_records, [line for line in said if line.startswith("Skipped")]))
    assert runs[0] == runs[1]
    assert len(runs[0][1]) == len(runs[0][2]) == 1


def test_frozen_weights_stay_and_train_on_when_they_are_no_longer_and_steps_are_profiled(journey, tmp_path):
    sets = [("train_config.optimizer.use_moving_average", "true")]
    config, model_dir, said = tmp_path / "averaging.config", tmp_path / "model", []
    config.write_text(pipeline.set_fields(journey.config.read_text(), sets, "c"))
    options = {"eval_every": 0, "seed": 1, "log": said.append}
    frozen = train(config, model_dir, num_steps=5, freeze="backbone", profile="2:4", checkpoint_every=1, **options)
    stem = "model/_center/stem/kernel"
    (start, _, _, _, end) = (kernel_of(model_dir, step) for step in range(1, 6))
    np.testing.assert_array_equal(start, end)
    assert "Frozen: 85% of the weights; 4 of 6 variables are trained." in said
    assert pipeline.read(model_dir / "pipeline.config").train_config.freeze_variables == ["^model/_center/stem/"]
    reader = CheckpointReader(frozen.checkpoint)
    assert reader.slots() == {"optimizer/average", "optimizer/ema_base_optimizer/momentum"}
    assert reader.slot(reader.tensor_name(stem), "average") is None
    assert list((model_dir / "train" / "plugins" / "profile").glob("*/*.xplane.pb"))
    assert any(line.startswith("Wrote the profile of the steps 2 to 4: ") for line in said)
    said.clear()
    on = train(config, model_dir, num_steps=6, profile="2:4", **options)
    assert any("What is trained changes with this run: train_config.freeze_variables" in line for line in said)
    assert "note: The steps 2 to 4 are not profiled: some were trained before." in said
    assert not np.array_equal(kernel_of(model_dir, 6), end)
    reader = CheckpointReader(on.checkpoint)
    average = reader.value(reader.slot(reader.tensor_name(stem), "average"))
    np.testing.assert_allclose(average, end, atol=0.02)  # an average that did not start from the weight is near 0


def kernel_of(model_dir, step):
    reader = CheckpointReader(model_dir / f"ckpt-{step}")
    return reader.value(reader.tensor_name("model/_center/stem/kernel"))


def test_a_family_without_batch_norms_cannot_freeze_them(journey, tmp_path):
    with pytest.raises(ConfigError, match=r"Models of model.center_net have no batch norms to freeze") as error:
        train(journey.config, tmp_path, freeze="bn")
    assert error.value.argument == "freeze"
