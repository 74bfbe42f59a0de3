"""Which of the detections a user wants to see."""

import difflib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from odtk import label_map, thresholds
from odtk.detections import Detections
from odtk.errors import OdtkError
from odtk.thresholds import Thresholds

DEFAULT_SCORE = 0.5
_MOST_NAMES = 20  # of a message


@dataclass(frozen=True)
class Selection:
    """Of the wanted classes, what reaches its class's threshold, and of these the best."""

    thresholds: Thresholds
    class_ids: frozenset[int] | None = None  # None: all
    max_boxes: int | None = None
    top: int | None = None  # so many classes of each box will be shown

    @property
    def least_score(self) -> float:
        """No box with a lower score is shown, of any class."""
        return min([self.thresholds.score, *self.thresholds.classes.values()])

    def apply(self, found: Detections, name_of: Callable[[int], str]) -> Detections:
        """The wanted ones of the detections in one picture, best score first.

        Raises OdtkError if other classes of a box are to be shown, and the model does not give their scores.
        """
        if self.top and found.class_scores is None:
            raise OdtkError(
                "The model gives the best class of each box and no scores of the others (detection_multiclass_scores), "
                f"so its best {self.top} are not known. Leave that out, or use a model that odtk or TFOD exported.",
                argument="top",
            )
        if self.class_ids is not None:
            found = found.take(np.isin(found.classes, list(self.class_ids)))
        return self.thresholds.apply(found, name_of).best(max_boxes=self.max_boxes)


def build_selection(
    names: Mapping[int, str],
    min_score: float | None = None,
    thresholds_file: str | os.PathLike | None = None,
    classes: Iterable[str | int] | None = None,
    max_boxes: int | None = None,
    top: int | None = None,
) -> Selection:
    """The selection by a score for all classes (0.5 if None is given) or a file of thresholds (see odtk.thresholds).

    `names` are those of the model's classes by 1-based id, empty without a label map. `classes`: names or ids; `top`:
    how many classes of each box will be shown. Raises OdtkError where the options contradict each other, and for
    classes that the model does not have.
    """
    if thresholds_file is None:
        wanted = Thresholds(DEFAULT_SCORE if min_score is None else min_score)
    elif min_score is not None:
        raise OdtkError(
            f"{os.fspath(thresholds_file)} says from which score on a box counts, and so does the score {min_score:g}. "
            'Give one of them; the file\'s "score" is for all classes that it does not list.',
            argument="min_score",
        )
    else:
        wanted = thresholds.read(thresholds_file)
        wanted.check(names.values(), thresholds_file)
    return Selection(wanted, None if classes is None else class_ids(classes, names), max_boxes, top)


def class_ids(classes: Iterable[str | int], names: Mapping[int, str]) -> frozenset[int]:
    """The ids of classes given by name, in any case, or by number; OdtkError for one that the model does not have."""
    return frozenset(_class_id(each, names) for each in classes)


def _class_id(given: str | int, names: Mapping[int, str]) -> int:
    text = str(given).strip()
    exact = [number for number, name in names.items() if name == text]
    alike = exact or [number for number, name in names.items() if label_map.folded(name) == label_map.folded(text)]
    if alike:
        return alike[0]
    if text.isascii() and text.isdigit() and int(text) > 0 and (not names or int(text) in names):
        return int(text)
    raise OdtkError(_unknown(text, names), argument="classes")


def _unknown(text: str, names: Mapping[int, str]) -> str:
    if not names:
        return f"The class {text!r} is not known: the model has no label map, so classes are numbers from 1."
    close = difflib.get_close_matches(text, names.values(), 3)
    meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"The model has no class {text!r}.{meant} Its classes are {_listed(names.values())}."


def _listed(names: Collection[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMES:,} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more
