"""Synthetic pages: nodes, plans and the examples that they give.

A family (`agentgym.nano.families`) makes a `Chore`: an instruction, groups of nodes and the plan that carries it out.
`example` then freezes one moment of it: the first actions of the plan have been carried out, which shows in the
states, values and history, and the next one is what the model is to answer. Element ids are given in document order,
with gaps as in a browser where elements come and go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agentgym.action import Action, Click, Done, Fill, Press, Select, format_action
from agentgym.observation import Element, Observation
from agentgym.policy.prompt import HISTORY, demonstration, page_message

if TYPE_CHECKING:
    import random

    from agentgym.nano.lexicon import Lexicon

MAX_ID = 99  # highest element id of a page
Verb = Literal["click", "fill", "select", "press", "done"]


@dataclass(eq=False)
class Node:
    """An element before it has an id. Two nodes are the same only if they are one object."""

    role: str
    name: str = ""
    value: str = ""
    states: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Step:
    """One action of a plan."""

    verb: Verb
    node: Node | None = None
    text: str = ""


@dataclass(frozen=True)
class Chore:
    """What is to be done on one page, and how."""

    instruction: str
    groups: list[list[Node]]
    """Nodes that stay together, in document order."""
    plan: list[Step]
    unsure_from: int | None = None
    """Index of the first step that instruction and page leave open: a convention, which differs between chores."""


@dataclass(frozen=True)
class Example:
    """One turn with the right answer."""

    family: str
    """Family of the chore; ``convention`` where instruction and page leave the answer open."""
    observation: Observation
    history: tuple[str, ...]
    action: Action
    completion: str

    @property
    def message(self) -> str:
        """The user message of the turn."""
        return page_message(self.observation, self.history[-HISTORY:])


def example(family: str, chore: Chore, *, moment: int, rng: random.Random) -> Example:
    """Freeze a chore after ``moment`` steps of its plan. Changes the chore's nodes: use a chore once."""
    nodes = [node for group in chore.groups for node in group]
    ids = _number(nodes, rng)
    for step in chore.plan[:moment]:
        _carry_out(step, chore)
    history = [format_action(_action(step, ids)) for step in chore.plan[:moment]]
    error = ""
    if rng.random() < 0.02:  # an answer that could not be read
        history.append("?")
        error = "That is not an action. Write one call, such as click(12)."
    elements = tuple(_element(node, ids[node]) for node in nodes)
    observation = Observation(chore.instruction, elements, error=error)
    step = chore.plan[moment]
    action = _action(step, ids)
    target = None if step.node is None else ids[step.node]
    unsure = chore.unsure_from is not None and moment >= chore.unsure_from
    return Example(
        family="convention" if unsure else family,
        observation=observation,
        history=tuple(history),
        action=action,
        completion=demonstration(observation, format_action(action), target),
    )


def arrange(lexicon: Lexicon, groups: list[list[Node]], *, clutter: int | None = None) -> list[list[Node]]:
    """Shuffle groups and put unrelated text, and sometimes unrelated controls, between them."""
    rng = lexicon.rng
    count = rng.choice((0, 0, 1, 1, 2, 3, 5, 9)) if clutter is None else clutter
    taken = {node.name.lower() for group in groups for node in group}
    extra = [[node] for node in (_clutter(lexicon) for _ in range(count)) if node.name.lower() not in taken]
    arranged = [*groups, *extra]
    rng.shuffle(arranged)
    return arranged


def _clutter(lexicon: Lexicon) -> Node:
    rng = lexicon.rng
    kind = rng.random()
    if kind < 0.5:
        return Node("text", lexicon.sentence(2, 6))
    if kind < 0.6:
        return Node("text", lexicon.sentence(6, 25))
    if kind < 0.68:
        return Node("heading", lexicon.phrase())
    return Node(rng.choice(("img", "generic", "clickable", "graphic", "button", "link", "slider")), lexicon.label())


def _number(nodes: list[Node], rng: random.Random) -> dict[Node, int]:
    """Give every node an id, rising in document order; a few pages have high first ids or gaps."""
    span = MAX_ID - len(nodes)
    current = rng.randint(0, min(span, 60)) if span > 0 and rng.random() < 0.25 else 0
    gaps = 0.3 if rng.random() < 0.4 else 0.0
    ids: dict[Node, int] = {}
    for node in nodes:
        current += 1
        if gaps and rng.random() < gaps:
            current += rng.randint(1, 3)
        ids[node] = current
    return ids


def _element(node: Node, element_id: int) -> Element:
    return Element(element_id, node.role, node.name, value=node.value, states=tuple(sorted(node.states)))


def _carry_out(step: Step, chore: Chore) -> None:
    """Change the nodes as a browser would."""
    node = step.node
    if node is None:
        return
    group = next(group for group in chore.groups if node in group)
    for other in (other for each in chore.groups for other in each):
        other.states.discard("focused")
    if node.role not in {"text", "heading", "img", "generic", "graphic", "clickable"}:
        node.states.add("focused")
    if step.verb == "fill":
        node.value = step.text
    elif step.verb == "select":
        node.value = step.text
        for option in group:
            option.states.discard("selected")
            if option.role == "option" and option.name == step.text:
                option.states.add("selected")
    elif node.role == "checkbox":
        node.states ^= {"checked"}
    elif node.role in {"radio", "tab"}:
        state = "checked" if node.role == "radio" else "selected"
        for other in group:
            other.states.discard(state)
        node.states.add(state)


def _action(step: Step, ids: dict[Node, int]) -> Action:
    if step.verb == "done":
        return Done(step.text)
    if step.verb == "press":
        return Press(step.text)
    assert step.node is not None
    element = ids[step.node]
    if step.verb == "fill":
        return Fill(element, step.text)
    return Select(element, step.text) if step.verb == "select" else Click(element)
