"""Scoring a policy on tasks.

Every task is played on the same number of seeds. Episodes that the machine failed are played again, counted, and never
part of a rate. With a folder, finished episodes are kept, and a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.errors import ConfigError
from agentgym.evaluate.interval import Interval, wilson
from agentgym.evaluate.progress import Played
from agentgym.registry import make_world
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.rollout.store import TrajectoryStore
from agentgym.task import Split, Task, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from agentgym.policy.base import Policy
    from agentgym.rollout.collector import EpisodeSource


SHARD_EPISODES = 64  # episodes that are written to disk at once


@dataclass(frozen=True)
class TaskResult:
    """How a policy did on one task."""

    success: float
    """0 where no episode counts."""
    ci95: Interval
    episodes: int
    """Episodes that count: played to their end, with a verdict."""
    infrastructure_failures: int
    """Times that the machine failed an episode; most are played again and then count."""
    unplayed: int
    """Episodes that the machine failed every time, and that are in no rate."""
    mean_steps: float

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {**self.__dict__, "ci95": list(self.ci95)}


@dataclass(frozen=True)
class Evaluation:
    """How a policy did."""

    success: float
    """Mean over the episodes of all tasks; each task has the same number. 0 where none could be played."""
    ci95: Interval
    tasks: dict[str, TaskResult]
    steps: int
    """Actions taken in this process; episodes found on disk do not count."""
    seconds: float
    """How long these took."""
    left_out: tuple[str, ...] = ()
    """Ids of the tasks that the policy cannot play at all, such as those without an oracle for the oracle."""
    last_failure: str = ""
    """Task, kind and message of the newest failure of the machine; empty where there was none."""

    @property
    def steps_per_s(self) -> float:
        """Actions a second; 0 where all episodes were found on disk."""
        return self.steps / self.seconds if self.steps else 0.0

    @property
    def episodes(self) -> int:
        """Episodes that count."""
        return sum(task.episodes for task in self.tasks.values())

    @property
    def infrastructure_failures(self) -> int:
        """Times that the machine failed an episode."""
        return sum(task.infrastructure_failures for task in self.tasks.values())

    @property
    def unplayed(self) -> int:
        """Episodes that were wanted and could not be played: no rate holds them."""
        return sum(task.unplayed for task in self.tasks.values())

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as JSON types."""
        return {
            "success": self.success,
            "ci95": list(self.ci95),
            "tasks": {name: task.to_json() for name, task in self.tasks.items()},
            "unplayed": self.unplayed,
            "left_out": list(self.left_out),
            "steps": self.steps,
            "seconds": self.seconds,
            "steps_per_s": self.steps_per_s,
        }


@dataclass
class _Tally:
    """What is counted of a task while it is played."""

    episodes: int = 0
    successes: int = 0
    failures: int = 0
    steps: int = 0

    def add(self, trajectory: Trajectory) -> None:
        if trajectory.outcome == "infrastructure":
            self.failures += 1
            return
        self.episodes += 1
        self.successes += trajectory.success
        self.steps += len(trajectory.turns)

    def result(self, wanted: int) -> TaskResult:
        count = max(1, self.episodes)
        return TaskResult(
            success=self.successes / count,
            ci95=wilson(self.successes, self.episodes),
            episodes=self.episodes,
            infrastructure_failures=self.failures,
            unplayed=wanted - self.episodes,
            mean_steps=self.steps / count,
        )


