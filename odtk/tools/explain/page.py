"""The page of `odtk explain`: a section for each picture, with the PNGs beside the page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from lxml import etree

from odtk.report import page
from odtk.report.chooser import chooser
from odtk.report.galleries import gallery
from odtk.report.html import element, picture, section, table
from odtk.tools.explain.drawing import MOST_ANCHORS
from odtk.tools.explain.explained import ExplainedDetection, ExplainedPicture, Features, PictureFile, ScoreMap
from odtk.tools.explain.opened import OCCLUSION

PAGE = "explain.html"

_HEAT = (
    "What speaks for each detection, from nothing (the picture itself) over purple and red to yellow, the hottest "
    "place. A map is relative to its own hottest place: heats of two detections cannot be compared."
)
_OF_GRADIENTS = "It is computed from features of the network, each weighted, in place, by the gradient of the score."
_OF_OCCLUSION = (
    "It is how much the detection depends on seeing each place, from copies of the picture with hidden parts."
)
_SCORES = "The best score at each cell, before suppression: yellow is 1."
_OF_LEVELS = " A coarse level finds large objects, a fine one small ones."
_AS_ANCHORS, _AS_BOXES = "as they are before they are moved to a box", "as the boxes that are predicted there"
_FEATURES = "Each channel is colored from its own least value (blue) to its greatest (yellow)."
_CHANNEL_SIDE = 480  # pixels of the page


def write_page(
    folder: Path, pictures: Sequence[ExplainedPicture], model: str, name_of: Callable[[int], str], min_score: float
) -> None:
    """Writes the page into the output folder, in which the pictures' files are."""
    count = len(pictures)
    heading = _title(pictures[0]) if count == 1 else f"{count} pictures"
    summary = [element("p", f"{model}.", class_="faint")]
    sections = [
        section(f"picture-{number}", _title(shown), *_parts(number, shown, name_of, min_score))
        for number, shown in enumerate(pictures, start=1)
    ]
    title = f"odtk explain {heading}"
    page.write(folder / PAGE, page.render(title, "odtk explain", heading, summary, sections, pictures_beside=True))


def _title(shown: ExplainedPicture) -> str:
    return shown.source.rstrip("/").rpartition("/")[2] or shown.name


def _parts(number: int, shown: ExplainedPicture, name_of: Callable[[int], str], min_score: float) -> list:
    return [
        *(element("p", note) for note in shown.notes),
        _overview(shown),
        *_detections(shown.detections),
        *_scores(number, shown),
        *_anchors(shown, name_of, min_score),
        *_features(number, shown),
    ]


def _figure(file: PictureFile, alt: str, *caption, width: int | None = None) -> etree._Element:
    scale = 1 if width is None else width / file.width
    size = round(file.width * scale), round(file.height * scale)
    return picture(quote(file.path), size, alt, *caption)


def _overview(shown: ExplainedPicture) -> etree._Element:
    count = len(shown.detections)
    figures = [_figure(shown.detected, "detections", f"{count} {'detection' if count == 1 else 'detections'}")]
    if shown.groundtruth:
        figures.append(_figure(shown.groundtruth, "groundtruth", "Groundtruth"))
    return gallery(figures, "large")


def _detections(detections: Sequence[ExplainedDetection]) -> list[etree._Element]:
    if not detections:
        return []
    how = _OF_OCCLUSION if detections[0].heat_source == OCCLUSION else _OF_GRADIENTS
    figures = [_figure(each.heat, f"heat of {each.class_name}", *_about(each)) for each in detections]
    return [
        element("h3", "Heat of the detections"),
        element("p", f"{_HEAT} {how}", class_="faint"),
        gallery(figures, "large"),
    ]


def _about(found: ExplainedDetection) -> list[str]:
    text = f"{found.class_name} {found.score:.0%}"
    if found.level:
        text += f", predicted from {found.level}"
    if found.heat_source not in (found.level, OCCLUSION):
        text += f"; heat of {found.heat_source}"
    inside = "no heat: nothing on this map speaks for it" if found.heat_inside is None else (
        f"{found.heat_inside:.0%} of the heat is inside the box"
    )  # fmt: skip
    return [f"{text}; {inside}"]


def _scores(number: int, shown: ExplainedPicture) -> list[etree._Element]:
    if not shown.scores:
        return []
    has_levels = any(len(maps) > 1 for maps in shown.scores.values())
    panels = [
        (
            f"{name} {max(each.best for each in maps):.2f}",
            gallery([_score_figure(name, each) for each in maps], "crops"),
        )
        for name, maps in shown.scores.items()
    ]
    return [
        element("h3", "Scores by level" if has_levels else "Scores"),
        element("p", f"{_SCORES}{_OF_LEVELS if has_levels else ''}", class_="faint"),
        chooser(f"scores-{number}", "class", panels),
    ]


