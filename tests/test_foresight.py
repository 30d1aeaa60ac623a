"""Environments and collectors tell a world that prepares ahead which episodes come next, and it is those that come."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from agentgym.action import Action, Wait
from agentgym.env import AgentEnv
from agentgym.episode import EpisodeKey
from agentgym.policy.oracle import OraclePolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.task import Instance
from agentgym.vector_env import AgentVectorEnv
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgym.errors import InfrastructureError
    from agentgym.observation import Observation


class ForesightedWorld(ToyWorld):
    prepares: ClassVar[bool] = True

    def __init__(self, *, num_slots: int = 1) -> None:
        super().__init__(num_slots=num_slots)
        self.expected: dict[int, Instance] = {}
        self.foreseen: list[bool] = []  # of each reset, whether any slot expected it

    def expect(self, instances: Mapping[int, Instance]) -> None:
        self.expected.update(instances)

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        self._note(instances)
        return super().reset(instances)

    def submit(self, work: Mapping[int, Instance | Action]) -> None:
        self._note(work)
        super().submit(work)

    def _note(self, work: Mapping[int, Instance | Action]) -> None:
        instances = [each for each in work.values() if isinstance(each, Instance)]
        self.foreseen += [instance in self.expected.values() for instance in instances]


def test_an_environment_foresees_its_next_episode() -> None:
    world = ForesightedWorld()
    env = AgentEnv(world, TOY["toy/press"])
    for _ in range(3):
        env.reset()
    assert world.foreseen == [False, True, True]


def test_looking_ahead_changes_no_seed() -> None:
    seeds = []
    for world in (ForesightedWorld(), ToyWorld()):
        env = AgentEnv(world, TOY["toy/press"])
        env.reset(seed=3)
        seeds.append([env.reset()[1]["seed"] for _ in range(3)])
    assert seeds[0] == seeds[1]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_vector_environment_foresees_each_slots_next_episode(asynchronous: bool) -> None:
    world = ForesightedWorld(num_slots=3)
    env = AgentVectorEnv(world, [TOY["toy/press"], TOY["toy/fill"]], max_steps=1)
    if asynchronous:
        env.async_reset(seed=0)
        env.recv(min_envs=3)
    else:
        env.reset(seed=0)
    for _ in range(4):  # every second one starts an episode
        env.step([Wait(1)] * 3)
    assert world.foreseen == [False] * 3 + [True] * 6


def test_a_collector_foresees_the_requests_that_wait() -> None:
    world = ForesightedWorld(num_slots=2)
    tasks = [TOY["toy/press"], TOY["toy/fill"]]
    requests = [EpisodeRequest(EpisodeKey(task.id, seed), task) for seed in range(4) for task in tasks]
    collector = Collector(world, OraclePolicy())
    assert len(list(collector.collect(requests))) == 8
    assert world.foreseen[2:] == [True] * 6
