"""The first batch is kept as the first step gets it, and nothing of the data is lost or read twice."""

from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf

from odtk.training.first_batch import MOST_IMAGES, FirstBatch
from odtk.training.pictures import batch_images


def batches(count=5, size=2, side=4):
    """Batch n has images of n, and one box of class n per image."""

    def make(number):
        value = tf.cast(number, tf.float32)
        features = {
            "image": tf.fill([size, side, side, 3], value),
            "true_image_shape": tf.tile([[side, side - 1, 3]], [size, 1]),
            "place": tf.fill([size, 2], number),
        }
        groundtruth = {
            "boxes": tf.fill([size, 3, 4], value / 10),
            "classes": tf.fill([size, 3], tf.cast(number, tf.int32)),
            "num_boxes": tf.fill([size], 1),
            "is_crowd": tf.fill([size, 3], False),
        }
        return features, groundtruth

    return tf.data.Dataset.range(1, count + 1).map(make)


def places(dataset):
    return [int(features["place"][0, 0]) for features, _ in dataset]


def test_it_is_kept_and_all_batches_arrive_once_and_unchanged():
    first = FirstBatch()
    watched = first.watch(batches())
    assert watched.element_spec == batches().element_spec
    assert first.take() is None
    iterator = iter(watched)
    features, groundtruth = next(iterator)
    kept = first.take()
    np.testing.assert_array_equal(kept["image"], features["image"])
    assert kept["image"].dtype == np.uint8
    np.testing.assert_array_equal(kept["boxes"], groundtruth["boxes"])
    assert kept.keys() == {"image", "true_image_shape", "boxes", "classes", "num_boxes"}
    assert [int(features["place"][0, 0]) for features, _ in iterator] == [2, 3, 4, 5]
    assert first.take() is None


def test_a_dataset_that_is_built_again_does_not_begin_the_training():
    first = FirstBatch()
    places(first.watch(batches()))
    assert first.take() is not None
    assert places(first.watch(batches())) == [1, 2, 3, 4, 5]
    assert first.take() is None


def test_the_replicas_of_a_pipeline_share_the_first_step():
    first = FirstBatch()
    context = tf.distribute.InputContext(num_input_pipelines=1, input_pipeline_id=0, num_replicas_in_sync=2)
    build = first.watching(lambda params, input_context: batches(count=params))
    assert places(build(4, input_context=context)) == [1, 2, 3, 4]
    assert first.take()["image"][:, 0, 0, 0].tolist() == [1, 1, 2, 2]


def test_the_micro_batches_of_a_step_are_one_batch_from_which_images_of_other_sizes_are_left_out():
    first = FirstBatch()
    build = first.watching(lambda params, input_context: batches(size=1).concatenate(batches()), lambda: 3)
    iterator = iter(build(None))
    next(iterator)
    first.restart()  # after the first step ran out of memory, its images are read again
    places(build(None))
    assert first.take()["image"][:, 0, 0, 0].tolist() == [1, 2, 3]
    first = FirstBatch()
    for side in (2, 4):
        places(first.watch(batches(count=2, size=1, side=side), 2))
    assert first.take()["image"].shape == (2, 2, 2, 3)


def test_of_a_large_batch_a_part_is_kept():
    first = FirstBatch()
    places(first.watch(batches(size=MOST_IMAGES + 3, side=2)))
    assert {len(values) for values in first.take().values()} == {MOST_IMAGES}


def test_pixels_are_rounded_and_clipped():
    features, groundtruth = next(iter(batches(size=4, side=1)))
    features["image"] = tf.reshape([[-3.0, 0.6, 300.0]] * 4, [4, 1, 1, 3])
    first = FirstBatch()
    places(first.watch(tf.data.Dataset.from_tensors((features, groundtruth))))
    assert first.take()["image"][0, 0, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("missing", ["boxes", "classes", "num_boxes"])
def test_a_detector_may_read_other_groundtruth(missing):
    first = FirstBatch()
    places(first.watch(batches()))
    batch = first.take()
    image = batch_images(batch)[1]
    assert (image.true_size, image.class_ids, image.weights) == ((4, 3), [2], None)
    assert image.boxes.tolist() == [pytest.approx([0.1] * 4)]
    del batch[missing]
    assert batch_images(batch)[1].class_ids == []


def test_a_tpu_over_the_network_is_not_asked_to_call_this_process():
    dataset = batches()
    with patch("odtk.training.first_batch.is_on_remote_tpu", return_value=True):
        assert FirstBatch().watch(dataset) is dataset
