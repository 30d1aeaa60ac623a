"""Work under way: coroutines of slots on the world's event loop, and their results in the order in which they come.

Started and taken from the caller's thread; a condition guards what the loop's thread hands over.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agentgym.errors import InfrastructureError, SessionStateError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

Result = TypeVar("Result")


class WorkUnderWay(Generic[Result]):
    """Tasks of an event loop that runs on another thread, one a slot."""

    def __init__(self) -> None:
        self._slots: set[int] = set()
        self._done: dict[int, asyncio.Task[Result]] = {}  # in order of arrival
        self._wanted = 0  # results that the caller waits for: waking it for each would cost more than the work
        self._arrived = threading.Condition()

    @property
    def slots(self) -> frozenset[int]:
        """The slots that were started and not taken yet."""
        return frozenset(self._slots)

    def start(self, work: Mapping[int, Coroutine[Any, Any, Result]], loop: asyncio.AbstractEventLoop) -> None:
        """Start the slots' work; none of them may be under way."""
        self._slots.update(work)
        loop.call_soon_threadsafe(self._create, dict(work))  # one wake-up for all

    def take(self, *, at_least: int, timeout_s: float | None) -> dict[int, Result | InfrastructureError]:
        """Wait for so many results, or for so long; return all that are there.

        Raises:
            SessionStateError: the world was closed meanwhile.
            Exception: a bug raised it in one slot, which is no longer under way; the others' results stay.
        """
        with self._arrived:
            self._wanted = at_least
            self._arrived.wait_for(lambda: len(self._done) >= at_least, timeout_s)
            for slot, task in self._done.items():
                if task.cancelled():
                    raise SessionStateError("The world was closed while work was under way; reset to open it again.")
                error = task.exception()
                if error is not None and not isinstance(error, InfrastructureError):
                    del self._done[slot]
                    self._slots.remove(slot)
                    raise error
            results = {slot: _result(task) for slot, task in self._done.items()}
            self._done.clear()
            self._slots.difference_update(results)
        return results

    def _create(self, work: Mapping[int, Coroutine[Any, Any, Result]]) -> None:
        for slot, each in work.items():
            task = asyncio.get_running_loop().create_task(each)
            task.add_done_callback(partial(self._arrive, slot))

    def _arrive(self, slot: int, task: asyncio.Task[Result]) -> None:
        if not task.cancelled():
            task.exception()  # mark as seen: what is closed before it is taken is nobody's error
        with self._arrived:
            self._done[slot] = task
            if len(self._done) >= self._wanted:
                self._arrived.notify()


def _result(task: asyncio.Task[Result]) -> Result | InfrastructureError:
    error = task.exception()
    return error if isinstance(error, InfrastructureError) else task.result()
