"""COCO's groundtruth and results as JSON files: read as they stand, and matched by names or ids."""

import json

import numpy as np
import pytest
from coco_files import referee, write_coco
from PIL import Image

from odtk.errors import DataError
from odtk.evaluation.class_lookup import look_up_classes
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.coco_groundtruth import read_groundtruth
from odtk.evaluation.coco_results import FoundFile, FoundImage, read_results, write_results
from odtk.evaluation.groundtruth import with_detections
from odtk.evaluation.image_lookup import ImageLookup
from odtk.evaluation.results import Results, image_result
from odtk.evaluation.scoring import score


@pytest.fixture
def coco(tmp_path):
    return write_coco(tmp_path)


def evaluated(truth, found):
    lookup = ImageLookup(found)
    used = {number for image in found.images for number in image.classes.tolist()}
    classes = look_up_classes(None, truth.results.names, "m", "g", used, truth.class_ids)
    images = []
    for image, number in zip(truth.results.images, truth.image_ids, strict=True):
        own = lookup.take([image.source_id], number) or FoundImage(0)
        images.append(with_detections(image, own.boxes, classes.of(own.classes), own.scores))
    categories = [{"id": number, "name": name} for number, name in truth.results.names.items()]
    return score(Results(images, classes.names), [CocoEvaluator(categories)])


def test_the_metrics_of_two_files_are_those_of_pycocotools(coco):
    found = read_results(coco[1])
    metrics = evaluated(read_groundtruth(coco[0]), found).metrics
    np.testing.assert_allclose(list(metrics.values()), referee(*coco), rtol=0, atol=1e-12)
    assert 0.1 < next(iter(metrics.values())) < 0.9


def test_what_is_written_of_an_evaluation_gives_its_metrics_when_it_is_read(coco, tmp_path):
    truth = read_groundtruth(coco[0])
    first = evaluated(truth, read_results(coco[1]))
    write_results(tmp_path / "again.json", first.results)
    again = read_results(tmp_path / "again.json")
    assert again.names.items() <= truth.results.names.items()
    assert {image.file_name for image in again.images} <= {image.source_id for image in truth.results.images}
    assert evaluated(truth, again).metrics == pytest.approx(first.metrics, abs=1e-9)
    write_results(tmp_path / "none.json", Results([], {}))
    assert read_results(tmp_path / "none.json").images == []


def test_a_file_name_that_is_no_utf8_is_the_same_when_it_is_read(tmp_path):
    result = image_result("caf\udce9.jpg", (9, 9), [], [], [[0, 0, 9, 9]], [1], [0.5])
    empty = image_result("empty.jpg", (9, 9), [], [], [], [], [])
    write_results(tmp_path / "new/found.json", Results([empty, result, empty], {1: "cat"}))
    (image,) = read_results(tmp_path / "new/found.json").images
    assert (image.image_id, image.file_name) == (2, "caf\udce9.jpg")


