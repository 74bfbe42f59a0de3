"""Words that texts, comments and docstrings do not use: CONTRIBUTING.md's style asks for plain present-day English."""

import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each with what to say instead.
_INSTEAD = {
    r"mend(s|ed|ing)?|unmended": "fix, repair",
    r"anew": "again, from scratch",
    r"sound|soundly|unsound": "valid",
    r"(no|some)body": "name who, or use the passive",
    r"hears?|heard": "receives, logs",
    r"without a word": "silently, was killed",
    r"nothing to complain of": "no problems found",
    r"of no use": "unused, ignored",
    r"for information": "note",
    r"in silence": "silently",
    r"data[- ]sets?": "dataset",
    r"\w*colour\w*": "color",
    r"(?<!_)(un)?cent(re|red|res)": "center",
    r"\w*(normal|local|regular|serial|initial|general|optim|recogn|organ|summar)is(e|es|ed|ing|ation)": "-ize",
    r"(grey|labell|neighbour|behaviour|honour|licence)\w*": "American spelling: gray, label, neighbor ...",
}
_WORDS = re.compile("|".join(rf"\b(?:{words})\b" for words in _INSTEAD), re.IGNORECASE)

# Texts that are not ours: columns of CSV files that other tools wrote.
_ALLOWED = {("odtk/annotations/csv_columns.py", "x_centre"), ("odtk/annotations/csv_columns.py", "y_centre")}

_PROSE = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))


def prose(path):
    """The lines of a text, or of the strings and comments of a module, with their numbers."""
    if path.suffix != ".py":
        return list(enumerate(path.read_text("utf-8").splitlines(), start=1))
    if not _WORDS.search(path.read_text("utf-8")):  # telling strings from names takes time
        return []
    with open(path, "rb") as file:
        found = [token for token in tokenize.tokenize(file.readline) if token.type in _PROSE]
    return [pair for token in found for pair in enumerate(token.string.splitlines(), start=token.start[0])]


def files():
    yield from (path for path in (ROOT / "odtk").rglob("*.py") if not path.stem.endswith("_pb2"))
    yield from (ROOT / "bench").glob("*.py")
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / "docs_site").glob("*.py")
    yield from (
        ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "DESIGN.md", "Makefile")
    )


def test_words_of_an_earlier_dialect_do_not_come_back():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in files()
        for number, line in prose(path)
        for match in _WORDS.finditer(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["mended", "is sound", "two data sets", "the centre", "Colours", "Normalised boxes"])
def test_a_word_of_the_list_is_found(text):
    assert _WORDS.search(text)


@pytest.mark.parametrize("text", ["amend", "commend", "recommended", "x_center", "hearsay", "dataset", "background"])
def test_other_words_are_not(text):
    assert not _WORDS.search(text)
