"""Oracles of tasks in a mailbox."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Click, Fill
from agentgym.errors import ActionError
from agentgym_miniwob.oracles.clicking import find, find_all, match

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

REPLY, FORWARD = 0, 1  # places of the icons below an open mail
DELETING = re.compile(r"delet|trash|rid of|remove|throw|recycl|out of|n't want", re.IGNORECASE)
# How a request speaks of the sender, the surest first.
SENDERS = (r"(?:from|by) {}\b", r"(?<!to ){}(?:'?s\b| sent| wrote)", r"(?<!to ){}", r"{}")


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
        yield _click_icon(observation, index, "trash" if "trash" in order else "star")
    elif verb == "reply":
        yield from _answer(row, order.split('"')[1])
    else:
        yield from _forward(row, order.removeprefix("forward that email to "))


def handle_request(observation: Observation) -> OracleScript:
    """Delete, star, answer or forward a mail, as a request in free words wants it.

    One with a text in quotes wants an answer, one with two names that a mail is forwarded.
    """
    request, _, quote = observation.instruction.partition('"')
    request += quote.rpartition('"')[2]
    names = names_in(request, observation)
    sender = sender_in(request, names)
    index = rows_from(observation, sender)
    row = observation.elements[index].id
    if quote:
        yield from _answer(row, quote.rpartition('"')[0].strip('" '))
    elif len(names) > 1 or request.count(sender) > 1:  # somebody's mail may be for themselves
        yield from _forward(row, next((name for name in names if name != sender), sender))
    else:
        yield _click_icon(observation, index, "trash" if DELETING.search(request) else "star")


def names_in(request: str, observation: Observation) -> list[str]:
    """Return the senders of mails that a request names, as it does: Ann is not named by Anna."""
    rows = [row.name for row in find_all(observation, "clickable") if " " in row.name]
    found = {name: re.search(rf"{name}(?!-?(?!s\b)\w)", request) for name in {row.split()[0] for row in rows}}
    return sorted(name for name, place in found.items() if place)


def sender_in(request: str, names: list[str]) -> str:
    """Return whose mail a request is about; the other one is to get it.

    Raises:
        ActionError: no name is; the oracle does not fit the request.
    """
    for pattern in SENDERS:
        for name in names:
            if re.search(pattern.format(name), request):
                return name
    raise ActionError(f"no sender in {request!r}: the oracle does not fit it")


def _click_icon(observation: Observation, index: int, icon: str) -> Click:
    return Click(element=next(each.id for each in observation.elements[index:] if each.name == icon))


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
    "email-inbox-forward-nl": handle_request,
    "email-inbox-forward-nl-turk": handle_request,
    "email-inbox-important": handle_mail,
    "email-inbox-nl-turk": handle_request,
    "email-inbox-noscroll": handle_mail,
    "email-inbox-reply": handle_mail,
    "email-inbox-star-reply": handle_mail,
}
