"""Traces of episodes for Playwright's trace viewer: pictures as a film, the document before each action.

Open one with ``playwright show-trace FILE``. What the code here does runs in Playwright's thread.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from agentgym.task import Instance


def start_trace(page: Page, instance: Instance) -> None:
    """Begin to record an episode."""
    page.context.tracing.start(title=f"{instance.task.id} seed {instance.seed}", screenshots=True, snapshots=True)


def note(page: Page, text: str) -> None:
    """Record the document under a heading."""
    with page.context.tracing.group(text):
        page.evaluate("document.title")


def stop_trace(page: Page, folder: Path, instance: Instance) -> None:
    """Write what was recorded, with the document as it is at the end, under a name of its own in the folder."""
    note(page, "the end")
    folder.mkdir(parents=True, exist_ok=True)
    page.context.tracing.stop(path=_new_file(folder, instance))


def _new_file(folder: Path, instance: Instance) -> Path:
    """Make an empty file named by task and seed, and by a number where that episode was played before."""
    stem = f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', instance.task.id)}-{instance.seed}"
    for played in itertools.count(1):
        path = folder / (f"{stem}.zip" if played == 1 else f"{stem}-{played}.zip")
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
            break
    return path
