import json

import numpy as np
import pytest
from drawn_formats import Drawing, coco_of, touch
from pycocotools import mask as coco_mask

from odtk.annotations import formats
from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.coco_masks import decode_mask
from odtk.errors import DataError

ONE = Drawing("1.jpg", 9, 8, (("zebra", (1, 2, 3, 4)),))
TWO = Drawing("2.jpg", 9, 8, (("Bengal cat", (1, 2, 3, 4)), ("zebra", (0, 0, 8, 9))))


@pytest.fixture
def write(tmp_path):
    def write_document(document, name="annotations.json", images=(ONE, TWO)):
        for image in images:
            touch(tmp_path / "images" / image.name, image)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(document) if isinstance(document, dict) else document)
        return tmp_path

    return write_document


def _read(folder, index=0, **options):
    dataset = formats.open_dataset(folder, "coco", **options)
    return dataset.read(dataset.listed[index])


def test_what_a_box_says_is_read(write):
    document = coco_of([ONE])
    document["annotations"][0] |= {"iscrowd": 1, "area": 3.5}
    (found,) = _read(write(document)).objects
    assert (found.class_name, found.box, found.is_crowd, found.area) == ("zebra", (1, 2, 3, 4), True, 3.5)
    assert found.segmentation is None
    assert _read(write(document), keep_segmentations=True).objects[0].segmentation == [[2, 1, 4, 1, 4, 3, 2, 3]]


def test_classes_are_in_the_order_of_their_ids(write):
    assert formats.open_dataset(write(coco_of([ONE]))).class_names == ("zebra", "Bengal cat", "Tür_ä")


def test_a_heading_is_no_class_and_a_name_is_one_class(write):
    document = coco_of([ONE])
    for category in document["categories"]:
        category["supercategory"] = "animals"
    document["categories"] += [{"id": 0, "name": "animals", "supercategory": "none"}, {"id": 91, "name": "zebra"}]
    assert formats.open_dataset(write(document)).class_names == ("zebra", "Bengal cat", "Tür_ä")
    document["annotations"][0]["category_id"] = 0
    assert formats.open_dataset(write(document)).class_names == ("animals", "zebra", "Bengal cat", "Tür_ä")


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("annotations/instances_train2017.json", "annotations/instances_val2017.json"), ("train2017", "val2017")),
        (
            ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
            ("images/train", "images/val"),
        ),
        (("train/_annotations.coco.json", "valid/_annotations.coco.json"), ("train", "valid")),
        (("train.json", "validation.json"), ("train/images", "validation/images")),
    ],
)
def test_documents_are_splits_and_find_their_images(write, tmp_path, names, places):
    for name, place in zip(names, places, strict=True):
        write(coco_of([ONE]), name, images=())
        touch(tmp_path / place / "1.jpg", ONE)
    write({"images": [], "annotations": [{"caption": "a cat"}]}, "annotations/captions_train2017.json", images=())
    if "instances" not in names[0]:
        (tmp_path / "annotations/captions_train2017.json").rename(tmp_path / "annotations/captions_x.json")
    dataset = formats.open_dataset(tmp_path)
    assert [(listed.key, listed.split) for listed in dataset.listed] == [
        (f"{place}/1.jpg", split) for place, split in zip(places, ("train", "val"), strict=True)
    ]
    read = [dataset.read(listed) for listed in dataset.listed]
    assert [annotation.image_path for annotation in read] == [str(tmp_path / place / "1.jpg") for place in places]
    assert len({annotation.source_id for annotation in read}) == 2
    assert {annotation.filename for annotation in read} == {"1.jpg"}


