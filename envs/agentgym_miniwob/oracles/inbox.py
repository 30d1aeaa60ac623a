"""Oracles of tasks in a mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Click, Fill
from agentgym.errors import ActionError
from agentgym_miniwob.oracles.clicking import find, find_all, match

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

REPLY, FORWARD = 0, 1  # places of the icons below an open mail


def rows_from(observation: Observation, sender: str) -> int:
    """Return the index, among the elements, of the sender's first mail.

    Raises:
        ActionError: there is none; the oracle does not fit the page.
    """
    for index, element in enumerate(observation.elements):
        if element.role == "clickable" and element.name.startswith(f"{sender} "):
            return index
    raise ActionError(f"no mail by {sender!r} on screen: the oracle does not fit the page")


def handle_mail(observation: Observation) -> OracleScript:
    """Delete, star, answer or forward the mail of the named sender."""
    sender, order = match(observation, r"Find the email by (.*?) and (.*)\.")
    index = rows_from(observation, sender)
    row = observation.elements[index].id
    verb = order.split()[0]
    if verb == "click":
        icon = "trash" if "trash" in order else "star"
        yield Click(element=next(each.id for each in observation.elements[index:] if each.name == icon))
    elif verb == "reply":
        yield from _answer(row, order.split('"')[1])
    else:
        yield from _forward(row, order.removeprefix("forward that email to "))


def _answer(row: int, text: str) -> OracleScript:
    observation = yield Click(element=row)
    observation = yield Click(element=find_all(observation, "icon")[REPLY].id)
    observation = yield Fill(element=find_all(observation, "textbox")[0].id, text=text)
    yield Click(element=find(observation, "send-reply").id)


def _forward(row: int, receiver: str) -> OracleScript:
    observation = yield Click(element=row)
    observation = yield Click(element=find_all(observation, "icon")[FORWARD].id)
    observation = yield Fill(element=find_all(observation, "textbox")[0].id, text=receiver)
    yield Click(element=find(observation, "send-forward").id)


INBOX: dict[str, Callable[[Observation], OracleScript]] = {
    "email-inbox": handle_mail,
    "email-inbox-delete": handle_mail,
    "email-inbox-forward": handle_mail,
    "email-inbox-important": handle_mail,
    "email-inbox-noscroll": handle_mail,
    "email-inbox-reply": handle_mail,
    "email-inbox-star-reply": handle_mail,
}
