"""A choice among panels on a page, without scripts: radio buttons, of which the chosen one shows its panel."""

from collections.abc import Sequence

from lxml import etree

from odtk.report.html import element

Panel = tuple["etree._Element | str", etree._Element]
"""What to click on, and what is shown then."""


def chooser(name: str, legend: str, panels: Sequence[Panel], kind: str = "") -> etree._Element:
    """A group of panels, the first of which is chosen; `name` is unique on the page.

    `kind` is "pictures" where small pictures are clicked on. Printed, or without styles, all panels are there.
    """
    parts: list[etree._Element] = []
    for number, (label, panel) in enumerate(panels):
        identity = f"{name}-{number}"
        checked = {"checked": "checked"} if number == 0 else {}
        parts.append(element("input", type="radio", name=name, id=identity, **checked))
        parts.append(element("label", label, for_=identity))
        parts.append(element("div", panel, class_="panel"))
    return element("div", *parts, class_=f"chooser {kind}".strip(), role="radiogroup", aria_label=legend)
