"""The galleries of the page of an evaluation: which errors are shown, how they are laid out, and as single pictures."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from lxml import etree
from PIL import Image

from odtk.evaluation.analysis import error_kinds
from odtk.evaluation.analysis.comparison import ImageChange
from odtk.evaluation.analysis.error_kinds import MISSED, classify_errors
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.rankings import ErrorCase
from odtk.evaluation.results import Results
from odtk.report import galleries, html, pictures
from odtk.report.drawing import add_caption
from odtk.report.error_pictures import CORRECT, DETECTED, GROUNDTRUTH, IGNORED, draw_marked, legend
from odtk.report.html import code, element
from odtk.report.sheets import add_heading, in_rows
from odtk.tools.evaluate.error_drawing import MOST_DETECTIONS, ErrorDrawing, Tile, tile_of
from odtk.tools.evaluate.explanation import IOU, Compared, Explanation

_WORST, _CHANGED, _CASES, _CASES_OF_A_CLASS = 12, 8, 36, 4
_NO_ERRORS = {CORRECT: "right class, right place", IGNORED: "neither right nor wrong"}
_ERRORS = {kind: meaning for kind, meaning in error_kinds.MEANINGS.items() if kind != MISSED}
_MISSED = {MISSED: error_kinds.MEANINGS[MISSED]}
_TRUTH = {GROUNDTRUTH: "what is annotated"}
_UNFOLDED = {"pairs": 4, "crops": 12}
_IN_A_ROW = {"pairs": 2, "crops": 6}  # of a sheet
_SIDE_BY_SIDE = 4  # pixels between the two pictures of a tile

TITLES = {
    "suspects": "Suspected label errors",
    "worst-images": "Worst images",
    "false-positives": "Most confident false positives",
    "missed-objects": "Largest missed objects",
    "worse-images": "Images that got worse",
    "better-images": "Images that got better",
}
"""Of each gallery, by its name."""
CHANGES = ("worse-images", "better-images")
"""Names of the galleries of a comparison."""

BYTES_OF_PICTURES = 6 * 2**20
"""Of all galleries of a page, which is meant to be sent around."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind of error."""

    name: str  # of its file and its section
    text: str  # what is shown, in a sentence
    tiles: Sequence[Tile]
    colors: Mapping[str, str]  # kind of box to its meaning
    kind: str = "crops"  # of layout: "pairs" for two pictures side by side

    @property
    def legend(self) -> Mapping[str, str]:
        """The colors that occur."""
        drawn = {kind for tile in self.tiles for kind in tile.kinds}
        return {kind: meaning for kind, meaning in self.colors.items() if kind in drawn}

    @property
    def title(self) -> str:
        """Its heading."""
        return TITLES[self.name]


def error_galleries(found: Explanation, results: Results) -> tuple[list[Gallery], list[str]]:
    """The galleries that have pictures, and of each picture that cannot be read why."""
    drawing = ErrorDrawing(results, found.seen.matching, found.seen.errors)
    changes = _changes(found.compared, drawing) if found.compared else ()
    made = [*changes, *_errors(found, drawing)]
    return [gallery for gallery in made if gallery.tiles], drawing.problems


def _errors(found: Explanation, drawing: ErrorDrawing) -> Iterator[Gallery]:
    seen = found.seen
    least = f"scores from {seen.threshold:.3g} on"
    yield Gallery(
        "suspects",
        "Where the groundtruth itself may be wrong, the most suspicious first: look, and correct what is wrong.",
        drawing.suspects(found.suspects[:_CASES]),
        {DETECTED: "what the detector says"} | _TRUTH,
    )
    yield Gallery(
        "worst-images",
        f"Groundtruth on the left, at most {MOST_DETECTIONS} detections with {least} on the right.",
        drawing.worst(seen.worst[:_WORST]),
        _NO_ERRORS | _ERRORS | _MISSED,
        "pairs",
    )
    yield Gallery(
        "false-positives",
        f"At most {_CASES_OF_A_CLASS} of each class, the most confident first.",
        drawing.cases(_few_of_each(seen.false_positives)),
        _ERRORS | _TRUTH,
    )
    yield Gallery(
        "missed-objects",
        f"At most {_CASES_OF_A_CLASS} of each class, the largest first; no detection with {least} is about them.",
        drawing.cases(_few_of_each(seen.missed)),
        _MISSED,
    )


def _few_of_each(found: Iterable[ErrorCase]) -> list[ErrorCase]:
    """The first few of each class, in the given order; of many classes fewer each, so that most have one."""
    counts: Counter[int] = Counter()
    chosen = []
    for place, case in enumerate(found):
        counts[case.class_id] += 1
        if counts[case.class_id] <= _CASES_OF_A_CLASS:
            chosen.append((counts[case.class_id], place, case))
    return [case for _, _, case in sorted(sorted(chosen)[:_CASES], key=operator.itemgetter(1))]


def _changes(compared: Compared, drawing: ErrorDrawing) -> Iterator[Gallery]:
    """Images that got worse and better, the detections of the other model on the left."""
    other = compared.results
    matching = match_images(other.images, IOU, compared.threshold)
    before = ErrorDrawing(other, matching, classify_errors(other.images, matching))

    def tiles(changes: Iterable[ImageChange]) -> Iterator[Tile]:
        for change in changes:
            if picture := drawing.picture(change.index_after):
                sides = before.detections(change.index_before), drawing.detections(change.index_after)
                text = f"{change.errors[0]} errors before, {change.errors[1]} now"
                pair = [draw_marked(picture, boxes) for boxes in sides]
                yield tile_of(pair, chain(*sides), change.source_id, text)

    worse = [change for change in compared.comparison.images if change.errors[1] > change.errors[0]]
    better = [change for change in reversed(compared.comparison.images) if change.errors[1] < change.errors[0]]
    said = (
        f"At most {MOST_DETECTIONS} detections of {compared.model} on the left, of this model on the right; missed "
        "objects are not drawn."
    )
    for name, changes in zip(CHANGES, (worse, better), strict=True):
        yield Gallery(name, said, list(tiles(changes[:_CHANGED])), _NO_ERRORS | _ERRORS, "pairs")


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
    parts = [element("p", shown.text), legend(shown.legend), galleries.gallery(figures[:first], shown.kind)]
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
    colors = "; ".join(f"{kind}: {meaning}" for kind, meaning in shown.legend.items())
    return add_heading(in_rows(tiles, min(len(tiles), _IN_A_ROW[shown.kind])), shown.title, f"{shown.text} {colors}.")


def _joined(parts: Sequence[Image.Image]) -> Image.Image:
    width = sum(part.width for part in parts) + _SIDE_BY_SIDE * (len(parts) - 1)
    joined, left = Image.new("RGB", (width, max(part.height for part in parts)), "white"), 0
    for part in parts:
        joined.paste(part, (left, 0))
        left += part.width + _SIDE_BY_SIDE
    return joined
