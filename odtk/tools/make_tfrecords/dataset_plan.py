"""A dataset of any format except pets: examined completely, then split; only usable images become records."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from odtk import progress
from odtk.annotations import duplicates
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.conventions import Evidence
from odtk.annotations.dataset import Dataset, ImageAnnotation, Listed
from odtk.annotations.frames import Rules
from odtk.annotations.image_facts import Facts, facts_of
from odtk.annotations.image_files import ImageInfo
from odtk.annotations.to_record import examine, prepare, see
from odtk.datasets.splits import SPLITS
from odtk.errors import DataError
from odtk.label_map import LabelMap
from odtk.records import example
from odtk.tools.make_tfrecords import classes, splitting, validation
from odtk.tools.make_tfrecords.plan import Plan, Runner, Settings
from odtk.tools.make_tfrecords.report import ImageReport, WrittenRecord, look_alikes

_IN_NO_SPLIT = "in no split"


def make_plan(dataset: Dataset, settings: Settings, runner: Runner) -> Plan:
    """Decodes every image, then chooses label map and splits.

    Raises DataError if the dataset's boxes cannot be right with the assumed order and units, too many images cannot be
    used, no image has an object and no label map is given, a class is not in the given one, or a given list of a split
    cannot be used.
    """
    if settings.label_map:
        classes.read(settings.label_map, ())  # report a wrong one now, not after decoding all images
    source, given = splitting.choose_source(dataset, settings)
    images, evidence = _examine(dataset, settings, runner, given)
    refusal = evidence.refusal(dataset.folder) if settings.boxes is None else None
    if refusal:
        raise DataError(f"{refusal} Nothing was written.", argument="boxes", options=evidence.options())
    rules = replace(settings.rules, conventions=evidence.decide())
    if rules != settings.rules:
        images = _place_again(dataset, rules, runner, images)
    validation.check_images(images, settings.max_bad_fraction)
    class_map, text = _label_map(dataset, settings, images)
    usable = _usable(images)
    groups = duplicates.groups([seen.fingerprint for seen in usable.values()])
    if given is None:
        chosen = splitting.by_fractions([images[index].class_names for index in usable], groups, settings)
    else:
        chosen = [split for index in usable if (split := given[index])]  # those of no split are not usable
    found, ids = [image.class_names for image in images], class_map.texts
    class_ids = {name: ids[name] for names in found for name in names}
    items = _items(dataset, usable, chosen, settings.seed)
    return Plan(
        label_map=text,
        bases={split: f"{split}.record" for split in items},
        items=items,
        convert=_Encoder(dataset, rules, class_ids, settings.mask_type if settings.masks else None),
        listed=len(dataset.listed),
        split_source=source,
        images=images,
        problems=(
            *dataset.problems,
            *evidence.problems(dataset.folder),
            *classes.problems(dataset, found, class_map),
            *splitting.without_images(chosen, settings, dataset.folder),
        ),
        duplicates=look_alikes([images[index].key for index in usable], chosen, groups),
        near_duplicates=len(groups) - len(set(groups)),
    )


def _examine(
    dataset: Dataset, settings: Settings, runner: Runner, given: Sequence[str | None] | None
) -> tuple[list[ImageReport], Evidence]:
    """The result for each single image, and the evidence of all of them."""
    wanted = [index for index in range(len(dataset.listed)) if given is None or given[index]]
    images, evidence = [ImageReport(entry.key, skipped=_in_no_split(entry)) for entry in dataset.listed], Evidence()
    examiner = _Examiner(dataset, settings.rules)
    with (
        progress.track("Examining", len(wanted), "images", compiles=True) as bar,
        runner.mapped(examiner, [dataset.listed[index] for index in wanted]) as results,
    ):
        for index, (image, facts) in zip(wanted, results, strict=True):
            images[index] = image
            if facts is not None:
                evidence.add(facts)
            bar.advance()
    return images, evidence


def _place_again(dataset: Dataset, rules: Rules, runner: Runner, images: Sequence[ImageReport]) -> list[ImageReport]:
    """The reports according to the dataset's evidence; annotations are read again, images are not."""
    seen = [index for index, image in enumerate(images) if image.seen is not None]
    placed, placer = list(images), _Placer(dataset, rules)
    with runner.mapped(placer, [(dataset.listed[index], images[index].seen) for index in seen]) as results:
        for index, image in zip(seen, results, strict=True):
            placed[index] = image
    return placed


