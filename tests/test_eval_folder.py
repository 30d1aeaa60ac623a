"""A folder of `agentgym eval --out` goes on with the same player only."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from agentgym.cli.main import main
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
    assert "Give --out another folder" in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded_leaves_the_folder_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken, out = tmp_path / "broken", tmp_path / "out"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    assert evaluate(monkeypatch, "--policy", broken, "--out", out) == 1
    assert evaluate(monkeypatch, "--policy", "oracle", "--out", out) == 0
