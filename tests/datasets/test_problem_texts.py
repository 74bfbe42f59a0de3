"""The table of texts that `odtk inspect` has for each kind of problem: all of its kinds are reported somewhere."""

from pathlib import Path

import odtk
from odtk.datasets.checks import problem_texts

PACKAGE = Path(odtk.__file__).parent
REPORTERS = [*(PACKAGE / "annotations").glob("*.py"), *(PACKAGE / "datasets").glob("*.py")]


def test_every_kind_in_the_table_is_reported_by_a_reader():
    sources = "".join(path.read_text(encoding="utf-8") for path in REPORTERS)
    # "image found {BY_STEM}" is put together from constants.
    missing = [kind for kind in problem_texts.TEXTS if kind not in sources and not kind.startswith("image found by")]
    assert missing == []
    assert problem_texts.of("never heard of").text.startswith("Never heard of: ")
