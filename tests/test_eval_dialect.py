"""`agentgym eval`: in which dialect, and with which tasks left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import agentgym as gym
from agentgym.errors import ConfigError
from agentgym.rollout.store import TrajectoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli_answer import Answer

pytestmark = pytest.mark.usefixtures("toy_plugin")

NO_ORACLE = "miniwob/tic-tac-toe"


def test_the_dialect_is_chosen_and_recorded(agentgym: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    arguments = ("eval", "--policy", "oracle", "--tasks", "toy/press", "--episodes", 3, "--out", tmp_path / "out")
    answer = agentgym(*arguments, "--dialect", "ui-tars", "--json", file)
    assert (answer.code, json.loads(file.read_text())["dialect"]) == (0, "ui-tars")
    assert json.loads(file.read_text())["success"] == 1.0
    assert "Actions were written in ui-tars." in answer.out
    turns = [turn for each in TrajectoryStore(tmp_path / "out").read() for turn in each.turns]
    assert len(turns) == 3
    assert all(turn.completion.startswith("Action: click(start_box=") for turn in turns)

    refused = agentgym(*arguments)
    assert refused.code == 1
    assert "episodes of oracle with dialect ui-tars, not of oracle with dialect call-text" in refused.message


def test_a_folder_from_before_there_was_a_choice_was_played_in_call_text(
    agentgym: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "player.json").write_text('{"policy": "oracle"}')
    arguments = ("eval", "--policy", "oracle", "--tasks", "toy/press", "--episodes", 1, "--out", tmp_path)
    assert "with dialect call-text, not of oracle with dialect json" in agentgym(
        *arguments, "--dialect", "json-tools"
    ).message  # fmt: skip
    assert agentgym(*arguments).code == 0


def test_a_longer_completion_is_another_player(
    agentgym: Callable[..., Answer], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    arguments = ("eval", "--policy", tiny_checkpoint, "--tasks", "toy/press", "--episodes", 1, "--out", tmp_path)
    options = ("--dialect", "hermes-tools", "--threads", 1)
    assert agentgym(*arguments, *options, "--max-new-tokens", 5).code == 0
    turns = [turn for each in TrajectoryStore(tmp_path).read() for turn in each.turns]
    assert turns
    assert all(len(turn.completion_ids) <= 5 for turn in turns)
    assert "with max_new_tokens 5, not of" in agentgym(*arguments, *options, "--max-new-tokens", 6).message


def test_the_oracle_plays_the_tasks_that_have_one_and_names_those_left_out(
    agentgym: Callable[..., Answer], tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    tasks = f"miniwob/click-test,{NO_ORACLE},miniwob/click-pie"
    answer = agentgym("eval", "--policy", "oracle", "--tasks", tasks, "--episodes", 2, "--json", file)
    assert answer.code == 0, answer.err
    (line,) = [line for line in answer.err.splitlines() if line.startswith("Left out")]
    assert line == f"Left out, as they have no oracle: {NO_ORACLE}, miniwob/click-pie"
    result = json.loads(file.read_text())
    assert (list(result["tasks"]), result["left_out"]) == (["miniwob/click-test"], [NO_ORACLE, "miniwob/click-pie"])
    assert result["success"] == 1.0


def test_where_no_task_has_an_oracle_nothing_is_played(agentgym: Callable[..., Answer]) -> None:
    answer = agentgym("eval", "--policy", "oracle", "--tasks", f"{NO_ORACLE},miniwob/click-pie", "--episodes", 1)
    assert answer.code == 1
    assert "cannot play any of the 2 tasks, such as miniwob/tic-tac-toe: no scripted solution." in answer.message
    with pytest.raises(ConfigError, match=f"cannot play {NO_ORACLE}: no scripted solution"):
        gym.evaluate(NO_ORACLE, "oracle", episodes=1)


def test_evaluate_takes_a_dialect_from_python_too() -> None:
    result = gym.evaluate("toy/press", "oracle", episodes=2, dialect="qwen-computer@pixels")
    assert (result.success, result.left_out) == (1.0, ())
