"""Tabs: the pages of a window, how they are shown, chosen and closed.

What a page opens (`window.open`, a link with a target, a click with the middle button) is a tab, shown at once. A tab
that is closed gives the place back to the one that opened it. The first tab is the task's own and stays. Time passes in
all tabs with every action.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agentgym.errors import ActionError, SessionCrashedError
from agentgym_browser.controls import Control

if TYPE_CHECKING:
    from agentgym_browser.page import Page
    from agentgym_browser.window import Window


def controls(window: Window) -> list[Control]:
    """Return a window's tabs, from left to right; nothing where there is one alone."""
    if len(window.tabs) == 1:
        return []
    return [
        Control(
            page,
            "tab",
            page.title or page.url,
            states=("selected",) if page is window.page else (),
            click=partial(show, window, page),
            close=partial(close, window, page),
        )
        for page in window.tabs
    ]


async def press(window: Window, keys: str) -> bool:
    """Do what a key means to a window with several tabs; return whether it means anything."""
    if len(window.tabs) == 1:
        return False
    here = window.tabs.index(window.page)
    key = keys.lower()
    if key == "control+w":
        await close(window, window.page)
    elif key in {"control+tab", "control+pagedown"}:
        await show(window, window.tabs[(here + 1) % len(window.tabs)])
    elif key in {"control+shift+tab", "control+pageup"}:
        await show(window, window.tabs[here - 1])
    elif key == "control+9":
        await show(window, window.tabs[-1])
    elif key[:-1] == "control+" and key[-1] in "12345678":
        if int(key[-1]) <= len(window.tabs):
            await show(window, window.tabs[int(key[-1]) - 1])
    else:
        return False
    return True


async def show(window: Window, page: Page) -> None:
    """Bring a tab to the front."""
    window.page = page


async def close(window: Window, page: Page) -> None:
    """Close a tab; its page may ask whether it is to be left.

    Raises:
        ActionError: it is the task's own.
    """
    if page is window.first:
        raise ActionError("The first tab is the task's own and stays open.")
    await page.close()


async def pass_time_behind(window: Window, ms: int, front: Page) -> None:
    """Let time pass in the tabs that have their own, beside the one in front."""
    for page in {tab.kin: tab for tab in window.tabs if tab.kin is not front.kin}.values():
        try:
            await page.ready()
            await page.pass_time(ms)
        except SessionCrashedError:
            if page in window.tabs:
                raise


def gone(window: Window, page: Page) -> None:
    """Take note that a tab is no longer there."""
    page.gone()
    opener = window.openers.pop(page, window.first)
    if page is window.first:  # its window has crashed; the step says so
        return
    window.tabs.remove(page)
    window.modals = [modal for modal in window.modals if modal.page is not page]
    for other, by in window.openers.items():
        if by is page:
            window.openers[other] = opener
    if window.page is page:
        window.page = opener
