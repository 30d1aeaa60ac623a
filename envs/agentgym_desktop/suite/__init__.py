"""The desktop suite: tasks in real apps, one module an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.task import Suite

if TYPE_CHECKING:
    from agentgym_desktop.task import DesktopTask

TASKS: tuple[DesktopTask, ...] = ()

DESKTOP = Suite("desktop", TASKS)
"""All tasks."""
