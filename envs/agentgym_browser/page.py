"""One page in a browser context of its own: navigation, scripts, events.

Isolated: cookies, storage, cache, windows, downloads (none). Not isolated: the browser process; a page that crashes its
renderer fails alone, one that crashes the browser fails all.
"""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from agentgym.errors import InfrastructureError, SessionCrashedError, SessionTimeoutError
from agentgym_browser.devtools import within
from agentgym_browser.network import Site, refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentgym_browser.devtools import Connection, Event

OBSERVER_WORLD = "agentgym"
OBSERVER = Path(__file__).with_name("observe.js").read_text()
PAGE_TIMEOUT_S = 5.0  # a page that does not answer for so long is given up
LOAD_TIMEOUT_S = 20.0
MAX_URL = 200  # characters of one in an error

_GONE = ("context", "navigated", "destroyed", "frame")  # parts of DevTools' messages when a page was replaced


class Page:
    """A page; make it with `open`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._context_id = ""
        self._target_id = ""
        self._session_id = ""
        self._observer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._loaded = asyncio.Event()
        self._idle = asyncio.Event()
        self._viewport: tuple[int, int] | None = None
        self.site = Site()
        self.crashed = False
        self.refused = ""  # why the newest navigation did not take place; empty where it did
        self.pointed = False  # whether the mouse pointer has been moved onto it

    @classmethod
    async def open(cls, connection: Connection) -> Page:
        """Open a page in a new browser context."""
        self = cls(connection)
        context = await connection.call("Target.createBrowserContext", {"disposeOnDetach": True})
        self._context_id = context["browserContextId"]
        target = await connection.call(
            "Target.createTarget",
            {"url": "about:blank", "browserContextId": self._context_id, "enableBeginFrameControl": True},
        )
        self._target_id = target["targetId"]
        attached = await connection.call("Target.attachToTarget", {"targetId": self._target_id, "flatten": True})
        self._session_id = attached["sessionId"]
        connection.on_events(self._session_id, self._on_event)
        observer = {"source": OBSERVER, "worldName": OBSERVER_WORLD, "runImmediately": True}
        await asyncio.gather(
            self.call("Inspector.enable"),
            self.call("Page.enable"),
            self.call("Runtime.enable"),
            self.call("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}),
            self.call("Page.addScriptToEvaluateOnNewDocument", observer),
            self.call("Emulation.setFocusEmulationEnabled", {"enabled": True}),
            self.call("Page.setDownloadBehavior", {"behavior": "deny"}),
        )
        return self

    @property
    def owner(self) -> str:
        """The DevTools target id, by which popups name their opener."""
        return self._target_id

    async def call(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Send a command to this page and wait for its result; errors as in `Connection.call`."""
        self._check_alive()
        return await self._connection.call(method, params, session_id=self._session_id, **options)

    def send(self, method: str, params: dict[str, Any] | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send a command to this page without waiting."""
        self._check_alive()
        return self._connection.send(method, params, session_id=self._session_id)

    async def resize(self, viewport: tuple[int, int]) -> None:
        """Set the viewport in pixels."""
        if viewport != self._viewport:
            metrics = {"width": viewport[0], "height": viewport[1], "deviceScaleFactor": 1, "mobile": False}
            await self.call("Emulation.setDeviceMetricsOverride", metrics)
            self._viewport = viewport

    async def navigate(self, url: str, *, before: str = "") -> None:
        """Open a URL and wait until it has loaded.

        Args:
            url: the page.
            before: JavaScript that runs in the page before its own; empty for none.

        Raises:
            SessionCrashedError: it cannot be loaded.
        """
        script = await self.call("Page.addScriptToEvaluateOnNewDocument", {"source": before}) if before else None
        self._loaded.clear()
        answer = await self.call("Page.navigate", {"url": url}, timeout_s=LOAD_TIMEOUT_S)
        if "errorText" in answer:
            raise SessionCrashedError(f"{url} did not load: {self.refused or answer['errorText']}")
        await within(asyncio.ensure_future(self._loaded.wait()), LOAD_TIMEOUT_S, f"loading {url}")
        if script is not None:
            await self.call("Page.removeScriptToEvaluateOnNewDocument", script)

    async def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page's own world and return its JSON value.

        Raises:
            SessionCrashedError: it threw; page and task do not fit together.
        """
        return _value(await self.call("Runtime.evaluate", _evaluation(expression), timeout_s=PAGE_TIMEOUT_S))

    async def observer(self, expression: str) -> Any:
        """Evaluate JavaScript in the observer's isolated world, in whichever document is there in the end.

        Raises:
            SessionTimeoutError: no document answered in time.
        """
        deadline = asyncio.get_running_loop().time() + PAGE_TIMEOUT_S
        while True:
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                raise SessionTimeoutError(f"The page did not answer in {PAGE_TIMEOUT_S:g} s.")
            context = await within(asyncio.shield(self._observer), remaining, "the page's document")
            try:
                parameters = {**_evaluation(expression), "contextId": context}
                return _value(await self.call("Runtime.evaluate", parameters, timeout_s=remaining))
            except SessionCrashedError as error:
                if self.crashed or not any(part in str(error).lower() for part in _GONE):
                    raise
                await asyncio.sleep(0.005)  # the document was replaced while it was asked; its successor is loading

    async def settle(self) -> None:
        """Wait for what an action has set off: its handlers, timers that are due, a navigation."""
        await self.observer("agentgym.settle()")
        if not self._idle.is_set():
            await within(asyncio.ensure_future(self._idle.wait()), LOAD_TIMEOUT_S, "a navigation")
            await self.observer("agentgym.settle()")

    async def draw(self, **options: Any) -> dict[str, Any]:
        """Draw a frame: what waits for one (pointer moves, animation callbacks, pictures of the screen) happens now.

        Raises:
            SessionTimeoutError: the page did not draw in time; others draw again once it is closed.
        """
        await self._connection.drawing.acquire()
        try:
            frame = self.send("HeadlessExperimental.beginFrame", options)
        except InfrastructureError:
            self._connection.drawing.release()
            raise
        frame.add_done_callback(lambda _: self._connection.drawing.release())
        return await within(asyncio.shield(frame), PAGE_TIMEOUT_S, "drawing")

    async def screenshot(self) -> NDArray[np.uint8]:
        """Return what is on screen, (height, width, 3) RGB."""
        answer = await self.draw(screenshot={"format": "png", "optimizeForSpeed": True})
        with Image.open(io.BytesIO(base64.b64decode(answer["screenshotData"]))) as image:
            return np.asarray(image.convert("RGB"))

    async def close(self) -> None:
        """Dispose of the context and all its pages; a hanging page does not hinder it."""
        self._connection.on_events(self._session_id, None)
        try:
            await self._connection.call("Target.disposeBrowserContext", {"browserContextId": self._context_id})
        finally:
            self._connection.give_up(self._session_id)

    def _check_alive(self) -> None:
        if self.crashed:
            raise SessionCrashedError("The page has crashed; reset the session.")

    def _on_event(self, method: str, event: Event) -> None:
        if method == "Fetch.requestPaused":
            self._answer(event["requestId"], event)
        elif method == "Runtime.executionContextCreated":
            context = event["context"]
            data = context.get("auxData", {})
            if context["name"] == OBSERVER_WORLD and data.get("frameId") == self._target_id:
                self._set_observer(context["id"])
        elif method == "Runtime.executionContextsCleared":
            self._set_observer(None)
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Page.frameStartedLoading" and event["frameId"] == self._target_id:
            self._idle.clear()
        elif method == "Page.frameStoppedLoading" and event["frameId"] == self._target_id:
            self._idle.set()
        elif method == "Page.javascriptDialogOpening":
            self.send("Page.handleJavaScriptDialog", {"accept": False})
        elif method == "Inspector.targetCrashed":
            self.crashed = True
            self._connection.give_up(self._session_id)

    def _answer(self, request_id: str, event: Event) -> None:
        """Answer a request; a document that cannot be had does not take the place of the one that is there."""
        url = event["request"]["url"]
        leaves = event.get("resourceType") == "Document" and event.get("frameId") == self._target_id
        if not leaves or self.site.read(url) is not None:
            self.send(*self.site.fulfil(request_id, url))
            return
        why = "there is no such page" if self.site.owns(url) else "it is outside of what this task may reach"
        self.refused = f"{url[:MAX_URL]} was not opened: {why}."
        self.send(*refusal(request_id, reason="Aborted"))

    def take_refusal(self) -> str:
        """Return, once, why the newest navigation did not take place; empty where it did."""
        refused, self.refused = self.refused, ""
        return refused

    def _set_observer(self, context: int | None) -> None:
        if self._observer.done():
            self._observer = asyncio.get_running_loop().create_future()
        if context is not None:
            self._observer.set_result(context)


def _evaluation(expression: str) -> dict[str, Any]:
    return {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": False}


def _value(answer: dict[str, Any]) -> Any:
    if "exceptionDetails" in answer:
        details = answer["exceptionDetails"]
        text = details.get("exception", {}).get("description") or details.get("text", "")
        raise SessionCrashedError(f"A script failed in the page: {text[:300]}")
    return answer["result"].get("value")
