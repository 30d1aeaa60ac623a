"""Live progress of long work: what it is doing, how far it is, success so far, steps a second, time left.

On a terminal one bar moves; elsewhere (a log file, continuous integration) a line is written now and then.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

LINE_EVERY_S = 10.0  # how often a line is written where there is no terminal


class Played(NamedTuple):
    """How far some playing is."""

    done: int
    """Units that are finished, out of those that were announced."""
    success: float
    """Success rate so far, in [0, 1]."""
    steps_per_s: float
    """Actions a second."""

    @property
    def text(self) -> str:
        """Success and speed in words."""
        return f"success {self.success:.2f}  {self.steps_per_s:.0f} steps/s"


@contextmanager
def show_progress(console: Console, what: str, *, total: int, unit: str) -> Iterator[Callable[[Played], None]]:
    """Show the progress of one piece of work; the callable that is yielded takes how far it is.

    Args:
        console: where it is shown.
        what: the piece of work.
        total: units that it has.
        unit: what is counted, such as "episodes".
    """
    if not console.is_terminal:
        yield _Lines(console, what, total, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + "  {task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, text="")
        yield lambda played: bar.update(task, completed=played.done, text=played.text)


class _Lines:
    """Writes a line of progress from time to time, and one at the end."""

    def __init__(self, console: Console, what: str, total: int, unit: str) -> None:
        self._console = console
        self._what, self._total, self._unit = what, total, unit
        self._began = self._written = time.monotonic()

    def __call__(self, played: Played) -> None:
        now = time.monotonic()
        if played.done < self._total and now - self._written < LINE_EVERY_S:
            return
        self._written = now
        left = (now - self._began) / max(1, played.done) * (self._total - played.done)
        line = f"{self._what}: {played.done}/{self._total} {self._unit}  {played.text}  {left / 60:.1f} min left"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
