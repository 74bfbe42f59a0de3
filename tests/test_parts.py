"""`make test-all PART=1/3`: all parts together are all tests, none of them twice."""

import random

import pytest
from parts import files_of, lengths, parse

TESTS = [(f"tests/test_{number}.py", index < number % 5) for number in range(40) for index in range(number)]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_share_no_file_and_leave_out_none(count):
    shuffled = random.Random(1).sample(TESTS, len(TESTS))
    parts = [files_of(part, count, lengths(shuffled)) for part in range(1, count + 1)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 39
    assert parts == [files_of(part, count, lengths(TESTS)) for part in range(1, count + 1)], "in any order of tests"
    taken = [sum(lengths(TESTS)[file] for file in part) for part in parts]
    assert max(taken) - min(taken) <= max(lengths(TESTS).values())


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "-1/2", "1/2/", ""])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(ValueError, match="is no part"):
        parse(text)
