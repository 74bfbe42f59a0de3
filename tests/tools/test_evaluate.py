"""Evaluation of a detector that answers with what it is told: the frames, the files and the table around it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from odtk.cli.main import cli
from odtk.detectors.detector import LossSums
from odtk.errors import DataError, OdtkError, OutputError
from odtk.evaluation import build
from odtk.evaluation.coco import METRIC_NAMES
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.metrics_sets import EVALUATORS, build_evaluators
from odtk.evaluation.pascal import PROTOCOLS
from odtk.evaluation.run import loss_meanings, run_evaluation
from odtk.inputs.dataset import Part
from odtk.protos import pipeline_pb2
from odtk.tools import evaluate as tool
from odtk.tools.evaluate import trained
from odtk.training.loggers import event_files

MAP = "DetectionBoxes_Precision/mAP"
CONFIG = "eval_config { %s } eval_input_reader { label_map_path: '' }"
LOSSES = ["Loss/localization_loss", "Loss/classification_loss", "Loss/regularization_loss", "Loss/total_loss"]

# Two images in frames of 100 x 100: one fills it, one of 80 x 40 (height x width) as shown is padded and was shrunk.
TRUE_SHAPES, ORIGINAL_SIZES = [[100, 100, 3], [80, 40, 3]], [[100, 100], [400, 200]]
# In fractions of the true image, yxyx.
BOXES = np.float32([[[0.1, 0.2, 0.9, 0.7], [0, 0, 0, 0]], [[0.5, 0.25, 1.0, 0.75], [0.0, 0.0, 0.3, 0.9]]])
CLASSES, COUNTS = np.int32([[1, 0], [0, 1]]), np.int32([1, 2])


class Oracle:
    """Finds exactly BOXES, in whatever image carries their number in its first pixel."""

    num_classes = 2
    add_regularization_loss = True
    loss_names = ("Loss/localization_loss", "Loss/classification_loss")
    loss_meanings: ClassVar = {"Loss/localization_loss": "loss of the boxes"}

    def resize(self, image):
        raise NotImplementedError

    def preprocess(self, images, true_image_shapes):
        return images - 1

    def predict(self, images, true_image_shapes, training=False, groundtruth=None):
        assert not training
        assert groundtruth is None
        return {"which": tf.cast(images[:, 0, 0, 0] + 1, tf.int32)}

    def loss_sums(self, predictions, groundtruth, true_image_shapes):
        # The batch's number of boxes, and its images' numbers.
        boxes = tf.cast(tf.reduce_sum(groundtruth["num_boxes"]), tf.float32)
        numbers = tf.cast(tf.reduce_sum(predictions["which"]), tf.float32)
        return LossSums({"Loss/localization_loss": boxes, "Loss/classification_loss": numbers}, tf.constant(0.0))

    def regularization_loss(self):
        return tf.constant(0.5)

    def postprocess(self, predictions, true_image_shapes):
        which = predictions["which"]
        return {
            "detection_boxes": tf.gather(BOXES, which),
            "detection_classes": tf.gather(np.float32(CLASSES), which),
            "detection_scores": tf.fill([tf.size(which), 2], 0.9),
            "num_detections": tf.gather(np.float32(COUNTS), which),
        }


def dataset(source_ids=("a", "b")):
    images = np.zeros([2, 100, 100, 3], np.float32)
    images[:, 0, 0, 0] = [0, 1]
    shown = np.array(TRUE_SHAPES)[:, None, [0, 1, 0, 1]] / 100
    features = {
        "image": images,
        "true_image_shape": np.int32(TRUE_SHAPES),
        "original_image_size": np.int32(ORIGINAL_SIZES),
        "source_id": list(source_ids),
    }
    groundtruth = {
        "boxes": np.float32(BOXES * shown),
        "classes": CLASSES,
        "num_boxes": COUNTS,
        "is_crowd": np.zeros([2, 2], bool),
        "difficult": np.array([[False, False], [True, False]]),
        "group_of": np.zeros([2, 2], bool),
        "area": np.zeros([2, 2], np.float32),
    }
    return tf.data.Dataset.from_tensor_slices((features, groundtruth))


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Runs the tool with the oracle on `dataset`; returns a function of (data, text of eval_config)."""
    monkeypatch.setattr(trained, "require_valid", lambda config, filename, needs: [])
    reader = SimpleNamespace(prefix="m/ckpt-6", step=600)
    monkeypatch.setattr(trained, "build_trained_detector", lambda *arguments: (Oracle(), reader))

    def run(data, eval_config="", **options):
        monkeypatch.setattr(build, "build_eval_dataset", lambda *arguments, **options: data)
        monkeypatch.setattr(build, "count_images", lambda *arguments: None)
        monkeypatch.setattr(build, "record_files", lambda reader: [])
        config = tmp_path / "pipeline.config"
        config.write_text(CONFIG % eval_config)
        (tmp_path / "model").mkdir(exist_ok=True)
        return tool.evaluate(config, tmp_path / "model", **{"report": False, **options})

    return run


