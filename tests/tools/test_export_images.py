"""What an export is compared on shows a model that resizes, pads or batches otherwise, also without records."""

import numpy as np
import pytest

from odtk.detections import Detections
from odtk.exporting.formats import FORMATS, ExportOptions
from odtk.exporting.model import Model
from odtk.tools.export.certificate import certify
from odtk.tools.export.verification import DrawnImages, drawn_sizes

OWN = (48, 32)
BOX = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32)


class Brightness(Model):
    """Finds one object in each image, scored by the mean of the pixels in its left half."""

    def __init__(self, takes_batches=True, broken=lambda detections, images: detections):
        self.takes_batches, self._broken, self.given = takes_batches, broken, []

    def place(self, images):
        return images

    def run(self, placed):
        self.given.append(placed)
        scores = [float(image[:, : image.shape[1] // 2].mean()) / 255 for image in placed]
        found = [Detections(BOX, np.ones(1, int), np.array([0.5 + score / 2])) for score in scores]
        return self._broken(found, placed)


def certificate(model, count=6):
    images = DrawnImages(OWN, count)
    exact, found = images.answers(Brightness()), images.answers(model)
    return certify("saved_model", FORMATS["saved_model"], ExportOptions(), None, exact, found)


def test_drawn_images_are_smaller_and_larger_in_both_directions_and_of_the_models_own_size():
    model = Brightness(takes_batches=False)
    assert certificate(model).problems() == []
    sizes = [image.shape[:2] for (image,) in model.given]
    assert sizes == 2 * [(12, 20), (85, 51), OWN]


@pytest.mark.parametrize("side", [1, 31, 32, 299, 320, 512, 640, 1536])
def test_no_side_ends_halfway_between_two_pixels_where_a_resizer_keeps_the_ratio(side):
    for height, width in drawn_sizes(side, side)[:2]:
        assert sorted([height / width, width / height]) == [3 / 5, 5 / 3]
        ends = [2 * shortest * max(height, width) / min(height, width) for shortest in range(1, 1500)]
        ends += [2 * longest * min(height, width) / max(height, width) for longest in range(1, 1500)]
        assert not [end for end in ends if abs(end % 2 - 1) < 0.1]


def test_a_batch_of_an_image_and_its_mirror_image_is_compared_where_the_model_takes_one():
    model = Brightness()
    one = certificate(model)
    assert (one.batched, one.agreement.objects, one.problems()) == (True, 8, [])
    first, mirrored = model.given[-1]
    assert first.shape == (12, 20, 3)
    np.testing.assert_array_equal(mirrored, first[:, ::-1])
    alone = certificate(Brightness(takes_batches=False))
    assert (alone.batched, alone.agreement.objects, alone.problems()) == (False, 6, [])


def resized_otherwise(found, images):
    """Right for images of its own size alone."""
    moved = [Detections(one.boxes + 0.01, one.classes, one.scores) for one in found]
    return [one if image.shape[:2] == OWN else other for one, other, image in zip(found, moved, images, strict=True)]


def first_for_all(found, images):
    """Right for single images."""
    return [found[0]] * len(found)


@pytest.mark.parametrize(
    ("broken", "said"), [(resized_otherwise, "boxes differ by up to 0.01"), (first_for_all, "scores differ by up to")]
)
def test_what_is_only_right_alone_or_in_its_own_size_is_refused(broken, said):
    assert said in "; ".join(certificate(Brightness(broken=broken)).problems())
