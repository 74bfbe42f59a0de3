import pytest

from odtk.annotations import path_matching


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Train_Images", "train"),
        ("train-data", "train"),
        ("trains", "train"),
        ("TrainSet", "train"),
        ("trainset", "train"),
        ("train2017", "train"),
        ("train_1", "train"),
        ("valid", "val"),
        ("validationImages", "val"),
        ("eval", "val"),
        ("test_images", "test"),
        ("test data", "test"),
        ("training_dogs", None),
        ("testing-ground", None),
        ("trainval", None),
        ("TrainVal", None),
        ("train_test", None),
        ("Trainees", None),
        ("trainimagery", None),
        ("images", None),
        ("contest", None),
    ],
)
def test_a_folder_is_a_split_where_its_words_say_no_more(folder, split):
    assert path_matching.folder_split(folder) == split


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("train_images/a/1.jpg", "train_annotations/a/1.xml"),
        ("TrainImages/1.jpg", "TrainXml/1.xml"),
        ("trainimages/1.jpg", "trainlabels/1.xml"),
        ("pets_train_images/1.jpg", "pets_train_annotations/1.xml"),
        ("train/images/1.jpg", "train/Annotations/1.xml"),
    ],
)
def test_an_image_and_its_annotation_are_of_one_place(image, xml):
    assert path_matching.place_of(image) == path_matching.place_of(xml)


@pytest.mark.parametrize(
    ("one", "other"), [("train_1/1.jpg", "train_2/1.jpg"), ("train_images/1.jpg", "test_images/1.jpg")]
)
def test_other_folders_are_of_another_place(one, other):
    assert path_matching.place_of(one) != path_matching.place_of(other)


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "valid"), ("train", "val")),
        (("x/train_images", "x/test_images"), ("train", "test")),
        (("pets_train", "pets_test"), ("train", "test")),
        (("pets_train", "dogs_test"), (None, None)),
        (("train_dogs", "train_cats"), (None, None)),
        (("train", "bus"), (None, None)),
        (("train", "train_test"), (None, None)),
    ],
)
def test_folders_are_splits_together_or_not_at_all(folders, splits):
    images = [f"{folder}/1.jpg" for folder in folders]
    found = path_matching.folder_splits(images)
    assert tuple(map(found.get, images)) == splits
    assert bool(path_matching.tops_of_no_split(images)[0]) == (splits[0] is None)


def test_records_are_called_without_the_folder_that_names_a_split():
    names = path_matching.record_names(["x/train_images/1.jpg", "x/test/images/1.jpg"])
    assert names == {
        "x/train_images/1.jpg": ("x/1.jpg", "x/train/1.jpg"),
        "x/test/images/1.jpg": ("x/1.jpg", "x/test/1.jpg"),
    }