def run_command(tmp_path, *options):
    """`odtk evaluate` of what the fixture has set up."""
    command = ["evaluate", str(tmp_path / "pipeline.config"), str(tmp_path / "model"), "--no-report", *options]
    return CliRunner().invoke(cli, command)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_exact_detections_score_one_whatever_the_padding(evaluated, batch_size):
    report = evaluated(dataset().batch(batch_size))
    assert report.metrics[MAP] == pytest.approx(1.0)
    assert (report.num_images, report.step, report.checkpoint) == (2, 600, Path("m/ckpt-6"))


def test_sizes_are_those_of_the_original_images(evaluated):
    # In pixels of the originals the boxes have 4000, 20000 and 21600; as shown, only 4000, 800 and 864.
    metrics = evaluated(dataset().batch(2)).metrics
    small, medium, large = (metrics[f"{MAP} ({size})"] for size in ("small", "medium", "large"))
    assert (small, medium, large) == (-1, pytest.approx(1.0), pytest.approx(1.0))


def test_metrics_are_written_for_programs_and_tensorboard(evaluated):
    report = evaluated(dataset().batch(2))
    assert json.loads(report.metrics_path.read_text()) == report.metrics
    assert list(report.metrics) == [*METRIC_NAMES, *LOSSES]
    assert report.metrics_path.parent.name == "eval"
    (events,) = report.metrics_path.parent.glob("events.*")
    scalars = {
        value.tag: (event.step, float(tf.make_ndarray(value.tensor)))
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert scalars == {name: (600, pytest.approx(value)) for name, value in report.metrics.items()}


def test_losses_are_means_over_batches_in_inference_mode(evaluated):
    assert [evaluated(dataset().batch(2)).metrics[tag] for tag in LOSSES] == [3, 1, 0.5, 4.5]
    assert [evaluated(dataset().batch(1)).metrics[tag] for tag in LOSSES] == [1.5, 0.5, 0.5, 2.5]
    assert list(evaluated(dataset().batch(1), "use_dummy_loss_in_eval: true").metrics) == list(METRIC_NAMES)


def test_regularization_counts_only_where_training_adds_it(evaluated, monkeypatch):
    monkeypatch.setattr(Oracle, "add_regularization_loss", False)
    metrics = evaluated(dataset().batch(2)).metrics
    assert metrics["Loss/total_loss"] == 4
    assert "Loss/regularization_loss" not in metrics
    assert list(loss_meanings(Oracle())) == [*Oracle.loss_names, "Loss/total_loss"]


def test_classes_are_measured_one_by_one_where_asked(evaluated):
    report = evaluated(dataset().batch(2), "include_metrics_per_category: true")
    added = {name: value for name, value in report.metrics.items() if name not in report.summary}
    names = [f"DetectionBoxes_PerformanceByCategory/mAP/class {number}" for number in (1, 2)]
    assert added == dict.fromkeys(names, pytest.approx(1.0))
    assert list(report.summary) == [*METRIC_NAMES, *LOSSES]


def test_all_metrics_of_classes_and_groups_of_classes(evaluated):
    groups = "super_categories { key: 'both' value: 'class 1, class 2' } super_categories { key: 'b' value: 'class 2' }"
    metrics = evaluated(dataset().batch(2), f"all_metrics_per_category: true {groups}").metrics
    assert len(metrics) == 12 + 2 * 13 + 2 * 13 + len(LOSSES)
    assert metrics[f"{MAP} (medium) ByCategory/class 1"] == -1  # its one box is large
    assert metrics[f"{MAP} (medium) ByCategory/class 2"] == pytest.approx(1.0)
    assert metrics[f"{MAP} (medium) BySuperCategory/both"] == pytest.approx(1.0)
    assert metrics["DetectionBoxes_PerformanceBySuperCategory/b"] == pytest.approx(1.0)
    with pytest.raises(DataError, match=r"Super-category pets .* names dog"):
        evaluated(dataset().batch(2), "super_categories { key: 'pets' value: 'dog' }")


TFODS = ("coco_detection_metrics", *PROTOCOLS)


def test_every_metrics_set_of_the_config_is_measured(evaluated):
    names = " ".join(f"metrics_set: '{name}'" for name in (*TFODS, TFODS[0]))
    report = evaluated(dataset().batch(2), names)
    prefixes = [protocol.prefix for protocol in PROTOCOLS.values()]
    expected = [
        name
        for prefix in prefixes
        for name in (
            f"{prefix}_Precision/mAP@0.5IOU",
            *(f"{prefix}_PerformanceByCategory/AP@0.5IOU/class {number}" for number in (1, 2)),
        )
    ]
    assert list(report.metrics) == [*METRIC_NAMES, *expected, *LOSSES]
    assert list(report.summary) == [*METRIC_NAMES, *expected[::3], *LOSSES]
    # The only object of class 1 is difficult: nothing to find in Pascal VOC, found in Open Images.
    assert np.isnan(report.metrics["PascalBoxes_PerformanceByCategory/AP@0.5IOU/class 1"])
    assert report.metrics["OpenImagesV2_PerformanceByCategory/AP@0.5IOU/class 1"] == 1
    assert all(report.metrics[name] == 1 for name in expected[::3])


class CountedBoxes(Evaluator):
    """A metrics set as a newcomer would write it."""

    groundtruth_columns = ("difficult",)
    metric_meanings: ClassVar = {"Counted/easy": "objects that are not difficult"}
    easy = 0

    def _add(self, number, groundtruth, detections):
        self.easy += int((~groundtruth["difficult"]).sum())

    def evaluate(self):
        return {"Counted/easy": float(self.easy)}


def test_a_metrics_set_is_an_evaluator_and_a_row_of_the_table(evaluated, tmp_path, monkeypatch):
    monkeypatch.setitem(EVALUATORS, "counted", lambda categories, eval_config: CountedBoxes())
    report = evaluated(dataset().batch(2), "metrics_set: 'counted'")
    assert report.metrics == {"Counted/easy": 2} | report.losses
    assert list(report.losses) == LOSSES
    table = run_command(tmp_path).stdout
    lines = [line.strip().split(maxsplit=2) for line in table.splitlines() if line.startswith(("Counted", "Loss"))]
    assert lines == [
        ["Counted/easy", "2.0000", "objects that are not difficult"],
        ["Loss/localization_loss", "3.0000", "loss of the boxes, mean over batches, in inference mode"],
        ["Loss/classification_loss", "1.0000", "a loss of this model, likewise"],
        ["Loss/regularization_loss", "0.5000", "penalty on large weights"],
        ["Loss/total_loss", "4.5000", "sum of the losses"],
    ]


def test_what_is_no_number_is_null_in_json_and_said_in_the_table(evaluated, tmp_path):
    evaluated(dataset().batch(2), "metrics_set: 'pascal_voc_detection_metrics'")
    table = run_command(tmp_path).stdout
    document = json.loads(run_command(tmp_path, "--json").stdout, parse_constant=pytest.fail)
    written = json.loads((tmp_path / "model/eval/metrics.json").read_text(), parse_constant=pytest.fail)
    assert document["metrics"] == written
    assert written["PascalBoxes_PerformanceByCategory/AP@0.5IOU/class 1"] is None
    assert "DetectionBoxes_Precision/mAP" not in written
    assert document["classes"][0] == {"id": 1, "name": "class 1", "images": 0, "boxes": 0, "AP@.50IOU": None}
    assert "1 class has no box in these images and therefore no AP: class 1." in table
    assert "nan: the images have no groundtruth of this kind" in table
    assert "\n-1:" not in table


def test_each_class_has_a_row_with_its_images_and_boxes_and_a_file_has_all(evaluated, tmp_path, monkeypatch):
    names = ["left", "right", *(f"unseen {number}" for number in range(3, 13))]
    categories = [{"id": number if number < 3 else 2 * number, "name": name} for number, name in enumerate(names, 1)]
    monkeypatch.setattr(build, "build_categories", lambda config, num_classes: categories)
    monkeypatch.setattr(Oracle, "postprocess", lambda self, predictions, shapes: without_class_1(predictions["which"]))
    report = evaluated(dataset().batch(2))
    assert json.loads(report.classes_path.read_text()) == report.classes
    assert [each["id"] for each in report.classes] == [1, 2, *range(6, 25, 2)]
    assert report.classes[0] == {"id": 1, "name": "left", "images": 1, "boxes": 1, "AP": 0, "AP@.50IOU": 0}
    assert report.classes[1] == {"id": 2, "name": "right", "images": 2, "boxes": 2} | dict.fromkeys(
        ("AP", "AP@.50IOU"), pytest.approx(1.0)
    )
    config, model = str(tmp_path / "pipeline.config"), str(tmp_path / "model")
    lines = run_command(tmp_path).stdout.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("Class ")))
    assert [line.split() for line in lines[start : start + 3]] == [
        ["Class", "images", "boxes", "AP", "AP@.50IOU"],
        ["right", "2", "2", "1.0000", "1.0000"],
        ["left", "1", "1", "0.0000", "0.0000"],
    ]
    assert "10 classes have no box in these images and therefore no AP: unseen 3, " in lines[start + 3]
    assert lines[start + 3].endswith("unseen 10 and 2 more.")
    assert lines[-1] == f"Next: odtk export {config} {model} exported"


