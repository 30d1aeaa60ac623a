"""A folder of `agentgym eval --out`, or of `agentgym.evaluate`, goes on with the same player only."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

import agentgym
from agentgym.cli.main import main
from agentgym.errors import ConfigError, StoreError
from agentgym.policy.random import RandomPolicy
from agentgym.policy.speech import Speech
from tests.tiny_model import save_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("toy_plugin")


def evaluate(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["agentgym", "eval", "--tasks", "toy", "--episodes", "1", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_another_policy_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert evaluate(monkeypatch, "--policy", "oracle", "--out", tmp_path) == 0
    assert evaluate(monkeypatch, "--policy", "oracle", "--out", tmp_path) == 0
    assert evaluate(monkeypatch, "--policy", "random", "--out", tmp_path) == 1
    assert "keeps episodes of oracle, not of random" in capsys.readouterr().err


def test_another_model_in_the_same_folder_is_refused_and_another_way_to_write_it_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model, out = save_tiny_checkpoint(tmp_path / "model"), tmp_path / "out"
    assert evaluate(monkeypatch, "--policy", model, "--out", out) == 0
    monkeypatch.chdir(tmp_path)
    assert evaluate(monkeypatch, "--policy", "model", "--out", out) == 0
    save_tiny_checkpoint(model, seed=1)
    assert evaluate(monkeypatch, "--policy", model, "--out", out) == 1
    assert "Choose another folder" in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded_leaves_the_folder_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken, out = tmp_path / "broken", tmp_path / "out"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    assert evaluate(monkeypatch, "--policy", broken, "--out", out) == 1
    assert evaluate(monkeypatch, "--policy", "oracle", "--out", out) == 0


def test_from_python_the_same_holds_and_both_read_each_others_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = agentgym.evaluate("toy", "oracle", episodes=1, folder=tmp_path)
    assert (first.success, agentgym.evaluate("toy", "oracle", episodes=1, folder=tmp_path).steps) == (1.0, 0)
    with pytest.raises(ConfigError, match="keeps episodes of oracle, not of random"):
        agentgym.evaluate("toy", "random", episodes=1, folder=tmp_path)
    with pytest.raises(ConfigError, match="keeps episodes of oracle, not of random"):
        agentgym.evaluate("toy", RandomPolicy(), episodes=1, folder=tmp_path)
    with pytest.raises(ConfigError, match="with dialect call-text, not of oracle with dialect json-tools"):
        agentgym.evaluate("toy", "oracle", episodes=1, folder=tmp_path, dialect="json-tools")
    assert evaluate(monkeypatch, "--policy", "oracle", "--out", tmp_path) == 0
    assert evaluate(monkeypatch, "--policy", "random", "--out", tmp_path) == 1
    (tmp_path / "player.json").write_text("{")
    with pytest.raises(StoreError, match=r"player.json is not readable JSON"):
        agentgym.evaluate("toy", "oracle", episodes=1, folder=tmp_path)


def test_a_policy_that_is_an_object_goes_on_with_its_own_episodes(tmp_path: Path) -> None:
    player = RandomPolicy(speech=Speech("json-tools"))
    assert agentgym.evaluate("toy", player, episodes=1, folder=tmp_path).steps
    assert not agentgym.evaluate("toy", player, episodes=1, folder=tmp_path).steps


def test_a_checkpoint_is_sampled_from_python_as_by_the_command(
    monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    assert evaluate(monkeypatch, "--policy", tiny_checkpoint, "--threads", 1, "--out", tmp_path) == 0
    assert not agentgym.evaluate("toy", tiny_checkpoint, episodes=1, threads=1, folder=tmp_path).steps
    with pytest.raises(ConfigError, match=r"at temperature 0.0, not of .* at temperature 1.0"):
        agentgym.evaluate("toy", tiny_checkpoint, episodes=1, threads=1, folder=tmp_path, temperature=1.0)
