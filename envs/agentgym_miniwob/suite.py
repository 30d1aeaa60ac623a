"""The MiniWoB++ suites."""

from __future__ import annotations

from agentgym.task import Suite
from agentgym_miniwob.names import NAMES
from agentgym_miniwob.task import MiniWobTask

MINIWOB = Suite("miniwob", tuple(MiniWobTask(name) for name in NAMES))
"""All tasks."""

QUICKSTART_NAMES = (
    "click-test-2",
    "click-button",
    "click-link",
    "click-dialog-2",
    "click-tab",
    "choose-list",
    "click-scroll-list",
    "enter-text",
    "login-user",
)

QUICKSTART = Suite("miniwob-quickstart", tuple(MINIWOB[f"miniwob/{name}"] for name in QUICKSTART_NAMES))
"""The tasks of `agentgym train quickstart`; the shipped model nano has not been shown any of them."""
