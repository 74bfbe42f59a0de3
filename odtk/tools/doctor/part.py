"""One part of what `odtk doctor` found."""

from dataclasses import dataclass, field

from odtk.findings import Finding


@dataclass
class Part:
    """Facts by name, in the order in which they are shown, and the findings."""

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
