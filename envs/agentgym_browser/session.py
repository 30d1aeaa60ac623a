"""One session: episodes of browser tasks in one window, one after the other.

Each episode gets a new browser context, so that no cookie, storage or script of an earlier one is there; a task whose
pages store nothing gets a new document only, one that can start again in place not even that (see `BrowserTask`). A
failed session throws its window away.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.action import Action, Done, Wait
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionStateError, TaskError
from agentgym.hook import Hook
from agentgym.look import PICTURES
from agentgym.observation import MAX_PROSE, Observation
from agentgym.world import Step
from agentgym_browser.inputs import take_pointer_away
from agentgym_browser.network import Site
from agentgym_browser.observed import Seen, observed
from agentgym_browser.observers import finish_animations
from agentgym_browser.page import Page
from agentgym_browser.picture import blank, paint
from agentgym_browser.scripts import ScriptFailedError, blamed
from agentgym_browser.task import BrowserTask, Evidence, Setup
from agentgym_browser.traces import leaves_traces
from agentgym_browser.turn import PageStopped
from agentgym_browser.window import MAX_CLOSED, Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.look import Look
    from agentgym.task import Instance
    from agentgym_browser.author import Author
    from agentgym_browser.devtools import Connection

REAL_WAIT_S = 0.02  # that a wait takes at most: for what has real time, such as workers and storage
PAGE_EPISODES = 200  # then a page is replaced: its renderer's memory creeps up, and a new one costs a tenth of a second


class _Found(NamedTuple):
    """What a window was read to show."""

    seen: Seen
    value: Any
    """Of the expression that was asked for."""
    screenshot: NDArray[np.uint8] | None


class Session:
    """Plays episodes in one window.

    Args:
        connection: to its browser.
        look: what an observation is to hold.
        author: records and sets up for the task's author.
        slow_mo_ms: real time to wait before an action, for people who watch.
        aged: share of a page's life, from 0 to 1, that its first page counts as having had, so that a browser's
            sessions replace their pages in turn.
    """

    def __init__(
        self, connection: Connection, *, look: Look, author: Author, slow_mo_ms: int = 0, aged: float = 0.0
    ) -> None:
        self._connection = connection
        self._wanted = look
        self._author = author
        self._slow_mo_s = slow_mo_ms / 1000
        self._window: Window | None = None
        self._loaded: BrowserTask | None = None  # the task whose page is open and may be started again
        self._aged = aged
        self._played = 0  # episodes that the open window has had
        self._clean = False  # whether all that the open window's browser context has seen stores nothing
        self._task: BrowserTask | None = None  # the task of the running episode
        self._seed = 0  # its seed
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
            TaskError: the task's own code is wrong; the same holds then.
            TypeError: the task is not a browser task.
        """
        task = instance.task
        if not isinstance(task, BrowserTask):
            raise TypeError(f"{task!r} is not a BrowserTask, so the browser world cannot run it")
        self._task = None
        try:
            await self.finish()
            window = await self._open(task)
            await self._author.begin(window.first, instance)
            observation = await self._start(window, task, instance.seed)
        except PageStopped as stopped:
            await self.discard()
            raise _storm("before the task was started") from stopped
        except (InfrastructureError, TaskError):
            await self.discard()
            raise
        self._task, self._seed = task, instance.seed
        return observation

    async def _start(self, window: Window, task: BrowserTask, seed: int) -> Observation:
        """Bring the task's page to where the episode starts; return what is seen then."""
        self._picture = None
        setup = self._setup = Hook(task, "setup", seed).ask(Setup, task.prepare, seed)
        start = Hook(task, "start_script", seed).ask(str, task.start_script, seed)
        # Where something is done with the page, it must not stop for a dialog.
        prepared = bool(start or task.instruction_script or task.sets_page_up)
        self._instruction = setup.instruction
        window.begin(asks=not prepared, controls=task.controls)
        window.lend(setup.files)
        if task.downloads:
            await window.allow_downloads()
        untouched = self._loaded is not task
        async with window.turn() as turn:
            if untouched:
                window.serve(_site(task, seed, setup))
                script = Hook(task, "load_script", seed).ask(str, task.load_script, seed)
                await window.open_page(task.url, seed=seed, script=script)
            self._loaded = task if task.reusable else None
            if start:
                async with _blaming(window, Hook(task, "start_script", seed), start, untouched=untouched):
                    await window.first.evaluate(start)
            await self._author.set_up(window.first, task, seed, setup)
            await window.pass_time(task.pace_ms)
            for page in window.tabs:
                page.take_refusal()  # of what the page itself tried while it was loading: no agent did that
            script = task.instruction_script or "null"
            async with _blaming(window, Hook(task, "instruction_script", seed), script, untouched=untouched):
                found = await self._look(window, task, script, anew=True)
            if task.instruction_script:
                self._instruction = str(found.value)[:MAX_PROSE]
            observation = self._observation(window, found)
        if turn.stopped and prepared:
            raise _storm("while the task was started")
        if turn.stopped:
            self._loaded = None
            observation = self._stopped(window, turn.error)
        return observation

    async def step(self, action: Action) -> Step:
        """Carry out one action.

        Raises:
            SessionStateError: there is no running episode.
            InfrastructureError: the page failed; the next reset starts from a new one.
            TaskError: the task's own code is wrong; the same holds then.
        """
        window, task = self._window, self._task
        if window is None or task is None:
            raise SessionStateError("step before reset: this session has no running episode; call reset first.")
        answer = action.answer if isinstance(action, Done) else None
        try:
            if not window.stopped:
                await self._author.note(action)
            if self._slow_mo_s:
                await asyncio.sleep(self._slow_mo_s)
            async with window.turn() as turn:
                error = await window.perform(action)
                await window.pass_time(task.pace_ms)
                if isinstance(action, Wait) and action.ms:
                    await asyncio.sleep(min(action.ms / 1000, REAL_WAIT_S))
                    await window.pass_time(action.ms)
                async with _blaming(window, Hook(task, "state_script", self._seed), task.state_script):
                    found = await self._look(window, task, task.state_script)
                observation = self._observation(window, found, error=error)
            if turn.stopped and answer is not None:
                raise _storm("where its state was to be read")
            if turn.stopped:
                return Step(self._stopped(window, turn.error), None)
            evidence = Evidence(found.value, self._setup.goal, answer, window.downloads)
            with window.unattended():
                score = await self._author.score(window.first, task, self._seed, self._setup, evidence)
        except PageStopped as stopped:
            await self.discard()
            raise _storm("while it was judged") from stopped
        except (InfrastructureError, TaskError):
            await self.discard()
            raise
        if score is None and answer is not None:
            score = Score(0.0, "the agent said that it was done, but the task was not")
        if score is not None:
            self._task = None
            await self.finish()
        return Step(observation, score)

    async def finish(self) -> None:
        """Write what is kept of the running episode; nothing is played after that."""
        if self._window is not None:
            self._window.close_dialogs()
            if self._window.stopped and self._author.records:  # the page could not be recorded
                with contextlib.suppress(InfrastructureError):
                    await self._window.close_modals()
        await self._author.end()

    async def discard(self) -> None:
        """Throw the window away, whatever state it is in."""
        window, self._window, self._loaded, self._task = self._window, None, None, None
        await self._author.end()
        if window is not None and not self._connection.closed:
            try:
                await window.close()
            except SessionCrashedError:
                return  # the context is gone already, which is what was wanted

    async def _open(self, task: BrowserTask) -> Window:
        """Return a window for the task: the open one where that is safe, else a new one."""
        window = self._window
        if window is None or window.crashed or not window.plain or not await self._may_reuse(window, task):
            await self.discard()
            window = self._window = await Window.open(self._connection)
            self._played, self._aged = int(PAGE_EPISODES * self._aged), 0.0
        self._played += 1
        self._clean = task.stores_nothing
        await take_pointer_away(window.first)
        await window.resize(task.viewport)
        return window

    async def _may_reuse(self, window: Window, task: BrowserTask) -> bool:
        """Whether the next episode may have an open window."""
        if self._played >= PAGE_EPISODES or self._author.traces:  # a trace holds what was loaded while it ran
            return False
        if self._loaded is task:
            return True
        if not (self._clean and task.stores_nothing) or await leaves_traces(window.first):
            return False
        window.first.forget_history()
        return True

    async def _look(self, window: Window, task: BrowserTask, value: str, *, anew: bool = False) -> _Found:
        """Read the page, and the value of an expression in the task's own.

        Where its pages do something with frames, one is drawn before, so that it is done; else one only for a picture
        or a trace, whose film it is.
        """
        screenshot = None
        if not task.still:
            await window.in_front(finish_animations)
        if not task.still or self._author.records:
            screenshot = await self._draw(window)
        seen, answer = await window.look(task.hidden, self._wanted, value, anew=anew)
        if task.still and PICTURES & self._wanted.parts:
            screenshot = await window.in_front(Page.screenshot)
        self._picture = screenshot
        if screenshot is not None and window.modals:
            screenshot = paint(screenshot, seen.above)
        return _Found(seen, answer, screenshot)

    async def _draw(self, window: Window) -> NDArray[np.uint8] | None:
        if PICTURES & self._wanted.parts:
            return await window.in_front(Page.screenshot)
        await window.in_front(partial(Page.draw, noDisplayUpdates=not self._author.records))  # the film shows updates
        return None

    def _stopped(self, window: Window, error: str) -> Observation:
        """Return what is seen while a dialog stops the page: the dialog, above the picture from before."""
        seen, screenshot = window.glance(), None
        if PICTURES & self._wanted.parts:
            width, height = window.viewport
            before = self._picture
            fits = before is not None and before.shape == (height, width, 3)
            screenshot = paint(before if fits and before is not None else blank(window.viewport), seen.above)
        return self._observation(window, _Found(seen, None, screenshot), error=error)

    def _observation(self, window: Window, found: _Found, *, error: str = "") -> Observation:
        error = " ".join(part for part in (error, window.take_notes()) if part)
        known = Observation(self._instruction, error=error, screenshot=found.screenshot)
        return observed(found.seen, known, self._wanted)


@contextlib.asynccontextmanager
async def _blaming(window: Window, hook: Hook, script: str, *, untouched: bool = False) -> AsyncIterator[None]:
    """Tell whose fault it is if a task's script fails; see `blamed`."""
    try:
        yield
    except ScriptFailedError as failed:
        raise await blamed(window.first, hook, script, failed, untouched=untouched) from failed


def _site(task: BrowserTask, seed: int, setup: Setup) -> Site:
    """Return what a task serves; its own page must be there."""
    hook = Hook(task, "site", seed)
    site = hook.ask(Site, task.site, setup)
    if site.read(task.url) is None:
        raise TaskError(
            f"{hook.where} serves nothing at {task.url} (seed {seed}), so there is no page. Give `Setup` an `html`, or "
            "`Site` such a page."
        )
    return site


def _storm(where: str) -> SessionCrashedError:
    return SessionCrashedError(f"The page opened more than {MAX_CLOSED} dialogs in a row {where}.")