def without_class_1(which):
    """The oracle, but that it takes every box for one of class 2, those of class 1 with a lower score."""
    return {
        "detection_boxes": tf.gather(BOXES, which),
        "detection_classes": tf.ones([tf.size(which), 2]),
        "detection_scores": tf.gather(np.where(CLASSES == 1, np.float32(0.9), np.float32(0.3)), which),
        "num_detections": tf.gather(np.float32(COUNTS), which),
    }


def test_of_many_classes_the_best_and_the_worst_are_printed(capsys):
    from odtk.cli.evaluation_tables import print_classes

    numbers = list(range(1, 51))
    classes = [{"name": f"class {n}", "images": 1, "boxes": 1, "AP": n / 100, "AP@.50IOU": None} for n in numbers]
    print_classes(SimpleNamespace(classes=classes, classes_path="model/eval/classes.json"))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("class", "("))]
    assert [int(row[1]) for row in rows[:10]] == numbers[:-11:-1]
    assert " ".join(rows[10]) == "(30 more; see model/eval/classes.json)"
    assert [int(row[1]) for row in rows[11:]] == numbers[9::-1]


def test_it_computes_in_the_precision_and_on_the_devices_that_are_asked_for(evaluated, monkeypatch, tmp_path):
    built, lines = [], []
    evaluated(dataset().batch(2))
    reader = SimpleNamespace(prefix="m/ckpt-6", step=600)
    monkeypatch.setattr(trained, "build_trained_detector", lambda *given: built.append(given[-1]) or (Oracle(), reader))
    paths = tmp_path / "pipeline.config", tmp_path / "model"
    tool.evaluate(*paths, report=False, log=lines.append)
    assert (built, lines) == (["float32"], [])
    tool.evaluate(*paths, report=False, precision="bfloat16", devices="cpu", log=lines.append)
    assert built == ["float32", "bfloat16"]
    assert lines[0].startswith("Precision: bfloat16 (as asked for")
    for wrong in ({"devices": "gpu:99"}, {"precision": "float8"}, {"tpu": "local"}):
        with pytest.raises(OdtkError) as error:
            tool.evaluate(*paths, **wrong)
        assert error.value.argument == next(iter(wrong))


