"""One session: episodes of browser tasks on one page, one after the other.

Each episode gets a new browser context, so that no cookie, storage or script of an earlier one is there; a task whose
pages store nothing gets a new document only, one that can start again in place not even that (see `BrowserTask`). A
failed session throws its page away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agentgym.action import MAX_ELEMENT, Action, Done
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionStateError
from agentgym.observation import MAX_PROSE, Box, Element, Observation
from agentgym.world import Step
from agentgym_browser.inputs import perform, take_pointer_away
from agentgym_browser.page import Page
from agentgym_browser.task import BrowserTask, Setup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agentgym.task import Instance
    from agentgym_browser.devtools import Connection


class Session:
    """Plays episodes on one page."""

    def __init__(self, connection: Connection, *, screenshot: bool) -> None:
        self._connection = connection
        self._screenshot = screenshot
        self._page: Page | None = None
        self._loaded: BrowserTask | None = None  # the task whose page is open and may be started again
        self._clean = False  # whether all that the open page's browser context has seen stores nothing
        self._task: BrowserTask | None = None  # the task of the running episode
        self._setup = Setup()
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
        try:
            page = await self._open(task)
            self._setup = task.prepare(instance.seed)
            if self._loaded is not task:
                page.site = task.site(self._setup)
                await page.navigate(task.url, before=task.load_script(instance.seed))
            self._loaded = task if task.reusable else None
            start = task.start_script(instance.seed)
            if start:
                await page.evaluate(start)
            await page.settle()
            await page.observer("agentgym.reset()")
            self._instruction = self._setup.instruction
            if task.instruction_script:
                self._instruction = str(await page.evaluate(task.instruction_script))[:MAX_PROSE]
            screenshot = await self._draw(page)
            observation = await self._observe(page, task, screenshot, error="")
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
            error = await perform(page, action)
            await page.settle()
            error = error or page.take_refusal()
            screenshot = await self._draw(page)
            state, observation = await asyncio.gather(
                page.evaluate(task.state_script), self._observe(page, task, screenshot, error=error)
            )
        except InfrastructureError:
            await self.discard()
            raise
        answer = action.answer if isinstance(action, Done) else None
        score = task.score(state, self._setup.goal, answer)
        if score is None and answer is not None:
            score = Score(0.0, "the agent said that it was done, but the task was not")
        if score is not None:
            self._task = None
        return Step(observation, score)

    async def discard(self) -> None:
        """Throw the page away, whatever state it is in."""
        page, self._page, self._loaded, self._task = self._page, None, None, None
        if page is not None and not self._connection.closed:
            try:
                await page.close()
            except SessionCrashedError:
                return  # the context is gone already, which is what was wanted

    async def _open(self, task: BrowserTask) -> Page:
        """Return a page for the task: the open one where that is safe, else one in a new browser context."""
        safe = self._loaded is task or (self._clean and task.stores_nothing)
        if self._page is None or self._page.crashed or not safe:
            await self.discard()
            self._page = await Page.open(self._connection)
        self._clean = task.stores_nothing
        await take_pointer_away(self._page)
        await self._page.resize(task.viewport)
        return self._page

    async def _draw(self, page: Page) -> NDArray[np.uint8] | None:
        """Draw a frame, so that what a page does with the next one is done; return it where it is wanted."""
        if self._screenshot:
            return await page.screenshot()
        await page.draw(noDisplayUpdates=True)
        return None

    async def _observe(
        self, page: Page, task: BrowserTask, screenshot: NDArray[np.uint8] | None, *, error: str
    ) -> Observation:
        raw = await page.observer(f"agentgym.observe({_quoted(task.hidden)})")
        return Observation(
            instruction=self._instruction,
            elements=tuple(_element(each) for each in raw["elements"] if each[0] <= MAX_ELEMENT),
            url=str(raw["url"])[:MAX_PROSE],
            title=str(raw["title"]),
            error=error,
            screenshot=screenshot,
        )


def _element(raw: list[Any]) -> Element:
    """Read one row of observe.js."""
    identity, role, name, value, states, box = raw
    return Element(identity, role, _text(name), _text(value), tuple(states), Box(*box))


def _text(text: str) -> str:
    """Replace halves of surrogate pairs, which a cut may leave and no encoding takes."""
    return text.encode("utf-8", "replace").decode()


def _quoted(selector: str) -> str:
    return "'" + selector.replace("\\", "\\\\").replace("'", "\\'") + "'"
