"""The documents of own policies and of actions: their code runs, their table is the vocabulary."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.action import ACTIONS, MAX_CLICKS, MAX_WAIT_MS, parse

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parent.parent / "docs"
POLICIES = (DOCS / "policies.md").read_text()
TABLE = (DOCS / "actions.md").read_text()


def test_the_example_of_a_policy_and_a_task_of_ones_own_is_played(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", POLICIES, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/policies.md", "exec"), names)
    assert capsys.readouterr().out == "1.0\n"
    assert names["env"].observation_space is not None


def test_the_table_of_actions_is_the_vocabulary() -> None:
    rows = []
    for kind in ACTIONS.values():
        fields = (
            each.name if each.default is dataclasses.MISSING else f"{each.name}={each.default!r}"
            for each in dataclasses.fields(kind)
        )
        rows.append(f"| `{kind.__name__}({', '.join(fields)})` | `{kind.example}` | {kind.__doc__} |")
    assert re.findall(r"^\| `.*", TABLE, re.MULTILINE) == rows


def test_what_is_said_of_actions_holds() -> None:
    for text in ("click(x=80, y=40)", "scroll(0, -300, element=4)", *(kind.example for kind in ACTIONS.values())):
        assert text in TABLE
        parse(text)
    for keys in ("Enter", "Tab", "ArrowDown", "Control+Shift+z"):
        assert f"`{keys}`" in TABLE
        parse(f'press("{keys}")')
    assert f"up to {MAX_CLICKS} clicks" in TABLE
    assert f"up to {MAX_WAIT_MS:,}" in TABLE
