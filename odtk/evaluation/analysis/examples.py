"""Examples of findings about the results of an evaluation."""

from odtk.evaluation.results import Results
from odtk.findings import Example


def example_of(results: Results, image: int, text: str) -> Example:
    """One in an image, by its index: named by its source_id and, where it is known, the file that holds its record."""
    found = results.images[image]
    return Example(text, found.place[0] if found.place else found.source_id, image=found.source_id, rows=(image,))
