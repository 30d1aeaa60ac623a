"""PPO on a control problem whose solution is known: it finds the way, and the critic says what is to be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from agentgym.episode import EpisodeKey
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.train.config import PPOConfig, TrainConfig
from agentgym.train.folder import RunFolder
from agentgym.train.learner import grpo_arguments, make_trainer
from agentgym.train.ppo import AgentPPOTrainer
from agentgym.train.rows import Row
from agentgym.train.trainer import Schedule
from tests.corridor import CELLS, GOAL, STARTS, Corridor
from tests.toy_world import ToyWorld

if TYPE_CHECKING:
    from pathlib import Path

GENERATIONS, GROUPS, GROUP_SIZE = 14, 8, 4
STEP_PENALTY = 0.1


def test_ppo_solves_the_corridor(toy_player: Path, tmp_path: Path) -> None:
    task, world = Corridor(), ToyWorld(num_slots=GROUPS * GROUP_SIZE)
    policy = TransformersPolicy.from_pretrained(toy_player, device="cpu", max_new_tokens=8)
    config = TrainConfig(
        model=str(toy_player),
        tasks=(),
        generations=GENERATIONS,
        groups=GROUPS,
        group_size=GROUP_SIZE,
        max_new_tokens=8,
        checkpoint_every=GENERATIONS,
        estimator="gae",
        step_penalty=STEP_PENALTY,
        ppo=PPOConfig(critic="separate", value_learning_rate=3e-3, value_coefficient=1.0),
        grpo={
            "learning_rate": 1e-3,
            "lr_scheduler_type": "constant",
            "optim": "adamw_torch",
            "loss_type": "dapo",
            "num_iterations": 4,
            "max_grad_norm": 0.5,
            "report_to": "none",
        },
    )
    trainer = make_trainer(
        config,
        model=policy.model,
        processing_class=policy.tokenizer,
        args=grpo_arguments(config, RunFolder(tmp_path)),
        source=Collector(world, policy),
        schedule=Schedule([task], GROUPS, GROUP_SIZE, seed=0),
    )
    trainer.train()

    assert isinstance(trainer, AgentPPOTrainer)
    torch.manual_seed(0)
    requests = [EpisodeRequest(EpisodeKey(task.id, seed), task) for seed in range(2_000, 2_032)]  # never played before
    played = list(Collector(world, policy).collect(requests))
    ways = [[cell_of(turn.prompt) for turn in each.turns] for each in played]
    assert {way[0] for way in ways} == set(STARTS)
    assert sum(each.success for each in played) >= 0.95 * len(played)
    shortest = sum(len(each.turns) == abs(way[0] - GOAL) for each, way in zip(played, ways, strict=True))
    assert shortest >= 0.9 * len(played)
    firsts = [each.turns[0] for each in played]
    for turn, values in zip(firsts, trainer._judge([Row(turn, 0.0) for turn in firsts]), strict=True):
        best = 1 - STEP_PENALTY * abs(cell_of(turn.prompt) - GOAL)
        assert values[0] == pytest.approx(best, abs=0.15)


def cell_of(prompt: str) -> int:
    """Which cell a page shows."""
    (place,) = [index for index, name in enumerate(CELLS) if f'"{name}" [2]' in prompt]
    return place
