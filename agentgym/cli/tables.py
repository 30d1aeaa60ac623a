"""Tables on standard output: folded to a terminal's width, and whole where a file or another program reads them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

UNBOUNDED = 10_000  # columns of a line that nobody looks at


def new_table(first: str, *others: str) -> Table:
    """Make a table whose first column is never cut: it holds the names that people copy."""
    table = Table(box=None)
    table.add_column(first, overflow="fold")
    for title in others:
        table.add_column(title, no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=console.measure(table, options=console.options.update(width=UNBOUNDED)).maximum)
    console.print(table)
