"""Findings on a page: their numbers, each with its examples and fix, and tables of places."""

from collections import Counter
from collections.abc import Iterable, Sequence

from lxml import etree

from odtk.findings import SEVERITIES, Example, Finding
from odtk.report.html import code, element, prose, table

_EXAMPLES_SHOWN = 3


def verdict(findings: Iterable[Finding]) -> etree._Element:
    """One line: how many findings of each severity there are."""
    counts = Counter(finding.severity for finding in findings)
    found = [
        element(
            "span", f"{counts[severity]} {severity}{'s' * (counts[severity] != 1)}", class_=f"badge tone-{severity}"
        )
        for severity in SEVERITIES
        if counts[severity]
    ]
    if not found:
        return element("p", element("span", "No problems found.", class_="badge tone-good"))
    spaced = [part for each in found for part in (", ", each)][1:]
    return element("p", *spaced, ".")


def finding_list(findings: Sequence[Finding]) -> etree._Element:
    """The findings, in the given order."""
    return element("ul", *(_item(found, found.severity.capitalize(), _EXAMPLES_SHOWN) for found in findings),
                   class_="findings")  # fmt: skip


def numbered_list(findings: Sequence[Finding]) -> etree._Element:
    """Findings of which the first is the most important: with their numbers, and all examples folded."""
    return element(
        "ol", *(_item(found, f"{number}.", 0) for number, found in enumerate(findings, 1)), class_="findings"
    )


def _item(found: Finding, badge: str, examples_shown: int) -> etree._Element:
    """One finding with its fix; more than a few examples are collapsed."""
    examples = [str(example) for example in found.examples]
    shown = len(examples) if len(examples) == examples_shown + 1 else examples_shown  # never collapses a single one
    unnamed = found.count - len(examples)
    return element(
        "li",
        element("p", element("span", badge, class_="badge"), " ", *prose(found.text)),
        element("p", element("strong", "Fix: "), *prose(found.fix)) if found.fix else None,
        _listed(examples[:shown]),
        _folded(examples[shown:], "more" if shown else "examples"),
        element("p", f"and {unnamed:,} more, not named here", class_="faint") if examples and unnamed > 0 else None,
        class_=f"tone-{found.severity}",
    )


def _listed(lines: Sequence[str]) -> etree._Element | None:
    return element("ul", *(element("li", code(line)) for line in lines)) if lines else None


def _folded(lines: Sequence[str], what: str) -> etree._Element | None:
    return element("details", element("summary", f"{len(lines)} {what}"), _listed(lines)) if lines else None


def places(caption: str, examples: Sequence[Example]) -> etree._Element:
    """A table of the place and the text of each example."""
    rows = [[code(example.where), example.text] for example in examples]
    return table(caption, ["Where", "What"], rows, kind="words")
