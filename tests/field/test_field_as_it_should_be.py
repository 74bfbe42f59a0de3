"""Datasets as their formats want them: what the cases of the field are compared with, and that the check can fail."""

import dataclasses

import pytest
from drawn_field import WRITERS, pictures
from pixels import check_boxes, check_on_objects, records

from odtk.tools.make_tfrecords import make_tfrecords


@pytest.mark.parametrize("format", WRITERS)
def test_boxes_lie_on_their_objects(tmp_path, format):
    drawn = pictures()
    WRITERS[format](tmp_path / "data", drawn)
    report = make_tfrecords(tmp_path / "data", tmp_path / "out")
    assert (report.format, report.problems, report.skipped) == (format, [], [])
    assert check_on_objects(tmp_path / "out") == {picture.name: 2 for picture in drawn}


def test_a_box_that_is_off_an_object_that_has_none_and_a_wrong_class_are_noticed(tmp_path):
    WRITERS["voc"](tmp_path / "data", pictures(2))
    make_tfrecords(tmp_path / "data", tmp_path / "out")
    name, image = next(iter(records(tmp_path / "out").items()))
    cat, dog = image.objects
    moved = dataclasses.replace(cat, box=tuple(side + 0.05 for side in cat.box))
    for objects in [(moved, dog), (dog,), (dataclasses.replace(cat, class_name="dog"), dog)]:
        with pytest.raises(AssertionError, match=name):
            check_boxes(name, dataclasses.replace(image, objects=objects))
