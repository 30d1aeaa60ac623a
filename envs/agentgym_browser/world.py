"""The browser world: many isolated sessions in a few headless Chromiums.

One browser uses about one core, so there is one for each, with several sessions. Isolated between sessions: cookies,
storage, cache, scripts, permissions, clipboard; no network beyond the task's own origins. Not isolated: the browser
process, CPU and memory, which a page's renderer can take in part only (see `limits`). An event loop on a thread of its
own speaks to the browsers, so that the world works inside notebooks and beside other loops, and answers pages while the
caller thinks. Leaves no process behind, also when the owner is killed (see `keeper`). A process that was forked from
the owner has no session: it opens its own browsers when it resets.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from agentgym.action import Action
from agentgym.errors import InfrastructureError, SessionStateError
from agentgym.look import PARTS, PLAIN, Look, Part, all_parts
from agentgym.world import Step, World, refuse_too_many
from agentgym_browser.author import Author
from agentgym_browser.browser import Browser
from agentgym_browser.chromium import browser_version, find_chromium, find_visible_chromium, sandboxed
from agentgym_browser.driver import Driver
from agentgym_browser.session import Session
from agentgym_browser.trace import check_folder
from agentgym_browser.work import WorkUnderWay

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from agentgym.observation import Observation
    from agentgym.task import Instance

Result = TypeVar("Result")

SESSIONS_A_BROWSER = 4  # at least, where there are several browsers: each costs memory


class BrowserWorld(World):
    """Sessions in Chromium.

    Args:
        num_slots: how many sessions there are, >= 1.
        screenshot: whether observations carry a screenshot, whatever `look` says.
        look: what observations hold, and how much of a big page.
        chromium: path of a headless shell; found by itself where None.
        browsers: how many browsers share the sessions; None for one a core, and at least `SESSIONS_A_BROWSER` sessions
            in each.
        visible: whether to show windows, for debugging; takes a full Chromium and a screen.
        slow_mo_ms: how long to wait before each action, so that a person can follow.
        trace: folder for a trace of each episode, to be opened with ``playwright show-trace``; for debugging, as
            Playwright then stays attached for all of the episode. None for no traces.

    Raises:
        ConfigError: no trace can be written to the folder.
        MissingDependencyError: no Chromium is installed, or a visible one has no screen; raised by `reset` where what
            was found is no Chromium.
    """

    name: ClassVar[str] = "browser"
    parts: ClassVar[frozenset[Part]] = frozenset(PARTS)

    def __init__(
        self,
        *,
        num_slots: int = 1,
        screenshot: bool = False,
        look: Look = PLAIN,
        chromium: Path | None = None,
        browsers: int | None = None,
        visible: bool = False,
        slow_mo_ms: int = 0,
        trace: Path | str | None = None,
    ) -> None:
        if num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, got {num_slots}")
        if browsers is None:
            browsers = max(1, min(len(os.sched_getaffinity(0)), num_slots // SESSIONS_A_BROWSER))
        if not 1 <= browsers <= num_slots:
            raise ValueError(f"browsers must be from 1 to num_slots ({num_slots}), got {browsers}")
        self.num_slots = num_slots
        self._look = replace(look, parts=all_parts(look.parts, screenshot=screenshot))
        self._path = chromium or (find_visible_chromium() if visible else find_chromium())
        self._browsers = [Browser(self._path, visible=visible) for _ in range(browsers)]
        self._visible = visible
        self._slow_mo_ms = slow_mo_ms
        self._trace = None if trace is None else Path(trace).absolute()
        if self._trace is not None:
            check_folder(self._trace)
        self._driver = Driver()
        self._sessions: dict[int, Session] = {}
        self._work: WorkUnderWay[Observation | Step] = WorkUnderWay()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        _WORLDS.add(self)

    def __repr__(self) -> str:
        return f"BrowserWorld(num_slots={self.num_slots}, parts={sorted(self._look.parts)})"

    @classmethod
    def check(cls) -> str:
        """Return the browser's version, and whether its sandbox is on, after starting it once; for `agentgym doctor`.

        Raises:
            MissingDependencyError: no Chromium is installed, or it does not start.
        """
        world = cls()
        try:
            world._run(world._browsers[0].connection())
        finally:
            world.close()
        sandbox = "on" if sandboxed() else "off, because this is root; run as another user to have it"
        return f"{browser_version(world._path)}; its own sandbox is {sandbox}"

    @property
    def browser_pids(self) -> list[int]:
        """Process ids of the running browsers' keepers."""
        return [browser.pid for browser in self._browsers if browser.pid is not None]

    @property
    def under_way(self) -> frozenset[int]:
        """The slots whose work was submitted, and whose result was not collected yet."""
        return self._work.slots

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        """Start an episode in each of the given slots; starts browsers that are not running.

        Sessions of a browser that has ended stay until their slot is reset: stepped before that, they say so.
        """
        self.check_slots(instances)
        return self._run(self._each({slot: self._reset(slot, instance) for slot, instance in instances.items()}))

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        """Carry out one action in each of the given slots."""
        self.check_slots(actions)
        sessions = {slot: self._session(slot) for slot in actions}
        return self._run(self._each({slot: sessions[slot].step(action) for slot, action in actions.items()}))

    def submit(self, work: Mapping[int, Instance | Action]) -> None:
        """Start work in some slots; it goes on while the caller does something else."""
        self.check_slots(work)
        sessions = {slot: self._session(slot) for slot, each in work.items() if isinstance(each, Action)}
        running: dict[int, Coroutine[Any, Any, Observation | Step]] = {}
        for slot, each in work.items():
            running[slot] = sessions[slot].step(each) if isinstance(each, Action) else self._reset(slot, each)
        self._work.start(running, self._opened())

    def collect(
        self, *, at_least: int = 1, timeout_s: float | None = None
    ) -> dict[int, Observation | Step | InfrastructureError]:
        """Wait for submitted work, and return the results that are there, in the order in which they came."""
        refuse_too_many(at_least, self.under_way)
        return self._work.take(at_least=at_least, timeout_s=timeout_s)

    def close(self) -> None:
        """End the browsers, their folders, Playwright and our threads; whoever waits for work under way is told."""
        try:
            if self._loop is not None:
                self._run(self._stop())
        finally:
            self._end_loop()
            self._sessions.clear()
            self._driver.close()
            self._work = WorkUnderWay()

    def _end_loop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    async def _each(self, work: dict[int, Coroutine[Any, Any, Result]]) -> dict[int, Result | InfrastructureError]:
        """Run the slots' work at once; infrastructure errors become their slot's result, bugs raise."""
        results = await asyncio.gather(*work.values(), return_exceptions=True)
        answers: dict[int, Result | InfrastructureError] = {}
        for slot, result in zip(work, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, InfrastructureError):
                raise result
            answers[slot] = result
        return answers

    async def _reset(self, slot: int, instance: Instance) -> Observation:
        connection = await self._browsers[slot % len(self._browsers)].connection()
        session = self._sessions.get(slot)
        if session is not None and session.lost:
            await session.discard()
            session = None
        if session is None:
            author = Author(self._driver, trace=self._trace, slow_mo_ms=self._slow_mo_ms)
            session = self._sessions[slot] = Session(
                connection,
                look=self._look,
                author=author,
                slow_mo_ms=self._slow_mo_ms,
                aged=slot / self.num_slots,
            )
        return await session.reset(instance)

    def _session(self, slot: int) -> Session:
        if slot not in self._sessions:
            raise SessionStateError(f"step before reset: slot {slot} has no running episode; call reset first.")
        return self._sessions[slot]

    def _opened(self) -> asyncio.AbstractEventLoop:
        """Return the event loop; starts it on the world's own thread where there is none."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="agentgym-browser", daemon=True)
            self._thread.start()
        return self._loop

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the world's own thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._opened()).result()

    async def _stop(self) -> None:
        """Write what is kept of the episodes, end what is under way, then the browsers."""
        ends = await asyncio.gather(*(each.finish() for each in self._sessions.values()), return_exceptions=True)
        working = asyncio.all_tasks() - {asyncio.current_task()}
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for browser in self._browsers:
            await browser.stop()
        for end in ends:
            if isinstance(end, BaseException):  # a trace that cannot be written, such as on a full disk
                raise end

    def _start_anew_after_fork(self) -> None:
        """Be a world that was never opened: the event loop's thread, the browsers and their sessions are the parent's.

        What was inherited is kept and left alone: closing the loop would reach into the parent's.
        """
        _INHERITED.append((self._loop, self._browsers, self._sessions, self._work, self._driver))
        self._driver.let_go()
        self._driver = Driver()
        for browser in self._browsers:
            browser.let_go()
        self._browsers = [Browser(self._path, visible=self._visible) for _ in self._browsers]
        self._sessions = {}
        self._work = WorkUnderWay()
        self._loop = self._thread = None


_WORLDS: weakref.WeakSet[BrowserWorld] = weakref.WeakSet()
_INHERITED: list[object] = []


def _after_fork() -> None:
    for world in list(_WORLDS):
        world._start_anew_after_fork()


os.register_at_fork(after_in_child=_after_fork)
