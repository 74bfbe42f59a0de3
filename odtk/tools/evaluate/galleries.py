"""The galleries of the page of an evaluation: which errors are shown, how they are laid out, and as single pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree
from PIL import Image

from odtk.evaluation.analysis import error_kinds
from odtk.evaluation.analysis.error_kinds import MISSED
from odtk.evaluation.results import Results
from odtk.report import galleries, html, pictures
from odtk.report.drawing import add_caption
from odtk.report.error_pictures import CORRECT, DETECTED, GROUNDTRUTH, legend
from odtk.report.html import code, element
from odtk.report.sheets import add_heading, in_rows
from odtk.tools.evaluate.error_drawing import ErrorDrawing, Tile, few_of_each
from odtk.tools.evaluate.explanation import Explanation

_WORST, _CASES, _CASES_OF_A_CLASS = 12, 36, 4
_UNFOLDED = {"pairs": 4, "crops": 12}
_IN_A_ROW = {"pairs": 2, "crops": 6}  # of a sheet
_SIDE_BY_SIDE = 4  # pixels between the two pictures of a tile

BYTES_OF_PICTURES = 6 * 2**20
"""Of all galleries of a page, which is meant to be sent around."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind of error."""

    name: str  # of its file and its section
    title: str
    text: str  # what is shown, in a sentence
    tiles: Sequence[Tile]
    colors: Mapping[str, str]  # kind of box to its meaning
    kind: str = "crops"  # of layout: "pairs" for two pictures side by side


def error_galleries(found: Explanation, results: Results) -> tuple[list[Gallery], list[str]]:
    """The galleries that have pictures, and what is wrong with images that cannot be read."""
    seen = found.seen
    drawing = ErrorDrawing(results, seen.matching, seen.errors)
    errors = {kind: meaning for kind, meaning in error_kinds.MEANINGS.items() if kind != MISSED}
    missed = {MISSED: error_kinds.MEANINGS[MISSED]}
    truth = {GROUNDTRUTH: "what is annotated"}
    least = f"scores from {seen.threshold:g} on"
    wrong = few_of_each(seen.false_positives, _CASES_OF_A_CLASS, _CASES)
    made = [
        Gallery(
            "suspects",
            "Suspected label errors",
            "Where the groundtruth itself may be wrong, the most suspicious first. Correct these before anything else: "
            "a detector cannot be better than its labels.",
            drawing.suspects(found.suspects[:_CASES]),
            {DETECTED: "what the detector says"} | truth,
        ),
        Gallery(
            "worst-images",
            "Worst images",
            f"Groundtruth on the left, detections with {least} on the right.",
            drawing.worst(seen.worst[:_WORST]),
            {CORRECT: "right class, right place"} | errors | missed,
            "pairs",
        ),
        Gallery(
            "false-positives",
            "Most confident false positives",
            f"At most {_CASES_OF_A_CLASS} of each class, the most confident first.",
            drawing.cases(wrong),
            errors | truth,
        ),
        Gallery(
            "missed-objects",
            "Largest missed objects",
            f"At most {_CASES_OF_A_CLASS} of each class, the largest first; no detection with {least} is about them.",
            drawing.cases(few_of_each(seen.missed, _CASES_OF_A_CLASS, _CASES)),
            missed,
        ),
    ]
    return [gallery for gallery in made if gallery.tiles], drawing.problems


class Budget:
    """Bytes that the pictures of a page may still take."""

    def __init__(self, left: int = BYTES_OF_PICTURES):
        self.left = left

    def takes(self, uris: Sequence[str]) -> bool:
        """Whether there is room for these, which is then taken."""
        size = sum(map(len, uris))
        fits = size <= self.left
        self.left -= size if fits else self.left  # what is less bad does not replace what is worse
        return fits


def on_page(shown: Gallery, budget: Budget) -> list[etree._Element]:
    """Text, legend and pictures, of which more than a few are folded, as elements of a section."""
    figures = list(_figures(shown, budget))
    first = _UNFOLDED[shown.kind]
    parts = [element("p", shown.text), legend(shown.colors), galleries.gallery(figures[:first], shown.kind)]
    if folded := figures[first:]:
        more = element("summary", f"{len(folded)} more")
        parts.append(element("details", more, galleries.gallery(folded, shown.kind)))
    if left_out := len(shown.tiles) - len(figures):
        parts.append(element("p", f"{left_out} more are left out, as the page would be too large.", class_="faint"))
    return parts


def _figures(shown: Gallery, budget: Budget) -> Iterator[etree._Element]:
    for tile in shown.tiles:
        uris = [pictures.data_uri(picture) for picture in tile.pictures]
        if not budget.takes(uris):
            return
        alt = f"{tile.name}: {tile.text}"
        caption: list[etree._Element | str] = [tile.text, element("br"), code(tile.name)]
        made = [
            html.picture(uri, picture.size, alt, *(caption if number == 0 else []))
            for number, (uri, picture) in enumerate(zip(uris, tile.pictures, strict=True))
        ]
        yield made[0] if len(made) == 1 else galleries.side_by_side(made)


def sheet(shown: Gallery) -> Image.Image:
    """All of a gallery as one picture."""
    tiles = [add_caption(_joined(tile.pictures), f"{tile.text} ({tile.name})") for tile in shown.tiles]
    colors = "; ".join(f"{kind}: {meaning}" for kind, meaning in shown.colors.items())
    return add_heading(in_rows(tiles, min(len(tiles), _IN_A_ROW[shown.kind])), shown.title, f"{shown.text} {colors}.")


def _joined(parts: Sequence[Image.Image]) -> Image.Image:
    width = sum(part.width for part in parts) + _SIDE_BY_SIDE * (len(parts) - 1)
    joined, left = Image.new("RGB", (width, max(part.height for part in parts)), "white"), 0
    for part in parts:
        joined.paste(part, (left, 0))
        left += part.width + _SIDE_BY_SIDE
    return joined
