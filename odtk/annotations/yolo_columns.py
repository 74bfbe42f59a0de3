"""The meaning of the numbers after a class in YOLO's texts: a box, an outline, or columns of predictions and poses.

Four numbers are a box. An even count of six or more is an outline, unless the texts of the whole data set show
otherwise: `cx cy w h confidence track` are also six numbers, and a box with keypoints may have any count. One line is
not enough to tell, but all lines of the same count are: few outlines, read as boxes, happen to be inside the image.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

BOX = 4
_TRIANGLE = 6
_SLIP = 0.01  # how far a box may extend beyond 0..1
_MOST = 0.8  # of the lines with a count, as some may have slips
_FEW = 5  # lines: fewer may be boxes in the image by chance
_VARIED = 3  # different counts in a data set, which excludes keypoints, as all objects have the same number of them

EXPECTED = "`class cx cy w h` is expected, or `class x1 y1 x2 y2 x3 y3 ...`, all 0..1"
_PREDICTIONS = "These are predictions, not annotations. Export the annotations, or remove the columns after h"
_POSES = "data.yaml has no kpt_shape for their number. Add it, for example kpt_shape: [17, 3]"


_Lines = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Columns:
    """The meaning of the columns of a data set's lines; `keypoint_values` numbers may follow each box."""

    keypoint_values: int = 0
    kpt_shape: str = ""
    why_not: dict[int, str] = field(default_factory=dict)  # by the count of numbers: why they are refused, or ""

    def is_box(self, values: Sequence[float]) -> bool:
        """Whether a line's numbers begin with `cx cy w h`; otherwise they are an outline.

        ValueError, with what they seem to be, if they are neither.
        """
        count = len(values)
        if count == BOX or (self.keypoint_values and count == BOX + self.keypoint_values):
            return True
        if self.keypoint_values:
            wanted = f"{1 + BOX} or, with kpt_shape {self.kpt_shape}, {1 + BOX + self.keypoint_values} are expected"
            raise ValueError(f"{wanted}. Correct kpt_shape, or export the labels again")
        why = self.why_not[count] if count in self.why_not else _why_not(count, [values], False)
        if why:
            raise ValueError(why)
        return False


def words_of(line: str) -> list[str]:
    """The columns of a line, separated by spaces, or by commas if there is no space; 0,5 between spaces is 0.5.

    Semicolons work like spaces.
    """
    line = line.replace(";", " ")
    if "," in line and len(line.split()) == 1:
        return line.strip().split(",")
    return [word.rstrip(",").replace(",", ".") for word in line.split()]


def survey(lines: Iterable[Sequence[float]], keypoint_values: int = 0, kpt_shape: str = "") -> Columns:
    """The meaning of the columns of a data set, from the numbers after the classes in all its lines, or a sample."""
    by_count = defaultdict(list)
    for values in lines:
        if len(values) > BOX:
            by_count[len(values)].append(values)
    if _are_tracked([values for found in by_count.values() if not _are_poses(found) for values in found]):
        why = f"the last is a track's number. {_PREDICTIONS}"
        return Columns(keypoint_values, kpt_shape, dict.fromkeys(by_count, why))
    is_varied = len([count for count in by_count if count % 2 == 0 and count > _TRIANGLE]) >= _VARIED
    why_not = {count: _why_not(count, found, is_varied) for count, found in by_count.items() if count != _TRIANGLE}
    if found := by_count.get(_TRIANGLE):
        has_outlines = any(count % 2 == 0 and not why for count, why in why_not.items())
        why_not[_TRIANGLE] = _why_no_triangle(found, has_outlines)
    return Columns(keypoint_values, kpt_shape, why_not)


def _why_not(count: int, lines: _Lines, is_varied: bool) -> str:
    """Why lines with a count are not outlines; empty if they are. `is_varied`: the data set has outlines for sure."""
    if count < BOX:
        return EXPECTED
    if count == BOX + 1:
        return f"they seem to be `class cx cy w h confidence`. {_PREDICTIONS}"
    if count == _TRIANGLE:
        return _why_no_triangle(lines, is_varied)
    if not is_varied and _are_poses(lines):
        return f"they seem to be a box with keypoints, but {_POSES}"
    if count % 2:
        return f"{EXPECTED}; an outline with a confidence has one number too many"
    return ""


def _why_no_triangle(lines: _Lines, has_outlines: bool) -> str:
    ends_whole = _most(lambda values: values[-1].is_integer(), lines)
    are_boxes = not has_outlines and _most(_is_box_in_image, lines)
    if ends_whole and (are_boxes or any(values[-1] > 1 for values in lines)):
        return f"they seem to be `class cx cy w h confidence track`. {_PREDICTIONS}"
    if are_boxes and len(lines) >= _FEW:
        return f"they seem to be boxes with two more numbers. {_PREDICTIONS}"
    return ""


def _are_tracked(lines: _Lines) -> bool:
    """Whether most lines end in a whole number, and some in one that cannot be in a normalised outline."""
    inside = [values for values in lines if all(-_SLIP <= value <= 1 + _SLIP for value in values[:-1])]
    return _most(lambda values: values[-1].is_integer(), inside) and any(values[-1] > 1 for values in inside)


def _is_box_in_image(values: Sequence[float]) -> bool:
    return all(
        side > 0 and center - side / 2 >= -_SLIP and center + side / 2 <= 1 + _SLIP
        for center, side in ((values[0], values[2]), (values[1], values[3]))
    )


def _are_poses(lines: _Lines) -> bool:
    """Whether most lines are boxes with keypoints; a few have to have the whole numbers 0, 1 or 2 for visibility."""
    flagged = _most(lambda values: all(value.is_integer() for value in values[BOX + 2 :: 3]), lines)
    if _most(_has_keypoints(3), lines) and (flagged or len(lines) >= _FEW):
        return True
    return len(lines) >= _FEW and _most(_has_keypoints(2), lines)


def _has_keypoints(dimensions: int) -> Callable[[Sequence[float]], bool]:
    """Whether numbers are a box in the image and keypoints in the box; the last of three numbers is the visibility.

    Invisible keypoints are at 0, 0. Four numbers are not two keypoints if they complete a parallelogram, like the
    corners of an oriented box.
    """

    def has(values: Sequence[float]) -> bool:
        behind = values[BOX:]
        if len(behind) % dimensions or not _is_box_in_image(values) or _is_parallelogram(values):
            return False
        points = [behind[start : start + dimensions] for start in range(0, len(behind), dimensions)]
        return all(_is_in_box(point, values) and all(0 <= value <= 2 for value in point[2:]) for point in points)

    return has


def _is_in_box(point: Sequence[float], box: Sequence[float]) -> bool:
    return (point[0] == point[1] == 0) or all(
        abs(point[axis] - box[axis]) <= box[axis + 2] / 2 + _SLIP for axis in range(2)
    )


def _is_parallelogram(values: Sequence[float]) -> bool:
    return len(values) == 8 and all(
        abs(values[axis] + values[axis + 4] - values[axis + 2] - values[axis + 6]) < _SLIP for axis in range(2)
    )


def _most(test: Callable[[Sequence[float]], bool], lines: _Lines) -> bool:
    return bool(lines) and sum(map(test, lines)) >= _MOST * len(lines)
