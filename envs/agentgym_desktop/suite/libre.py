"""How oracles handle LibreOffice: cells, its own dialogs, saving under another name and format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Click, Fill, Press, Type, Wait
from agentgym_desktop.suite.hands import choose, click, find, find_all, until, until_gone, until_there
from agentgym_desktop.task import HOME

if TYPE_CHECKING:
    from agentgym.observation import Observation
    from agentgym_desktop.suite.hands import Hands


CLOSES_MS = (100, 200, 400, 800, 1600)  # that a file dialog may take to look at a folder, before it is asked again


def cells(observation: Observation) -> dict[str, str]:
    """Return what the cells on screen show, by their names, such as B7; without the empty ones."""
    return {each.name: each.value for each in observation.elements if each.role == "gridcell" and each.value}


def column(observation: Observation, heading: str) -> str:
    """Return the letters of the column below a heading of the first row.

    Raises:
        LookupError: there is none on screen.
    """
    for name, value in cells(observation).items():
        if value == heading and name.rstrip("0123456789") + "1" == name:
            return name[:-1]
    raise LookupError(f"No column {heading!r} on screen; there is: {cells(observation)}")


def row(observation: Observation, value: str) -> int:
    """Return the number of the first row in which a cell shows a value.

    Raises:
        LookupError: there is none on screen.
    """
    for name, shown in cells(observation).items():
        if shown == value:
            return int(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    raise LookupError(f"No cell {value!r} on screen; there is: {cells(observation)}")


def last_row(observation: Observation, letters: str) -> int:
    """Return the number of the last row on screen in which a column has something."""
    return max(int(name[len(letters) :]) for name in cells(observation) if name.rstrip("0123456789") == letters)


def go_to(observation: Observation, cell: str) -> Hands:
    """Move to a cell: by a click where it is on screen, else by its name."""
    if find_all(observation, "gridcell", cell):
        return (yield Click(find(observation, "gridcell", cell).id))
    observation = yield Fill(find(observation, "textbox", "Formula Tool Bar").id, cell)
    return (yield Press("Enter"))


def write(observation: Observation, cell: str, text: str) -> Hands:
    """Write into a cell; tabs and ends of lines in the text go on to the next ones."""
    observation = yield from go_to(observation, cell)
    return (yield Type(text + "\n"))


def save_as(observation: Observation, path: str) -> Hands:
    """Save under another name, relative to the home folder; as its ending says: ods, odt or csv."""
    observation = yield Press("Control+Shift+s")
    observation = yield from name_file(observation, path, dialog="Save")
    ending = path.rpartition(".")[2]
    if ending in {"ods", "odt"}:
        return observation
    observation = yield from click(observation, "button", "Use Text CSV Format")
    observation = yield from until_there(observation, "dialog", "Export Text File")
    return (yield from confirm(observation, "Export Text File"))


def name_file(observation: Observation, path: str, *, dialog: str) -> Hands:
    """Name the file in a dialog that saves, which is open or about to be; a path relative to the home folder.

    There is a button Save in the window behind, too, so that the dialog is over when it is gone.
    """

    def over(seen: Observation) -> bool:
        return not find_all(seen, "dialog", dialog) or bool(find_all(seen, "button", "Replace"))

    observation = yield from until_there(observation, "dialog", dialog)
    observation = yield from until_there(observation, "textbox", "Name:")
    observation = yield Fill(find(observation, "textbox", "Name:").id, f"{HOME}/{path}")
    observation = yield Press("Enter")
    for ms in CLOSES_MS:
        if not over(observation):
            observation = yield Wait(ms)
    if not over(observation):  # the list of what the name may become took the key
        observation = yield Press("Enter")
    observation = yield from until(observation, over, f"the end of the dialog {dialog!r}")
    if find_all(observation, "button", "Replace"):
        observation = yield Click(find(observation, "button", "Replace").id)
    return (yield from until_gone(observation, "dialog", dialog))


def export_pdf(observation: Observation, path: str) -> Hands:
    """Export as PDF to a path relative to the home folder."""
    observation = yield from choose(observation, "File", "Export As", "Export as PDF...")
    observation = yield from until_there(observation, "dialog", "PDF Options")
    observation = yield from confirm(observation, "PDF Options", "Export")
    return (yield from name_file(observation, path, dialog="Export"))


def confirm(observation: Observation, dialog: str, button: str = "OK") -> Hands:
    """Click a dialog's button, and see the dialog go."""
    observation = yield Click(find(observation, "button", button, at=-1).id)
    return (yield from until(observation, lambda seen: not find_all(seen, "dialog", dialog), f"the end of {dialog!r}"))
