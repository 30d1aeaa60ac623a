"""How a turn is written for a language model.

One row per turn: the task, a bounded history of actions and the newest observation. The instruction comes first and
the elements last, so that what changes least can be cached. The text between is data from a page: the chat template's
own special tokens are never produced from it (the tokenizer encodes it as plain text).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import describe_actions

if TYPE_CHECKING:
    from agentgym.observation import Observation
    from agentgym.policy.base import Prompt

HISTORY = 4  # actions that a prompt shows
MAX_ELEMENTS = 150  # elements that a prompt shows; a page beyond that is cut with a line that says so

SYSTEM = (
    "You use a computer. Each turn you see the task and the elements on screen, and answer with the element you "
    "mean, if any, on one line and exactly one action on the last line. The actions are:\n"
)


def system_message() -> str:
    """Return the system message: the rules and the action vocabulary."""
    return SYSTEM + describe_actions()


def user_message(prompt: Prompt) -> str:
    """Return the message of one turn."""
    return page_message(prompt.observation, prompt.history)


def page_message(observation: Observation, history: tuple[str, ...] = ()) -> str:
    """Write a task, the newest actions and an observation as the text of one turn."""
    lines = [f"Task: {' '.join(observation.instruction.split())}"]
    if history:
        lines.append(f"Done: {' ; '.join(history[-HISTORY:])}")
    if observation.error:
        lines.append(f"Error: {observation.error}")
    lines.append("Screen:")
    lines += [element.line for element in observation.elements[:MAX_ELEMENTS]]
    hidden = len(observation.elements) - MAX_ELEMENTS
    if hidden > 0:
        lines.append(f"({hidden} more)")
    return "\n".join(lines)


def messages(prompt: Prompt) -> list[dict[str, str]]:
    """Return the chat messages of one turn."""
    return [
        {"role": "system", "content": system_message()},
        {"role": "user", "content": user_message(prompt)},
    ]


def demonstration(observation: Observation, action_text: str, element_id: int | None) -> str:
    """Write a completion as an expert would: the element's label, then the action.

    Naming the element before its id makes one look-up into two easy ones, which is what small models learn.
    """
    element = None if element_id is None else observation.element(element_id)
    return action_text if element is None else f"{element.label}\n{action_text}"
