"""PDF files that an agent has left, read for a judge.

They are read by pypdf in a process of its own, which has limits of time and memory: a file may be made so that reading
it takes forever. What comes back is text and sizes; nothing in a file is executed, and no address in it is followed.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentgym.errors import MissingDependencyError, SessionTimeoutError, WorldCrashedError
from agentgym_desktop.documents import Read, RefusedError, within_size

TIMEOUT_S = 60.0  # on a machine with far too much to do; the process's own limit is a few seconds of CPU time
_READER = Path(__file__).with_name("pdf_reader.py")


@dataclass(frozen=True)
class Page:
    """A page."""

    text: str
    """In reading order, as far as the file tells."""
    size: tuple[int, int]
    """Width and height in points, as it is shown."""


@dataclass(frozen=True)
class Pdf:
    """A PDF document."""

    pages: tuple[Page, ...]

    @property
    def text(self) -> str:
        """What all pages say."""
        return "\n".join(page.text for page in self.pages)

    def says(self, words: str) -> bool:
        """Return whether some words are in it, whatever the spaces: a PDF has none, only gaps."""
        return "".join(words.split()) in "".join(self.text.split())


def read_pdf(content: bytes | None) -> Read[Pdf]:
    """Read a PDF document.

    Args:
        content: of the file; None where there is none.

    Raises:
        MissingDependencyError: pypdf is not installed.
        InfrastructureError: the machine could not read it.
    """
    try:
        content = within_size(content)
        if not content.startswith(b"%PDF-"):
            raise RefusedError("the file is no PDF")  # noqa: TRY301 (one handler makes reasons of them all)
        return Read(_pdf_of(_run(content)))
    except RefusedError as error:
        return Read(None, str(error))


def _run(content: bytes) -> bytes:
    if importlib.util.find_spec("pypdf") is None:
        raise MissingDependencyError(
            "A judge of PDF files needs pypdf. Install it with `pip install 'agentgym-cua[desktop]'`."
        )
    try:
        done = subprocess.run(  # noqa: S603 (our own script, which takes the file as input)
            [sys.executable, "-I", str(_READER)], input=content, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SessionTimeoutError(f"A PDF was not read within {TIMEOUT_S:g} s: the machine is too busy.") from error
    except OSError as error:
        raise WorldCrashedError(f"The process that reads a PDF could not be started: {error}.") from error
    if done.returncode == -signal.SIGKILL:  # its own limits end it otherwise
        raise WorldCrashedError("The process that reads a PDF was killed: the machine may have no memory left.")
    if done.returncode != 0:
        raise RefusedError("the PDF cannot be read, or not within the limits of time and memory")
    return done.stdout


def _pdf_of(answer: bytes) -> Pdf:
    found: dict[str, Any] = json.loads(answer)
    if "error" in found:
        raise RefusedError(f"the PDF cannot be read: {found['error']}")
    return Pdf(tuple(Page(text, (width, height)) for text, width, height in found["pages"]))
