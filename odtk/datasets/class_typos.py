"""Class names that are likely typos: rare ones that differ from a frequent one by a letter or two."""

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping

_FEW_BOXES, _SMALL_SHARE = 5, 0.01  # a typo has at most this many boxes, or this fraction of the right name's
_RATIO = 5  # and the right name has at least this many times as many
_SHORTEST_WORD = 3  # letters; shorter ones number things: class_a and class_b
_LONG_WORD = 8  # letters; from this length on a typo may be two edits
_LONGEST_WORD = 40  # letters; longer strings are no words, and can be shortened in too many ways
_NEGATIONS = {"a", "un", "in", "im", "il", "ir", "non", "dis"}

_WORD = re.compile(r"\d+|[^\W\d_]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")


def likely_typos(counts: Mapping[str, int], known: Collection[str] = ()) -> dict[str, str]:
    """Each of the names in `counts` that is likely a typo, and the name that was meant.

    `counts`: boxes of each class name. `known`: names that are right, such as a label map's; other names may be typos
    of them, whatever their numbers of boxes. Names that differ by number (cat1, cat2), by a single letter used as a
    number (class_a, class_b), or by a negation (ripe, unripe) are different classes. Takes time in proportion to the
    number of names.
    """
    most = max(counts.values(), default=0)
    asked = [name for name, count in counts.items() if count and (name not in known or _is_rare(count, most))]
    near = _Neighbors({*known, *counts} if asked else ())
    found: dict[str, str] = {}
    for name in sorted(asked, key=lambda name: -counts[name]):  # so that the right name is not a typo itself
        # Letters are compared last, which is slowest.
        right = [
            other
            for other in near.of(name) - found.keys()
            if (
                (other in known and name not in known)
                or (_is_rare(counts[name], counts.get(other, 0)) and (other in known or name not in known))
            )
            and _is_typo(name, other)
        ]
        if right:
            found[name] = max(right, key=lambda other: (counts.get(other, 0), other))
    return found


def question(name: str, right: str, counts: Mapping[str, int], place: str = "") -> str:
    """`'mgu' (1, Annotations/IMG_0007.xml): did you mean 'mug' (31)?`"""
    said = f" ({counts[right]:,})" if counts.get(right) else ""
    return f"{name!r} ({counts[name]:,}{f', {place}' * bool(place)}): did you mean {right!r}{said}?"


def _is_rare(count: int, other: int) -> bool:
    return count * _RATIO <= other and count <= max(_FEW_BOXES, _SMALL_SHARE * other)


class _Neighbors:
    """Finds names that may differ by a typo in one word: they are equal without one or two letters."""

    def __init__(self, names: Collection[str]):
        self._by_key: dict[tuple, list[str]] = {}
        for name in names:
            for key in _keys(name):
                self._by_key.setdefault(key, []).append(name)

    def of(self, name: str) -> set[str]:
        return {other for key in _keys(name) for other in self._by_key.get(key, ())}


def _words(name: str) -> list[str]:
    return _WORD.findall(_CAMEL_CASE.sub(" ", name))


def _keys(name: str) -> set[tuple]:
    """The name's words, each in turn with one or two letters removed."""
    words = [word.casefold() for word in _words(name)]
    return {
        (*words[:place], ("typo", left), *words[place + 1 :])
        for place, word in enumerate(words)
        if word.isalpha() and _SHORTEST_WORD <= len(word) <= _LONGEST_WORD
        for left in _shortened(word)
    }


def _shortened(word: str) -> Iterator[str]:
    for count in range(3 if len(word) >= _LONG_WORD else 2):
        for left in itertools.combinations(word, len(word) - count):
            yield "".join(left)


def _is_typo(name: str, other: str) -> bool:
    pairs = [pair for pair in zip(_words(name), _words(other), strict=True) if pair[0].casefold() != pair[1].casefold()]
    if len(pairs) != 1:
        return False
    one, two = pairs[0]
    if one.isupper() and two.isupper() and len(one) <= 4:  # RBC and WBC
        return False
    if any(unicodedata.east_asian_width(letter) in "WF" for letter in one + two):  # there a letter is a word
        return False
    return _is_typo_of_word(one.casefold(), two.casefold())


def _is_typo_of_word(one: str, two: str) -> bool:
    short, long = sorted((one, two), key=len)
    if long.endswith(short) and long.removesuffix(short) in _NEGATIONS:
        return False
    is_replaced = len(one) == len(two) and sorted(one) != sorted(two)
    # Replacing a letter of a short word often makes another word: cat and car, boat and goat.
    if is_replaced and (len(one) <= _SHORTEST_WORD or one[0] != two[0]):
        return False
    return 0 < _edits(one, two) <= (2 if len(short) >= _LONG_WORD else 1)


def _edits(one: str, two: str) -> int:
    """Letters to insert, delete, replace or exchange with their neighbor (optimal string alignment)."""
    rows = [list(range(len(two) + 1))]
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, other in enumerate(two, start=1):
            least = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (two[j - 2], other):
                least = min(least, rows[-2][j - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]
