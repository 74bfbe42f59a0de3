"""The rows of the results, and their printing."""

from dataclasses import dataclass


@dataclass
class Figure:
    """One row: the measurement, its baseline, and the target (None: only reported)."""

    name: str
    value: float
    unit: str
    beside: str  # the baseline, as text
    ratio: float | None
    target: str | None = None
    met: bool | None = None
    tfod: str | None = None  # the origin of TFOD's part of the ratio: MEASURED or REFERENCE


MEASURED, REFERENCE = "measured in this run", "measured on the reference machine"


def table(figures: list[Figure]) -> str:
    """Columns of text, without trailing spaces."""
    rows = [("", "value", "beside", "ratio", "target", "")]
    for figure in figures:
        rows.append(
            (
                figure.name,
                f"{figure.value:.4g} {figure.unit}",
                figure.beside,
                "" if figure.ratio is None else f"{figure.ratio:.3f}",
                figure.target or "",
                {None: "", True: "met", False: "NOT MET"}[figure.met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
