"""What is measured: batch and image sizes, and for how long."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from odtk.errors import OdtkError
from odtk.tools.arguments import require_positive, require_whole

SECONDS, ROUNDS, WARM_UP = 5.0, 10, 3
"""Defaults: of each model and case, how long it runs, in how many turns, and the first runs that do not count."""

OWN_SIZE = None
"""The image size of pictures that are not resized."""
_DRAWN_SIZE = (640, 480)


@dataclass(frozen=True)
class Case:
    """A batch size and an image size (width, height in pixels; OWN_SIZE for that of each picture)."""

    batch_size: int
    image_size: tuple[int, int] | None

    @property
    def size_in_words(self) -> str:
        """`640x480`, or `as they are`."""
        return "as they are" if self.image_size is None else "{}x{}".format(*self.image_size)

    def __str__(self) -> str:
        return f"batch {self.batch_size}, {self.size_in_words}"


@dataclass(frozen=True)
class Plan:
    """The cases in the order of their memory, so that a peak is not that of an earlier case; and the turns."""

    cases: tuple[Case, ...]
    rounds: int
    warm_up: int
    runs: int | None
    """Of each turn; None for as many as fit into `seconds`."""
    seconds: float
    """Of each turn."""


def build_plan(
    batch_size: Sequence[int],
    image_size: Sequence[str | tuple[int, int]],
    has_images: bool,
    runs: int | None,
    seconds: float | None,
    rounds: int,
    warm_up: int,
) -> Plan:
    """Raises OdtkError for numbers that no measurement can have. Of equal sizes one is kept."""
    for number in batch_size:
        require_whole(1, batch_size=number)
    require_whole(1, rounds=rounds, runs=runs)
    require_whole(0, warm_up=warm_up)
    require_positive(seconds=seconds)
    if runs is not None and seconds is not None:
        raise OdtkError(
            "Both a number of runs and seconds are given, and either decides how long is measured. Leave out one.",
            argument="runs",
        )
    if runs is not None and runs < rounds:
        raise OdtkError(
            f"{runs} runs cannot be shared by {rounds} turns. Give at least as many runs as rounds.", argument="runs"
        )
    sizes: list[tuple[int, int] | None] = [image_size_of(each) for each in image_size]
    sizes = sizes or [OWN_SIZE if has_images else _DRAWN_SIZE]
    cases = {Case(batch, size) for batch in (batch_size or (1,)) for size in sizes}
    in_turn = None if runs is None else -(-runs // rounds)
    return Plan(tuple(sorted(cases, key=_memory)), rounds, warm_up, in_turn, (seconds or SECONDS) / rounds)


def image_size_of(value: str | Sequence[int]) -> tuple[int, int]:
    """Width and height of "640x480" or of a pair; raises OdtkError."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([1-9]\d{0,4})[xX×]([1-9]\d{0,4})\s*", value, re.ASCII)
        if found is None:
            raise OdtkError(
                f"{value!r} is no image size; write width x height in pixels, such as 640x480.", argument="image_size"
            )
        return int(found[1]), int(found[2])
    width, height = value
    require_whole(1, 99_999, image_size=width)
    require_whole(1, 99_999, image_size=height)
    return width, height


def _memory(case: Case) -> tuple[int, ...]:
    width, height = case.image_size or (0, 0)
    return case.batch_size * width * height, case.batch_size, width, height
