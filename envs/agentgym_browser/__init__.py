"""The browser world: headless Chromium over the DevTools protocol."""

from agentgym_browser.network import Answer, Site
from agentgym_browser.task import BrowserTask, Evidence, Setup
from agentgym_browser.world import BrowserWorld

__all__ = ["Answer", "BrowserTask", "BrowserWorld", "Evidence", "Setup", "Site"]
