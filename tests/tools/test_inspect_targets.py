"""What `odtk inspect` takes: datasets of any format, the Pet layout, a folder of make-tfrecords, a pipeline.config."""

from dataclasses import replace

import drawn_formats
import inspected_records as made
import listed_dataset
import pytest

from odtk import pipeline
from odtk.annotations import image_files, pets, to_record
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.dataset import MarkedObject
from odtk.datasets.open_dataset import RECORDS, Target
from odtk.datasets.scan import scan
from odtk.datasets.sources import DatasetSource
from odtk.errors import ConfigError, DataError, LabelMapError
from odtk.findings import ERROR, NOTE, WARNING
from odtk.tools.inspect import inspect, survey
from odtk.tools.inspect.inspection import Inspection
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.synthetic_pets import draw_dataset


def surveyed(dataset, **options):
    return survey(
        Target("data", "voc dataset", [DatasetSource("all", dataset, dataset.listed)], is_annotated=True, **options)
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return listed_dataset.draw(tmp_path_factory.mktemp("drawn"), 72)


def kinds(inspection):
    return {each.kind: (each.severity, each.count) for each in inspection.findings}


def test_a_valid_dataset(drawn):
    inspection, rows = surveyed(drawn)
    assert kinds(inspection) == {"images-without-boxes": (NOTE, 12)}
    (split,) = inspection.splits
    assert (split.images, split.boxes, split.negatives, split.decoded) == (72, 60, 12, 72)
    # 50 x 60 pixels of an image of 120 x 90
    assert rows.boxes[0].tolist() == pytest.approx([10 / 90, 20 / 120, 60 / 90, 80 / 120])
    assert rows.shown(0).image.size == (120, 90)


def test_what_the_readers_report_is_found_with_file_and_line(drawn):
    entry = drawn.listed[0].entry
    inverted = MarkedObject("pug", (60, 20, 10, 80), line=31)
    dataset = drawn.with_entry(0, replace(entry, objects=(*entry.objects, inverted)))
    dataset = dataset.with_entry(1, "the xml is not well-formed.")
    findings = {each.kind: each for each in surveyed(dataset)[0].findings}
    assert (findings["inverted-box"].severity, findings["inverted-box"].count) == (WARNING, 1)
    assert str(findings["inverted-box"].examples[0]).startswith(f"{entry.annotation_path}:31: ")
    assert findings["xml-cannot-be-read"].severity == WARNING
    assert findings["xml-cannot-be-read"].examples[0].line == 3


def test_more_unusable_images_than_make_tfrecords_bears_are_an_error(drawn):
    dataset = drawn
    for index in range(4):
        dataset = dataset.with_entry(index, "the xml is not well-formed.")
    assert kinds(surveyed(dataset)[0])["xml-cannot-be-read"] == (ERROR, 4)


def test_an_image_that_make_tfrecords_leaves_out_is_unusable_here(drawn):
    entry = drawn.listed[3].entry
    void = MarkedObject("pug", (10, 20, 10, 80), line=8)
    inspection, rows = surveyed(drawn.with_entry(3, replace(entry, objects=(void, *entry.objects))))
    (finding,) = (each for each in inspection.findings if each.kind == "empty-box")
    assert (finding.severity, finding.count, finding.examples[0].line) == (WARNING, 1, 8)
    assert len(rows.width) == 71


def test_what_the_whole_set_proves_is_shown_and_no_image_is_read_twice(drawn, monkeypatch):
    """Boxes of a copy of twice the size; every second image is decoded, in the first pass."""
    dataset, decoded, opened = drawn, [], []
    for index, listed in enumerate(drawn.listed):
        entry = listed.entry
        objects = tuple(replace(each, box=tuple(2 * side for side in each.box)) for each in entry.objects)
        dataset = dataset.with_entry(index, replace(entry, stated_size=(240, 180), objects=objects))
    dataset = dataset.with_entry(0, "the xml is not well-formed.")
    decode_info = image_files.decode_info
    monkeypatch.setattr(
        image_files, "decode_info", lambda encoded, path: decoded.append(path) or decode_info(encoded, path)
    )
    read = to_record.read_image
    monkeypatch.setattr(
        to_record, "read_image", lambda annotation: opened.append(annotation.filename) or read(annotation)
    )
    source = DatasetSource("all", dataset, dataset.listed)
    rows = scan(Target("data", "voc dataset", [source], is_annotated=True), max_images=36)
    assert rows.target.sources[0].rules.conventions.resized == "stated"
    assert rows.boxes[0].tolist() == pytest.approx([10 / 90, 20 / 120, 60 / 90, 80 / 120])
    assert (len(rows.width), int(rows.decoded.sum())) == (71, 36)
    assert len(decoded) == len(set(decoded)) == 36
    assert len(opened) == len(set(opened)) == 71
    assert rows.digest.all()
    assert rows.fingerprint[rows.decoded].all()
    assert rows.unusable["xml cannot be read"].count == 1
    assert rows.problems["size disagrees with the image"].count == 71


def test_a_test_split_may_be_without_boxes(drawn):
    bare = [each for each in drawn.listed if not each.entry.objects]
    shown = [each for each in drawn.listed if each.entry.objects]
    train, other = DatasetSource("train", drawn, shown), DatasetSource("test", drawn, bare)
    inspection, _ = survey(Target("data", "voc dataset", [train, other], is_annotated=True))
    assert kinds(inspection) == {"no-boxes": (WARNING, 1)}
    train, other = DatasetSource("train", drawn, shown), DatasetSource("val", drawn, bare)
    inspection, _ = survey(Target("data", "voc dataset", [train, other], is_annotated=True))
    assert kinds(inspection) == {"no-boxes": (ERROR, 1)}


def test_the_pet_layout_and_what_make_tfrecords_makes_of_it(tmp_path):
    draw_dataset(tmp_path / "pets", 60)
    names = len(pets.read_names(tmp_path / "pets"))
    layout = inspect(tmp_path / "pets")
    assert (layout.kind, [(split.name, split.images) for split in layout.splits]) == ("Pet layout", [("all", names)])
    make_tfrecords(tmp_path / "pets", tmp_path / "records", num_shards=2)
    records = inspect(tmp_path / "records")
    assert [split.name for split in records.splits] == ["train", "val"]
    boxes = [sum(counts.boxes for counts in row.values()) for row in layout.classes.values()]
    assert [sum(counts.boxes for counts in row.values()) for row in records.classes.values()] == boxes
    assert records.label_map == str(tmp_path / "records" / "label_map.pbtxt")


@pytest.fixture
def configured(tmp_path):
    folder = made.write(tmp_path / "records")
    config = pipeline.read("ssd_resnet50_v1_fpn_640x640_pets")
    config.model.ssd.num_classes = 2
    readers = [config.train_input_reader, config.eval_input_reader[0]]
    for reader, split in zip(readers, ("train", "val"), strict=True):
        reader.label_map_path = str(folder / "label_map.pbtxt")
        reader.tf_record_input_reader.input_path[:] = [str(folder / f"{split}.record-?????-of-00001")]
    return config


def test_the_readers_of_a_config_are_the_splits(configured, tmp_path):
    configured.eval_input_reader[0].max_number_of_boxes = 1
    path = tmp_path / "pipeline.config"
    pipeline.write(configured, path)
    inspection = inspect(path)
    assert [(split.name, split.images) for split in inspection.splits] == [("train", 12), ("val", 10)]
    assert kinds(inspection) == {"too-many-boxes": (WARNING, 10)}
    assert inspection.coverage.boxes == 44
    with pytest.raises(ConfigError, match="leave the other config out"):
        inspect(path, config=path)


def test_a_config_that_does_not_fit_its_data(configured, tmp_path):
    path = tmp_path / "pipeline.config"
    configured.model.ssd.num_classes = 1
    pipeline.write(configured, path)
    assert kinds(inspect(path)) == {"num-classes": (ERROR, 1)}
    evaluation = list(configured.eval_input_reader[0].tf_record_input_reader.input_path)
    configured.eval_input_reader[0].tf_record_input_reader.input_path[:] = ["nowhere/val.record"]
    pipeline.write(configured, path)
    alone = inspect(path)
    assert [split.name for split in alone.splits] == ["train"]
    assert "eval_input_reader[0].tf_record_input_reader.input_path is nowhere/val.record" in alone.not_looked_at[0]
    configured.train_input_reader.tf_record_input_reader.input_path[:] = ["PATH_TO_BE_CONFIGURED/train.record"]
    pipeline.write(configured, path)
    with pytest.raises(DataError, match=r"train_input_reader.*PATH_TO_BE_CONFIGURED"):
        inspect(path)
    configured.train_input_reader.label_map_path = "nowhere.pbtxt"
    configured.train_input_reader.tf_record_input_reader.input_path[:] = evaluation
    pipeline.write(configured, path)
    with pytest.raises(LabelMapError, match=r"nowhere\.pbtxt"):
        inspect(path)


class _Reluctant(listed_dataset.ListedDataset):
    """Leaves out by a rule what others cannot read."""

    def read(self, listed):
        try:
            return super().read(listed)
        except UnusableImage as error:
            problem = error.problem
            raise UnusableImage(problem.file, None, "no xml", problem.text, is_bad=False) from error


def test_images_that_a_rule_leaves_out_are_noted_and_no_error(drawn):
    dataset = _Reluctant(drawn.folder, drawn.listed)
    for index in range(8):
        dataset = dataset.with_entry(index, "nobody annotated it.")
    findings = kinds(surveyed(dataset)[0])
    assert findings["no-xml-left-out"] == (NOTE, 8)
    assert {severity for severity, _ in findings.values()} == {NOTE}


def test_problems_of_the_whole_data_set_are_found(drawn):
    problems = (Problem("data/classes.txt", 7, "class listed twice", "cat is listed twice."),)
    inspection, _ = surveyed(drawn, problems=problems)
    finding = next(each for each in inspection.findings if each.kind == "class-listed-twice")
    assert (finding.severity, [str(each) for each in finding.examples]) == (
        WARNING,
        ["data/classes.txt:7: cat is listed twice."],
    )


def test_what_is_only_to_be_known_is_no_warning(tmp_path):
    drawn_formats.write_coco(tmp_path / "disk")
    (tmp_path / "data").mkdir()
    for place in (tmp_path / "disk").iterdir():
        (tmp_path / "data" / place.name).symlink_to(place)
    assert kinds(inspect(tmp_path / "data"))["linked-folder"] == (NOTE, 2)


def test_every_format_is_found_out_and_says_the_same_of_the_same_images(tmp_path):
    writers = {
        "voc": drawn_formats.write_voc,
        "coco": drawn_formats.write_coco,
        "yolo": drawn_formats.write_yolo,
        "csv": drawn_formats.write_csv_tutorial,
    }
    found = {}
    for format, write in writers.items():
        write(tmp_path / format)
        inspection = inspect(tmp_path / format)
        assert inspection.kind == f"{format} dataset"
        found[format] = (inspection.splits, inspection.classes, inspection.histograms, kinds(inspection))
    assert found["voc"][0][0].images == len(drawn_formats.DRAWINGS)
    assert all(each == found["voc"] for each in found.values())


def test_a_format_can_be_said_where_two_fit(tmp_path):
    drawn_formats.write_voc(tmp_path / "both")
    drawn_formats.write_coco(tmp_path / "both")
    with pytest.raises(DataError, match="Choose the format: voc or coco"):
        inspect(tmp_path / "both")
    inspection = inspect(tmp_path / "both", format="coco")
    assert inspection.kind == "coco dataset"
    assert inspection.next_command == f"odtk make-tfrecords {tmp_path / 'both'} OUTPUT_DIR --format coco"


def test_records_go_into_the_config_that_they_were_inspected_with(tmp_path):
    config = tmp_path / "pets.config"
    config.touch()
    commands = [
        Inspection("records", RECORDS, name, None, False).next_command
        for name in (str(config), "shipped_pipeline", None)
    ]
    assert commands == [
        f"odtk configure {config} --output {config} --train-records records",
        "odtk configure shipped_pipeline --output pipeline.config --train-records records",
        "odtk configure ssd_resnet50_v1_fpn_small --output pipeline.config --train-records records",
    ]
