"""Record files opened by name: their splits, training's first, and the label map beside them."""

import pytest

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.datasets.open_dataset import RECORDS, open_target
from odtk.errors import DataError, LabelMapError
from odtk.records import shards
from odtk.records.example import encode


@pytest.fixture
def records(tmp_path):
    """A folder with a record file of each split, and one whose name tells none."""
    for name in ("a_test.record", "eval.record", "my.record", "train.record-00000-of-00002"):
        entry = AnnotatedObject((0.1, 0.1, 0.6, 0.6), 1, "cat")
        shards.write_records(tmp_path / name, [encode(AnnotatedImage(b"", f"{name}.jpg", 8, 8, (entry,)))])
    return tmp_path


def test_splits_are_told_by_the_names_of_the_files(records):
    target = open_target(records)
    assert (target.kind, target.splits, [len(source) for source in target.sources]) == (
        RECORDS,
        ["train", "val", "test", "all"],
        [1, 1, 1, 1],
    )
    assert target.missing == [str(records / "train.record-00001-of-00002")]


def test_the_label_map_beside_records_is_read_unless_it_is_in_question(records):
    (records / "labels.pbtxt").write_text("item { id: 1 name: 'cat' }")
    assert open_target(records).labels.id_of("cat") == 1
    (records / "labels.pbtxt").write_text("item { id: 1")
    with pytest.raises(LabelMapError, match=r"labels\.pbtxt"):
        open_target(records)
    target = open_target(records, read_label_map=False)
    assert (target.labels, target.label_map, len(target.sources)) == (None, None, 4)


def test_an_order_of_boxes_is_for_annotations_alone(records):
    with pytest.raises(DataError, match="only there the order") as refused:
        open_target(records, boxes="xyxy")
    assert refused.value.argument == "boxes"
