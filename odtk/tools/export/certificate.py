"""Compares exported models with the checkpoint that they were made from, on the same images."""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odtk import __version__
from odtk.exporting.agreement import Agreement, compare
from odtk.exporting.formats import ExportFormat, ExportOptions, Tolerance
from odtk.machine import counted_cores, find_cpu
from odtk.tools.export.verification import Answers

_LIMITS = [float(f"{digits}e{exponent}") for exponent in range(-10, -1) for digits in range(10, 100)] + [1.0]
"""For Tolerance.of: those of two digits."""


@dataclass(frozen=True)
class FormatCertificate:
    """What one exported model was measured to be."""

    format: str
    path: str
    agreement: Agreement
    tolerance: Tolerance
    map_before: float | None
    """COCO's mAP of the checkpoint; None without groundtruth."""
    map_after: float | None
    milliseconds_before: float | None
    """The median time of an image in the checkpoint's model, decoded, on this machine; None of one image."""
    milliseconds_after: float | None
    batched: bool = False
    """Whether a batch was compared, too, as the model takes them: the first image and its mirror image together."""

    def problems(self) -> list[str]:
        """What is over the tolerance, in words."""
        said = self.agreement.problems(self.tolerance)
        if not self._lost <= self.tolerance.points:
            said.append(f"mAP falls by {self._lost:.3g} points (accepted: {self.tolerance.points:g})")
        return said

    @property
    def _lost(self) -> float:
        """Points of mAP; 0 without groundtruth."""
        if self.map_before is None or self.map_after is None:
            return 0.0
        return 100 * (self.map_before - self.map_after)

    def in_words(self) -> str:
        """`34 of 34 objects, ...; mAP 0.812, of the checkpoint 0.812; 21 ms an image, of the checkpoint 25 ms`."""
        parts = [self.agreement.in_words()]
        if self.map_before is not None and self.map_after is not None:
            parts.append(f"mAP {self.map_after:.3f}, of the checkpoint {self.map_before:.3f}")
        if self.milliseconds_before and self.milliseconds_after:
            parts.append(
                f"{self.milliseconds_after:.3g} ms an image, of the checkpoint {self.milliseconds_before:.3g} ms"
            )
        return "; ".join(parts)


@dataclass(frozen=True)
class Certificate:
    """How the models of an export answer, compared with their checkpoint."""

    checkpoint: str
    step: int | None
    images: int
    source: str
    """What they are: "evaluation images" or "drawn images"."""
    formats: list[FormatCertificate]
    not_run: list[str]
    """What was written and is no model: nothing was compared."""
    machine: str
    odtk: str
    made: str
    note: str | None = None
    """Why the images are drawn, where that is not what one would expect."""

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)

    def of(self, name: str) -> str:
        """The part on one format, as JSON, to be put into its file."""
        document = self.document()
        document["formats"] = [each for each in document["formats"] if each["format"] == name]
        del document["not_run"]
        return json.dumps(document, indent=2)

    def lines(self) -> list[str]:
        """What is printed, a line for each model."""
        place = f"compared with {self.checkpoint} on {self.images} {self.source}"
        return [f"Certificate: {each.path}, {place}: {each.in_words()}." for each in self.formats]


def certify(name: str, row: ExportFormat, options: ExportOptions, limit: float | None, exact: Answers,
            found: Answers) -> FormatCertificate:  # fmt: skip
    """The certificate of one model, whose answers are `found`; `limit` takes the place of the format's tolerance."""
    tolerance = row.tolerance(options) if limit is None else Tolerance.of(limit)
    batched = bool(exact.batch and found.batch)
    expected, answered = ([*each.detections, *((each.batch or ()) if batched else ())] for each in (exact, found))
    return FormatCertificate(
        name, row.path, compare(expected, answered, tolerance), tolerance, exact.mean_precision, found.mean_precision,
        exact.milliseconds, found.milliseconds, batched,
    )  # fmt: skip


def acceptable_limit(certified: Callable[[float], FormatCertificate]) -> float | None:
    """The smallest limit (see Tolerance.of), in two digits, with which a model is certified; None if there is none.

    It is searched for, as a smaller one also takes more objects for missing: what is farther apart is no pair. Where a
    larger one pairs others, an even smaller one might do.
    """
    place = bisect.bisect_left(_LIMITS, True, key=lambda limit: not certified(limit).problems())
    return _LIMITS[place] if place < len(_LIMITS) else None


def written(exact: Answers, prefix: str, step: int | None, formats: list[FormatCertificate], not_run: list[str]
            ) -> Certificate:  # fmt: skip
    """The certificate of an export."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    cpu = find_cpu()
    machine = f"{cpu.model or 'unknown processor'}, {counted_cores(cpu.cores)}"
    return Certificate(
        prefix, step, len(exact.detections), exact.source, formats, not_run, machine, __version__, now, exact.note
    )
