"""TensorFlow's CheckpointManager, for saves that may fail."""

import tensorflow as tf

from odtk.checkpoints.leftovers import remove_leftovers


class CheckpointManager(tf.train.CheckpointManager):
    """A save that fails or is interrupted leaves nothing behind, and can be tried again.

    As in TensorFlow's, a step that is saved already is not saved again: `save` returns None.
    """

    def save(self, checkpoint_number=None, check_interval=True, options=None):
        """See TensorFlow's."""
        step, count = getattr(self, "_last_checkpoint_step", None), int(self.checkpoint.save_counter.numpy())
        try:
            return super().save(checkpoint_number, check_interval, options)
        except BaseException:
            # TensorFlow's notes step and count before it writes, and would not save this step at a second try.
            self._last_checkpoint_step = step
            self.checkpoint.save_counter.assign(count)
            remove_leftovers(self.directory)
            raise
