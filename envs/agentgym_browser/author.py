"""What the author of a task does with Playwright: the hooks of a task, and the trace of an episode.

One `Author` serves one session. Playwright is attached to the page only while a hook runs (with a trace: from reset to
the end of the episode). The hot path never meets it; where no task has hooks it is not even imported.

How it fails:
    A hook is too slow, or what it waits for does not come (Playwright's ``TimeoutError``): `SessionTimeoutError`.
    The page crashes, or a scoring hook cannot read it (any other ``Error`` of Playwright): `SessionCrashedError`. By
    then the page is in the agent's hands, and one page that cannot be read must not end a run.
    Anything else, also an ``Error`` of Playwright during set-up, is a bug of the task: `TaskError`.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agentgym.errors import (
    AgentGymError,
    InfrastructureError,
    MissingDependencyError,
    SessionCrashedError,
    SessionTimeoutError,
    TaskError,
)
from agentgym.hook import Hook
from agentgym_browser.driver import INSTALL
from agentgym_browser.inputs import take_pointer_away
from agentgym_browser.turn import PageStopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page as PlaywrightPage

    from agentgym.action import Action
    from agentgym.episode import Score
    from agentgym.task import Instance
    from agentgym_browser.attachment import Attachment
    from agentgym_browser.driver import Driver
    from agentgym_browser.page import Page
    from agentgym_browser.task import BrowserTask, Evidence, Setup

Result = TypeVar("Result")


class Author:
    """Runs the hooks of a session's tasks.

    Args:
        driver: the world's.
        trace: folder for a trace of each episode; None for no traces.
        slow_mo_ms: how long Playwright waits before each of its actions, so that a person can follow.
    """

    def __init__(self, driver: Driver, *, trace: Path | None = None, slow_mo_ms: int = 0) -> None:
        self._driver = driver
        self._trace = trace
        self._slow_mo_ms = slow_mo_ms
        self._attached: Attachment | None = None  # for the trace of the running episode
        self._instance: Instance | None = None  # what is traced

    @property
    def traces(self) -> bool:
        """Whether every episode is to be traced."""
        return self._trace is not None

    @property
    def records(self) -> bool:
        """Whether an episode is being traced."""
        return self._attached is not None

    async def begin(self, page: Page, instance: Instance) -> None:
        """Begin the episode's trace, where traces are wanted; the page is open, but not loaded."""
        if self._trace is None:
            return
        from agentgym_browser.trace import start_trace

        self._instance = instance
        attached = self._attached = await self._attach(page)
        await self._record(lambda author: start_trace(author, instance, attached.artifacts))

    async def set_up(self, page: Page, task: BrowserTask, seed: int, setup: Setup) -> None:
        """Run the task's `setup_page`, if it has one; afterwards the pointer is off the page."""
        if not task.sets_page_up:
            return
        await self._run(page, Hook(task, "setup_page", seed), lambda author: task.setup_page(author, setup))
        page.pointed = True
        await take_pointer_away(page)

    async def note(self, action: Action) -> None:
        """Put an action of the agent into the trace, with the page as it is before it."""
        if self._attached is not None:
            from agentgym_browser.trace import note

            await self._record(lambda author: note(author, str(action)))

    async def score(self, page: Page, task: BrowserTask, seed: int, setup: Setup, evidence: Evidence) -> Score | None:
        """Judge what there is: by the task's `score_page` if it has one, else by its `judge`."""
        if not task.scores_page:
            return Hook(task, "score", seed).judge(task.judge, evidence)
        answer = evidence.answer
        if not Hook(task, "may_be_over", seed).call(task.may_be_over, evidence.state, answer):
            return None
        hook = Hook(task, "score_page", seed)
        return hook.checked(await self._run(page, hook, lambda author: task.score_page(author, setup, answer)))

    async def end(self) -> None:
        """End the episode's trace and write it; a page that is gone takes its trace with it."""
        if self._attached is None:
            return
        from agentgym_browser.trace import stop_trace

        folder, instance = self._trace, self._instance
        assert folder is not None
        assert instance is not None
        try:
            with contextlib.suppress(InfrastructureError, TaskError):
                await self._record(lambda author: stop_trace(author, folder, instance))
        finally:
            attached, self._attached = self._attached, None
            await attached.close()

    async def _attach(self, page: Page) -> Attachment:
        try:
            from agentgym_browser.attachment import Attachment
        except ImportError as error:
            raise MissingDependencyError(
                f"The hooks of a task, and traces, need Playwright ({error}). Install it: {INSTALL}"
            ) from error
        # An owner that is killed while a trace is recorded leaves its parts beside the traces, never elsewhere.
        folder = (self._trace or Path(tempfile.gettempdir())) / f"playwright-{secrets.token_hex(8)}"
        return await Attachment.open(self._driver, page, artifacts=folder, slow_mo_ms=self._slow_mo_ms)

    async def _record(self, call: Callable[[PlaywrightPage], None]) -> None:
        """Write to the trace; a page that cannot be recorded is a failed session."""
        from playwright.sync_api import Error

        assert self._attached is not None
        try:
            await self._attached.run(call, live=False)
        except Error as error:
            raise SessionCrashedError(f"The page could not be recorded: {error.message}") from error

    async def _run(self, page: Page, hook: Hook, call: Callable[[PlaywrightPage], Result]) -> Result:
        """Run a hook; raise what is described above."""
        attached = self._attached or await self._attach(page)
        try:
            return await attached.run(call, live=True)
        except InfrastructureError as error:
            raise type(error)(f"{hook.where}: {error}") from error
        except AgentGymError:
            raise
        except Exception as error:
            raise _described(error, hook) from error
        finally:
            if attached is not self._attached:
                await attached.close()
            with contextlib.suppress(InfrastructureError, PageStopped):  # whoever uses the page next will know
                await page.restore()


def _described(error: Exception, hook: Hook) -> AgentGymError:
    """Return the typed error for what a hook has raised."""
    from playwright.sync_api import Error, TimeoutError  # noqa: A004 (Playwright's own name)

    if isinstance(error, TimeoutError):
        return SessionTimeoutError(f"{hook.where}: {error.message}")
    if isinstance(error, Error) and hook.name == "score_page":
        return SessionCrashedError(f"{hook.where}: the page could not be read: {error.message}")
    return hook.raised(error)
