"""The hands of the suite's oracles: they wait for what comes late, within bounds, and say what does not come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym.action import Action, Click, Wait
from agentgym.errors import ActionError
from agentgym.observation import Element, Observation
from agentgym_desktop.suite.hands import LOOKS_MS, TRIES, choose, find, insist, quoted, said, until_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym_desktop.suite.hands import Hands

EMPTY = Observation('Call it "a b" and "c".')


def showing(*names: str) -> Observation:
    elements = tuple(Element(at, "menuitem", name) for at, name in enumerate(names, start=1))
    return Observation(EMPTY.instruction, elements=elements)


def played(hands: Hands, answer: Callable[[list[Action]], Observation]) -> list[Action]:
    """Let hands do what they do; what they see is said by what they have done."""
    actions: list[Action] = []
    try:
        actions.append(next(hands))
        while True:
            actions.append(hands.send(answer(actions)))
    except StopIteration:
        return actions


def test_what_is_there_costs_no_action() -> None:
    assert played(until_there(showing("File"), "menuitem", "File"), lambda _: EMPTY) == []


def test_what_comes_late_is_looked_for_again() -> None:
    late = played(until_there(EMPTY, "menuitem", "File"), lambda done: showing("File") if len(done) == 3 else EMPTY)
    assert late == [Wait(ms) for ms in LOOKS_MS[:3]]


def test_what_does_not_come_is_told_with_what_there_is() -> None:
    with pytest.raises(ActionError, match="menuitem 'File' did not come; there is: menuitem \"Edit\""):
        played(until_there(EMPTY, "menuitem", "File"), lambda _: showing("Edit"))
    with pytest.raises(ActionError, match="No menuitem 'File' on screen"):
        find(showing("Edit"), "menuitem", "File")


def test_a_click_that_was_lost_is_made_again_and_not_for_ever() -> None:
    clicks = [Click(1), Click(1)]
    script = insist(EMPTY, lambda _: Click(1), lambda seen: seen.elements)
    done = played(script, lambda done: showing("x") if done.count(Click(1)) == 2 else EMPTY)
    assert [each for each in done if isinstance(each, Click)] == clicks
    tried: list[Action] = []

    def note(done: list[Action]) -> Observation:
        tried[:] = done
        return EMPTY

    with pytest.raises(ActionError):
        played(insist(EMPTY, lambda _: Click(1), lambda seen: seen.elements), note)
    assert tried.count(Click(1)) == TRIES


def test_a_menu_is_gone_through_by_names() -> None:
    screens = [showing("File", "Open"), showing("File", "Open", "Recent")]
    assert played(choose(showing("File"), "File", "Open"), lambda done: screens[len(done) - 1]) == [Click(1), Click(2)]


def test_the_instruction_is_read_by_pattern() -> None:
    assert quoted(EMPTY) == ["a b", "c"]
    assert said(EMPTY, r'and "(\w)"') == ("c",)
    with pytest.raises(ActionError):
        said(EMPTY, "nothing of the kind")
