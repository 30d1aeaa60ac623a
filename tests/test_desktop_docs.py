"""The examples of docs/desktop.md and what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agentgym
from agentgym import registry
from agentgym.errors import InfrastructureError
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_desktop import task as desktop_task
from agentgym_desktop import world as desktop_world

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "desktop.md").read_text()
USE, WRITE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_first_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(USE, {})
    assert "'textbox'" in capsys.readouterr().out


def test_the_example_of_a_task_is_solved_by_its_oracle_and_by_nothing_less() -> None:
    names: dict[str, Any] = {}
    exec(WRITE, names)
    (task,) = names["SUITE"].tasks
    with desktop_world.DesktopWorld(standby=1) as world:
        for actions in (list, lambda script: script[-1:]):  # all of them, and only saying that it is done
            observation = world.reset({0: Instance(task, 1)})[0]
            assert not isinstance(observation, InfrastructureError)
            score = None
            for action in actions(list(task.oracle(observation))):
                step = world.step({0: action})[0]
                assert isinstance(step, Step)
                score = step.score
            assert score is not None
            assert score.value == (1.0 if actions is list else 0.0)


def test_what_it_names_is_there() -> None:
    assert desktop_world.MAX_STANDBY == 4
    assert set(re.findall(r"\]\(([^)#]+\.md)\)", PAGE)) <= {path.name for path in DOCS.iterdir()}
    assert hasattr(desktop_task.Evidence, "read")
    assert len(registry.suites()["desktop"]) >= 40
    assert agentgym.Press("Control+s")
