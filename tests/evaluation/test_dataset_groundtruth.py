"""Groundtruth from folders of annotated datasets: which images, and which numbers."""

import json

import numpy as np
import pytest
from PIL import Image

from odtk.errors import DataError
from odtk.evaluation.dataset_groundtruth import open_groundtruth

XML = """<annotation><filename>{name}.jpg</filename><size><width>100</width><height>80</height><depth>3</depth></size>
<object><name>cat</name><difficult>0</difficult>
<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>50</xmax><ymax>60</ymax></bndbox></object>
<object><name>dog</name><difficult>1</difficult>
<bndbox><xmin>51</xmin><ymin>1</ymin><xmax>90</xmax><ymax>40</ymax></bndbox></object></annotation>"""


def write_voc(folder, split="", count=2):
    for kind in ("images", "annotations"):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = f"{split}{number}"
        Image.new("RGB", (100, 80), (0, 40 * number, 200)).save(folder / "images" / split / f"{name}.jpg")
        (folder / "annotations" / split / f"{name}.xml").write_text(XML.format(name=name))
    return folder


def test_boxes_are_in_pixels_and_the_metrics_set_says_what_need_not_be_found(tmp_path):
    folder = write_voc(tmp_path / "voc")
    for ignored, expected in (("crowd", [False, False]), ("difficult", [False, True])):
        truth = open_groundtruth(folder, ignored)
        image = truth.results.images[1]
        assert image.ignored.tolist() == expected
        assert not image.crowds.any(), "difficult objects are matched once"
    assert (truth.name, truth.results.names) == (str(folder), {1: "cat", 2: "dog"})
    assert (image.source_id, image.size) == ("images/1.jpg", (80, 100))
    np.testing.assert_allclose(image.boxes, [[21, 11, 60, 50], [1, 51, 40, 90]])
    np.testing.assert_allclose(image.areas, [1521, 1521])
    assert abs(truth.results.read_pixels(1).astype(int) - [0, 40, 200]).max() < 6


def test_of_several_splits_the_one_for_validation_is_measured(tmp_path):
    folder = write_voc(write_voc(tmp_path / "voc", "train", 3), "val", 1)
    truth = open_groundtruth(folder)
    assert truth.name == f"{folder} (val)"
    assert [image.source_id.rpartition("/")[2] for image in truth.results.images] == ["val0.jpg"]
    with pytest.raises(DataError, match="has only the split train; a detector is measured on images") as error:
        open_groundtruth(write_voc(tmp_path / "alone", "train"))
    assert error.value.argument == "groundtruth"


def test_images_that_cannot_be_used_are_told(tmp_path):
    folder = write_voc(tmp_path / "voc", count=3)
    (folder / "images/1.jpg").write_bytes(b"no picture")
    truth = open_groundtruth(folder)
    assert len(truth.results.images) == 2
    assert truth.notes[0].startswith(f"1 of the 3 images of {folder} cannot be used: ")
    assert truth.results.read_pixels(1)[0, 0, 1] in range(74, 87), "the pictures are those of the images that are left"


def test_areas_are_those_of_the_annotations(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.jpg")
    box = {"id": 1, "image_id": 1, "category_id": 5, "bbox": [10, 20, 30, 40], "area": 700.0, "iscrowd": 1}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "annotations": [box],
        "categories": [{"id": 5, "name": "cat"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (image,) = open_groundtruth(tmp_path).results.images
    assert image.areas.tolist() == [700]
    assert image.ignored.tolist() == image.crowds.tolist() == [True]
