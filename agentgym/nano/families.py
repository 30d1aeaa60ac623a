"""Families of synthetic chores, each with many phrasings.

Where a real task would have a convention (does a form need its button pressed in the end, is a field clicked before it
is filled), pages differ: with a cue in the instruction the plan follows it; without one, either way comes up. So the
model learns to see and to act, and has the conventions still to learn.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from agentgym.nano.lexicon import Lexicon
from agentgym.nano.pages import Chore, Example, Node, Step, arrange, example
from agentgym.nano.phrases import (
    ANSWER,
    CHECK,
    CHOOSE,
    CLICK,
    CLICK_KIND,
    CLICK_TWO,
    COPY,
    CUE,
    DISMISS,
    FILL,
    FILL_TWO,
    FOCUS,
    KINDS,
    LABELS,
    MENU,
    OPEN_TAB,
    ORDINALS,
    POSITION,
    SUBMITS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLICKABLE = (
    "button",
    "button",
    "button",
    "link",
    "link",
    "tab",
    "option",
    "radio",
    "checkbox",
    "clickable",
    "menuitem",
)

CLOSERS = ("Cancel", "OK", "Close", "x", "×", "Yes", "No", "Accept", "Dismiss", "Later", "Retry")  # noqa: RUF001 (as shown)


def generate(seed: int, *, family: str | None = None) -> Iterator[Example]:
    """Yield examples without end; the same for the same seed, in every process.

    Args:
        seed: Of the random generator; different seeds give different pages.
        family: Only this family (one of `FAMILIES`), or None for all, by weight.
    """
    rng = random.Random(seed)  # noqa: S311 (examples, not secrets)
    lexicon = Lexicon(rng)
    names = list(FAMILIES)
    weights = [FAMILIES[name][1] for name in names]
    while True:
        name = family or rng.choices(names, weights)[0]
        chore = FAMILIES[name][0](lexicon)
        yield example(name, chore, moment=rng.randrange(len(chore.plan)), rng=rng)


def click_label(lexicon: Lexicon) -> Chore:
    """Click the one element that has a label."""
    rng = lexicon.rng
    roles = rng.choices(CLICKABLE, k=rng.randint(1, 3))
    nodes = [Node(rng.choice(roles), label) for label in lexicon.labels(rng.choice((1, 2, 3, 4, 5, 6, 8, 12)))]
    target = rng.choice(nodes)
    name = target.name if rng.random() < 0.94 else target.name.lower()
    sentence = _say(lexicon, CLICK, a=_quote(lexicon, name), kind=_kind(lexicon, target))
    return Chore(sentence, arrange(lexicon, [[node] for node in nodes]), _end(lexicon, [Step("click", target)]), 1)


def click_kind(lexicon: Lexicon) -> Chore:
    """Click the element of a kind, where another kind has the same label or the label is not said."""
    rng = lexicon.rng
    first, second = rng.sample(("button", "link", "textbox", "checkbox", "radio", "combobox", "img", "heading"), 2)
    labels = lexicon.labels(rng.randint(1, 5))
    target = Node(first, labels[0])
    others = [Node(second, label) for label in labels]
    sentence = _say(lexicon, CLICK_KIND, a=_quote(lexicon, labels[0]), kind=_kind(lexicon, target))
    if rng.random() < 0.3:  # the label says it as well
        others = others[1:]
    groups = arrange(lexicon, [[target], *([node] for node in others)], clutter=0)
    return Chore(sentence, groups, [Step("click", target)])


def click_several(lexicon: Lexicon) -> Chore:
    """Click two or three elements in order."""
    rng = lexicon.rng
    role = rng.choice(("button", "link", "button", "clickable", "tab"))
    nodes = [Node(role, label) for label in lexicon.labels(rng.randint(2, 7))]
    targets = rng.sample(nodes, 2)
    a, b = (_quote(lexicon, node.name) for node in targets)
    sentence = _say(lexicon, CLICK_TWO, a=a, b=b)
    if len(nodes) > 2 and rng.random() < 0.2:
        third = rng.choice([node for node in nodes if node not in targets])
        targets.append(third)
        sentence = f"{sentence.rstrip('.')}, and {_quote(lexicon, third.name)} as the last."
    groups = arrange(lexicon, [[node] for node in nodes])
    return Chore(sentence, groups, _end(lexicon, [Step("click", node) for node in targets]), len(targets))


def check_boxes(lexicon: Lexicon) -> Chore:
    """Check all boxes that are named."""
    rng = lexicon.rng
    nodes = [Node("checkbox", label) for label in lexicon.labels(rng.choice((1, 2, 3, 4, 5, 6, 8)))]
    targets = rng.sample(nodes, rng.randint(1, min(len(nodes), 5)))
    if rng.random() < 0.6:
        targets.sort(key=nodes.index)
    names = [_bare(lexicon, node.name) for node in targets]
    joined = (
        ", ".join(names) if rng.random() < 0.5 else " and ".join([", ".join(names[:-1]), names[-1]][len(names) < 2 :])
    )
    return _form(lexicon, _say(lexicon, CHECK, a=joined), [nodes], [Step("click", node) for node in targets])


def choose_radio(lexicon: Lexicon) -> Chore:
    """Choose one of the radio buttons."""
    rng = lexicon.rng
    nodes = [Node("radio", label) for label in lexicon.labels(rng.choice((2, 3, 4, 5, 6, 8)))]
    target = rng.choice(nodes)
    if rng.random() < 0.2:
        rng.choice([node for node in nodes if node is not target]).states.add("checked")
    return _form(lexicon, _say(lexicon, CHOOSE, a=_quote(lexicon, target.name)), [nodes], [Step("click", target)])


def fill_one(lexicon: Lexicon) -> Chore:
    """Write a text into the only field, or into the one of a name."""
    rng = lexicon.rng
    groups, fields = _fields(lexicon, rng.choice((1, 1, 1, 2, 3)))
    label, target = rng.choice(list(fields.items()))
    text = _value(lexicon)
    where = f"the {_bare(lexicon, label)} {rng.choice(('field', 'box', 'textbox', 'input'))}"
    if len(fields) == 1 and rng.random() < 0.8:
        where = rng.choice(("the field", "the box", "the textbox", "the text box", "the input", "the empty field"))
    sentence = _say(lexicon, FILL, a=f'"{text}"', where=where)
    return _form(lexicon, sentence, groups, _writing(lexicon, target, text))


def fill_two(lexicon: Lexicon) -> Chore:
    """Write two texts into two labelled fields."""
    rng = lexicon.rng
    groups, fields = _fields(lexicon, rng.choice((2, 2, 2, 3, 4)))
    (la, first), (lb, second) = rng.sample(list(fields.items()), 2)
    texts = [_value(lexicon), _value(lexicon)]
    a, b = (f'"{text}"' for text in texts)
    sentence = _say(lexicon, FILL_TWO, a=a, b=b, la=_bare(lexicon, la), lb=_bare(lexicon, lb))
    steps = [Step("fill", first, texts[0]), Step("fill", second, texts[1])]
    return _form(lexicon, sentence, groups, steps)


def focus(lexicon: Lexicon) -> Chore:
    """Place the cursor in a field."""
    groups, fields = _fields(lexicon, lexicon.rng.choice((1, 2, 3, 4)), labelled=True)
    label, target = lexicon.rng.choice(list(fields.items()))
    sentence = _say(lexicon, FOCUS, a=_quote(lexicon, label))
    return Chore(sentence, arrange(lexicon, groups), [Step("click", target)])


def menu(lexicon: Lexicon) -> Chore:
    """Choose an option of a drop-down list."""
    rng = lexicon.rng
    names = lexicon.labels(rng.randint(2, 9))
    box = Node("combobox", lexicon.label() if rng.random() < 0.4 else "", value=names[0])
    options = [Node("option", name) for name in names]
    options[0].states.add("selected")
    choice = rng.choice(names)
    sentence = _say(lexicon, MENU, a=_quote(lexicon, choice))
    return _form(lexicon, sentence, [[box, *options]], [Step("select", box, choice)])


def dismiss(lexicon: Lexicon) -> Chore:
    """Answer a dialog with one of its buttons."""
    rng = lexicon.rng
    names = rng.sample(CLOSERS, 4)
    buttons = [Node("button", name) for name in names[: rng.randint(1, 4)]]
    target = rng.choice(buttons)
    dialog = [Node("text", lexicon.sentence(1, 3)), Node("text", lexicon.sentence(3, 12)), *buttons]
    sentence = _say(lexicon, DISMISS, a=_quote(lexicon, target.name))
    return Chore(sentence, arrange(lexicon, [dialog], clutter=rng.randint(0, 2)), [Step("click", target)])


def copy_text(lexicon: Lexicon) -> Chore:
    """Copy what stands behind a label into a field."""
    rng = lexicon.rng
    labels, values = lexicon.labels(rng.randint(1, 3)), [_value(lexicon) for _ in range(3)]
    shown = [
        [Node("text", label), Node("text", value)] for label, value in zip(labels, values[: len(labels)], strict=True)
    ]
    pick = rng.randrange(len(labels))
    sentence = _say(lexicon, COPY, a=_quote(lexicon, labels[pick]))
    box = Node("textbox", "")
    return _form(lexicon, sentence, [*shown, [box]], [Step("fill", box, values[pick])])


def answer(lexicon: Lexicon) -> Chore:
    """Say what stands behind a label."""
    rng = lexicon.rng
    labels = lexicon.labels(rng.randint(1, 4))
    values = [_value(lexicon) for _ in labels]
    shown = [[Node("text", label), Node("text", value)] for label, value in zip(labels, values, strict=True)]
    pick = rng.randrange(len(labels))
    sentence = _say(lexicon, ANSWER, a=_quote(lexicon, labels[pick]))
    return Chore(sentence, arrange(lexicon, shown, clutter=rng.randint(0, 2)), [Step("done", text=values[pick])])


def position(lexicon: Lexicon) -> Chore:
    """Click the first, second … or last element of a kind."""
    rng = lexicon.rng
    role = rng.choice(("button", "link", "textbox", "checkbox", "radio", "tab"))
    count = rng.randint(1, 5)
    names = [""] * count if role == "textbox" else lexicon.labels(count)
    groups = arrange(lexicon, [[Node(role, name)] for name in names], clutter=rng.randint(0, 3))
    nodes = [group[0] for group in groups if group[0].role == role]
    index = rng.randrange(min(len(nodes), len(ORDINALS)))  # unrelated controls may add nodes of the kind
    ordinal = "last" if index == len(nodes) - 1 and rng.random() < 0.4 else rng.choice(ORDINALS[index])
    if len(nodes) == 1:
        ordinal = rng.choice(("only", "one"))
    sentence = _say(lexicon, POSITION, n=ordinal, kind=_kind(lexicon, nodes[index]))
    return Chore(sentence, groups, [Step("click", nodes[index])])


def open_tab(lexicon: Lexicon) -> Chore:
    """Open a tab or section, one of which is open already."""
    rng = lexicon.rng
    count = rng.randint(2, 6)
    names = [f"{lexicon.phrase().split()[0]} {i + 1}" for i in range(count)]
    if rng.random() < 0.5:
        word = rng.choice(("Part", "Section", "Page", "Sheet", "Step", "Chapter"))
        mark = rng.choice((" ", " #", " No. "))
        names = [f"{word}{mark}{i + 1}" for i in range(count)]
    elif rng.random() < 0.5:
        names = lexicon.labels(count)
    role = rng.choice(("tab", "tab", "link", "menuitem"))
    nodes = [Node(role, name) for name in names]
    target = rng.choice(nodes)
    if role == "tab":
        rng.choice([node for node in nodes if node is not target]).states.add("selected")
    content = [Node("text", lexicon.sentence(4, 20))]
    return Chore(_say(lexicon, OPEN_TAB, a=_bare(lexicon, target.name)), [nodes, content], [Step("click", target)])


def _form(lexicon: Lexicon, sentence: str, groups: list[list[Node]], steps: list[Step]) -> Chore:
    """End a form: with a cue its button is pressed; without one the page has none, or it may go either way."""
    rng = lexicon.rng
    taken = {node.name.lower() for group in groups for node in group}
    name = rng.choice(SUBMITS) if rng.random() < 0.6 else lexicon.phrase()
    while name.lower() in taken:
        name = lexicon.phrase()
    button = Node(rng.choice(("button", "button", "button", "link")), name)
    body = arrange(lexicon, groups, clutter=rng.choice((0, 0, 1, 2, 4)))
    kind = rng.random()
    if kind < 0.6:  # a cue
        sentence = f"{sentence.rstrip('.')}{_say(lexicon, CUE, a=_quote(lexicon, name))}"
        groups = [*body, [button]] if rng.random() < 0.85 else [[button], *body]
        return Chore(sentence, groups, [*steps, Step("click", button)])
    if kind < 0.7 and steps[-1].verb == "fill":
        sentence = f"{sentence.rstrip('.')}{rng.choice((', then hit Enter.', ' and hit the Enter key.'))}"
        return Chore(sentence, body, [*steps, Step("press", text="Enter")])
    if kind < 0.9:  # no cue, but a button: a convention that differs
        last = Step("click", button) if rng.random() < 0.5 else Step("done")
        return Chore(sentence, [*body, [button]], [*steps, last], len(steps))
    return Chore(sentence, body, _end(lexicon, steps), len(steps))


def _end(lexicon: Lexicon, steps: list[Step]) -> list[Step]:
    """Say done after some plans."""
    return [*steps, Step("done")] if lexicon.rng.random() < 0.15 else steps


def _writing(lexicon: Lexicon, node: Node, text: str) -> list[Step]:
    """Fill a field, now and then after a click on it."""
    return [Step("click", node), Step("fill", node, text)] if lexicon.rng.random() < 0.1 else [Step("fill", node, text)]


def _fields(lexicon: Lexicon, count: int, *, labelled: bool = False) -> tuple[list[list[Node]], dict[str, Node]]:
    """Return fields by label, and their groups: a text before an unnamed field, or a field with a name."""
    rng = lexicon.rng
    named = rng.random() < 0.4
    role = "textbox" if rng.random() < 0.9 else rng.choice(("searchbox", "spinbutton"))
    labels = rng.sample(LABELS, count) if rng.random() < 0.5 else lexicon.labels(count)
    groups: list[list[Node]] = []
    fields: dict[str, Node] = {}
    for label in labels:
        fields[label] = node = Node(role, label if named else "")
        alone = count == 1 and not labelled and rng.random() < 0.6
        colon = ":" if rng.random() < 0.3 else ""
        groups.append([node] if named or alone else [Node("text", label + colon), node])
    return groups, fields


def _value(lexicon: Lexicon) -> str:
    """Return what one would write into a field."""
    rng = lexicon.rng
    if rng.random() < 0.1:
        return f"{lexicon.word()}@{lexicon.pseudo()}.{rng.choice(('com', 'org', 'net'))}"
    text = lexicon.label()
    return text.lower() if rng.random() < 0.2 else text


def _say(lexicon: Lexicon, phrases: tuple[str, ...], **parts: str) -> str:
    return lexicon.rng.choice(phrases).format(**parts)


def _quote(lexicon: Lexicon, text: str) -> str:
    """Write a label as instructions do: mostly in double quotes."""
    kind = lexicon.rng.random()
    if kind < 0.55:
        return f'"{text}"'
    return f"'{text}'" if kind < 0.62 else text


def _bare(lexicon: Lexicon, text: str) -> str:
    """Write a label as instructions do in lists: mostly without quotes."""
    return f'"{text}"' if lexicon.rng.random() < 0.2 else text


def _kind(lexicon: Lexicon, node: Node) -> str:
    return lexicon.rng.choice(KINDS.get(node.role, ("element", "control")))


FAMILIES: dict[str, tuple[Callable[[Lexicon], Chore], float]] = {
    "click_label": (click_label, 5),
    "click_kind": (click_kind, 1.5),
    "click_several": (click_several, 2),
    "check_boxes": (check_boxes, 3),
    "choose_radio": (choose_radio, 1.5),
    "fill_one": (fill_one, 2.5),
    "fill_two": (fill_two, 2.5),
    "focus": (focus, 1),
    "menu": (menu, 1),
    "dismiss": (dismiss, 1),
    "copy_text": (copy_text, 1),
    "answer": (answer, 1),
    "position": (position, 2),
    "open_tab": (open_tab, 1),
}
"""Name: how to make a chore, and how often it comes up."""
