"""The metric by which the best weights are kept: found by its name or its end, and compared."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from odtk.errors import ConfigError
from odtk.evaluation.coco import NO_GROUNDTRUTH
from odtk.evaluation.run import Evaluation
from odtk.prototext.schema import some
from odtk.training.loggers.csv_files import evaluation_row
from odtk.training.loggers.csv_table import STEP

DEFAULT = "mAP"
_LOSS = "Loss/"
_NEAREST = 5


@dataclass(frozen=True)
class BestMetric:
    """A column of evaluations.csv."""

    name: str

    @property
    def short(self) -> str:
        """For texts: `mAP` of DetectionBoxes_Precision/mAP; names of losses and classes as they are."""
        return self.name if self.name.startswith((_LOSS, "AP/")) else self.name.rpartition("/")[2]

    @property
    def lower_is_better(self) -> bool:
        """Of losses."""
        return self.name.startswith(_LOSS)

    def value(self, row: Mapping[str, float]) -> float | None:
        """Its value in a row of evaluations.csv; None if there is none to compare: NaN, or -1, without groundtruth."""
        value = row.get(self.name)
        if value is None or not math.isfinite(value) or (value == NO_GROUNDTRUTH and not self.lower_is_better):
            return None
        return value

    def of(self, evaluation: Evaluation) -> float | None:
        """Its value in an evaluation; see `value`."""
        return self.value(evaluation_row(evaluation))

    def is_better(self, new: float, old: float | None, min_delta: float = 0.0) -> bool:
        """Whether `new` is better than `old` (None: nothing yet) by more than `min_delta`."""
        if old is None:
            return True
        return (old - new if self.lower_is_better else new - old) > min_delta

    def best_of(self, rows: Iterable[Mapping[str, float]]) -> tuple[int, float] | None:
        """Step and value of the best row, of equal ones the last: its weights are kept; None if none has a value."""
        best = None
        for row in rows:
            value = self.value(row)
            if value is not None and (best is None or not self.is_better(best[1], value)):
                best = int(row[STEP]), value
        return best


def find_metric(name: str, nothing_measured: Evaluation) -> BestMetric:
    """The metric called `name`: a name, the end of one behind a slash, or AP/CLASS.

    `nothing_measured` has the names. The default finds the first metrics set's mean average precision, whatever its
    IoU, or its first metric. Raises ConfigError, with the nearest names, if there is none.
    """
    names = list(evaluation_row(nothing_measured))
    found = [each for each in names if each == name] or [each for each in names if each.endswith(f"/{name}")]
    if not found and name == DEFAULT:
        found = [each for each in names if each.rpartition("/")[2].startswith(DEFAULT)] or names
    if not found:
        raise ConfigError(
            f"No metric is called {name!r}. The nearest: {some(_nearest(name, names), _NEAREST)}. The config's "
            "eval_config.metrics_set decides what is measured.",
            argument="best_metric",
        )
    return BestMetric(found[0])


def _nearest(name: str, names: Sequence[str]) -> list[str]:
    ends = {each.rpartition("/")[2] if not each.startswith((_LOSS, "AP/")) else each: each for each in reversed(names)}
    folded = {end.casefold(): end for end in [*names, *ends]}
    close = difflib.get_close_matches(name.casefold(), folded, _NEAREST, cutoff=0.3)
    return [folded[each] for each in close] or list(names[:_NEAREST])
