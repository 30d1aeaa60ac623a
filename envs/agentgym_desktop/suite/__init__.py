"""The desktop suite: tasks in real apps, one module an app.

What the modules share: `hands` is how oracles find and do things, `judging` puts scores together, `words` is what
instances are drawn from.
"""

from __future__ import annotations

from agentgym.task import Suite
from agentgym_desktop.suite import editor, files, spreadsheet, workbook

DESKTOP = Suite("desktop", (*editor.TASKS, *files.TASKS, *spreadsheet.TASKS, *workbook.TASKS))
"""All tasks."""