def evaluate(
    tasks: Sequence[Task],
    policy: Policy,
    *,
    episodes: int,
    first_seed: int = 0,
    split: Split = "test",
    num_slots: int = 8,
    source: EpisodeSource | None = None,
    folder: Path | None = None,
    screenshots: bool = False,
    on_progress: Callable[[Played], None] | None = None,
) -> Evaluation:
    """Play ``episodes`` seeds of each task and return the success rates.

    Args:
        tasks: of one world; those that the policy cannot play at all are left out, and named in the result.
        policy: who plays.
        episodes: seeds of each task, >= 1.
        first_seed: index of the first seed in the split.
        split: whose seeds are used.
        num_slots: sessions that are open at once.
        source: plays the episodes instead of a collector that is opened for the purpose.
        folder: where trajectories are kept, and looked for; None keeps none.
        screenshots: whether observations, and so trajectories, carry screenshots; those of a policy that sees do.
        on_progress: called after each episode; counts those found on disk as done.

    Raises:
        ConfigError: no tasks, no episodes, tasks of different worlds, or none that the policy can play.
    """
    left_out = tuple(task.id for task in tasks if not policy.can_play(task))
    tasks = playable(tasks, policy)
    worlds = {task.world for task in tasks}
    if len(worlds) != 1 or episodes < 1:
        raise ConfigError(f"evaluate wants tasks of one world and episodes >= 1, got {sorted(worlds)} and {episodes}.")
    tallies: dict[str, _Tally] = {task.id: _Tally() for task in tasks}
    wanted = {
        EpisodeKey(task.id, seed_of(first_seed + index, split=split)): task
        for index in range(episodes)
        for task in tasks
    }
    store = None if folder is None else TrajectoryStore(folder)
    last_failure = ""
    for trajectory in [] if store is None else store.read():
        if trajectory.key in wanted:
            last_failure = _failure(trajectory) or last_failure
            tallies[trajectory.key.task_id].add(trajectory)
            if trajectory.outcome != "infrastructure":
                del wanted[trajectory.key]
    requests = [EpisodeRequest(key, task) for key, task in wanted.items()]
    played = _play(
        requests,
        policy,
        source=source,
        store=store,
        world_name=worlds.pop(),
        num_slots=min(num_slots, len(requests)),
        screenshots=screenshots,
    )
    began, steps = time.perf_counter(), 0
    with closing(played):  # what was played is kept, and the world closed, also when on_progress raises
        for trajectory in played:
            tallies[trajectory.key.task_id].add(trajectory)
            last_failure = _failure(trajectory) or last_failure
            steps += len(trajectory.turns)
            if on_progress is not None:
                done, successes = _count(tallies)
                on_progress(Played(done, successes / max(1, done), steps / (time.perf_counter() - began)))
    seconds = time.perf_counter() - began
    done, successes = _count(tallies)
    results = {name: tally.result(episodes) for name, tally in tallies.items()}
    rate, ci95 = successes / max(1, done), wilson(successes, done)
    return Evaluation(rate, ci95, results, steps, seconds, left_out, last_failure)


def playable(tasks: Sequence[Task], policy: Policy) -> list[Task]:
    """Return the tasks that a policy can play.

    Raises:
        ConfigError: there are tasks, and it can play none of them.
    """
    chosen = [task for task in tasks if policy.can_play(task)]
    if tasks and not chosen:
        which = tasks[0].id if len(tasks) == 1 else f"any of the {len(tasks)} tasks, such as {tasks[0].id}"
        raise ConfigError(
            f"The {policy.name} policy cannot play {which}: no scripted solution. `agentgym tasks` says which have one."
        )
    return chosen


def _failure(trajectory: Trajectory) -> str:
    return f"{trajectory.key.task_id}: {trajectory.reason}" if trajectory.outcome == "infrastructure" else ""


def _count(tallies: dict[str, _Tally]) -> tuple[int, int]:
    return sum(each.episodes for each in tallies.values()), sum(each.successes for each in tallies.values())


def _play(
    requests: Sequence[EpisodeRequest],
    policy: Policy,
    *,
    source: EpisodeSource | None,
    store: TrajectoryStore | None,
    world_name: str,
    num_slots: int,
    screenshots: bool,
) -> Generator[Trajectory]:
    """Play what is missing, keeping it; also what was played before an interruption is kept."""
    if not requests:
        return
    kept: list[Trajectory] = []
    with ExitStack() as stack:
        if store is not None:
            stack.callback(lambda: store.append(kept))
        if source is None:
            world = stack.enter_context(
                make_world(world_name, num_slots=num_slots, screenshot=screenshots or policy.sight.screenshots > 0)
            )
            source = Collector(world, policy)
        for trajectory in source.collect(requests):
            kept.append(trajectory)
            if store is not None and len(kept) >= SHARD_EPISODES:
                store.append(kept)
                kept.clear()
            yield trajectory
