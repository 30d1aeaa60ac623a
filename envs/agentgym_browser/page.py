"""One page in a browser context of its own: navigation, scripts, events, and its time.

Time in a page is virtual: it stands still unless `pass_time` lets it pass, and then runs as fast as the page can. So
the same actions lead to the same page, however busy the machine is, and waiting costs nothing. It stands still, too,
while the page's own requests are answered. Workers have real time.

Isolated: cookies, storage, cache, windows, clipboard, downloads (none). Not isolated: the browser process; a page that
crashes its renderer fails alone, one that crashes the browser fails all.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from agentgym.errors import InfrastructureError, SessionCrashedError, SessionTimeoutError
from agentgym_browser.clipboard import CLIPBOARD_API, CLIPBOARD_BINDING, CLIPBOARD_GATE, Clipboard
from agentgym_browser.devtools import within
from agentgym_browser.network import Site, refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentgym_browser.devtools import Connection, Event

OBSERVER_WORLD = "agentgym"
_SCRIPTS = ("names.js", "roles.js", "budget.js", "outline.js", "observe.js")
_SOURCE = "".join(Path(__file__).with_name(name).read_text() for name in _SCRIPTS)
OBSERVER = f'(() => {{ "use strict";\n{_SOURCE}}})();'
PAGE_TIMEOUT_S = 5.0  # a page that does not answer for so long is given up
LOAD_TIMEOUT_S = 20.0
LOADING_MS = 100  # virtual time that passes at a time while a page loads, or a script in it waits
LOADING_WAIT_S = 0.05  # a page that has not loaded so long after that needs more of it
SCRIPT_WAIT_S = 0.02  # a script that has not answered after so long may wait for something in the page
REQUEST_TIMEOUT_S = 2.5  # the page's time passes again once it has waited for its requests for so long
STARVATION = 100  # tasks that are due at once after which a page's time passes nevertheless
DETERMINISM = Path(__file__).with_name("determinism.js").read_text()
EPOCH_MS = 1_577_880_000_000  # 2020-01-01 12:00 UTC: when every episode begins
MAX_URL = 200  # characters of one in an error

_GONE = ("context", "navigated", "destroyed", "frame")  # parts of DevTools' messages when a page was replaced


class _DocumentReplacedError(SessionCrashedError):
    """A script's document was replaced before it answered."""


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
        self._passed: asyncio.Future[None] | None = None  # done once the time that is passing has passed
        self._hurrying: asyncio.Future[None] | None = None  # what lets time pass for a script that waits
        self._script = ""  # identifier of the script that new documents begin with
        self._viewport: tuple[int, int] | None = None
        self.site = Site()
        self.clipboard = Clipboard()
        self.crashed = False
        self.refused = ""  # why the newest navigation did not take place; empty where it did
        self.pointed = False  # whether the mouse pointer has been moved onto it
        self.driven = False  # whether Playwright has it, and answers its dialogs

    @classmethod
    async def open(cls, connection: Connection) -> Page:
        """Open a page in a new browser context."""
        self = cls(connection)
        context = await connection.call("Target.createBrowserContext", {"disposeOnDetach": True})
        self._context_id = context["browserContextId"]
        target = await connection.call(
            "Target.createTarget",
            {"url": "about:blank", "browserContextId": self._context_id, "enableBeginFrameControl": connection.paced},
        )
        self._target_id = target["targetId"]
        attached = await connection.call("Target.attachToTarget", {"targetId": self._target_id, "flatten": True})
        self._session_id = attached["sessionId"]
        connection.on_events(self._session_id, self._on_event)
        observer = {"source": OBSERVER + CLIPBOARD_GATE, "worldName": OBSERVER_WORLD, "runImmediately": True}
        await asyncio.gather(
            self.call("Inspector.enable"),
            self.call("Page.enable"),
            self.call("Runtime.enable"),
            self.call("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}),
            self.call("Runtime.addBinding", {"name": CLIPBOARD_BINDING, "executionContextName": OBSERVER_WORLD}),
            self.call("Page.addScriptToEvaluateOnNewDocument", observer),
            self.call("Page.addScriptToEvaluateOnNewDocument", {"source": CLIPBOARD_API}),
            self.call("Emulation.setFocusEmulationEnabled", {"enabled": True}),
            self.call("Page.setDownloadBehavior", {"behavior": "deny"}),
        )
        if connection.paced:
            stop = {"policy": "pause", "initialVirtualTime": EPOCH_MS / 1000}
            await self.call("Emulation.setVirtualTimePolicy", stop)
        return self

    @property
    def connection(self) -> Connection:
        """The connection to its browser."""
        return self._connection

    @property
    def context_id(self) -> str:
        """The DevTools id of its browser context."""
        return self._context_id

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

    async def restore(self) -> None:
        """Set anew what others may have changed."""
        viewport, self._viewport = self._viewport, None
        if viewport is not None:
            await self.resize(viewport)
            await self.draw()  # a size is taken with a frame

    async def begin(self, seed: int, script: str) -> None:
        """Let new documents begin with an episode's seed and clock, and with a task's own script."""
        if self._script:
            self.send("Page.removeScriptToEvaluateOnNewDocument", {"identifier": self._script})
        source = f"{DETERMINISM}({seed}, {EPOCH_MS});\n{script}"
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
            await self._let_pass(LOADING_MS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._loaded.wait(), LOADING_WAIT_S)

    async def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page's own world and return its JSON value.

        Raises:
            SessionCrashedError: it threw; page and task do not fit together.
        """
        return await self._value_of(self._ask(expression))

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
            SessionCrashedError: one of them threw.
            SessionTimeoutError: no document answered in time.
        """
        if self._observer.done():
            seen = self._ask(observation, context=self._observer.result())
            read = self._ask(value)
            with contextlib.suppress(_DocumentReplacedError):
                return await self._value_of(seen), await self._value_of(read)
        return await self.observer(observation), await self.evaluate(value)

    async def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies of the page's context, of all origins."""
        answer = await self._connection.call("Storage.getCookies", {"browserContextId": self._context_id})
        return list(answer["cookies"])

    def forget_history(self) -> None:
        """Make the open document the first that there was."""
        self.send("Page.resetNavigationHistory")

    async def pass_time(self, ms: int) -> None:
        """Let the page do what it would in so many milliseconds, after a navigation that is under way.

        Raises:
            SessionTimeoutError: it has not done with it in time.
        """
        await self._let_pass(ms)
        if not self._idle.is_set():
            await within(asyncio.ensure_future(self._idle.wait()), LOAD_TIMEOUT_S, "a navigation")
            await self._let_pass(ms)

    async def _let_pass(self, ms: int) -> None:
        if not self._connection.paced:  # a visible browser lives in real time: with time stopped it draws no frames
            await asyncio.sleep(ms / 1000)
            return
        loop = asyncio.get_running_loop()
        self._passed = loop.create_future()
        policy = {"budget": max(1, ms), "maxVirtualTimeTaskStarvationCount": STARVATION}
        set_policy = "Emulation.setVirtualTimePolicy"
        self.send(set_policy, {"policy": "pauseIfNetworkFetchesPending", **policy})
        hurry = loop.call_later(REQUEST_TIMEOUT_S, self.send, set_policy, {"policy": "advance", **policy})
        try:
            await within(self._passed, PAGE_TIMEOUT_S, "the page's own work")
        finally:
            hurry.cancel()

    async def lend_clipboard(self) -> None:
        """Give all frames what the session has copied, for a paste key that follows."""
        script = {"source": self.clipboard.lending(), "worldName": OBSERVER_WORLD, "runImmediately": True}
        lent = await self.call("Page.addScriptToEvaluateOnNewDocument", script, timeout_s=PAGE_TIMEOUT_S)
        self.send("Page.removeScriptToEvaluateOnNewDocument", lent)

    async def draw(self, **options: Any) -> dict[str, Any]:
        """Draw a frame: what waits for one (pointer moves, animation callbacks, pictures of the screen) happens now.

        Raises:
            SessionTimeoutError: the page did not draw in time; others draw again once it is closed.
        """
        if not self._connection.paced:
            return await self._await_frame(**options)
        await self._connection.drawing.acquire()
        try:
            frame = self.send("HeadlessExperimental.beginFrame", options)
        except InfrastructureError:
            self._connection.drawing.release()
            raise
        frame.add_done_callback(lambda _: self._connection.drawing.release())
        return await within(asyncio.shield(frame), PAGE_TIMEOUT_S, "drawing")

    async def _await_frame(self, **options: Any) -> dict[str, Any]:
        """Wait for a frame of a browser that draws by itself; answer as `draw` does."""
        await self.observer("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        if "screenshot" not in options:
            return {}
        picture = await self.call("Page.captureScreenshot", options["screenshot"], timeout_s=PAGE_TIMEOUT_S)
        return {"screenshotData": picture["data"]}

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

    def _ask(self, expression: str, *, context: int | None = None) -> asyncio.Future[dict[str, Any]]:
        """Send JavaScript, to the page's own world where there is no other context."""
        parameters = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        return self.send("Runtime.evaluate", parameters if context is None else {**parameters, "contextId": context})

    def _hurry(self, asked: asyncio.Future[dict[str, Any]]) -> None:
        self._hurrying = asyncio.ensure_future(self._pass_until(asked))

    async def _pass_until(self, asked: asyncio.Future[dict[str, Any]]) -> None:
        """Let time pass for a script that waits for something: one that is not done when a later one is."""
        with contextlib.suppress(InfrastructureError):
            await self.send("Runtime.evaluate", {"expression": "0"})
            while not asked.done():
                await self._let_pass(LOADING_MS)
                await asyncio.wait([asked], timeout=SCRIPT_WAIT_S)

    async def _value_of(self, asked: asyncio.Future[dict[str, Any]], *, timeout_s: float = PAGE_TIMEOUT_S) -> Any:
        """Return the JSON value that JavaScript came to; one that waits for something lets the page's time pass.

        Raises:
            SessionCrashedError: it threw.
            _DocumentReplacedError: its document is no longer there.
            SessionTimeoutError: no answer in time.
        """
        hurry = asyncio.get_running_loop().call_later(SCRIPT_WAIT_S, self._hurry, asked)
        try:
            answer = await within(asked, timeout_s, "a script in the page")
        except SessionCrashedError as error:
            if self.crashed or not any(part in str(error).lower() for part in _GONE):
                raise
            raise _DocumentReplacedError(str(error)) from error
        finally:
            hurry.cancel()
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details.get("text", "")
            raise SessionCrashedError(f"A script failed in the page: {text[:300]}")
        return answer["result"].get("value")

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
        elif method == "Runtime.bindingCalled" and event["name"] == CLIPBOARD_BINDING:
            self.clipboard.take(event["payload"])
        elif method == "Runtime.executionContextsCleared":
            self._set_observer(None)
        elif method == "Emulation.virtualTimeBudgetExpired":
            self._on_time_passed()
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Page.frameStartedLoading" and event["frameId"] == self._target_id:
            self._idle.clear()
        elif method == "Page.frameStoppedLoading" and event["frameId"] == self._target_id:
            self._idle.set()
        elif method == "Page.javascriptDialogOpening" and not self.driven:
            self.send("Page.handleJavaScriptDialog", {"accept": False})
        elif method == "Inspector.targetCrashed":
            self._on_crash()

    def _on_time_passed(self) -> None:
        if self._passed is not None and not self._passed.done():
            self._passed.set_result(None)

    def _on_crash(self) -> None:
        self.crashed = True
        self._connection.give_up(self._session_id)
        if self._passed is not None and not self._passed.done():
            self._passed.set_exception(SessionCrashedError("The page crashed while its time passed."))
            self._passed.exception()  # mark as seen: nobody may be waiting

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
        self._loaded.set()  # a page that was to be left while it was loading loads no further

    def take_refusal(self) -> str:
        """Return, once, why the newest navigation did not take place; empty where it did."""
        refused, self.refused = self.refused, ""
        return refused

    def _set_observer(self, context: int | None) -> None:
        if self._observer.done():
            self._observer = asyncio.get_running_loop().create_future()
        if context is not None:
            self._observer.set_result(context)
