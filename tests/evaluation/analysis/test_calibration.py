"""The reliability diagram and its error by hand."""

import numpy as np
from counted_results import RESULTS
from made_results import CAT, made_image

from odtk.evaluation.analysis.calibration import calibration_of
from odtk.evaluation.analysis.matching import match_images

BOX, OTHER = (10, 10, 50, 50), (60, 60, 90, 90)


def test_bins_by_hand():
    found = calibration_of(match_images(RESULTS.images))
    # One detection in each; that of 0.4 is on an ignored object.
    assert found.count.tolist() == [0, 0, 0, 1, 0, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(found.precision, [np.nan, np.nan, np.nan, 1, np.nan, 0, 1, 0, 0, 1])
    np.testing.assert_allclose(found.confidence[5:], [0.5, 0.6, 0.7, 0.8, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found.expected_error, (0.1 + 0.8 + 0.7 + 0.4 + 0.5 + 0.7) / 6, rtol=1e-6)
    np.testing.assert_allclose(found.bias, (3.8 - 3) / 6, rtol=1e-6)


def test_bins_count_as_their_detections_do():
    # 0.9 of three in one bin of which two are right, 0.2 of one that is wrong.
    found = [(BOX, CAT, 0.9), (OTHER, CAT, 0.9), (BOX, CAT, 0.9), (OTHER, CAT, 0.2)]
    calibration = calibration_of(match_images([made_image([(BOX, CAT), (OTHER, CAT)], found)]))
    assert (calibration.count[9], calibration.precision[9]) == (3, 2 / 3)
    np.testing.assert_allclose(calibration.expected_error, (3 * (0.9 - 2 / 3) + 0.2) / 4, rtol=1e-6)


def test_unlikely_detections_are_left_out_and_the_highest_score_is_in_the_last_bin():
    image = made_image([(BOX, CAT)], [(BOX, CAT, 1.0), (OTHER, CAT, 0.1), (OTHER, CAT, 0.09)])
    assert calibration_of(match_images([image])).count.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_no_detections():
    found = calibration_of(match_images([]))
    assert (found.count.sum(), np.isnan(found.expected_error), np.isnan(found.bias)) == (0, True, True)
