"""Which pictures the page gets, what is on them, and that those of a batch are what the model is fed."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from odtk import pipeline
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.datasets.open_dataset import open_target
from odtk.datasets.scan import scan
from odtk.findings import Example, Finding
from odtk.records import example, shards
from odtk.report import pictures
from odtk.report.drawing import class_color
from odtk.tools.inspect.inspection import Inspection
from odtk.tools.inspect.selection import NUM_GROUNDTRUTH, choose_pictures

WIDTH, HEIGHT = 60, 40
RARE = "okapi"


def record(number, class_name, encoded=None):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, [HEIGHT, WIDTH, 3], np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    objects = (AnnotatedObject((0.25, 0.25, 0.75, 0.5), 2 if class_name == RARE else 1, class_name),)
    return example.encode(
        AnnotatedImage(encoded or buffer.getvalue(), f"{number}.png", HEIGHT, WIDTH, objects, format="png")
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    images = [record(number, RARE if number == 33 else "cat") for number in range(40)]
    shards.write_records(folder / "train.record", [*images, record(98, "cat", b"no image")])
    shards.write_records(folder / "val.record", [record(99, "cat")])
    (folder / "label_map.pbtxt").write_text(f"item {{ id: 1 name: 'cat' }} item {{ id: 2 name: '{RARE}' }}")
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    return scan(open_target(folder), num_workers=1)


def inspection(*findings):
    return Inspection("data", "records", None, None, True, findings=list(findings))


def finding(*examples, kind="kind"):
    return Finding("error", "text", kind=kind, fix="fix", count=len(examples), examples=tuple(examples))


def test_the_contact_sheet_has_every_class_and_is_the_seeds(rows):
    first, again, other = (choose_pictures(inspection(), rows, seed).groundtruth for seed in (1, 1, 2))
    assert len({each.name for each in first}) == NUM_GROUNDTRUTH
    assert [each.name for each in first] == [each.name for each in again] != [each.name for each in other]
    for chosen in (first, other):
        assert RARE in {name for each in chosen for name in each.class_names}


def test_findings_are_shown_with_their_boxes_and_look_alikes_together(rows):
    tiny = Example("tiny", "train.record", rows=(3,), boxes=(0,))
    whole = Example("odd", "train.record", rows=(4,))
    alike = Example("alike", "train.record", rows=(5, 40))
    chosen = choose_pictures(inspection(finding(alike, kind="look-alikes-across-splits"), finding(tiny, whole)), rows)
    assert [(each.name, each.focus, each.remark) for each in chosen.suspicious] == [
        ("3.png", (0,), "Kind: tiny"),
        ("4.png", None, "Kind: odd"),
    ]
    assert [[(each.name, each.split) for each in group] for group in chosen.duplicates] == [
        [("5.png", "train"), ("99.png", "val")]
    ]


def test_one_kind_does_not_crowd_out_the_others(rows):
    many = finding(*(Example("many", "f", rows=(row,)) for row in range(10)))
    chosen = choose_pictures(inspection(many, finding(Example("few", "f", rows=(20,)))), rows)
    assert "Kind: few" in {each.remark for each in chosen.suspicious}


def test_unreadable_images_are_listed_whatever_the_findings_say(rows):
    [found] = choose_pictures(inspection(), rows).unreadable
    assert found.image == "98.png"
    assert "train.record, byte" in found.where


@pytest.mark.parametrize(
    "box", [(0.5, 0.5, 0.5, 0.5), (0, 0, 1, 1), (np.nan, -np.inf, 2, np.inf), (0.9, 0.9, 0.1, 0.1)]
)
@pytest.mark.parametrize("size", [(1, 1), (5000, 3), (300, 200)])
def test_any_box_can_be_cut_out(box, size):
    cut = pictures.cut_out(Image.new("RGB", size), [box], [1], ["cat"])
    assert max(cut.size) == pictures.SIDE // 2


def test_a_crop_shows_the_box_and_what_is_around():
    image = Image.new("RGB", (1000, 1000), "white")
    image.paste((0, 0, 255), (500, 300, 520, 320))
    cut = np.asarray(pictures.cut_out(image, [(0.3, 0.5, 0.32, 0.52)], [1], [""]), int)
    blue = np.argwhere((cut == (0, 0, 255)).all(-1))
    line = np.argwhere((cut == class_color(1)).all(-1))
    assert (line.min(0) <= blue.min(0)).all()
    assert (line.max(0) >= blue.max(0)).all()
    assert 0.2 < np.ptp(blue[:, 0]) / cut.shape[0] < 0.6


def config_for(folder, resizer):
    config = pipeline.read("ssd_resnet50_v1_fpn_small")
    config.model.ssd.image_resizer.Clear()
    config.model.ssd.num_classes = 2
    pipeline.reading.text_format.Parse(resizer, config.model.ssd.image_resizer)
    config.train_input_reader.label_map_path = str(folder / "label_map.pbtxt")
    config.train_input_reader.tf_record_input_reader.input_path[:] = [str(folder / "val.record")]
    return config


def test_batches_are_what_training_feeds(folder):
    from odtk.datasets.model_inputs import read_model_inputs

    config = config_for(
        folder, "keep_aspect_ratio_resizer { min_dimension: 192 max_dimension: 288 pad_to_max_dimension: true }"
    )
    images = read_model_inputs(config, 5, seed=3)
    assert len(images) == 5  # the one image for ever
    pixels = np.asarray(images[0].image, int)
    assert pixels.shape == (288, 288, 3)
    assert images[0].true_size == (192, 288)
    assert (pixels[192:] == pixels[240, 100]).all()
    # Normalised to the padded frame; augmentation flips some of the images and not others.
    lefts = {round(float(each.boxes[0][1]), 3) for each in images}
    assert lefts == {0.25, 0.5}
    np.testing.assert_allclose(images[0].boxes[0][[0, 2]], [0.25 * 192 / 288, 0.75 * 192 / 288], rtol=1e-6)
    assert [each.class_ids.tolist() for each in images] == [[1]] * 5
    again = read_model_inputs(config, 5, seed=3)
    assert [each.image.tobytes() for each in images] == [each.image.tobytes() for each in again]


def test_what_training_would_refuse_is_said_and_the_rest_is_shown(folder, rows):
    config = config_for(folder, "fixed_shape_resizer { height: 160 width: 160 }")
    config.train_input_reader.tf_record_input_reader.input_path[:] = [str(folder / "gone.record")]
    asked = inspection()
    target = replace(rows.target, config=config, kind="pipeline.config")
    chosen = choose_pictures(asked, replace(rows, target=target))
    assert len(chosen.fed) == 0
    assert len(chosen.groundtruth) == NUM_GROUNDTRUTH
    assert "gone.record" in " ".join(asked.not_looked_at)


def test_a_config_named_beside_records_is_fed_with_these(folder, rows):
    config = config_for(folder, "fixed_shape_resizer { height: 160 width: 160 }")
    config.train_input_reader.tf_record_input_reader.input_path[:] = [str(folder / "gone.record")]
    asked = inspection()
    chosen = choose_pictures(asked, replace(rows, target=replace(rows.target, config=config)))
    assert asked.not_looked_at == []
    assert len({each.source_id for each in chosen.fed}) > 6
    assert "99.png" not in {each.source_id for each in chosen.fed}  # of the validation split
    assert chosen.name_of(2) == RARE
