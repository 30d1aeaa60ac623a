"""The desktop suite: tasks in real apps, one module an app.

What the modules share: `hands` is how oracles find and do things, `judging` puts scores together, `words` is what
instances are drawn from.
"""

from __future__ import annotations

from agentgym.task import Suite
from agentgym_desktop.suite import (
    browser,
    calculator,
    editor,
    files,
    layout,
    office,
    spreadsheet,
    terminal,
    viewers,
    windows,
    workbook,
    writer,
)

_MODULES = (
    editor,
    files,
    terminal,
    calculator,
    windows,
    spreadsheet,
    workbook,
    writer,
    layout,
    viewers,
    browser,
    office,
)

DESKTOP = Suite("desktop", tuple(task for module in _MODULES for task in module.TASKS))
"""All tasks."""
