"""A browser window: tabs in a browser context of their own, and what stands around and above a page.

Isolated: cookies, storage, cache, windows, downloads. What a person does with the window itself is done by the same
actions on its own elements: tabs, dialogs, buttons (`controls.Control`). Ids mean one thing in all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from agentgym.action import MAX_ELEMENT, Action, Click, Done, Fill, Press, Wait
from agentgym.errors import ActionError, SessionCrashedError
from agentgym.observation import MAX_PROSE, Element
from agentgym_browser import history, inputs, tabs
from agentgym_browser.clipboard import CLIPBOARD_BINDING, Clipboard
from agentgym_browser.controls import Control, Numbers
from agentgym_browser.devtools import CALL_TIMEOUT_S, within
from agentgym_browser.dialog import Dialog, Modal
from agentgym_browser.files import Downloads, FileChooser, Uploads, private_folder, remove
from agentgym_browser.network import Site
from agentgym_browser.observed import NOTHING, Seen, points
from agentgym_browser.observers import number_anew
from agentgym_browser.page import Page
from agentgym_browser.scripts import beginning, observe
from agentgym_browser.turn import PageStopped, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from agentgym.look import Look
    from agentgym_browser.devtools import Connection, Event

Result = TypeVar("Result")

MAX_TABS = 10
MAX_CLOSED = 20  # dialogs in a row that are closed where nobody can be asked


class Window:
    """A window; make it with `open`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.context_id = ""
        self._opened = asyncio.Event()
        self._turn: Turn | None = None
        self._closing = 0  # how many more dialogs are closed as soon as they open
        self._notes: list[str] = []
        self._numbers = Numbers()
        self._behind: dict[str, Any]  # what is told of a page behind a dialog
        self._points: dict[int, inputs.Point] = {}  # where to point at the elements of the newest observation
        self._source = ""  # what documents of the episode begin with
        self._shows_controls = False
        self.address = history.Address()
        assert connection.folder is not None
        self._folder = private_folder(connection.folder)
        self._downloading = False
        self.uploads = Uploads(self._folder, {})
        self.downloads = Downloads(self._folder)
        self.clipboard = Clipboard()
        self.viewport = (0, 0)
        self.site = Site()
        self.tabs: list[Page] = []
        """From left to right; the first is the task's own and stays."""
        self.page: Page
        """The tab that is shown."""
        self.openers: dict[Page, Page] = {}
        self.modals: list[Modal] = []
        """What must be answered first, such as a dialog: the first is shown."""

    @classmethod
    async def open(cls, connection: Connection) -> Window:
        """Open a window with one empty tab."""
        self = cls(connection)
        context = await connection.call("Target.createBrowserContext", {"disposeOnDetach": True})
        self.context_id = context["browserContextId"]
        connection.on_targets(self.context_id, self._on_target)
        tab = {"url": "about:blank", "browserContextId": self.context_id, "enableBeginFrameControl": connection.paced}
        connection.send("Browser.setDownloadBehavior", {"behavior": "deny", "browserContextId": self.context_id})
        await connection.call("Target.createTarget", tab)
        await within(asyncio.ensure_future(self._opened.wait()), CALL_TIMEOUT_S, "opening a page")
        await self.first.ready()
        return self

    @property
    def first(self) -> Page:
        """The task's own tab."""
        return self.tabs[0]

    @property
    def crashed(self) -> bool:
        """Whether the task's own tab or the one that is shown is gone."""
        return self.first.crashed or self.page.crashed

    @property
    def stopped(self) -> bool:
        """Whether a dialog keeps the pages' scripts from running."""
        return bool(self.modals) and any(isinstance(modal, Dialog) for modal in self.modals)

    @property
    def plain(self) -> bool:
        """Whether there is one tab and nothing above it, so that a further episode may begin in it."""
        return len(self.tabs) == 1 and not self.modals and not self._downloading

    async def resize(self, viewport: tuple[int, int]) -> None:
        """Set the viewport of the task's own tab, and of those to come, in pixels."""
        self.viewport = viewport
        await self.first.resize(viewport)

    def begin(self, *, asks: bool, controls: bool) -> None:
        """Begin an episode.

        Args:
            asks: whether the agent is asked about dialogs that open while the page is prepared; else they are closed.
            controls: whether buttons and address field are shown.
        """
        self._shows_controls = controls
        self.address.text = None
        self.clipboard.clear()
        self._notes.clear()
        self._numbers.clear()
        self._behind = {**NOTHING, "url": "", "title": ""}
        self._closing = 0 if asks else MAX_CLOSED

    def lend(self, files: Mapping[str, bytes]) -> None:
        """Set what the agent can choose where a page asks for a file."""
        if files or self.uploads.names:
            remove(self._folder)
            self.uploads = Uploads(self._folder / "offered", files)
        for page in self.tabs:
            page.uploads = self.uploads

    async def allow_downloads(self) -> None:
        """Let pages download files into the session's folder."""
        folder = self._folder / "downloaded"
        folder.mkdir(parents=True)
        self.downloads = Downloads(folder)
        self._downloading = True
        how = {"behavior": "allowAndName", "downloadPath": str(folder), "eventsEnabled": True}
        await self._connection.call("Browser.setDownloadBehavior", {**how, "browserContextId": self.context_id})

    def serve(self, site: Site) -> None:
        """Set what pages get when they ask for something."""
        self.site = site
        for page in self.tabs:
            page.site = site

    def turn(self) -> Turn:
        """Return the turn in which the window is to be used; it ends when a dialog opens."""
        self._turn = Turn()
        return self._turn

    async def perform(self, action: Action) -> str:
        """Carry out an action, on the window or on the page; return what was wrong with it.

        Raises:
            PageStopped: a dialog is open after it.
        """
        self._closing = 0
        try:
            error = await self._perform(action)
        except ActionError as wrong:
            error = str(wrong)
        if self.stopped:
            raise PageStopped(error)
        return error

    async def _perform(self, action: Action) -> str:
        if self.modals and not isinstance(action, Wait):
            await self._answer(action)
            return ""
        control = self._numbers.take(getattr(action, "element", None))
        if control is not None:
            await self._use(control, action)
            return ""
        keys = action.keys if isinstance(action, Press) else ""
        if keys and (await history.press(self, keys) or await tabs.press(self, keys)):
            return ""
        self.address.text = None
        return await self._perform_in_front(action, then=history.KEYS.get(keys.lower()))

    async def _perform_in_front(self, action: Action, *, then: int | None) -> str:
        """Carry out an action on the page, and after a key what it means to the window."""
        page = self.page
        try:
            error = await inputs.perform(page, action, self._points)
            if then is not None:
                await history.press_key(page, then)
        except SessionCrashedError:
            if page in self.tabs:
                raise
            return ""  # the action has closed its tab
        return error

    async def _answer(self, action: Action) -> None:
        """Do an action with what stands above the page."""
        modal = self.modals[0]
        if isinstance(action, Done):
            await self.close_modals()
            return
        control = self._numbers.take(getattr(action, "element", None))
        if isinstance(action, Click) and action.x is not None and action.y is not None:
            control = modal.at(action.x, action.y, self.viewport)
        if control is not None:
            await self._use(control, action)
        elif not await modal.take(action):
            raise ActionError(f"{modal.hint} Answer it first.")

    def close_dialogs(self) -> None:
        """Close the dialogs that open from now until the next action or episode: nobody can be asked."""
        self._closing = MAX_CLOSED

    @contextlib.contextmanager
    def unattended(self) -> Iterator[None]:
        """Close the dialogs that open meanwhile."""
        self.close_dialogs()
        yield
        self._closing = 0

    async def close_modals(self) -> None:
        """Close what stands above the page, and the dialogs that open next, without an answer."""
        self.close_dialogs()
        while self.modals:
            await self.modals[0].cancel()

    async def _use(self, control: Control, action: Action) -> None:
        """Do an action with an element of the window."""
        if isinstance(action, Click) and action.button == "middle" and control.close is not None:
            await control.close()
        elif isinstance(action, Click) and control.click is not None:
            await control.click()
        elif isinstance(action, Fill) and control.fill is not None:
            await control.fill(action.text)
        elif not (isinstance(action, Click) and control.fill is not None):  # a click into a field does nothing more
            can = " and ".join(["clicked"] * (control.click is not None) + ["filled"] * (control.fill is not None))
            raise ActionError(f"{action.name}: this {control.role} of the window can only be {can or 'read'}.")

    async def open_page(self, url: str, *, seed: int, script: str) -> None:
        """Open the task's page in its own tab; `script` runs in each document before its own, empty for none."""
        self._source = beginning(seed, script)
        await self.first.begin(self._source)
        await self.first.navigate(url)

    async def pass_time(self, ms: int) -> None:
        """Let milliseconds pass in whichever tab is shown in the end."""
        passed = None
        while passed is not self.page:
            passed = await self.in_front(partial(self._pass_time, ms))

    async def _pass_time(self, ms: int, page: Page) -> Page:
        if page is not self.first:
            await page.ready()
            await page.resize(self.viewport)
        if len(self.tabs) > 1:
            await tabs.pass_time_behind(self, ms, page)
        await page.pass_time(ms)
        if self._downloading:
            await self.downloads.settle()
        return page

    async def in_front(self, work: Callable[[Page], Awaitable[Result]]) -> Result:
        """Do something with the tab that is shown; with the next one where that is closed meanwhile."""
        while True:
            page = self.page
            try:
                return await work(page)
            except SessionCrashedError:
                if page in self.tabs:
                    raise

    def take_notes(self) -> str:
        """Return, once, what the agent is to know beside what it sees."""
        notes = [*self._notes, *(page.take_refusal() for page in self.tabs)]
        self._notes.clear()
        return " ".join(note for note in notes if note)[:MAX_PROSE]

    async def look(self, hidden: str, look: Look, value: str, *, anew: bool = False) -> tuple[Seen, Any]:
        """Return what is on screen, and the value of JavaScript in the task's own tab.

        Args:
            hidden: CSS selector of what is left out.
            look: what is wanted.
            value: the expression.
            anew: whether ids of elements begin anew.
        """
        return await self.in_front(partial(self._look, hidden, look, value, anew))

    async def _look(self, hidden: str, look: Look, value: str, anew: bool, page: Page) -> tuple[Seen, Any]:
        raw, answer = await self._read(page, hidden, look, value, anew=anew)
        if raw["next"] > MAX_ELEMENT > 2 * len(raw["elements"]):  # used up by what came and went
            self._numbers.clear()
            raw, answer = await self._read(page, hidden, look, value, anew=True)
        self._numbers.highest = max(self._numbers.highest, raw["next"] - 1)
        page.url, page.title = str(raw["url"])[:MAX_PROSE], str(raw["title"])
        self._behind = {**NOTHING, "url": raw["url"], "title": raw["title"]}
        if self.modals:
            return self.glance(), answer
        self._points = points(raw)
        return Seen(raw, self._controls(), self._numbers.show(self.downloads.controls(), also=True)), answer

    async def _read(self, page: Page, hidden: str, look: Look, value: str, *, anew: bool) -> tuple[dict[str, Any], Any]:
        """Return what observe.js tells of a page, with its frames, and the value of the expression."""
        if anew:
            self._numbers.highest = 0
            for each in (tab for tab in self.tabs if tab is not page or tab.frames):
                await number_anew(each)
        script = observe(hidden, look, first=self._numbers.highest + 1)
        if anew:
            script = f"agentgym.reset(), {script}"
        if page is self.first:
            raw, answer = await page.look(script, value)
        else:
            raw, answer = await page.observer(script), await self.first.evaluate(value)
        return (await page.frames.fill_in(raw, hidden, look) if raw["frames"] else raw), answer

    def glance(self) -> Seen:
        """Return what is on screen while something stands above the page."""
        self._points = {}
        return Seen(self._behind, self._controls())

    def hear(self, page: Page, method: str, event: Event) -> None:
        """Take an event of a page that the window shows."""
        if method == "Runtime.bindingCalled" and event["name"] == CLIPBOARD_BINDING:
            self.clipboard.take(event["payload"])
        elif page.driven and method in {"Page.javascriptDialogOpening", "Page.fileChooserOpened"}:
            return  # the author's, by Playwright
        elif method == "Page.javascriptDialogOpening":
            self._on_dialog(Dialog(self, page, event))
        elif method == "Page.fileChooserOpened":
            self.modals.append(FileChooser(self, page, event))
        elif method in {"Page.downloadWillBegin", "Page.downloadProgress"} and self._downloading:
            self.note(self.downloads.hear(page, method, event))

    async def close(self) -> None:
        """Dispose of the context and all its pages; a hanging page does not hinder it."""
        self._connection.on_targets(self.context_id, None)
        for page in self.tabs:
            self._connection.on_events(page.session_id, None)
        try:
            await self._connection.call("Target.disposeBrowserContext", {"browserContextId": self.context_id})
        finally:
            for page in self.tabs:
                page.gone()
            remove(self._folder)

    def note(self, text: str) -> None:
        """Tell the agent something with the next observation."""
        self._notes.append(text)

    def _controls(self) -> tuple[Element, ...]:
        if self.modals:
            return self._numbers.show(self.modals[0].controls(self.viewport))
        buttons = history.controls(self) if self._shows_controls else []
        return self._numbers.show([*buttons, *tabs.controls(self)])

    def _on_dialog(self, dialog: Dialog) -> None:
        drawn = any(page.drawing for page in self.tabs)
        if drawn or self._closing or any(page.driven for page in self.tabs):
            if drawn:  # others could not draw either until it is closed
                self.note(f"{dialog.hint} It opened while the page was being drawn, and was closed.")
            self._closing = max(0, self._closing - 1)
            dialog.dismiss()
            return
        self.modals.append(dialog)
        self.page = dialog.page
        if self._turn is not None:
            self._turn.stop()

    def _on_target(self, method: str, event: Event) -> None:
        if method == "Target.detachedFromTarget":
            for gone in [page for page in self.tabs if page.session_id == event["sessionId"]]:
                tabs.gone(self, gone)
            return
        target = event["targetInfo"]
        if any(page.target_id == target["targetId"] for page in self.tabs):  # Playwright's own session on a tab
            return
        if len(self.tabs) >= MAX_TABS:
            self._connection.refuse(event)
            self.note(f"A further tab was closed: at most {MAX_TABS} may be open.")
            return
        page = Page(
            self._connection,
            session_id=event["sessionId"],
            target_id=target["targetId"],
            window=self,
            source=self._source,
        )
        page.site, page.uploads = self.site, self.uploads
        if self.tabs:
            self.openers[page] = self.page
        else:
            page.entries_before = 1  # the empty page that it opened with
        if target.get("canAccessOpener"):
            page.kin = next((tab.kin for tab in self.tabs if tab.target_id == target.get("openerId")), page)
        self.tabs.append(page)
        self.page = page
        self._opened.set()
