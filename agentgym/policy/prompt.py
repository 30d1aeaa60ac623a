"""How a turn is written for a language model.

One row per turn: the task, a bounded history of actions and the newest observation. The instruction comes first and
the elements last, so that what changes least can be cached. The text between is data from a page: the chat template's
own special tokens are never produced from it (the tokenizer encodes it as plain text).

The system message is of the policy's dialect: what can be said in it, and what its coordinates count. Elements are
told by what the dialect can aim at: an id, or for a dialect of points the middle of the element in its coordinates.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from agentgym.action import format_action
from agentgym.dialects.base import PixelDialect
from agentgym.dialects.call_text import CallText
from agentgym.errors import ActionError
from agentgym.policy.pointing import middle
from agentgym.policy.sight import BLIND, Sight, captions

if TYPE_CHECKING:
    from agentgym.action import Action
    from agentgym.dialects.base import Dialect
    from agentgym.observation import Element, Observation
    from agentgym.policy.base import Prompt

HISTORY = 4  # actions that a prompt shows, unless its collector is told another number
MAX_ELEMENTS = 150  # elements that a prompt shows; a page beyond that is cut with a line that says so
CALL_TEXT = CallText()

SYSTEM = (
    "You use a computer. Each turn you see the task and the elements on screen, and answer with the element you "
    "mean, if any, on one line and exactly one action on the last line. The actions are:\n"
)
SYSTEM_IDS = (
    "You use a computer. Each turn you see the task, your newest actions and the elements on screen, each with its id "
    "in brackets.\n"
)
SYSTEM_POINTS = (
    "You use a computer. Each turn you see the task, your newest actions and the elements on screen, each with the x "
    "and y of its middle.\n"
)
END_WITH_ACTION = ", and answer with exactly one action on the last line. The actions are:"


@cache
def system_message(dialect: Dialect = CALL_TEXT, sight: Sight = BLIND) -> str:
    """Return the system message: the rules and the action vocabulary, as the dialect writes it."""
    if sight.screenshots:
        seen = "the newest screenshots" if sight.screenshots > 1 else "a screenshot"
        if sight.elements:
            where = "the x and y of its middle" if isinstance(dialect, PixelDialect) else "its id in brackets"
            seen += f", with the elements on screen, each with {where}"
        rules = f"You use a computer. Each turn you see the task, your newest actions and {seen}"
        return f"{rules}{END_WITH_ACTION if dialect.names_target else '.'}\n{dialect.describe()}"
    if dialect.names_target:
        return SYSTEM + dialect.describe()
    return (SYSTEM_POINTS if isinstance(dialect, PixelDialect) else SYSTEM_IDS) + dialect.describe()


def user_message(prompt: Prompt, dialect: Dialect = CALL_TEXT) -> str:
    """Return the message of one turn."""
    return page_message(prompt.observation, prompt.history, dialect)


def seen_message(prompt: Prompt, dialect: Dialect, *, elements: bool) -> list[str]:
    """Return the message of one turn of a policy that sees: the texts before, between and after the screenshots."""
    above, below = _above(prompt.observation, prompt.history), []
    if elements:
        below = _screen(prompt.observation, dialect)
    texts = [f"{caption}\n" for caption in captions(len(prompt.screenshots))]
    texts[0] = "\n".join([*above, texts[0]])
    return [texts[0], *(f"\n{text}" for text in texts[1:]), "".join(f"\n{line}" for line in below)]


def page_message(observation: Observation, history: tuple[str, ...] = (), dialect: Dialect = CALL_TEXT) -> str:
    """Write a task, the newest actions and an observation as the text of one turn.

    Elements that are not told are counted: first those beyond `MAX_ELEMENTS`, then those that the world's own budget
    left out.
    """
    return "\n".join([*_above(observation, history), *_screen(observation, dialect)])


def _above(observation: Observation, history: tuple[str, ...]) -> list[str]:
    lines = [f"Task: {' '.join(observation.instruction.split())}"]
    if history:
        lines.append(f"Done: {' ; '.join(history)}")
    if observation.error:
        lines.append(f"Error: {' '.join(observation.error.split())}")  # one line: it may quote the page
    return lines


def _screen(observation: Observation, dialect: Dialect) -> list[str]:
    lines = ["Screen:"]
    lines += [_line(element, dialect) for element in observation.elements[:MAX_ELEMENTS]]
    hidden = len(observation.elements) - MAX_ELEMENTS
    if hidden > 0:
        lines.append(f"({hidden} more)")
    if observation.omitted.line:
        lines.append(observation.omitted.line)
    return lines


def history_line(action: Action, dialect: Dialect) -> str:
    """Write an action for the history, on one line, as the policy would write it."""
    try:
        text = dialect.format(action)
    except ActionError:  # some read more than they write
        text = format_action(action)
    return text.replace("\n", " ")


def messages(prompt: Prompt, dialect: Dialect = CALL_TEXT) -> list[dict[str, str]]:
    """Return the chat messages of one turn."""
    return [
        {"role": "system", "content": system_message(dialect)},
        {"role": "user", "content": user_message(prompt, dialect)},
    ]


def demonstration(observation: Observation, action_text: str, element_id: int | None) -> str:
    """Write a completion as an expert would: the element's label, then the action.

    Naming the element before its id makes one look-up into two easy ones, which is what small models learn.
    """
    element = None if element_id is None else observation.element(element_id)
    return action_text if element is None else f"{element.label}\n{action_text}"


def _line(element: Element, dialect: Dialect) -> str:
    if not isinstance(dialect, PixelDialect):
        return element.line
    point = middle(element.box, dialect.coordinates.viewport)
    return element.line_at("" if point is None else "at ({}, {})".format(*dialect.coordinates.written(*point)))
