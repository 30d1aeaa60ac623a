"""The JSON in which OSWorld writes a task, as types: what is there to set up, what is looked at, how it is judged.

`parse` reads one file. Whatever is in it, it returns a `TaskFile` or raises a `ConfigError` that names the file and the
key. Kinds of steps and getters that this package does not know are kept (`OtherStep`, `OtherGetter`): a task that uses
one is well-formed, but cannot be played here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from agentgym.errors import ConfigError
from agentgym_desktop.osworld.getter import Getter
from agentgym_desktop.osworld.part import Part
from agentgym_desktop.osworld.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

MAX_TASK = 4_000_000  # bytes of a task file
MAX_DEPTH = 100  # of nested objects and lists
ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""What the id of a task looks like."""


def _absent(value: Any) -> Any:
    return None if value in ({}, []) else value


_MaybeGetter: TypeAlias = Annotated[Getter | None, BeforeValidator(_absent)]


class Check(NamedTuple):
    """One metric with what it is given."""

    func: str
    result: Getter | None
    expected: Getter | None
    options: dict[str, Any]


class Evaluator(Part):
    """How a task is judged."""

    func: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]
    conj: Literal["and", "or"] = "and"
    result: _MaybeGetter | list[_MaybeGetter] = None
    expected: _MaybeGetter | list[_MaybeGetter] = None
    options: dict[str, Any] | list[dict[str, Any] | None] | None = None
    postconfig: list[Step] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        wanted = len(self.func) if isinstance(self.func, list) else None
        for name in ("result", "expected", "options"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != wanted:
                what = "a list" if wanted is None else f"{len(value)} entries"
                have = "one name" if wanted is None else f"{wanted}"
                raise ValueError(f"`{name}` has {what}, but `func` has {have}")
            if wanted is not None and value is not None and not isinstance(value, list):
                raise ValueError(f"`{name}` must be a list, as `func` is one")
        return self

    @property
    def checks(self) -> list[Check]:
        """What is judged, one by one."""
        if isinstance(self.func, str):
            assert not isinstance(self.result, list)
            assert not isinstance(self.expected, list)
            assert not isinstance(self.options, list)
            return [Check(self.func, self.result, self.expected, self.options or {})]

        def column(values: Any) -> list[Any]:
            return values if isinstance(values, list) else [None] * len(self.func)

        rows = zip(self.func, column(self.result), column(self.expected), column(self.options), strict=True)
        return [Check(func, result, expected, options or {}) for func, result, expected, options in rows]

    @property
    def infeasible(self) -> bool:
        """Whether the right thing is to say that the task cannot be done."""
        return self.func in ("infeasible", ["infeasible"])


class TaskFile(Part):
    """One task."""

    id: str = Field(pattern=ID)
    instruction: str = Field(min_length=1, max_length=20_000)
    config: list[Step] = Field(default_factory=list)
    evaluator: Evaluator
    related_apps: list[str] = Field(default_factory=list)
    proxy: bool = False


def parse(content: bytes, name: str) -> TaskFile:
    """Read a task file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        ConfigError: it is no task: ``tasks/abc.json: evaluator.func: Field required``.
    """
    raw = load_json(content, name)
    if not isinstance(raw, dict):
        raise ConfigError(f"{name}: a task is an object, got a {type(raw).__name__}")
    try:
        return TaskFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_said(raw, error, name)) from error


def load_json(content: bytes, name: str) -> Any:
    """Read JSON that is of a sane size and depth, and has only texts that can be stored in files.

    Raises:
        ConfigError: it has not, or is no JSON.
    """
    if len(content) > MAX_TASK:
        raise ConfigError(f"{name}: it has {len(content):,} bytes, more than the {MAX_TASK:,} that are read")
    try:
        raw = json.loads(content)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}: line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # no text, a number of thousands of digits, or nested without end
        raise ConfigError(f"{name}: no JSON that can be read: {error}") from error
    for keys, text in _texts(raw, name, ()):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigError(f"{name}: {'.'.join(keys)}: the text {text[:40]!r} has characters that no file can hold")
    return raw


def _texts(value: Any, name: str, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if len(keys) > MAX_DEPTH:
        raise ConfigError(f"{name}: {'.'.join(keys[:4])}...: nested more than {MAX_DEPTH} deep")
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield keys, key
            yield from _texts(each, name, (*keys, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, name, (*keys, str(number)))


def _said(raw: Any, error: ValidationError, name: str) -> str:
    """Return what is wrong, by file and key: of the members of a union that were tried, what came furthest."""
    details = error.errors(include_url=False, include_input=False)
    reached = [tuple(_keys(raw, each)) for each in details]
    keys, detail = max(zip(reached, details, strict=True), key=lambda pair: len(pair[0]))
    message = detail["msg"].removeprefix("Value error, ").split(" or instance of ")[0]
    return f"{name}: {'.'.join(keys) or 'the task'}: {message}"


def _keys(raw: Any, detail: ErrorDetails) -> Iterator[str]:
    """Yield the keys that lead to what is wrong; pydantic also names the member of a union that it tried."""
    location, value = detail["loc"], raw
    for number, part in enumerate(location):
        is_key = isinstance(value, dict) and part in value
        is_place = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_key or is_place:
            value = value[part]
        elif not (detail["type"] == "missing" and number == len(location) - 1):
            continue
        yield str(part)
