"""The live panel of a run on a terminal, drawn by rich."""

from odtk.progress import FittingParts
from odtk.terminal_text import on_one_line
from odtk.training.run_status import RunStatus

MAX_WIDTH = 100
"""Columns: on a wider terminal a line would be hard to follow."""


def render(status: RunStatus, columns: int):
    """A rich renderable of at most 12 lines, for a terminal with that many `columns`."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    figures = Table.grid(padding=(0, 2))
    figures.add_column(style="cyan", no_wrap=True, max_width=14)
    figures.add_column()
    for label, parts in status.rows():
        figures.add_row(Text(on_one_line(label)), FittingParts(parts, "   "))
    bar = Padding(ProgressBar(total=status.num_steps, completed=status.step), 0)  # a bar alone does not end its line
    return Panel(
        Group(FittingParts(status.heading(), "   ", style="bold"), bar, figures),
        title=Text(on_one_line(f"Training {status.name}"), overflow="ellipsis", no_wrap=True),
        title_align="left",
        width=min(columns, MAX_WIDTH),
        border_style="cyan",
    )
