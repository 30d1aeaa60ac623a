"""The browser world: many isolated sessions in a few headless Chromiums.

One browser uses about one core, so there is one for each, with several sessions. Isolated between sessions: cookies,
storage, cache, scripts, permissions, clipboard; no network beyond the task's own origins. Not isolated: the browser
process, CPU and memory, which a page's renderer can take in part only (see `limits`). An event loop on a thread of its
own speaks to the browsers, so that the world works inside notebooks and beside other loops, and answers pages while the
caller thinks. Leaves no process behind, also when the owner is killed (see `keeper`).
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from agentgym.errors import InfrastructureError, SessionStateError
from agentgym.world import Step, World
from agentgym_browser.browser import Browser
from agentgym_browser.chromium import browser_version, find_chromium, sandboxed
from agentgym_browser.session import Session

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.task import Instance

Result = TypeVar("Result")

SESSIONS_A_BROWSER = 4  # at least, where there are several browsers: each costs memory


class BrowserWorld(World):
    """Sessions in Chromium.

    Args:
        num_slots: how many sessions there are, >= 1.
        screenshot: whether observations carry a screenshot.
        chromium: path of a headless shell; found by itself where None.
        browsers: how many browsers share the sessions; None for one a core, and at least `SESSIONS_A_BROWSER` sessions
            in each.

    Raises:
        MissingDependencyError: no Chromium is installed; raised by `reset` where what was found is no Chromium.
    """

    name: ClassVar[str] = "browser"

    def __init__(
        self,
        *,
        num_slots: int = 1,
        screenshot: bool = False,
        chromium: Path | None = None,
        browsers: int | None = None,
    ) -> None:
        if num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, got {num_slots}")
        if browsers is None:
            browsers = max(1, min(len(os.sched_getaffinity(0)), num_slots // SESSIONS_A_BROWSER))
        if not 1 <= browsers <= num_slots:
            raise ValueError(f"browsers must be from 1 to num_slots ({num_slots}), got {browsers}")
        self.num_slots = num_slots
        self._screenshot = screenshot
        self._path = chromium or find_chromium()
        self._browsers = [Browser(self._path) for _ in range(browsers)]
        self._sessions: dict[int, Session] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"BrowserWorld(num_slots={self.num_slots}, screenshot={self._screenshot})"

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

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        """Start an episode in each of the given slots; starts browsers that are not running.

        Sessions of a browser that has ended stay until their slot is reset: stepped before that, they say so.
        """
        for slot in instances:
            self._check(slot)
        return self._run(self._each({slot: self._reset(slot, instance) for slot, instance in instances.items()}))

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        """Carry out one action in each of the given slots."""
        sessions = {slot: self._session(slot) for slot in actions}
        return self._run(self._each({slot: sessions[slot].step(action) for slot, action in actions.items()}))

    def close(self) -> None:
        """End the browsers, their folders and our thread."""
        self._sessions.clear()
        if self._loop is not None and self._thread is not None:
            self._run(self._stop_browsers())
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
        if session is None or session.lost:
            session = self._sessions[slot] = Session(connection, screenshot=self._screenshot)
        return await session.reset(instance)

    def _session(self, slot: int) -> Session:
        self._check(slot)
        if slot not in self._sessions:
            raise SessionStateError(f"step before reset: slot {slot} has no running episode; call reset first.")
        return self._sessions[slot]

    def _check(self, slot: int) -> None:
        if not 0 <= slot < self.num_slots:
            raise IndexError(f"slot {slot} is outside of this world's {self.num_slots} slots")

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the world's own thread and wait for it."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="agentgym-browser", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _stop_browsers(self) -> None:
        for browser in self._browsers:
            await browser.stop()
