"""A session's clipboard: what its pages have copied, and nothing that another session's have.

All sessions of a browser share its one clipboard. So a script in every frame (clipboard.js) tells the session what is
copied, stops whatever the browser would paste, and pastes what the session has kept. Text and HTML are kept; pictures
and files are not. The middle button pastes nothing. Pages see events of a paste that are not trusted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from agentgym_browser.scripts import OBSERVER_WORLD

if TYPE_CHECKING:
    from agentgym_browser.page import Page

CLIPBOARD_BINDING = "agentgymClipboard"
CLIPBOARD_GATE = Path(__file__).with_name("clipboard.js").read_text()  # for the observer's isolated world
CLIPBOARD_API = Path(__file__).with_name("clipboard_api.js").read_text()  # for the page's own world
LENDING_TIMEOUT_S = 5.0
PASTE_KEYS = frozenset({"control+v", "control+shift+v", "shift+control+v", "shift+insert"})


class Clipboard:
    """What a session has copied."""

    def __init__(self) -> None:
        self._content: dict[str, str] = {}  # text by its kind: text/plain, text/html

    def __repr__(self) -> str:
        return f"Clipboard({', '.join(self._content) or 'empty'})"

    def take(self, payload: str) -> None:
        """Keep what a frame has told by the binding."""
        self._content = {str(kind): str(text) for kind, text in json.loads(payload).items()}

    def clear(self) -> None:
        """Forget everything."""
        self._content = {}

    def lending(self) -> str:
        """Return the script that gives a frame what there is to paste."""
        return f"agentgymKeep({json.dumps(self._content)})"


async def lend(page: Page) -> None:
    """Give all frames of a page what its session has copied, for a paste key that follows."""
    script = {"source": page.clipboard.lending(), "worldName": OBSERVER_WORLD, "runImmediately": True}
    lent = await page.call("Page.addScriptToEvaluateOnNewDocument", script, timeout_s=LENDING_TIMEOUT_S)
    page.send("Page.removeScriptToEvaluateOnNewDocument", lent)


def pastes(keys: str) -> bool:
    """Whether a chord, as `keyboard.chord` takes it, pastes."""
    return keys.lower() in PASTE_KEYS
