"""What oracles do in the desktop suite's tasks, played for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.policy.oracle import OraclePolicy
from agentgym.rollout.collector import Collector, EpisodeRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym_desktop.task import DesktopTask
    from agentgym_desktop.world import DesktopWorld


def play(
    world: DesktopWorld, tasks: Sequence[DesktopTask], request: pytest.FixtureRequest, test: str
) -> dict[str, Trajectory]:
    """Let oracles play, in all of a world's slots; return what they did by the task's id.

    One that fails plays a second seed: PCManFM ends by itself in one of a hundred drags (GTK 2's BadWindow).

    Args:
        world: where.
        tasks: of which those are played that a test is to be run for.
        request: the fixture's, which knows what is to be run.
        test: name of the test, parametrised with the tasks.
    """
    items = [each for each in request.session.items if isinstance(each, pytest.Function)]
    wanted = {each.callspec.id for each in items if each.originalname == test}
    found: dict[str, Trajectory] = {}
    for seed in range(2):
        left = [task for task in tasks if task.id in wanted and not (task.id in found and found[task.id].success)]
        requests = [EpisodeRequest(EpisodeKey(task.id, seed), task) for task in left]
        trajectories = Collector(world, OraclePolicy()).collect(requests)
        found |= {each.key.task_id: each for each in trajectories if each.outcome != "infrastructure"}
    return found
