"""What OSWorld's getters return: things of the desktop, as the metrics take them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.browser import fetch_setting
from agentgym_desktop.osworld.files import File, LastRow
from agentgym_desktop.osworld.getter import (
    CacheFile,
    CloudFile,
    CommandOutput,
    ContentFromVmFile,
    Getter,
    ListDirectory,
    PlainGetter,
    ProfileGetter,
    Rule,
    VmFile,
    WindowSize,
)
from agentgym_desktop.osworld.paths import inside

if TYPE_CHECKING:
    from agentgym_desktop.osworld.stage import Stage

MAX_FILE = 16_000_000  # bytes of a file inside
MAX_NAMES = 5_000  # of a folder and those below it
MAX_DEPTH = 30


def fetch(getter: Getter | None, stage: Stage) -> Any:
    """Return what a getter is after; None where it is not there.

    Raises:
        InfrastructureError: the desktop failed.
    """
    match getter:
        case VmFile() | CloudFile():
            return _files(getter, stage)
        case CacheFile():
            return _file(getter.path, stage.cache.get(getter.path))
        case ContentFromVmFile():
            file = _file(posixpath.basename(getter.path), _read(getter.path, stage))
            return None if file is None else LastRow(file)
        case ListDirectory():
            return _tree(inside(getter.path), stage)
        case Rule():
            return getter.rules
        case CommandOutput():
            return _written(getter, stage)
        case ProfileGetter():
            return fetch_setting(getter.type, stage)
        case WindowSize() | PlainGetter():
            return _shown(getter, stage)
        case None:
            return None
        case _:
            raise AssertionError(f"support let {getter.type} through")


def _file(name: str, content: bytes | None) -> File | None:
    return None if content is None else File(name, content)


def _written(getter: CommandOutput, stage: Stage) -> str | None:
    finished = stage.run(getter.command, shell=getter.shell)
    if finished is None or finished.timed_out or finished.cut:
        return None
    written = finished.stdout if getter.type == "vm_command_line" else finished.stderr
    return written.decode(errors="replace")


def _shown(getter: WindowSize | PlainGetter, stage: Stage) -> Any:
    """Return what is on the screen: a size, or the text of a terminal."""
    if isinstance(getter, WindowSize):
        name = getter.app_class_name.lower()
        boxes = [window.box for window in stage.desktop.windows if window.app.lower() == name]
        return {"width": boxes[-1].width, "height": boxes[-1].height} if boxes else None
    if getter.type == "vm_screen_size":
        return dict(zip(("width", "height"), stage.desktop.size, strict=True))
    return stage.terminal_text()


def _files(getter: VmFile | CloudFile, stage: Stage) -> File | list[File | None] | None:
    folder: dict[str, bytes] = {}
    found: list[File | None] = []
    for number, (path, name) in enumerate(getter.pairs):
        content = _read(path, stage) if isinstance(getter, VmFile) else stage.downloads.read(path)
        if content is not None:
            folder[name] = content
            stage.cache.setdefault(name, content)
        if number in getter.gives:
            found.append(None if content is None else File(name, content, folder, isinstance(getter, CloudFile)))
    return found[0] if len(found) == 1 else found


def _read(path: str, stage: Stage) -> bytes | None:
    try:
        return stage.desktop.sandbox.read(inside(path), max_bytes=MAX_FILE)
    except OSError:
        return None


def _tree(path: str, stage: Stage) -> dict[str, Any] | None:
    """Return a folder as OSWorld tells it: type, name and children; None where there is none."""
    left = MAX_NAMES

    def node(path: str, depth: int) -> dict[str, Any] | None:
        nonlocal left
        try:
            names = stage.desktop.sandbox.list(path)
        except OSError:
            return None
        children: list[dict[str, Any]] = []
        for name in names[:left]:
            left -= 1
            below = node(f"{path}/{name}", depth + 1) if depth < MAX_DEPTH else None
            children.append(below or {"type": "file", "name": name})
        return {"type": "directory", "name": posixpath.basename(path), "children": children}

    return node(path, 0)
