"""Chooses a pipeline and how to train it, from facts about data and machine: numbers, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from odtk import pipeline
from odtk.detectors import families
from odtk.tools import schedule_edits
from odtk.tools.init_project.data_facts import DataFacts
from odtk.tools.init_project.image_size import ENOUGH, ImageSize, choose_image_size
from odtk.tools.init_project.machine_facts import CPU, GPU, TPU, MachineFacts
from odtk.tools.init_project.speed import SMALL, batch_that_fits, images_per_second, in_words
from odtk.training.evaluation_schedule import automatic_schedule

LARGE = "ssd_resnet50_v1_fpn_640x640_pets"
PHONE = "ssd_mobilenet_v2_fpnlite_320x320_pets"
# Those to fine-tune, the first that has a checkpoint here.
_TO_FINE_TUNE = {
    CPU: (PHONE,),
    GPU: (
        LARGE, "ssd_mobilenet_v2_fpnlite_640x640_pets", PHONE, "ssd_resnet101_v1_fpn_640x640_pets",
        "ssd_resnet152_v1_fpn_640x640_pets",
    ),
}  # fmt: skip
_ENOUGH_FROM_SCRATCH = 10_000
"""Training images from which on training from scratch reaches fine-tuning (He, Girshick, Dollár, 2019, on COCO)."""

# Two schedules that are known to work: the demo's 600 steps of 8 images on 112, and the zoo's recipe of 25,000 steps of
# 64, as on COCO's 118,000. In between the number of passes falls by this power of the number of images.
_DEMO_IMAGES, _DEMO_PASSES, _POWER = 112, 43.0, 0.165
_LEAST_STEPS = 600
_STEPS_FOR_A_LARGER_BATCH = 2000
_BATCHES = (8, 16, 32, 64)
_LARGEST_OF_SMALL = 32

_HOURS = {CPU: 12, GPU: 24, TPU: 24}  # that a training takes at most: a night, a day
_LEAST_SHARE = 0.25  # of the passes that are wanted, what larger images must leave in that time
_SIDES = {SMALL: (160, 224, 320, 480, 640), PHONE: (320, 448, 640), LARGE: (640, 896, 1024)}
_MOST_ENLARGED = 2  # times: beyond that only pixels without content are added
_READ_BOXES = 100


@dataclass(frozen=True)
class Plan:
    """What the project file says."""

    base: str
    checkpoint: str | None
    """To fine-tune from; None trains from scratch."""
    image_size: ImageSize
    batch_size: int
    num_steps: int
    passes: float
    """Over the training images."""
    learning_rate: float
    val_fraction: float | None
    """None: the dataset's own splits are kept."""
    resplit: bool
    """Whether the dataset has splits of its own, but none to evaluate on."""
    training_images: int
    held_out: int
    num_shards: int
    evaluation_interval: int
    """In steps, as training chooses it."""
    patience: int
    """Evaluations without a better one."""
    accumulate: bool
    """Whether a step may take several micro-batches."""
    fields: Mapping[str, str]
    """Of the pipeline: field to value."""
    max_side: int | None
    """To shrink images to, which are far larger than what they are resized to."""
    seconds: float | None
    """That training may take; None if nothing is known."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Reasons, by option."""

    @property
    def time(self) -> str | None:
        """`about 3 minutes`; None if nothing is known."""
        return None if self.seconds is None else in_words(self.seconds)


