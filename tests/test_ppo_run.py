"""Whole runs of PPO in the toy world: a tiny model and its critic, stopped and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from agentgym.errors import InfrastructureError
from agentgym.train.config import EvaluationConfig, PPOConfig
from agentgym.train.folder import RunFolder
from tests.test_run import configuration, failing, final_weights, run, without_clocks
from tests.test_trainer import difference

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym.train.config import TrainConfig

pytestmark = pytest.mark.usefixtures("toy_plugin")


def ppo(model: Path, out: Path, **changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {
        "tasks": ("toy/fill",),
        "generations": 3,
        "estimator": "gae",
        "ppo": PPOConfig(critic="separate", value_warm_up=1),
        "step_penalty": 0.01,
        "evaluation": EvaluationConfig(episodes=2, shown=0),
        **changes,
    }
    return configuration(model, out, **settings)


def test_a_run_that_was_stopped_ends_with_the_same_model_and_critic(
    toy_player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ppo(toy_player, tmp_path / "whole")
    summary, _ = run(whole)
    assert summary.algorithm == "ppo"
    config = ppo(toy_player, tmp_path / "stopped")
    folder = RunFolder(config.folder)
    append = RunFolder.append_progress

    def stop(self: RunFolder, line: dict[str, Any]) -> None:
        if line["generation"] == 2:
            raise KeyboardInterrupt
        append(self, line)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append_progress", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    run(config, resume=True)
    expected = RunFolder(whole.folder)
    assert difference(final_weights(folder), final_weights(expected)) <= 1e-6
    critics = [load_file(each.final / "critic.safetensors") for each in (folder, expected)]
    assert difference(*critics) <= 1e-6
    assert critics[0]["head.weight"].abs().max() > 0
    assert without_clocks(folder) == without_clocks(expected)
    assert AutoModelForCausalLM.from_pretrained(folder.final).config.model_type


def test_a_share_of_failures_that_is_set_ends_a_run(
    toy_player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, times=2)
    config = ppo(toy_player, tmp_path / "run", generations=1, max_failed_share=0.1)
    with pytest.raises(
        InfrastructureError,
        match=r"failed 2 of 10 episodes .* More than max_failed_share \(0\.1\) ends a run\. Look at `agentgym doctor`",
    ):
        run(config)
