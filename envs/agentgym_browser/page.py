"""One page: navigation, scripts, frames of the screen, events.

A page is a tab of a `window.Window`, which owns its browser context. A page that crashes its renderer fails its window
alone, one that crashes the browser fails all.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from agentgym.errors import InfrastructureError, SessionCrashedError, SessionTimeoutError
from agentgym_browser.devtools import CALL_TIMEOUT_S, within
from agentgym_browser.frames import FRAME_EVENTS, Frames
from agentgym_browser.network import Site, refusal
from agentgym_browser.turn import PageStopped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentgym_browser.devtools import Connection, Event
    from agentgym_browser.window import Window

OBSERVER_WORLD = "agentgym"
OBSERVER = Path(__file__).with_name("observe.js").read_text()
PAGE_TIMEOUT_S = 5.0  # a page that does not answer for so long is given up
LOAD_TIMEOUT_S = 20.0
MAX_URL = 200  # characters of one in an error

_GONE = ("context", "navigated", "destroyed", "frame")  # parts of DevTools' messages when a page was replaced


class Page:
    """A page that waits for its debugger: it gets wall and observer first, and then goes on.

    Args:
        connection: to its browser.
        session_id: of DevTools.
        target_id: of DevTools; also the id of its main frame.
        window: whose tab it is; hears of what a window shows, such as dialogs.
    """

    def __init__(self, connection: Connection, *, session_id: str, target_id: str, window: Window) -> None:
        self._connection = connection
        self._session_id = session_id
        self._target_id = target_id
        self._window = window
        self._observer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._loaded = asyncio.Event()
        self._idle = asyncio.Event()  # whether neither the page nor a frame of it is loading
        self._loading = {target_id}
        self._viewport: tuple[int, int] | None = None
        self.frames = Frames(self, target_id)
        self.site = Site()
        self.crashed = False
        self.refused = ""  # why the newest navigation did not take place; empty where it did
        self.pointed = False  # whether the mouse pointer has been moved onto it
        self.drawing = False  # whether a frame is asked for and not there yet
        self.url = self.title = ""  # when it was last looked at
        self._closed = asyncio.Event()
        connection.on_events(session_id, self._on_event)
        observer = {"source": OBSERVER, "worldName": OBSERVER_WORLD, "runImmediately": True}
        self._ready = asyncio.gather(
            self.tell("Inspector.enable"),
            self.tell("Page.enable"),
            self.tell("Runtime.enable"),
            self.tell("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}),
            self.tell("Page.addScriptToEvaluateOnNewDocument", observer),
            self.tell("Emulation.setFocusEmulationEnabled", {"enabled": True}),
            self.tell("Page.setDownloadBehavior", {"behavior": "deny"}),
            self.tell("Runtime.runIfWaitingForDebugger"),
            return_exceptions=True,  # a popup may be closed again at once
        )

    @property
    def session_id(self) -> str:
        """The DevTools session of this page."""
        return self._session_id

    @property
    def target_id(self) -> str:
        """The DevTools target of this page, which is also the id of its main frame."""
        return self._target_id

    async def ready(self) -> None:
        """Wait until the page can be used.

        Raises:
            SessionCrashedError: it cannot.
        """
        for answer in await within(asyncio.shield(self._ready), CALL_TIMEOUT_S, "opening a page"):
            if isinstance(answer, BaseException):
                raise answer

    async def call(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Send a command to this page and wait for its result; errors as in `Connection.call`."""
        self._check_alive()
        return await self._connection.call(method, params, session_id=self._session_id, **options)

    def send(self, method: str, params: dict[str, Any] | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send a command to this page without waiting."""
        self._check_alive()
        return self.tell(method, params)

    def tell(self, method: str, params: dict[str, Any] | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send what a page takes also while a dialog stops its scripts, without waiting."""
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

    @property
    def context(self) -> int | None:
        """The execution context of the observer; None while a document comes."""
        return self._observer.result() if self._observer.done() else None

    async def evaluate(self, expression: str, *, context: int | None = None) -> Any:
        """Evaluate JavaScript in the page's own world, or in another execution context; return its JSON value.

        Raises:
            SessionCrashedError: it threw; page and task do not fit together.
        """
        parameters = _evaluation(expression) | ({} if context is None else {"contextId": context})
        return _value(await self.call("Runtime.evaluate", parameters, timeout_s=PAGE_TIMEOUT_S))

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

    async def ask(self, element: int, function: str, *arguments: str) -> dict[str, Any]:
        """Ask the observer of an element's document about it; points are those of the page's viewport."""
        call = f"agentgym.{function}({', '.join(json.dumps(each) for each in (element, *arguments))})"
        frame = self.frames.owner(element)
        answer: dict[str, Any]
        if frame is None:
            answer = await self.observer(call)
            return answer
        answer = await self.frames.ask(frame, call)
        return await self.frames.to_page(frame, answer) if "x" in answer else answer

    async def observe(self, hidden: str, first: int) -> dict[str, Any]:
        """Return what the observer sees, with what frames show in place.

        Args:
            hidden: CSS selector of what is left out.
            first: id from which on new ones are given.
        """
        raw: dict[str, Any] = await self.observer(f"agentgym.observe({json.dumps(hidden)}, {first})")
        return await self.frames.fill_in(raw, hidden) if raw["frames"] else raw

    async def reset(self) -> None:
        """Let the ids of elements begin anew."""
        await self.observer("agentgym.reset()")
        await self.frames.reset()

    async def settle(self) -> None:
        """Wait for what an action has set off: its handlers, timers that are due, a navigation."""
        await self.observer("agentgym.settle()")
        if not self._idle.is_set():
            await within(asyncio.ensure_future(self._idle.wait()), LOAD_TIMEOUT_S, "a navigation")
            await self.observer("agentgym.settle()")
        if self.frames:
            await self.frames.settle()

    async def draw(self, **options: Any) -> dict[str, Any]:
        """Draw a frame: what waits for one (pointer moves, animation callbacks, pictures of the screen) happens now.

        Raises:
            SessionTimeoutError: the page did not draw in time; others draw again once it is closed.
        """
        await self._connection.drawing.acquire()
        try:
            frame = self.send("HeadlessExperimental.beginFrame", options)
        except (InfrastructureError, PageStopped):
            self._connection.drawing.release()
            raise
        self.drawing = True
        frame.add_done_callback(self._drawn)
        return await within(asyncio.shield(frame), PAGE_TIMEOUT_S, "drawing")

    async def screenshot(self) -> NDArray[np.uint8]:
        """Return what is on screen, (height, width, 3) RGB."""
        answer = await self.draw(screenshot={"format": "png", "optimizeForSpeed": True})
        with Image.open(io.BytesIO(base64.b64decode(answer["screenshotData"]))) as image:
            return np.asarray(image.convert("RGB"))

    async def close(self) -> None:
        """Close the tab, as a user does: its page may open a dialog and ask.

        Raises:
            SessionTimeoutError: the page does not answer.
        """
        self.send("Page.close")
        await within(asyncio.ensure_future(self._closed.wait()), PAGE_TIMEOUT_S, "closing a tab")

    def gone(self) -> None:
        """Take note that the page has been closed."""
        self.crashed = True
        self._closed.set()
        self._connection.on_events(self._session_id, None)
        self._connection.give_up(self._session_id)

    def _drawn(self, _: asyncio.Future[Any]) -> None:
        self.drawing = False
        self._connection.drawing.release()

    def _check_alive(self) -> None:
        if self.crashed:
            raise SessionCrashedError("The page has crashed; reset the session.")
        if self._window.stopped:  # it would not answer
            raise PageStopped

    def _on_event(self, method: str, event: Event) -> None:
        if method == "Fetch.requestPaused":
            self._answer(event["requestId"], event)
        elif method == "Runtime.executionContextCreated":
            context = event["context"]
            data = context.get("auxData", {})
            if context["name"] == OBSERVER_WORLD and data.get("frameId") == self._target_id:
                self._set_observer(context["id"])
            elif context["name"] == OBSERVER_WORLD:
                self.frames.set_observer(data["frameId"], context["id"])
        elif method == "Runtime.executionContextsCleared":
            self._set_observer(None)
            self.frames.clear()
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Page.frameStartedLoading":
            self._set_loading(event["frameId"], loading=True)
        elif method == "Page.frameStoppedLoading":
            self._set_loading(event["frameId"], loading=False)
        elif method in FRAME_EVENTS:
            self.frames.hear(method, event)
            if method == "Page.frameDetached":
                self._set_loading(event["frameId"], loading=False)
        elif method == "Inspector.targetCrashed":
            self.crashed = True
            self._connection.give_up(self._session_id)
        else:
            self._window.hear(self, method, event)

    def _answer(self, request_id: str, event: Event) -> None:
        """Answer a request; a document that cannot be had does not take the place of the one that is there."""
        url = event["request"]["url"]
        leaves = event.get("resourceType") == "Document" and event.get("frameId") == self._target_id
        if not leaves or self.site.read(url) is not None:
            self.tell(*self.site.fulfil(request_id, url))
            return
        why = "there is no such page" if self.site.owns(url) else "it is outside of what this task may reach"
        self.refused = f"{url[:MAX_URL]} was not opened: {why}."
        self.tell(*refusal(request_id, reason="Aborted"))

    def take_refusal(self) -> str:
        """Return, once, why the newest navigation did not take place; empty where it did."""
        refused, self.refused = self.refused, ""
        return refused

    def _set_loading(self, frame_id: str, *, loading: bool) -> None:
        if loading:
            self._loading.add(frame_id)
            self._idle.clear()
        else:
            self._loading.discard(frame_id)
            if not self._loading:
                self._idle.set()

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
