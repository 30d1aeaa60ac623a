"""Rewards of turns, and what groups make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.episode import EpisodeKey, Trajectory, Turn
from agentgym.train.advantage import GroupAdvantage, group_advantages
from agentgym.train.rewards import Shaping

FINE = Turn("", "click(1)", "click(1)", "")
INVALID = Turn("", "click(77)", "click(77)", "no element 77")
MALFORMED = Turn("", "hm", "", "'hm' is not an action")

shapings = st.builds(Shaping, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))


def trajectory(*turns: Turn, score: float = 1.0, each: float = 0.05) -> Trajectory:
    penalty = each * sum(not turn.action for turn in turns)
    return Trajectory(EpisodeKey("toy/press", 0), "", turns, "failure", score, penalty=penalty)


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    turns = draw(st.lists(st.sampled_from([FINE, INVALID, MALFORMED]), min_size=1, max_size=6))
    return trajectory(*turns, score=draw(st.floats(0, 1)), each=draw(st.floats(0, 1)))


groups = st.lists(trajectories(), min_size=1, max_size=6)


def test_each_penalty_is_on_its_own_turn_and_the_score_on_the_last() -> None:
    played = trajectory(FINE, MALFORMED, INVALID, MALFORMED, each=0.25)
    assert Shaping().rewards(played) == pytest.approx((0, -0.25, 0, 0.75))
    shaping = Shaping(step_penalty=0.1, invalid_penalty=0.5)
    assert shaping.rewards(played) == pytest.approx((-0.1, -0.35, -0.6, 0.65))


@given(shapings, trajectories())
def test_the_return_of_an_episode_is_the_discounted_sum_of_its_rewards(shaping: Shaping, played: Trajectory) -> None:
    expected = sum(shaping.discount**turn * reward for turn, reward in enumerate(shaping.rewards(played)))
    assert shaping.episode_return(played) == pytest.approx(expected, abs=1e-9)
    earlier = shaping.earlier(played)
    rest = shaping.discount ** (len(earlier) - 1) * shaping.rewards(played)[-1]
    assert earlier[0] == 0
    assert earlier[-1] + rest == pytest.approx(expected, abs=1e-9)


@given(trajectories())
def test_without_shaping_the_return_is_the_reward_to_the_last_bit(played: Trajectory) -> None:
    assert Shaping().episode_return(played) == played.reward


def test_a_penalty_of_no_known_turn_is_not_lost() -> None:
    played = Trajectory(EpisodeKey("toy/press", 0), "", (FINE, FINE), "success", 1.0, penalty=0.5)
    assert Shaping().rewards(played) == (0, 0.5)


def test_what_the_machine_failed_has_no_rewards() -> None:
    failed = Trajectory(EpisodeKey("toy/press", 0), "", (FINE,), "infrastructure", None, "gone")
    with pytest.raises(ValueError, match="it has no reward"):
        Shaping().rewards(failed)


@pytest.mark.parametrize("estimator", ["grpo", "rloo"])
@given(group=groups)
def test_turns_share_the_advantage_of_their_episode(estimator: str, group: list[Trajectory]) -> None:
    found = GroupAdvantage(estimator)(group)  # type: ignore[arg-type]  # of two
    expected = group_advantages([each.reward for each in group], estimator)  # type: ignore[arg-type]  # of two
    assert found == [(value,) * len(each.turns) for value, each in zip(expected, group, strict=True)]


@given(shapings, groups)
def test_credit_by_turn_differs_by_what_was_paid_before_alone(shaping: Shaping, group: list[Trajectory]) -> None:
    whole = GroupAdvantage("rloo", shaping)(group)
    by_turn = GroupAdvantage("rloo", shaping, "turn")(group)
    for each, advantages, found in zip(group, whole, by_turn, strict=True):
        assert found[0] == advantages[0]
        rewards = shaping.rewards(each)
        for turn in range(len(rewards)):
            paid = sum(shaping.discount**before * rewards[before] for before in range(turn))
            expected = advantages[turn] - (paid if len(group) > 1 else 0)
            assert found[turn] == pytest.approx(expected, abs=1e-9)


def test_a_turn_is_not_blamed_for_penalties_before_it() -> None:
    clumsy, clean = trajectory(MALFORMED, FINE, each=0.5), trajectory(FINE, FINE)
    assert GroupAdvantage()([clumsy, clean]) == [(-0.25, -0.25), (0.25, 0.25)]
    assert GroupAdvantage(credit="turn")([clumsy, clean]) == [(-0.25, 0.25), (0.25, 0.25)]
