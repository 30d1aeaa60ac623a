"""The accessibility bus and what is told, for all inputs."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jeepney import HeaderFields, Message, new_error, new_method_return
from jeepney.low_level import Parser

from agentgym.errors import InfrastructureError, SessionCrashedError
from agentgym.look import Budget
from agentgym.observation import Box
from agentgym_desktop.atspi import MAX_MESSAGE, Answers, Bus, BusFloodedError, Call
from agentgym_desktop.outline import Candidate, Outline, _clean, choose, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BOX = Box(10, 10, 50, 20)
SCREEN = Box(0, 0, 100, 100)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def call(number: int) -> Call:
    return Call(":1.5", f"/node/{number}", "org.example.Node", "Name", answer="s")


def answer_to(message: Message, text: str, *, sender: str = ":1.5") -> bytes:
    reply = new_method_return(message, "s", (text,))
    reply.header.fields[HeaderFields.sender] = sender
    return bytes(reply.serialise(serial=1))


def talk(calls: Sequence[Call], respond: Callable[[list[Message]], list[bytes]], *, limit_s: float = 5.0) -> Answers:
    """Ask somebody who takes all calls and then sends some pieces; return what comes of it."""
    ours, theirs = socket.socketpair()

    def peer() -> None:
        parser, messages = Parser(), list[Message]()
        while len(messages) < len(calls):
            messages += parser.feed(theirs.recv(1 << 16))
        with suppress(OSError):
            for piece in respond(messages):
                theirs.sendall(piece)
            theirs.shutdown(socket.SHUT_WR)

    thread = Thread(target=peer)
    thread.start()
    bus = Bus(ours)
    try:
        return bus.ask(calls, time.monotonic() + limit_s)
    finally:
        bus.close()
        thread.join()
        theirs.close()


@QUICK
@given(
    data=st.data(),
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), min_size=1, max_size=30
    ),
)
def test_answers_are_told_apart_in_whatever_order_and_pieces_they_come(data: st.DataObject, texts: list[str]) -> None:
    order = data.draw(st.permutations(range(len(texts))))
    size = data.draw(st.integers(1, 200))

    def respond(messages: list[Message]) -> list[bytes]:
        whole = b"".join(answer_to(messages[index], texts[index]) for index in order)
        return [whole[start : start + size] for start in range(0, len(whole), size)]

    answers = talk([call(number) for number in range(len(texts))], respond)
    assert answers == ([(text,) for text in texts], True)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4), st.binary(max_size=64))
def test_nonsense_ends_in_an_error_of_ours_or_in_no_answer(flips: list[tuple[int, int]], tail: bytes) -> None:
    def respond(messages: list[Message]) -> list[bytes]:
        whole = bytearray(b"".join(answer_to(message, "text") for message in messages) + tail)
        for place, value in flips:
            whole[place % len(whole)] = value
        return [bytes(whole)]

    with suppress(InfrastructureError, BusFloodedError):  # that one is the reader's affair
        bodies, _ = talk([call(0), call(1)], respond, limit_s=0.2)
        assert all(body is None or isinstance(body[0], str) for body in bodies)


def test_an_answer_counts_only_if_it_is_what_was_asked_and_from_whom() -> None:
    def respond(messages: list[Message]) -> list[bytes]:
        first, second, third, fourth = messages
        wrong = new_method_return(second, "u", (3,))
        error = new_error(third, "org.example.No")
        for each in (wrong, error):
            each.header.fields[HeaderFields.sender] = ":1.5"
        return [
            answer_to(first, "forged", sender=":1.6"),
            answer_to(first, "true"),
            wrong.serialise(serial=1),
            error.serialise(serial=1),
            answer_to(fourth, "x" * (MAX_MESSAGE + 1)),
        ]

    assert talk([call(number) for number in range(4)], respond) == ([("true",), None, None, None], True)


def test_one_big_answer_does_not_spoil_the_next() -> None:
    def respond(messages: list[Message]) -> list[bytes]:
        return [answer_to(messages[0], "x" * (3 * MAX_MESSAGE)), answer_to(messages[1], "next")]

    assert talk([call(0), call(1)], respond) == ([None, ("next",)], True)


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        key=st.tuples(st.just(":1.2"), st.uuids().map(str)),
        role=st.sampled_from(["button", "text", "gridcell", "list"]),
        name=st.text(max_size=20),
        value=st.text(max_size=5),
        box=st.just(BOX),
        place=st.booleans(),
        side=st.sampled_from(["here", "here", "above", "below"]),
        tier=st.integers(-1, 3),
    ),
    max_size=40,
    unique_by=lambda each: each.key,
)


@QUICK
@given(CANDIDATES, st.integers(1, 30), st.integers(1, 400))
def test_what_is_told_keeps_to_the_budget_and_the_rest_is_counted(
    found: list[Candidate], elements: int, characters: int
) -> None:
    ids: dict[tuple[str, str], int] = {}
    nodes, omitted = choose(Outline(SCREEN, None, list(found)), Budget(elements, characters), ids)
    told = [node.element for node in nodes if not node.place]
    assert len(told) <= elements
    assert sum(len(each.name) + len(each.value) + len(each.role) for each in told) <= characters
    assert len(told) + sum(omitted) == sum(not each.place or each.side != "here" for each in found)
    assert [each.id for each in told] == sorted(ids.values())
    assert tree_of(nodes).count("\n") <= max(0, len(nodes) - 1)


@given(st.text())
def test_a_name_is_one_line_that_nothing_hides_in(text: str) -> None:
    for strip in (True, False):
        clean = _clean(text, strip=strip)
        assert len(clean) <= 500
        assert len(clean.splitlines()) <= 1
        assert not any(letter in clean for letter in "\u202e\u2066\u200b\ufeff\x1b\0\ufffc")
        clean.encode()


def test_a_bus_that_another_thread_has_closed_is_a_session_that_has_ended() -> None:
    ours, theirs = socket.socketpair()
    bus = Bus(ours)
    bus.close()
    with theirs, pytest.raises(SessionCrashedError, match="closed"):
        bus.ask([call(1)], time.monotonic() + 5)
