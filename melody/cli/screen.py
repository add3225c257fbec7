"""What the commands show: rich on stderr, so that stdout holds nothing but the paths of what was written."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

console = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """One line."""
    console.print(line, markup=False, soft_wrap=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table; columns after the first are set right if they hold numbers."""
    drawn = Table(*header, box=None, pad_edge=False, header_style="bold")
    for column, cells in zip(drawn.columns, zip(*rows)):
        if all(cell.replace(",", "").replace(".", "").isdigit() for cell in cells):
            column.justify = "right"
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)


def progress(label: str) -> Progress:
    """A progress bar with the time left, gone when the work is done."""
    counted = MofNCompleteColumn() if label.startswith(("reading", "writing")) else TaskProgressColumn()
    columns = (TextColumn(label), BarColumn(), counted, TextColumn("{task.description}"), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
