"""One node of an application's accessibility tree, and how what is said of it is read.

Nothing here trusts the sender: names are cut, numbers and flags are taken where they are ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentgym.observation import MAX_NAME
from agentgym_desktop.atspi import Call
from agentgym_desktop.roles import EDITABLE, ELEMENTS, FIELDS, MANAGES, ROLES, SHOWING

if TYPE_CHECKING:
    from agentgym.observation import Box
    from agentgym_desktop.grid import Cell

PROPERTIES = "org.freedesktop.DBus.Properties"
GRIDS = frozenset({"table", "tree", "tree-table"})
_READABLE = frozenset({"text", "option", "gridcell", "heading", "link", "treeitem", "tooltip", "status"})


@dataclass(slots=True, eq=False)
class Accessible:
    """One node as its application tells it; None is what is not known."""

    path: str
    kind: str = "invalid"
    """Its role, of `agentgym_desktop.roles.ROLES`."""
    name: str = ""
    description: str = ""
    bits: int = 0
    can: frozenset[str] = frozenset()
    """Interfaces, by their last word."""
    count: int = -1
    children: tuple[str, ...] | None = None
    box: Box | None = None
    text: str | None = None
    """Its content, or the number that it stands at."""
    is_long: bool = False
    """Whether its content is told in part: from what is at the top of its box."""
    label: str | None = None
    """The name of what labels it."""
    cells: tuple[Accessible, ...] = ()
    """What shows of a table whose cells are told apart from the tree."""

    @property
    def showing(self) -> bool:
        """Whether it says that it can be seen, if only in part.

        An icon does not know: GTK decides it before the icon has a place. Its box tells, and its view's.
        """
        return bool(self.bits & SHOWING) or self.kind == "icon"

    @property
    def role(self) -> str:
        """Its role as an element; "" where it is none."""
        if self.kind == "document-text" and self.bits & EDITABLE:
            return "textbox"
        return ELEMENTS.get(self.kind, "")

    @property
    def is_grid(self) -> bool:
        """Whether its cells are too many to be nodes of the tree."""
        return bool(self.bits & MANAGES) and self.kind in GRIDS


def is_text(node: Accessible) -> bool:
    """Return whether a node's text is worth asking for: it is its content, or all that it is called by."""
    if "Text" not in node.can:
        return False
    return node.role in FIELDS or (node.role in _READABLE and not node.name and node.count <= 0)


def cell_node(table: str, cell: Cell) -> Accessible:
    """Return a cell of a table that is told apart from the tree as a node."""
    return Accessible(
        f"{table}#{cell.row},{cell.column}",
        "table-cell",
        cell.name,
        bits=cell.bits,
        count=0,
        box=cell.box,
        text=cell.text,
    )


def get_property(bus_name: str, path: str, interface: str, name: str) -> Call:
    """Return the question for a property of an object."""
    return Call(bus_name, path, PROPERTIES, "Get", "ss", (interface, name), "v")


def node_of(item: tuple[Any, ...]) -> Accessible | None:
    """Read an item of an application's cache; None where it is none."""
    match item:
        case (
            (str(), str(path)),
            _,
            (str(), str()),
            int(),
            int(count),
            list(can),
            str(name),
            int(role),
            str(text),
            list(states),
        ):
            kind = ROLES.get(role, "unknown")
            name, text = name[:MAX_NAME], text[:MAX_NAME]
            return Accessible(path, kind, name, text, bits_of(states), words_of(can), count, () if count == 0 else None)
    return None


def bits_of(states: list[int]) -> int:
    """Return states, which come as two words of 32, as one number."""
    return sum(word << 32 * index for index, word in enumerate(states[:2]))


def words_of(interfaces: Any) -> frozenset[str]:
    """Return the last words of the names of interfaces."""
    return frozenset(each.rpartition(".")[2] for each in interfaces[:40])


def text_of(answer: tuple[Any, ...] | None) -> str:
    """Return a property that is a text, cut; empty where it is none."""
    value = answer[0][1] if answer else ""
    return value[:MAX_NAME] if isinstance(value, str) else ""


def number_of(answer: tuple[Any, ...] | None) -> int:
    """Return a property that is a whole number; 0 where it is none."""
    value = answer[0][1] if answer else 0
    return value if isinstance(value, int) else 0


def amount_of(answer: tuple[Any, ...] | None) -> str:
    """Return a property that is a number in writing; empty where it is none."""
    value = answer[0][1] if answer else ""
    return f"{value:g}" if isinstance(value, int | float) else ""
