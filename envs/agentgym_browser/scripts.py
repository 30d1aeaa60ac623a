"""The JavaScript that pages get: the observer, what documents begin with, and what the observer is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.errors import SessionCrashedError, TaskError
from agentgym.hook import BUG

if TYPE_CHECKING:
    from agentgym.errors import AgentGymError
    from agentgym.hook import Hook
    from agentgym.look import Look
    from agentgym_browser.page import Page

OBSERVER_WORLD = "agentgym"
_FILES = ("names.js", "roles.js", "budget.js", "outline.js", "inner.js", "observe.js")
_SOURCE = "".join(Path(__file__).with_name(name).read_text() for name in _FILES)
OBSERVER = f'(() => {{ "use strict";\n{_SOURCE}}})();'
DETERMINISM = Path(__file__).with_name("determinism.js").read_text()
MAX_THROWN = 300  # characters of what a script has thrown, in an error
EPOCH_MS = 1_577_880_000_000  # 2020-01-01 12:00 UTC: when every episode begins


class ScriptFailedError(SessionCrashedError):
    """A task's JavaScript threw in its page, or is none."""


def beginning(seed: int, script: str) -> str:
    """Return what documents begin with: an episode's seed and clock, and a task's own script."""
    return f"{DETERMINISM}({seed}, {EPOCH_MS});\n{script}"


def observe(hidden: str, look: Look, *, first: int) -> str:
    """Return the expression that observes a document.

    Args:
        hidden: CSS selector of what is left out.
        look: what is wanted.
        first: the lowest element id that is new: no document of an episode uses the ids of another.
    """
    options: dict[str, Any] = {part: part in look.parts for part in ("tree", "text", "marks")}
    options["budget"] = look.budget._asdict()
    options["first"] = first
    return f"agentgym.observe({json.dumps(hidden)}, {json.dumps(options)})"


def thrown(details: dict[str, Any]) -> str:
    """Return what a script has thrown, in one line, from DevTools' ``exceptionDetails``."""
    text = str(details.get("exception", {}).get("description") or details.get("text", ""))
    return " ".join(text[:MAX_THROWN].split())


async def blamed(page: Page, hook: Hook, script: str, failed: ScriptFailedError, *, untouched: bool) -> AgentGymError:
    """Return the error for a task's script that failed: is it the task's bug, or what has become of the page?

    What cannot be read is always the task's. What throws may only have met a page that the agent has changed.

    Args:
        page: where it failed.
        hook: the task's.
        script: the whole of it.
        failed: what it failed by.
        untouched: whether no agent can have changed the page.
    """
    compiled = await page.call("Runtime.compileScript", {"expression": script, "sourceURL": "", "persistScript": False})
    if untouched or "exceptionDetails" in compiled:
        return TaskError(f"{hook.where}: {failed} (seed {hook.seed}). {BUG}")
    return SessionCrashedError(f"{hook.where}: {failed}")
