"""The documents of own policies and of actions: their code runs, their table is the vocabulary."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agentgym
from agentgym.action import ACTIONS, MAX_CLICKS, MAX_WAIT_MS, Click, Fill, parse

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


def run_block(document: str) -> dict[str, Any]:
    """Run the code of a document; return its names."""
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / document).read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, document, "exec"), names)
    return names


def test_the_example_of_uploads_and_downloads_can_be_played() -> None:
    with agentgym.make(run_block("pages.md")["Report"]()) as env:
        env.reset(seed=0)
        field = next(each for each in env.observation.elements if each.name == "notes")
        env.step(Fill(element=field.id, text="notes.txt"))
        link = next(each for each in env.observation.elements if each.role == "link")
        assert env.step(Click(element=link.id))[1:3] == (1.0, True)


def test_the_example_of_a_site_is_one() -> None:
    site = run_block("isolation.md")["site"]
    assert site.several
    assert site.read("https://task.invalid/api/user").body == '{"name": "Ann"}'


def test_the_example_of_a_dialect_reads_what_it_writes() -> None:
    names = run_block("dialects.md")
    assert names["action"] == Click(x=640, y=400)
    assert names["speech"].parse(names["text"]) == names["action"]
