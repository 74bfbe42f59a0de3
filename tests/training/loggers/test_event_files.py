"""What TensorBoard shows after a run was killed and resumed: each step once."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator

from odtk.training.loggers.event_files import EventFiles, add_measurement

PICTURE = np.full([4, 6, 3], 200, np.uint8)


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "train")


def shown(folder):
    """The steps of each tag, from the folder's files as a script reads them, which knows no marks."""
    loaded = event_accumulator.EventAccumulator(folder, size_guidance={event_accumulator.TENSORS: 0})
    loaded.Reload()
    # Files of one second are not in the order in which they were written.
    return {tag: sorted(event.step for event in loaded.Tensors(tag)) for tag in loaded.Tags()["tensors"]}


def scalar(folder, tag, step):
    loaded = event_accumulator.EventAccumulator(folder, size_guidance={event_accumulator.TENSORS: 0})
    loaded.Reload()
    return [tf.make_ndarray(event.tensor_proto).item() for event in loaded.Tensors(tag) if event.step == step]


def killed_run(folder, first, last, value=0.0):
    """Logs at each step and a picture at multiples of 3, as a process that never closes its file."""
    run = EventFiles(folder, first)
    for step in range(first, last + 1):
        run.add_scalars(step, {"Loss/total_loss": value + step, "learning_rate": 0.1})
        if step % 3 == 0:
            run.add_picture(step, "train_input_images", PICTURE)
    return run


def test_each_entry_is_in_the_file_at_once(folder):
    run = EventFiles(folder, 1)
    assert not tf.io.gfile.exists(folder), "a folder without entries would be an empty run"
    run.add_scalars(1, {"a": 1.0, "b": 2.0})
    assert shown(folder) == {"a": [1], "b": [1]}
    run.add_picture(1, "train_input_images", PICTURE)
    assert shown(folder)["train_input_images"] == [1]


def test_a_resumed_run_has_each_step_once(folder):
    killed_run(folder, 1, 9)
    killed_run(folder, 6, 12, value=100.0)
    steps = shown(folder)
    assert steps == {
        "Loss/total_loss": [*range(1, 13)],
        "learning_rate": [*range(1, 13)],
        "train_input_images": [3, 6, 9, 12],
    }
    assert scalar(folder, "Loss/total_loss", 5) + scalar(folder, "Loss/total_loss", 6) == [5.0, 106.0]


def test_a_tensorboard_that_is_open_drops_what_it_has_of_later_steps(folder):
    killed_run(folder, 1, 9)
    (path,) = tf.io.gfile.glob(f"{folder}/*")
    tf.io.gfile.rename(path, f"{folder}/events.out.tfevents.1000000000.earlier.v2")
    loaded = plugin_event_accumulator.EventAccumulator(folder)
    loaded.Reload()
    assert len(loaded.Tensors("learning_rate")) == 9
    killed_run(folder, 6, 6)
    loaded.Reload()
    assert [event.step for event in loaded.Tensors("learning_rate")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in loaded.Tensors("train_input_images")] == [3, 6]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_record_that_was_cut_hides_nothing(folder, cut):
    killed_run(folder, 1, 5)
    (path,) = tf.io.gfile.glob(f"{folder}/*")
    with open(path, "rb+") as file:
        file.truncate(file.seek(0, 2) - cut)
    killed_run(folder, 5, 6)
    assert shown(folder)["learning_rate"] == [1, 2, 3, 4, 5, 6]
    for each in tf.io.gfile.glob(f"{folder}/*"):
        assert sum(1 for _ in tf.data.TFRecordDataset(each)), "TensorFlow reads it to its end"


def test_files_that_end_before_the_resumed_step_stay_as_they_are(folder):
    killed_run(folder, 1, 3).close()
    (path,) = tf.io.gfile.glob(f"{folder}/*")
    before = tf.io.gfile.stat(path)
    EventFiles(folder, 4)
    assert tf.io.gfile.stat(path).mtime_nsec == before.mtime_nsec


def test_going_back_inside_a_run_replaces_what_follows(folder):
    run = killed_run(folder, 1, 9)
    run.add_scalars(4, {"learning_rate": 0.05})
    run.add_scalars(5, {"learning_rate": 0.05})
    assert shown(folder) == {"Loss/total_loss": [1, 2, 3], "learning_rate": [1, 2, 3, 4, 5], "train_input_images": [3]}


def test_a_measurement_of_an_earlier_step_changes_nothing_else_and_is_not_repeated(folder):
    killed_run(folder, 1, 4)
    add_measurement(folder, 2, {"mAP": 0.1, "nothing": float("nan")})
    for _ in range(2):
        add_measurement(folder, 2, {"mAP": 0.1, "nothing": float("nan")})
    assert {tag: Counter(steps) for tag, steps in shown(folder).items() if tag in ("mAP", "learning_rate")} == {
        "mAP": {2: 1},
        "learning_rate": {1: 1, 2: 1, 3: 1, 4: 1},
    }
    add_measurement(folder, 2, {"mAP": 0.2})
    assert scalar(folder, "mAP", 2) == [pytest.approx(0.1), pytest.approx(0.2)]


def test_in_a_store():
    folder = "ram://event_files/train"
    killed_run(folder, 1, 6).close()
    killed_run(folder, 4, 5).close()
    steps = Counter(
        event.step
        for path in tf.io.gfile.glob(f"{folder}/*")
        for event in map(tf.compat.v1.Event.FromString, tf.data.TFRecordDataset(path).as_numpy_iterator())
        for value in event.summary.value
        if value.tag == "learning_rate"
    )
    assert steps == {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}


def test_after_the_drive_was_away_a_new_file_goes_on_and_nothing_before_it_is_dropped(folder):
    run = killed_run(folder, 1, 4)
    (path,) = tf.io.gfile.glob(f"{folder}/*")
    tf.io.gfile.rename(path, f"{folder}/events.out.tfevents.1000000000.earlier.v2")
    run.reopen()
    run.add_scalars(5, {"learning_rate": 0.1})
    loaded = plugin_event_accumulator.EventAccumulator(folder)
    loaded.Reload()
    assert [event.step for event in loaded.Tensors("learning_rate")] == [1, 2, 3, 4, 5]
