"""Playwright attached to the page of a session, for as long as an author's code needs it.

While a call runs, frames are drawn: Playwright waits for animation frames before it clicks, and for a frame to take a
picture of. A call that takes too long has its page taken away, whereupon Playwright raises in it; one that is still
running then is stuck in Python, and costs the driver.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

from playwright.sync_api import Error

from agentgym.errors import SessionCrashedError, SessionTimeoutError, TaskError, WorldCrashedError
from agentgym_browser.bridge import Bridge
from agentgym_browser.driver import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Playwright
    from playwright.sync_api import Page as PlaywrightPage

    from agentgym_browser.driver import Driver, Worker
    from agentgym_browser.page import Page

HOOK_TIMEOUT_S = 30.0  # an author's code as a whole
WAIT_TIMEOUT_S = 10.0  # one call of Playwright in it, so that the error says which
ABANDON_S = 3.0  # code that runs on for so long after its page was taken away is stuck
FRAME_MS = 16  # as on a screen with 60 frames a second

Result = TypeVar("Result")


class Attachment:
    """Playwright on one page; make it with `open`."""

    def __init__(self, worker: Worker, page: Page, bridge: Bridge, artifacts: Path) -> None:
        self._worker = worker
        self.artifacts = artifacts
        """Folder for Playwright's files; removed on `close`."""
        self._page = page
        self._bridge = bridge
        self._browser: Browser | None = None

    @classmethod
    async def open(cls, driver: Driver, page: Page, *, artifacts: Path, slow_mo_ms: int = 0) -> Attachment:
        """Attach Playwright to a page.

        Args:
            driver: the world's.
            page: a session's.
            artifacts: folder for Playwright's files; made when it has some, removed on `close`.
            slow_mo_ms: how long Playwright waits before each of its actions.

        Raises:
            InfrastructureError: the page is gone.
            MissingDependencyError: Playwright's driver does not start.
        """
        worker = await driver.start()
        bridge = Bridge(page)
        self = cls(worker, page, bridge, artifacts)
        endpoint = await bridge.open()

        def connect(playwright: Playwright) -> None:
            self._browser = playwright.chromium.connect_over_cdp(
                endpoint,
                artifacts_dir=artifacts,
                is_local=True,
                no_defaults=True,  # the page keeps our settings
                slow_mo=slow_mo_ms,
                timeout=HOOK_TIMEOUT_S * 1000,
            )
            self._browser.contexts[0].set_default_timeout(WAIT_TIMEOUT_S * 1000)

        try:
            await self._work(connect, live=False)
        except BaseException as error:
            await self.close()
            if isinstance(error, Error):
                raise SessionCrashedError(f"Playwright could not be attached to the page: {error.message}") from error
            raise
        return self

    async def run(self, call: Callable[[PlaywrightPage], Result], *, live: bool) -> Result:
        """Run code in Playwright's thread, with the page as Playwright shows it.

        Args:
            call: the code.
            live: whether the page lives meanwhile, as before a person; else it stands still, and is only looked at.

        Raises:
            SessionTimeoutError: it did not return in `HOOK_TIMEOUT_S`; the attachment is closed then.
            TaskError: code that ran before has closed the page, as Playwright shows it.
            InfrastructureError: the page or the browser failed meanwhile.
            Exception: whatever the code raises.
        """
        assert self._browser is not None
        pages = self._browser.contexts[0].pages
        if not pages:
            raise TaskError("A hook has closed its page, so that no later one and no trace can see it; leave it open.")
        return await self._work(lambda _: call(pages[0]), live=live)

    async def close(self) -> None:
        """Take Playwright off the page; may be called twice."""
        await self._bridge.close()
        shutil.rmtree(self.artifacts, ignore_errors=True)

    async def _work(self, call: Callable[[Playwright], Result], *, live: bool) -> Result:
        self._page.driven = live
        try:
            return await self._run_job(call, live=live)
        finally:
            self._page.driven = False

    async def _run_job(self, call: Callable[[Playwright], Result], *, live: bool) -> Result:
        job = asyncio.wrap_future(self._worker.submit(call))
        job.add_done_callback(_see)
        life = asyncio.create_task(self._live_until(job) if live else asyncio.sleep(HOOK_TIMEOUT_S))
        try:
            both: set[asyncio.Future[Any]] = {job, life}
            await asyncio.wait(both, timeout=HOOK_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                await self._take_away(job)
                if life.done():
                    life.result()  # raises what is wrong with the page
                raise SessionTimeoutError(f"no end in {HOOK_TIMEOUT_S:g} s.")
        finally:
            life.cancel()
            life.add_done_callback(_see)
        if job.exception() is not None:
            self._check_page()
        return job.result()

    async def _take_away(self, job: asyncio.Future[Result]) -> None:
        await self.close()
        await asyncio.wait({job}, timeout=ABANDON_S)
        if not job.done():
            self._worker.abandon()

    def _check_page(self) -> None:
        """Raise what is wrong with the page or the driver: it counts before what it has led to in an author's code."""
        if self._page.connection.closed:
            raise WorldCrashedError("The browser has ended.")
        if self._page.crashed:
            raise SessionCrashedError("The page has crashed.")
        if not self._worker.running:
            raise SessionCrashedError(ENDED)

    async def _live_until(self, job: asyncio.Future[Result]) -> None:
        """Let time pass and draw frames; the loop's own condition counts: a cancelled wait that is over goes on."""
        while not job.done():
            await self._page.pass_time(FRAME_MS)
            await self._page.draw()
            await asyncio.sleep(FRAME_MS / 1000)


def _see(work: asyncio.Future[Any]) -> None:
    """Take note of what went wrong in work that nobody waits for any more, so that asyncio does not report it."""
    if not work.cancelled():
        work.exception()
