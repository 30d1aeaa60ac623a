"""Traces of episodes for Playwright's trace viewer: pictures as a film, the document before each action.

Open one with ``playwright show-trace FILE``. What the code here does runs in Playwright's thread.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import tempfile
from typing import TYPE_CHECKING

from agentgym.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from agentgym.task import Instance


def check_folder(folder: Path) -> None:
    """Make the folder of traces; a wrong place is told before anything is played.

    Raises:
        ConfigError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f"trace: nothing can be written to {folder}: {error.strerror}. Choose another.") from error


def start_trace(page: Page, instance: Instance, artifacts: Path) -> None:
    """Begin to record an episode; its parts are kept in the folder, which is removed by whoever made it."""
    # Not Playwright's public API: it would leave a folder of its own beside those of others wherever a page is lost.
    page.context.tracing._impl_obj._traces_dir = str(artifacts)
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
