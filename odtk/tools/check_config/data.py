"""Checks of the readers: the label map, the record files, and whether their classes agree."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import label_map, resources
from odtk.datasets.record_files import (
    EVAL_WORDS,
    TRAIN_WORDS,
    ClassScan,
    record_sets,
    scan_classes,
)
from odtk.errors import DataError, LabelMapError
from odtk.label_map import LabelMap
from odtk.protos import input_reader_pb2
from odtk.prototext.schema import some
from odtk.records import shards
from odtk.tools.check_config.boxes import check_boxes
from odtk.tools.check_config.config_checks import PLACEHOLDER, ConfigChecks, setting


@dataclass(frozen=True)
class Reader:
    """A reader of the config, with its option and words for messages."""

    path: str
    message: input_reader_pb2.InputReader
    option: str  # of odtk configure
    words: tuple[str, ...]  # in the names of its record files

    @property
    def label_map_field(self) -> str:
        """The dotted path of its label map."""
        return f"{self.path}.label_map_path"

    @property
    def records_field(self) -> str:
        """The dotted path of its record files."""
        return f"{self.path}.tf_record_input_reader.input_path"

    @property
    def patterns(self) -> list[str]:
        """Its record files, as written in the config."""
        return list(self.message.tf_record_input_reader.input_path)


def check_data(checks: ConfigChecks, needs: Sequence[str]) -> None:
    """Reports on the readers in `needs` ("train", "eval"); only on the first of the eval_input_readers."""
    config, readers = checks.config, []
    if "train" in needs:
        readers.append(Reader("train_input_reader", config.train_input_reader, "--train-records", TRAIN_WORDS))
    if "eval" in needs and _has_eval_reader(checks):
        readers.append(Reader("eval_input_reader[0]", config.eval_input_reader[0], "--eval-records", EVAL_WORDS))
    maps: dict[str, LabelMap | None] = {}
    files, scans = {}, {}
    for reader in readers:
        path = reader.message.label_map_path
        if path not in maps:
            maps[path] = _check_label_map(checks, reader)
        files[reader.path] = _check_records(checks, reader)
        is_compared = any(scan and scan.names for scan in scans.values())
        scans[reader.path] = _check_classes(checks, reader, files[reader.path], maps[path], is_compared)
    _check_measured(checks, readers, scans)
    _check_agreement(checks, readers, maps)
    _check_separation(checks, readers, files)


def _has_eval_reader(checks: ConfigChecks) -> bool:
    count = len(checks.config.eval_input_reader)
    if count == 0:
        text = "is missing, so this config cannot be evaluated."
        checks.absent("eval_input_reader", text, ("--eval-records", "FOLDER_OR_GLOB"))
    elif count > 1:
        text = f"is the second of {count}; odtk evaluates on the first, eval_input_reader[0]."
        checks.note("eval_input_reader[1]", text)
    return count > 0


def _check_label_map(checks: ConfigChecks, reader: Reader) -> LabelMap | None:
    path, field = reader.message.label_map_path, reader.label_map_field
    fix = ("--label-map", _shipped_like(path) or "FILE")
    if not path:
        text = "is not set: the ids in the records are used as they are, and classes have no names. TFOD requires it."
        checks.warning(field, text, fix)
    elif "://" in path:
        checks.note(field, f"{path} is not on this machine's disk and was not checked.")
    elif not _is_there(path):
        what = "is a placeholder" if PLACEHOLDER in path else "does not exist here"
        checks.absent(field, f"{path} {what}.", fix)
    else:
        try:
            labels = label_map.read(path)
        except LabelMapError as error:
            checks.error(field, str(error), fix)
            return None
        _check_num_classes(checks, path, labels)
        return labels
    return None


def _is_there(path: str) -> bool:
    try:
        return label_map.find(path).exists()
    except LabelMapError:
        return False


def _shipped_like(path: str) -> str | None:
    """The name of the shipped label map with the same file name."""
    name = os.path.basename(path).removesuffix(".pbtxt")
    return name if name in resources.shipped_files("label_maps", ".pbtxt") else None


def _check_num_classes(checks: ConfigChecks, path: str, labels: LabelMap) -> None:
    kind = checks.config.model.WhichOneof("model")
    count = getattr(getattr(checks.config.model, kind), "num_classes", None) if kind else None
    field, largest = f"model.{kind}.num_classes", labels.num_classes
    fix = ("--num-classes", largest)
    # 0 is reported with the model, independently of the label map.
    count = count or 0
    if 0 < count < largest:
        lost = some([f"{item.id} ({item.name!r})" for item in labels.items if item.id > count])
        checks.error(field, f"is {count}, below the largest id of {path}: it has no output for {lost}.", fix)
    elif count > largest:
        text = f"is {count}, but the largest id of {path} is {largest}: the other outputs are never used."
        checks.warning(field, text, fix)


def _check_records(checks: ConfigChecks, reader: Reader) -> list[Path]:
    """The record files that exist."""
    if not reader.patterns:
        text = f"is empty: there is nothing to {'train' if reader.option == '--train-records' else 'evaluate'} on."
        checks.error(reader.records_field, text, (reader.option, "FOLDER_OR_GLOB"))
    weights = len(reader.message.sample_from_datasets_weights)
    if weights not in (0, len(reader.patterns)):
        field = f"{reader.path}.sample_from_datasets_weights"
        text = f"has {_count(weights, 'value')} for {_count(reader.patterns, 'input_path')}; it takes one for each."
        checks.error(field, text, setting(field, ""))
    found = []
    for index, pattern in enumerate(reader.patterns):
        field = reader.records_field + (f"[{index}]" if len(reader.patterns) > 1 else "")
        found += _check_pattern(checks, reader, field, pattern)
    return found


def _check_pattern(checks: ConfigChecks, reader: Reader, field: str, pattern: str) -> list[Path]:
    if "://" in pattern:
        checks.note(field, f"{pattern} is not on this machine's disk and was not checked.")
        return []
    files = shards.expand_globs([pattern])
    if not files:
        _report_absent(checks, reader, field, pattern)
    folders = [file for file in files if file.is_dir()]
    if folders:
        text = f"{folders[0]} is a folder; the path or glob of record files is expected."
        checks.error(field, text, (reader.option, folders[0]))
        return []
    missing = shards.missing_shards(pattern, files)
    if missing:
        text = f"{pattern} matches {_count(files, 'file')}, but {some(missing)} of the same set is missing."
        checks.error(field, text, (reader.option, "FOLDER_OR_GLOB"))
    empty = [file for file in files if not file.stat().st_size]
    if files and len(empty) == len(files):
        checks.error(field, f"all files of {pattern} are empty.", (reader.option, "FOLDER_OR_GLOB"))
    return [file for file in files if file not in empty]


def _report_absent(checks: ConfigChecks, reader: Reader, field: str, pattern: str) -> None:
    if PLACEHOLDER in pattern:
        checks.absent(field, f"{pattern} is a placeholder.", (reader.option, "FOLDER_OR_GLOB"))
        return
    folder = Path(pattern).parent
    near = record_sets(folder, (*reader.words, "")) if folder.is_dir() else []
    hint = f" There is {some(near)}." if near else ""
    what = "matches no file here" if any(sign in pattern for sign in "*?[") else "does not exist here"
    checks.absent(field, f"{pattern} {what}.{hint}", (reader.option, near[0] if near else "FOLDER_OR_GLOB"))


def _check_classes(
    checks: ConfigChecks, reader: Reader, files: list[Path], labels: LabelMap | None, is_compared: bool
) -> ClassScan | None:
    """Compares the classes in the records with the label map; returns what the records contain, if they can be read.

    `is_compared`: they are compared with those of training's records, too, which reports classes without a box better.
    """
    if not files:
        return None
    fix = (reader.option, "FOLDER_OR_GLOB")
    try:
        scan = scan_classes(files)
    except DataError as error:
        checks.error(reader.records_field, str(error), fix)
        return None
    if scan.damaged:
        _report_damage(checks, reader, scan)
    if scan.damaged and not scan.num_records:
        return None
    check_boxes(checks, reader.path, reader.option, scan)
    if not scan.num_boxes:
        text = f"{_looked_at(scan)} no box: there is nothing to learn or to evaluate."
        checks.error(reader.records_field, text, fix)
    elif labels is not None:
        _check_names(checks, reader, scan, labels, is_compared)
    return scan


def _check_measured(checks: ConfigChecks, readers: list[Reader], scans: dict[str, ClassScan | None]) -> None:
    """Reports trained classes without AP, because no evaluation image has them."""
    train, held_out = (scans[reader.path] for reader in readers) if len(readers) == 2 else (None, None)
    if not train or not held_out or not held_out.num_boxes or not held_out.is_complete:
        return
    missing = [f"'{name}'" for name in sorted(train.names.keys() - held_out.names.keys())] if held_out.names else []
    if missing:
        text = f"{_looked_at(held_out)} no box of {some(missing, 8)}, which training's records have: no AP is measured."
        checks.warning(readers[1].records_field, text, (readers[1].option, "FOLDER_OR_GLOB"))


def _report_damage(checks: ConfigChecks, reader: Reader, scan: ClassScan) -> None:
    count = "a record" if len(scan.damaged) == 1 else f"{len(scan.damaged)} records"
    text = f"{count} cannot be read: {some(scan.damaged)}. "
    if scan.num_records:
        left_out = "Training and evaluation skip unreadable records, up to a limit (max_bad_records)."
        checks.warning(reader.records_field, f"{text}{left_out} Copy the file again, or write it again.")
    else:
        checks.error(reader.records_field, f"{text}There are no others.", (reader.option, "FOLDER_OR_GLOB"))


def _check_names(checks: ConfigChecks, reader: Reader, scan: ClassScan, labels: LabelMap, is_compared: bool) -> None:
    path, fix = reader.message.label_map_path, ("--label-map", "FILE")
    ids = {name: labels.id_of(name) for name in scan.names}
    known = {item.id for item in labels.items}
    unknown = {f"'{name}'": scan.names[name] for name, found in ids.items() if found is None}
    unknown |= {f"id {number}": count for number, count in scan.ids.items() if number not in known}
    lost = sum(unknown.values())
    if lost:
        listed = some(sorted(unknown, key=lambda name: -unknown[name]), 8)
        text = f"{path} has no {listed}, which {_looked_at(scan)} {_count(lost, 'box', 'boxes')} of; they are left out."
        report = checks.error if lost == scan.num_boxes else checks.warning
        report(reader.label_map_field, text, fix)
    for name, numbers in labels.repeated().items():
        if name in ids:
            listed = ", ".join(map(str, numbers))
            text = (
                f"{path} gives {name!r} the ids {listed}: all {_count(scan.names[name], 'box', 'boxes')} of it become "
            )
            checks.warning(reader.label_map_field, f"{text}{ids[name]}. Give each class its own name.", fix)
    seen = {*ids.values(), *scan.ids}
    unused = [f"'{item.name}'" for item in labels.single_items() if item.id not in seen]
    if unused and lost < scan.num_boxes and not is_compared:
        text = f"{_looked_at(scan)} no box of {some(unused, 8)}, which {path} has."
        is_certain = scan.is_complete and reader.option == "--train-records"
        (checks.warning if is_certain else checks.note)(reader.records_field, text, fix)


def _looked_at(scan: ClassScan) -> str:
    if scan.num_records == 1:
        return "the only record has" if scan.is_complete else "the one record that was read has"
    return f"the {scan.num_records} records" + ("" if scan.is_complete else " that were read (not all)") + " have"


def _check_agreement(checks: ConfigChecks, readers: list[Reader], maps: dict[str, LabelMap | None]) -> None:
    """Reports class ids that differ between training and evaluation."""
    paths = [reader.message.label_map_path for reader in readers]
    if len(set(paths)) < 2 or not all(paths):
        return
    first, second = (maps[path] for path in paths)
    # Unreadable label maps are already reported.
    if first and second and [(i.id, i.name) for i in first.items] != [(i.id, i.name) for i in second.items]:
        text = f"{paths[1]} has other class ids than training's {paths[0]}: the metrics would be wrong."
        checks.error(readers[1].label_map_field, text, ("--label-map", paths[0]))


def _check_separation(checks: ConfigChecks, readers: list[Reader], files: dict[str, list[Path]]) -> None:
    """Reports evaluation on the training data, which is meaningless."""
    if len(readers) < 2:
        return
    patterns = set(readers[0].patterns) & set(readers[1].patterns)
    shared = {file.resolve() for file in files[readers[0].path]} & {file.resolve() for file in files[readers[1].path]}
    if patterns or shared:
        what = some(sorted(patterns or map(str, shared)))
        text = f"{what}: training reads the same records, so evaluation says nothing about new images."
        checks.warning(readers[1].records_field, text, ("--eval-records", "FOLDER_OR_GLOB"))


def _count(number: int | list, one: str, many: str | None = None) -> str:
    number = number if isinstance(number, int) else len(number)
    return f"{number} {one if number == 1 else many or one + 's'}"
