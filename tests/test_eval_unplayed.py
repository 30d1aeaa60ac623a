"""`agentgym eval` where the machine fails episodes every time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agentgym.errors import SessionTimeoutError
from tests.toy_world import ToyWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agentgym.errors import InfrastructureError
    from agentgym.observation import Observation
    from agentgym.task import Instance
    from tests.cli_answer import Answer

pytestmark = pytest.mark.usefixtures("toy_plugin")


def never_start(task_ids: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no episode of some tasks start."""
    reset = ToyWorld.reset

    def failing(world: ToyWorld, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        for slot, instance in instances.items():
            if instance.task.id in task_ids:
                world.fail(slot, SessionTimeoutError("never comes up"))
        return reset(world, instances)

    monkeypatch.setattr(ToyWorld, "reset", failing)


def test_where_nothing_could_be_played_there_is_a_reason_and_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agentgym: Callable[..., Answer]
) -> None:
    never_start({"toy/press", "toy/fill"}, monkeypatch)
    file = tmp_path / "result.json"
    answer = agentgym("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 2, "--json", file)
    assert answer.code == 1
    assert "0.00" not in answer.out
    assert "4 episodes could not be played" in answer.err
    assert "The newest failure was in toy/" in answer.err
    assert "session_timeout: never comes up" in answer.err
    result = json.loads(file.read_text())
    assert (result["success"], result["unplayed"], result["tasks"]["toy/fill"]["success"]) == (None, 4, None)
    assert result["last_failure"].endswith(": session_timeout: never comes up")


def test_where_some_could_be_played_these_are_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agentgym: Callable[..., Answer]
) -> None:
    never_start({"toy/press"}, monkeypatch)
    arguments = ["eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 2, "--out", tmp_path]
    file = tmp_path / "result.json"
    for _ in range(2):  # the second finds the failures of the first
        answer = agentgym(*arguments, "--json", file)
        assert answer.code == 0
        assert "The newest failure was in toy/press: session_timeout: never comes up" in answer.err
        tasks = json.loads(file.read_text())["tasks"]
        assert {name: (task["success"], task["unplayed"]) for name, task in tasks.items()} == {
            "toy/press": (None, 2),
            "toy/fill": (1.0, 0),
        }
