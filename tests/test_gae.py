"""Generalised advantage estimation on two clocks, against the definition written out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.train.gae import TwoClockGAE, explained_variance, whiten

number = st.floats(-2, 2, allow_subnormal=False)
share = st.floats(0, 1, allow_subnormal=False)


class Episode(NamedTuple):
    rewards: list[float]
    values: list[np.ndarray]
    last_value: float


@st.composite
def episodes(draw: st.DrawFn, *, tokens: int = 5) -> Episode:
    turns = draw(st.integers(1, 5))
    lengths = [draw(st.integers(1, tokens)) for _ in range(turns)]
    values = [np.array(draw(st.lists(number, min_size=length, max_size=length))) for length in lengths]
    return Episode(draw(st.lists(number, min_size=turns, max_size=turns)), values, draw(number))


gaes = st.builds(TwoClockGAE, share, share, share, share)
monte_carlo = st.builds(TwoClockGAE, share, st.just(1.0), share, st.just(1.0))


def naive(gae: TwoClockGAE, episode: Episode) -> list[list[float]]:
    """Each advantage as the sum over all temporal differences that it is made of, none of them shared."""
    rewards, values, last = episode
    starts = [*(value[0] for value in values), last]  # of the observations
    g, k = gae.turn_discount, gae.token_discount

    def at_last_token(turn: int) -> float:
        """The turn's return: its reward, what the next observation is worth, and how wrong that turned out to be."""
        total, weight = rewards[turn] + g * starts[turn + 1], g
        for later in range(turn + 1, len(values)):
            reach = k ** (len(values[later]) - 1)  # from its first token to its last
            weight *= gae.turn_lambda
            total += weight * (reach * (rewards[later] + g * starts[later + 1]) - starts[later])
            weight *= reach * g
        return float(total)

    found = []
    for turn, value in enumerate(values):
        after = [*value[1:], at_last_token(turn)]
        discounts = [k] * (len(value) - 1) + [1.0]
        differences = [d * b - a for a, b, d in zip(value, after, discounts, strict=True)]
        found.append(
            [
                sum(
                    (k * gae.token_lambda) ** (place - first) * differences[place] for place in range(first, len(value))
                )
                for first in range(len(value))
            ]
        )
    return found


@given(gaes, episodes())
def test_advantages_are_what_the_definition_written_out_gives(gae: TwoClockGAE, episode: Episode) -> None:
    found = gae(episode.rewards, episode.values, last_value=episode.last_value)
    for turn, expected in zip(found, naive(gae, episode), strict=True):
        assert turn == pytest.approx(expected, abs=1e-9)


@given(share, share, episodes(tokens=1))
def test_turns_of_one_token_have_plain_gae(discount: float, lambda_: float, episode: Episode) -> None:
    rewards, values, last = episode
    found = TwoClockGAE(discount, lambda_, 0.3, 0.7)(rewards, values, last_value=last)
    advantage, following = 0.0, last
    for turn in reversed(range(len(rewards))):  # J. Schulman et al. 2016, equation 16, backwards
        difference = rewards[turn] + discount * following - values[turn][0]
        advantage = difference + discount * lambda_ * advantage
        following = values[turn][0]
        assert found[turn][0] == pytest.approx(advantage, abs=1e-9)


@given(st.floats(0, 1), share, episodes(), st.data())
def test_longer_completions_change_nothing_for_other_turns(
    lambda_: float, token_lambda: float, episode: Episode, data: st.DataObject
) -> None:
    gae = TwoClockGAE(0.9, lambda_, 1.0, token_lambda)
    place = data.draw(st.integers(0, len(episode.rewards) - 1))
    longer = [
        np.append(value, data.draw(st.lists(number, min_size=1, max_size=4))) if turn == place else value
        for turn, value in enumerate(episode.values)
    ]
    found = gae(episode.rewards, episode.values, last_value=episode.last_value)
    again = gae(episode.rewards, longer, last_value=episode.last_value)
    for turn in range(len(found)):
        if turn != place:
            assert again[turn] == pytest.approx(found[turn], abs=1e-9)


@given(monte_carlo, episodes())
def test_with_lambdas_of_one_the_critic_learns_what_came_of_it(gae: TwoClockGAE, episode: Episode) -> None:
    found = gae(episode.rewards, episode.values, last_value=episode.last_value)
    total = episode.last_value
    for turn in reversed(range(len(found))):
        total = episode.rewards[turn] + gae.turn_discount * total
        returns = found[turn] + episode.values[turn]
        for token in reversed(range(len(returns))):
            assert returns[token] == pytest.approx(total, abs=1e-9)
            if token:
                total *= gae.token_discount


def test_an_episode_that_was_cut_off_goes_on_from_the_value_of_its_last_observation() -> None:
    values = [np.zeros(2), np.zeros(2)]
    ended = TwoClockGAE(0.5, 1.0)([0.0, 0.0], values)
    cut_off = TwoClockGAE(0.5, 1.0)([0.0, 0.0], values, last_value=1.0)
    assert [each.tolist() for each in ended] == [[0, 0], [0, 0]]
    assert [each.tolist() for each in cut_off] == [[0.25, 0.25], [0.5, 0.5]]


def test_the_reward_of_a_turn_without_tokens_goes_to_the_turn_before() -> None:
    found = TwoClockGAE(0.5, 0.0)([0.25, 1.0], [np.zeros(2), np.zeros(0)])
    assert [each.tolist() for each in found] == [[0.75, 0.75], []]


@given(st.lists(st.lists(number, max_size=6).map(np.array), max_size=5))
def test_whitened_numbers_have_mean_nought_and_deviation_one(arrays: list[np.ndarray]) -> None:
    found = whiten(arrays)
    assert [each.shape for each in found] == [each.shape for each in arrays]
    together = np.concatenate([np.empty(0), *found])
    before = np.concatenate([np.empty(0), *arrays])
    if len(together) and before.std() > 1e-6:
        assert together.mean() == pytest.approx(0, abs=1e-6)
        assert together.std() == pytest.approx(1)
        assert together * before.std() + before.mean() == pytest.approx(before)
    else:
        assert np.isfinite(together).all()


def test_explained_variance_is_the_share_of_what_was_foreseen() -> None:
    returns = np.array([0.0, 1.0, 0.0, 1.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(np.full(4, 0.5), returns) == 0
    assert explained_variance(1 - returns, returns) < 0
    assert math.isnan(explained_variance(returns, np.ones(4)))
