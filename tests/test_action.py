"""The call dialect: every action survives being written and read, and nothing else is read as one."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import (
    ACTIONS,
    MAX_ELEMENT,
    MAX_TEXT,
    Action,
    Click,
    Done,
    Drag,
    Fill,
    Scroll,
    Type,
    Wait,
    describe_actions,
    format_action,
    parse,
    parse_completion,
)
from agentgym.errors import ActionError
from tests.action_strategies import actions, attempt


@given(actions())
def test_parse_reads_what_format_wrote(action: Action) -> None:
    text = format_action(action)
    assert parse(text) == action
    assert str(action) == text


@given(actions(), st.text())
def test_the_last_line_of_a_completion_is_its_action(action: Action, thought: str) -> None:
    assert parse_completion(f"{thought}\n{format_action(action)}\n \n") == action


@given(actions())
def test_an_action_is_written_on_one_line(action: Action) -> None:
    assert "\n" not in format_action(action)
    assert "\r" not in format_action(action)


@given(st.text())
def test_any_text_is_an_action_or_an_action_error(text: str) -> None:
    for read in (parse, parse_completion):
        outcome = attempt(read, text)
        assert isinstance(outcome, Action) or str(outcome).isprintable()


@given(
    st.sampled_from(["", *ACTIONS]),
    st.text(alphabet='()"\\,= 0123456789-.eE+ux_textlmnduao\n\t\u0663\ud800', max_size=60),
    st.sampled_from(["", ")", '")']),
)
def test_text_that_looks_like_a_call_is_an_action_or_an_action_error(name: str, inside: str, end: str) -> None:
    outcome = attempt(parse, f"{name}({inside}{end}")
    if isinstance(outcome, Action):
        assert parse(format_action(outcome)) == outcome
    else:
        assert str(outcome).isprintable()
        assert len(str(outcome)) < 400


@pytest.mark.parametrize("piece", ["(", "a", '"', "\\", ",", "1,", " ", "=", '"a",', "x=1,", "\n", "click(", "9"])
@pytest.mark.parametrize("frame", ["{}", "click({}", "click({})", 'type("{}")', "click(1{})"])
def test_a_megabyte_of_anything_is_read_quickly(frame: str, piece: str) -> None:
    text = frame.format(piece * (1_000_000 // len(piece)))
    started = time.process_time()
    for read in (parse, parse_completion):
        attempt(read, text)
    assert time.process_time() - started < 10  # linear: some 0.5 s; quadratic would be hours


@pytest.mark.parametrize("kind", ACTIONS.values())
def test_the_example_of_each_action_is_one(kind: type[Action]) -> None:
    assert isinstance(parse(kind.example), kind)
    assert kind.example in describe_actions()
    assert str(kind.__doc__) in describe_actions()


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("click(12)", Click(element=12)),
        ("  click( 12 )  ", Click(element=12)),
        ("click(x=3, y=4, count=2)", Click(x=3, y=4, count=2)),
        ('click(1, button="right")', Click(element=1, button="right")),
        ("drag(3, 7)", Drag(element=3, to_element=7)),
        ("scroll(0, -100)", Scroll(dx=0, dy=-100)),
        ('fill(0, "a\\n\\"b\\"")', Fill(element=0, text='a\n"b"')),
        ('type("click(3)")', Type(text="click(3)")),
        ("wait(5)", Wait(ms=5)),
        ("done()", Done()),
    ],
)
def test_calls_are_read(text: str, action: Action) -> None:
    assert parse(text) == action


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not an action"),
        ("click", "not an action"),
        ("push(3)", "No action"),
        ("click()", "either element or both"),
        ("click(x=3)", "either element or both"),
        ("click(1, x=3, y=4)", "either element or both"),
        ("click(-1)", "from 0 to"),
        (f"click({MAX_ELEMENT + 1})", "from 0 to"),
        ("click(1.5)", "Expected"),
        ("click(1e3)", "Expected"),
        ("click(1 2)", "Expected a comma"),
        ("click(1,)", "Expected a comma"),
        ("click(1); click(2)", "Expected a comma"),
        ("click(True)", "Expected an integer"),
        ("click('1')", "Expected an integer"),
        ('click("1")', "must be an integer"),
        ("click(element=1, element=2)", "unexpected argument"),
        ("click(element=1, 2)", "cannot follow"),
        ("click(where=1)", "unexpected argument"),
        ('click(1, button="side")', "button must be one of"),
        ("click(1, count=0)", "count must be"),
        ("fill(1)", "arguments are missing"),
        ("fill(1, 2)", "must be a string"),
        ("wait(1, 2)", "too many"),
        ('press("")', "keys is empty"),
        ('type("\\ud800")', "surrogate"),
        ('type("\\x")', "not a JSON string"),
        (f'type("{"a" * (MAX_TEXT + 1)}")', "at most"),
        ("__import__('os').system('true')", "No action"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(ActionError, match=said):
        parse(text)


def test_a_completion_without_a_line_is_refused() -> None:
    with pytest.raises(ActionError, match="empty"):
        parse_completion(" \n\t\n")


def test_an_action_above_the_last_line_is_thought() -> None:
    with pytest.raises(ActionError):
        parse_completion("click(1)\nthat was it")


def test_integers_of_numpy_are_integers() -> None:
    seven: Any = np.int64(7)
    click = Click(element=seven)
    assert click == Click(element=7)
    assert format_action(click) == "click(7)"
    true: Any = np.bool_(True)
    with pytest.raises(ActionError):
        Click(element=true)
