"""One session: episodes of browser tasks on one page, one after the other.

Each episode gets a new browser context, so that no cookie, storage or script of an earlier one is there; a task whose
pages store nothing gets a new document only, one that can start again in place not even that (see `BrowserTask`). A
failed session throws its page away.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.action import Action, Done, Wait
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionStateError
from agentgym.observation import MAX_PROSE, Observation
from agentgym.world import Step
from agentgym_browser.inputs import take_pointer_away
from agentgym_browser.observers import finish_animations
from agentgym_browser.page import Page
from agentgym_browser.picture import blank, paint
from agentgym_browser.task import BrowserTask, Evidence, Setup
from agentgym_browser.window import MAX_CLOSED, Seen, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agentgym.task import Instance
    from agentgym_browser.devtools import Connection


class _Found(NamedTuple):
    """What a page was read to be."""

    seen: Seen
    value: Any
    """Of the expression that was asked for."""
    screenshot: NDArray[np.uint8] | None


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
            start = task.start_script(instance.seed)
            scripted = bool(start or task.instruction_script)  # then the page must not stop for a dialog
            self._instruction = self._setup.instruction
            window.begin(asks=not scripted, controls=task.controls)
            window.lend(self._setup.files)
            if task.downloads:
                await window.allow_downloads()
            async with window.turn() as turn:
                if self._loaded is not task:
                    window.serve(task.site(self._setup))
                    await window.open_page(task.url, seed=instance.seed, script=task.load_script(instance.seed))
                self._loaded = task if task.reusable else None
                if start:
                    await page.evaluate(start)
                await window.pass_time(task.pace_ms)
                found = await self._look(window, task, task.instruction_script or "null", anew=True)
                if task.instruction_script:
                    self._instruction = str(found.value)[:MAX_PROSE]
                observation = self._observation(window, found)
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
                await window.pass_time(task.pace_ms + (action.ms if isinstance(action, Wait) else 0))
                found = await self._look(window, task, task.state_script)
                observation = self._observation(window, found, error=error)
            if turn.stopped and answer is not None:
                raise _storm("where its state was to be read")
            if turn.stopped:
                return Step(self._stopped(window, turn.error), None)
        except InfrastructureError:
            await self.discard()
            raise
        score = task.judge(Evidence(found.value, self._setup.goal, answer, window.downloads))
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
        elif self._loaded is not task:
            self._window.first.forget_history()  # of earlier episodes
        self._clean = task.stores_nothing
        await take_pointer_away(self._window.first)
        await self._window.resize(task.viewport)
        return self._window

    async def _look(self, window: Window, task: BrowserTask, value: str, *, anew: bool = False) -> _Found:
        """Read the page, and the value of an expression in the task's own.

        Where its pages do something with frames, one is drawn before, so that it is done; else one only for a picture.
        """
        screenshot = None
        if not task.still:
            await window.in_front(finish_animations)
            screenshot = await self._draw(window)
        seen, answer = await window.look(task.hidden, value, anew=anew)
        if task.still and self._screenshot:
            screenshot = await window.in_front(Page.screenshot)
        self._picture = screenshot
        if screenshot is not None and window.modals:
            screenshot = paint(screenshot, seen.elements)
        return _Found(seen, answer, screenshot)

    async def _draw(self, window: Window) -> NDArray[np.uint8] | None:
        if self._screenshot:
            return await window.in_front(Page.screenshot)
        await window.in_front(partial(Page.draw, noDisplayUpdates=True))
        return None

    def _stopped(self, window: Window, error: str) -> Observation:
        """Return what is seen while a dialog stops the page: the dialog, above the picture from before."""
        seen, screenshot = window.glance(), None
        if self._screenshot:
            width, height = window.viewport
            before = self._picture
            fits = before is not None and before.shape == (height, width, 3)
            screenshot = paint(before if fits and before is not None else blank(window.viewport), seen.elements)
        return self._observation(window, _Found(seen, None, screenshot), error=error)

    def _observation(self, window: Window, found: _Found, *, error: str = "") -> Observation:
        return Observation(
            instruction=self._instruction,
            elements=found.seen.elements,
            url=found.seen.url,
            title=found.seen.title,
            error=" ".join(part for part in (error, window.take_notes()) if part),
            screenshot=found.screenshot,
        )


def _storm(where: str) -> SessionCrashedError:
    return SessionCrashedError(f"The page opened more than {MAX_CLOSED} dialogs in a row {where}.")
