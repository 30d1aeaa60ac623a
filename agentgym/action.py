"""Actions: what an agent can do on a computer, and how that is written.

One action is one frozen dataclass. Its docstring and its example are the line that describes it in an agent's
prompt, so documentation, prompt and code are one text. The vocabulary is closed and the same in every world; a
target is an element id from the newest observation or a point in pixels from the viewport's upper left corner.

The call dialect writes an action as ``click(12)`` or ``fill(12, "text")``: a name and arguments that are integers
or JSON strings, by position in field order or as ``key=value``. ``parse(format_action(a)) == a`` for every action.
Text is only ever matched, never evaluated. Anything else raises `ActionError`.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, SupportsIndex, get_args

from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_ELEMENT = 9_999  # highest element id that an observation may give
MAX_PIXEL = 16_384  # highest coordinate, about the largest surface Chromium draws
MAX_TEXT = 10_000  # characters in one text argument
MAX_WAIT_MS = 10_000
MAX_CLICKS = 3

MouseButton = Literal["left", "middle", "right"]


@dataclass(frozen=True)
class Action:
    """Base of all actions."""

    name: ClassVar[str]
    example: ClassVar[str]

    def __str__(self) -> str:
        return format_action(self)


@dataclass(frozen=True)
class Click(Action):
    """Click on an element or a point."""

    name: ClassVar[str] = "click"
    example: ClassVar[str] = "click(12)"

    element: int | None = None
    x: int | None = None
    y: int | None = None
    button: MouseButton = "left"
    count: int = 1

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_target("click", self.element, self.x, self.y)
        if self.button not in get_args(MouseButton):
            raise ActionError(f"click: button must be one of {get_args(MouseButton)}, got {shorten(self.button)}")
        _check_int("click", "count", self.count, low=1, high=MAX_CLICKS)


@dataclass(frozen=True)
class Hover(Action):
    """Move the pointer onto an element or a point."""

    name: ClassVar[str] = "hover"
    example: ClassVar[str] = "hover(12)"

    element: int | None = None
    x: int | None = None
    y: int | None = None

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_target("hover", self.element, self.x, self.y)


@dataclass(frozen=True)
class Drag(Action):
    """Drag from an element or point to another."""

    name: ClassVar[str] = "drag"
    example: ClassVar[str] = "drag(3, 7)"

    element: int | None = None
    to_element: int | None = None
    x: int | None = None
    y: int | None = None
    to_x: int | None = None
    to_y: int | None = None

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_target("drag", self.element, self.x, self.y)
        _check_target("drag", self.to_element, self.to_x, self.to_y, prefix="to_")


@dataclass(frozen=True)
class Scroll(Action):
    """Turn the wheel by dx, dy pixels over an element, a point or the middle of the page."""

    name: ClassVar[str] = "scroll"
    example: ClassVar[str] = "scroll(0, 100)"

    dx: int
    dy: int
    element: int | None = None
    x: int | None = None
    y: int | None = None

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_int("scroll", "dx", self.dx, low=-MAX_PIXEL, high=MAX_PIXEL)
        _check_int("scroll", "dy", self.dy, low=-MAX_PIXEL, high=MAX_PIXEL)
        if (self.element, self.x, self.y) != (None, None, None):
            _check_target("scroll", self.element, self.x, self.y)


@dataclass(frozen=True)
class Type(Action):
    """Type text into whatever has the focus."""

    name: ClassVar[str] = "type"
    example: ClassVar[str] = 'type("hello")'

    text: str

    def __post_init__(self) -> None:
        _check_text("type", "text", self.text)


@dataclass(frozen=True)
class Fill(Action):
    """Replace the content of a text, date or number field."""

    name: ClassVar[str] = "fill"
    example: ClassVar[str] = 'fill(12, "hello")'

    element: int
    text: str

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_int("fill", "element", self.element, low=0, high=MAX_ELEMENT)
        _check_text("fill", "text", self.text)


@dataclass(frozen=True)
class Press(Action):
    """Press one key, with modifiers joined by +."""

    name: ClassVar[str] = "press"
    example: ClassVar[str] = 'press("Control+a")'

    keys: str

    def __post_init__(self) -> None:
        _check_text("press", "keys", self.keys)
        if not self.keys:
            raise ActionError('press: keys is empty; write for example press("Enter")')


@dataclass(frozen=True)
class Select(Action):
    """Choose an option of a list by its label."""

    name: ClassVar[str] = "select"
    example: ClassVar[str] = 'select(12, "Red")'

    element: int
    option: str

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_int("select", "element", self.element, low=0, high=MAX_ELEMENT)
        _check_text("select", "option", self.option)


@dataclass(frozen=True)
class Wait(Action):
    """Wait for some milliseconds."""

    name: ClassVar[str] = "wait"
    example: ClassVar[str] = "wait(500)"

    ms: int

    def __post_init__(self) -> None:
        _plain_integers(self)
        _check_int("wait", "ms", self.ms, low=0, high=MAX_WAIT_MS)


@dataclass(frozen=True)
class Done(Action):
    """Say that the task is finished, with the answer if one was asked for."""

    name: ClassVar[str] = "done"
    example: ClassVar[str] = 'done("42")'

    answer: str = ""

    def __post_init__(self) -> None:
        _check_text("done", "answer", self.answer)


ACTIONS: dict[str, type[Action]] = {
    kind.name: kind for kind in (Click, Hover, Drag, Scroll, Type, Fill, Press, Select, Wait, Done)
}


def read_chord(keys: str, modifiers: Collection[str]) -> tuple[list[str], str]:
    """Read the keys of a `Press`, such as ``Control+a`` or ``Enter``: the modifiers that are held, and the key.

    Raises:
        ActionError: what is held is none of the modifiers.
    """
    *held, last = keys.split("+") if not keys.endswith("+") else [*keys[:-1].rstrip("+").split("+"), "+"]
    held = [name for name in held if name]
    for name in held:
        if name not in modifiers:
            raise ActionError(f"press: {ascii(name)[:40]} is no modifier; use {', '.join(modifiers)}.")
    return held, last


def format_action(action: Action) -> str:
    """Write an action in the call dialect, on one line: fields that differ from their default, in order."""
    parts: list[str] = []
    positional = True
    for field in dataclasses.fields(action):
        value = getattr(action, field.name)
        if value == field.default:  # a required field's default is MISSING, which equals no value
            positional = False
            continue
        literal = json.dumps(value, ensure_ascii=False)
        parts.append(literal if positional else f"{field.name}={literal}")
    return f"{action.name}({', '.join(parts)})"


def describe_actions() -> str:
    """Return the action vocabulary as prompt text, one line an action."""
    return "\n".join(f"{kind.example}  # {kind.__doc__}" for kind in ACTIONS.values())


_CALL = re.compile(r"([a-z_]+)\((.*)\)", re.DOTALL)
_KEY = re.compile(r"([a-z_]+)\s*=\s*")
_INTEGER = re.compile(r"-?\d{1,9}(?![\d.eE])")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_COMMA = re.compile(r"\s*,\s*")


def parse(text: str) -> Action:
    """Read one action in the call dialect.

    Raises:
        ActionError: the text is not exactly one call of a known action with valid arguments.
    """
    call = _CALL.fullmatch(text.strip())
    if call is None:
        raise ActionError(f"{shorten(text)} is not an action. Write one call, such as click(12).")
    kind = ACTIONS.get(call[1])
    if kind is None:
        raise ActionError(f"No action {shorten(call[1])}. The actions are: {', '.join(ACTIONS)}.")
    fields = [field.name for field in dataclasses.fields(kind)]
    arguments: dict[str, int | str] = {}
    for position, (key, value) in enumerate(_arguments(call[2])):
        if key is None and position >= len(fields):
            raise ActionError(f"{kind.name}: too many arguments; example: {kind.example}")
        name = fields[position] if key is None else key
        if name not in fields or name in arguments:
            raise ActionError(f"{kind.name}: unexpected argument {name!r}; it takes {', '.join(fields)}")
        arguments[name] = value
    try:
        return kind(**arguments)
    except TypeError:  # a required argument is missing: the only way the checked names can fail
        raise ActionError(f"{kind.name}: arguments are missing; example: {kind.example}") from None


def parse_completion(text: str) -> Action:
    """Read the action in a model's completion: its last line that is not blank. Lines above it are thought.

    Raises:
        ActionError: that line is not an action, or there is none. Nothing is executed in part.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise ActionError("The completion is empty. End it with one action, such as click(12).")
    return parse(lines[-1])


