"""Why a detector that learns could find nothing: the classes of both splits and their label maps."""

import io

import pytest
from PIL import Image

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.datasets.split_classes import find_differences
from odtk.records import example, shards

CAT, DOG = (1, "cat"), (2, "dog")


@pytest.fixture
def write(tmp_path):
    """Writes one record with a box of each class, or a label map of them."""

    def write(name, *classes):
        path = tmp_path / name
        if name.endswith(".pbtxt"):
            path.write_text("".join(f"item {{ id: {number} name: '{name}' }}\n" for number, name in classes))
            return str(path)
        encoded = io.BytesIO()
        Image.new("RGB", (8, 8)).save(encoded, "JPEG")
        objects = tuple(AnnotatedObject((0.1, 0.1, 0.9, 0.9), number, text) for number, text in classes)
        shards.write_records(path, [example.encode(AnnotatedImage(encoded.getvalue(), "a.jpg", 8, 8, objects))])
        return [path]

    return write


def test_splits_that_agree_have_no_differences(write):
    labels = write("map.pbtxt", CAT, DOG)
    assert find_differences(write("train", CAT, DOG), write("val", DOG), labels, labels) == []
    assert find_differences(write("train", CAT, DOG), write("val", DOG), "", "") == []


def test_label_maps_that_number_otherwise_are_named(write):
    maps = write("a.pbtxt", CAT, DOG), write("b.pbtxt", (1, "dog"), (2, "cat"))
    (text,) = find_differences(write("train", CAT, DOG), write("val", CAT, DOG), *maps)
    assert "number the classes differently: id 1 is 'cat' in training, 'dog' in evaluation, 2 is" in text


def test_classes_that_the_label_map_lacks_are_named(write):
    labels = write("map.pbtxt", CAT, DOG)
    (text,) = find_differences(write("train", CAT), write("val", (1, "Cat"), CAT), labels, labels)
    assert f"The label map {labels} lacks 'Cat' of the evaluation records" in text


def test_classes_that_are_not_trained_are_named_by_id_and_name(write):
    labels = write("map.pbtxt", CAT, DOG)
    (text,) = find_differences(write("train", CAT), write("val", DOG), labels, labels)
    assert "None of the evaluation records' classes are in the training records: id 2 (dog)." in text
    (text,) = find_differences(write("train", CAT), write("val", CAT, DOG), "", "")
    assert "Not all of the evaluation records' classes are in the training records: id 2." in text


def test_a_split_without_boxes_is_named(write):
    (text,) = find_differences(write("train", CAT), write("val"), "", "")
    assert "evaluation records have no box" in text
