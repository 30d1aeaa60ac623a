"""Rewards that compare states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.episode import Score
from agentgym_rewards import fields_match, items_match, text_matches

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(ANYTHING)
def test_a_state_of_any_shape_is_scored(state: object) -> None:
    for score in (text_matches(state, "a"), fields_match(state, {"a": "b"}), items_match(state, ["a"])):
        assert isinstance(score, Score)
        assert score.value in (0, 1)
        assert len(score.reason) < 300


@given(st.text())
def test_a_text_matches_itself(text: str) -> None:
    assert text_matches(text, text).value == 1
    assert text_matches(f"  {text}\n", text).value == 1


@given(st.lists(st.text()))
def test_a_list_matches_itself_in_any_order(items: list[str]) -> None:
    assert items_match(items[::-1], items).value == 1
    assert items_match(items, items, ordered=True).value == 1


@pytest.mark.parametrize(
    ("score", "value", "said"),
    [
        (text_matches("Ann  Lee", "Ann Lee"), 1, "is 'Ann Lee'"),
        (text_matches("ann", "Ann"), 0, "expected 'Ann', found 'ann'"),
        (text_matches("ann", "Ann", ignore_case=True), 1, ""),
        (text_matches(None, "Ann"), 0, "found None"),
        (text_matches("x" * 999, "Ann"), 0, "..."),
        (fields_match({"name": "Ann", "age": "3"}, {"name": "Ann"}), 1, "all 1 fields"),
        (fields_match({"name": "Bob"}, {"name": "Ann", "age": "3"}), 0, "name: expected 'Ann', found 'Bob'; age:"),
        (fields_match({"name": "ANN"}, {"name": "Ann"}, ignore_case=True), 1, ""),
        (fields_match([], {"name": "Ann"}), 0, "expected fields"),
        (items_match(["b", "a"], ["a", "b"]), 1, "all 2"),
        (items_match(["b", "a"], ["a", "b"], ordered=True), 0, "expected ['a', 'b']"),
        (items_match(["a"], ["a", "a"]), 0, "found ['a']"),
        (items_match("ab", ["a", "b"]), 0, "expected a list"),
        (items_match(["a", 1], ["a", "1"]), 0, "list of texts"),
    ],
)
def test_scores_say_what_was_found(score: Score, value: float, said: str) -> None:
    assert score.value == value
    assert said in score.reason