def make_plan(facts: DataFacts, machine: MachineFacts, checkpoints: Mapping[str, str] | None = None) -> Plan:
    """Chooses everything; `checkpoints` has those that are on this machine, by pipeline.

    The same arguments give the same plan.
    """
    fraction, held_out, why_fraction = _held_out(facts)
    training_images = facts.images - held_out if facts.own_splits is None or fraction else facts.own_splits["train"]
    base, checkpoint, why_base = _base(training_images, machine, checkpoints or {})
    images = _images_to_see(training_images)
    size = _image_size(facts, base, images, machine)
    batch, why_batch = _batch_size(base, size.size, images, machine)
    steps, seconds, why_steps = _num_steps(base, size.size, images, batch, training_images, machine)
    interval = automatic_schedule(1000, steps).marks[0]
    return Plan(
        base=base,
        checkpoint=checkpoint,
        image_size=size,
        batch_size=batch,
        num_steps=steps,
        passes=steps * batch / training_images,
        learning_rate=_learning_rate(base, batch),
        val_fraction=fraction,
        resplit=fraction is not None and facts.own_splits is not None,
        training_images=training_images,
        held_out=held_out,
        num_shards=_num_shards(training_images, held_out),
        evaluation_interval=interval,
        patience=max(5, steps // interval // 2),
        accumulate=machine.kind == GPU and base != SMALL,
        fields={**size.edits, **_for_many_boxes(base, facts)},
        max_side=2 * max(size.size) if max(facts.image_size) > 3 * max(size.size) else None,
        seconds=seconds,
        why={
            "val-fraction": why_fraction, "base": why_base, "image-size": _why_size(facts, size),
            "batch-size": why_batch, "num-steps": why_steps, "set": _why_fields(facts, size),
        },
    )  # fmt: skip


def _held_out(facts: DataFacts) -> tuple[float | None, int, str]:
    """The fraction of the images for evaluation, their number, and why."""
    if facts.own_splits is not None and facts.held_out:
        counts = ", ".join(f"{count:,} images for {split}" for split, count in facts.own_splits.items())
        return None, facts.held_out, f"The dataset's own splits are kept: {counts}."
    fraction = 0.3 if facts.images < 1000 else 0.2 if facts.images < 10_000 else 0.1 if facts.images < 50_000 else 0.05
    count = max(1, round(facts.images * fraction))
    why = "a rough measure" if count < 30 else "fewer would say little" if count < 300 else "enough for steady metrics"
    return fraction, count, f"About {count:,} images are held out for evaluation and never trained on: {why}."


def _base(training_images: int, machine: MachineFacts, checkpoints: Mapping[str, str]) -> tuple[str, str | None, str]:
    """Pipeline, checkpoint and why."""
    for base in _TO_FINE_TUNE[CPU if machine.kind == CPU else GPU]:
        if base in checkpoints:
            return base, checkpoints[base], "Fine-tuning: the checkpoint that this pipeline is made for is here."
    if machine.kind == CPU:
        return SMALL, None, "Made for CPUs: pipelines for fine-tuning take five times as long, and more."
    if training_images < _ENOUGH_FROM_SCRATCH:
        why = f"{training_images:,} images are too few to train a large network from scratch, so this is a small one."
        return SMALL, None, why
    return LARGE, None, f"{training_images:,} images are enough to train a large network even from scratch."


def _images_to_see(training_images: int) -> float:
    passes = _DEMO_PASSES * (_DEMO_IMAGES / training_images) ** _POWER
    return max(passes * training_images, _LEAST_STEPS * _BATCHES[0])


def _image_size(facts: DataFacts, base: str, images: float, machine: MachineFacts) -> ImageSize:
    sides = _SIDES[base if base in _SIDES else LARGE]
    if base == SMALL and machine.kind != CPU and min(facts.image_size) >= 320:
        sides = sides[2:]  # fast enough, and finer
    sides = sides[:1] + tuple(side for side in sides[1:] if side <= _MOST_ENLARGED * max(facts.image_size))

    def can_afford(size: tuple[int, int]) -> bool:
        speed = images_per_second(base, size, _BATCHES[0], machine)
        return speed is None or images / speed * _LEAST_SHARE <= _HOURS[machine.kind] * 3600

    return choose_image_size(facts, base, sides, can_afford)


def _why_size(facts: DataFacts, size: ImageSize) -> str:
    share = f"{size.matched:.0%} of the boxes have an anchor of similar size"
    height, width = size.size
    shape = f", in the shape of the images ({facts.image_size[1]}x{facts.image_size[0]})" if height != width else ""
    if size.edits:
        return f"{share}{shape}, with the anchors set below; without that {size.matched_before:.0%}."
    if size.matched >= ENOUGH:
        return f"The smallest at which they fit: {share}{shape}."
    more = "larger images would take too long here" if size.is_limited else "a larger size would not help"
    return f"{share}{shape}; {more}."


def _for_many_boxes(base: str, facts: DataFacts) -> dict[str, str]:
    """Fields that let all boxes of an image be read and found."""
    if facts.most_boxes <= _READ_BOXES:
        return {}
    suppression = f"{families.of(pipeline.read(base)).path}.post_processing.batch_non_max_suppression"
    fields = (
        "train_input_reader.max_number_of_boxes", "eval_input_reader[0].max_number_of_boxes",
        f"{suppression}.max_detections_per_class", f"{suppression}.max_total_detections",
    )  # fmt: skip
    return dict.fromkeys(fields, str(facts.most_boxes))


def _why_fields(facts: DataFacts, size: ImageSize) -> str:
    why = []
    if size.edits:
        why.append("Anchors of the sizes and shapes of these boxes.")
    if facts.most_boxes > _READ_BOXES:
        why.append(f"An image has {facts.most_boxes} boxes, and pipelines read and find {_READ_BOXES}.")
    return " ".join(why)


def _batch_size(base: str, size: tuple[int, int], images: float, machine: MachineFacts) -> tuple[int, str]:
    if machine.kind == CPU:
        batch = batch_that_fits(base, size, _BATCHES[0], machine)
        if batch < _BATCHES[0]:
            return batch, "More images do not fit into this machine's memory."
        return batch, "A CPU computes more images no faster."
    most = _LARGEST_OF_SMALL if base == SMALL else _BATCHES[-1]
    enough = [each for each in _BATCHES if each <= most and images / each >= _STEPS_FOR_A_LARGER_BATCH]
    if not enough:
        return _BATCHES[0], "With so few images, larger batches would leave too few steps to learn in."
    return enough[-1], f"Leaves more than {_STEPS_FOR_A_LARGER_BATCH:,} steps; the learning rate grows with it."


def _num_steps(
    base: str, size: tuple[int, int], images: float, batch: int, training_images: int, machine: MachineFacts
) -> tuple[int, float | None, str]:
    """Steps, the seconds they may take, and why."""
    wanted = max(_LEAST_STEPS, _rounded(images / batch))
    speed = images_per_second(base, size, batch, machine)
    hours = _HOURS[machine.kind]
    if speed is None:
        return wanted, None, _why_steps(wanted, batch, training_images)
    seconds = _seconds(wanted * batch / speed)
    if seconds <= hours * 3600:
        return wanted, seconds, _why_steps(wanted, batch, training_images)
    steps = max(_LEAST_STEPS, _rounded(hours * 3600 / 1.25 * speed / batch))
    why = f"What {hours} hours allow here, as far as known; {wanted:,} would be better, in {in_words(seconds)}."
    return steps, _seconds(steps * batch / speed), why


def _seconds(steps: float) -> float:
    """Of a training: evaluations take up to a fifth of the time, and the first step compiles."""
    return steps * 1.25 + 30


def _why_steps(steps: int, batch: int, training_images: int) -> str:
    passes = f"{steps * batch / training_images:.0f} passes over about {training_images:,} training images"
    if steps == _LEAST_STEPS:
        return f"{passes}: with fewer steps hardly anything is learned."
    return (
        f"{passes}: between the {_DEMO_PASSES:.0f} that work for {_DEMO_IMAGES} images (`odtk demo`) and the 14 for "
        "118,000 (COCO)."
    )


def _rounded(steps: float) -> int:
    """To two digits or three, as people write such numbers."""
    unit = 50 if steps < 2000 else 100 if steps < 10_000 else 1000
    return round(steps / unit) * unit


def _learning_rate(base: str, batch: int) -> float:
    config = pipeline.read(base)
    found = schedule_edits.base_rate(config)
    return found[1] * batch / config.train_config.batch_size if found else 0.0


def _num_shards(training_images: int, held_out: int) -> int:
    """Of about a thousand images, but no empty ones."""
    return min(max(2, round(training_images / 1000)), 100, max(1, held_out))
