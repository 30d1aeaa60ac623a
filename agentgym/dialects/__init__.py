"""Dialects: the actions of `agentgym.action` in the forms that published models speak.

    speech = dialect("qwen-computer", viewport=(1280, 800))
    action = speech.parse(completion)  # an Action, or an ActionError that says what was wrong
    text = speech.format(action)

A completion is data: nothing in it is evaluated, and everything that is read is bounded.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

from agentgym.dialects.anthropic_computer import AnthropicComputer
from agentgym.dialects.base import Dialect
from agentgym.dialects.browsergym import BrowserGym
from agentgym.dialects.call_text import CallText
from agentgym.dialects.openai_computer import OpenAIComputer
from agentgym.dialects.qwen_computer import QwenComputer
from agentgym.dialects.tool_calls import HermesTools, JsonTools, tool_schemas
from agentgym.dialects.ui_tars import UITars
from agentgym.errors import ConfigError

__all__ = ["DIALECTS", "Dialect", "dialect", "dialect_class", "tool_schemas"]

DIALECTS: dict[str, type[Dialect]] = {
    kind.name: kind
    for kind in (
        CallText,
        JsonTools,
        HermesTools,
        OpenAIComputer,
        AnthropicComputer,
        UITars,
        QwenComputer,
        BrowserGym,
    )
}


def dialect(name: str, **options: Any) -> Dialect:
    """Return a dialect by its name.

    Args:
        name: a key of `DIALECTS`, or of a dialect that an installed package announces.
        options: the arguments of its class, such as ``viewport=(1280, 800)``, which any dialect may be given.

    Raises:
        UnknownNameError: there is none of that name; the message gives the nearest.
        ConfigError: the dialect has no such option, needs one that is missing, or one is out of range.
    """
    kind = dialect_class(name)
    known = signature(kind).parameters
    if "viewport" not in known:
        options.pop("viewport", None)  # elements are the same on every screen
    wrong = sorted(options.keys() - known.keys())
    missing = [each.name for each in known.values() if each.default is each.empty and each.name not in options]
    if wrong:
        its = f"its options are {', '.join(known)}" if known else "it has none"
        raise ConfigError(f"dialect {name!r} has no option {', '.join(wrong)}; {its}.")
    if missing:
        raise ConfigError(f"dialect {name!r} needs {' and '.join(missing)} (see docs/dialects.md).")
    try:
        return kind(**options)
    except TypeError as error:
        raise ConfigError(f"dialect {name!r}: {error}.") from None


def dialect_class(name: str) -> type[Dialect]:
    """Return the class of a dialect: one of `DIALECTS`, or one that an installed package announces.

    Raises:
        UnknownNameError: there is none of that name; the message gives the nearest.
        ConfigError: what a package announces is no dialect.
    """
    if name in DIALECTS:
        return DIALECTS[name]
    from agentgym.registry import plugged_dialect  # the registry knows environments, which dialects do not need

    return plugged_dialect(name, DIALECTS)
