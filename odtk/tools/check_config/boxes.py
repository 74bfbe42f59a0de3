"""Checks of the boxes in the records: unusable boxes, and images with more boxes than are read."""

from odtk.datasets.record_files import ClassScan
from odtk.pipeline.readers import max_number_of_boxes
from odtk.records import box_errors
from odtk.tools.check_config.config_checks import ConfigChecks, setting

_NAMED = 3


def check_boxes(checks: ConfigChecks, path: str, option: str, scan: ClassScan) -> None:
    """Reports on the boxes of the reader at `path`; `option` of odtk configure sets its records."""
    if scan.bad_boxes:
        _report_bad_boxes(checks, f"{path}.tf_record_input_reader.input_path", option, scan)
    if scan.counts:
        _check_number(checks, path, scan)


def _report_bad_boxes(checks: ConfigChecks, field: str, option: str, scan: ClassScan) -> None:
    lost = sum(len(image.bad) for image in scan.bad_boxes)
    total = sum(boxes * images for boxes, images in scan.counts.items())
    named = "; ".join(map(str, scan.bad_boxes[:_NAMED]))
    more = f"; and {len(scan.bad_boxes) - _NAMED} more images" if len(scan.bad_boxes) > _NAMED else ""
    text = (
        f"of the {total} boxes in {_records_seen(scan)}, {box_errors.count_in_words(scan.bad_boxes)} are unusable: "
        f"{named}{more}. "
    )
    advice = f"{box_errors.advice(scan.bad_boxes)} `odtk inspect` finds every such box."
    if 2 * lost > total:
        checks.error(field, f"{text}That is most of the boxes. {advice}", (option, "FOLDER_OR_GLOB"))
    else:
        checks.warning(field, f"{text}They are skipped, and their images are used without them. {advice}")


def _check_number(checks: ConfigChecks, path: str, scan: ClassScan) -> None:
    is_training = path == "train_input_reader"
    reader = checks.config.train_input_reader if is_training else checks.config.eval_input_reader[0]
    train_config = checks.config.train_config if is_training else None
    limit = max_number_of_boxes(reader, train_config)
    most, cut = max(scan.counts), sum(images for boxes, images in scan.counts.items() if boxes > limit)
    if most <= limit:
        return
    in_train_config = is_training and not reader.HasField("max_number_of_boxes")
    field = f"{'train_config' if in_train_config else path}.max_number_of_boxes"
    effect = "are skipped and learned as background" if is_training else "are not evaluated"
    text = (
        f"is {limit}, but {scan.fullest} has {most} boxes, and {cut} of {_records_seen(scan)} "
        f"{'has' if cut == 1 else 'have'} more than {limit}: the boxes beyond that {effect}."
    )
    checks.warning(field, text, setting(field, most))


def _records_seen(scan: ClassScan) -> str:
    """How many records a scan has read, and whether these are all."""
    records = "1 record" if scan.num_records == 1 else f"{scan.num_records} records"
    return records if scan.is_complete else f"the first {records} (not all were read)"