def test_float32_boxes_and_scores_are_the_same_when_they_are_read(tmp_path):
    boxes, scores = np.float32([[0.1, 1 / 3, 20.7, 1e3 / 7]]), np.float32([1 / 3])
    result = image_result("000000000042.jpg", (100, 200), [], [], boxes, [3], scores)
    write_results(tmp_path / "found.json", Results([result], {3: "Hündin"}))
    (image,) = read_results(tmp_path / "found.json").images
    assert (image.image_id, image.classes.tolist()) == (42, [3])
    np.testing.assert_array_equal(np.float32(image.boxes), boxes)
    np.testing.assert_array_equal(np.float32(image.scores), scores)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (
            {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3], "score": 1},
            r"entry 2: bbox is \[1, 2, 3\]; expected was an image_id",
        ),
        ({"image_id": 1, "category_id": 1.5, "bbox": [1, 2, 3, 4], "score": 1}, "entry 2"),
        ({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": float("nan")}, "entry 2: score is nan"),
        ({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}, "entry 2: it has no score"),
        ({"image_id": 1, "category_id": 10**30, "bbox": [1, 2, 3, 4], "score": 1}, "entry 2: category_id is 1000"),
        ({"image_id": 1, "category_id": 1, "bbox": [1, 2, 1e300, 4], "score": 1}, "entry 2: bbox is .*1e.300"),
        ([1], r"entry 2: it is \[1\]"),
        ({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "file_name": "b"}, "image 1 is 'b' here"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(tmp_path, entry, text):
    path = tmp_path / "found.json"
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "file_name": "a"}
    path.write_text(json.dumps([good, entry]))
    with pytest.raises(DataError, match=text):
        read_results(path)


@pytest.mark.parametrize(
    ("scores", "text"),
    [((20, 97.5), "from 20 to 97.5; .* divide them by 100"), ((-4.5, 3), r"from -4.5 to 3; .* 1 / \(1 \+ exp")],
)
def test_scores_that_are_no_probabilities_are_an_error_and_not_left_out_of_the_analyses(tmp_path, scores, text):
    path = tmp_path / "found.json"
    entry = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    path.write_text(json.dumps([entry | {"score": score} for score in scores]))
    with pytest.raises(DataError, match=text):
        read_results(path)
    path.write_text(json.dumps([entry | {"score": 1.0000001}]))  # a sum of float32
    assert len(read_results(path).images) == 1


def test_an_image_that_is_listed_twice_is_an_error_as_the_metrics_would_count_one(coco):
    content = json.loads(coco[0].read_text())
    first = content["images"][0]
    for again in (first, first | {"id": 999}):
        coco[0].write_text(json.dumps(content | {"images": [*content["images"], again]}))
        with pytest.raises(DataError, match=f"lists the image {first['file_name']} twice, with the ids {first['id']}"):
            read_groundtruth(coco[0])


def test_groundtruth_in_the_place_of_detections_is_named_as_such(coco):
    with pytest.raises(DataError, match="it is groundtruth") as error:
        read_results(coco[0])
    assert error.value.argument == "groundtruth"
    with pytest.raises(DataError, match='has no list "images"'):
        read_groundtruth(coco[1])


def found(*images) -> ImageLookup:
    return ImageLookup(FoundFile("found.json", [FoundImage(number, name) for number, name in images], {}))


def test_images_meet_by_file_name_before_they_meet_by_number():
    lookup = found((1, "b.jpg"), (2, "pets/a.jpg"))
    assert lookup.take(["a.jpg"], 1).file_name == "pets/a.jpg"
    assert lookup.take(["b.png"], 2).file_name == "b.jpg"
    assert lookup.finish("g") == []


def test_numbers_meet_names_that_are_numbers_as_coco_s_files_have_them():
    lookup = found((139, None), (285, None))
    assert lookup.take(["000000000139.jpg"]).image_id == 139
    assert lookup.take(["285"]).image_id == 285


def test_what_does_not_meet_is_counted_and_named():
    lookup = found((1, None), (2, None), (3, None))
    assert lookup.take(["x.jpg"], 1).image_id == 1
    assert lookup.take(["y.jpg"], 9) is None
    strange, without = lookup.finish("g.json")
    assert strange.startswith("2 of the 3 images of found.json are not in g.json")
    assert "image_id 2, image_id 3" in strange
    assert without.startswith("1 of the 2 images of g.json have no detection in found.json: y.jpg")


def test_images_that_never_meet_and_images_that_meet_twice_are_errors():
    lookup = found((1, "a.jpg"))
    assert lookup.take(["c.jpg"], 1) is None
    with pytest.raises(DataError, match=r"None of the 1 images of found.json \(a.jpg\) is in g.json \(c.jpg\)"):
        lookup.finish("g.json")
    lookup = found((1, "a.jpg"))
    lookup.take(["one/a.jpg"])
    with pytest.raises(DataError, match=r"a\.jpg may be one/a\.jpg or two/a\.jpg"):
        lookup.take(["two/a.jpg"])
    # Of two that are alike none is taken for a third.
    lookup = found((1, "one/a.jpg"), (2, "two/a.jpg"))
    assert lookup.take(["a.jpg"]) is None


def test_classes_meet_by_name_and_those_of_the_model_alone_are_nobody_elses():
    truth = {3: "cat", 17: "dog"}
    lookup = look_up_classes({1: "Dog", 2: "cat", 3: "horse"}, truth, "m", "g")
    assert lookup.of(np.array([1, 2, 3])).tolist() == [17, 3, 18]
    assert lookup.names == {3: "cat", 17: "dog", 18: "horse"}
    assert lookup.notes == ["1 classes of m are none of g: horse."]
    with pytest.raises(DataError, match=r"None of the classes of m \(horse\) is a class of g \(cat, dog\)"):
        look_up_classes({1: "horse"}, truth, "m", "g")


def test_without_names_ids_count_and_unknown_ones_are_told():
    lookup = look_up_classes(None, {1: "zero", 2: "one"}, "m", "g", used=[0, 2], numbering={0: 1, 1: 2})
    assert lookup.of(np.array([0, 2])).tolist() == [1, 3]
    assert lookup.names[3] == "category 2"
    assert "category ids of m are none of g: 2" in lookup.notes[0]
    with pytest.raises(DataError, match=r"None of the category ids of m \(7\) is one of g \(1 zero, 2 one\)"):
        look_up_classes(None, {1: "zero", 2: "one"}, "m", "g", used=[7])


def test_pictures_are_found_around_the_json_and_must_have_its_sizes(coco, tmp_path):
    assert read_groundtruth(coco[0]).results.read_pixels is None
    (tmp_path / "images").mkdir()
    for number, size in enumerate([(640, 480), (640, 479)]):
        Image.new("RGB", size, "red").save(tmp_path / f"images/{number:03d}.jpg")
    read = read_groundtruth(coco[0]).results.read_pixels
    assert read(0).shape == (480, 640, 3)
    with pytest.raises(DataError, match="640 x 479 pixels, but its annotations are for 640 x 480"):
        read(1)
    with pytest.raises(DataError, match=r"no picture 002\.jpg in"):
        read(2)


def test_groundtruth_without_sizes_of_images_says_where_they_can_come_from(coco):
    content = json.loads(coco[0].read_text())
    del content["images"][0]["width"]
    coco[0].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"has the size None x .*; or give the folder that has this file and the pict"):
        read_groundtruth(coco[0])
