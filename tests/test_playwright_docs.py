"""The examples of docs/playwright.md run as they stand there, and what it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from agentgym import errors
from agentgym_browser import chromium
from agentgym_browser.attachment import HOOK_TIMEOUT_S, WAIT_TIMEOUT_S

PAGE = (Path(__file__).parent.parent / "docs" / "playwright.md").read_text()
EXAMPLE, WATCHING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_of_a_task_is_played(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1.0 the title is Groceries\n"), done.stderr


def test_what_it_says_holds() -> None:
    assert f"{WAIT_TIMEOUT_S:g} s for one call or {HOOK_TIMEOUT_S:g} s in all" in PAGE
    assert all(hasattr(errors, name) for name in re.findall(r"`(\w+Error)`", PAGE))
    assert chromium.VISIBLE_ENVIRONMENT_VARIABLE in PAGE
