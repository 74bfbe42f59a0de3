"""Of the batches that had no finite loss, the first is remembered, however many follow before anybody looks."""

import tensorflow as tf

from odtk.training.first_failure import FirstFailure


def test_the_first_batch_without_a_finite_loss_is_kept():
    failure = FirstFailure(batch_size=3)
    run = tf.function(failure.watch)
    losses = [1.0, 2.0, float("nan"), float("inf"), float("nan")]
    for step, loss in enumerate(losses):
        assert (failure.read() is None) == (step <= 2)
        # The last batch of an epoch may be short.
        places = tf.constant([[step, 7, 1], [step, 8, 2]], tf.int64)
        run(tf.constant(step, tf.int64), tf.constant(loss), places)
    assert failure.read() == (2, [(2, 7, 1), (2, 8, 2)])