class Threads:
    """Processes that share an evaluation, here in threads: what each gives, and whose turn it is."""

    def __init__(self, count):
        self.given, self.barrier = [b""] * count, threading.Barrier(count, timeout=60)

    def gather(self, index, own):
        self.given[index] = own
        self.barrier.wait()
        given = list(self.given)
        self.barrier.wait()
        return given


@pytest.mark.parametrize("num_images", [1, 2, 9])
def test_processes_that_share_an_evaluation_have_the_numbers_of_one(num_images):
    """Of three in turns of one batch of two: one image leaves nothing to two of them."""
    images = dataset().repeat().take(num_images).enumerate()
    named = images.map(lambda n, one: ({**one[0], "source_id": tf.strings.as_string(n)}, one[1]))
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]

    def evaluate(batches, **options):
        evaluators = build_evaluators(pipeline_pb2.TrainEvalPipelineConfig().eval_config, categories)
        return run_evaluation(Oracle(), batches, evaluators, **options)

    threads, advanced, own = Threads(3), [[], [], []], [[], [], []]

    def evaluate_part(index):
        sharing = SimpleNamespace(index=index, count=3, gather=lambda given: threads.gather(index, given))
        note = lambda images, features, *_: own[index].extend(features["source_id"].tolist())  # noqa: E731
        part = Part(index, 3, 1).of(named, 2).batch(2)
        return evaluate(part, sharing=sharing, advance=advanced[index].append, on_batch=note)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(evaluate_part, range(3)))
    expected = evaluate(named.batch(2))
    assert expected.num_images == num_images
    assert found == [expected] * 3
    assert advanced == [{1: [1], 2: [2], 9: [6, 3]}[num_images]] * 3
    assert [each for part in own for each in sorted(part)] == [
        str(number).encode() for part in ([0, 1, 6, 7], [2, 3, 8], [4, 5]) for number in part if number < num_images
    ]


