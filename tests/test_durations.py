"""Times as people write them, and what is none."""

import pytest

from odtk.durations import as_text, seconds_of
from odtk.errors import OdtkError


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("11h30m", 41400),
        ("45m", 2700),
        ("90s", 90),
        ("90m", 5400),
        ("1:30:00", 5400),
        ("1d 2h", 93600),
        ("1.5H", 5400),
        (" 2h5s ", 7205),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_a_time_is_seconds(time, seconds):
    assert seconds_of(time, "max_time") == seconds
    assert seconds_of(as_text(time), "max_time") == seconds


@pytest.mark.parametrize(
    "time",
    ["", " ", "soon", "h", "0m", "-5m", "30m11h", "1:30", "1:75:00", "10 minutes", "nan", "inf", 0, -1, True,
     float("nan"), float("inf"), None, ["1h"]],
)  # fmt: skip
def test_what_is_no_time_is_answered_with_examples(time):
    with pytest.raises(OdtkError, match="such as 11h30m, 45m, 90s or 1:30:00") as error:
        seconds_of(time, "max_time")
    assert error.value.argument == "max_time"


def test_a_number_without_unit_is_not_guessed():
    with pytest.raises(OdtkError, match=r"max_time is '90' \(of what\? 90s, 90m or 90h\)"):
        seconds_of("90", "max_time")
