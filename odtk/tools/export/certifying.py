"""Has the models of an export run beside their checkpoint, and writes what comes of it into them."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path

from odtk.errors import ExportError
from odtk.exporting.formats import CERTIFICATE, FORMATS, Source
from odtk.exporting.model import naming
from odtk.exporting.trained_model import TrainedModel
from odtk.tools.export.certificate import Certificate, FormatCertificate, acceptable_limit, certify, written
from odtk.tools.export.verification import Answers, first_answers

_SURE = 0.5
"""A score that a model has for some object once it has learned."""


def certified(source: Source, formats: Sequence[str], folder: Path, count: int, limit: float | None) -> Certificate:
    """Runs each model beside the checkpoint's; raises ExportError for one over its tolerance."""
    reference = _reference(source)
    images, exact = first_answers(
        source.config, source.detector.num_classes, source.detector.image_size, count, reference
    )
    certified, not_run = [], []
    for name in formats:
        row = FORMATS[name]
        if row.load is None:
            not_run.append(name)
            continue
        found = images.answers(row.load(folder / row.path))
        judge = functools.partial(certify, name, row, source.options, exact=exact, found=found)
        one = judge(limit)
        if one.problems():
            raise _refusal(source.prefix, one, exact, acceptable_limit(judge))
        certified.append(one)
    whole = written(exact, source.prefix, source.step, certified, not_run)
    _write_certificate(whole, folder)
    return whole


def _reference(source: Source) -> TrainedModel:
    return TrainedModel(source.detector, source.config, source.prefix, source.step, naming(None))


def _refusal(prefix: str, one: FormatCertificate, exact: Answers, limit: float | None) -> ExportError:
    """`limit`: the tolerance that accepts it, if one does."""
    place = f"{len(exact.detections)} {exact.source}"
    if not one.agreement.objects and not one.agreement.extra:
        return ExportError(
            f"{one.path} cannot be compared with {prefix}, as neither finds anything on {place}. Nothing was written. "
            "Have the config's evaluation records at hand, with images that it finds something in, lower the "
            "score_threshold of its post-processing, or export it without a comparison, with --verify 0."
        )
    accept = "" if limit is None else f", or accept the difference, with a tolerance of {limit:g}"
    said = (
        f"{one.path} does not answer as {prefix} does, on {place}: {'; '.join(one.problems())}. Nothing was written. "
        f"Choose a more exact form of it{accept}."
    )
    best = max((float(each.scores.max(initial=0.0)) for each in exact.detections), default=0.0)
    if best < _SURE:
        said += (
            f" No detection there has a score above {best:.2f}: what a model finds that has hardly learned can turn on "
            "the last digit. Train it longer, or export it without a comparison, with --verify 0."
        )
    return ExportError(said, argument=None if limit is None else "tolerance")


def _write_certificate(whole: Certificate, folder: Path) -> None:
    for one in whole.formats:
        row = FORMATS[one.format]
        if row.embed is not None:
            row.embed(str(folder / row.path), whole.of(one.format))
    (folder / CERTIFICATE).write_text(json.dumps(whole.document(), indent=2) + "\n", "utf-8")
