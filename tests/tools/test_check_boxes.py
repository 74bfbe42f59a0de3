"""What the check of a config says about the boxes in its records: those of no use, and images with too many."""

import re

import pytest
from click.testing import CliRunner

from odtk import label_map, pipeline
from odtk.cli.main import cli
from odtk.datasets.record_files import scan_classes
from odtk.protos.example_pb2 import Example
from odtk.records import shards
from odtk.tools.check_config import check_config

GOOD, INVERTED, PIXELS = (0.1, 0.2, 0.8, 0.9), (0.8, 0.2, 0.1, 0.9), (20.0, 40.0, 160.0, 270.0)


def record_of(name, boxes):
    message = Example()
    features = message.features.feature
    features["image/source_id"].bytes_list.value.append(name.encode())
    features["image/object/class/text"].bytes_list.value.extend([b"cat"] * len(boxes))
    for index, side in enumerate(("ymin", "xmin", "ymax", "xmax")):
        features[f"image/object/bbox/{side}"].float_list.value.extend(box[index] for box in boxes)
    return message.SerializeToString()


@pytest.fixture
def config_of(tmp_path):
    """A function of the boxes of each image, for training and evaluation alike, and of assignments."""

    def config_of(*images, sets=()):
        label_map.write(label_map.of_names(["cat"]), tmp_path / "map.pbtxt")
        for split in ("train", "val"):
            path = tmp_path / f"{split}.record"
            shards.write_records(path, [record_of(f"img{n}", boxes) for n, boxes in enumerate(images)])
        sets = [
            ("train_input_reader.tf_record_input_reader.input_path", f'["{tmp_path / "train.record"}"]'),
            ("eval_input_reader[0].tf_record_input_reader.input_path", f'["{tmp_path / "val.record"}"]'),
            ("train_input_reader.label_map_path", str(tmp_path / "map.pbtxt")),
            ("eval_input_reader[0].label_map_path", str(tmp_path / "map.pbtxt")),
            ("model.ssd.num_classes", "1"),
            *sets,
        ]
        path = tmp_path / "p.config"
        path.write_text(pipeline.set_fields(pipeline.read_text("ssd_resnet50_v1_fpn_small"), sets, "demo"))
        return path

    return config_of


def findings(config, word):
    return [finding for finding in check_config(pipeline.read(config), config) if word in finding.path]


def test_boxes_that_cannot_be_used_are_counted_and_named(config_of, tmp_path):
    config = config_of([GOOD], [GOOD, INVERTED], [GOOD], [GOOD, PIXELS])
    for finding, split in zip(findings(config, "input_path"), ("train", "val"), strict=True):
        assert finding.severity == "warning"
        assert "of the 6 boxes in 4 records, 2 boxes in 2 images (1 inverted, 1 in pixels)" in finding.text
        assert f"{tmp_path / split}.record, record 1 (image img1): box 1 is inverted" in finding.text
        assert "divide coordinates in pixels by the image's height and width" in finding.text


def test_a_set_of_nothing_but_pixels_is_an_error(config_of):
    config = config_of([PIXELS], [PIXELS], [GOOD])
    assert [finding.severity for finding in findings(config, "input_path")] == ["error", "error"]
    result = CliRunner().invoke(cli, ["train", str(config), str(config.parent / "model")])
    assert result.exit_code == 1
    assert "2 boxes in 2 images (2 in pixels) cannot be used" in result.stderr
    assert not (config.parent / "model").exists()


def test_good_boxes_are_no_finding(config_of):
    assert findings(config_of([GOOD, (-0.04, 0.1, 1.05, 1.0)], []), "input_path") == []


@pytest.mark.parametrize(
    ("sets", "train", "evaluation"),
    [
        ((), "train_config.max_number_of_boxes", 100),
        ([("train_input_reader.max_number_of_boxes", "140")], "train_input_reader.max_number_of_boxes", 100),
        ([("train_config.max_number_of_boxes", "150")], None, 100),
        (
            [("train_config.max_number_of_boxes", "150"), ("eval_input_reader[0].max_number_of_boxes", "150")],
            None,
            None,
        ),
    ],
)
def test_more_boxes_than_are_read_are_told_with_the_number_to_set(config_of, sets, train, evaluation):
    config = config_of([GOOD], [GOOD] * 150, [GOOD] * 120, sets=sets)
    found = {finding.path: finding for finding in findings(config, "max_number_of_boxes")}
    expected = {train, evaluation and "eval_input_reader[0].max_number_of_boxes"} - {None}
    assert set(found) == expected
    for path, finding in found.items():
        assert re.search(r"img1 \(\S+\.record, record 1\) has 150 boxes, and [12] of 3 records ha", finding.text)
        assert f"--set {path}=150" in finding.fix.replace("'", "")


def test_a_scan_of_a_part_says_that_it_was_a_part(config_of, monkeypatch):
    config = config_of([GOOD], [INVERTED])
    monkeypatch.setattr("odtk.tools.check_config.data.scan_classes", lambda files: scan_classes(files, max_bytes=1))
    config.with_name("train.record").write_bytes(config.with_name("val.record").read_bytes())
    assert findings(config, "train_input_reader.tf_record") == []
    shards.write_records(config.with_name("train.record"), [record_of("x", [GOOD, GOOD, INVERTED]), record_of("y", [])])
    (finding,) = findings(config, "train_input_reader.tf_record")
    assert "the first 1 record (not all were looked at)" in finding.text
