"""What to do next about a detector, printed at the end of `odtk evaluate` and `odtk demo`."""

from collections.abc import Sequence

import click

from odtk.findings import Finding
from odtk.terminal_text import on_one_line


def print_next_steps(findings: Sequence[Finding]) -> None:
    """The findings in the given order, each with its fix; nothing without findings."""
    if not findings:
        return
    click.echo("\nWhat to do next, the costliest first:")
    for number, finding in enumerate(findings, 1):
        click.echo(f"{number}. {on_one_line(finding.text)}")
        if finding.fix:
            click.echo(f"   {on_one_line(finding.fix)}")