def _without(key):
    return lambda document: document.pop(key)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_without("images"), r'annotations\.json has no list "images" of objects'),
        (_without("annotations"), 'no list "annotations"'),
        (_without("categories"), 'no list "categories"'),
        (lambda document: document["annotations"].append(None), '"annotations" has None at index 3'),
        (lambda document: document["images"].append({"id": 101, "file_name": "3.jpg"}),
         r"'2.jpg' and '3.jpg' both have the id 101|'1.jpg' and '3.jpg'"),
        (lambda document: document["images"].append({"id": 5}), r"the image \{'id': 5\} needs an id and a file_name"),
        (lambda document: document["categories"].append({"id": 7, "name": "x"}), "the id 7; the second one is 'x'"),
        (lambda document: document["categories"].append({"id": "7", "name": "x"}),
         "two categories have the id 7; the second one is 'x'"),
        (lambda document: document["categories"].append({"id": 7.5, "name": "x"}), "needs an id, a whole number"),
        (lambda document: [one.update(image_id=f"no {one['image_id']}") for one in document["annotations"]],
         r"none of its 3 annotations is for an image in its list: the first, annotation 100, has the image_id "
         r"'no 100', but the images have the ids 101, 100\."),
        (lambda document: document["categories"].append({"id": 8, "name": " "}), "and a name"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_meant_is_an_error(write, change, complaint):
    document = coco_of([ONE, TWO])
    change(document)
    with pytest.raises(DataError, match=complaint):
        formats.open_dataset(write(document), "coco")


def test_text_that_is_no_json_is_named_with_its_line(write):
    with pytest.raises(DataError, match=r"annotations\.json:2: it is not valid JSON: Expecting"):
        formats.open_dataset(write('{"images": [\n{]'), "coco")
    with pytest.raises(DataError, match=r"annotations\.json: the JSON cannot be read: .*recursion"):
        formats.open_dataset(write('{"images": [' + "[" * 100_000), "coco")


@pytest.mark.parametrize(
    ("change", "kind", "complaint"),
    [
        ({"category_id": 4}, "annotation of an unknown category",
         "annotation 100, of images/1.jpg, has the category 4, which is not in the list"),
        ({"bbox": [1, 2, 3]}, "annotation cannot be read",
         r"has the bbox \[1, 2, 3\]; the four numbers x, y, width and height are expected"),
        ({"bbox": [1, 2, 3, None]}, "annotation cannot be read", "has the bbox"),
        ({"bbox": [1, 2, 3, float("nan")]}, "annotation cannot be read", "has the bbox"),
        ({"bbox": None, "segmentation": None}, "annotation cannot be read", "has the bbox None"),
        ({"bbox": [], "segmentation": [[1, 2, 3]]}, "annotation cannot be read", r"has the bbox \[\]"),
    ],
)  # fmt: skip
def test_a_bad_annotation_makes_its_image_unusable_and_no_other(write, change, kind, complaint):
    document = coco_of([ONE, TWO])
    document["annotations"][0] |= change
    folder = write(document)
    with pytest.raises(UnusableImage, match=complaint) as caught:
        _read(folder, 0)
    assert caught.value.problem.kind == kind
    assert len(_read(folder, 1).objects) == 2


@pytest.mark.parametrize(
    ("listed", "written"),
    [(7, "7"), ("7", 7), (7, 7.0), (7.0, "7.0"), ("000007", 7), ("7", "007"), ("img 7", " img 7 "), (0, "0")],
)
def test_ids_of_images_match_across_text_and_number(write, listed, written):
    document = coco_of([ONE, TWO])
    document["images"][1]["id"] = listed
    document["annotations"][0]["image_id"] = written
    document["images"].append({"id": 1000, "file_name": "images/1.jpg"})
    folder = write(document)
    assert [found.class_name for found in _read(folder, 0).objects] == ["zebra"]
    assert len(_read(folder, 1).objects) == 2


def test_an_id_that_may_be_one_of_two_is_not_guessed(write):
    document = coco_of([ONE, TWO])
    for image, number in zip(document["images"], ("07", "7"), strict=True):
        image["id"] = number
    for annotation, number in zip(document["annotations"], ("07", 7, "7"), strict=True):
        annotation["image_id"] = number
    dataset = formats.open_dataset(write(document), "coco")
    assert [listed.key for listed in dataset.listed] == ["annotations.json#7", "images/1.jpg", "images/2.jpg"]
    assert [len(dataset.read(listed).objects) for listed in dataset.listed[1:]] == [1, 1]


def test_annotations_of_an_unknown_image_are_bad_data(write):
    document = coco_of([ONE])
    document["annotations"].append(document["annotations"][0] | {"id": 77, "image_id": 5})
    document["annotations"].append(document["annotations"][0] | {"id": 79, "image_id": None})
    dataset = formats.open_dataset(write(document))
    assert [listed.key for listed in dataset.listed] == ["annotations.json#5", "annotations.json#None", "images/1.jpg"]
    said = "annotation 77 is for the image 5, which is not in the list of images"
    for listed, text in zip(dataset.listed, (said, "annotation 79 is for the image None"), strict=False):
        with pytest.raises(UnusableImage, match=text) as caught:
            dataset.read(listed)
        assert (caught.value.problem.kind, caught.value.is_bad) == ("annotations of an unknown image", True)


def test_annotations_of_no_image_count_as_the_images_that_lost_them(write):
    document = coco_of([ONE, TWO])  # with three annotations, two for an image at most
    orphan = document["annotations"][0] | {"image_id": None}
    document["annotations"] += [orphan | {"id": number} for number in range(5)]
    dataset = formats.open_dataset(write(document))
    bad = [listed.key for listed in dataset.listed if hasattr(listed.entry, "is_bad")]
    assert bad == ["annotations.json#None", "annotations.json#None#2", "annotations.json#None#3"]
    assert "annotations 0, 1 are for the image None" in dataset.listed[0].entry.text


def test_beside_annotations_of_no_image_an_image_without_any_is_no_negative(write):
    document = coco_of([ONE, TWO])
    assert len(_read(write(document), 1).objects) == 2
    for annotation in document["annotations"]:
        if annotation["image_id"] == 101:
            annotation["image_id"] = 999
    dataset = formats.open_dataset(write(document))
    (two,) = [listed for listed in dataset.listed if listed.key == "images/2.jpg"]
    with pytest.raises(UnusableImage, match="may be the image of the annotations") as caught:
        dataset.read(two)
    assert not caught.value.is_bad


def test_categories_are_read_as_tools_write_them(write):
    document = coco_of([ONE, TWO])
    document["categories"] = [
        {"id": 3, "name": 12, "supercategory": None},
        {"id": "7", "name": "Bengal cat"},
        {"id": "x", "name": 1.5, "supercategory": ["a"]},
    ]
    for annotation, number in zip(document["annotations"], ("3", 7.0, "x"), strict=True):
        annotation["category_id"] = number
    folder = write(document)
    assert formats.open_dataset(folder).class_names == ("12", "Bengal cat", "1.5")
    read = [found.class_name for index in (0, 1) for found in _read(folder, index).objects]
    assert sorted(read) == ["1.5", "12", "Bengal cat"]


@pytest.mark.parametrize(
    ("written", "is_crowd", "odd"),
    [(0.0, False, False), ("0", False, False), (True, True, False), ("1", True, False), (None, False, False),
     ("crowd", False, True), ([1], False, True)],
)  # fmt: skip
def test_iscrowd_and_area_are_read_as_tools_write_them(write, written, is_crowd, odd):
    document = coco_of([ONE])
    document["annotations"][0] |= {"iscrowd": written, "area": "3.5"}
    annotation = _read(write(document))
    assert (annotation.objects[0].is_crowd, annotation.objects[0].area) == (is_crowd, 3.5)
    assert [problem.kind for problem in annotation.problems] == ["flag not understood"] * odd


@pytest.mark.parametrize("bbox", [None, []])
def test_without_a_bbox_the_box_around_the_outline_is_read(write, bbox):
    document = coco_of([ONE])
    document["annotations"][0] |= {"bbox": bbox, "segmentation": [[2, 1, 4, 1, 3, 3], [5, "6", 7, 2, 6, 2]]}
    annotation = _read(write(document))
    assert annotation.objects[0].box == (1, 2, 6, 7)
    assert [problem.kind for problem in annotation.problems] == ["outline made a box"]


def test_messages_name_image_and_annotation(write):
    annotation = _read(write(coco_of([ONE])))
    assert annotation.place.endswith("annotations.json: image images/1.jpg")
    assert annotation.objects[0].shown == "zebra (annotation 100)"


@pytest.mark.parametrize("absent", [lambda test: test.pop("annotations"), lambda test: test.update(annotations=None)])
def test_a_split_without_annotations_is_set_aside(write, absent):
    write(coco_of([ONE]), "train.json")
    test = coco_of([TWO])
    absent(test)
    dataset = formats.open_dataset(write(test, "test.json"))
    assert [(listed.key, listed.split) for listed in dataset.listed] == [("images/1.jpg", "train")]
    problem, unnamed = dataset.problems
    assert unnamed.kind == "images in no annotation"
    assert problem.kind == "file set aside"
    assert problem.file.endswith("test.json")
    assert problem.text == 'it has no list "annotations", so its images are not annotated (1).'


def test_a_split_with_an_empty_list_is_of_negatives_and_said(write):
    write(coco_of([ONE]), "train.json")
    dataset = formats.open_dataset(write(coco_of([TWO]) | {"annotations": []}, "test.json"))
    assert [len(dataset.read(listed).objects) for listed in dataset.listed] == [1, 0]
    assert [problem.kind for problem in dataset.problems] == ["file without annotations"]


def test_json_that_only_looks_like_cocos_is_set_aside(write):
    write(coco_of([ONE]), "data.json")
    dataset = formats.open_dataset(write({"images": ["a.jpg", "b.jpg"]}, "gallery.json"))
    assert len(dataset.listed) == 1
    assert 'gallery.json: it has no list "images" of objects' in str(dataset.problems[0])


def test_none_of_several_files_is_ignored_silently(write):
    write(coco_of([ONE]), "instances_train.json")
    write(coco_of([TWO]), "val.json")
    write(coco_of([ONE, TWO]), "all.json")
    write(coco_of([ONE, TWO]), "captions_train.json")
    three = Drawing("3.jpg", 9, 8)
    dataset = formats.open_dataset(write(coco_of([three]), "image_info_test.json", [three]))
    assert [(listed.key, listed.split) for listed in dataset.listed] == [
        ("images/1.jpg", "train"),
        ("images/2.jpg", "val"),
    ]
    *problems, unnamed = dataset.problems
    assert unnamed.kind == "images in no annotation"
    said = [f"{problem.file.rsplit('/')[-1]}: {problem.text}" for problem in problems]
    assert said == [
        "all.json: it is ignored because there are files called instances_*.json.",
        "image_info_test.json: its name says that its images are not annotated; it is ignored.",
    ]


def test_a_file_without_categories_has_those_of_the_others(write):
    write(coco_of([ONE]), "train.json")
    document = coco_of([TWO])
    del document["categories"]
    dataset = formats.open_dataset(write(document, "val.json"))
    assert [found.class_name for found in dataset.read(dataset.listed[1]).objects] == ["Bengal cat", "zebra"]


def test_a_missing_image_is_named(write):
    dataset = formats.open_dataset(write(coco_of([ONE, Drawing("absent.jpg", 1, 1)])))
    assert [listed.key for listed in dataset.listed] == ["annotations.json#101", "images/1.jpg"]
    with pytest.raises(UnusableImage, match=r"image 101 is the file 'absent.jpg': there is no such image"):
        dataset.read(dataset.listed[0])


def test_an_image_that_is_listed_twice_has_the_boxes_of_both(write):
    document = coco_of([ONE, TWO])
    document["images"].append({"id": 5, "file_name": "images/2.jpg"})
    document["annotations"][1]["image_id"] = 5
    document["annotations"].append(document["annotations"][1] | {"id": 9, "image_id": 101})
    document["images"].append(document["images"][-1])  # the same row again
    dataset = formats.open_dataset(write(document))
    assert [listed.key for listed in dataset.listed] == ["images/1.jpg", "images/2.jpg"]
    read = dataset.read(dataset.listed[1])
    assert sorted(found.class_name for found in read.objects) == ["Bengal cat", "zebra"]
    (problem,) = dataset.problems
    assert problem.kind == "image listed twice"
    assert "image 5 is the file images/2.jpg, which is also listed in annotations.json" in problem.text


def test_a_file_for_each_class_gives_one_image_with_all_classes(write):
    for name in ("zebra", "Bengal cat"):
        document = coco_of([ONE, TWO])
        number = {each["name"]: each["id"] for each in document["categories"]}[name]
        document["annotations"] = [each for each in document["annotations"] if each["category_id"] == number]
        write(document, f"{name}.json")
    dataset = formats.open_dataset(write(document, f"{name}.json"))
    assert [len(dataset.read(listed).objects) for listed in dataset.listed] == [1, 2]
    (problem,) = dataset.problems
    assert "(1 more like this)" in problem.text


def test_an_image_in_two_splits_is_of_the_first_and_named(write):
    write(coco_of([ONE, TWO]), "train.json")
    dataset = formats.open_dataset(write(coco_of([TWO]), "val.json"))
    assert [(listed.key, listed.split) for listed in dataset.listed] == [
        ("images/1.jpg", "train"),
        ("images/2.jpg", "train"),
    ]
    assert len(dataset.read(dataset.listed[1]).objects) == 2  # not 4: they are the same boxes
    assert "val.json" in dataset.problems[0].file


def test_an_image_that_is_listed_with_two_sizes_is_left_out(write):
    document = coco_of([ONE])
    document["images"].append({"id": 5, "file_name": "images/1.jpg", "width": 90, "height": 80})
    with pytest.raises(UnusableImage, match=r"images/1.jpg is listed 2 times, with different sizes \(9x8 and 90x80\)"):
        _read(write(document))


def test_an_image_that_may_be_one_of_two_is_not_guessed(write, tmp_path):
    for folder in ("a", "b"):
        touch(tmp_path / folder / "deep.jpg", ONE)
    with pytest.raises(UnusableImage, match=r"'deep.jpg' may be a/deep.jpg or b/deep.jpg. Add its folder"):
        _read(write(coco_of([Drawing("deep.jpg", 9, 8)])))


def test_documents_that_number_classes_differently_are_an_error(write):
    write(coco_of([ONE]), "train.json")
    document = coco_of([TWO])
    document["categories"][0]["name"] = "horse"
    with pytest.raises(DataError, match=r"the category 90 is 'horse' in val.json, and 'Tür_ä' in another file"):
        formats.open_dataset(write(document, "val.json"))


# Masks.


def test_polygons_and_both_kinds_of_run_lengths_are_decoded():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = (rng.random((7, 11)) < rng.random()).astype(np.uint8)
        compressed = coco_mask.encode(np.asfortranarray(mask))
        text = {"size": [7, 11], "counts": compressed["counts"].decode()}
        columns = mask.T.reshape(-1)
        changes = np.flatnonzero(np.diff(columns)) + 1
        counts = np.diff([0, *changes, columns.size]).tolist()
        plain = {"size": [7, 11], "counts": [0] * int(columns[0]) + counts}
        for segmentation in (text, plain):
            decoded = decode_mask(segmentation, 7, 11)
            assert decoded.dtype == np.uint8
            np.testing.assert_array_equal(decoded, mask)
    polygons = [[1, 1, 4, 1, 4, 5, 1, 5], [8, 2, 10, 2, 10, 6, 8, 6]]
    mask = np.zeros((7, 11), np.uint8)
    mask[1:5, 1:4] = mask[2:6, 8:10] = 1
    np.testing.assert_array_equal(decode_mask(polygons, 7, 11), mask)


def test_large_runs_are_decoded():
    mask = np.zeros((3000, 2000), np.uint8)
    mask[10:2990, 5:1990] = 1
    counts = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
    np.testing.assert_array_equal(decode_mask({"size": [3000, 2000], "counts": counts}, 3000, 2000), mask)


@pytest.mark.parametrize(
    ("segmentation", "complaint"),
    [
        ("x", "neither polygons nor run lengths"),
        ([], "neither"),
        ([[1, 2, 3, 4]], "three or more points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "three or more points"),
        ([[1, 2, 3, 4, 5, "x"]], "has coordinates far outside"),
        ([[1, 2, 3, 4, 5, 1e9]], "far outside its image of 5x4 pixels"),
        ({"size": [5, 4], "counts": [20]}, r"the size \[5, 4\]; the image's is \[4, 5\]"),
        ({"size": [4, 5], "counts": [19]}, "do not add up to the 20 pixels"),
        ({"size": [4, 5], "counts": [21, -1]}, "do not add up"),
        ({"size": [4, 5], "counts": [20.0]}, "do not add up"),
        ({"size": [4, 5], "counts": ""}, "do not add up"),
        ({"size": [4, 5], "counts": "0"}, "do not add up"),
        ({"size": [4, 5], "counts": "oooooooooooo"}, "not in COCO's compressed form"),
        ({"size": [4, 5], "counts": "o"}, "end in the middle of a number"),
        ({"size": [4, 5], "counts": "é"}, "not in COCO.s compressed form"),
    ],
)
def test_a_segmentation_that_is_none_is_refused_before_pycocotools_sees_it(segmentation, complaint):
    with pytest.raises(DataError, match=complaint):
        decode_mask(segmentation, 4, 5)
