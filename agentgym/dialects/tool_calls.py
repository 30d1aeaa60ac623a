"""Tool calls: one tool an action, its arguments the action's fields.

`JsonTools` writes the object ``{"name": "click", "arguments": {"element": 12}}``, and reads also what OpenAI's function
calling returns (https://platform.openai.com/docs/guides/function-calling): arguments as a string of JSON, a
``function_call`` item of the Responses API, a tool call of Chat Completions. `HermesTools` puts the object between
``<tool_call>`` tags, as Hermes and the Qwen models do (https://github.com/NousResearch/Hermes-Function-Calling,
https://qwen.readthedocs.io/en/latest/framework/function_call.html); what stands above them is thought.

`tool_schemas` gives the tools for an API's or a chat template's ``tools``.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

from agentgym.action import (
    ACTIONS,
    MAX_CLICKS,
    MAX_ELEMENT,
    MAX_PIXEL,
    MAX_TEXT,
    MAX_WAIT_MS,
    Action,
    MouseButton,
    shorten,
)
from agentgym.dialects.base import Dialect
from agentgym.dialects.untrusted import choice, fields, read_object
from agentgym.errors import ActionError

OPEN, CLOSE = "<tool_call>", "</tool_call>"

_ELEMENT = {"type": "integer", "minimum": 0, "maximum": MAX_ELEMENT}
_PIXEL = {"type": "integer", "minimum": 0, "maximum": MAX_PIXEL}
_WHEEL = {"type": "integer", "minimum": -MAX_PIXEL, "maximum": MAX_PIXEL}
_TEXT = {"type": "string", "maxLength": MAX_TEXT}
_FIELDS: dict[str, dict[str, Any]] = {
    "element": {**_ELEMENT, "description": "Id of the element; give this, or x and y."},
    "x": {**_PIXEL, "description": "Pixels from the left edge."},
    "y": {**_PIXEL, "description": "Pixels from the upper edge."},
    "to_element": {**_ELEMENT, "description": "Id of the element to drag to; give this, or to_x and to_y."},
    "to_x": {**_PIXEL, "description": "Pixels from the left edge, where the drag ends."},
    "to_y": {**_PIXEL, "description": "Pixels from the upper edge, where the drag ends."},
    "dx": {**_WHEEL, "description": "Pixels to the right; negative to the left."},
    "dy": {**_WHEEL, "description": "Pixels down; negative up."},
    "button": {"type": "string", "enum": list(get_args(MouseButton)), "description": "Mouse button."},
    "count": {"type": "integer", "minimum": 1, "maximum": MAX_CLICKS, "description": "2 for a double click."},
    "text": {**_TEXT, "description": "The text."},
    "keys": {**_TEXT, "minLength": 1, "description": "A key, such as Enter, a, or Control+a."},
    "option": {**_TEXT, "description": "The label of the option."},
    "ms": {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_MS, "description": "Milliseconds."},
    "answer": {**_TEXT, "description": "The answer, if one was asked for."},
}


def tool_schemas() -> list[dict[str, Any]]:
    """Return the actions as tools: name, description and JSON schema of the arguments.

    The form is that of OpenAI's Chat Completions, which chat templates and OpenAI-compatible servers take as ``tools``.
    """
    return [{"type": "function", "function": _function(kind)} for kind in ACTIONS.values()]


def _function(kind: type[Action]) -> dict[str, Any]:
    taken = dataclasses.fields(kind)
    properties = {}
    for field in taken:
        default = {} if field.default in (dataclasses.MISSING, None) else {"default": field.default}
        properties[field.name] = _FIELDS[field.name] | default
    return {
        "name": kind.name,
        "description": kind.__doc__,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": [field.name for field in taken if field.default is dataclasses.MISSING],
            "additionalProperties": False,
        },
    }


class JsonTools(Dialect):
    """Every action, as a JSON object that is the whole completion."""

    name = "json-tools"
    intro = 'Call exactly one tool: answer with {"name": <its name>, "arguments": <an object>}. The tools are:'

    def format(self, action: Action) -> str:
        """Write an action: the fields that differ from their default are its arguments."""
        defaults = {field.name: field.default for field in dataclasses.fields(action)}
        given = {name: getattr(action, name) for name in defaults if getattr(action, name) != defaults[name]}
        return json.dumps({"name": action.name, "arguments": given}, ensure_ascii=False)

    def describe(self) -> str:
        """Return the rule and the tools, one line of JSON a tool."""
        return "\n".join([self.intro, *(json.dumps(tool, ensure_ascii=False) for tool in tool_schemas())])

    def _read(self, text: str) -> Action:
        return _tool(read_object(text))


class HermesTools(JsonTools):
    """Every action, as a JSON object between tags. Text above them is thought."""

    name = "hermes-tools"
    intro = (
        f'Call exactly one tool: end with {OPEN}{{"name": <its name>, "arguments": <an object>}}{CLOSE}. The tools are:'
    )

    def format(self, action: Action) -> str:
        """Write an action; a tag within a text has its first character escaped."""
        return write_tagged(super().format(action))

    def _read(self, text: str) -> Action:
        calls = read_tagged(text)
        if len(calls) != 1:
            raise ActionError(f"Expected one tool call, got {len(calls)}: one action is done at a time.")
        return _tool(read_object(calls[0]))


def write_tagged(body: str) -> str:
    """Put JSON between tags that nothing in it can close."""
    if "tool_call>" in body:  # within a string: nothing else in the JSON has this character
        body = body.replace("<", "\\u003c")
    return f"{OPEN}\n{body}\n{CLOSE}"


def read_tagged(text: str) -> list[str]:
    """Return what stands between each pair of tags, from the first on.

    Raises:
        ActionError: there is no pair, one is not closed, or text follows.
    """
    _, *blocks = text.split(OPEN)
    if not blocks:
        raise ActionError(f"{shorten(text)} holds no tool call. Write it between {OPEN} and {CLOSE}.")
    found = []
    for block in blocks:
        body, closed, rest = block.partition(CLOSE)
        if not closed or rest.strip():
            raise ActionError(f"A tool call must end with {CLOSE} and with nothing after it.")
        found.append(body)
    return found


def _tool(call: object) -> Action:
    """Read a tool call: as it is, or in the wrapping of one of OpenAI's APIs."""
    kind = call.get("type") if isinstance(call, dict) else None
    if kind == "function":
        call = fields("tool call", call, ("type", "function"), ("id", "index"))["function"]
    elif kind == "function_call":
        call = fields("tool call", call, ("type", "name", "arguments"), ("id", "call_id", "status"))
        call = {"name": call["name"], "arguments": call["arguments"]}
    call = fields("tool call", call, ("name", "arguments"))
    given = call["arguments"]
    return _action(call["name"], read_object(given) if isinstance(given, str) else given)


def _action(name: object, given: object) -> Action:
    kind = choice(ACTIONS, "tool", name)
    names = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(kind)}
    required = [name for name, needed in names.items() if needed]
    optional = [name for name, needed in names.items() if not needed]
    values: dict[str, Any] = fields(kind.name, given, required, optional)
    return kind(**values)
