"""Tasks in OSWorld's format for tests, with the documents that they need, and what plays them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import docx
import openpyxl

from agentgym_desktop import osworld
from agentgym_desktop.desktop import Desktop
from agentgym_desktop.evidence import DesktopEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agentgym.action import Action
    from agentgym.episode import Score
    from agentgym_desktop.osworld import OSWorldTask

HOST = "https://files.example.org/resolve/main/"
OPEN_TERMINAL = "import pyautogui; import time; time.sleep(0.5); pyautogui.hotkey('ctrl', 'alt', 't'); time.sleep(0.5)"
SAVE = "import pyautogui; import time; pyautogui.hotkey('ctrl', 's'); time.sleep(0.5);"


def step(kind: str, **parameters: Any) -> dict[str, Any]:
    return {"type": kind, "parameters": parameters}


def download(name: str, path: str) -> dict[str, Any]:
    return step("download", files=[{"url": HOST + name, "path": path}])


def script(text: str) -> dict[str, Any]:
    return step("execute", command=["python", "-c", text])


def saved(title: str) -> list[dict[str, Any]]:
    """What gets ready to judge a document: it is saved in its app."""
    return [step("activate_window", window_name=title, strict=True), step("sleep", seconds=0.5), script(SAVE)]


def vm_file(path: str) -> dict[str, Any]:
    return {"type": "vm_file", "path": path, "dest": path.rpartition("/")[2]}


def cloud_file(name: str) -> dict[str, Any]:
    return {"type": "cloud_file", "path": HOST + name, "dest": name}


def rule(**rules: Any) -> dict[str, Any]:
    return {"type": "rule", "rules": rules}


def output(command: str) -> dict[str, Any]:
    return {"type": "vm_command_line", "command": command, "shell": True}


def task(*config: dict[str, Any], apps: Sequence[str] = (), **evaluator: Any) -> dict[str, Any]:
    """A task as OSWorld writes it."""
    return {
        "id": "5ced85fc-fa1a-4217-95fd-0fb530545ce2",
        "snapshot": "os",
        "instruction": "Do what is to be done.",
        "source": "https://example.org",
        "config": [*config],
        "trajectory": "trajectories/",
        "related_apps": [*apps],
        "evaluator": evaluator,
        "proxy": False,
    }


def book(*rows: Sequence[Any], sheet: str = "Sheet1", change: Callable[[Any], None] | None = None) -> bytes:
    """A workbook with one sheet."""
    made = openpyxl.Workbook()
    made.active.title = sheet
    for row in rows:
        made.active.append(list(row))
    if change is not None:
        change(made.active)
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


def letter(*paragraphs: str, change: Callable[[Any], None] | None = None) -> bytes:
    """A text document."""
    made = docx.Document()
    for paragraph in paragraphs:
        made.add_paragraph(paragraph)
    if change is not None:
        change(made)
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


def loaded(folder: Path, spec: dict[str, Any], files: Mapping[str, bytes] | None = None) -> OSWorldTask:
    """The task of a file, as a user would load it."""
    (folder / "files").mkdir(exist_ok=True)
    for name, content in (files or {}).items():
        (folder / "files" / name).write_bytes(content)
    path = folder / "task.json"
    path.write_text(json.dumps(spec))
    (only,) = osworld.load(path, folder / "files").tasks
    assert isinstance(only, osworld.OSWorldTask)
    return only


class Played(NamedTuple):
    """What a task scored as it began, and after some actions."""

    untouched: Score | None
    after: Score | None


def play(played: OSWorldTask, *actions: Action) -> Played:
    """Set a task up on a real desktop, judge it, act, and judge it again."""
    desktop = Desktop.start(size=played.viewport)
    try:
        desktop.prepare(played.prepare(0))
        untouched = played.score(DesktopEvidence(desktop, goal=None, answer=""))
        for action in actions:
            assert not desktop.act(action)
        return Played(untouched, played.score(DesktopEvidence(desktop, goal=None, answer="")))
    finally:
        desktop.close()
