"""The training step's options: clipping, regularization, frozen batch norm, unpadded groundtruth, replicas."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from golden_cases import variant_case
from google.protobuf import text_format

from odtk.detectors.build import build_detector
from odtk.detectors.detector import LossSums
from odtk.detectors.total_loss import logged_losses
from odtk.protos import pipeline_pb2
from odtk.training.task import GRADIENT_NORM, DetectionTask

LOCALIZATION, CLASSIFICATION = "Loss/localization_loss", "Loss/classification_loss"
REGULARIZATION, TOTAL = "Loss/regularization_loss", "Loss/total_loss"


class Line(tf.Module):
    """Stands in for a detector: losses linear in two weights, so that every gradient is known."""

    def __init__(self, add_regularization_loss: bool = True):
        super().__init__()
        self.add_regularization_loss = add_regularization_loss
        self.weight = tf.Variable([1.0, 1.0])

    loss_names = (CLASSIFICATION, LOCALIZATION)

    def preprocess(self, images, true_image_shapes):
        return images

    def predict(self, images, true_image_shapes, training, groundtruth):
        assert training
        assert groundtruth == {}
        return images

    def loss_sums(self, predictions, groundtruth, true_image_shapes):
        x = tf.reduce_sum(predictions)
        sums = {LOCALIZATION: 3 * x * self.weight[0], CLASSIFICATION: 4 * x * self.weight[1]}
        return LossSums(sums, tf.cast(tf.size(predictions), tf.float32))

    def regularization_loss(self):
        return 10 * self.weight[1]


def one_step(model, options: str = "", image=1.0):
    """Losses as they are logged, and what a step of gradient descent at the rate 1 took off the weights."""
    config = text_format.Parse(f"train_config {{ {options} }}", pipeline_pb2.TrainEvalPipelineConfig())
    task = DetectionTask(config)
    task.loss_names = logged_losses(model)
    metrics, before = task.build_metrics(), model.weight.numpy()
    task.train_step(
        ({"image": tf.constant(image), "true_image_shape": None}, {}),
        model,
        tf_keras.optimizers.legacy.SGD(1.0),
        metrics,
    )
    return {metric.name: float(metric.result()) for metric in metrics}, before - model.weight.numpy()


def test_the_total_is_trained_on_and_holds_the_regularization():
    logged, taken = one_step(Line())
    assert logged.pop(GRADIENT_NORM) == pytest.approx(math.hypot(3, 14))
    assert logged == {LOCALIZATION: 3, CLASSIFICATION: 4, REGULARIZATION: 10, TOTAL: 17}
    np.testing.assert_allclose(taken, [3, 14])


def test_without_regularization_the_total_leaves_it_out():
    logged, taken = one_step(Line(add_regularization_loss=False))
    assert logged[TOTAL] == 7
    assert REGULARIZATION not in logged  # as TFOD
    np.testing.assert_allclose(taken, [3, 4])


@pytest.mark.parametrize(("norm", "expected"), [(0, [3, 14]), (100, [3, 14]), (1, np.array([3, 14]) / np.hypot(3, 14))])
def test_gradients_are_clipped_by_their_global_norm(norm, expected):
    _, taken = one_step(Line(), f"gradient_clipping_by_norm: {norm}")
    np.testing.assert_allclose(taken, expected, rtol=1e-6)


def test_logged_losses_are_those_of_the_last_step_not_means():
    model = Line()
    task = DetectionTask(pipeline_pb2.TrainEvalPipelineConfig())
    task.loss_names = logged_losses(model)
    metrics, optimizer = task.build_metrics(), tf_keras.optimizers.legacy.SGD(0.0)
    for image in (1.0, 5.0):
        task.train_step(({"image": tf.constant(image), "true_image_shape": None}, {}), model, optimizer, metrics)
    assert float(next(m for m in metrics if m.name == LOCALIZATION).result()) == 15


def test_losses_are_the_same_with_and_without_padding_of_the_groundtruth():
    """`unpad_groundtruth_tensors` both ways: what pads the boxes is no groundtruth, whatever it holds."""
    case = variant_case("base")
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    predictions = detector.predict(detector.preprocess(case.images(detector.resize)[0], None), None)
    groundtruth = case.groundtruth()
    for spare in (0, 1, 96):
        after = [[0, 0], [0, spare]]
        margins = {"boxes": [*after, [0, 0]], "classes": after, "weights": after}
        padded = groundtruth | {name: tf.pad(groundtruth[name], margin) for name, margin in margins.items()}
        losses = detector.losses(predictions, padded, None)
        for tag in (LOCALIZATION, CLASSIFICATION):
            golden = float(case.arrays[f"infer_{tag.replace('/', '_')}"])
            assert float(losses[tag]) == pytest.approx(golden, rel=1e-4), (spare, tag)


REPLICAS = '''
import numpy as np, tensorflow as tf, tf_keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from test_task import Line, TOTAL, LOCALIZATION
from odtk.detectors.total_loss import logged_losses
from odtk.protos import pipeline_pb2
from odtk.training.task import DetectionTask

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model, task = Line(), DetectionTask(pipeline_pb2.TrainEvalPipelineConfig())
    task.loss_names = logged_losses(model)
    metrics, optimizer = task.build_metrics(), tf_keras.optimizers.legacy.SGD(1.0)
    optimizer.iterations  # created outside of steps, as by official's Trainer
images = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant([1.0, 5.0][context.replica_id_in_sync_group]))
def step(image):
    task.train_step(({"image": image, "true_image_shape": None}, {}), model, optimizer, metrics)

tf.function(lambda: strategy.run(step, args=(images,)))()
logged = {metric.name: float(metric.result()) for metric in metrics}
print(logged[LOCALIZATION], logged[TOTAL], *(1 - model.weight.numpy()))
seeds = strategy.experimental_local_results(strategy.run(lambda: task.step_seed(optimizer.iterations)))
print((seeds[0].numpy() != seeds[1].numpy()).any(), (seeds[0].numpy() == task.step_seed(1).numpy()).all())

# A whole experiment: eight records, whose pictures are as bright as their numbers, in batches of four.
from google.protobuf import text_format
from odtk.checkpoints.object_graph import as_trackable
from odtk.training.build import build_experiment
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.callbacks.callback import Callback
from odtk.training.callbacks.nan_guard import NanGuard, NotFiniteError
from odtk.training.loop import run
from odtk.training.run_info import RunInfo

class Brightness(Line):
    groundtruth_fields, num_classes = (), 1

    def resize(self, image):
        return tf.ensure_shape(tf.cast(image, tf.float32), [2, 2, 3]), tf.constant([2, 2, 3])

    def loss_sums(self, predictions, groundtruth, true_image_shapes):
        # No number for 6 and 7, which only one of the replicas has.
        return super().loss_sums(tf.where(predictions < 6, predictions, np.nan), groundtruth, true_image_shapes)

    def checkpoint_variables(self):
        return {"model/weight": self.weight}

    def checkpoint_objects(self):
        return as_trackable(self.checkpoint_variables())

class BrightnessTask(DetectionTask):
    def build_model(self):
        model = Brightness()
        self.loss_names = logged_losses(model)
        return model

class Told(Callback):
    def after_loop(self, step, logs):
        print(step, logs[LOCALIZATION])

folder = sys.argv[1]
with tf.io.TFRecordWriter(f"{folder}/records") as writer:
    for number in range(8):
        feature = lambda value: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        picture = tf.io.encode_png(tf.fill([2, 2, 3], tf.constant(number, tf.uint8))).numpy()
        features = {"image/encoded": feature(picture), "image/source_id": feature(f"image{number}".encode())}
        writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
config = text_format.Parse("""
    train_config { batch_size: 4 optimizer { momentum_optimizer { learning_rate { constant_learning_rate {
        learning_rate: 0 } } } use_moving_average: true } }
    train_input_reader { shuffle: false num_readers: 1 tf_record_input_reader { input_path: "FOLDER/records" } }
