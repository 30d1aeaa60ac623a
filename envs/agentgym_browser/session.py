"""One session: episodes of browser tasks on one page, one after the other.

Each episode gets a new browser context, so that no cookie, storage or script of an earlier one is there; a task whose
pages store nothing gets a new document only, one that can start again in place not even that (see `BrowserTask`). A
failed session throws its page away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.action import Action, Done, Wait
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionStateError
from agentgym.look import PICTURES
from agentgym.observation import MAX_PROSE, Observation
from agentgym.world import Step
from agentgym_browser.inputs import Point, perform, take_pointer_away
from agentgym_browser.observed import observed, points, script
from agentgym_browser.page import Page
from agentgym_browser.task import BrowserTask, Setup
from agentgym_browser.traces import leaves_traces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agentgym.look import Look
    from agentgym.task import Instance
    from agentgym_browser.author import Author
    from agentgym_browser.devtools import Connection


REAL_WAIT_S = 0.02  # that a wait takes at most: for what has real time, such as workers and storage
PAGE_EPISODES = 200  # then a page is replaced: its renderer's memory creeps up, and a new one costs a tenth of a second


class _Seen(NamedTuple):
    """What a page was read to be."""

    elements: dict[str, Any]
    """As observe.js tells them."""
    value: Any
    """Of the expression that was asked for."""
    screenshot: NDArray[np.uint8] | None


class Session:
    """Plays episodes on one page."""

    def __init__(self, connection: Connection, *, look: Look, author: Author, slow_mo_ms: int = 0) -> None:
        self._connection = connection
        self._wanted = look
        self._next_id = 1  # the lowest element id that the episode has not used
        self._author = author
        self._slow_mo_s = slow_mo_ms / 1000
        self._page: Page | None = None
        self._loaded: BrowserTask | None = None  # the task whose page is open and may be started again
        self._played = 0  # episodes that the open page has had
        self._clean = False  # whether all that the open page's browser context has seen stores nothing
        self._task: BrowserTask | None = None  # the task of the running episode
        self._setup = Setup()
        self._points: dict[int, Point] = {}  # where to point at the elements of the newest observation
        self._instruction = ""

    @property
    def lost(self) -> bool:
        """Whether the browser that it ran in is gone."""
        return self._connection.closed

    @property
    def page(self) -> Page | None:
        """The open page, or None."""
        return self._page

    async def reset(self, instance: Instance) -> Observation:
        """Start an episode.

        Raises:
            InfrastructureError: the page failed; the next reset starts from a new one.
            TypeError: the task is not a browser task.
        """
        task = instance.task
        if not isinstance(task, BrowserTask):
            raise TypeError(f"{task!r} is not a BrowserTask, so the browser world cannot run it")
        self._task = None
        await self._author.end()
        try:
            page = await self._open(task)
            await self._author.begin(page, instance)
            self._setup = task.prepare(instance.seed)
            if self._loaded is not task:
                page.site = task.site(self._setup)
                await page.begin(instance.seed, task.load_script(instance.seed))
                await page.navigate(task.url)
            self._loaded = task if task.reusable else None
            start = task.start_script(instance.seed)
            if start:
                await page.evaluate(start)
            await self._author.set_up(page, task, self._setup)
            await page.pass_time(task.pace_ms)
            page.take_refusal()  # of what the page itself tried while it was loading: no agent did that
            self._next_id = 1
            seen = await self._look(page, task, task.instruction_script or "null", first="agentgym.reset()")
            self._instruction = str(seen.value)[:MAX_PROSE] if task.instruction_script else self._setup.instruction
            observation = self._observation(seen, error="")
        except InfrastructureError:
            await self.discard()
            raise
        self._task = task
        return observation

    async def step(self, action: Action) -> Step:
        """Carry out one action.

        Raises:
            SessionStateError: there is no running episode.
            InfrastructureError: the page failed; the next reset starts from a new one.
        """
        page, task = self._page, self._task
        if page is None or task is None:
            raise SessionStateError("step before reset: this session has no running episode; call reset first.")
        try:
            await self._author.note(action)
            if self._slow_mo_s:
                await asyncio.sleep(self._slow_mo_s)
            error = await perform(page, action, self._points)
            await page.pass_time(task.pace_ms)
            if isinstance(action, Wait) and action.ms:
                await asyncio.sleep(min(action.ms / 1000, REAL_WAIT_S))
                await page.pass_time(action.ms)
            error = error or page.take_refusal()
            seen = await self._look(page, task, task.state_script)
            answer = action.answer if isinstance(action, Done) else None
            score = await self._author.score(page, task, self._setup, seen.value, answer)
        except InfrastructureError:
            await self.discard()
            raise
        observation = self._observation(seen, error=error)
        if score is None and answer is not None:
            score = Score(0.0, "the agent said that it was done, but the task was not")
        if score is not None:
            self._task = None
            await self._author.end()
        return Step(observation, score)

    async def finish(self) -> None:
        """Write what is kept of the running episode; nothing is played after that."""
        await self._author.end()

    async def discard(self) -> None:
        """Throw the page away, whatever state it is in."""
        await self._author.end()
        page, self._page, self._loaded, self._task = self._page, None, None, None
        if page is not None and not self._connection.closed:
            try:
                await page.close()
            except SessionCrashedError:
                return  # the context is gone already, which is what was wanted

    async def _open(self, task: BrowserTask) -> Page:
        """Return a page for the task: the open one where that is safe, else one in a new browser context."""
        page = self._page
        if page is None or page.crashed or not await self._may_reuse(page, task):
            await self.discard()
            page = self._page = await Page.open(self._connection)
            self._played = 0
        self._played += 1
        self._clean = task.stores_nothing
        page.clipboard.clear()
        await take_pointer_away(page)
        await page.resize(task.viewport)
        return page

    async def _may_reuse(self, page: Page, task: BrowserTask) -> bool:
        """Whether the next episode may have an open page."""
        if self._played >= PAGE_EPISODES:
            return False
        if self._loaded is task:
            return True
        if not (self._clean and task.stores_nothing) or await leaves_traces(page):
            return False
        page.forget_history()
        return True

    async def _look(self, page: Page, task: BrowserTask, value: str, *, first: str = "0") -> _Seen:
        """Read the page, and the value of an expression in it.

        Where its pages do something with frames, one is drawn before, so that it is done; else one only for a picture.
        """
        screenshot = None
        if not task.still:
            await page.observer("agentgym.finishAnimations()")
            screenshot = await self._draw(page)
        raw, answer = await page.look(f"{first}, {script(task.hidden, self._wanted, first=self._next_id)}", value)
        if task.still and PICTURES & self._wanted.parts:
            screenshot = await page.screenshot()
        return _Seen(raw, answer, screenshot)

    async def _draw(self, page: Page) -> NDArray[np.uint8] | None:
        if PICTURES & self._wanted.parts:
            return await page.screenshot()
        await page.draw(noDisplayUpdates=True)
        return None

    def _observation(self, seen: _Seen, *, error: str) -> Observation:
        self._points = points(seen.elements)
        self._next_id = int(seen.elements["next"])
        known = Observation(self._instruction, error=error, screenshot=seen.screenshot)
        return observed(seen.elements, known, self._wanted)