def _score_figure(name: str, found: ScoreMap) -> etree._Element:
    return _figure(found.picture, f"scores of {name} on {found.level}", f"{found.level}: at most {found.best:.2f}")


def _anchors(shown: ExplainedPicture, name_of: Callable[[int], str], min_score: float) -> list[etree._Element]:
    if shown.fired is None:
        return []
    caption = (
        f"Fired: {shown.num_fired:,} {shown.called} with a score of at least {min_score:g}{_drawn(shown.num_fired)}, "
        f"in the colors of their classes, {_AS_ANCHORS if shown.is_moved else _AS_BOXES}"
    )
    figures = [_figure(shown.fired, f"{shown.called} that fired", caption)]
    if shown.matched:
        matched = sum(len(each.anchors) for each in shown.boxes)
        thin = f"{matched:,} {shown.called} that training would match with it{_drawn(matched)}"
        caption = f"Groundtruth, and thin the {thin}"
        figures.append(_figure(shown.matched, f"{shown.called} that match the groundtruth", caption))
    heading = element("h3", shown.called.capitalize())
    return [heading, gallery(figures, "large"), *_levels(shown), *_boxes(shown, name_of)]


def _drawn(count: int) -> str:
    return f" (drawn are {MOST_ANCHORS})" if count > MOST_ANCHORS else ""


def _levels(shown: ExplainedPicture) -> list[etree._Element]:
    if not shown.levels:
        return []
    has_truth = shown.levels[0].matched is not None
    rows = [
        [
            each.level.name, f"{each.level.rows} x {each.level.columns}", f"{each.level.size:,}", f"{each.fired:,}",
            f"{each.best_score:.2f}", *([f"{each.matched:,}"] if has_truth else []),
        ]
        for each in shown.levels
    ]  # fmt: skip
    columns = ["level", "cells", "boxes", "fired", "best score", *(["would match"] if has_truth else [])]
    if shown.is_moved:
        columns[2] = shown.called
    return [table(f"{shown.called.capitalize()} by level", columns, rows)]


def _boxes(shown: ExplainedPicture, name_of: Callable[[int], str]) -> list[etree._Element]:
    if not shown.boxes:
        return []
    rows = [
        [
            name_of(each.class_id), f"{len(each.anchors):,}", ", ".join(each.levels) or "none", f"{each.best_iou:.2f}",
            "-" if each.best_score is None else f"{each.best_score:.2f}", "yes" if each.is_found else "no",
        ]
        for each in shown.boxes
    ]  # fmt: skip
    columns = ["groundtruth", f"{shown.called} that match", "on", "best IoU", "their best score for it", "fired"]
    return [table(f"The groundtruth, and the {shown.called} that training would match with it", columns, rows)]


def _features(number: int, shown: ExplainedPicture) -> list[etree._Element]:
    if not shown.features:
        return []
    panels = [
        (each.layer, _layer(f"features-{number}-{index}", each, shown)) for index, each in enumerate(shown.features)
    ]
    return [
        element("h3", "Feature maps"),
        element("p", _FEATURES, class_="faint"),
        chooser(f"features-{number}", "layer", panels),
    ]


def _layer(name: str, features: Features, shown: ExplainedPicture) -> etree._Element:
    rows, columns, count = features.shape
    sheet = element("a", "all on one sheet", href=quote(features.sheet.path))
    said = f"{len(features.channels)} of {count:,} channels of {rows} x {columns} cells; "
    panels = [
        (_thumbnail(each.picture, each.number), _channel(features, index, shown))
        for index, each in enumerate(features.channels)
    ]
    return element("div", element("p", said, sheet, "."), chooser(name, "channel", panels, "pictures"))


def _thumbnail(file: PictureFile, number: int) -> etree._Element:
    alt = f"channel {number}"
    image = element(
        "img", src=quote(file.path), alt=alt, width=str(file.width), height=str(file.height), loading="lazy"
    )
    return element("span", image, str(number))


def _channel(features: Features, index: int, shown: ExplainedPicture) -> etree._Element:
    channel = features.channels[index]
    caption = f"{features.layer}, channel {channel.number}: from {channel.low:.3g} to {channel.high:.3g}"
    large = _figure(channel.picture, f"channel {channel.number}", caption, width=_CHANNEL_SIDE)
    beside = _figure(shown.detected, "detections", "The picture")
    return gallery([large, beside], "large")
