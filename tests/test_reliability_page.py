"""docs/reliability.md names tests that exist, and those that it calls slow are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reliability.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| (?!promise|---)", line)]
NAMED = re.compile(r"`(tests/[\w/]+(?:\.py)?)`")


def has_test(path: Path) -> bool:
    files = path.glob("test_*.py") if path.is_dir() else [path]
    return any(
        "\ndef test_" in file.read_text("utf-8") or "\n    def test_" in file.read_text("utf-8") for file in files
    )


@pytest.mark.parametrize("name", sorted(set(NAMED.findall("".join(ROWS)))))
def test_what_it_names_has_tests(name):
    assert has_test(ROOT / name)


def test_every_promise_names_what_shows_it():
    where = [row.rstrip("| ").rpartition("| ")[2] for row in ROWS]
    assert [cell for cell in where if not re.search("`tests/|^the same|`make bench`", cell)] == []
    assert not where[0].startswith("the same")


def test_what_is_called_slow_is_marked_so():
    slow = [NAMED.findall(row) for row in ROWS if "*slow*" in row]
    assert slow
    for names in slow:
        assert any("pytest.mark.slow" in (ROOT / name).read_text("utf-8") for name in names), names
