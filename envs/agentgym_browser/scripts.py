"""The JavaScript that pages get: the observer, what documents begin with, and what the observer is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentgym.look import Look

OBSERVER_WORLD = "agentgym"
_FILES = ("names.js", "roles.js", "budget.js", "outline.js", "inner.js", "observe.js")
_SOURCE = "".join(Path(__file__).with_name(name).read_text() for name in _FILES)
OBSERVER = f'(() => {{ "use strict";\n{_SOURCE}}})();'
DETERMINISM = Path(__file__).with_name("determinism.js").read_text()
EPOCH_MS = 1_577_880_000_000  # 2020-01-01 12:00 UTC: when every episode begins


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
