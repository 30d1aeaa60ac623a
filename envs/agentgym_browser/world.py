"""The browser world: many isolated sessions in one headless Chromium.

Isolated between sessions: cookies, storage, cache, scripts; no network beyond the task's own files. Not isolated: the
browser process, CPU and memory. An event loop on a thread of its own speaks to the browser, so that the world works
inside notebooks and beside other loops, and answers pages while the caller thinks. Leaves no process behind, also
when the owner is killed (see `keeper`).
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from agentgym.errors import (
    InfrastructureError,
    MissingDependencyError,
    SessionStateError,
    SessionTimeoutError,
    WorldCrashedError,
)
from agentgym.world import Step, World
from agentgym_browser.chromium import INSTALL, Chromium, browser_version, find_chromium, start_chromium
from agentgym_browser.devtools import Connection
from agentgym_browser.session import Session

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.task import Instance
    from agentgym_browser.devtools import Event

Result = TypeVar("Result")

START_TIMEOUT_S = 60.0  # a browser starts in a fraction of a second, on a crowded machine in several


class BrowserWorld(World):
    """Sessions in one Chromium.

    Args:
        num_slots: how many sessions there are, >= 1.
        screenshot: whether observations carry a screenshot.
        chromium: path of a headless shell; found by itself where None.

    Raises:
        MissingDependencyError: no Chromium is installed; raised by `reset` where what was found is no Chromium.
    """

    name: ClassVar[str] = "browser"

    def __init__(self, *, num_slots: int = 1, screenshot: bool = False, chromium: Path | None = None) -> None:
        if num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, got {num_slots}")
        self.num_slots = num_slots
        self._screenshot = screenshot
        self._path = chromium or find_chromium()
        self._browser: Chromium | None = None
        self._has_run = False  # whether the browser has answered before
        self._connection: Connection | None = None
        self._sessions: dict[int, Session] = {}
        self._connecting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"BrowserWorld(num_slots={self.num_slots}, screenshot={self._screenshot})"

    @classmethod
    def check(cls) -> str:
        """Return the browser's version after starting it once; for `agentgym doctor`.

        Raises:
            MissingDependencyError: no Chromium is installed, or it does not start.
        """
        world = cls()
        try:
            world._run(world._connect())
        finally:
            world.close()
        return browser_version(world._path)

    @property
    def browser_pid(self) -> int | None:
        """Process id of the running browser's keeper, or None."""
        return None if self._browser is None else self._browser.keeper.pid

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        """Start an episode in each of the given slots; starts the browser where it is not running."""
        for slot in instances:
            self._check(slot)
        return self._run(self._each({slot: self._reset(slot, instance) for slot, instance in instances.items()}))

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        """Carry out one action in each of the given slots."""
        sessions = {slot: self._session(slot) for slot in actions}
        return self._run(self._each({slot: sessions[slot].step(action) for slot, action in actions.items()}))

    def close(self) -> None:
        """End the browser, its folder and our thread."""
        self._stop_browser()
        self._sessions.clear()
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
        connection = await self._connect()
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

    async def _connect(self) -> Connection:
        """Start the browser if there is none or it has ended; sessions that ask at once wait for the same one.

        Sessions of a browser that has ended stay until their slot is reset: stepped before that, they say so.
        """
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await self._start()
            return self._connection

    async def _start(self) -> Connection:
        self._stop_process()
        self._browser = start_chromium(self._path)
        connection = await Connection.connect(self._browser.read_fd, self._browser.write_fd)
        connection.on_events("", self._on_browser_event)
        try:
            await connection.call("Target.setDiscoverTargets", {"discover": True}, timeout_s=START_TIMEOUT_S)
        except (WorldCrashedError, SessionTimeoutError) as error:
            connection.close()
            self._stop_process()
            if self._has_run:
                raise WorldCrashedError(f"The browser could not be started again: {error}") from error
            raise MissingDependencyError(
                f"{self._path} does not answer as a Chromium headless shell does ({error}); "
                f"asked for its version, it says {browser_version(self._path)[:200]!r}. {INSTALL}"
            ) from error
        self._has_run = True
        return connection

    def _on_browser_event(self, method: str, event: Event) -> None:
        """Close popups: a session is one page."""
        if method == "Target.targetCreated" and event["targetInfo"].get("openerId") and self._connection:
            self._connection.send("Target.closeTarget", {"targetId": event["targetInfo"]["targetId"]})

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the world's own thread and wait for it."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._connecting = asyncio.Lock()  # which belongs to one loop
            self._thread = threading.Thread(target=self._loop.run_forever, name="agentgym-browser", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop_browser(self) -> None:
        if self._loop is not None and self._connection is not None:
            self._run(self._disconnect())
        self._stop_process()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await asyncio.sleep(0)  # lets the transports close their descriptors

    def _stop_process(self) -> None:
        if self._connection is not None and not self._connection.closed:
            self._connection.close()
        self._connection = None
        if self._browser is not None:
            self._browser.stop()
            self._browser = None
