"""What a person should know of data and machine before training."""

from __future__ import annotations

from collections.abc import Iterator

from odtk.prototext.schema import some
from odtk.system_errors import in_bytes
from odtk.tools.init_project.choice import Plan
from odtk.tools.init_project.data_facts import DataFacts
from odtk.tools.init_project.image_size import FEW
from odtk.tools.init_project.machine_facts import CPU, MachineFacts

_FEW_IMAGES, _FEW_OF_A_CLASS = 50, 10
_NAMED = 5
_LITTLE_MEMORY = 2.5 * 10**9  # bytes


def notes(plan: Plan, facts: DataFacts, machine: MachineFacts) -> list[str]:
    """Sentences, the most important first."""
    return [*_of_machine(machine), *_of_numbers(plan, facts), *_of_boxes(plan), *_of_images(facts), *facts.notes]


def _of_machine(machine: MachineFacts) -> Iterator[str]:
    if machine.has_unused_gpu:
        yield (
            "This machine has a GPU that TensorFlow does not use, so the choices are for the CPU. `odtk doctor` says "
            "why, and how to change that."
        )
    if machine.kind == CPU and machine.memory and machine.memory < _LITTLE_MEMORY:
        yield f"{in_bytes(machine.memory)} of memory are little: training takes more than 1 GB with any batch."


def _of_numbers(plan: Plan, facts: DataFacts) -> Iterator[str]:
    if plan.training_images < _FEW_IMAGES:
        yield (
            f"{plan.training_images} training images are very few: expect a detector that knows these and finds little "
            "elsewhere. Some hundreds for each class are a start."
        )
    rare = [f"{name!r} ({count})" for name, count in facts.classes.items() if count < _FEW_OF_A_CLASS]
    if rare and facts.images >= _FEW_IMAGES:
        yield f"Fewer than {_FEW_OF_A_CLASS} images show {some(rare, _NAMED)}, which is hardly enough to learn a class."


def _of_boxes(plan: Plan) -> Iterator[str]:
    size = plan.image_size
    if size.matched < FEW:
        yield (
            f"Only {size.matched:.0%} of the boxes are similar to an anchor at {size.size[1]}x{size.size[0]}, so many "
            "objects will be missed. If they are tiny in large images, cut these into tiles first."
        )


def _of_images(facts: DataFacts) -> Iterator[str]:
    if facts.unusable:
        listed = facts.images + facts.unusable
        yield f"{facts.unusable:,} of {listed:,} images cannot be used; `odtk inspect {facts.folder}` says why."
    if facts.problems:
        kinds = [f"{kind} ({count:,})" for kind, count in sorted(facts.problems.items(), key=lambda pair: -pair[1])]
        yield f"In the annotations: {some(kinds, _NAMED)}. `odtk inspect {facts.folder}` shows them."
    if 10 * facts.near_duplicates > facts.decoded:
        yield (
            f"{facts.near_duplicates:,} of {facts.decoded:,} images look like another one, which teaches little more. "
            "All that look alike are kept in one split."
        )
