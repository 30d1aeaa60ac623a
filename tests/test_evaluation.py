"""Scoring: the interval, and evaluations that fail, stop and go on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console

from agentgym.errors import ConfigError, SessionCrashedError, SessionTimeoutError
from agentgym.evaluate.evaluation import SHARD_EPISODES, Evaluation, evaluate
from agentgym.evaluate.interval import Interval, wilson
from agentgym.evaluate.progress import Played, show_progress
from agentgym.policy.oracle import OraclePolicy
from agentgym.policy.random import RandomPolicy
from agentgym.rollout.collector import Collector
from agentgym.rollout.store import TrajectoryStore
from agentgym.task import TEST_SEEDS, Split, seed_of
from tests.toy_world import TOY, PressTask, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agentgym.errors import InfrastructureError
    from agentgym.observation import Observation
    from agentgym.task import Instance

PRESS, FILL = TOY["toy/press"], TOY["toy/fill"]
COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


class Stop(Exception):  # noqa: N818 (not an error: the test stops here)
    """What an interruption looks like."""


class Elsewhere(PressTask):
    id = "moon/press"
    world = "moon"


class BadSeedsWorld(ToyWorld):
    """A toy on which some episodes can never start."""

    bad: frozenset[tuple[str, int]] = frozenset()

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        for slot, (task, seed) in instances.items():
            if (task.id, seed) in self.bad:
                self.fail(slot, SessionTimeoutError("never comes up"))
        return super().reset(instances)


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [  # R. G. Newcombe (1998), Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_have_the_published_values(successes: int, episodes: int, low: float, high: float) -> None:
    assert wilson(successes, episodes) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS)
def test_a_wilson_interval_holds_the_rate_stays_in_0_to_1_and_mirrors_failures(counts: tuple[int, int]) -> None:
    successes, episodes = counts
    low, high = wilson(successes, episodes)
    assert 0 <= low <= successes / episodes <= high <= 1
    assert low < high
    assert wilson(episodes - successes, episodes) == pytest.approx((1 - high, 1 - low))


@given(COUNTS, st.integers(2, 9))
def test_a_wilson_interval_is_narrower_with_more_episodes_of_the_same_rate(counts: tuple[int, int], times: int) -> None:
    (low, high), (closer, nearer) = wilson(*counts), wilson(counts[0] * times, counts[1] * times)
    assert nearer - closer < high - low


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_impossible_counts_raise(successes: int, episodes: int) -> None:
    assume(not 0 <= successes <= episodes)
    with pytest.raises(ValueError, match="successes must lie in"):
        wilson(successes, episodes)


def test_nothing_played_says_nothing() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


@given(st.integers(0, TEST_SEEDS - 1), st.integers(0, 10**9))
def test_train_and_test_seeds_never_meet(train: int, test: int) -> None:
    assert seed_of(train, split="train") < TEST_SEEDS <= seed_of(test, split="test")


@pytest.mark.parametrize(("index", "split"), [(-1, "test"), (2**31, "test"), (-1, "train"), (TEST_SEEDS, "train")])
def test_a_seed_outside_of_its_split_raises(index: int, split: Split) -> None:
    with pytest.raises(ConfigError, match="outside of"):
        seed_of(index, split=split)


@pytest.mark.usefixtures("toy_plugin")
@pytest.mark.parametrize(("split", "first"), [("test", TEST_SEEDS + 2), ("train", 2)])
def test_every_task_is_played_on_the_same_seeds(tmp_path: Path, split: Split, first: int) -> None:
    result = evaluate(TOY.tasks, OraclePolicy(), episodes=6, first_seed=2, split=split, folder=tmp_path)

    played = list(TrajectoryStore(tmp_path).read())
    for task in TOY.tasks:
        assert sorted(each.key.seed for each in played if each.key.task_id == task.id) == list(range(first, first + 6))
    assert (result.success, result.episodes, result.unplayed, result.infrastructure_failures) == (1.0, 12, 0, 0)
    assert {name: task.mean_steps for name, task in result.tasks.items()} == {"toy/press": 1.0, "toy/fill": 2.0}
    assert result.steps == 18
    assert result.ci95 == wilson(12, 12)
    assert result.to_json()["tasks"]["toy/fill"]["ci95"] == list(wilson(6, 6))


@pytest.mark.usefixtures("toy_plugin")
def test_the_random_policy_scores_the_same_again_and_in_other_numbers_of_slots() -> None:
    def rates(slots: int) -> dict[str, float]:
        result = evaluate(TOY.tasks, RandomPolicy(seed=2), episodes=30, num_slots=slots)
        return {name: task.success for name, task in result.tasks.items()}

    once = rates(8)
    assert once == rates(8) == rates(3)
    assert 0 < once["toy/press"] < 1


@pytest.mark.usefixtures("toy_plugin")
def test_an_evaluation_that_was_stopped_goes_on_without_playing_anything_twice(tmp_path: Path) -> None:
    episodes = SHARD_EPISODES  # of each of two tasks, so that a whole shard and a part of one are kept
    whole = evaluate(TOY.tasks, RandomPolicy(), episodes=episodes)

    def stop(played: Played) -> None:
        if played.done == SHARD_EPISODES + 9:
            raise Stop

    with pytest.raises(Stop) as stopped:
        evaluate(TOY.tasks, RandomPolicy(), episodes=episodes, folder=tmp_path, on_progress=stop)
    kept = [each.key for each in TrajectoryStore(tmp_path).read()]  # while the error and its frames are still there
    assert len(kept) == SHARD_EPISODES + 9, stopped

    seen: list[Played] = []
    result = evaluate(TOY.tasks, RandomPolicy(), episodes=episodes, folder=tmp_path, on_progress=seen.append)

    keys = [each.key for each in TrajectoryStore(tmp_path).read()]
    assert keys[: len(kept)] == kept
    assert len(keys) == len(set(keys)) == 2 * episodes
    assert [each.done for each in seen] == list(range(len(kept) + 1, 2 * episodes + 1))
    assert result.tasks == whole.tasks
    assert result.success == whole.success == seen[-1].success

    found = evaluate(TOY.tasks, RandomPolicy(), episodes=episodes, folder=tmp_path)
    assert (found.tasks, found.steps, found.steps_per_s) == (whole.tasks, 0, 0.0)


def test_a_failed_machine_is_counted_apart_and_its_episode_played_again() -> None:
    world = ToyWorld(num_slots=4)
    world.fail(1, SessionCrashedError("gone"))
    result = evaluate([PRESS], OraclePolicy(), episodes=8, source=Collector(world, OraclePolicy()))
    assert (result.success, result.episodes, result.infrastructure_failures, result.unplayed) == (1.0, 8, 1, 0)


def test_episodes_that_could_never_be_played_are_shown_and_in_no_rate(tmp_path: Path) -> None:
    world = BadSeedsWorld(num_slots=4)
    world.bad = frozenset({(PRESS.id, TEST_SEEDS), *((FILL.id, TEST_SEEDS + index) for index in range(5))})

    def score(world: ToyWorld) -> Evaluation:
        return evaluate(TOY.tasks, OraclePolicy(), episodes=5, source=Collector(world, OraclePolicy()), folder=tmp_path)

    result = score(world)
    press, fill = result.tasks[PRESS.id], result.tasks[FILL.id]
    assert (press.success, press.episodes, press.infrastructure_failures, press.unplayed) == (1.0, 4, 3, 1)
    assert (fill.episodes, fill.infrastructure_failures, fill.unplayed) == (0, 15, 5)
    assert fill.ci95 == Interval(0.0, 1.0)
    assert (result.success, result.unplayed, result.to_json()["unplayed"]) == (1.0, 6, 6)

    healed = score(ToyWorld(num_slots=4))
    assert (healed.success, healed.episodes, healed.unplayed) == (1.0, 10, 0)
    assert healed.infrastructure_failures == 18  # those of the first call are still known


def test_what_cannot_be_evaluated_is_told() -> None:
    for tasks, episodes in (([], 1), ([PRESS], 0), ([PRESS, Elsewhere()], 1)):
        with pytest.raises(ConfigError, match="tasks of one world and episodes >= 1"):
            evaluate(tasks, RandomPolicy(), episodes=episodes)


def test_progress_in_a_log_ends_with_a_line_of_everything() -> None:
    written = io.StringIO()
    with show_progress(Console(file=written, force_terminal=False), "[scoring]", total=3, unit="episodes") as progress:
        for done in (1, 2, 3):
            progress(Played(done, 0.5, 12.3))
    assert written.getvalue() == "[scoring]: 3/3 episodes  success 0.50  12 steps/s  0.0 min left\n"


def test_progress_on_a_terminal_moves_a_bar() -> None:
    written = io.StringIO()
    with show_progress(Console(file=written, force_terminal=True), "scoring", total=2, unit="episodes") as progress:
        progress(Played(2, 1.0, 8.0))
    assert "2/2" in written.getvalue()
    assert "success 1.00" in written.getvalue()
