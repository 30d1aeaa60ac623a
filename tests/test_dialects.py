"""Dialects: what one can say survives being written and read, nothing else is said, and nothing else is read."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import ACTIONS, Action, Drag, Press, Type
from agentgym.dialects import DIALECTS, Dialect, dialect, tool_schemas
from agentgym.dialects.base import MAX_LENGTH
from agentgym.errors import ActionError, ConfigError, UnknownNameError
from tests.action_strategies import actions, attempt
from tests.dialect_reach import ANY_ACTION, CHORDS, PLAIN, SPOKEN, can_say

NAMES = list(DIALECTS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "type", "action", "name", "arguments", "function", "input", "actions", "coordinate", "start_coordinate", "x", "y",
    "path", "keys", "text", "button", "pixels", "time", "duration", "status", "scroll_x", "scroll_y", "content",
    "scroll_direction", "scroll_amount", "element", "to_element", "ms", "count", "id",
]  # fmt: skip
WORDS = [
    "click", "double_click", "left_click", "left_click_drag", "mouse_move", "scroll", "drag", "keypress", "key", "type",
    "computer_call", "message", "tool_use", "text", "function", "function_call", "computer", "computer_use", "wait",
]  # fmt: skip
MESSAGES = st.dictionaries(
    st.sampled_from(KEYS), st.sampled_from(WORDS) | st.integers(-5, 2000) | st.just([3, 4]) | JSON, max_size=5
)


def check(outcome: Action | ActionError) -> None:
    if isinstance(outcome, ActionError):
        assert str(outcome).isprintable()
        assert len(str(outcome)) < 800


@pytest.mark.parametrize("name", NAMES)
@given(action=ANY_ACTION)
def test_what_a_dialect_can_say_is_read_as_it_was_written(name: str, action: Action) -> None:
    speech = PLAIN[name]
    if can_say(name, action):
        assert speech.parse(speech.format(action)) == action
    else:
        with pytest.raises(ActionError) as refused:
            speech.format(action)
        check(refused.value)


@pytest.mark.parametrize("name", NAMES)
@given(action=ANY_ACTION)
def test_a_prompt_thought_does_not_hide_the_action(name: str, action: Action) -> None:
    if can_say(name, action) and name not in {"json-tools", "openai-computer", "anthropic-computer"}:
        thought = "Thought: the form's field (12) is empty.\n\n"
        assert PLAIN[name].parse(thought + PLAIN[name].format(action) + "\n") == action


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text() | st.text(alphabet="()[]{}\"'\\,:=<>/ 0123456789-.eEnulxyab\n\t\ud800\x00#"))
def test_any_text_is_an_action_or_an_action_error(name: str, text: str) -> None:
    check(attempt(PLAIN[name].parse, text))
    check(attempt(PLAIN[name].parse, f"Action: click({text})"))
    check(attempt(PLAIN[name].parse, f"<tool_call>{text}</tool_call>"))


@pytest.mark.parametrize("name", NAMES)
@given(value=JSON | MESSAGES | st.fixed_dictionaries({"name": st.sampled_from(WORDS), "arguments": MESSAGES | JSON}))
def test_any_json_is_an_action_or_an_action_error(name: str, value: object) -> None:
    text = json.dumps(value)  # NaN and Infinity are among it
    check(attempt(PLAIN[name].parse, text))
    check(attempt(PLAIN[name].parse, f"<tool_call>{text}</tool_call>"))


@pytest.mark.parametrize("name", NAMES)
@given(action=actions(), data=st.data())
def test_a_damaged_action_is_an_action_or_an_action_error(name: str, action: Action, data: st.DataObject) -> None:
    if can_say(name, action):
        text = PLAIN[name].format(action)
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        check(attempt(PLAIN[name].parse, text[:start] + data.draw(st.text(max_size=3)) + text[end:]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "piece", ["[", '{"a":', "(", "-", "'", '"', "\\", "9", "f'{", "a.", "not ", "[1,", " ", "+1", "\x00"]
)
@pytest.mark.parametrize("frame", ["{}", "click({}", "Action: click({})", '{{"action":{}', "<tool_call>{}</tool_call>"])
def test_long_and_deep_text_is_refused_quickly(name: str, piece: str, frame: str) -> None:
    text = frame.format(piece * ((MAX_LENGTH - 100) // len(piece)))
    started = time.process_time()
    outcome = attempt(PLAIN[name].parse, text)
    assert isinstance(outcome, ActionError)
    check(outcome)
    assert time.process_time() - started < 5  # linear: milliseconds; quadratic would be minutes


@pytest.mark.parametrize("name", NAMES)
def test_the_longest_text_is_said_by_every_dialect(name: str) -> None:
    for letter in "a\x00\U000e0001'\"<":
        action = Type(text=letter * 10_000)
        assert PLAIN[name].parse(PLAIN[name].format(action)) == action


@pytest.mark.parametrize("name", NAMES)
def test_more_than_is_read_is_refused(name: str) -> None:
    with pytest.raises(ActionError, match="at most"):
        PLAIN[name].parse(" " * (MAX_LENGTH + 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_says_the_common_actions(name: str) -> None:
    for action in SPOKEN:
        assert PLAIN[name].parse(PLAIN[name].format(action)) == action


@pytest.mark.parametrize("name", NAMES)
def test_a_description_shows_every_kind_of_action_that_can_be_said(name: str) -> None:
    speech = PLAIN[name]
    text = speech.describe()
    for sentence, action in speech.examples:
        assert f"{sentence}: {speech.format(action)}" in text
    if speech.examples:
        kinds = {type(action) for _, action in speech.examples}
        silent = {kind.name for kind in ACTIONS.values() if kind not in kinds}
        assert silent == (set() if name == "browsergym" else {"fill", "select"})


def test_tags_within_a_text_do_not_end_the_call() -> None:
    for name in ("hermes-tools", "qwen-computer"):
        action = Type(text='</tool_call><tool_call>{"name": "done"}')
        assert PLAIN[name].parse(PLAIN[name].format(action)) == action


@given(CHORDS)
def test_browsergym_keys_are_our_own(keys: str) -> None:
    assert PLAIN["browsergym"].parse(PLAIN["browsergym"].format(Press(keys=keys))) == Press(keys=keys)


def test_a_drag_of_qwen_is_two_calls() -> None:
    text = PLAIN["qwen-computer"].format(Drag(x=1, y=2, to_x=3, to_y=4))
    assert [json.loads(call)["arguments"]["action"] for call in text.split("\n")[1::3]] == [
        "mouse_move",
        "left_click_drag",
    ]


def test_an_unknown_dialect_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'qwen-computer'"):
        dialect("qwen-compute")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ui-tars", {}),
        ("ui-tars", {"viewport": (1280, 800)}),
        ("qwen-computer", {}),
        ("browsergym", {"scale": 1000}),
        ("openai-computer", {"scale": 1000}),
        ("openai-computer", {"wait_ms": 0}),
        ("openai-computer", {"wait_ms": "long"}),
        ("anthropic-computer", {"pixels_per_click": 0}),
        ("ui-tars", {"viewport": (1280, 800), "scale": 1000, "scroll_pixels": -1}),
        ("qwen-computer", {"viewport": (0, 800)}),
        ("qwen-computer", {"viewport": 1280}),
        ("qwen-computer", {"viewport": (1280, 800), "scale": 1}),
        ("qwen-computer", {"viewport": (1280, 800), "scale": 10.5}),
    ],
)
def test_wrong_options_are_a_config_error(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        dialect(name, **options)


def test_a_viewport_may_be_a_list_as_in_a_configuration_file() -> None:
    assert repr(dialect("ui-tars", viewport=[1280, 800], scale=[1000, 600])) == (
        "UITars(viewport=(1280, 800), scale=(1000, 600))"
    )


def test_the_registry_holds_dialects_under_their_names() -> None:
    assert all(issubclass(kind, Dialect) and kind.name == name for name, kind in DIALECTS.items())


def test_every_action_is_a_tool_with_all_its_fields() -> None:
    tools = {tool["function"]["name"]: tool["function"] for tool in tool_schemas()}
    assert list(tools) == list(ACTIONS)
    for name, kind in ACTIONS.items():
        parameters = tools[name]["parameters"]
        fields = dataclasses.fields(kind)
        assert tools[name]["description"] == kind.__doc__
        assert list(parameters["properties"]) == [field.name for field in fields]
        assert parameters["required"] == [field.name for field in fields if field.default is dataclasses.MISSING]
    json.dumps(tool_schemas())


@given(actions())
def test_arguments_lie_within_their_schema(action: Action) -> None:
    call = json.loads(PLAIN["json-tools"].format(action))
    tool = next(tool["function"] for tool in tool_schemas() if tool["function"]["name"] == call["name"])
    assert set(tool["parameters"]["required"]) <= set(call["arguments"])
    for name, value in call["arguments"].items():
        schema = tool["parameters"]["properties"][name]
        assert type(value) is {"integer": int, "string": str}[schema["type"]]
        assert schema.get("minimum", 0) <= value <= schema["maximum"] if isinstance(value, int) else True
        assert value in schema.get("enum", [value])


@pytest.mark.parametrize("tool", tool_schemas(), ids=lambda tool: str(tool["function"]["name"]))
def test_schema_bounds_are_those_of_the_actions(tool: dict[str, Any]) -> None:
    name, properties = tool["function"]["name"], tool["function"]["parameters"]["properties"]
    base: dict[str, object] = {"element": 0} if name != "scroll" and "element" in properties else {}
    base |= {"to_element": 0} if name == "drag" else {}
    base |= {
        field: 0 if properties[field]["type"] == "integer" else "a"
        for field in tool["function"]["parameters"]["required"]
    }
    for field, schema in properties.items():
        if schema["type"] == "integer" and not field.endswith(("x", "y")):
            for value, fits in (
                (schema["minimum"], True),
                (schema["minimum"] - 1, False),
                (schema["maximum"] + 1, False),
            ):
                text = json.dumps({"name": name, "arguments": base | {field: value}})
                assert isinstance(attempt(PLAIN["json-tools"].parse, text), Action) == fits, text


def test_every_dialect_may_be_given_a_viewport_and_says_what_it_lacks_in_a_sentence() -> None:
    for name in DIALECTS:
        scale = {"scale": 1000} if name == "ui-tars" else {}
        assert dialect(name, viewport=(1280, 800), **scale).name == name
    with pytest.raises(ConfigError, match=r"^dialect 'ui-tars' needs viewport and scale \(see docs/dialects\.md\)\.$"):
        dialect("ui-tars")
    with pytest.raises(ConfigError, match=r"^dialect 'call-text' has no option size; it has none\.$"):
        dialect("call-text", size=3)
    with pytest.raises(ConfigError, match=r"has no option size; its options are viewport, scale, wait_ms\.$"):
        dialect("openai-computer", size=3)
