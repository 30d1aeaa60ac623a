"""Dialogs: what stands above a page and must be answered first.

While the page's own dialogs (alert, confirm, prompt, beforeunload) are open none of its scripts runs, so an observation
holds the dialog alone. Where they are painted is where they can be clicked, so that agents which see pixels only can
answer them, too.
"""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agentgym.action import Action, Press, Type, shorten
from agentgym.errors import SessionCrashedError
from agentgym.observation import MAX_NAME, Box
from agentgym_browser.controls import Control
from agentgym_browser.devtools import within

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from agentgym_browser.devtools import Event
    from agentgym_browser.page import Page
    from agentgym_browser.window import Window

PANEL_WIDTH = 360  # pixels, or what the viewport has
MARGIN = 4
LINE_HEIGHT = 14
LETTER_WIDTH = 7
MAX_LINES = 6  # of the message
ROW_HEIGHT = 24
BUTTON_WIDTH = 68
ANSWER_TIMEOUT_S = 10.0

LEAVING = "Leave the page? Changes that you made may not be saved."


class Modal:
    """Something above a page: a message, perhaps a field or a list, and buttons."""

    page: Page
    """Whose it is."""
    message = ""

    @property
    def hint(self) -> str:
        """What the agent is told who goes past it."""
        return f"A dialog is open: {shorten(self.message)}."

    def rows(self) -> list[Control]:
        """Return the controls below the message, without their places."""
        return []

    def buttons(self) -> list[Control]:
        """Return the buttons, without their places."""
        raise NotImplementedError

    async def take(self, action: Action) -> bool:
        """Do an action that names no element, such as a key; return whether it meant anything."""
        raise NotImplementedError

    async def cancel(self) -> None:
        """Close it without an answer."""
        raise NotImplementedError

    def controls(self, viewport: tuple[int, int]) -> list[Control]:
        """Return everything with its place in a viewport."""
        width = min(PANEL_WIDTH, viewport[0] - 2 * MARGIN)
        left, y = (viewport[0] - width) // 2, 2 * MARGIN
        lines = len(wrapped(self.message, width))
        placed = []
        y += lines * LINE_HEIGHT + MARGIN
        for row in self.rows():
            placed.append(replace(row, box=Box(left + MARGIN, y, width - 2 * MARGIN, ROW_HEIGHT - 2)))
            y += ROW_HEIGHT
        buttons = self.buttons()
        x = left + width - len(buttons) * (BUTTON_WIDTH + MARGIN)
        for button in buttons:
            placed.append(replace(button, box=Box(x, y, BUTTON_WIDTH, ROW_HEIGHT - 2)))
            x += BUTTON_WIDTH + MARGIN
        panel = Box(left, MARGIN, width, y + ROW_HEIGHT)
        return [Control((self, "dialog"), "dialog", self.message, box=panel), *placed]

    def at(self, x: int, y: int, viewport: tuple[int, int]) -> Control | None:
        """Return the control at a point that can be used; None where there is none."""
        for control in self.controls(viewport):
            left, top, width, height = control.box
            if (control.click or control.fill) and left <= x < left + width and top <= y < top + height:
                return control
        return None


def wrapped(message: str, width: int) -> list[str]:
    """Return a message's lines in a panel of some width in pixels."""
    letters = max(1, (width - 2 * MARGIN) // LETTER_WIDTH)
    return textwrap.wrap(message[:MAX_NAME], letters, max_lines=MAX_LINES) or [""]


class _Words(NamedTuple):
    """What a kind of dialog has on its buttons; ``no`` is empty where there is one button."""

    yes: str
    no: str


WORDS = {"alert": _Words("OK", ""), "beforeunload": _Words("Leave", "Stay")}
ASKING = _Words("OK", "Cancel")


class Dialog(Modal):
    """A dialog that a page's script has opened and waits for.

    Args:
        window: it stands in.
        page: whose script it was.
        event: of DevTools, `Page.javascriptDialogOpening`.
    """

    def __init__(self, window: Window, page: Page, event: Event) -> None:
        self.page = page
        self._window = window
        self._kind = event["type"]
        self.message = LEAVING if self._kind == "beforeunload" else str(event["message"])
        self._text = str(event.get("defaultPrompt", ""))
        self._untouched = True  # whether the field holds what the page has put there, all of it selected

    @property
    def hint(self) -> str:
        """What the agent is told who goes past it."""
        return f"A dialog ({self._kind}) is open: {shorten(self.message)}."

    def rows(self) -> list[Control]:
        """Return the field of a prompt."""
        if self._kind != "prompt":
            return []
        return [Control((self, "field"), "textbox", "", self._text, ("focused",), fill=self._fill)]

    def buttons(self) -> list[Control]:
        """Return its one or two buttons."""
        words = WORDS.get(self._kind, ASKING)
        buttons = [Control((self, "yes"), "button", words.yes, click=self._accept)]
        if words.no:
            buttons.append(Control((self, "no"), "button", words.no, click=self.cancel))
        return buttons

    async def take(self, action: Action) -> bool:
        """Take what is typed into a prompt, and the keys that answer."""
        prompt = self._kind == "prompt"
        match action:
            case Press(keys="Enter"):
                await self._accept()
            case Press(keys="Escape"):
                await self.cancel()
            case Press(keys="Control+a") if prompt:
                self._untouched = True
            case Press(keys="Backspace") if prompt:
                self._text = "" if self._untouched else self._text[:-1]
                self._untouched = False
            case Type() if prompt:
                await self._fill(action.text if self._untouched else self._text + action.text)
            case _:
                return False
        return True

    async def cancel(self) -> None:
        """Answer with no; an alert knows no other answer than yes."""
        await self._answer(accept=self._kind == "alert")

    def dismiss(self) -> None:
        """Close it at once, without showing it."""
        self._send(accept=self._kind == "alert")

    async def _accept(self) -> None:
        await self._answer(accept=True)

    async def _fill(self, text: str) -> None:
        self._text = " ".join(text.splitlines())
        self._untouched = False

    async def _answer(self, *, accept: bool) -> None:
        self._window.modals.remove(self)
        await within_answer(self._send(accept=accept))

    def _send(self, *, accept: bool) -> asyncio.Future[dict[str, Any]]:
        answer: dict[str, Any] = {"accept": accept}
        if accept and self._kind == "prompt":
            answer["promptText"] = self._text
        return self.page.tell("Page.handleJavaScriptDialog", answer)


async def within_answer(sent: asyncio.Future[dict[str, Any]]) -> None:
    """Wait until a dialog has been closed; one that has gone by itself is fine, too."""
    try:
        await within(sent, ANSWER_TIMEOUT_S, "a dialog")
    except SessionCrashedError as error:
        if "No dialog" not in str(error):
            raise
