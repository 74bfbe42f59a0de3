"""The choices of `odtk run --init`: tables of data and machines, without files."""

import dataclasses

import numpy as np
import pytest

from odtk import pipeline
from odtk.detectors import families
from odtk.pipeline.readers import max_number_of_boxes
from odtk.tools.init_project.choice import LARGE, PHONE, make_plan
from odtk.tools.init_project.data_facts import DataFacts
from odtk.tools.init_project.image_size import choose_image_size, matched_share
from odtk.tools.init_project.machine_facts import CPU, GPU, TPU, MachineFacts
from odtk.tools.init_project.notes import notes
from odtk.tools.init_project.speed import SMALL, batch_that_fits, images_per_second, in_words

TWO_CORES = MachineFacts(cores=2, memory=8 * 10**9)
T4 = MachineFacts(cores=2, memory=13 * 10**9, kind=GPU, model="Tesla T4", device_memory=15 * 10**9)
H100 = MachineFacts(cores=16, memory=128 * 10**9, kind=GPU, model="NVIDIA H100 80GB HBM3", device_memory=80 * 10**9)


def data(images=160, classes=4, sides=(0.28, 0.39), image_size=(480, 640), **others) -> DataFacts:
    """A dataset whose boxes are squares with sides in this range, relative to the image."""
    boxes = np.repeat(np.linspace(*sides, 50)[:, None], 2, axis=1)
    ratio = image_size[1] / image_size[0]
    facts = DataFacts(
        folder="data", format="voc", images=images, boxes=len(boxes),
        classes={f"class {number}": images // classes for number in range(classes)}, box_sizes=boxes,
        image_size=image_size, aspect_ratios=(ratio, ratio, ratio), decoded=images,
    )  # fmt: skip
    return dataclasses.replace(facts, **others)


PETS = data(image_size=(210, 210))


def test_the_demos_data_get_the_demos_training_on_a_cpu():
    plan = make_plan(PETS, TWO_CORES)
    assert (plan.base, plan.image_size.size, plan.batch_size, plan.num_steps) == (SMALL, (160, 160), 8, 600)
    assert (plan.val_fraction, plan.held_out, plan.training_images, plan.num_shards) == (0.3, 48, 112, 2)
    assert plan.learning_rate == pytest.approx(0.02)
    assert not plan.image_size.edits
    assert plan.checkpoint is None
    assert 60 < plan.seconds < 600, "odtk demo takes two to three minutes"
    assert not notes(plan, PETS, TWO_CORES)


@pytest.mark.parametrize("machine", [TWO_CORES, T4, H100, dataclasses.replace(T4, kind=TPU)])
@pytest.mark.parametrize(("images", "classes"), [(10, 1), (160, 4), (1200, 90), (118_000, 600)])
def test_every_plan_is_one_that_its_pipeline_can_be_trained_by(images, classes, machine):
    facts = data(images, classes)
    plan = make_plan(facts, machine)
    config = pipeline.read(plan.base)
    size = families.of(config).input_size(config.model)
    assert all(size.takes(side) for side in plan.image_size.size)
    assert plan.held_out + plan.training_images == images
    assert plan.held_out >= plan.num_shards >= 1
    assert plan.num_steps >= 600
    assert plan.passes == plan.num_steps * plan.batch_size / plan.training_images
    assert plan.seconds is None or plan.seconds < 25 * 3600
    assert set(plan.why) == {"base", "image-size", "batch-size", "num-steps", "val-fraction", "set"}
    assert all(why.endswith(".") and len(why) > 30 for key, why in plan.why.items() if key != "set")
    assert plan == make_plan(facts, machine)


def test_more_images_are_passed_over_less_often_and_fewer_of_them_are_held_out():
    plans = [make_plan(data(images), H100) for images in (160, 1200, 12_000, 118_000)]
    passes, fractions = [plan.passes for plan in plans], [plan.val_fraction for plan in plans]
    assert passes == sorted(passes, reverse=True)
    assert fractions == [0.3, 0.2, 0.1, 0.05]
    batches = [plan.batch_size for plan in plans]
    assert batches == sorted(batches)
    assert batches[-1] == 64


def test_on_a_gpu_many_images_train_the_large_network_from_scratch_and_few_the_small_one():
    assert make_plan(data(118_000), T4).base == LARGE
    assert make_plan(data(118_000), T4).accumulate
    assert make_plan(data(160), H100).base == SMALL
    assert not make_plan(data(160), H100).accumulate


def test_a_checkpoint_that_is_here_is_fine_tuned_if_the_device_can():
    here = {LARGE: "zoo/large/ckpt-0", PHONE: "zoo/phone/ckpt-0"}
    assert make_plan(PETS, H100, here).checkpoint == "zoo/large/ckpt-0"
    assert make_plan(PETS, H100, {PHONE: here[PHONE]}).base == PHONE
    on_cpu = make_plan(PETS, TWO_CORES, here)
    assert (on_cpu.base, on_cpu.checkpoint) == (PHONE, here[PHONE]), "the large one would take days"
    assert make_plan(PETS, TWO_CORES, {LARGE: here[LARGE]}).base == SMALL


def test_a_training_that_would_take_days_is_shortened_and_says_so():
    plan = make_plan(data(118_000), dataclasses.replace(TWO_CORES, cores=1))
    assert plan.passes < 14
    assert plan.seconds < 12.1 * 3600
    assert "12 hours" in plan.why["num-steps"]


def test_small_objects_get_larger_images_and_tiny_ones_smaller_anchors_where_larger_images_take_too_long():
    sizes = [make_plan(data(sides=sides), TWO_CORES).image_size for sides in ((0.2, 0.3), (0.1, 0.15), (0.05, 0.06))]
    areas = [size.size[0] for size in sizes]
    assert areas == sorted(areas)
    assert areas[0] < areas[1]
    assert all(size.matched >= 0.9 for size in sizes)
    many = make_plan(data(20_000, sides=(0.04, 0.06)), TWO_CORES)
    assert many.image_size.size[0] < 640
    assert "anchor_scale" in str(many.image_size.edits)
    assert many.image_size.matched >= 0.9 > many.image_size.matched_before


def test_objects_that_no_size_fits_are_named():
    plan = make_plan(data(20_000, sides=(0.003, 0.005)), TWO_CORES)
    assert plan.image_size.matched < 0.5
    assert plan.image_size.size[0] > 320
    assert any("tiles" in note for note in notes(plan, data(), TWO_CORES))


def test_small_images_are_not_blown_up():
    small = make_plan(data(sides=(0.05, 0.06), image_size=(90, 100)), TWO_CORES)
    assert small.image_size.size == (160, 160)
    assert make_plan(data(sides=(0.05, 0.06), image_size=(900, 1000)), TWO_CORES).image_size.size > (320, 320)


def test_long_objects_get_long_anchors_not_larger_images():
    lines = data(box_sizes=np.tile([[0.1, 0.5]], (20, 1)))
    size = make_plan(lines, TWO_CORES).image_size
    assert size.size == (160, 160)
    assert "aspect_ratios" in str(size.edits)
    assert size.matched == 1


def test_anchors_that_grow_with_the_image_match_the_same_boxes_at_any_size():
    """Those of an ssd_anchor_generator, whose fields are not those of a pyramid's anchors."""
    facts, sides = data(sides=(0.05, 0.06)), (160, 320, 640)
    alone = [choose_image_size(facts, "ssd_mobilenet_v2_small", [side], lambda size: True) for side in sides]
    assert len({size.matched for size in alone}) == 1
    assert alone[0].matched < 0.9
    chosen = choose_image_size(facts, "ssd_mobilenet_v2_small", sides, lambda size: True)
    assert not chosen.edits
    assert chosen.matched == alone[0].matched


def test_panoramas_keep_their_shape():
    height, width = make_plan(data(image_size=(400, 1600)), TWO_CORES).image_size.size
    assert width >= 2 * height
    height, width = make_plan(data(image_size=(1600, 400)), TWO_CORES).image_size.size
    assert height >= 2 * width
    assert len(set(make_plan(data(image_size=(1080, 1920)), TWO_CORES).image_size.size)) == 1
    mixed = data(image_size=(400, 1600), aspect_ratios=(0.8, 4.0, 4.1))
    assert len(set(make_plan(mixed, TWO_CORES).image_size.size)) == 1


def test_little_memory_means_a_smaller_batch():
    assert batch_that_fits(SMALL, (160, 160), 8, dataclasses.replace(TWO_CORES, memory=4 * 2**30)) == 8
    assert batch_that_fits(SMALL, (640, 640), 8, dataclasses.replace(TWO_CORES, memory=4 * 2**30)) == 4
    assert batch_that_fits(SMALL, (160, 160), 8, dataclasses.replace(TWO_CORES, memory=2**30)) == 1
    assert batch_that_fits(SMALL, (640, 640), 8, dataclasses.replace(TWO_CORES, memory=None)) == 8
    little = dataclasses.replace(TWO_CORES, memory=4 * 2**30)
    plan = make_plan(data(sides=(0.04, 0.06)), dataclasses.replace(little, memory=3 * 10**9))
    assert plan.batch_size < 8
    assert "memory" in plan.why["batch-size"]
    assert plan.learning_rate == pytest.approx(0.02 * plan.batch_size / 8)


def test_own_splits_are_kept():
    plan = make_plan(data(own_splits={"train": 130, "val": 20, "test": 10}), TWO_CORES)
    assert (plan.val_fraction, plan.training_images, plan.held_out) == (None, 130, 20)
    plan = make_plan(data(own_splits={"train": 130, "test": 30}), TWO_CORES)
    assert (plan.val_fraction, plan.resplit, plan.training_images) == (0.3, True, 112)


def test_own_splits_are_named():
    plan = make_plan(data(own_splits={"train": 130, "val": 20, "test": 10}), TWO_CORES)
    assert "130 images for train, 20 images for val, 10 images for test" in plan.why["val-fraction"]


def test_what_should_be_known_is_said():
    facts = data(20, classes=1)
    assert "very few" in notes(make_plan(facts, TWO_CORES), facts, TWO_CORES)[0]
    facts = data(unusable=7, problems={"empty box": 2}, near_duplicates=50, notes=("a note",))
    facts = dataclasses.replace(facts, classes={"cat": 150, "dog": 3})
    found = notes(make_plan(facts, TWO_CORES), facts, TWO_CORES)
    assert "'dog' (3)" in found[0]
    assert "7 of 167 images" in found[1]
    assert "empty box (2)" in found[2]
    assert "50 of 160" in found[3]
    assert found[4] == "a note"
    hidden = dataclasses.replace(TWO_CORES, has_unused_gpu=True)
    assert "odtk doctor" in notes(make_plan(PETS, hidden), PETS, hidden)[0]


def test_images_with_more_boxes_than_are_read():
    assert make_plan(data(most_boxes=100), TWO_CORES).fields == {}
    plan = make_plan(data(most_boxes=340), TWO_CORES)
    assert set(plan.fields.values()) == {"340"}
    text = pipeline.set_fields(pipeline.read_text(plan.base), list(plan.fields.items()), "pipeline")
    config = pipeline.parse(text, "pipeline")
    assert max_number_of_boxes(config.train_input_reader, config.train_config) == 340
    assert max_number_of_boxes(config.eval_input_reader[0]) == 340
    assert config.model.ssd.post_processing.batch_non_max_suppression.max_total_detections == 340


def test_images_that_are_far_larger_than_their_input_are_shrunk():
    assert make_plan(data(image_size=(3000, 4000)), TWO_CORES).max_side == 320
    assert make_plan(data(image_size=(300, 400)), TWO_CORES).max_side is None


def test_training_waits_for_half_of_its_evaluations():
    plan = make_plan(PETS, TWO_CORES)
    assert plan.patience == plan.num_steps // plan.evaluation_interval // 2


def test_the_speed_of_a_device_is_known_only_where_something_was_measured():
    unknown = dataclasses.replace(T4, model="NVIDIA Something 1")
    assert images_per_second(LARGE, (640, 640), 64, unknown) is None
    assert make_plan(data(118_000), unknown).time is None
    speeds = [images_per_second(LARGE, (640, 640), 64, machine) for machine in (TWO_CORES, T4, H100)]
    assert speeds == sorted(speeds)
    assert speeds[0] == pytest.approx(0.3)
    a100, a10 = (dataclasses.replace(H100, model=f"NVIDIA {name}") for name in ("A100-SXM4-40GB", "A10G"))
    l40s = dataclasses.replace(T4, model="NVIDIA L40S")
    assert images_per_second(LARGE, (640, 640), 64, l40s) is None, "not an L4"
    assert images_per_second(LARGE, (640, 640), 64, a100) > images_per_second(LARGE, (640, 640), 64, a10)
    assert [in_words(seconds) for seconds in (5, 200, 3 * 3600, 3 * 86400)] == [
        "about 1 minute", "about 3 minutes", "about 3 hours", "about 3 days",
    ]  # fmt: skip


def test_boxes_are_compared_with_anchors_by_their_iou():
    boxes = np.array([[0.25, 0.25], [0.1, 0.1], [0.5, 0.125]])
    assert matched_share(boxes, (160, 160), [(40.0, 40.0)]) == pytest.approx(1 / 3)
    assert matched_share(boxes, (400, 400), [(40.0, 40.0)]) == pytest.approx(1 / 3)
    assert matched_share(boxes, (160, 160), []) == 1


@pytest.mark.parametrize("kind", [CPU, GPU])
def test_the_machine_in_words(kind):
    text = dataclasses.replace(T4, kind=kind).in_words
    assert text == ("2 CPU cores and 13 GB of memory" if kind == CPU else "one Tesla T4 with 15 GB")
