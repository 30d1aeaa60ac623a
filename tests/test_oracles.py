"""Every scripted solution solves its task, on seeds that no training run sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym import registry
from agentgym.evaluate.evaluation import evaluate
from agentgym.policy.oracle import OraclePolicy
from agentgym.rollout.collector import Collector
from agentgym_browser.task import BrowserTask

if TYPE_CHECKING:
    from collections.abc import Iterator

EPISODES = 20
EPISODES_ON_FRESH_PAGES = 6  # a page of its own for each episode costs ten times the time; none of these may fail
MIN_SUCCESS = 0.95
SOLVED = [task for task in registry.get_suite("miniwob").tasks if task.has_oracle]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with registry.make_world("browser", num_slots=4, screenshot=False) as world:
        yield Collector(world, OraclePolicy())


def test_at_least_one_hundred_and_eighteen_tasks_have_an_oracle() -> None:
    assert len(SOLVED) >= 118


@pytest.mark.parametrize("task_id", [task.id for task in SOLVED])
def test_an_oracle_solves_its_task(task_id: str, collector: Collector) -> None:
    task = registry.get_suite("miniwob")[task_id]
    assert isinstance(task, BrowserTask)
    episodes = EPISODES if task.reusable else EPISODES_ON_FRESH_PAGES

    evaluation = evaluate([task], collector.policy, episodes=episodes, split="test", source=collector)

    assert evaluation.infrastructure_failures == 0
    assert evaluation.success >= MIN_SUCCESS
