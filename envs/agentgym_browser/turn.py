"""Turns: the part of a step in which a page's scripts run, which a dialog ends early.

While a dialog is open its page answers nothing, so whatever waits for the page must be let go of at once. A turn does
that as `asyncio.timeout` does: it cancels the task that it runs in and takes the cancellation back at its end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class PageStopped(Exception):  # noqa: N818 (no error: the page waits for its user)
    """A dialog is open, so the page's scripts stand still: the turn ends. Says what was wrong with the action."""


class Turn:
    """A context manager whose body ends when `stop` is called or `PageStopped` is raised in it."""

    def __init__(self) -> None:
        self.stopped = False
        self.error = ""
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        return self

    def stop(self) -> None:
        """End the body, from outside of it."""
        if self._task is not None and not self.stopped:
            self.stopped = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        assert task is not None
        ours = self.stopped and task.uncancel() <= self._cancelling
        if isinstance(error, PageStopped):
            self.stopped, self.error = True, str(error)
            return True
        return ours and isinstance(error, asyncio.CancelledError)
