"""Files that go into a page and come out of it: what a task offers for upload, what pages download.

They lie in a folder of the session inside of its browser's folder, which `keeper` removes, also when the owner was
killed. Names that a model or a page has written are never paths: a file is offered by its name or not at all, and a
download lies under the number that the browser has given it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agentgym.action import Action, Press, shorten
from agentgym.errors import ActionError
from agentgym_browser.controls import Control, one_line
from agentgym_browser.dialog import Modal

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym_browser.devtools import Event
    from agentgym_browser.page import Page
    from agentgym_browser.window import Window

MAX_DOWNLOADS = 10  # an episode
MAX_DOWNLOAD_BYTES = 20_000_000  # each
STARTING_S = 0.05  # a download begins so long after what caused it
ENDING_S = 5.0
_NUMBER = re.compile(r"[0-9A-Fa-f-]{8,64}")


class Uploads:
    """The files that a task offers.

    Args:
        folder: where they are put, once a page wants one; made when needed.
        files: their content, by name.
    """

    def __init__(self, folder: Path, files: Mapping[str, bytes]) -> None:
        self._folder = folder
        self._files = files

    @property
    def names(self) -> list[str]:
        """Their names."""
        return list(self._files)

    def paths(self, names: list[str]) -> list[str]:
        """Return where files lie, for the browser.

        Raises:
            ActionError: the task offers no file of such a name.
        """
        for name in names:
            if name not in self._files:
                offered = ", ".join(self._files) or "none"
                raise ActionError(f"There is no file {shorten(name)} to choose. The files are: {offered}.")
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name in names:
            path = self._folder / name  # the task's own name for it, which `Setup` has checked
            if not path.exists():
                path.write_bytes(self._files[name])
            paths.append(str(path))
        return paths


async def upload(page: Page, paths: list[str], **node: Any) -> None:
    """Put files into a file input, which DevTools names by one of its identifiers."""
    await page.call("DOM.setFileInputFiles", {"files": paths, **node})


class FileChooser(Modal):
    """What opens when a file input is clicked: the files that the task offers.

    Args:
        window: it stands in.
        page: whose input it was.
        event: of DevTools, `Page.fileChooserOpened`.
    """

    def __init__(self, window: Window, page: Page, event: Event) -> None:
        self.page = page
        self.message = "Choose files" if event["mode"] == "selectMultiple" else "Choose a file"
        self._window = window
        self._several = event["mode"] == "selectMultiple"
        self._node = event.get("backendNodeId")
        self._chosen: list[str] = []

    @property
    def hint(self) -> str:
        """What the agent is told who goes past it."""
        return "A choice of files is open."

    def rows(self) -> list[Control]:
        """Return one option a file."""
        return [
            Control(
                (self, name),
                "option",
                name,
                states=("selected",) if name in self._chosen else (),
                click=partial(self._choose, name),
            )
            for name in self._window.uploads.names
        ]

    def buttons(self) -> list[Control]:
        """Return what ends the choice; a single file is chosen by a click on it."""
        cancel = Control((self, "no"), "button", "Cancel", click=self.cancel)
        return [Control((self, "yes"), "button", "Open", click=self._open), cancel] if self._several else [cancel]

    async def take(self, action: Action) -> bool:
        """Take the keys that end the choice."""
        match action:
            case Press(keys="Escape"):
                await self.cancel()
            case Press(keys="Enter") if self._several:
                await self._open()
            case _:
                return False
        return True

    async def cancel(self) -> None:
        """Choose nothing."""
        self._window.modals.remove(self)

    async def _choose(self, name: str) -> None:
        if name in self._chosen:
            self._chosen.remove(name)
        else:
            self._chosen.append(name)
        if not self._several:
            await self._open()

    async def _open(self) -> None:
        self._window.modals.remove(self)
        if self._chosen and self._node is not None:
            await upload(self.page, self._window.uploads.paths(self._chosen), backendNodeId=self._node)


@dataclass
class _Download:
    """A file on its way out of a page."""

    name: str
    done: bool = False


class Downloads(Mapping[str, bytes]):
    """What pages have downloaded in an episode: content by name. It can be read until the session goes on.

    Args:
        folder: where the browser puts them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: dict[str, _Download] = {}  # by the browser's number
        self._moved = asyncio.Event()

    def __getitem__(self, name: str) -> bytes:
        for number, download in self._all.items():
            if download.done and download.name == name:
                return (self._folder / number).read_bytes()
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (download.name for download in self._all.values() if download.done)

    def __len__(self) -> int:
        return sum(download.done for download in self._all.values())

    def __repr__(self) -> str:
        return f"Downloads({', '.join(self) or 'none'})"

    def hear(self, page: Page, method: str, event: Event) -> str:
        """Take an event of a download; return what the agent is to know, or an empty string."""
        self._moved.set()
        number = str(event["guid"])
        if method == "Page.downloadWillBegin":
            if len(self._all) >= MAX_DOWNLOADS or not _NUMBER.fullmatch(number):
                page.tell("Browser.cancelDownload", {"guid": number})
                return f"A download was stopped: there are {MAX_DOWNLOADS} already."
            self._all[number] = _Download(self._free(plain_name(str(event["suggestedFilename"]))))
            return ""
        download = self._all.get(number)
        if download is None or download.done:
            return ""
        if max(event["receivedBytes"], event["totalBytes"]) > MAX_DOWNLOAD_BYTES:
            page.tell("Browser.cancelDownload", {"guid": number})
            del self._all[number]
            return f"A download was stopped: {download.name} has more than {MAX_DOWNLOAD_BYTES:,} bytes."
        if event["state"] == "completed":
            download.done = True
        elif event["state"] == "canceled":
            del self._all[number]
            return f"The download of {download.name} failed."
        return ""

    def controls(self) -> list[Control]:
        """Return what is shown of them."""
        return [
            Control(("download", number), "status", f"{'Downloaded' if each.done else 'Downloading'} {each.name}")
            for number, each in self._all.items()
        ]

    async def settle(self) -> None:
        """Wait until those that have begun are there, and a moment for one that is about to begin."""
        ends = asyncio.get_running_loop().time() + ENDING_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTING_S) as patience:
                while not self._under_way:
                    self._moved.clear()
                    await self._moved.wait()
                patience.reschedule(ends)
                while self._under_way:
                    self._moved.clear()
                    await self._moved.wait()

    @property
    def _under_way(self) -> bool:
        return not all(download.done for download in self._all.values())

    def _free(self, name: str) -> str:
        """Return a name that no other download has."""
        taken = {download.name for download in self._all.values()}
        stem, dot, ending = name.rpartition(".")
        choices = (f"{stem or ending} ({n}){dot if stem else ''}{ending if stem else ''}" for n in range(1, 99))
        return next(each for each in (name, *choices) if each not in taken)


def plain_name(name: str) -> str:
    """Return what a page calls a file as a plain name: one line, no folders."""
    visible = "".join(each if each.isprintable() else " " for each in re.split(r"[/\\]", name)[-1])
    return one_line(visible)[:200].strip(". ") or "download"


def private_folder(browser_folder: Path) -> Path:
    """Return the path of a folder of a session's own; it is made when something is put into it."""
    return browser_folder / "agentgym-sessions" / secrets.token_hex(8)


def remove(folder: Path) -> None:
    """Remove a session's folder."""
    shutil.rmtree(folder, ignore_errors=True)


def check_names(files: Mapping[str, bytes]) -> None:
    """Check that what a task calls its files are names.

    Raises:
        ValueError: one is a path or nothing.
    """
    for name in files:
        if not name or name in {".", ".."} or len(name.encode()) > 255 or re.search(r"[/\\\x00-\x1f]", name):
            raise ValueError(f"a file's name is a plain name such as report.csv, got {name!r}")
