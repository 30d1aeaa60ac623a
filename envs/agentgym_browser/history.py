"""Going back and forth: what the buttons, the address field and the keys of a browser's window do.

A task may show them as elements (`BrowserTask.controls`); the keys work in any case, after the page has had its say.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from agentgym.action import shorten
from agentgym.errors import ActionError
from agentgym_browser.controls import Control
from agentgym_browser.observers import kept_key

if TYPE_CHECKING:
    from agentgym_browser.page import Page
    from agentgym_browser.window import Window

RELOAD = 0
KEYS = {
    "alt+arrowleft": -1,
    "alt+arrowright": 1,
    "f5": RELOAD,
    "control+r": RELOAD,
    "control+f5": RELOAD,
    "control+shift+r": RELOAD,
}
STARTING_S = 1.0  # a page that does not begin to load so long after it was asked to stays


class Address:
    """The address field of a window: what has been written into it until Enter is pressed."""

    def __init__(self) -> None:
        self.text: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.text!r})"


def controls(window: Window) -> list[Control]:
    """Return buttons and address field."""
    address = window.address

    async def fill(text: str) -> None:
        address.text = text

    typed = address.text is not None
    return [
        Control("back", "button", "Back", click=partial(go, window.page, -1)),
        Control("forward", "button", "Forward", click=partial(go, window.page, 1)),
        Control("reload", "button", "Reload", click=partial(go, window.page, RELOAD)),
        Control(
            "address",
            "textbox",
            "Address",
            window.page.url if address.text is None else address.text,
            ("focused",) if typed else (),
            fill=fill,
        ),
    ]


async def press(window: Window, keys: str) -> bool:
    """Do what a key means to an address that has been written; return whether it means anything."""
    address = window.address
    if address.text is None:
        return False
    text, address.text = address.text, None
    if keys == "Enter":
        await visit(window.page, text)
    return keys in {"Enter", "Escape"}


async def press_key(page: Page, by: int) -> None:
    """Do what a key means to the window, unless the page has kept it to itself."""
    if not await kept_key(page):
        await go(page, by)


async def visit(page: Page, text: str) -> None:
    """Open an address of one of the task's origins; a path alone is one of the page's origin.

    Raises:
        ActionError: it is none, or there is no such page.
    """
    text = text.strip()
    full = text if "://" in text else f"https://{text}"
    url = urljoin(page.url, text) if text.startswith("/") else full
    if not page.site.owns(url):
        raise ActionError(f"{shorten(text)} was not opened: it is outside of what this task may reach.")
    page.send("Page.navigate", {"url": url})
    await _started(page)


async def go(page: Page, by: int) -> None:
    """Load the page again, or go back or forward in its history.

    Raises:
        ActionError: there is nothing to go to.
    """
    if by == RELOAD:
        page.send("Page.reload")
    else:
        history = await page.call("Page.getNavigationHistory")
        to = history["currentIndex"] + by
        if not page.entries_before <= to < len(history["entries"]):
            raise ActionError(f"There is no page to go {'back' if by < 0 else 'forward'} to.")
        page.send("Page.navigateToHistoryEntry", {"entryId": history["entries"][to]["id"]})
    await _started(page)


async def _started(page: Page) -> None:
    """Wait until a navigation has begun, which the time that passes next brings to its end."""
    page.moved.clear()
    with contextlib.suppress(TimeoutError):  # the page stays, as one does that is answered with nothing
        async with asyncio.timeout(STARTING_S):
            await page.moved.wait()
