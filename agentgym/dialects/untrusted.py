"""Reading what a model wrote: JSON, numbers, text and arguments. Only `ActionError` comes out.

Text is bounded by `Dialect.parse`; here nesting, digits and kinds of values are. What is read is data: no name in it
is ever looked up but in a table of ours.
"""

from __future__ import annotations

import inspect
import json
import math
from typing import TYPE_CHECKING, NoReturn, TypeVar

from agentgym.action import shorten
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentgym.action import Action

T = TypeVar("T")

MAX_DEPTH = 8  # levels of lists and objects
MAX_DIGITS = 9
MAX_NUMBER = 10**MAX_DIGITS


def read_object(text: str) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        ActionError: the text is not exactly one object, a key comes twice, lists and objects are nested deeper than
            `MAX_DEPTH`, or a number is not finite or longer than `MAX_DIGITS`.
    """
    try:
        value = json.loads(
            text, parse_int=_int, parse_float=_float, parse_constant=_constant, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ActionError("The JSON is nested too deep.") from None
    except ValueError as error:
        raise ActionError(f"{shorten(text)} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ActionError(f"Expected a JSON object, got {shorten(text)}.")
    inner: list[object] = [value]
    for _ in range(MAX_DEPTH):
        inner = [child for parent in inner for child in _children(parent)]
    if inner:
        raise ActionError("The JSON is nested too deep.")
    return value


def fields(what: str, value: object, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, object]:
    """Return an object that has every required key and beside them optional ones only.

    Raises:
        ActionError: it is something else.
    """
    if not isinstance(value, dict):
        raise ActionError(f"{what} must be an object, got {shorten(value)}.")
    missing = [key for key in required if key not in value]
    unknown = [key for key in value if key not in required and key not in optional]
    if missing or unknown:
        wrong = f"{missing[0]} is missing" if missing else f"unexpected {shorten(unknown[0])}"
        raise ActionError(f"{what}: {wrong}; it has {', '.join([*required, *optional])}.")
    return value


def arguments(
    reader: Callable[..., Action], what: str, positional: Sequence[object], named: Mapping[str, object]
) -> Action:
    """Call a reader with what a model wrote as its arguments.

    Args:
        reader: one of ours; its parameters are the arguments that the form has.
        what: the name of the form, for the message.
        positional: arguments by position.
        named: arguments by name.

    Raises:
        ActionError: an argument is unknown or missing, or the reader refuses one.
    """
    try:
        bound = inspect.signature(reader).bind(*positional, **named)
    except TypeError as error:
        raise ActionError(f"{what}: {shorten(str(error))}.") from None
    return reader(*bound.args, **bound.kwargs)


def choice(table: Mapping[str, T], what: str, name: object) -> T:
    """Return what a table of ours has under a name.

    Raises:
        ActionError: there is none; the message lists the names.
    """
    if not isinstance(name, str) or name not in table:
        raise ActionError(f"No {what} {shorten(name)}. There are: {', '.join(table)}.")
    return table[name]


def number(name: str, value: object) -> int | float:
    """Return a number.

    Raises:
        ActionError: it is something else, not finite, or not below `MAX_NUMBER`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):  # bool is an int, but not a number
        raise ActionError(f"{name} must be a number, got {shorten(value)}.")
    if not -MAX_NUMBER < value < MAX_NUMBER:
        raise ActionError(f"{name}: the number is too large.")
    return value


def integer(name: str, value: object) -> int:
    """Return a number, rounded to an integer.

    Raises:
        ActionError: as `number` does.
    """
    return round(number(name, value))


def pair(name: str, value: object) -> tuple[object, object]:
    """Return the two items of a list.

    Raises:
        ActionError: it is not a list of two.
    """
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    raise ActionError(f"{name} must be a list of two numbers [x, y], got {shorten(value)}.")


def string(name: str, value: object) -> str:
    """Return a string.

    Raises:
        ActionError: it is something else.
    """
    if isinstance(value, str):
        return value
    raise ActionError(f"{name} must be a string, got {shorten(value)}.")


def only(name: str, value: object, allowed: Sequence[object]) -> None:
    """Require a value that the form has but agentgym ignores to be one of those that change nothing.

    Raises:
        ActionError: it is another.
    """
    if value not in allowed:
        raise ActionError(f"{name}: {shorten(value)} has no counterpart here; leave it out.")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.values()] or [None]
    return value or [None] if isinstance(value, list) else []


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise ActionError(f"{shorten(digits)}: the number is too large.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ActionError(f"{shorten(digits)}: the number is too large.")
    return value


def _constant(name: str) -> NoReturn:
    raise ActionError(f"{name} is not a number in JSON.")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ActionError(f"The key {shorten(key)} comes twice.")
        found[key] = value
    return found
