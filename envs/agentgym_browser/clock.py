"""The time of a page: virtual, so that the same actions lead to the same page, and waiting costs nothing.

It stands still unless it is let pass, and then runs as fast as the page can; while the page's own requests are answered
it stands still, too. Workers have real time, and so has a visible browser: with time stopped it draws no frames.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from agentgym.errors import InfrastructureError, SessionCrashedError
from agentgym_browser.devtools import within
from agentgym_browser.scripts import EPOCH_MS
from agentgym_browser.turn import PageStopped

if TYPE_CHECKING:
    from agentgym_browser.page import Page

PASSING_TIMEOUT_S = 5.0  # a page that has not done with its time so long after is given up
REQUEST_TIMEOUT_S = 2.5  # the page's time passes again once it has waited for its requests for so long
SCRIPT_WAIT_S = 0.02  # a script that has not answered after so long may wait for something in the page
SCRIPT_STEP_MS = 100  # virtual time that passes at a time while a script waits
STARVATION = 100  # tasks that are due at once after which a page's time passes nevertheless
SET_POLICY = "Emulation.setVirtualTimePolicy"
STANDS_STILL = {"policy": "pause", "initialVirtualTime": EPOCH_MS / 1000}


class Clock:
    """A page's time."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._passing = asyncio.Lock()  # one at a time: a further one would end what the first waits for
        self._passed: asyncio.Future[None] | None = None  # done once the time that is passing has passed
        self._hurrying: asyncio.Future[None] | None = None  # what lets time pass for a script that waits

    async def run(self, ms: int) -> None:
        """Let milliseconds pass, after those that are passing.

        Raises:
            SessionTimeoutError: the page has not done with them in time.
        """
        if not self._page.connection.paced:
            await asyncio.sleep(ms / 1000)
            return
        async with self._passing:
            await self._run(ms)

    async def _run(self, ms: int) -> None:
        loop = asyncio.get_running_loop()
        self._passed = loop.create_future()
        policy = {"budget": max(1, ms), "maxVirtualTimeTaskStarvationCount": STARVATION}
        self._page.send(SET_POLICY, {"policy": "pauseIfNetworkFetchesPending", **policy})
        hurry = loop.call_later(REQUEST_TIMEOUT_S, self._page.tell, SET_POLICY, {"policy": "advance", **policy})
        try:
            await within(self._passed, PASSING_TIMEOUT_S, "the page's own work")
        finally:
            hurry.cancel()

    def hurry_for(self, asked: asyncio.Future[dict[str, Any]]) -> None:
        """Let time pass for a script that waits for something, in a task of its own."""
        self._hurrying = asyncio.ensure_future(self._run_until(asked))

    def passed(self) -> None:
        """Take note that the time has passed."""
        if self._passed is not None and not self._passed.done():
            self._passed.set_result(None)

    def stop(self) -> None:
        """Take note that the page has crashed."""
        if self._passed is not None and not self._passed.done():
            self._passed.set_exception(SessionCrashedError("The page crashed while its time passed."))
            self._passed.exception()  # mark as seen: nobody may be waiting

    async def _run_until(self, asked: asyncio.Future[dict[str, Any]]) -> None:
        """Let time pass for a script: one that is not done when a later one is."""
        with contextlib.suppress(InfrastructureError, PageStopped):
            await self._page.send("Runtime.evaluate", {"expression": "0"})
            while not asked.done():
                await self.run(SCRIPT_STEP_MS)
                await asyncio.wait([asked], timeout=SCRIPT_WAIT_S)
