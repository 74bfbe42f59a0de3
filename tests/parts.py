"""The tests in parts of about one length, for machines that are not at hand long enough for all of them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

# Minutes, where others take tenths of a second. A whole number: sums of fractions depend on the order.
_SLOW = 500


def parse(text: str) -> tuple[int, int]:
    """(1, 3) of "1/3"; ValueError if it is no such part."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    part, count = (0, 0) if found is None else map(int, found.groups())
    if not 1 <= part <= count:
        raise ValueError(f"'{text}' is no part, such as 1/3, the first of three.")
    return part, count


def lengths(tests: Iterable[tuple[str, bool]]) -> Counter[str]:
    """How long each file takes, in quick tests; `tests` are the file of each and whether it is slow."""
    found: Counter[str] = Counter()
    for file, is_slow in tests:
        found[file] += _SLOW if is_slow else 1
    return found


def files_of(part: int, count: int, lengths: Mapping[str, int]) -> set[str]:
    """The files of a part: the longest first, each goes to the part that is shortest then.

    A file stays whole, as its tests share what took minutes to make.
    """
    parts: list[set[str]] = [set() for _ in range(count)]
    taken = [0] * count
    for file in sorted(lengths, key=lambda file: (-lengths[file], file)):
        shortest = taken.index(min(taken))
        parts[shortest].add(file)
        taken[shortest] += lengths[file]
    return parts[part - 1]
