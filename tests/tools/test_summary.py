"""`odtk summary`: what it shows of a config, a model dir and an exported folder, and where a size breaks a model."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from golden_cases import GOLDEN, variant_case

from odtk import pipeline
from odtk.annotations.annotated_image import AnnotatedImage
from odtk.cli.main import cli
from odtk.detectors import families
from odtk.detectors.parts.anchor_grid import AnchorGrid
from odtk.errors import ConfigError
from odtk.records import example, shards
from odtk.tools.summary import document, read_model_config, summary
from odtk.tools.summary.anchor_levels import anchor_levels
from odtk.tools.summary.image_sizes import Frame, typical_size
from odtk.tools.summary.report import memory_of

# How deep the backbone is does not matter here.
pytestmark = pytest.mark.usefixtures("shallow_resnet")


@pytest.fixture(scope="module")
def report():
    return summary(GOLDEN / "variants/base.config", image_size=(320, 240))


def test_an_anchor_is_as_large_in_the_original_as_what_it_covers(report):
    """The config resizes to 160 x 160 without regard to the shape: 320 x 240 pixels shrink by 2 and by 1.5."""
    assert report.input_size == (160, 160)
    first = report.anchors[0]
    assert [level.stride for level in report.anchors] == pytest.approx([8, 16, 32, 64, 128])
    assert (first.rows, first.columns, first.count) == (20, 20, 20 * 20 * first.per_cell)
    assert report.costs.layers[-1].info.shapes[0][1] == sum(level.count for level in report.anchors)
    ratios = np.divide(first.original_sizes, first.input_sizes)
    np.testing.assert_allclose(ratios, np.broadcast_to([1.5, 2.0], ratios.shape), rtol=1e-6)
    areas = np.prod(first.input_sizes, axis=1)
    assert np.sqrt(areas.min()) == pytest.approx(32, rel=0.05)  # TFOD's anchor_scale 4 at stride 8


def test_padding_does_not_count_as_a_part_of_the_image():
    grid = AnchorGrid([np.full([2, 2, 1, 4], [0.0, 0.0, 0.5, 0.25], np.float32)])
    (level,) = anchor_levels(grid, Frame(original=(100, 400), scaled=(50, 200), padded=(200, 200)))
    assert level.input_sizes == ((100.0, 50.0),)
    assert level.original_sizes == ((200.0, 100.0),)


def test_anchors_that_training_clips_are_shown_whole():
    config = pipeline.read("faster_rcnn_resnet50_fpn_small")
    assert config.model.faster_rcnn.clip_anchors_to_image
    frame = Frame(original=(128, 128), scaled=(128, 128), padded=(128, 128))
    levels = anchor_levels(families.of(config).anchor_grid(config.model, (128, 128)), frame)
    assert [level.stride for level in levels] == pytest.approx([8, 16, 32])
    for level in levels:
        areas = np.sort(np.prod(level.input_sizes, axis=1))
        np.testing.assert_allclose(
            areas, np.repeat([(4 * level.stride) ** 2, 2 * (4 * level.stride) ** 2], 3), rtol=1e-5
        )


def test_the_memory_of_a_step_is_weights_gradients_slots_and_each_images(report):
    memory, costs = report.memory, report.costs
    assert memory.weights == 4 * costs.parameters
    assert memory.gradients == memory.optimizer == 4 * costs.trainable_parameters  # momentum
    assert memory.training_batch == (
        memory.weights + 2 * memory.gradients + report.batch_size * memory.training_image
    )  # fmt: skip
    config = variant_case("base").config.train_config
    config.optimizer.use_moving_average = True
    larger = memory_of(costs, report.batch_size + 3, config)
    assert larger.optimizer == 2 * memory.optimizer
    assert larger.training_batch - memory.training_batch == 3 * memory.training_image + memory.optimizer


def test_the_size_of_most_training_images_is_taken(tmp_path):
    config = variant_case("base").config
    assert typical_size(config) is None
    images = [AnnotatedImage(b"x", f"{n}.jpg", 30, width, ()) for n, width in enumerate([50, 40, 40])]
    shards.write_records(tmp_path / "train.record", map(example.encode, images))
    del config.train_input_reader.tf_record_input_reader.input_path[:]
    config.train_input_reader.tf_record_input_reader.input_path.append(str(tmp_path / "train.record"))
    assert typical_size(config) == (40, 30)


def test_the_json_of_a_folder_with_a_config(tmp_path, report):
    pipeline.write(variant_case("base").config, tmp_path / "pipeline.config")
    ran = CliRunner().invoke(cli, ["summary", str(tmp_path), "--image-size", "320x240", "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["layers"] == json.loads(json.dumps(document(report)["layers"]))
    assert found["parameters"] == sum(each["parameters"] for each in found["layers"] if not each["is_group"])
    assert found["broken"] is None
    (tmp_path / "saved_model").mkdir()
    assert read_model_config(tmp_path / "saved_model")[0] == str(tmp_path / "pipeline.config")


def test_a_table_of_layers_with_a_group_before_what_is_inside(report, monkeypatch):
    def summed_up(model, log, **options):
        log("The config's training images are not here ...")
        return report

    monkeypatch.setattr("odtk.tools.summary.summary", summed_up)
    ran = CliRunner().invoke(cli, ["summary", str(GOLDEN / "variants/base.config"), "--depth", "2"])
    lines = ran.stdout.splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    assert names.index("pyramid") < names.index("lateral_0") < names.index("heads") < names.index("box_tower")
    assert "conv_0" not in names
    assert "The config's training images are not here" in ran.stderr


def test_a_size_that_does_not_fit_ends_the_table_there(tmp_path):
    config = variant_case("base").config
    config.model.ssd.image_resizer.fixed_shape_resizer.height = 200
    pipeline.write(config, tmp_path / "bad.config")
    ran = CliRunner().invoke(cli, ["summary", str(tmp_path / "bad.config")])
    assert ran.exit_code == 1
    assert "✗ pyramid" in ran.stdout
    assert "Dimensions must be equal" in ran.stdout
    assert "model.ssd.image_resizer.fixed_shape_resizer.height: is 200, which is not a multiple of" in ran.stdout
    assert "heads" not in ran.stdout


@pytest.mark.parametrize("size", ["10", "0x4", "axb"])
def test_a_size_that_is_none_is_a_usage_error(size):
    ran = CliRunner().invoke(cli, ["summary", "x.config", "--image-size", size])
    assert ran.exit_code == 2
    assert "is not a size like 1280x720" in ran.output


def test_what_has_no_config_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"has no pipeline\.config, which says what its model is"):
        summary(tmp_path)
