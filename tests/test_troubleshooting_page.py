"""docs/troubleshooting.md quotes messages as odtk writes them."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from docs_site.source_texts import quotation, source_texts  # noqa: E402

QUOTED = re.findall(r"^> (.+)$", (ROOT / "docs/troubleshooting.md").read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def texts():
    return source_texts()


@pytest.mark.parametrize("text", QUOTED)
def test_a_quoted_message_is_in_the_source(texts, text):
    wanted = quotation(text)
    assert any(wanted.search(each) for each in texts), "odtk has no such message"


def test_the_page_quotes_many():
    assert len(QUOTED) > 30


@pytest.mark.parametrize(
    ("quoted", "source", "is_there"),
    [
        ("... is not empty. Choose another folder", "\0 is not empty. Choose another folder, or empty it.", True),
        ("There is no ... here", "There is no \0 here", True),
        ("There is no ... here", "There is no \0 yet", False),
        ("here ... There", "There is no \0 here", False),
    ],
)
def test_what_a_quotation_is_of(quoted, source, is_there):
    assert bool(quotation(quoted).search(source)) == is_there


def test_strings_that_are_added_are_one_text(tmp_path):
    (tmp_path / "a.py").write_text('def f(x):\n    raise E(f"No {x} " + x + " here" + (f" or {x}" if x else ""))\n')
    assert "No \0 \0 here\0" in source_texts(tmp_path)
