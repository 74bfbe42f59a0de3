"""The calls of a training loop of one's own; test_training_script.py compares a loop of them with a run's."""

import itertools

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from inspected_records import encoded, sound_images, write

import odtk
from odtk.checkpoints.reader import CheckpointReader
from odtk.errors import ConfigError, DataError


@pytest.fixture(scope="module", autouse=True)
def family():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def path(tmp_path_factory, family):
    """A config with five records to train on, of which the second is no Example."""
    folder = tmp_path_factory.mktemp("own_loop")
    good = encoded(sound_images(4, 0))
    write(folder / "records", train=[good[0], b"no Example", *good[1:]])
    return fake_detector.write_config(folder, folder / "records")


@pytest.fixture(scope="module")
def detector(path):
    return odtk.build_detector(odtk.read_config(path))


def test_a_config_is_read_with_changes(path):
    changes = {"train_config.batch_size": 5, "train_config.optimizer.use_moving_average": False}
    config = odtk.read_config(path, changes | {"train_config.freeze_variables": '["heat"]'})
    assert config.train_config.batch_size == 5
    assert config.train_config.freeze_variables == ["heat"]
    assert config.train_config.optimizer.HasField("use_moving_average")
    with pytest.raises(ConfigError, match="batch_size"):
        odtk.read_config(path, {"train_config.batchsize": 5})


def positions(batches, count) -> list[int]:
    return [int(each) for features, _ in itertools.islice(batches, count) for each in features["position"]]


def test_batches_go_on_where_they_were(path, detector):
    config = odtk.read_config(path)
    first = positions(odtk.TrainingBatches(config, detector, seed=3), 4)
    assert len(first) == 8
    assert first == sorted(first), "the order of reading"
    assert positions(odtk.TrainingBatches(config, detector, seed=3, after=first[3]), 2) == first[4:]


def test_too_many_records_that_cannot_be_used_end_the_batches(path, detector):
    config = odtk.read_config(path, {"train_input_reader.num_epochs": 1})
    with pytest.raises(DataError, match="record 1"):
        list(odtk.TrainingBatches(config, detector, max_bad_records=0))
    lines = []
    batches = list(odtk.TrainingBatches(config, detector, max_bad_records=1, log=lines.append))
    assert sum(len(features["position"]) for features, _ in batches) == 4
    assert any("record 1" in line for line in lines)


def test_a_step_draws_the_same_each_time_it_is_computed():
    from odtk import step_random

    def drawn(seed, step):
        with odtk.step_randomness(seed, tf.constant(step)):
            return step_random.uniform([3]).numpy().tolist()

    assert drawn(1, 2) == drawn(1, 2)
    assert drawn(1, 2) != drawn(1, 3)
    assert drawn(1, 2) != drawn(2, 2)


def test_a_start_from_another_checkpoint(path, detector, tmp_path):
    assert odtk.restore_fine_tune_checkpoint(odtk.read_config(path), detector) is None
    model_dir = fake_detector.write_model_dir(tmp_path / "model", seed=8)
    tune = {"fine_tune_checkpoint": str(model_dir / "ckpt-8"), "fine_tune_checkpoint_type": "full"}
    config = odtk.read_config(path, {f"train_config.{name}": value for name, value in tune.items()})
    other = odtk.build_detector(config)
    report = odtk.restore_fine_tune_checkpoint(config, other)
    saved = CheckpointReader(str(model_dir / "ckpt-8"))
    assert set(report.restored) == set(other.checkpoint_variables())
    for key, variable in other.checkpoint_variables().items():
        np.testing.assert_array_equal(variable.numpy(), saved.value(saved.tensor_name(key)))


def test_frozen_weights(path, detector):
    key = sorted(detector.checkpoint_variables())[0]
    config = odtk.read_config(path, {"train_config.freeze_variables": f'["{key}"]'})
    frozen = odtk.build_detector(config)
    assert len(frozen.trainable_variables) == len(detector.trainable_variables) - 1
    optimizer = odtk.build_optimizer(config, frozen)
    assert len(optimizer.variables()) == 1 + len(frozen.trainable_variables), "iterations, and momenta of the others"
