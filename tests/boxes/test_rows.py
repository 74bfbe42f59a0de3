"""Rows by their places, however much of the shapes is known."""

import numpy as np
import pytest
import tensorflow as tf

from odtk.boxes.rows import take_rows


@pytest.mark.parametrize("shape", [(1, 6, 4), (1, 6), (2, 6, 4), (1, 6, 3, 4)])
@pytest.mark.parametrize("knows_batch", [True, False])
def test_the_rows_of_each_image(shape, knows_batch):
    random = np.random.default_rng(4)
    values = random.random(shape).astype(np.float32)
    rows = random.integers(0, shape[1], (shape[0], 5)).astype(np.int32)
    known = [shape[0] if knows_batch else None]
    signature = [tf.TensorSpec(known + list(shape[1:])), tf.TensorSpec([*known, None], tf.int32)]
    taken = tf.function(take_rows, input_signature=signature, autograph=False)
    np.testing.assert_array_equal(taken(values, rows), [one[of] for one, of in zip(values, rows, strict=True)])
    assert taken.get_concrete_function().output_shapes.as_list() == [*known, None, *shape[2:]]
