"""The same seed and actions give the same episode, in another process and after other episodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "replay.py"
# Pages with timers, chance, a clock, a text cursor, movement by frames, and such as need a new document each time.
TASKS = (
    "click-pie",
    "drag-cube",
    "terminal",
    "text-editor",
    "simple-algebra",
    "drag-items",
    "email-inbox",
    "enter-time",
)


def test_episodes_are_the_same_again_with_their_screenshots(tmp_path: Path) -> None:
    result = tmp_path / "replay.json"
    tasks = ",".join(f"miniwob/{name}" for name in TASKS)
    command = [sys.executable, str(SCRIPT), "--tasks", tasks, "--seeds", "2", "--steps", "4", "--json", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(result.read_text()) == {"episodes": 16, "same": 16, "different": {}}


def test_an_episode_that_differs_is_told(tmp_path: Path) -> None:
    page = tmp_path / "chance.py"
    page.write_text(CHANCE)
    done = subprocess.run([sys.executable, page], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "chance/page 0: differs from step 0 on" in done.stdout


CHANCE = f"""
import os, sys
sys.path[:0] = [{str(SCRIPT.parent)!r}, {str(SCRIPT.parents[1])!r}]
import replay
from agentgym_browser import BrowserTask, Setup

class Chance(BrowserTask):
    id = "chance/page"
    viewport = (200, 100)
    def setup(self, rng):
        return Setup("Look.", f"<p>{{os.getpid()}}</p>")
    def score(self, state, goal, answer):
        return None

replay.get_task = replay_task = lambda name: Chance()
replay.select_tasks = lambda names: (Chance(),)
if __name__ == "__main__":
    sys.argv = ["replay", "--seeds", "1", "--steps", "1"]
    sys.exit(replay.main())
"""
