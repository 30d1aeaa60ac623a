"""Work under way: what the slots' desktops are doing, on a thread each while they do it.

A desktop's work is mostly waiting, for its screen to be quiet or an app to answer, so threads cost little.
"""

from __future__ import annotations

import queue
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agentgym.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Result = TypeVar("Result")
Kind = TypeVar("Kind")


class WorkUnderWay(Generic[Result]):
    """Calls that run side by side, one a slot.

    Args:
        slots: how many there are at most.
    """

    def __init__(self, slots: int) -> None:
        self._executor = ThreadPoolExecutor(slots, thread_name_prefix="agentgym-desktop")
        self._running: dict[int, Future[Result]] = {}
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()  # slots in the order in which they were done

    @property
    def slots(self) -> frozenset[int]:
        """The slots that were started and not taken yet."""
        return frozenset(self._running)

    def start(self, work: Mapping[int, Callable[[], Result]]) -> None:
        """Start the slots' work; none of them may be under way."""
        for slot, call in work.items():
            self._running[slot] = future = self._executor.submit(call)
            future.add_done_callback(partial(self._arrive, slot))

    def take(self, *, at_least: int, timeout_s: float | None) -> dict[int, Result | InfrastructureError]:
        """Wait for so many results, or for so long; return all that are there, in the order in which they came.

        Raises:
            Exception: a bug raised it in one slot, which is no longer under way; the others' results stay.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        results: dict[int, Result | InfrastructureError] = {}
        while True:
            try:
                slot = self._next(deadline, block=len(results) < at_least)
            except queue.Empty:
                return results
            try:
                results[slot] = _outcome(self._running.pop(slot))
            except BaseException:
                self._put_back(results)
                raise

    def together(self, work: Mapping[int, Callable[[], Kind]]) -> dict[int, Kind | InfrastructureError]:
        """Do the slots' work side by side; return the results once all are there.

        Raises:
            Exception: a bug raised it in one slot.
        """
        futures = {slot: self._executor.submit(call) for slot, call in work.items()}
        wait(futures.values())
        return {slot: _outcome(future) for slot, future in futures.items()}

    def close(self) -> None:
        """Wait until nothing runs, and forget the results."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._running.clear()

    def _arrive(self, slot: int, _: Future[Result]) -> None:
        self._arrived.put(slot)

    def _next(self, deadline: float | None, *, block: bool) -> int:
        if not block:
            return self._arrived.get_nowait()
        return self._arrived.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _put_back(self, results: Mapping[int, Result | InfrastructureError]) -> None:
        for slot, result in results.items():
            future: Future[Result] = Future()
            self._running[slot] = future
            if isinstance(result, InfrastructureError):
                future.set_exception(result)
            else:
                future.set_result(result)
            self._arrived.put(slot)


def _outcome(future: Future[Any]) -> Any:
    """Return what a call came to: infrastructure errors are a result, bugs raise."""
    try:
        return future.result()
    except InfrastructureError as error:
        return error
