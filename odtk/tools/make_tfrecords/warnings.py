"""What a finished conversion lacks for training or evaluation, as sentences."""

from collections.abc import Iterator, Mapping

from odtk.prototext.schema import some
from odtk.tools.make_tfrecords.classes import MISSPELLED
from odtk.tools.make_tfrecords.report import ConversionReport

_NAMED = 5


def of(report: ConversionReport, num_shards: Mapping[str, int]) -> Iterator[str]:
    """The warnings of a complete report; `num_shards` is the number of files of each split."""
    if report.written and not any(split.boxes for split in report.splits.values()):
        yield "No image has an object: a model that is trained on these records learns to find nothing."
    train = report.splits["train"]
    for name, split in report.splits.items():
        missing = [each for each in train.classes if each not in split.classes and not _is_typo(report, each)]
        if split.images and missing:
            counts = [f"{each!r} ({train.classes[each].images} of train)" for each in missing]
            yield (
                f"No image of {name} shows {some(counts, _NAMED)}, so these classes are not evaluated. Annotate more "
                f"images of them, or put more images into {name}."
            )
    for name, count in num_shards.items():
        images = report.splits[name].images
        if 0 < images < count and report.format != "pets":
            yield f"{name} has fewer images ({images}) than files ({count}): some of its files are empty."


def _is_typo(report: ConversionReport, name: str) -> bool:
    """Whether the name is reported as likely misspelled: then more images of the class do not help."""
    return any(each.kind == MISSPELLED and each.text.startswith(f"{name!r} ") for each in report.problems)
