"""The columns of a sheet by name, as people and formulas call them."""

from __future__ import annotations


def letters(column: int) -> str:
    """Return the name of a column, counted from 0: A, and after Z AA."""
    name = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(65 + letter) + name
    return name
