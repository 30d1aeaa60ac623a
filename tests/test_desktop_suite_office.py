"""The tasks in office programs, viewers and the browser, played for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym.action import Click, Done, Fill, Press, Select
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_desktop.apps import BROWSER, CALC, PDF_VIEWER, WRITER
from agentgym_desktop.papers import odt_file, pdf_file
from agentgym_desktop.suite import browser, layout, office, spreadsheet, viewers, workbook, writer
from agentgym_desktop.suite.hands import find, find_all
from agentgym_desktop.world import DesktopWorld
from tests.desktop_oracles import play
from tests.desktop_task import AppTask, act, begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.episode import Trajectory
    from agentgym_desktop.apps import App
    from agentgym_desktop.task import DesktopTask

MODULES = (spreadsheet, workbook, writer, layout, viewers, browser, office)
TASKS: tuple[DesktopTask, ...] = tuple(task for module in MODULES for task in module.TASKS[:2])
"""Two of each kind: all of them take minutes, and are proved by scripts/prove_desktop_suite.py."""
AT_ONCE = (spreadsheet.EnterList(), writer.WriteLetter(), viewers.TurnToPage(), browser.KeepTabs())


@pytest.fixture(scope="module")
def world() -> Iterator[DesktopWorld]:
    with DesktopWorld(num_slots=2) as world:
        yield world


@pytest.fixture(scope="module")
def played(world: DesktopWorld, request: pytest.FixtureRequest) -> dict[str, Trajectory]:
    """What the oracles have done, two at a time, in the tasks whose tests are to be run."""
    return play(world, TASKS, request, test_the_oracle_solves_it.__name__)


def opened(app: App, name: str, content: bytes) -> AppTask:
    """Return a task in which an app shows a file, and nothing else is open."""
    task = AppTask(files={name: content}, opens=(app.with_(name),))
    task.apps = ()
    return task


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_the_oracle_solves_it(played: dict[str, Trajectory], task: DesktopTask) -> None:
    trajectory = played[task.id]
    assert trajectory.success, (trajectory.reason, [turn.action for turn in trajectory.turns])
    assert len(trajectory.turns) >= 15 or task not in office.TASKS


def test_who_is_done_at_once_has_done_nothing(world: DesktopWorld) -> None:
    for task in AT_ONCE:
        world.reset({0: Instance(task, 1)})
        step = world.step({0: Done("0")})[0]
        assert isinstance(step, Step)
        assert step.score is not None
        assert step.score.value == 0, (task.id, step.score.reason)


@pytest.mark.parametrize("app", [CALC, WRITER], ids=lambda app: app.name)
def test_an_office_program_starts_without_a_question(world: DesktopWorld, app: App) -> None:
    observation = begin(world, AppTask(app))
    assert [each.name for each in observation.elements if each.role in {"window", "dialog", "alertdialog"}] == [
        f"Untitled 1 - LibreOffice {'Calc' if app == CALC else 'Writer'}"
    ]
    assert not any("Tip" in each.name or "Donate" in each.name for each in observation.elements)


def test_the_page_of_a_pdf_that_one_has_turned_to_is_told(world: DesktopWorld) -> None:
    content = pdf_file([["First page"], ["Second page"], ["Third page"]])
    observation = begin(world, opened(PDF_VIEWER, "a.pdf", content))
    assert viewers.page_shown(observation) == "First page"
    observation = act(world, Fill(find(observation, "textbox", "page-label-entry").id, "3")).observation
    observation = act(world, Press("Enter")).observation
    assert "Third page" in [each.name for each in find_all(observation, "text")]


def test_a_figure_in_a_cell_is_told_though_it_is_part_of_the_cells_name(world: DesktopWorld) -> None:
    observation = begin(world, opened(WRITER, "a.odt", odt_file([[["1", "2"], ["A", "B2"]]])))
    told = [each.name for each in observation.elements if each.role in {"gridcell", "text"}]
    start = told.index("A1")
    assert told[start : start + 7] == ["A1", "1", "B1", "2", "A2", "A", "B2"]


def test_the_options_of_a_browsers_list_are_told_and_can_be_chosen(world: DesktopWorld) -> None:
    page = b"<title>T</title><label>Colour <select><option>Red<option>Blue</select></label>"
    observation = begin(world, opened(BROWSER, "a.html", page))
    field = find(observation, "combobox", "Colour")
    assert field.value == "Red"
    unfolded = act(world, Click(field.id)).observation
    assert {"Red", "Blue"} <= {each.name for each in find_all(unfolded, "menuitem")}
    act(world, Press("Escape"))
    chosen = act(world, Select(field.id, "Blue"))
    assert not chosen.observation.error
    assert find(chosen.observation, "combobox", "Colour").value == "Blue"
