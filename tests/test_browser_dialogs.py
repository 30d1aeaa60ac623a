"""Dialogs of a page: seen and answered by an agent, by element and by pixel, while the page stands still."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agentgym import registry
from agentgym.action import Click, Done, Drag, Fill, Hover, Press, Scroll, Type, Wait
from agentgym.errors import SessionCrashedError
from agentgym.observation import MAX_NAME
from tests.author_task import AuthorTask
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.world import World

BUTTON = '<script>let said = []</script><button onclick="said.push({0})">go</button>'
ANSWERS = "said"
ROLES = {
    "alert('Hi')": ["dialog", "button"],
    "confirm('Sure?')": ["dialog", "button", "button"],
    "prompt('Name?', 'Ann')": ["dialog", "textbox", "button", "button"],
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", num_slots=2, screenshot=True) as world:
        yield world


def ask(world: World, script: str, *, slot: int = 0) -> tuple[PageTask, Observation]:
    """Open a page whose button runs a script that asks, click on it, and return what is seen then."""
    task = PageTask(BUTTON.format(script), state=ANSWERS)
    first = open_page(world, task, slot=slot)
    return task, act(world, Click(element=find(first, "button", "go").id), slot=slot)


def test_a_page_without_dialogs_shows_none(world: World) -> None:
    task, seen = ask(world, "1")
    assert [element.role for element in seen.elements] == ["button"]
    assert task.state == [1]


@pytest.mark.parametrize("script", ROLES)
def test_an_open_dialog_is_all_there_is_to_see(world: World, script: str) -> None:
    _, seen = ask(world, script)
    assert [element.role for element in seen.elements] == ROLES[script]
    assert seen.elements[0].name in script
    assert not seen.error
    ids = [element.id for element in seen.elements]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("script", "answer", "said"),
    [
        ("alert('Hi')", "OK", None),
        ("confirm('Sure?')", "OK", True),
        ("confirm('Sure?')", "Cancel", False),
        ("prompt('Name?', 'Ann')", "OK", "Ann"),
        ("prompt('Name?', 'Ann')", "Cancel", None),
    ],
)
@pytest.mark.parametrize("by", ["element", "pixel"])
def test_its_buttons_answer_the_page(world: World, script: str, answer: str, said: Any, by: str) -> None:
    task, seen = ask(world, script)
    button = find(seen, "button", answer)
    x, y, width, height = button.box
    act(world, Click(element=button.id) if by == "element" else Click(x=x + width // 2, y=y + height // 2))
    assert task.state == [said]


@pytest.mark.parametrize(
    ("script", "actions", "said"),
    [
        ("alert('Hi')", [Press("Enter")], None),
        ("alert('Hi')", [Press("Escape")], None),
        ("confirm('Sure?')", [Press("Enter")], True),
        ("confirm('Sure?')", [Press("Escape")], False),
        ("prompt('Name?', 'Ann')", [Type("Bob"), Press("Enter")], "Bob"),
        ("prompt('Name?', 'Ann')", [Type("Bo"), Type("bb"), Press("Backspace"), Press("Enter")], "Bob"),
        ("prompt('Name?')", [Type("Zoë 北京 🙂"), Press("Enter")], "Zoë 北京 🙂"),
        ("prompt('Name?', 'Ann')", [Press("Control+a"), Press("Backspace"), Press("Enter")], ""),
        ("prompt('Name?', 'Ann')", [Press("Escape")], None),
    ],
)
def test_it_is_answered_by_keyboard(world: World, script: str, actions: list[Action], said: Any) -> None:
    task, _ = ask(world, script)
    for action in actions:
        assert not act(world, action).error
    assert task.state == [said]


def test_a_prompt_is_filled(world: World) -> None:
    task, seen = ask(world, "prompt('Name?', 'Ann')")
    field = find(seen, "textbox")
    assert (field.value, field.states) == ("Ann", ("focused",))
    seen = act(world, Fill(field.id, "née 🙂"))
    assert find(seen, "textbox") == field.__class__(field.id, "textbox", "", "née 🙂", ("focused",), field.box)
    act(world, Click(element=find(seen, "button", "OK").id))
    assert task.state == ["née 🙂"]


@pytest.mark.parametrize(
    "action",
    [Click(element=1), Click(x=5, y=290), Click(element=999), Hover(element=1), Scroll(0, 9), Press("a"), Type("x"),
     Drag(element=1, to_element=1), Fill(1, "x")],
)  # fmt: skip
def test_what_goes_past_it_is_told_so(world: World, action: Action) -> None:
    task, before = ask(world, "confirm('Sure?')")
    after = act(world, action)
    assert after.error == "A dialog (confirm) is open: 'Sure?'. Answer it first."
    assert after.elements == before.elements
    act(world, Press("Enter"))
    assert task.state == [True]


def test_waiting_leaves_it_open(world: World) -> None:
    _, before = ask(world, "confirm('Sure?')")
    after = act(world, Wait(ms=10))
    assert (after.elements, after.error) == (before.elements, "")


def test_dialogs_in_a_row_are_answered_one_by_one(world: World) -> None:
    task, seen = ask(world, "confirm('1'), confirm('2'), prompt('3')")
    names = []
    for answer in ("OK", "Cancel", "OK"):
        names.append(find(seen, "dialog").name)
        seen = act(world, Click(element=find(seen, "button", answer).id))
    assert names == ["1", "2", "3"]
    assert find(seen, "button", "go")
    assert task.state == [True, False, ""]


def test_a_page_that_never_stops_asking_costs_a_step_each_and_ends_with_done(world: World) -> None:
    _, seen = ask(world, "(() => { for (let n = 0; ; n++) alert(n) })()")
    for number in range(3):
        assert find(seen, "dialog").name == str(number)
        seen = act(world, Press("Enter"))
    answer = world.step({0: Done()})[0]
    assert isinstance(answer, SessionCrashedError)
    assert "more than 20 dialogs in a row" in str(answer)
    assert find(open_page(world, PageTask("<p>healed</p>")), "text", "healed")


def test_done_closes_a_dialog_and_reads_the_page_behind_it(world: World) -> None:
    task, _ = ask(world, "(alert('Saved'), 'saved')")
    step: Any = world.step({0: Done()})[0]
    assert step.score.value == 1.0
    assert task.state == ["saved"]


def test_a_dialog_that_opens_while_the_page_loads_is_the_first_thing_to_see(world: World) -> None:
    task = PageTask("<script>alert('Cookies?')</script><p>loaded</p>", state="1")
    assert [element.role for element in open_page(world, task).elements] == ["dialog", "button"]
    assert find(act(world, Press("Enter")), "text", "loaded")


def test_a_dialog_that_a_timer_opens_is_seen_once_it_is_open(world: World) -> None:
    task = PageTask(BUTTON.format("setTimeout(() => said.push(confirm('Late')), 30)"), state=ANSWERS)
    open_page(world, task)
    seen = act(world, Click(element=1))
    deadline = time.monotonic() + BOUND_S
    while not [element for element in seen.elements if element.role == "dialog"]:
        assert not seen.error
        assert time.monotonic() < deadline, seen.elements
        seen = act(world, Wait(ms=20))
    act(world, Press("Enter"))
    assert task.state[-1] is True


@pytest.mark.parametrize(
    ("opens", "action"),
    [("onmouseover", Hover(element=1)), ("onclick", Click(element=1))],
)
def test_a_dialog_that_opens_while_a_frame_is_drawn_is_closed_and_told(
    world: World, opens: str, action: Action
) -> None:
    body = f"""<script>let said = []; const ask = () => requestAnimationFrame(() => said.push(confirm("Now?")))</script>
        <button {opens}="ask()">go</button>"""
    task = PageTask(body, state="said")
    open_page(world, task)
    seen = act(world, action)
    seen = seen if seen.error else act(world, Wait(ms=0))
    assert seen.error.startswith("A dialog (confirm) is open: 'Now?'. It opened while the page was being drawn")
    assert task.state == [False]


def test_a_dialog_does_not_stop_other_sessions(world: World) -> None:
    ask(world, "confirm('Sure?')")
    task = PageTask("<button onclick='n++'>ok</button><script>let n = 0</script>", state="n")
    open_page(world, task, slot=1)
    for count in range(1, 4):
        seen = act(world, Click(element=1), slot=1)
        assert (seen.error, task.state) == ("", count)
        assert seen.screenshot is not None


def test_a_drag_that_a_dialog_interrupts_is_let_go_of(world: World) -> None:
    body = """<script>let ups = 0, asked = 0; onmouseup = () => ups++;
        onmousemove = (event) => { if (event.buttons && !asked++) setTimeout(() => alert("Stop")) }</script>
        <button>a</button><button style="position: fixed; left: 300px; top: 200px">b</button>"""
    task = PageTask(body, state="ups")
    open_page(world, task)
    act(world, Drag(element=1, to_element=2))
    act(world, Press("Enter"))
    act(world, Wait(ms=0))
    assert task.state == 1


def test_one_that_opens_as_the_pointer_is_taken_away_does_not_hold_up_the_next_episode(world: World) -> None:
    body = "<button style='width: 300px; height: 200px' onmouseleave='alert(1)'>go</button>"
    task = PageTask(body, reusable=True)
    open_page(world, task)
    act(world, Click(element=1))
    assert [element.role for element in open_page(world, task).elements] == ["button"]


def test_a_page_that_asks_while_it_is_judged_goes_on(world: World) -> None:
    bell = """<script>const code = new Blob(["setInterval(() => postMessage(1), 40)"]);
        new Worker(URL.createObjectURL(code)).onmessage = () => alert("Ring")</script>"""
    open_page(world, AuthorTask(body=bell, state="true"))  # judged after each action; a worker has real time
    for _ in range(10):
        assert not act(world, Press("Enter")).error


def test_behind_one_that_is_the_first_thing_to_see_is_nothing_of_an_earlier_episode(world: World) -> None:
    asking = PageTask("<title>Asking</title><script>alert('Cookies?')</script>")
    earlier = PageTask("<title>Earlier</title><body style='background: red'><button>go</button>")
    asking.stores_nothing = earlier.stores_nothing = True  # they share a window
    fresh = open_page(world, asking)
    assert open_page(world, earlier).title == "Earlier"
    seen = open_page(world, asking)
    assert (seen.url, seen.title, seen.elements) == (fresh.url, fresh.title, fresh.elements)
    assert seen.screenshot is not None
    assert fresh.screenshot is not None
    assert (seen.screenshot == fresh.screenshot).all()


LEAVING = """<script>let said = 1; onbeforeunload = (event) => event.preventDefault()</script>
    <button>touch</button><a href="/next">away</a>"""


@pytest.mark.parametrize("leaves", [True, False])
def test_a_page_with_changes_asks_before_it_is_left(world: World, leaves: bool) -> None:
    task = PageTask(LEAVING, pages={"/next": "<p>next</p>"}, state="location.pathname")
    seen = open_page(world, task)
    act(world, Click(element=find(seen, "button").id))
    seen = act(world, Click(element=find(seen, "link").id))
    assert find(seen, "dialog").name == "Leave the page? Changes that you made may not be saved."
    seen = act(world, Click(element=find(seen, "button", "Leave" if leaves else "Stay").id))
    assert task.state == ("/next" if leaves else "/")
    assert [element.name for element in seen.elements] == (["next"] if leaves else ["touch", "away"])
    assert not seen.error


class TestPicture:
    def test_it_is_painted_where_its_elements_are_on_the_page_as_it_was(self, world: World) -> None:
        task = PageTask("<body style='background: lime'>" + BUTTON.format("confirm('Sure?')"), state=ANSWERS)
        before = open_page(world, task).screenshot
        seen = act(world, Click(element=1))
        assert before is not None
        assert seen.screenshot is not None
        x, y, width, height = find(seen, "dialog").box
        outside = np.ones(before.shape[:2], bool)
        outside[y : y + height, x : x + width] = False
        assert (seen.screenshot[outside] == before[outside]).all()
        for element in seen.elements:
            x, y, width, height = element.box
            assert 0 <= x < x + width <= 400
            assert 0 <= y < y + height <= 300
            inside = seen.screenshot[y + 1 : y + height - 1, x + 1 : x + width - 1]
            assert len(np.unique(inside.reshape(-1, 3), axis=0)) > 1, f"{element.line} is not painted"
        after = act(world, Press("Enter")).screenshot
        assert after is not None
        assert (after[outside] == before[outside]).mean() > 0.9

    @pytest.mark.parametrize("message", ["", "x" * 5000, "a\nb" * 300, "北京 🙂 \u202e", "\\0"])
    def test_any_message_fits_on_the_smallest_screen(self, world: World, message: str) -> None:
        task = PageTask(BUTTON.format(f"prompt({message!a}, {message!a})").replace("\\x00", ""), state=ANSWERS)
        task.viewport = (160, 210)
        open_page(world, task)
        seen = act(world, Click(element=1))
        assert seen.screenshot is not None
        assert seen.screenshot.shape == (210, 160, 3)
        assert len(find(seen, "dialog").name) <= MAX_NAME
        for element in seen.elements:
            assert "\n" not in element.line
            assert element.box.x + element.box.width <= 160
            assert element.box.y + element.box.height <= 210
