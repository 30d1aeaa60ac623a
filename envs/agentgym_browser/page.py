"""One page: navigation, scripts, frames of the screen, events. Its time is virtual (see `clock`).

A page is a tab of a `window.Window`, which owns its browser context. A page that crashes its renderer fails its window
alone, one that crashes the browser fails all.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.errors import InfrastructureError, SessionCrashedError, SessionTimeoutError
from agentgym_browser.clipboard import CLIPBOARD_API, CLIPBOARD_BINDING, CLIPBOARD_GATE
from agentgym_browser.clock import SCRIPT_WAIT_S, SET_POLICY, STANDS_STILL, Clock
from agentgym_browser.devtools import CALL_TIMEOUT_S, within
from agentgym_browser.files import Uploads
from agentgym_browser.frames import FRAME_EVENTS, Frames
from agentgym_browser.network import Site, refusal
from agentgym_browser.picture import await_frame, decode
from agentgym_browser.scripts import OBSERVER, OBSERVER_WORLD, ScriptFailedError, thrown
from agentgym_browser.turn import PageStopped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agentgym_browser.devtools import Connection, Event
    from agentgym_browser.window import Window

PAGE_TIMEOUT_S = 5.0  # a page that does not answer for so long is given up
LOAD_TIMEOUT_S = 20.0
LOADING_MS = 100  # virtual time that passes at a time while a page loads
LOADING_WAIT_S = 0.05  # a page that has not loaded so long after that needs more of it
STARTING_S = 1.0  # a new page that does not begin to load so long after it was opened stays empty
PICTURE_TRIES = 20  # frames that may come without a picture
MAX_URL = 200  # characters of one in an error

_GONE = ("context", "navigated", "destroyed", "frame")  # parts of DevTools' messages when a page was replaced


class _DocumentReplacedError(SessionCrashedError):
    """A script's document was replaced before it answered."""


