"""The desktop world: a sandboxed Linux desktop with real apps, without a daemon or a virtual machine."""

from agentgym_desktop.apps import App, Start
from agentgym_desktop.task import DesktopTask, Evidence, Setup

__all__ = ["App", "DesktopTask", "Evidence", "Setup", "Start"]