def test_repeated_images_are_counted_and_left_out(evaluated):
    report = evaluated(dataset(["a", "a"]).batch(2))
    assert (report.num_images, report.repeated_images) == (1, 1)


def test_no_images_is_an_error(evaluated):
    with pytest.raises(DataError, match="has no image"):
        evaluated(dataset().take(0).batch(2))


def test_command_prints_every_metric_with_its_meaning(evaluated, tmp_path):
    evaluated(dataset().batch(2))
    result = run_command(tmp_path)
    lines = {name: line for line in result.stdout.splitlines() for name in METRIC_NAMES if line.startswith(f"{name}  ")}
    assert list(lines) == list(METRIC_NAMES)
    assert " 1.0000 " in lines[MAP]
    assert "mean over classes" in lines[MAP]
    assert " -1 " in lines[f"{MAP} (small)"]
    assert "no groundtruth of this kind" in result.stdout
    document = json.loads(run_command(tmp_path, "--json").stdout)
    assert document["metrics"][MAP] == pytest.approx(1.0)
    assert document["step"] == 600


def test_metrics_are_kept_where_the_disk_is_full_for_tensorboard(evaluated, monkeypatch, tmp_path):
    def full(folder, metrics, step):
        raise tf.errors.ResourceExhaustedError(None, None, f"{folder}/events.out; No space left on device")

    monkeypatch.setattr(event_files, "add_measurement", full)
    with pytest.raises(OutputError, match=r"eval cannot be written: no space .* metrics are in .*metrics\.json"):
        evaluated(dataset().batch(2))
    assert json.loads((tmp_path / "model/eval/metrics.json").read_text())[MAP] == pytest.approx(1.0)


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(evaluated, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/eval").touch()
    with pytest.raises(OutputError, match="model/eval cannot be made: a part of that path is a file"):
        evaluated(None)  # no data: nothing may look at them
