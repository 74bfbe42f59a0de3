"""The label map of a conversion: read and compared with the data, or made from the data."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from odtk import label_map
from odtk.annotations.annotated_image import Problem
from odtk.annotations.dataset import Dataset
from odtk.datasets import class_typos
from odtk.errors import DataError
from odtk.label_map import LabelMap
from odtk.prototext import schema

_NAMED_IN_AN_ERROR = 10

MISSPELLED = "class likely misspelled"  # a kind of problem; its text begins with the name


def read(name_or_path: str, found: Iterable[str]) -> tuple[LabelMap, bytes]:
    """A label map and its text. Raises DataError, with similar names, if it lacks a class name `found` in the data."""
    path = label_map.find(name_or_path)
    classes = label_map.read(path)
    unknown = sorted(name for name in set(found) if classes.id_of(name) is None)
    if unknown:
        known = [text for item in classes.items for text in (item.name, item.display_name) if text]
        named = ", ".join(f"{name!r}{_hint(name, known)}" for name in unknown[:_NAMED_IN_AN_ERROR])
        more = f" and {len(unknown) - _NAMED_IN_AN_ERROR} more" * (len(unknown) > _NAMED_IN_AN_ERROR)
        raise DataError(
            f"The label map {path} has no item for {named}{more}, which the annotations have. Fix the map or the "
            "annotations; if no label map is given, one is made from the data.",
            argument="label_map",
        )
    return classes, path.read_bytes()


def make(listed: Sequence[str] | None, found: Iterable[str]) -> tuple[LabelMap, bytes]:
    """A label map and its text: the classes that the dataset lists, in its order, then other found ones, sorted.

    There must be at least one.
    """
    names = label_map.names_in_order(listed, found)
    text = label_map.format(label_map.of_names(names))
    return label_map.parse(text, "The label map made from the data"), text.encode()


def problems(dataset: Dataset, class_names: Sequence[Sequence[str]], classes: LabelMap) -> list[Problem]:
    """Problems of the classes: `class_names` of the objects of each image in `dataset.listed`, and the label map.

    Names that are almost equal, that have several ids, and that are likely misspelled.
    """
    counts, place = Counter(name for names in class_names for name in names), dataset.folder
    return [
        *_alike(counts, place),
        *_repeated(classes, counts, place),
        *_misspelled(dataset, class_names, counts, classes.texts),
    ]


def _alike(names: Iterable[str], place: str) -> list[Problem]:
    """A problem of `place` for each set of class names that are almost equal, and may be one class with typos."""
    spellings: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        spellings.setdefault(label_map.folded(name), []).append(name)
    return [
        Problem(place, None, "class names that hardly differ", _two_classes(group))
        for group in spellings.values()
        if len(group) > 1
    ]


def _misspelled(dataset: Dataset, class_names, counts: Counter, known: Iterable[str]) -> list[Problem]:
    """A problem for each class name that is likely a misspelling of another, with its first place."""
    typos = class_typos.likely_typos(counts, set(known))
    return [_misspelling(dataset, class_names, counts, name, right) for name, right in typos.items()]


def _repeated(classes: LabelMap, found: Iterable[str], place: str) -> Iterator[Problem]:
    """A problem of `place` for each class name in the data that has several ids in the label map."""
    ids = classes.repeated()
    for name in sorted(ids.keys() & set(found)):
        listed, number = ", ".join(map(str, ids[name])), classes.id_of(name)
        text = f"the label map gives {name!r} the ids {listed}; its boxes become {number}, as in TFOD. "
        yield Problem(place, None, "class name of several ids", f"{text}Give each class its own name.")


def _misspelling(dataset: Dataset, class_names, counts: Counter, name: str, right: str) -> Problem:
    listed = dataset.listed[next(index for index, names in enumerate(class_names) if name in names)]
    annotation = dataset.read(listed)
    line = next((entry.line for entry in annotation.objects if entry.class_name == name), None)
    text = f"{class_typos.question(name, right, counts, listed.key)} It becomes a class of its own."
    return Problem(annotation.annotation_path or annotation.image_path, line, MISSPELLED, text)


def _two_classes(names: Sequence[str]) -> str:
    named = " and ".join(map(repr, names))
    return f"{named} differ only in case, spaces or dashes, but become {len(names)} classes. Use one spelling."


def _hint(name: str, known: Sequence[str]) -> str:
    alike = [other for other in known if label_map.folded(other) == label_map.folded(name)]
    if alike:
        return f" (it has {alike[0]!r}: only case, spaces or dashes differ)"
    typo = class_typos.likely_typos({name: 1}, known)
    close = [typo[name]] if typo else schema.nearest(name, list(known))
    return f" (it has {' and '.join(map(repr, close))})" if close else ""