class Page:
    """A page that waits for its debugger: it gets wall and observer first, and then goes on.

    Args:
        connection: to its browser.
        session_id: of DevTools.
        target_id: of DevTools; also the id of its main frame.
        window: whose tab it is; hears of what a window shows, such as dialogs.
        source: JavaScript that new documents begin with; empty for none yet.
    """

    def __init__(
        self, connection: Connection, *, session_id: str, target_id: str, window: Window, source: str = ""
    ) -> None:
        self.connection = connection
        self.session_id = session_id
        self.target_id = target_id
        self._window = window
        self._observer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._loaded = asyncio.Event()
        self._idle = asyncio.Event()  # whether neither the page nor a frame of it is loading
        self._loading = {target_id}
        self._clock = Clock(self)
        self._script = ""  # identifier of the script that new documents begin with
        self.viewport: tuple[int, int] | None = None
        self.kin: Page = self  # the first of those that share its process, and so its time
        self.frames = Frames(self, target_id)
        self.site = Site()
        self.uploads = Uploads(Path(), {})
        self.clipboard = window.clipboard
        self.crashed = False
        self.refused = ""  # why the newest navigation did not take place; empty where it did
        self.pointed = False  # whether the mouse pointer has been moved onto it
        self.driven = False  # whether code of a task's author has it, by Playwright, which answers its dialogs
        self.dragged: dict[str, Any] | None = None  # what the pointer carries since the page has let it be picked up
        self.carrying = False  # whether it has entered the page
        self.drawing = False  # whether a frame is asked for and not there yet
        self.entries_before = 0  # of its history: those to which there is no way back
        self.url = self.title = ""  # when it was last looked at
        self.moved = asyncio.Event()  # set when the page begins to load something or goes on to another part of itself
        self._closed = asyncio.Event()
        connection.on_events(session_id, self._on_event)
        observer = {"source": OBSERVER + CLIPBOARD_GATE, "worldName": OBSERVER_WORLD, "runImmediately": True}
        self._ready = asyncio.gather(
            self.tell("Inspector.enable"),
            self.tell("Page.enable"),
            self.tell("Runtime.enable"),
            self.tell("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}),
            self.tell("Runtime.addBinding", {"name": CLIPBOARD_BINDING, "executionContextName": OBSERVER_WORLD}),
            self.tell("Page.addScriptToEvaluateOnNewDocument", observer),
            self.tell("Page.addScriptToEvaluateOnNewDocument", {"source": CLIPBOARD_API}),
            *([self.tell("Page.addScriptToEvaluateOnNewDocument", {"source": source})] if source else []),
            self.tell("Emulation.setFocusEmulationEnabled", {"enabled": True}),
            self.tell("Page.setInterceptFileChooserDialog", {"enabled": True}),
            *([self.tell(SET_POLICY, STANDS_STILL)] if connection.paced else []),
            self.tell("Runtime.runIfWaitingForDebugger"),
            return_exceptions=True,  # a popup may be closed again at once
        )

    async def ready(self) -> None:
        """Wait until the page can be used.

        Raises:
            SessionCrashedError: it cannot.
        """
        for answer in await within(asyncio.shield(self._ready), CALL_TIMEOUT_S, "opening a page"):
            if isinstance(answer, BaseException):
                raise answer

    @property
    def context_id(self) -> str:
        """The DevTools id of its browser context."""
        return self._window.context_id

    async def call(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Send a command to this page and wait for its result; errors as in `Connection.call`."""
        self._check_alive()
        return await self.connection.call(method, params, session_id=self.session_id, **options)

    def send(self, method: str, params: dict[str, Any] | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send a command to this page without waiting."""
        self._check_alive()
        return self.connection.send(method, params, session_id=self.session_id)

    def tell(self, method: str, params: dict[str, Any] | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send what a page takes also while a dialog stops its scripts, without waiting."""
        return self.connection.send(method, params, session_id=self.session_id)

    async def resize(self, viewport: tuple[int, int]) -> None:
        """Set the viewport in pixels."""
        if viewport != self.viewport:
            metrics = {"width": viewport[0], "height": viewport[1], "deviceScaleFactor": 1, "mobile": False}
            await self.call("Emulation.setDeviceMetricsOverride", metrics)
            self.viewport = viewport

    async def restore(self) -> None:
        """Set anew what others may have changed."""
        viewport, self.viewport = self.viewport, None
        if viewport is not None:
            await self.resize(viewport)
            await self.draw()  # a size is taken with a frame

    async def begin(self, source: str) -> None:
        """Let new documents begin with JavaScript, as `scripts.beginning` makes it."""
        if self._script:
            self.send("Page.removeScriptToEvaluateOnNewDocument", {"identifier": self._script})
        self._script = (await self.call("Page.addScriptToEvaluateOnNewDocument", {"source": source}))["identifier"]

    async def navigate(self, url: str) -> None:
        """Open a URL and wait until it has loaded.

        Raises:
            SessionCrashedError: it cannot be loaded.
            SessionTimeoutError: it does not load in time.
        """
        self._loaded.clear()
        answer = await self.call("Page.navigate", {"url": url}, timeout_s=LOAD_TIMEOUT_S)
        if "errorText" in answer:
            raise SessionCrashedError(f"{url} did not load: {self.refused or answer['errorText']}")
        await within(self._load(), LOAD_TIMEOUT_S, f"loading {url}")

    async def _load(self) -> None:
        """Let time pass until the page has loaded; it may stand between two requests with nothing that stops it."""
        while not self._loaded.is_set():
            await self._clock.run(LOADING_MS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._loaded.wait(), LOADING_WAIT_S)

    @property
    def context(self) -> int | None:
        """The execution context of the observer; None while a document comes."""
        return self._observer.result() if self._observer.done() else None

    async def evaluate(self, expression: str, *, context: int | None = None) -> Any:
        """Evaluate JavaScript in the page's own world, or in another execution context; return its JSON value.

        Raises:
            ScriptFailedError: it threw, or is no JavaScript.
        """
        return await self._value_of(self._ask(expression, context=context), failure=ScriptFailedError)

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
            with contextlib.suppress(_DocumentReplacedError):
                return await self._value_of(self._ask(expression, context=context), timeout_s=remaining)
            await asyncio.sleep(0.005)  # its successor is loading

    async def look(self, observation: str, value: str) -> tuple[Any, Any]:
        """Evaluate an expression in the observer's world and one in the page's own, at the same moment.

        Raises:
            SessionCrashedError: one of them threw; a `ScriptFailedError` where it was the second.
            SessionTimeoutError: no document answered in time.
        """
        if self._observer.done():
            seen = self._ask(observation, context=self._observer.result())
            read = self._ask(value)
            with contextlib.suppress(_DocumentReplacedError):
                return await self._value_of(seen), await self._value_of(read, failure=ScriptFailedError)
        return await self.observer(observation), await self.evaluate(value)

    async def pass_time(self, ms: int) -> None:
        """Let the page do what it would in so many milliseconds, after a navigation that is under way.

        Raises:
            SessionTimeoutError: it has not done with it in time.
        """
        await self._clock.run(ms)
        if not self._idle.is_set():
            await self._rest()
            await self._clock.run(ms)

    async def _rest(self) -> None:
        """Wait until nothing is loading; a tab that was opened with nothing that can be loaded stays empty."""
        if not self.moved.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), STARTING_S)
            if not self.moved.is_set():
                self._idle.set()
        await within(asyncio.ensure_future(self._idle.wait()), LOAD_TIMEOUT_S, "a navigation")

    async def draw(self, **options: Any) -> dict[str, Any]:
        """Draw a frame: what waits for one (pointer moves, animation callbacks, pictures of the screen) happens now.

        Raises:
            SessionTimeoutError: the page did not draw in time; others draw again once it is closed.
        """
        if not self.connection.paced:
            return await await_frame(self, options, timeout_s=PAGE_TIMEOUT_S)
        await self.connection.drawing.acquire()
        try:
            frame = self.send("HeadlessExperimental.beginFrame", options)
        except (InfrastructureError, PageStopped):
            self.connection.drawing.release()
            raise
        self.drawing = True
        frame.add_done_callback(self._drawn)
        return await within(asyncio.shield(frame), PAGE_TIMEOUT_S, "drawing")

    async def screenshot(self) -> NDArray[np.uint8]:
        """Return what is on screen, (height, width, 3) RGB.

        Raises:
            SessionTimeoutError: the page did not draw in time.
        """
        answer: dict[str, Any] = {}
        for _ in range(PICTURE_TRIES):
            answer = await self.draw(screenshot={"format": "png", "optimizeForSpeed": True})
            if "screenshotData" in answer:
                break
            await asyncio.sleep(0.005)  # about one in 100 new pages draws its first frame without a picture
        else:
            raise SessionTimeoutError(f"drawing: {PICTURE_TRIES} frames came without a picture.")
        return decode(answer["screenshotData"])

    async def close(self) -> None:
        """Close the tab, as a user does: its page may open a dialog and ask.

        Raises:
            SessionTimeoutError: the page does not answer.
        """
        self.send("Page.close")
        await within(asyncio.ensure_future(self._closed.wait()), PAGE_TIMEOUT_S, "closing a tab")

    def gone(self) -> None:
        """Take note that the page has been closed."""
        self._closed.set()
        self.connection.on_events(self.session_id, None)
        self._on_crash()

    def take_refusal(self) -> str:
        """Return, once, why the newest navigation did not take place; empty where it did."""
        refused, self.refused = self.refused, ""
        return refused

    def forget_history(self) -> None:
        """Make the open document the first that there was."""
        self.send("Page.resetNavigationHistory")

    def _drawn(self, _: asyncio.Future[Any]) -> None:
        self.drawing = False
        self.connection.drawing.release()

    def _ask(self, expression: str, *, context: int | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send JavaScript, to the page's own world where there is no other context."""
        parameters = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        return self.send("Runtime.evaluate", parameters if context is None else {**parameters, "contextId": context})

    async def _value_of(
        self,
        asked: asyncio.Future[dict[str, Any]],
        *,
        timeout_s: float = PAGE_TIMEOUT_S,
        failure: type[SessionCrashedError] = SessionCrashedError,
    ) -> Any:
        """Return the JSON value that JavaScript came to; one that waits for something lets the page's time pass.

        Raises:
            SessionCrashedError: it threw; of the type ``failure``.
            _DocumentReplacedError: its document is no longer there.
            SessionTimeoutError: no answer in time.
        """
        hurry = asyncio.get_running_loop().call_later(SCRIPT_WAIT_S, self._clock.hurry_for, asked)
        try:
            answer = await within(asked, timeout_s, "a script in the page")
        except SessionCrashedError as error:
            if self.crashed or not any(part in str(error).lower() for part in _GONE):
                raise
            raise _DocumentReplacedError(str(error)) from error
        finally:
            hurry.cancel()
        if "exceptionDetails" in answer:
            raise failure(f"A script failed in the page: {thrown(answer['exceptionDetails'])}")
        return answer["result"].get("value")

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
            if context["name"] == OBSERVER_WORLD and data.get("frameId") == self.target_id:
                self._set_observer(context["id"])
            elif context["name"] == OBSERVER_WORLD:
                self.frames.set_observer(data["frameId"], context["id"])
        elif method == "Runtime.executionContextsCleared":
            self._set_observer(None)
            self.frames.clear()
        elif method == "Emulation.virtualTimeBudgetExpired":
            self._clock.passed()
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Inspector.targetCrashed":
            self._on_crash()
        elif method == "Input.dragIntercepted":
            self.dragged = event["data"]
        elif method in FRAME_EVENTS:
            self._on_frame(method, event)
        else:
            self._window.hear(self, method, event)

    def _on_frame(self, method: str, event: Event) -> None:
        """Keep account of which frames there are, and of what is loading."""
        self.frames.hear(method, event)
        if method in {"Page.frameStartedLoading", "Page.navigatedWithinDocument"}:
            self.moved.set()
        if method == "Page.frameStartedLoading":
            self._loading.add(event["frameId"])
        elif method in {"Page.frameStoppedLoading", "Page.frameDetached"}:
            self._loading.discard(event["frameId"])
        if self._loading:
            self._idle.clear()
        else:
            self._idle.set()

    def _on_crash(self) -> None:
        self.crashed = True
        self.connection.give_up(self.session_id)
        self._clock.stop()

    def _answer(self, request_id: str, event: Event) -> None:
        """Answer a request; a document that cannot be had does not take the place of the one that is there."""
        url = event["request"]["url"]
        leaves = event.get("resourceType") == "Document" and event.get("frameId") == self.target_id
        if not leaves or self.site.read(url) is not None:
            self.tell(*self.site.fulfil(request_id, url))
            return
        why = "there is no such page" if self.site.owns(url) else "it is outside of what this task may reach"
        self.refused = f"{url[:MAX_URL]} was not opened: {why}."
        self.tell(*refusal(request_id, reason="Aborted"))
        self._loaded.set()  # a page that was to be left while it was loading loads no further

    def _set_observer(self, context: int | None) -> None:
        if self._observer.done():
            self._observer = asyncio.get_running_loop().create_future()
        if context is not None:
            self._observer.set_result(context)
