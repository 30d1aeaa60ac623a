"""The tasks in the light apps (editor, file manager, terminal, calculator), played for real."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agentgym.action import Click, Done, Press, Type
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_desktop.apps import CALCULATOR, EDITOR, FILES
from agentgym_desktop.suite import calculator, editor, files, terminal, windows
from agentgym_desktop.suite.calculator import displayed
from agentgym_desktop.suite.hands import find, find_all
from agentgym_desktop.world import DesktopWorld
from tests.desktop_oracles import play
from tests.desktop_task import AppTask, act, begin, desktop_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.episode import Trajectory
    from agentgym_desktop.task import DesktopTask

TASKS: tuple[DesktopTask, ...] = (*editor.TASKS, *files.TASKS, *terminal.TASKS, *calculator.TASKS, *windows.TASKS)
AT_ONCE = (
    editor.WriteNote(),
    editor.LookUp(),
    files.TrashDrafts(),
    calculator.OtherBase(),
    terminal.MakeTree(),
    windows.CloseOne(),
)


@pytest.fixture(scope="module")
def world() -> Iterator[DesktopWorld]:
    with DesktopWorld(num_slots=2) as world:
        yield world


@pytest.fixture(scope="module")
def played(world: DesktopWorld, request: pytest.FixtureRequest) -> dict[str, Trajectory]:
    """What the oracles have done, two at a time, in the tasks whose tests are to be run."""
    return play(world, TASKS, request, test_the_oracle_solves_it.__name__)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_the_oracle_solves_it(played: dict[str, Trajectory], task: DesktopTask) -> None:
    trajectory = played[task.id]
    assert trajectory.success, (trajectory.reason, [turn.action for turn in trajectory.turns])
    assert all(not turn.error for turn in trajectory.turns)


def test_who_is_done_at_once_has_done_nothing(world: DesktopWorld) -> None:
    for task in AT_ONCE:
        world.reset({0: Instance(task, 1)})
        step = world.step({0: Done("0")})[0]
        assert isinstance(step, Step)
        assert step.score is not None
        assert step.score.value == 0, (task.id, step.score.reason)


def test_digits_that_follow_each_other_closely_all_reach_the_calculator(world: DesktopWorld) -> None:
    begin(world, AppTask(CALCULATOR))
    act(world, Type("1100220*2+121"))
    assert displayed(act(world, Press("Enter")).observation.elements) == "2200561"


def test_the_other_window_comes_to_the_front_with_alt_and_tab(world: DesktopWorld) -> None:
    first = begin(world, AppTask(CALCULATOR, opens=(EDITOR.with_(),)))
    titles = [first.title, *(act(world, Press("Alt+Tab")).observation.title for _ in range(3))]
    assert titles[0] == titles[2] != titles[1] == titles[3]


def test_an_app_that_is_closed_is_not_waited_for(world: DesktopWorld) -> None:
    begin(world, AppTask(EDITOR, opens=(EDITOR.with_(),)))
    began = time.monotonic()
    act(world, Press("Alt+F4"))
    assert time.monotonic() - began < 10  # it will not answer whether it has handled the key
    assert len([window for window in desktop_of(world).windows if window.app == "Mousepad"]) == 1


def test_what_is_selected_is_what_a_command_works_on(world: DesktopWorld) -> None:
    opened = begin(world, AppTask(FILES, files={f"papers/{n}.txt": b"x" for n in "abc"}))
    inside = act(world, Click(find(opened, "option", "papers").id, count=2)).observation
    act(world, Click(find(inside, "option", "b.txt").id))
    asked = act(world, Press("F2")).observation
    assert find(asked, "textbox", "").value == "b.txt"


def test_a_menu_that_pops_up_is_a_place_for_its_items(world: DesktopWorld) -> None:
    opened = begin(world, AppTask(CALCULATOR))
    menu = act(world, Click(find(opened, "button", "MS").id)).observation
    assert [each.name for each in find_all(menu, "menuitem")][-1] == "save here"
    assert all(each.name for each in find_all(menu, "menuitem"))


def test_a_file_that_comes_while_its_folder_is_shown_is_told(world: DesktopWorld) -> None:
    begin(world, AppTask(FILES, files={"first.txt": b"1"}))
    desktop_of(world).put({"second.txt": b"2", "third.txt": b"3"})
    observation = act(world, Press("F5")).observation
    assert [each.name for each in find_all(observation, "option")] == ["first.txt", "second.txt", "third.txt"]


def test_a_text_is_told_from_where_it_is_scrolled_to_also_while_the_cursor_is_elsewhere(world: DesktopWorld) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(400))
    begin(world, AppTask(EDITOR, files={"long.txt": lines}, opens=(EDITOR.with_("/home/user/long.txt"),)))
    opened = act(world, Press("Control+f")).observation
    field = find_all(opened, "textbox", "")[-1]
    act(world, Click(field.id))
    act(world, Type("line 333"))
    found = act(world, Press("Enter")).observation
    assert any("line 333 " in each.value for each in find_all(found, "textbox"))
