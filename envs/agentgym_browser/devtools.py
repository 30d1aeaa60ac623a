"""DevTools protocol over a pipe: JSON messages that end in a NUL byte.

Source: https://chromedevtools.github.io/devtools-protocol/. One connection serves all pages of a browser; a message
carries the id of the page's session. Calls are coroutines, so that requests to many pages are in flight at once.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agentgym.errors import SessionCrashedError, SessionTimeoutError, WorldCrashedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agentgym.errors import InfrastructureError

CALL_TIMEOUT_S = 30.0  # a page opens in a tenth of a second, on a crowded machine in many

Event = dict[str, Any]
Result = TypeVar("Result")


class _Call(NamedTuple):
    """A command that waits for its answer."""

    session_id: str
    future: asyncio.Future[dict[str, Any]]

    def fail(self, error: InfrastructureError) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # mark as seen: pipelined commands are not always waited for


class Connection(asyncio.Protocol):
    """Our end of the pipe. Make it with `connect`, inside the event loop that uses it."""

    def __init__(self) -> None:
        self._next_id = 1
        self._pending: dict[int, _Call] = {}
        self._handlers: dict[str, Callable[[str, Event], None]] = {}
        self._windows: dict[str, Callable[[str, Event], None]] = {}
        self._buffer = bytearray()
        self._unsent: list[bytes] = []
        self._writer: asyncio.WriteTransport | None = None
        self._reader: asyncio.ReadTransport | None = None
        self.closed = False
        self.paced = True
        """Whether frames are drawn only when they are asked for."""
        self.folder: Path | None = None
        """The browser's own folder, which goes with it."""
        self.drawing = asyncio.Lock()
        """Held while a frame is drawn: a second one meanwhile, of whichever page, ends the browser."""

    @classmethod
    async def connect(cls, read_fd: int, write_fd: int) -> Connection:
        """Attach to the two ends of a browser's pipe, which the connection then owns."""
        loop = asyncio.get_running_loop()
        self = cls()
        with ExitStack() as on_failure:  # also when the world is closed in this moment
            reader, writer = os.fdopen(read_fd, "rb", 0), os.fdopen(write_fd, "wb", 0)
            on_failure.callback(writer.close)
            on_failure.callback(self.close)
            self._reader, _ = await loop.connect_read_pipe(lambda: self, reader)
            self._writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writer)
            on_failure.pop_all()
        return self

    def on_events(self, session_id: str, handler: Callable[[str, Event], None] | None) -> None:
        """Send events of a page ("" for the browser itself) to ``handler(method, params)``; None for nobody."""
        if handler is None:
            self._handlers.pop(session_id, None)
        else:
            self._handlers[session_id] = handler

    def on_targets(self, context_id: str, handler: Callable[[str, Event], None] | None) -> None:
        """Tell ``handler`` of the pages of a browser context, which belong to its window; None for nobody."""
        if handler is None:
            self._windows.pop(context_id, None)
        else:
            self._windows[context_id] = handler

    def on_target(self, method: str, event: Event) -> None:
        """Pass on what the browser says of its pages."""
        if method == "Target.attachedToTarget":
            handler = self._windows.get(event["targetInfo"].get("browserContextId", ""))
            if handler is None:  # its window has just been closed
                self.refuse(event)
            else:
                handler(method, event)
        elif method == "Target.detachedFromTarget":
            for handler in tuple(self._windows.values()):
                handler(method, event)

    def refuse(self, attached: Event) -> None:
        """Close a page that waits for its debugger; until it is gone it gets nothing."""
        page = attached["sessionId"]
        self.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}, session_id=page)
        self.send("Runtime.runIfWaitingForDebugger", session_id=page)
        self.send("Target.closeTarget", {"targetId": attached["targetInfo"]["targetId"]})

    def send(
        self, method: str, params: dict[str, Any] | None = None, *, session_id: str = ""
    ) -> asyncio.Future[dict[str, Any]]:
        """Send a command now; its result, or a `SessionCrashedError`, arrives in the future.

        Raises:
            WorldCrashedError: the browser is gone.
        """
        if self.closed or self._writer is None:
            raise WorldCrashedError("The browser has ended.")
        message: dict[str, Any] = {"id": self._next_id, "method": method, "params": params or {}}
        if session_id:
            message["sessionId"] = session_id
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[self._next_id] = _Call(session_id, future)
        self._next_id += 1
        if not self._unsent:  # what is sent in the same turn of the event loop leaves in one write
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(json.dumps(message).encode() + b"\0")
        return future

    async def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        session_id: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Send a command and wait for its result.

        Raises:
            SessionTimeoutError: no answer in time.
            SessionCrashedError: the browser refused; most often the page is gone.
            WorldCrashedError: the browser is gone.
        """
        return await within(self.send(method, params, session_id=session_id), timeout_s, method)

    def close(self) -> None:
        """Close both ends of the pipe; pending calls fail."""
        self._flush()
        for transport in (self._writer, self._reader):
            if transport is not None:
                transport.close()
        self.connection_lost(None)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the pipe (called by asyncio)."""
        self._buffer += data
        if b"\0" not in data:
            return
        *messages, rest = self._buffer.split(b"\0")
        self._buffer = bytearray(rest)
        for message in messages:
            try:
                self._dispatch(json.loads(message))
            except Exception as error:  # noqa: BLE001 (the boundary: one session's bug takes no other's messages along)
                what = {"message": "A message of the browser could not be taken", "exception": error}
                asyncio.get_running_loop().call_exception_handler(what)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever is waiting: the browser is gone (called by asyncio)."""
        self.closed = True
        for call in self._pending.values():
            call.fail(WorldCrashedError("The browser ended while a call was waiting."))
        self._pending.clear()

    def give_up(self, session_id: str) -> None:
        """Fail what is waiting for a page that has crashed: the browser does not answer for it."""
        for number in [number for number, call in self._pending.items() if call.session_id == session_id]:
            self._pending.pop(number).fail(SessionCrashedError("The page crashed while a call was waiting."))

    def _flush(self) -> None:
        if self._writer is not None and not self.closed:
            self._writer.write(b"".join(self._unsent))
        self._unsent.clear()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "id" in message:
            call = self._pending.pop(message["id"], None)
            if call is None or call.future.done():
                return
            if "error" in message:
                call.fail(SessionCrashedError(f"DevTools: {message['error'].get('message', '')}"))
            else:
                call.future.set_result(message["result"])
            return
        handler = self._handlers.get(message.get("sessionId", ""))
        if handler is not None:
            handler(message["method"], message.get("params", {}))


async def within(work: Awaitable[Result], timeout_s: float, what: str) -> Result:
    """Wait for a future or coroutine.

    Raises:
        SessionTimeoutError: it was not done in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError as error:
        raise SessionTimeoutError(f"{what}: no answer in {timeout_s:g} s.") from error
