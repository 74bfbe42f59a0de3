"""Which record a picture of augmentations is of, counted over all files; and a picture that is no record."""

import pytest
from PIL import Image
from small_projects import make_records

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.errors import DataError
from odtk.records import shards
from odtk.records.example import decode, encode
from odtk.web.augmented_sheet import Subject, _example, _place


def test_records_are_counted_over_all_files(tmp_path):
    paths = [str(tmp_path / name) for name in ("a", "b", "c")]
    for path, count in zip(paths, (2, 0, 3), strict=True):
        shards.write_records(path, [b"x"] * count)
    assert [_place(paths, record) for record in (0, 1, 2, 4)] == [(0, 0), (0, 1), (2, 0), (2, 2)]
    with pytest.raises(DataError, match="5 records to train on"):
        _place(paths, 5)


def test_a_picture_of_ones_own_becomes_an_example_with_the_boxes_that_the_records_have(tmp_path):
    folder = make_records(tmp_path)
    map_path = str(folder / "label_map.pbtxt")
    Image.new("RGB", (80, 60), "red").save(tmp_path / "cat.jpg")
    own = AnnotatedImage(
        (tmp_path / "cat.jpg").read_bytes(), "cat.jpg", 60, 80, (AnnotatedObject((0.1, 0.2, 0.5, 0.6), 1, "cat"),)
    )
    for split, examples in (("train", [encode(own)]), ("val", [])):
        shards.write_records(folder / shards.shard_name(f"{split}.record", 0, 1), examples)
    config = tmp_path / "x.config"
    config.write_text(
        f'train_input_reader {{ label_map_path: "{map_path}" tf_record_input_reader {{ input_path: '
        f'"{folder}/train.record-?????-of-00001" }} }}'
    )
    Image.new("P", (80, 60)).save(tmp_path / "dog.gif")
    data, name = _example(str(config), map_path, Subject(picture=str(tmp_path / "cat.jpg"), is_annotated=True))
    image = decode(data)
    assert (name, image.format, image.width, image.height) == ("cat.jpg", "png", 80, 60)
    assert [(entry.class_name, entry.class_id) for entry in image.objects] == [("cat", 1)]
    assert image.objects[0].box == pytest.approx((0.1, 0.2, 0.5, 0.6))
    data, name = _example(str(config), map_path, Subject(picture=str(tmp_path / "dog.gif"), is_annotated=True))
    assert "not in the records" in name
    assert decode(data).objects == ()
    with pytest.raises(DataError, match="does not exist"):
        _example(str(config), map_path, Subject(picture=str(tmp_path / "none.jpg")))
