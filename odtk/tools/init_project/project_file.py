"""What the project file of a plan says: its head, and the keys of each section with their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from odtk.prototext.schema import some
from odtk.terminal_text import on_one_line
from odtk.tools.init_project.choice import Plan
from odtk.tools.init_project.data_facts import DataFacts
from odtk.tools.init_project.machine_facts import CPU, GPU, TPU, MachineFacts
from odtk.tools.init_project.project_text import Entry, command, comment, scalar, section
from odtk.tools.zoo_checkpoints import Checkpoint

FORMATS = {
    "voc": "Pascal VOC", "coco": "COCO", "yolo": "YOLO", "csv": "a CSV table", "pets": "the Oxford-IIIT Pet layout",
}  # fmt: skip
_CLASSES_NAMED = 6
_ADVICE = (
    "Fine-tuning a network that was trained on COCO finds more, with fewer images. To do that, download it beside this "
    "file, and let odtk choose again, in this file's folder:"
)
_SEED = 1


@dataclass(frozen=True)
class Project:
    """A project file that is to be written; paths are relative to its folder."""

    name: str
    """Of the file."""
    data_dir: str
    output: str
    label_map: str | None
    facts: DataFacts
    machine: MachineFacts
    plan: Plan
    notes: tuple[str, ...]
    to_fine_tune: Checkpoint
    """What could be fine-tuned from instead, if nothing is."""


def project_text(project: Project) -> str:
    """The whole file; the same project gives the same text."""
    sections = {
        "make-tfrecords": _make_tfrecords, "configure": _configure, "train": _train, "evaluate": _evaluate,
        "export": _export,
    }  # fmt: skip
    what = "records, config, checkpoints, metrics and the exported model go there"
    lines = [*_head(project), "", f"output: {scalar(project.output)}  # {what}"]
    for name, entries in sections.items():
        lines += ["", *section(name, list(entries(project)))]
    return "\n".join(lines) + "\n"


def found_in_words(facts: DataFacts) -> str:
    """What the folder holds, in two sentences."""
    height, width = facts.image_size
    names = [f"{on_one_line(name)} ({count:,})" for name, count in facts.classes.items()]
    count = f"{len(names)} classes" if len(names) != 1 else "one class"
    negatives = f", {facts.negatives:,} of them without boxes" if facts.negatives else ""
    low, high = (f"{100 * share:.2g}%" for share in np.quantile(np.sqrt(facts.box_sizes.prod(axis=1)), (0.25, 0.75)))
    sizes = low if low == high else f"{low} to {high}"
    return (
        f"{FORMATS[facts.format]}, {facts.images:,} images{negatives}, mostly about {width}x{height}, with "
        f"{facts.boxes:,} boxes of {count}: {some(names, _CLASSES_NAMED)}. Half of the boxes measure {sizes} of "
        "their image's side."
    )


def _head(project: Project) -> list[str]:
    plan, run = project.plan, command("odtk", "run", project.name)
    lines = [
        *comment(
            "A project for odtk: everything from annotated images to an exported detector. `odtk run --init` chose the "
            "values below for these images and this machine, and says why; change what you like. In this "
            "file's folder:"
        ),
        "#",
        f"#     {run} --dry-run    # shows the commands",
        f"#     {run}              # runs them, except what is already done",
        "#",
        *comment(f"Data: {found_in_words(project.facts)}"),
        *comment(f"Machine: {project.machine.in_words}."),
    ]
    if plan.time:
        lines += comment(f"Training will take {plan.time}, as a rough estimate from other machines, not measured here.")
    for note in project.notes:
        lines += comment(f"Note: {note}")
    lines += [
        "#",
        *comment(
            "Each section is a command, each key one of its options: `odtk train --help` explains those of train. A "
            "line that begins with #, without a space after it, is a key that is not used. Paths are relative to this "
            "file."
        ),
    ]
    return lines


def _make_tfrecords(project: Project) -> Iterator[Entry]:
    """Annotated images to records."""
    facts, plan = project.facts, project.plan
    yield Entry("data-dir", project.data_dir)
    if project.label_map:
        yield Entry("label-map", project.label_map, "the classes and their numbers, found in the folder")
    if plan.resplit:
        yield Entry("resplit", "true", "the dataset's own splits have no images to evaluate on")
    if plan.val_fraction is None:
        yield Entry("resplit", "true", f"{plan.why['val-fraction']} To split all images again instead:", is_off=True)
    else:
        yield Entry("val-fraction", f"{plan.val_fraction:g}", plan.why["val-fraction"])
    yield Entry("num-shards", plan.num_shards, "files for each split")
    if facts.format != "pets":
        if plan.val_fraction is not None:
            yield Entry("test-fraction", 0.1, "images that neither training nor evaluation uses", is_off=True)
        yield _max_side(plan)
        yield Entry("skip-difficult", "true", "leaves out objects marked as difficult", is_off=True)
    if facts.format == "coco":
        yield Entry("skip-crowd", "true", "leaves out groups marked as a crowd", is_off=True)
    if facts.format == "pets":
        yield Entry("full-body", "true", "boxes around bodies, from the trimaps, not around faces", is_off=True)
    if not project.label_map:
        what = "the 37 breeds" if facts.format == "pets" else "made from the data"
        yield Entry("label-map", "label_map.pbtxt", f"classes and their numbers; by default {what}", is_off=True)
    yield Entry("max-bad-fraction", 0.05, "more unusable images than this are an error", is_off=True)


def _max_side(plan: Plan) -> Entry:
    if plan.max_side:
        return Entry("max-side", plan.max_side, "far larger images would only be slower to read")
    return Entry("max-side", 1024, "shrinks larger images, and so the records", is_off=True)


def _configure(project: Project) -> Iterator[Entry]:
    """The detector."""
    plan, size = project.plan, project.plan.image_size
    is_small = not plan.checkpoint and project.to_fine_tune.pipeline != plan.base
    why = f"{plan.why['base']} {_ADVICE}" if is_small else plan.why["base"]
    yield Entry("base", plan.base, why, example=_commands(project) if is_small else ())
    yield from _fine_tuning(project)
    why = f"Height and width that images are resized to. {plan.why['image-size']}"
    yield Entry("image-size", "x".join(map(str, size.size)), why)
    yield Entry("batch-size", plan.batch_size, f"Images per step. {plan.why['batch-size']}")
    yield Entry("num-steps", plan.num_steps, plan.why["num-steps"])
    yield Entry("learning-rate", f"{plan.learning_rate:g}", "the pipeline's, scaled with the batch size", is_off=True)
    yield _fields(plan)


def _fields(plan: Plan) -> Entry:
    example = {"train_config.optimizer.momentum_optimizer.momentum_optimizer_value": "0.95"}
    why = f"{plan.why['set']} Any field of the pipeline, whose text explains them:".lstrip()
    return Entry("set", plan.fields or example, why, is_off=not plan.fields)


def _fine_tuning(project: Project) -> Iterator[Entry]:
    plan = project.plan
    if plan.checkpoint:
        why = "Training starts from these weights, which were trained on COCO."
        yield Entry("fine-tune-checkpoint", plan.checkpoint, why)
    elif project.to_fine_tune.pipeline == plan.base:
        why = f"Empty: training starts from random weights. {_ADVICE}"
        yield Entry("fine-tune-checkpoint", "", why, example=_commands(project))


def _commands(project: Project) -> tuple[str, ...]:
    """How to get a checkpoint, and a project that uses it."""
    init = command("odtk", "run", "--init", project.data_dir, project.name, "--overwrite")
    return command("odtk", "download", project.to_fine_tune.model), init


def _train(project: Project) -> Iterator[Entry]:
    """Training."""
    plan, machine = project.plan, project.machine
    yield Entry("seed", _SEED, "repeats a run on the same machine; any number")
    why = (
        f"Stops after so many evaluations without a better mAP: with one every {plan.evaluation_interval} steps, "
        "about half of the run. The best weights are kept in any case."
    )
    yield Entry("patience", plan.patience, why)
    what = "in steps; by default about this, for a fifth of the time at most"
    yield Entry("eval-every", plan.evaluation_interval, what, is_off=True)
    if plan.accumulate:
        yield Entry("accumulate", "auto", "a batch that does not fit into the device's memory is computed in parts")
        what = "instead: the largest batch that fits, its rate in proportion; adapt num-steps"
        yield Entry("batch-size", "auto", what, is_off=True)
    if machine.kind == TPU:
        yield Entry("tpu", "local", "the TPU of this machine")
    if plan.checkpoint and plan.training_images < 1000:
        yield Entry("reuse-head-weights", "true", "also takes the checkpoint's towers, which helps with few images")
    yield Entry("max-time", "8h", "stops and saves in time; the next `odtk run` goes on", is_off=True)
    yield Entry("checkpoint-every", 1000, "in steps; an interrupted run goes on from its last one", is_off=True)
    yield Entry("precision", "float32", _precision(machine), is_off=True)
    if machine.kind != TPU:
        device = "cpu" if machine.kind == CPU else "gpu:0"
        yield Entry("devices", device, "by default all GPUs, else the CPU", is_off=True)
    if machine.kind == GPU:
        yield Entry("cache", "memory", "keeps decoded images, if the GPU waits for data", is_off=True)
    yield Entry("log-to", "wandb", "or mlflow: also sends metrics there", is_off=True)


def _precision(machine: MachineFacts) -> str:
    if machine.kind == CPU:
        return "what a CPU computes in by default"
    return "by default 16 bits where the device is faster so"


def _evaluate(project: Project) -> Iterator[Entry]:
    """Metrics of the trained detector."""
    yield Entry("checkpoint", "last", "by default the best one", is_off=True)


def _export(project: Project) -> Iterator[Entry]:
    """The SavedModel."""
    yield Entry("winograd", "true", "faster by a quarter on CPUs, but larger; not for GPUs", is_off=True)
    yield Entry("precision", "float16", "for GPUs: float16 or bfloat16", is_off=True)
    yield Entry("input-type", "encoded_image_string_tensor", "JPEG or PNG bytes as input, not pixels", is_off=True)
