"""TRL's losses on rows of episodes: each takes a real step, and rows that only fill up take nothing away from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from tests import test_ppo
from tests.test_trainer import difference, largest, make_trainer, update
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from pathlib import Path

LOSSES: list[dict[str, Any]] = [
    {"loss_type": "grpo"},
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},  # GSPO
    {"loss_type": "dr_grpo"},
    {"loss_type": "dapo"},
    {"loss_type": "cispo", "epsilon_high": 5.0},
    {"loss_type": "sapo"},
    {"loss_type": "luspo", "importance_sampling_level": "sequence"},
    {"loss_type": "vespo"},
]
FILL = TOY["toy/fill"]

losses = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: "-".join(map(str, loss.values())))


@pytest.fixture(scope="module")
def played(toy_player: Path) -> list[Trajectory]:
    """Seven episodes of several turns, in two groups, with completions and scores that differ."""
    policy = TransformersPolicy.from_pretrained(toy_player, device="cpu", max_new_tokens=8)
    torch.manual_seed(0)
    requests = [EpisodeRequest(EpisodeKey(FILL.id, number // 4, number % 4), FILL) for number in range(7)]
    collected = sorted(Collector(ToyWorld(num_slots=4), policy).collect(requests), key=lambda each: str(each.key))
    assert sum(len(each.turns) for each in collected) > 7
    return [judged(each) for each in collected]


def judged(trajectory: Trajectory) -> Trajectory:
    """An episode with a score of its own, and with completions that were cut after some tokens."""
    attempt = trajectory.key.attempt
    turns = tuple(
        replace(turn, completion_ids=turn.completion_ids[: 2 + attempt], logprobs=turn.logprobs[: 2 + attempt])
        for turn in trajectory.turns
    )
    return replace(trajectory, turns=turns, score=attempt / 4, outcome="failure", penalty=0.0)


@losses
def test_a_step_is_the_same_whole_and_in_slices_that_rows_fill_up(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, loss: dict[str, Any]
) -> None:
    trainer, noted = make_trainer(toy_player, tmp_path / "whole", played, **loss)
    whole = update(trainer)
    slices = next(count for count in (4, 5) if noted_rows(played) % count)
    cut = {"steps_per_generation": slices, "gradient_accumulation_steps": slices}
    sliced = update(make_trainer(toy_player, tmp_path / "cut", played, **cut, **loss)[0])
    assert noted[0].rows == noted_rows(played)
    assert all(torch.isfinite(each).all() for each in whole.values())
    assert largest(whole) > 1e-5
    assert difference(whole, sliced) < 1e-5 + 1e-4 * largest(whole)


def noted_rows(played: list[Trajectory]) -> int:
    """How many turns have an advantage: those of the member whose score is the mean of its group have none."""
    groups = {seed: [each for each in played if each.key.seed == seed] for seed in (0, 1)}
    means = {seed: sum(each.reward for each in group) / len(group) for seed, group in groups.items()}
    return sum(len(each.turns) for each in played if abs(each.reward - means[each.key.seed]) > 1e-6)


@losses
def test_each_takes_an_advantage_a_token(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, loss: dict[str, Any]
) -> None:
    trainer = test_ppo.make(toy_player, tmp_path, played, steps_per_generation=2, **loss)
    moved = update(trainer)
    assert all(torch.isfinite(each).all() for each in moved.values())
    assert largest(moved) > 1e-5
    assert trainer.state.log_history[0]["critic/value_loss"] > 0
