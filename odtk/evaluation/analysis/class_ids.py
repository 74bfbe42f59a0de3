"""The classes that tables and charts of an evaluation have a row for."""

from odtk.evaluation.results import Results


def all_class_ids(results: Results) -> tuple[int, ...]:
    """Every class that has a name, an object or a detection, by its id."""
    found: set[int] = set(results.names)
    for image in results.images:
        found.update(image.classes.tolist(), image.detected_classes.tolist())
    return tuple(sorted(found))
