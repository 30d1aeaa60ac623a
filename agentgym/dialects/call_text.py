"""Call text, agentgym's own dialect: ``click(12)`` on the last line of the completion. See `agentgym.action`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import describe_actions, format_action, parse_completion
from agentgym.dialects.base import Dialect

if TYPE_CHECKING:
    from agentgym.action import Action


class CallText(Dialect):
    """Every action, on one line. Lines above it are thought."""

    name = "call-text"
    names_target = True

    def format(self, action: Action) -> str:
        """Write an action; this dialect can say all of them."""
        return format_action(action)

    def describe(self) -> str:
        """Return the action vocabulary, one line an action."""
        return describe_actions()

    def _read(self, text: str) -> Action:
        return parse_completion(text)
