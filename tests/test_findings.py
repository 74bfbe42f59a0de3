"""Findings in one form: where they are, how they are printed, counted and sorted."""

import pytest

from odtk.findings import ERROR, NOTE, WARNING, Finding, has_errors, summary, worst_first


@pytest.mark.parametrize(
    ("where", "printed"),
    [
        ({"file": "map.pbtxt", "line": 3}, "error: map.pbtxt:3: broken"),
        ({"file": "two\nlines.pbtxt"}, r"error: two\nlines.pbtxt: broken"),
        ({"path": "model.ssd.num_classes"}, "error: model.ssd.num_classes: broken"),
        ({}, "error: broken"),
    ],
)
def test_a_finding_says_where_it_is(where, printed):
    assert str(Finding(ERROR, "broken", **where)) == printed


def test_findings_are_counted_and_sorted_by_severity():
    findings = [Finding(NOTE, "1"), Finding(ERROR, "2"), Finding(WARNING, "3"), Finding(NOTE, "4"), Finding(ERROR, "5")]
    assert [each.text for each in worst_first(findings)] == ["2", "5", "3", "1", "4"]
    assert summary(findings) == "2 errors, 1 warning, 2 notes."
    assert (summary([]), has_errors(findings), has_errors(findings[:1])) == (
        "no errors, no warnings, no notes.",
        True,
        False,
    )
