"""The elements of a desktop, from real apps in a real one."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from agentgym.action import Click, Press, Type
from agentgym.errors import SessionCrashedError
from agentgym.look import Budget, Look
from agentgym_desktop.accessibility import Accessibility, Limits, Reading
from agentgym_desktop.apps import BROWSER, CALC, CALCULATOR, EDITOR, FILES, TERMINAL, WRITER
from agentgym_desktop.desktop import Desktop
from agentgym_desktop.settings import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.observation import Element

LOOK = Look(frozenset({"elements", "tree"}))
BUS = ENVIRONMENT["AT_SPI_BUS_ADDRESS"]


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """An editor with a text."""
    desktop = Desktop.start(apps=())
    desktop.put({"a.txt": b"first line\nsecond line"})
    desktop.open(EDITOR.with_("a.txt"))
    desktop.rest()
    yield desktop
    desktop.close()


@pytest.fixture
def fresh(desktop: Desktop) -> Iterator[Accessibility]:
    """A second reader, which knows nothing yet."""
    accessibility = Accessibility(desktop.sandbox.connect, BUS)
    yield accessibility
    accessibility.close()


def find(desktop: Desktop, role: str, name: str) -> Element:
    elements = desktop.look(LOOK, "").elements
    return next(each for each in elements if each.role == role and each.name == name)


def without_ids(tree: str | None) -> str:
    return re.sub(r" \[\d+\]", "", tree or "")


def test_an_editor_tells_its_window_menus_and_text(desktop: Desktop) -> None:
    tree = without_ids(desktop.look(LOOK, "").tree).splitlines()
    assert re.fullmatch(r'window "~/a.txt - Mousepad" focused', tree[0])
    assert tree[1:3] == ["  menubar", '    menuitem "File"']
    assert any(re.fullmatch(r' +textbox "" value "first line second line" focused', line) for line in tree)


def test_a_menu_is_told_while_it_is_open_and_keeps_its_ids(desktop: Desktop) -> None:
    edit = find(desktop, "menuitem", "Edit")
    before = {each.id for each in desktop.look(LOOK, "").elements}
    desktop.act(Click(element=edit.id))
    first = find(desktop, "menuitem", "Select All")
    assert first.id not in before
    assert first.box.y > edit.box.y
    desktop.act(Press(keys="Escape"))
    assert {each.id for each in desktop.look(LOOK, "").elements} == before
    desktop.act(Click(element=edit.id))
    assert find(desktop, "menuitem", "Select All") == first
    desktop.act(Press(keys="Escape"))


def test_what_events_tell_is_what_a_first_look_sees(desktop: Desktop, fresh: Accessibility) -> None:
    """GTK does not tell that a search bar was packed into the window, nor which menu lost the focus."""
    for action in (
        Type(text="more "),
        Press(keys="Control+f"),
        Click(element=find(desktop, "menuitem", "View").id),
        Press(keys="Escape"),
        Press(keys="Escape"),
    ):
        desktop.act(action)
        known = desktop.look(LOOK, "").tree
        fresh.close()
        fresh.__init__(desktop.sandbox.connect, BUS)  # type: ignore[misc]
        assert without_ids(known) == without_ids(fresh.read(desktop.windows).tree), action


def test_a_second_look_asks_for_nothing_that_is_known(desktop: Desktop, fresh: Accessibility) -> None:
    fresh.read(desktop.windows)
    asked: list[int] = []
    ask = fresh._bus.ask
    fresh._bus.ask = lambda calls, deadline: asked.append(len(calls)) or ask(calls, deadline)  # type: ignore[method-assign,func-returns-value]
    fresh.read(desktop.windows)
    assert sum(asked) < 10  # which applications there are, whether they answer, what has the focus


def test_a_budget_keeps_windows_and_what_can_be_acted_on(desktop: Desktop, fresh: Accessibility) -> None:
    everything = fresh.read(desktop.windows)
    reading = fresh.read(desktop.windows, limits=Limits(budget=Budget(elements=3)))
    assert len(reading.elements) == 3
    assert reading.elements[0].role == "window"
    assert reading.omitted.here == len(everything.elements) - 3


def test_windows_without_a_tree_are_told_by_title_and_what_they_cover_is_not_told(desktop: Desktop) -> None:
    desktop.open(TERMINAL.with_("-geometry", "200x60+0+0", "-T", "A terminal"))
    reading = desktop._read(LOOK)
    assert [each.element.name for each in reading.nodes if each.depth == 0][-1] == "A terminal"
    assert not any(each.element.name == "File" for each in reading.nodes)
    desktop._windows.close(desktop.windows[-1].id)
    desktop.act(Press(keys="Shift"))
    assert find(desktop, "menuitem", "File")


def test_an_app_that_hangs_costs_its_own_part_only(desktop: Desktop) -> None:
    desktop.open(CALCULATOR.with_())
    calculator = next(window for window in desktop.windows if window.app == "Galculator")
    limits = Limits(patience_s=0.3)

    def read() -> tuple[Reading, float]:
        before = time.monotonic()
        return desktop._accessibility.read(desktop.windows, limits=limits), time.monotonic() - before

    assert any(each.name == "sqrt" for each in read()[0].elements)
    desktop.sandbox.run(["kill", f"-{signal.SIGSTOP.value}", str(calculator.pid)], timeout_s=5, max_output=1000)
    reading, _ = read()
    assert reading.problems == ("galculator does not answer: what it shows is missing.",)
    assert any(each.name == "File" and each.role == "menuitem" for each in reading.elements)
    assert any(each.role == "window" and each.name == "galculator" for each in reading.elements)
    assert not any(each.name == "sqrt" for each in reading.elements)
    assert min(read()[1] for _ in range(3)) < 0.3  # it is not waited for again
    desktop.sandbox.run(["kill", f"-{signal.SIGCONT.value}", str(calculator.pid)], timeout_s=5, max_output=1000)
    while read()[0].problems:
        desktop._settling.settle()
    assert any(each.name == "sqrt" for each in read()[0].elements)


def test_a_sheet_tells_its_cells_by_name_and_value() -> None:
    desktop = Desktop.start(apps=(CALC,))
    try:
        desktop.act(Type(text="5\n7\n=A1*A2\n"))
        elements = {each.name: each for each in desktop.look(LOOK, "").elements if each.role == "gridcell"}
        assert [elements[name].value for name in ("A1", "A2", "A3", "B1")] == ["5", "7", "35", ""]
        assert elements["B1"].box.x == elements["A1"].box.x + elements["A1"].box.width
        assert elements["A2"].box.y == elements["A1"].box.y + elements["A1"].box.height
        desktop.act(Click(element=elements["B2"].id))
        desktop.act(Type(text="=A3+1\n"))
        elements = {each.name: each for each in desktop.look(LOOK, "").elements if each.role == "gridcell"}
        assert elements["B2"].value == "36"
        fields = [each for each in desktop.look(LOOK, "").elements if each.name == "Font Name"]
        assert [each.role for each in fields] == ["textbox", "button"]
        bold = find(desktop, "button", "Bold")
        assert all(abs(each.box.y - bold.box.y) < 20 for each in fields)  # LibreOffice says that they are 25 lower
    finally:
        desktop.close()


def test_a_file_manager_tells_its_files_and_its_menu_while_it_is_open() -> None:
    """It is of GTK 2, which says of no menu item that it shows."""
    desktop = Desktop.start()
    try:
        desktop.put({"notes.txt": b"", "docs/a.txt": b""})
        desktop.open(FILES.with_())
        desktop.rest()
        assert [each.name for each in desktop.elements if each.role == "option"] == ["docs", "notes.txt"]
        desktop.act(Click(element=find(desktop, "menuitem", "Go").id))
        assert find(desktop, "menuitem", "Home Folder")
        desktop.act(Press(keys="Escape"))
        assert not any(each.name == "Connect to Server..." for each in desktop.elements)
    finally:
        desktop.close()


def test_a_browser_tells_its_page() -> None:
    desktop = Desktop.start()
    try:
        page = b"<title>Order</title><h1>Buy</h1><label>Name <input value=Ada></label><button disabled>Go</button>"
        desktop.put({"page.html": page})
        desktop.open(BROWSER.with_("page.html"))
        desktop.rest()
        lines = {without_ids(each.line) for each in desktop.elements}
        assert {'heading "Buy"', 'textbox "Name" value "Ada"', 'button "Go" disabled'} <= lines
    finally:
        desktop.close()


def test_a_word_processor_tells_its_paragraphs() -> None:
    desktop = Desktop.start(apps=(WRITER,))
    try:
        desktop.act(Type(text="Dear Ada,\nthank you."))
        tree = without_ids(desktop.look(LOOK, "").tree)
        assert re.search(
            r'^ +textbox "Untitled 1 - LibreOffice Document".*\n +text "Dear Ada,"\n +text "thank you."', tree, re.M
        )
    finally:
        desktop.close()


def test_a_bus_that_ends_ends_the_session() -> None:
    desktop = Desktop.start(apps=())
    try:
        desktop._services.program("message bus").kill()
        with pytest.raises(SessionCrashedError, match="accessibility bus"):
            desktop._accessibility.read()
    finally:
        desktop.close()
