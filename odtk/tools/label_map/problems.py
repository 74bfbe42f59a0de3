"""Something wrong with a label map, and how grave it is."""

from dataclasses import dataclass

from odtk.terminal_text import on_one_line

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Problem:
    """Something wrong with a label map, or worth knowing: what, and how to fix it; `line` None is the whole file."""

    severity: str
    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: {on_one_line(self.file)}{f':{self.line}' if self.line else ''}: {self.text}"
