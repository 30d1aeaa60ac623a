"""One application's accessibility tree, held as a mirror that its events keep true.

The first look asks for all at once (`Cache.GetItems`); after that the application says what has changed, and only that
is asked for again, beside the places of what is showing. Where an application has no such cache, its tree is walked a
level at a time, showing nodes only. What it says is not trusted: its nodes, children, depth and time are bounded, and a
tree that runs in circles ends where it began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.observation import MAX_NAME, Box
from agentgym_desktop.accessible import (
    Accessible,
    amount_of,
    bits_of,
    cell_node,
    get_property,
    is_text,
    node_of,
    number_of,
    text_of,
    words_of,
)
from agentgym_desktop.atspi import ITEM, Answers, Call
from agentgym_desktop.grid import Grid
from agentgym_desktop.roles import BITS, FIELDS, MANAGES, ROLES, SHOWING, VALUED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.atspi import Bus, Signal

MAX_NODES = 6_000  # of one application that are looked at
MAX_CHILDREN = 1_000  # of one node
MAX_DEPTH = 200
ACCESSIBLE = "org.a11y.atspi.Accessible"
CACHE, TEXT = "org.a11y.atspi.Cache", "org.a11y.atspi.Text"
COMPONENT, SELECTION = "org.a11y.atspi.Component", "org.a11y.atspi.Selection"
PASSING = BITS["focused"] | BITS["checked"] | BITS["pressed"] | BITS["selected"] | BITS["expanded"]
LABELLED_BY = 2  # of AtspiRelationType
MENUS = frozenset({"menu", "menu-item", "check-menu-item", "radio-menu-item", "tearoff-menu-item", "separator"})


class Budgeted(NamedTuple):
    """A bus with the time that one application has on it."""

    bus: Bus
    deadline: float

    def ask(self, calls: list[Call]) -> list[tuple[Any, ...] | None]:
        """Ask, and raise `SilentError` where not all was answered in time."""
        if not calls:
            return []
        answers: Answers = self.bus.ask(calls, self.deadline)
        if not answers.complete:
            raise SilentError
        return answers.bodies


class SilentError(Exception):
    """The application did not answer in time."""


@dataclass(slots=True, eq=False)
class Application:
    """The mirror of an application.

    Args:
        bus_name: its unique name on the bus.
        root: the path of its root.
        pid: its process inside, as the bus knows it; None where the bus does not.
    """

    bus_name: str
    root: str
    pid: int | None = None
    name: str = ""
    silent: bool = False
    """Whether it failed to answer the last time; it is then asked whether it is back before it is waited for."""
    touched: bool = True
    """Whether anything has changed since it was last refreshed."""
    nodes: dict[str, Accessible] = field(default_factory=dict)
    order: list[tuple[Accessible, int]] = field(default_factory=list)
    """What is showing, in document order, each with how deep it is."""
    _stale: bool = True
    _unsure: bool = False  # whether there are nodes that are not known
    _grids: dict[str, Grid] = field(default_factory=dict)
    _doubtful: set[str] = field(default_factory=set)  # whose states have changed: GTK does not tell who lost the focus

    def forget(self) -> None:
        """Hold nothing for known any more."""
        self._stale, self.touched = True, True

    def hear(self, signal: Signal) -> None:
        """Take an event of the application."""
        self.touched = True
        if signal.interface == CACHE:
            self._hear_cache(signal)
            return
        node = self.nodes.get(signal.path)
        if node is None:  # it came without a word
            self._unsure = True
            return
        match signal.body:
            case (str(detail), int(on), int(), (str(), value), *_):
                self._change(node, signal.member, detail, on, value)
            case _:
                self.forget()

    def _change(self, node: Accessible, member: str, detail: str, on: int, value: Any) -> None:
        if member == "StateChanged":
            bit = BITS.get(detail, 0)
            node.bits = node.bits | bit if on else node.bits & ~bit
            self._doubtful.add(node.path)
            if detail == "expanded" and node.kind == "combo-box":  # so do Chromium's options come to show
                self._forget_below(node)
            if detail == "sensitive" and not node.role:  # so are all in it, without a word
                self._doubtful.update(each.path for each, _ in self.order if each.role)
        elif member in {"ChildrenChanged", "BoundsChanged"}:  # GTK does not tell what is packed into a box
            node.children, node.count = None, -1
        elif member == "PropertyChange" and detail == "accessible-name":
            node.name = value[:MAX_NAME] if isinstance(value, str) else ""
            node.text = None
        elif member == "PropertyChange" and detail == "accessible-role":
            self.nodes.pop(node.path, None)
        elif member in {"TextChanged", "PropertyChange"}:
            node.text = None

    def _forget_below(self, node: Accessible) -> None:
        """Hold nothing for known of what a node holds, and of what that holds."""
        for path in node.children or ():
            below = self.nodes.pop(path, None)
            for each in (below.children or ()) if below is not None else ():
                self.nodes.pop(each, None)

    def _hear_cache(self, signal: Signal) -> None:
        match signal.member, signal.body:
            case "AddAccessible", (tuple() as item,):
                node = node_of(item)
                if node is not None and len(self.nodes) < 2 * MAX_NODES:
                    if not node.role:  # more may be put into it, without a word
                        node.children, node.count = None, -1
                    self.nodes[node.path] = node
            case "RemoveAccessible", ((str(), str(path)),):
                self.nodes.pop(path, None)

    def refresh(self, budgeted: Budgeted, *, moved: bool) -> None:
        """Bring the mirror up to date.

        Args:
            budgeted: the bus, and how long this may take.
            moved: whether places may have changed without a word.

        Raises:
            SilentError: it took longer; what was learned is kept.
        """
        if self._stale:
            self._load(budgeted)
        elif self.touched:
            self._ask_states(budgeted)
        if self._unsure:
            for node, _ in self.order:
                node.children, node.count = (None, -1) if not node.role else (node.children, node.count)
            self._unsure = False
        self._walk(budgeted)
        self._fill(budgeted, again=self.touched or moved)
        self.touched = False

    def _load(self, budgeted: Budgeted) -> None:
        """Take in the whole tree, where the application has it at hand."""
        self.nodes.clear()
        self._grids.clear()
        self._doubtful.clear()
        calls = [
            Call(self.bus_name, "/org/a11y/atspi/cache", CACHE, "GetItems", answer=f"a{ITEM}"),
            get_property(self.bus_name, self.root, ACCESSIBLE, "Name"),
        ]
        items, name = budgeted.ask(calls)
        self.name = text_of(name)
        children: dict[str, list[tuple[int, str]]] = {}
        for item in items[0][: 2 * MAX_NODES] if items else ():
            node = node_of(item)
            if node is not None:
                self.nodes[node.path] = node
                children.setdefault(item[2][1], []).append((item[3], node.path))
        for path, found in children.items():
            node = self.nodes.get(path)
            if node is not None and not node.bits & MANAGES and node.count in {-1, len(found)}:
                found.sort()
                if [index for index, _ in found] == list(range(len(found))):
                    node.children = tuple(each for _, each in found)
        self._stale = False

    def _ask_states(self, budgeted: Budgeted) -> None:
        """Ask for the states of nodes that are in doubt, and of those that may lose theirs without a word."""
        passing = {node.path for node, _ in self.order if node.bits & PASSING or node.role in FIELDS}
        paths = [path for path in self._doubtful | passing if path in self.nodes][:MAX_CHILDREN]
        calls = [Call(self.bus_name, path, ACCESSIBLE, "GetState", answer="au") for path in paths]
        for path, answer in zip(paths, budgeted.ask(calls), strict=True):
            if answer is not None:
                node = self.nodes[path]
                told = node.bits & SHOWING if node.kind in MENUS else 0  # GTK 2 says of no item that it shows, if asked
                node.bits = bits_of(answer[0]) | told
        self._doubtful.clear()

    def _walk(self, budgeted: Budgeted) -> None:
        """Find what is showing, from the root down, and ask for what is not known of it."""
        level, seen = [self.root], {self.root}
        for _ in range(MAX_DEPTH):
            self._learn([path for path in level if path not in self.nodes], budgeted)
            nodes = [node for node in map(self.nodes.get, level) if node is not None and self._holds(node)]
            unsure = [node for node in nodes if node.children is None or (self.touched and node.bits & MANAGES)]
            self._ask_children(unsure, budgeted)
            level = []
            for node in nodes:
                for path in node.children or ():
                    if path not in seen and len(seen) < MAX_NODES:
                        seen.add(path)
                        level.append(path)
            if not level:
                break
        if len(self.nodes) > 2 * MAX_NODES:  # what it no longer holds, and never said it let go of
            self.nodes = {path: node for path, node in self.nodes.items() if path in seen}
            self._grids = {path: grid for path, grid in self._grids.items() if path in seen}
        self.order = list(self._in_order())

    def _holds(self, node: Accessible) -> bool:
        """Return whether a node's children can be seen."""
        return (node.showing or node.path == self.root) and not node.is_grid and node.count != 0

    def _learn(self, paths: list[str], budgeted: Budgeted) -> None:
        calls = []
        for path in paths:
            calls += [
                Call(self.bus_name, path, ACCESSIBLE, "GetRole", answer="u"),
                Call(self.bus_name, path, ACCESSIBLE, "GetState", answer="au"),
                Call(self.bus_name, path, ACCESSIBLE, "GetInterfaces", answer="as"),
                get_property(self.bus_name, path, ACCESSIBLE, "Name"),
                get_property(self.bus_name, path, ACCESSIBLE, "ChildCount"),
            ]
        answers = budgeted.ask(calls)
        for index, path in enumerate(paths):
            role, state, interfaces, name, count = answers[5 * index : 5 * index + 5]
            if role is None or state is None:  # it has just gone
                self.nodes[path] = Accessible(path, count=0)
                continue
            self.nodes[path] = Accessible(
                path,
                kind=ROLES.get(role[0], "unknown"),
                name=text_of(name),
                bits=bits_of(state[0]),
                can=words_of(interfaces[0] if interfaces else ()),
                count=number_of(count),
            )

    def _ask_children(self, nodes: list[Accessible], budgeted: Budgeted) -> None:
        managing = [node for node in nodes if node.bits & MANAGES]  # their children come and go without a word
        calls = [get_property(self.bus_name, node.path, ACCESSIBLE, "ChildCount") for node in managing]
        counts = zip(managing, budgeted.ask(calls), strict=True)
        many = {node.path for node, count in counts if not 0 <= number_of(count) <= MAX_CHILDREN}
        nodes = [node for node in nodes if node.path not in many]
        calls = [Call(self.bus_name, node.path, ACCESSIBLE, "GetChildren", answer="a(so)") for node in nodes]
        for node, answer in zip(nodes, budgeted.ask(calls), strict=True):
            found = answer[0][:MAX_CHILDREN] if answer else ()
            node.children = tuple(path for owner, path in found if owner == self.bus_name)
            if node.bits & MANAGES:
                for path in node.children:
                    self.nodes.pop(path, None)

    def _in_order(self) -> Iterator[tuple[Accessible, int]]:
        waiting, seen = [(self.root, 0)], set[str]()
        while waiting:
            path, depth = waiting.pop()
            node = self.nodes.get(path)
            if node is None or path in seen or depth > MAX_DEPTH or len(seen) > MAX_NODES:
                continue
            seen.add(path)
            if node.showing:
                yield node, depth
            if self._holds(node):
                waiting += [(each, depth + 1) for each in reversed(node.children or ())]

    def _fill(self, budgeted: Budgeted, *, again: bool) -> None:
        """Ask for places, texts and numbers of what is showing."""
        shown = [node for node, _ in self.order]
        self._place([node for node in shown if "Component" in node.can and (again or node.box is None)], budgeted)
        self._read(
            [each for each in shown if each.text is None or each.bits & BITS["focused"] or (again and each.is_long)],
            budgeted,
        )
        self._name([node for node in shown if node.kind == "page-tab" and (again or not node.name)], budgeted)
        self._label([node for node in shown if node.label is None and node.role in {*FIELDS, "combobox"}], budgeted)
        self._choice([node for node in shown if node.kind == "combo-box" and (again or node.text is None)], budgeted)
        for node in shown:
            if node.is_grid and node.box and (again or not node.cells):
                parents = {each.kind for each in shown if each.children and node.path in each.children}
                grid = self._grids.setdefault(node.path, Grid(self.bus_name, node.path))
                found = grid.read(budgeted.ask, node.box, sheet="document-spreadsheet" in parents)
                node.cells = tuple(cell_node(node.path, cell) for cell in found)

    def _place(self, nodes: list[Accessible], budgeted: Budgeted) -> None:
        calls = [Call(self.bus_name, node.path, COMPONENT, "GetExtents", "u", (0,), "(iiii)") for node in nodes]
        for node, answer in zip(nodes, budgeted.ask(calls), strict=True):
            node.box = Box(*answer[0]) if answer else Box(0, 0, 0, 0)

    def _read(self, nodes: list[Accessible], budgeted: Budgeted) -> None:
        """Ask for texts and numbers: of a long text, for what begins where its box does."""
        texts = [node for node in nodes if is_text(node)]
        numbers = [node for node in nodes if node.role in VALUED and "Value" in node.can and node not in texts]
        calls = [get_property(self.bus_name, node.path, TEXT, "CharacterCount") for node in texts]
        calls += [get_property(self.bus_name, node.path, "org.a11y.atspi.Value", "CurrentValue") for node in numbers]
        answers = budgeted.ask(calls)
        for node, answer in zip(numbers, answers[len(texts) :], strict=True):
            node.text = amount_of(answer)
        lengths = [number_of(answer) for answer in answers[: len(texts)]]
        for node, length in zip(texts, lengths, strict=True):
            node.is_long = length > MAX_NAME
        long = [node for node in texts if node.is_long and node.box]
        calls = []
        for node in long:
            x, y = node.box[:2] if node.box else (0, 0)
            calls.append(Call(self.bus_name, node.path, TEXT, "GetOffsetAtPoint", "iiu", (x + 3, y + 3, 0), "i"))
        starts = {id(node): answer[0] for node, answer in zip(long, budgeted.ask(calls), strict=True) if answer}
        calls = []
        for node, length in zip(texts, lengths, strict=True):
            start = max(0, min(starts.get(id(node), 0), length))
            end = max(start, min(length, start + MAX_NAME))
            calls.append(Call(self.bus_name, node.path, TEXT, "GetText", "ii", (start, end), "s"))
        for node, answer in zip(texts, budgeted.ask(calls), strict=True):
            node.text = answer[0][:MAX_NAME] if answer else ""

    def _name(self, nodes: list[Accessible], budgeted: Budgeted) -> None:
        """Ask for names that come and change without a word: GTK's tabs take theirs from what is written on them."""
        calls = [get_property(self.bus_name, node.path, ACCESSIBLE, "Name") for node in nodes]
        for node, answer in zip(nodes, budgeted.ask(calls), strict=True):
            node.name = text_of(answer)

    def _choice(self, nodes: list[Accessible], budgeted: Budgeted) -> None:
        """Ask for what is chosen of folded lists: Chromium tells it by what is selected of their hidden menus."""
        held = [(node, node.children[0]) for node in nodes if node.children is not None and len(node.children) == 1]
        held = [(node, menu) for node, menu in held if menu in self.nodes and self.nodes[menu].kind == "menu"]
        calls = [Call(self.bus_name, menu, SELECTION, "GetSelectedChild", "i", (0,), "(so)") for _, menu in held]
        chosen = [
            (node, answer[0][1])
            for (node, _), answer in zip(held, budgeted.ask(calls), strict=True)
            if answer and answer[0][0] == self.bus_name
        ]
        calls = [get_property(self.bus_name, path, ACCESSIBLE, "Name") for _, path in chosen]
        for (node, _), answer in zip(chosen, budgeted.ask(calls), strict=True):
            node.text = text_of(answer)

    def _label(self, nodes: list[Accessible], budgeted: Budgeted) -> None:
        calls = [Call(self.bus_name, node.path, ACCESSIBLE, "GetRelationSet", answer="a(ua(so))") for node in nodes]
        for node, answer in zip(nodes, budgeted.ask(calls), strict=True):
            targets = [each for kind, found in (answer[0] if answer else ()) if kind == LABELLED_BY for each in found]
            labels = [self.nodes.get(path) for owner, path in targets[:5] if owner == self.bus_name]
            node.label = " ".join(each.name for each in labels if each is not None)[:MAX_NAME]
