"""Playwright's driver for a world: one Node process, and one thread in which the authors' code runs.

Started with the first call, stopped with the world, started again after it has died. Playwright's sync API belongs to
one thread and switches between greenlets there; each call gets a greenlet of its own, so that one that waits for its
page hinders no other. One that does not come back at all (an endless loop in Python) hinders them all: then the driver
is abandoned, which kills the Node process; the thread ends when the call does.

The Node process ends when its standard input closes, also when we are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from concurrent.futures import Future, InvalidStateError
from typing import IO, TYPE_CHECKING, Any, TypeVar

from agentgym.errors import MissingDependencyError, SessionCrashedError
from agentgym.versions import installation
from agentgym_browser.devtools import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Playwright

INSTALL = installation("browser")
START_TIMEOUT_S = 60.0  # Node starts in half a second, on a crowded machine in several
STOP_TIMEOUT_S = 10.0
ENDED = "Playwright's driver has ended."

Result = TypeVar("Result")


class Driver:
    """Runs calls with Playwright; costs nothing before the first."""

    def __init__(self) -> None:
        self._worker: Worker | None = None  # the newest

    @property
    def pid(self) -> int | None:
        """Process id of the Node process, or None where there is none."""
        return None if self._worker is None or not self._worker.running else self._worker.pid

    async def start(self) -> Worker:
        """Return the running worker; start one if there is none.

        Raises:
            MissingDependencyError: Playwright's driver does not start.
            SessionTimeoutError: it does not answer.
        """
        if self._worker is None or (self._worker.ready.done() and not self._worker.running):
            self._worker = Worker()
        worker = self._worker
        ready = asyncio.wrap_future(worker.ready)
        await within(asyncio.shield(ready), START_TIMEOUT_S, "starting Playwright")
        return worker

    def let_go(self) -> None:
        """Forget the Node process in a process that was forked from its owner, and does not own it.

        It takes the end of this pipe for the end of the owner, so a copy here would keep it running.
        """
        if self._worker is not None and self._worker.pipe is not None:
            self._worker.pipe.close()
        self._worker = None

    def close(self) -> None:
        """End the Node process and the thread; may be called twice."""
        if self._worker is not None and not self._worker.stop(STOP_TIMEOUT_S):
            self._worker.abandon()
        self._worker = None


class Worker:
    """One run of the driver; `Driver.start` makes it."""

    def __init__(self) -> None:
        self.ready: Future[None] = Future()
        self.pid = 0
        self.pipe: IO[bytes] | None = None  # the Node process's standard input
        self._given_up = False
        self._closed: asyncio.Future[None] | None = None  # Playwright's own: the Node process has ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._waiting: set[Future[Any]] = set()
        self._playwright: Playwright | None = None
        self._thread = threading.Thread(target=self._run, name="agentgym-playwright", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it takes calls."""
        return self._closed is not None and not self._closed.done() and not self._given_up

    def submit(self, call: Callable[[Playwright], Result]) -> Future[Result]:
        """Begin a call in Playwright's thread; its result or whatever it raises arrives in the future.

        Raises:
            SessionCrashedError: the Node process has ended.
        """
        if not self.running:
            raise SessionCrashedError(ENDED)
        from greenlet import greenlet

        future: Future[Result] = Future()

        def run() -> None:
            assert self._playwright is not None
            try:
                result = call(self._playwright)
            except Exception as error:  # noqa: BLE001 (the boundary: the caller raises it again)
                _settle(future, error=error)
            except BaseException as error:  # noqa: BLE001 (sys.exit() and its like must not end the event loops)
                stopped = RuntimeError(f"{type(error).__name__}: {error}")
                stopped.__cause__ = error
                _settle(future, error=stopped)
            else:
                _settle(future, result=result)

        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        assert self._loop is not None
        try:
            # A greenlet that is made in the loop returns to the loop whenever it waits, and when it ends.
            self._loop.call_soon_threadsafe(lambda: greenlet(run).switch())
        except RuntimeError:  # the loop has been closed meanwhile
            self._fail_waiting()
        return future

    def stop(self, timeout_s: float) -> bool:
        """End the thread; return whether it has ended in time."""
        with contextlib.suppress(Exception):
            self.ready.result(timeout_s)
        if self._loop is not None and self.running:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._finish)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Give up: the thread does not come back. Kills the Node process and fails what is waiting."""
        self._given_up = True
        with contextlib.suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
        self._fail_waiting()

    def _run(self) -> None:
        try:
            self._start()
        except Exception as error:  # noqa: BLE001 (the boundary: whoever waits for it raises it again)
            self.ready.set_exception(error)
            return
        playwright, stopped = self._playwright, self._stopped
        assert playwright is not None
        assert stopped is not None
        self.ready.set_result(None)
        try:
            with contextlib.suppress(Exception):  # the Node process has ended; calls say so
                playwright._sync(stopped)  # the public API has no way to wait for something of one's own
        finally:
            self._given_up = True
            with contextlib.suppress(Exception):
                playwright.stop()
            self._fail_waiting()

    def _start(self) -> None:
        from playwright.sync_api import Error, sync_playwright

        manager = sync_playwright()
        try:
            self._playwright = manager.start()
        except Error as error:
            if manager._client is not None:
                _see(manager._client._transport.on_error_future)
            raise MissingDependencyError(
                f"Playwright's driver does not start: {error}. Reinstall: {INSTALL}"
            ) from error
        self._loop = asyncio.get_running_loop()
        self._stopped = self._loop.create_future()
        # What follows is not Playwright's public API, which tells neither the process nor that it has ended.
        client = manager._client
        assert client is not None
        self.pid = client._transport._proc.pid
        stdin = client._transport._proc.stdin
        assert stdin is not None
        self.pipe = stdin.get_extra_info("pipe")
        client._transport.on_error_future.add_done_callback(_see)
        self._closed = client._close_promise

    def _finish(self) -> None:
        assert self._stopped is not None
        if not self._stopped.done():
            self._stopped.set_result(None)

    def _fail_waiting(self) -> None:
        for future in list(self._waiting):
            _settle(future, error=SessionCrashedError(ENDED))


def _settle(future: Future[Any], *, result: Any = None, error: Exception | None = None) -> None:
    """Set a future's outcome, unless it was abandoned before."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _see(future: asyncio.Future[Any]) -> None:
    """Take note of an error that calls report already, so that asyncio does not report it too."""
    if future.done() and not future.cancelled():
        future.exception()