def _arguments(text: str) -> list[tuple[str | None, int | str]]:
    """Split the inside of a call into (key or None, value); integers and JSON strings only."""
    found: list[tuple[str | None, int | str]] = []
    position = len(text) - len(text.lstrip())
    text = text.rstrip()
    while position < len(text):
        key = _KEY.match(text, position)
        if key:
            position = key.end()
        elif found and found[-1][0] is not None:
            raise ActionError("An argument by position cannot follow one by name.")
        value, position = _literal(text, position)
        found.append((key[1] if key else None, value))
        if position == len(text):
            break
        comma = _COMMA.match(text, position)
        if comma is None or comma.end() == len(text):
            raise ActionError(f"Expected a comma and an argument at {shorten(text[position:])}.")
        position = comma.end()
    return found


def _literal(text: str, position: int) -> tuple[int | str, int]:
    """Read an integer or a JSON string at a position; return it and where it ends."""
    integer = _INTEGER.match(text, position)
    if integer:
        return int(integer[0]), integer.end()
    string = _STRING.match(text, position)
    if string is None:
        raise ActionError(f"Expected an integer or a string in double quotes at {shorten(text[position:])}.")
    try:
        value = json.loads(string[0])
    except json.JSONDecodeError as error:
        raise ActionError(f"{shorten(string[0])} is not a JSON string: {error.msg}.") from None
    return str(value), string.end()


def _plain_integers(action: Action) -> None:
    """Turn integers of other types, such as NumPy's ids from an observation, into Python's own."""
    for field in dataclasses.fields(action):
        value = getattr(action, field.name)
        if not isinstance(value, (int, str, type(None))) and isinstance(value, SupportsIndex):
            object.__setattr__(action, field.name, operator.index(value))


def _check_target(name: str, element: object, x: object, y: object, *, prefix: str = "") -> None:
    """Require exactly one target: an element id, or both coordinates."""
    if element is not None and x is None and y is None:
        _check_int(name, f"{prefix}element", element, low=0, high=MAX_ELEMENT)
    elif element is None and x is not None and y is not None:
        _check_int(name, f"{prefix}x", x, low=0, high=MAX_PIXEL)
        _check_int(name, f"{prefix}y", y, low=0, high=MAX_PIXEL)
    else:
        raise ActionError(f"{name}: give either {prefix}element or both {prefix}x and {prefix}y.")


def _check_int(name: str, field: str, value: object, *, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:  # bool is an int, but not a coordinate
        raise ActionError(f"{name}: {field} must be an integer from {low} to {high}, got {shorten(value)}.")


def _check_text(name: str, field: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ActionError(f"{name}: {field} must be a string of at most {MAX_TEXT} characters, got {shorten(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ActionError(f"{name}: {field} holds half of a surrogate pair, which no keyboard types.") from None


def shorten(value: object) -> str:
    """Quote untrusted text for an error message: one line, printable, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
