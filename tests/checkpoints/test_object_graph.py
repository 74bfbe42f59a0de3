"""TFOD's layout, written: round trips by our reader and by TensorFlow's."""

import numpy as np
import tensorflow as tf
from golden_cases import resnet50_case
from small_checkpoints import SUFFIX, save

from odtk.checkpoints.object_graph import as_trackable
from odtk.checkpoints.reader import CheckpointReader


class TestAsTrackable:
    def test_round_trip_by_our_reader_bit_for_bit(self, detectors, tmp_path):
        variables = detectors[0].checkpoint_variables()
        reader = CheckpointReader(save(variables, tmp_path / "ckpt-1"))
        assert {key + SUFFIX for key in variables} == set(reader.variable_names("model"))
        for key, variable in variables.items():
            np.testing.assert_array_equal(reader.value(reader.tensor_name(key)), variable, err_msg=key)

    def test_round_trip_by_tensorflows_on_another_detector(self, detectors, tmp_path):
        first, second = (detector.checkpoint_variables() for detector in detectors)
        prefix = tf.train.Checkpoint(**as_trackable(first)).save(str(tmp_path / "ckpt"))
        for variable in second.values():
            variable.assign(tf.zeros_like(variable))
        tf.train.Checkpoint(**as_trackable(second)).restore(prefix).assert_consumed()
        for key, variable in second.items():
            np.testing.assert_array_equal(variable, first[key], err_msg=key)

    def test_tensorflow_reads_tfods_checkpoint_through_it(self, tfod_checkpoint):
        case = resnet50_case()
        key = "model/_box_predictor/_box_prediction_head/_box_encoder_layers/0/bias"
        variable = tf.Variable(tf.zeros(case.shapes[key]))
        tf.train.Checkpoint(**as_trackable({key: variable})).restore(tfod_checkpoint).expect_partial()
        assert variable.numpy().any()
