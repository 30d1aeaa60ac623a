"""Groups in which all did the same are replaced by others, up to a bound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agentgym.rollout.collector import CollectorStats
from agentgym.train.config import TrainConfig
from agentgym.train.folder import RunFolder
from agentgym.train.learner import grpo_arguments, make_trainer
from agentgym.train.trainer import AgentGRPOTrainer, Generation, Schedule
from tests.learning import SGD
from tests.test_trainer import GROUP_SIZE, PRESS, judged, played
from tests.toy_world import TOY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from agentgym.episode import EpisodeKey, Trajectory
    from agentgym.rollout.collector import EpisodeRequest

__all__ = ["played"]  # the episodes that are handed out, a fixture
GROUPS = 3


class Scripted:
    """An episode source with a score for each episode that is asked for."""

    def __init__(self, turns: Trajectory, score: Callable[[int, EpisodeKey], float | None]) -> None:
        self.stats = CollectorStats()
        self.asked: list[list[EpisodeKey]] = []
        self._turns = turns
        self._score = score

    def collect(self, requests: Iterable[EpisodeRequest]) -> Iterator[Trajectory]:
        keys = [each.key for each in requests]
        self.asked.append(keys)
        for key in keys:
            score = self._score(len(self.asked), key)
            if score is None:
                yield replace(self._turns, key=key, score=None, outcome="infrastructure", turns=())
            else:
                yield judged(replace(self._turns, key=key), score)


def train(source: Scripted, checkpoint: Path, folder: Path, *, refill: int) -> Generation:
    config = TrainConfig(
        model=str(checkpoint), tasks=(), generations=1, group_size=GROUP_SIZE, max_new_tokens=8, refill=refill, grpo=SGD
    )
    noted: list[Generation] = []
    trainer = make_trainer(
        config,
        model=AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        args=grpo_arguments(config, RunFolder(folder)),
        source=source,
        schedule=Schedule([PRESS], GROUPS, GROUP_SIZE, seed=0),
        on_generation=noted.append,
    )
    assert isinstance(trainer, AgentGRPOTrainer)
    trainer.train()
    (generation,) = noted
    logged = trainer.state.log_history[0]
    assert logged["episodes/equal_groups"] == generation.equal_groups
    assert logged["episodes/refilled_groups"] == generation.refilled_groups
    return generation


def groups(keys: list[EpisodeKey]) -> set[int]:
    return {key.seed for key in keys}


def test_only_what_is_missing_is_played_again_on_other_instances(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    def score(call: int, key: EpisodeKey) -> float:
        first = call == 1 and key.seed != 1  # of the first three groups, only that of seed 1 differs
        return 1.0 if first else float(key.attempt % 2)

    source = Scripted(played[0], score)
    generation = train(source, toy_player, tmp_path, refill=3)
    assert [len(groups(keys)) for keys in source.asked] == [GROUPS, GROUPS - 1]
    assert not groups(source.asked[0]) & groups(source.asked[1])
    assert (generation.equal_groups, generation.refilled_groups) == (2, 2)
    assert generation.rows == GROUPS * GROUP_SIZE
    assert len(generation.trajectories) == 5 * GROUP_SIZE


def test_the_bound_ends_it_where_all_do_the_same(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    source = Scripted(played[0], lambda _call, _key: 1.0)
    generation = train(source, toy_player, tmp_path, refill=2)
    assert [len(groups(keys)) for keys in source.asked] == [GROUPS] * 3
    assert len({seed for keys in source.asked for seed in groups(keys)}) == 3 * GROUPS
    assert (generation.equal_groups, generation.refilled_groups, generation.rows) == (9, 6, 0)


def test_groups_that_the_machine_failed_are_replaced_and_are_no_equals(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    def score(call: int, key: EpisodeKey) -> float | None:
        return None if call == 1 and key.seed == 0 else float(key.attempt % 2)

    generation = train(Scripted(played[0], score), toy_player, tmp_path, refill=1)
    assert (generation.equal_groups, generation.refilled_groups) == (0, 1)
    assert generation.rows == GROUPS * GROUP_SIZE


def test_without_it_nothing_more_is_played(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    source = Scripted(played[0], lambda _call, _key: 1.0)
    generation = train(source, toy_player, tmp_path, refill=0)
    assert len(source.asked) == 1
    assert (generation.equal_groups, generation.refilled_groups) == (GROUPS, 0)


@pytest.mark.parametrize("seed", [0, 3])
def test_the_schedule_of_replacements_repeats_itself_and_meets_no_other(seed: int) -> None:
    def seeds(batch: int) -> list[EpisodeKey]:
        return [each.key for each in Schedule(TOY.tasks, 4, 2, seed).refill(batch, 3)]

    regular = [each.key for number in range(50) for each in Schedule(TOY.tasks, 4, 2, seed).requests(number)]
    replaced = [key for batch in range(50) for key in seeds(batch)]
    assert seeds(7) == seeds(7)
    assert len(set(replaced)) == len(replaced) == 50 * 3 * 2
    assert not set(replaced) & set(regular)
    assert {key.task_id for key in replaced} == {"toy/press", "toy/fill"}
