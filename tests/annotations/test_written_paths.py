import pytest

from odtk.annotations.written_paths import PathIndex, spellings, without_image_suffix

FILES = ["images/1.jpg", "images/a/2.jpg", "images/b/2.jpg", "train_images/3.jpg", "val/3.jpg", "val/4.jpg"]


@pytest.mark.parametrize(
    ("written", "found", "by_end"),
    [
        ("images/1.jpg", "images/1.jpg", False),
        ("1.jpg", "images/1.jpg", False),
        ("IMAGES/1.JPG", "images/1.jpg", False),
        ("../images/1.jpg", "images/1.jpg", False),  # from the root annotations/
        ("../../images/1.jpg", "images/1.jpg", True),
        ("/home/me/images/1.jpg", "images/1.jpg", True),
        ("C:/me/1.jpg", "images/1.jpg", True),
        ("x/1.jpg", "images/1.jpg", True),
        ("x/a/2.jpg", "images/a/2.jpg", True),
        ("x/images/b/2.jpg", "images/b/2.jpg", True),
        ("x/train/3.jpg", "train_images/3.jpg", True),  # by what the folder means
        ("x/valid/images/3.jpg", "val/3.jpg", True),
        ("2.jpg", "images/a/2.jpg images/b/2.jpg", False),
        ("x/2.jpg", "images/a/2.jpg images/b/2.jpg", True),
        ("x/train/4.jpg", "", False),  # train is here, and has no 4.jpg
        ("x/val/1.jpg", "", False),
        ("5.jpg", "", False),
        ("", "", False),
        ("..", "", False),
        ("/", "", False),
        ("images", "", False),
    ],
)
def test_the_longest_end_that_a_file_has(written, found, by_end):
    images, is_by_end = PathIndex(FILES).find(written, ["annotations", ""])
    assert (list(images), is_by_end) == (found.split(), by_end)


@pytest.mark.parametrize(
    ("written", "last"),
    [
        ("a\\b.jpg", "a/b.jpg"),
        ("/data/local-files/?d=pets%2Fa%20b.jpg", "/data/local-files/"),
        ("https://host/a%20b.jpg?key=1#top", "https://host/a b.jpg"),
        ("x/0a1b2c3d-cat.jpg", "x/cat.jpg"),
        ("s3://bucket/0a1b2c3d__cat%20.jpg", "s3://bucket/cat .jpg"),
        ("100%.jpg", "100%.jpg"),
    ],
)
def test_spellings_go_from_what_is_written_to_what_may_be_meant(written, last):
    found = list(spellings(written))
    assert (found[0], found[-1]) == (written.replace("\\", "/"), last)


def test_the_path_that_label_studio_hides_in_a_url_comes_before_the_rest_of_it():
    assert list(spellings("/data/local-files/?d=pets%5Ca%20b.jpg"))[1] == "pets/a b.jpg"


@pytest.mark.parametrize(
    ("path", "stem"), [("a/b.JPG", "a/b"), ("v1.2", "v1.2"), ("b.c d.v2", "b.c d.v2"), ("x.heic", "x")]
)
def test_a_suffix_is_one_of_an_image(path, stem):
    assert without_image_suffix(path) == stem
