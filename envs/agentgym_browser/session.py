"""One session: episodes of browser tasks on one page, one after the other.

Each episode gets a new browser context, so that no cookie, storage or script of an earlier one is there; a task whose
pages store nothing gets a new document only, one that can start again in place not even that (see `BrowserTask`). A
failed session throws its page away.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from agentgym.action import Action, Done
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionStateError
from agentgym.observation import MAX_PROSE, Observation
from agentgym.world import Step
from agentgym_browser.inputs import take_pointer_away
from agentgym_browser.page import Page
from agentgym_browser.picture import blank, paint
from agentgym_browser.task import BrowserTask, Setup
from agentgym_browser.window import MAX_CLOSED, Seen, Window

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
        self._window: Window | None = None
        self._loaded: BrowserTask | None = None  # the task whose page is open and may be started again
        self._clean = False  # whether all that the open page's browser context has seen stores nothing
        self._task: BrowserTask | None = None  # the task of the running episode
        self._setup = Setup()
        self._instruction = ""
        self._picture: NDArray[np.uint8] | None = None  # the newest screenshot

    @property
    def lost(self) -> bool:
        """Whether the browser that it ran in is gone."""
        return self._connection.closed

    @property
    def page(self) -> Page | None:
        """The page that is shown, or None."""
        return None if self._window is None else self._window.page

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
            window = await self._open(task)
            page = window.first
            self._setup = task.prepare(instance.seed)
            self._instruction = self._setup.instruction
            start = task.start_script(instance.seed)
            scripted = bool(start or task.instruction_script)  # then the page must not stop for a dialog
            window.begin(asks=not scripted)
            async with window.turn() as turn:
                if self._loaded is not task:
                    window.serve(task.site(self._setup))
                    await page.navigate(task.url, before=task.load_script(instance.seed))
                self._loaded = task if task.reusable else None
                if start:
                    await page.evaluate(start)
                await window.settle()
                await page.reset()
                if task.instruction_script:
                    self._instruction = str(await page.evaluate(task.instruction_script))[:MAX_PROSE]
                screenshot = await self._draw(window)
                observation = await self._observe(window, task, screenshot)
            if turn.stopped and scripted:
                raise _storm("while the task was started")
            if turn.stopped:
                self._loaded = None
                observation = self._stopped(window, turn.error)
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
        window, task = self._window, self._task
        if window is None or task is None:
            raise SessionStateError("step before reset: this session has no running episode; call reset first.")
        answer = action.answer if isinstance(action, Done) else None
        try:
            async with window.turn() as turn:
                error = await window.perform(action)
                await window.settle()
                screenshot = await self._draw(window)
                state, observation = await asyncio.gather(
                    window.first.evaluate(task.state_script), self._observe(window, task, screenshot, error=error)
                )
            if turn.stopped and answer is not None:
                raise _storm("where its state was to be read")
            if turn.stopped:
                return Step(self._stopped(window, turn.error), None)
        except InfrastructureError:
            await self.discard()
            raise
        score = task.score(state, self._setup.goal, answer)
        if score is None and answer is not None:
            score = Score(0.0, "the agent said that it was done, but the task was not")
        if score is not None:
            self._task = None
        return Step(observation, score)

    async def discard(self) -> None:
        """Throw the window away, whatever state it is in."""
        window, self._window, self._loaded, self._task = self._window, None, None, None
        if window is not None and not self._connection.closed:
            try:
                await window.close()
            except SessionCrashedError:
                return  # the context is gone already, which is what was wanted

    async def _open(self, task: BrowserTask) -> Window:
        """Return a window for the task: the open one where that is safe, else a new one."""
        safe = self._loaded is task or (self._clean and task.stores_nothing)
        if self._window is None or self._window.crashed or not self._window.plain or not safe:
            await self.discard()
            self._window = await Window.open(self._connection)
        self._clean = task.stores_nothing
        await take_pointer_away(self._window.first)
        await self._window.resize(task.viewport)
        return self._window

    async def _draw(self, window: Window) -> NDArray[np.uint8] | None:
        """Draw a frame, so that what a page does with the next one is done; return it where it is wanted."""
        if self._screenshot:
            self._picture = await window.in_front(Page.screenshot)
            return self._picture
        await window.in_front(partial(Page.draw, noDisplayUpdates=True))
        return None

    async def _observe(
        self, window: Window, task: BrowserTask, screenshot: NDArray[np.uint8] | None, *, error: str = ""
    ) -> Observation:
        seen = await window.observe(task.hidden)
        if screenshot is not None and window.modals:
            screenshot = paint(screenshot, seen.elements)
        return self._observation(window, seen, screenshot, error)

    def _stopped(self, window: Window, error: str) -> Observation:
        """Return what is seen while a dialog stops the page: the dialog, above the picture from before."""
        seen, screenshot = window.look(), None
        if self._screenshot:
            width, height = window.viewport
            before = self._picture
            fits = before is not None and before.shape == (height, width, 3)
            screenshot = paint(before if fits and before is not None else blank(window.viewport), seen.elements)
        return self._observation(window, seen, screenshot, error)

    def _observation(
        self, window: Window, seen: Seen, screenshot: NDArray[np.uint8] | None, error: str
    ) -> Observation:
        return Observation(
            instruction=self._instruction,
            elements=seen.elements,
            url=seen.url,
            title=seen.title,
            error=" ".join(part for part in (error, window.take_notes()) if part),
            screenshot=screenshot,
        )


def _storm(where: str) -> SessionCrashedError:
    return SessionCrashedError(f"The page opened more than {MAX_CLOSED} dialogs in a row {where}.")
