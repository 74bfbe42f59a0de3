"""Stages of `predict` with a model that is none: what fails is left out alone, and warming up does not count."""

import numpy as np
import pytest

from odtk.detections import Detections
from odtk.errors import CheckpointError, DataError
from odtk.exporting.model import Model
from odtk.streams.frame import Frame
from odtk.streams.selection import build_selection
from odtk.streams.sources.source import Pixels, Source, Taken
from odtk.streams.times import Times
from odtk.tools.predict.stages import STAGES, Decoded, Decoding, Detecting, Drawing, Job, Skipped, Taking


class Pictures(Source):
    """Gray pictures, each as bright as its number says; the number 13 cannot be decoded."""

    def __init__(self, name, numbers, is_still=False):
        super().__init__(name, name)
        self._numbers, self.is_still = numbers, is_still

    def pictures(self, every=1):
        for place, number in enumerate(self._numbers):
            if place % every == 0:
                yield Taken(lambda number=number: self._load(number), place, None if self.is_still else place / 10, 0.5)

    def _load(self, number):
        if number == 13:
            raise DataError("the number 13 cannot be decoded")
        return Pixels(np.full([8, 8, 3], number, np.uint8))


class FussyModel(Model):
    """Finds a box that scores as the picture is bright; fails on batches that have a picture of 7."""

    description, takes_batches = "a fussy model", True

    def __init__(self):
        self.batches = []

    def place(self, images):
        return [int(image[0, 0, 0]) for image in images]

    def run(self, placed):
        self.batches.append(placed)
        if 7 in placed:
            raise DataError("it fails on 7")
        return [Detections(np.float32([[0, 0, 1, 1]]), np.int32([1]), np.float32([number / 100])) for number in placed]


def name_of(class_id):
    return f"class {class_id}"


def taken(*sources, every=1, should_stop=lambda: None):
    return list(Taking(sources, every, should_stop))


def test_images_are_numbered_in_the_order_in_which_they_are_taken():
    jobs = taken(Pictures("a.jpg", [1], True), Pictures("b.mp4", [2, 3, 4]), Pictures("c.jpg", [5], True), every=2)
    assert [(job.source.name, job.taken.number, job.image_id) for job in jobs] == [
        ("a.jpg", 0, 1), ("b.mp4", 0, 2), ("b.mp4", 2, 3), ("c.jpg", 0, 4)
    ]  # fmt: skip
    cocos = [Pictures(name, [1], True) for name in ("x/000042.jpg", "000007.jpg")]
    assert [job.image_id for job in taken(*cocos)] == [42, 7]
    assert [job.image_id for job in taken(*cocos, Pictures("9.mp4", [1, 2]))] == [1, 2, 3, 4]
    assert [job.image_id for job in taken(cocos[0], Pictures("42.png", [1], True))] == [1, 2], "the numbers repeat"
    long = Pictures(f"{2**63}.png", [1], True)
    assert [job.image_id for job in taken(cocos[0], long)] == [1, 2], "features.npz holds ids of 64 bits"


def test_what_cannot_be_decoded_is_skipped_and_takes_no_time():
    times = Times(STAGES)
    video = Pictures("b.mp4", [12, 13])
    good, bad = Decoding(times)([Job(video, each, 5) for each in video.pictures()])
    assert (good.frame.image_id, good.frame.number, good.frame.seconds) == (5, 0, 0.0)
    assert bad == Skipped(video, "the number 13 cannot be decoded")
    (row,) = times.table()
    assert row.stage == "decode"
    assert 0.5 < row.mean == row.p95 < 0.6, "what the source has spent counts"


def decoded(*numbers):
    source = Pictures("a.mp4", [])
    return [
        Decoded(source, Frame("a", "a.mp4", 1, np.full([8, 8, 3], number, np.uint8), 0, 0.0), 1) for number in numbers
    ]


def test_a_picture_on_which_the_model_fails_is_left_out_alone():
    model, times = FussyModel(), Times(STAGES)
    broken = Skipped(Pictures("x", []), "it is broken")
    found = Detecting(model, times, warm_up=0)([decoded(1)[0], broken, *decoded(7, 3)])
    assert [type(each).__name__ for each in found] == ["Detected", "Skipped", "Skipped", "Detected"]
    assert (found[1], found[2].reason) == (broken, "it fails on 7")
    assert [round(100 * float(found[place].everything.scores[0])) for place in (0, 3)] == [1, 3]
    assert model.batches == [[1, 7, 3], [1], [7], [3]]
    assert Detecting(model, times, warm_up=0)([broken]) == [broken]


def test_warming_up_is_on_the_first_pictures_and_does_not_count():
    model, times = FussyModel(), Times(STAGES)
    detecting = Detecting(model, times, warm_up=3)
    detecting(decoded(1, 2))
    detecting(decoded(3))
    assert model.batches == [[1, 2]] * 4 + [[3]]
    assert detecting.warm_up_seconds > 0
    assert {row.stage for row in times.table()} == {"transfer", "inference"}
    assert Detecting(FussyModel(), times, warm_up=3)(decoded(7))[0].reason == "it fails on 7"


def test_an_error_that_is_not_about_a_picture_is_raised():
    class Broken(FussyModel):
        def run(self, placed):
            raise CheckpointError("the model is broken")

    with pytest.raises(CheckpointError, match="the model is broken"):
        Detecting(Broken(), Times(STAGES), warm_up=0)(decoded(1, 2))


def test_the_best_score_is_that_of_all_boxes_and_pictures_are_drawn_where_they_are_asked_for():
    times = Times(STAGES)
    drawing = Drawing(build_selection({}, 0.5), None, name_of, lambda frame: frame.number == 0, times)
    (dark, bright) = drawing(Detecting(FussyModel(), times, 0)(decoded(20, 80)))
    assert (len(dark.found), len(bright.found)) == (0, 1)
    assert (round(dark.best_score, 2), round(bright.best_score, 2)) == (0.2, 0.8)
    assert bright.picture.size == (8, 8)
    undrawn = Drawing(build_selection({}, 0.5), None, name_of, lambda frame: False, times)
    assert undrawn(Detecting(FussyModel(), times, 0)(decoded(80)))[0].picture is None


def test_times_are_per_picture():
    times = Times(("inference",))
    for seconds in (0.4, 0.8):
        times.add("inference", seconds, pictures=4)
    times.add("inference", 0.1)
    (row,) = times.table()
    assert (row.mean, row.p50) == pytest.approx((1.3 / 9, 0.1))
    assert row.p95 == pytest.approx(0.2)
