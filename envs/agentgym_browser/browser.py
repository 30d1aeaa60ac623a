"""One Chromium of a world: started when it is first needed, started again after it has ended."""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from agentgym.errors import MissingDependencyError, SessionTimeoutError, WorldCrashedError
from agentgym_browser.chromium import INSTALL, VISIBLE_INSTALL, Chromium, browser_version, start_chromium
from agentgym_browser.devtools import Connection
from agentgym_browser.limits import alive, limit_renderers

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

    from agentgym_browser.devtools import Event

logger = logging.getLogger(__name__)

SOURCE_POLL_S, SOURCE_POLLS = 0.02, 100
START_TIMEOUT_S = 60.0  # a browser starts in a fraction of a second, on a crowded machine in several
# A page, popups too, waits until its window has put wall and observer in place.
EACH_PAGE = {
    "autoAttach": True,
    "waitForDebuggerOnStart": True,
    "flatten": True,
    "filter": [{"type": "page"}, {"exclude": True}],
}


class Browser:
    """A browser process with its connection; belongs to the event loop in which it is first asked for.

    Args:
        path: of a headless shell, or of a full Chromium where it is visible.
        visible: whether it has windows.
    """

    def __init__(self, path: Path, *, visible: bool = False) -> None:
        self._path = path
        self._visible = visible
        self._process: Chromium | None = None
        self._has_run = False  # whether it has answered before
        self.open_connection: Connection | None = None
        """The newest connection, or None."""
        self._sources: list[psutil.Process] = []  # what its renderers are forked from
        self._connecting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Process id of the keeper, or None where the browser is not running."""
        return None if self._process is None else self._process.keeper.pid

    async def connection(self) -> Connection:
        """Start the browser where there is none that opens pages; callers that ask at once get the same connection.

        Raises:
            WorldCrashedError: it cannot be started again.
            MissingDependencyError: what was found is no headless shell.
        """
        async with self._connecting:
            if self.open_connection is None or self.open_connection.closed or not all(map(alive, self._sources)):
                self.open_connection = await self._start()
            return self.open_connection

    async def stop(self) -> None:
        """End the browser; may be called twice."""
        if self.open_connection is not None:
            self.open_connection.close()
            await asyncio.sleep(0)  # lets the transports close their descriptors
        self._stop_process()
        self._connecting = asyncio.Lock()  # the next use may be in another event loop

    def let_go(self) -> None:
        """Forget the browser in a process that was forked from its owner, and does not own it.

        Its keeper takes the end of this pipe for the end of the owner, so a copy here would keep the browser running.
        """
        if self._process is not None and self._process.keeper.stdin is not None:
            self._process.keeper.stdin.close()

    async def _start(self) -> Connection:
        self._stop_process()
        self._process = start_chromium(self._path, visible=self._visible)
        connection = await Connection.connect(self._process.read_fd, self._process.write_fd)
        connection.paced = not self._visible
        connection.on_events("", partial(self._on_event, connection))
        try:
            await connection.call("Target.setAutoAttach", EACH_PAGE, timeout_s=START_TIMEOUT_S)
        except asyncio.CancelledError:  # the world is closed; `stop` ends the process
            connection.close()
            raise
        except (WorldCrashedError, SessionTimeoutError) as error:
            connection.close()
            self._stop_process()
            if self._has_run:
                raise WorldCrashedError(f"The browser could not be started again: {error}") from error
            raise MissingDependencyError(self._no_start(str(error))) from error
        self._has_run = True
        connection.folder = self._process.folder()
        self._sources = await self._limit(self._process.keeper.pid)
        return connection

    def _no_start(self, error: str) -> str:
        """Say why what was found did not start: it is no such browser, or one that lacks something here."""
        version, install = browser_version(self._path)[:200], VISIBLE_INSTALL if self._visible else INSTALL
        if re.match(r"(Chromium|Google Chrome|HeadlessChrome)\b", version):
            return (
                f"{self._path} is installed ({version}), but does not run here ({error}). Look at the limits of this "
                "shell (`ulimit -a`: open files, size of files, processes, memory) and at the free space in "
                f"{tempfile.gettempdir()}. If it has room: {install}"
            )
        return (
            f"{self._path} does not answer as a Chromium {'with a window' if self._visible else 'headless shell'} does "
            f"({error}); asked for its version, it says {version!r}. {install} If it is installed, look at the limits "
            "of this shell (`ulimit -a`): with little memory it does not even tell its version."
        )

    async def _limit(self, keeper_pid: int) -> list[psutil.Process]:
        """Limit what pages may take; on a crowded machine a browser answers before all its processes are there."""
        for _ in range(SOURCE_POLLS):
            sources = limit_renderers(keeper_pid)
            if sources:
                return sources
            await asyncio.sleep(SOURCE_POLL_S)
        logger.warning("This browser starts its renderers in a way of its own: their memory is not limited.")
        return []

    def _on_event(self, connection: Connection, method: str, event: Event) -> None:
        """Pass on what the browser says; as a method of ours it keeps us for as long as an event loop listens."""
        connection.on_target(method, event)

    def _stop_process(self) -> None:
        if self.open_connection is not None and not self.open_connection.closed:
            self.open_connection.close()
        self.open_connection = None
        if self._process is not None:
            self._process.stop()
            self._process = None
