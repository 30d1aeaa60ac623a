"""Advantage estimators: each member of a group against the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.train.advantage import ESTIMATORS, GroupEstimator, group_advantages

rewards = st.lists(st.floats(-10, 1), min_size=2, max_size=32)
estimators = st.sampled_from(sorted(ESTIMATORS))


def naive(values: list[float], estimator: GroupEstimator) -> list[float]:
    """The papers' formulas, one member at a time."""
    found = []
    for index, value in enumerate(values):
        others = [other for place, other in enumerate(values) if place != index]
        compared = values if estimator == "grpo" else others
        found.append(value - sum(compared) / len(compared))
    return found


@given(rewards, estimators)
def test_advantages_of_a_group_sum_to_zero(values: list[float], estimator: GroupEstimator) -> None:
    assert sum(group_advantages(values, estimator)) == pytest.approx(0, abs=1e-9)


@given(rewards, estimators)
def test_advantages_are_what_a_loop_over_the_formula_gives(values: list[float], estimator: GroupEstimator) -> None:
    assert group_advantages(values, estimator) == pytest.approx(naive(values, estimator), abs=1e-9)


@given(rewards, estimators, st.floats(-5, 5))
def test_what_all_rewards_have_in_common_does_not_count(
    values: list[float], estimator: GroupEstimator, shift: float
) -> None:
    shifted = group_advantages([value + shift for value in values], estimator)
    assert shifted == pytest.approx(group_advantages(values, estimator), abs=1e-9)


@given(st.floats(-10, 1), st.integers(2, 32), estimators)
def test_a_group_of_equal_rewards_teaches_nothing(value: float, size: int, estimator: GroupEstimator) -> None:
    assert group_advantages([value] * size, estimator) == pytest.approx([0.0] * size, abs=1e-12)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_a_group_of_one_or_none_has_nobody_to_compare_with(estimator: GroupEstimator) -> None:
    assert group_advantages([0.7], estimator) == [0.0]
    assert group_advantages([], estimator) == []
