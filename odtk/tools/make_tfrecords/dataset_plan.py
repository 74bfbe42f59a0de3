"""A data set of any format but pets: examined in full, then split, so that only sound images become records."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from odtk import duplicates, example, progress
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.image_files import SeenFile
from odtk.annotations.listing import Dataset, Listed
from odtk.annotations.placing import Rules
from odtk.annotations.prepare import examine, prepare
from odtk.errors import DataError
from odtk.label_map import LabelMap
from odtk.splits import SPLITS
from odtk.tools.make_tfrecords import classes, splitting
from odtk.tools.make_tfrecords.plan import Plan, Runner, Settings
from odtk.tools.make_tfrecords.report import Finding, Written, look_alikes

_IN_NO_SPLIT = "in no split"


def make_plan(dataset: Dataset, settings: Settings, runner: Runner) -> Plan:
    """Decodes every image, then chooses label map and splits.

    Raises DataError where a class is not in the given label map, or a given list of a split cannot be followed.
    """
    if settings.label_map_path:
        classes.read(settings.label_map_path, ())  # a wrong one is answered now, and not when all images are decoded
    source, given = splitting.choose_source(dataset, settings)
    findings = _examine(dataset, settings, runner, given)
    class_map, text = _label_map(dataset, settings, findings)
    usable = [index for index, finding in enumerate(findings) if finding.skipped is None]
    groups = duplicates.groups([findings[index].seen.fingerprint for index in usable])
    if given is None:
        chosen = splitting.by_fractions([findings[index].class_names for index in usable], groups, settings)
    else:
        chosen = [given[index] for index in usable]
    class_ids = {name: class_map.id_of(name) for finding in findings for name in finding.class_names}
    items = _items(dataset, findings, usable, chosen, settings.seed)
    return Plan(
        label_map=text,
        bases={split: f"{split}.record" for split in items},
        items=items,
        convert=_Encoder(dataset, settings.rules, class_ids, settings.mask_type if settings.masks else None),
        listed=len(dataset.listed),
        split_source=source,
        findings=findings,
        problems=(
            *dataset.problems,
            *classes.alike(class_ids, dataset.folder),
            *classes.repeated(class_map, class_ids, dataset.folder),
            *classes.misspelled(dataset, [finding.class_names for finding in findings], class_map.texts),
            *splitting.without_images(chosen, settings, dataset.folder),
        ),
        duplicates=look_alikes([findings[index].key for index in usable], chosen, groups),
        near_duplicates=len(groups) - len(set(groups)),
    )


def _examine(dataset: Dataset, settings: Settings, runner: Runner, given: Sequence[str | None] | None) -> list[Finding]:
    wanted = [index for index in range(len(dataset.listed)) if given is None or given[index]]
    findings = [Finding(entry.key, skipped=_in_no_split(entry)) for entry in dataset.listed]
    examiner = _Examiner(dataset, settings.rules)
    with (
        progress.track("Examining", len(wanted), "images", compiles=True) as bar,
        runner.mapped(examiner, [dataset.listed[index] for index in wanted]) as results,
    ):
        for index, finding in zip(wanted, results, strict=True):
            findings[index] = finding
            bar.advance()
    return findings


def _in_no_split(entry: Listed) -> Problem:
    return Problem(entry.key, None, _IN_NO_SPLIT, "it is in no list of a split, and left out.")


def _label_map(dataset: Dataset, settings: Settings, findings: Sequence[Finding]) -> tuple[LabelMap, bytes]:
    found = {name for finding in findings for name in finding.class_names}
    if settings.label_map_path:
        return classes.read(settings.label_map_path, found)
    return classes.make(dataset.class_names, found)


def _items(
    dataset: Dataset, findings: Sequence[Finding], usable: Sequence[int], chosen: Sequence[str], seed: int
) -> dict[str, list[tuple[Listed, SeenFile]]]:
    """What goes into the records of each split, shuffled, so that training does not meet one class after another."""
    items: dict[str, list] = {split: [] for split in SPLITS if split in ("train", "val") or split in chosen}
    for index, split in zip(usable, chosen, strict=True):
        items[split].append((dataset.listed[index], findings[index].seen))
    for found in items.values():
        random.Random(seed).shuffle(found)
    return items


@dataclass(frozen=True)
class _Examiner:
    dataset: Dataset
    rules: Rules

    def __call__(self, listed: Listed) -> Finding:
        try:
            examined = examine(self.dataset.read(listed), self.rules)
        except UnusableImage as error:
            return Finding(listed.key, skipped=error.problem, is_bad=error.is_bad)
        return Finding(
            key=listed.key,
            class_names=examined.class_names,
            repaired=examined.repaired,
            problems=examined.problems,
            dropped_objects=examined.dropped_objects,
            left_out_objects=examined.left_out_objects,
            seen=examined.seen,
        )


@dataclass(frozen=True)
class _Encoder:
    dataset: Dataset
    rules: Rules
    class_ids: dict[str, int]
    mask_type: str | None

    def __call__(self, item: tuple[Listed, SeenFile]) -> Written:
        listed, seen = item
        try:
            image = prepare(self.dataset.read(listed), self.class_ids, self.rules, seen).image
        except (UnusableImage, KeyError) as error:
            raise DataError(
                f"{listed.key} changed while it was converted ({error}). Leave the data alone and start again."
            ) from error
        return Written(example.encode(image, self.mask_type), tuple(entry.class_name for entry in image.objects))