def _in_no_split(entry: Listed) -> Problem:
    return Problem(entry.key, None, _IN_NO_SPLIT, "it is in no list of a split, and left out.")


def _label_map(dataset: Dataset, settings: Settings, images: Sequence[ImageReport]) -> tuple[LabelMap, bytes]:
    found = {name for image in images for name in image.class_names}
    if settings.label_map:
        return classes.read(settings.label_map, found)
    if not found:
        raise validation.no_objects(images, dataset.problems)
    return classes.make(dataset.class_names, found)


def _usable(images: Sequence[ImageReport]) -> dict[int, ImageInfo]:
    """The images that become records: by their position in the list, what is known of the file."""
    usable = {}
    for index, image in enumerate(images):
        if image.skipped is None:
            assert image.seen is not None  # as it was decoded
            usable[index] = image.seen
    return usable


def _items(
    dataset: Dataset, usable: Mapping[int, ImageInfo], chosen: Sequence[str], seed: int
) -> dict[str, list[tuple[Listed, ImageInfo]]]:
    """The items of each split's records, shuffled, so that training does not see one class after another."""
    items: dict[str, list] = {split: [] for split in SPLITS if split in ("train", "val") or split in chosen}
    for (index, seen), split in zip(usable.items(), chosen, strict=True):
        items[split].append((dataset.listed[index], seen))
    for found in items.values():
        random.Random(seed).shuffle(found)
    return items


@dataclass(frozen=True)
class _Examiner:
    """Decodes an image; returns its report and its evidence, None if it cannot be read."""

    dataset: Dataset
    rules: Rules

    def __call__(self, listed: Listed) -> tuple[ImageReport, Facts | None]:
        try:
            annotation = self.dataset.read(listed)
            seen = see(annotation)
        except UnusableImage as error:
            return ImageReport(listed.key, skipped=error.problem, is_bad=error.is_bad), None
        image = _found(listed.key, annotation, seen, self.rules)
        return image, facts_of(annotation, seen, self.rules.exif, self.rules.boxes)


@dataclass(frozen=True)
class _Placer:
    """Makes the report of an already decoded image again."""

    dataset: Dataset
    rules: Rules

    def __call__(self, item: tuple[Listed, ImageInfo]) -> ImageReport:
        listed, seen = item
        return _found(listed.key, self.dataset.read(listed), seen, self.rules)


def _found(key: str, annotation: ImageAnnotation, seen: ImageInfo, rules: Rules) -> ImageReport:
    try:
        examined = examine(annotation, seen, rules)
    except UnusableImage as error:
        return ImageReport(key, skipped=error.problem, is_bad=error.is_bad, seen=seen)
    return ImageReport(
        key=key,
        class_names=examined.class_names,
        repaired=examined.repaired,
        problems=examined.problems,
        left_out_objects=examined.left_out_objects,
        shrunk=examined.shrunk,
        seen=seen,
    )


@dataclass(frozen=True)
class _Encoder:
    dataset: Dataset
    rules: Rules
    class_ids: dict[str, int]
    mask_type: str | None

    def __call__(self, item: tuple[Listed, ImageInfo]) -> WrittenRecord:
        listed, seen = item
        try:
            image = prepare(self.dataset.read(listed), self.class_ids, self.rules, seen).image
        except (UnusableImage, KeyError) as error:
            raise DataError(
                f"{listed.key} changed while it was converted ({error}). Do not change the data, and start again."
            ) from error
        return WrittenRecord(example.encode(image, self.mask_type), tuple(entry.class_name for entry in image.objects))