""".replace("FOLDER", folder), pipeline_pb2.TrainEvalPipelineConfig())
for steps in (1, 2):
    with strategy.scope():  # as who calls `train` chooses a strategy
        info = RunInfo(f"{folder}/model", "", batch_size=4, num_records=8, num_steps=steps)
        often = dict(checkpoint_every=1, keep=7, log_every=1, schedule=EvaluationSchedule(0, 2))
        experiment = build_experiment(BrightnessTask(config, seed=0), strategy, info, **often)
        print(experiment.step, experiment.resumed_from, experiment.new_slots)
        try:
            run(experiment, steps, [NanGuard(), Told()])
        except NotFiniteError as error:
            print(error)
first_failure = experiment.task.first_failure
assert first_failure.read() is not None
first_failure.forget()
assert first_failure.read() is None
'''


@pytest.mark.slow  # test_replicas.py has two devices beside one
def test_two_replicas_train_on_the_mean_of_their_losses(tmp_path):
    """Images 1 and 5 on two devices act and are logged as their mean, 3, does on one; so does a whole experiment."""
    here = Path(__file__).parent
    path = [str(here), str(here.parent / "golden"), str(here.parents[1])]
    program = f"import sys; sys.path[:0] = {path!r}\n{REPLICAS}"
    command = [sys.executable, "-c", program, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    step, seeds, *experiment = answer.stdout.splitlines()
    assert seeds == "True True"  # each replica has its own, and a batch that is run again has the first one's
    assert [float(word) for word in step.split()] == pytest.approx([9, 31, 9, 22])
    logged, taken = one_step(Line(), image=3.0)
    assert [logged[LOCALIZATION], logged[TOTAL], *taken] == pytest.approx([9, 31, 9, 22])
    # Records 0 to 3 are a step's, two of each replica; the resumed run goes on behind the last of both replicas.
    assert experiment[:3] == ["0 None []", "1 4.5", f"1 {tmp_path}/model/ckpt-1 []"]
    assert "NaN or infinite at step 2" in experiment[3]
    assert f"of that step: image6 ({tmp_path}/records, record 6), image7 (" in experiment[3]
    assert len(experiment) == 4
