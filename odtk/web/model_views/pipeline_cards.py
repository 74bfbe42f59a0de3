"""The shipped pipelines as cards: what each is for, and what it costs."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from odtk import pipeline
from odtk.tools.download import catalog
from odtk.tools.shipped_pipelines import ShippedPipeline, shipped_pipelines
from odtk.tools.zoo_checkpoints import zoo_checkpoints

_KINDS = {"ssd": "SSD", "faster_rcnn": "Faster R-CNN", "center_net": "CenterNet"}


@dataclass(frozen=True)
class Card:
    """One pipeline."""

    pipeline: ShippedPipeline
    about: str
    """The first sentence of its head."""
    kind: str
    zoo_model: str | None
    """The model of the zoo that it goes on from; None for one that is made for training from scratch."""
    coco_map: str | None
    milliseconds: int | None
    """For an image, on the zoo's own GPU."""

    @property
    def name(self) -> str:
        """By which `odtk configure` knows it."""
        return self.pipeline.name

    @property
    def size(self) -> str:
        """Width and height of its images."""
        height, width = self.pipeline.image_size
        return f"{width} × {height}"


@functools.cache
def cards() -> tuple[Card, ...]:
    """All of them: those that learn from scratch on any machine first, then by size."""
    found = [_card(each) for each in shipped_pipelines()]
    return tuple(sorted(found, key=lambda card: card.zoo_model is not None))


def by_kind() -> dict[str, list[Card]]:
    """Kind of detector to its cards."""
    found: dict[str, list[Card]] = {}
    for card in cards():
        found.setdefault(card.kind, []).append(card)
    return found


def card_called(name: str) -> Card | None:
    """The card of a pipeline; None if none is shipped under that name."""
    return next((card for card in cards() if card.name == name), None)


def _card(shipped: ShippedPipeline) -> Card:
    checkpoint = zoo_checkpoints().get(shipped.name)
    model = catalog.models().get(checkpoint.model) if checkpoint else None
    text = pipeline.read_text(shipped.path)
    kind = pipeline.parse(text, shipped.path).model.WhichOneof("model") or ""
    about = " ".join(line.removeprefix("#").strip() for line in text.partition("\n#\n")[0].splitlines())
    return Card(
        shipped, about.split(". ")[0].rstrip(".") + ".", _KINDS.get(kind, kind),
        checkpoint.model if checkpoint else None,
        model.coco_map if model else None, model.milliseconds if model else None,
    )  # fmt: skip
