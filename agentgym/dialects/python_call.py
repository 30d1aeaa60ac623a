"""Calls in Python's spelling, such as ``click('12', button="right")``, as models write them. Never evaluated.

A completion is cut into tokens first: names, numbers, strings, brackets, commas, = and -, at most `MAX_TOKENS` of them.
What passes is read with ``ast.parse(mode="eval")`` and must be one call of a plain name with literals: strings,
numbers, lists of them. So nothing can nest deep, and what Python would warn of or treat in its own way (prefixes,
triple quotes, octal escapes) never reaches it. A backslash that begins no escape stands for itself, as in Python.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from agentgym.action import shorten
from agentgym.errors import ActionError

MAX_TOKENS = 64

_TOKEN = re.compile(
    r"""(?P<gap>[ \t]+)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*
        | [0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)? | \.[0-9]+
        | '(?:[^'\\\r\n]|\\[^\r\n])*' | "(?:[^"\\\r\n]|\\[^\r\n])*")
    | (?P<mark>[(),=\[\]-])""",
    re.VERBOSE,
)
_BACKSLASH = re.compile(
    r"""\\(?:[\\'"abfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U(?:000[0-9a-fA-F]|0010)[0-9a-fA-F]{4})|(\\)"""
)


@dataclass(frozen=True)
class Call:
    """A call that was read: its arguments are strings, numbers and lists of them."""

    name: str
    positional: tuple[object, ...] = ()
    named: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        arguments = [repr(value) for value in self.positional]
        arguments += [f"{name}={value!r}" for name, value in self.named]
        return f"{self.name}({', '.join(arguments)})"


def read_call(text: str) -> Call:
    """Read one call.

    Raises:
        ActionError: the text is anything else.
    """
    source = _tokens(text.strip())
    try:
        call = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ActionError(f"{shorten(text)} is not one call.") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ActionError(f"{shorten(text)} is not one call of a function.")
    named: dict[str, object] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in named:
            raise ActionError(f"{shorten(text)} gives an argument twice.")
        named[keyword.arg] = _literal(keyword.value)
    return Call(call.func.id, tuple(_literal(argument) for argument in call.args), tuple(named.items()))


def _tokens(text: str) -> str:
    """Check that a text is cut into known tokens, and return it with lone backslashes doubled."""
    parts: list[str] = []
    position, after_word = 0, False
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or len(parts) == MAX_TOKENS:
            raise ActionError(f"Expected one call with strings and numbers as arguments at {shorten(text[position:])}.")
        if token["word"] and after_word:  # a prefix of a string, triple quotes, or a number with letters
            raise ActionError(f"Expected a comma at {shorten(text[position:])}.")
        after_word = token["word"] is not None
        parts.append(_BACKSLASH.sub(lambda match: r"\\" if match[1] else match[0], token[0]))
        position = token.end()
    return "".join(parts)


def _literal(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=str() | int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items):
            return [_literal(item) for item in items]
        case _:
            raise ActionError("Expected a string, a number or a list as an argument.")
