"""The bridge by which Playwright drives the very page of a session, over our own DevTools pipe.

Playwright asks for a WebSocket. This one is on 127.0.0.1 behind a path that cannot be guessed, takes one client, none
that a page has made, and is there only while it is open. To Playwright it is a browser with one context and one page:
what is said to the browser itself is answered here or narrowed to the session's own context; the rest goes through the
pipe, to a DevTools session of Playwright's own on that page. With that session goes all that Playwright has set.

What it is not: a wall against the author, whose code is trusted as any of a task's. It keeps an author from the other
sessions of the browser by accident, and pages from the bridge.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http
import json
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agentgym.errors import InfrastructureError

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

    from agentgym_browser.devtools import Event
    from agentgym_browser.page import Page

HOST = "127.0.0.1"
CLOSE_TIMEOUT_S = 1.0  # for the other end's goodbye
REFUSED = -32000  # DevTools' code of a command that cannot be carried out
NO_SESSION = -32001

IN_CONTEXT = {  # commands to the browser that take a context: they get the session's own
    "Storage.getCookies",
    "Storage.setCookies",
    "Storage.clearCookies",
    "Browser.grantPermissions",
    "Browser.resetPermissions",
    "Browser.setPermission",
}
IGNORED = {"Browser.setDownloadBehavior"}  # downloads stay as the task says
DIALOG = {"Page.javascriptDialogOpening", "Page.javascriptDialogClosed"}  # the agent's, unless author's code runs
CLOSE = {"Page.close", "Target.closeTarget"}  # Playwright sees its page closed; the session needs it, and keeps it


class Bridge:
    """A way to one page, the page of a session."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._connection = page.connection
        self._path = f"/{secrets.token_urlsafe(32)}"
        self._session_id = ""  # Playwright's session on the page
        self._sessions: set[str] = set()  # that one, and those of the page's workers and frames
        self._target: dict[str, Any] = {}
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._client: ServerConnection | None = None
        self._server: Server | None = None

    async def open(self) -> str:
        """Begin to listen; return what Playwright's ``connect_over_cdp`` takes.

        Raises:
            InfrastructureError: the page is gone, or no port is left.
        """
        target = {"targetId": self._page.target_id}
        found = await self._connection.call("Target.getTargetInfo", target)
        self._target = {**found["targetInfo"], "attached": True}
        attached = await self._connection.call("Target.attachToTarget", {**target, "flatten": True})
        self._session_id = attached["sessionId"]
        self._listen(self._session_id)
        try:
            self._server = await serve(
                self._serve,
                HOST,
                0,
                process_request=self._check,
                origins=[None],  # a page always names its origin
                compression=None,
                max_size=None,  # pictures are large, and the other end is ours
                ping_interval=None,
                close_timeout=CLOSE_TIMEOUT_S,
                server_header=None,
            )
        except OSError as error:
            await self._detach()
            raise InfrastructureError(f"The bridge to Playwright cannot listen on {HOST}: {error}") from error
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://{HOST}:{port}{self._path}"

    async def close(self) -> None:
        """Take Playwright off the page and stop listening; may be called twice."""
        if self._sessions:
            await self._detach()
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _detach(self) -> None:
        """End Playwright's session on the page, and with it all settings that came through it."""
        for session_id in self._sessions:
            self._connection.on_events(session_id, None)
        with contextlib.suppress(InfrastructureError):  # the page or the browser is gone, and the session with it
            await self._connection.call("Target.detachFromTarget", {"sessionId": self._session_id})
        for session_id in self._sessions:
            self._connection.give_up(session_id)
        self._sessions.clear()

    def _check(self, client: ServerConnection, request: Request) -> Response | None:
        if self._client is None and hmac.compare_digest(request.path.encode(), self._path.encode()):
            return None
        return client.respond(http.HTTPStatus.NOT_FOUND, "")

    async def _serve(self, client: ServerConnection) -> None:
        if self._client is not None:  # two that came at once
            return
        self._client = client
        sender = asyncio.create_task(self._send(client))
        try:
            with contextlib.suppress(ConnectionClosed):
                async for text in client:
                    self._take(json.loads(text))
        finally:
            sender.cancel()

    async def _send(self, client: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await client.send(json.dumps(await self._outbox.get()))

    def _take(self, message: dict[str, Any]) -> None:
        """Carry out one command of Playwright."""
        method, params, session_id = message["method"], message.get("params") or {}, message.get("sessionId", "")
        if not session_id:
            self._command(message, method, params)
        elif session_id not in self._sessions:
            self._refuse(message, "Session with given id not found.", code=NO_SESSION)
        elif method in CLOSE:
            self._close_page(message)
        else:
            self._forward(message, params, session_id=session_id)

    def _command(self, message: dict[str, Any], method: str, params: dict[str, Any]) -> None:
        """Answer what is said to the browser itself."""
        if method == "Target.setAutoAttach":
            attached = {"sessionId": self._session_id, "targetInfo": self._target, "waitingForDebugger": False}
            self._outbox.put_nowait({"method": "Target.attachedToTarget", "params": attached})
            self._answer(message, {})
        elif method == "Target.getTargetInfo":
            self._answer(message, {"targetInfo": {"targetId": "", "type": "browser", "title": "", "url": ""}})
        elif method == "Browser.getVersion":
            self._forward(message, params)
        elif method in IN_CONTEXT:
            self._forward(message, {**params, "browserContextId": self._page.context_id})
        elif method in CLOSE:
            self._close_page(message)
        elif method in IGNORED:
            self._answer(message, {})
        else:
            self._refuse(message, f"{method}: a task's author has the session's page alone, not the browser.")

    def _close_page(self, message: dict[str, Any]) -> None:
        detached = {"sessionId": self._session_id, "targetId": self._page.target_id}
        self._answer(message, {})
        self._outbox.put_nowait({"method": "Target.detachedFromTarget", "params": detached})

    def _forward(self, message: dict[str, Any], params: dict[str, Any], *, session_id: str = "") -> None:
        try:
            answer = self._connection.send(message["method"], params, session_id=session_id)
        except InfrastructureError as error:
            self._refuse(message, str(error))
        else:
            answer.add_done_callback(partial(self._answered, message))

    def _answered(self, message: dict[str, Any], answer: asyncio.Future[dict[str, Any]]) -> None:
        if answer.cancelled():
            return
        error = answer.exception()
        if error is None:
            self._answer(message, answer.result())
        else:
            self._refuse(message, str(error).removeprefix("DevTools: "))

    def _answer(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        self._outbox.put_nowait({**_header(message), "result": result})

    def _refuse(self, message: dict[str, Any], why: str, *, code: int = REFUSED) -> None:
        self._outbox.put_nowait({**_header(message), "error": {"code": code, "message": why}})

    def _listen(self, session_id: str) -> None:
        self._sessions.add(session_id)
        self._connection.on_events(session_id, partial(self._on_event, session_id))

    def _on_event(self, session_id: str, method: str, event: Event) -> None:
        if method == "Target.attachedToTarget":
            self._listen(event["sessionId"])
        elif method == "Target.detachedFromTarget":
            self._sessions.discard(event["sessionId"])
            self._connection.on_events(event["sessionId"], None)
        if method in DIALOG and not self._page.driven:
            return
        message = {"sessionId": session_id, "method": method, "params": event}
        # Answers reach us by callbacks of their futures; events wait as long, so that both keep the browser's order.
        asyncio.get_running_loop().call_soon(self._outbox.put_nowait, message)


def _header(message: dict[str, Any]) -> dict[str, Any]:
    """Return what says which command is answered."""
    header = {"id": message["id"]}
    return {**header, "sessionId": message["sessionId"]} if "sessionId" in message else header
