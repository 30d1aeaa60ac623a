"""OSWorld's tasks on the desktop world: `load` makes a suite of those that can be played here, `report` tells the rest.

They are read in OSWorld's own format (arXiv:2404.07972), set up and judged as they say; nothing is downloaded, and
nothing of them runs on the host. See docs/osworld.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentgym_desktop.osworld.suite import Entry, Report, load, report
    from agentgym_desktop.osworld.task import OSWorldTask

__all__ = ["Entry", "OSWorldTask", "Report", "load", "report"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: the process that judges has no use for it, and starts for every check."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{'task' if name == 'OSWorldTask' else 'suite'}"), name)
