"""How many boxes the anchors of a config match."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """Boxes that no anchor of a config overlaps enough to match, by class and size."""

    config: str
    frame: str  # the model's input: "640x640", or "as the image"
    similarity: str  # "iou", "ioa", ...
    threshold: float
    force_match: bool
    sizes: tuple[str, ...]  # bins of box size, the square root of the area in pixels of the model's frame
    classes: dict[str, list[tuple[int, int]]]  # (unmatched, all) for each of `sizes`
    boxes: int = 0
    unmatched: int = 0  # no anchor at the threshold
    forced: int = 0  # of these, forced to match their best anchor
    lost: int = 0  # of these, with no anchor at all
