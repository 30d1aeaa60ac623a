"""Tabs and pop-ups: what a page opens is shown, can be used, switched and closed, and stays behind the wall."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agentgym import registry
from agentgym.action import Click, Fill, Press, Type, Wait
from agentgym_browser.network import ORIGIN
from agentgym_browser.window import MAX_TABS
from agentgym_browser.world import BrowserWorld
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.world import World

PAGES = {"/second": "<title>Second</title><button onclick='n++'>two</button><script>let n = 0</script>"}
OPENERS = {
    "window.open": '<button onclick="window.open(`/second`)">go</button>',
    "window.open without an opener": '<button onclick="window.open(`/second`, ``, `noopener`)">go</button>',
    "a window of some size": '<button onclick="window.open(`/second`, ``, `width=100,height=100`)">go</button>',
    "a target": '<a href="/second" target="_blank">go</a>',
    "a named target": '<a href="/second" target="other">go</a>',
    "a form": '<form action="/second" target="_blank"><button>go</button></form>',
    "an empty window that is led on": '<button onclick="const w = window.open(``); w.location = `/second`">go</button>',
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", num_slots=2) as world:
        yield world


def tab_names(seen: Observation) -> list[str]:
    return [f"{tab.name}{'*' * ('selected' in tab.states)}" for tab in seen.elements if tab.role == "tab"]


def wait_for_one_tab(world: World) -> Observation:
    deadline = time.monotonic() + BOUND_S
    while tab_names(seen := act(world, Wait(ms=10))):
        assert time.monotonic() < deadline, tab_names(seen)
    return seen


def open_second(world: World, body: str = OPENERS["a target"], *, state: str = "1") -> tuple[PageTask, Observation]:
    """Open a page and click on what opens a second one."""
    task = PageTask("<title>First</title>" + body, pages=PAGES, state=state)
    first = open_page(world, task)
    return task, act(world, Click(element=next(each.id for each in first.elements if each.name == "go")))


@pytest.mark.parametrize("how", OPENERS)
def test_what_a_page_opens_is_a_tab_and_is_shown_at_once(world: World, how: str) -> None:
    _, seen = open_second(world, OPENERS[how])
    assert tab_names(seen) == ["First", "Second*"]
    assert (seen.url.rstrip("?"), seen.title, seen.error) == (f"{ORIGIN}/second", "Second", "")
    assert find(seen, "button", "two")


@pytest.mark.parametrize("action", [Click(element=1, button="middle"), Click(x=20, y=15, button="middle")])
def test_a_middle_click_opens_a_link_in_a_tab(world: World, action: Action) -> None:
    open_page(world, PageTask("<title>First</title><a href='/second'>go</a>", pages=PAGES))
    assert tab_names(act(world, action)) == ["First", "Second*"]


def test_ids_mean_one_thing_in_all_tabs(world: World) -> None:
    _, seen = open_second(world)
    two = find(seen, "button", "two")
    first = act(world, Click(element=find(seen, "tab", "First").id))
    assert two.id not in [element.id for element in first.elements]
    assert act(world, Click(element=two.id)).error == f"[{two.id}] is not on screen."
    again = act(world, Click(element=find(first, "tab", "Second").id))
    assert find(again, "button", "two").id == two.id
    assert [element.id for element in again.elements] == [element.id for element in seen.elements]


def test_a_tab_is_used_like_any_page_and_the_task_is_judged_by_its_own(world: World) -> None:
    body = "<script>var told = ''</script><button onclick='window.open(`/second`)'>go</button>"
    pages = {"/second": "<input><button onclick='opener.told = document.querySelector(`input`).value'>tell</button>"}
    task = PageTask(body, pages=pages, state="told")
    open_page(world, task)
    seen = act(world, Click(element=1))
    act(world, Fill(find(seen, "textbox").id, "né 🙂"))
    act(world, Click(element=find(seen, "button", "tell").id))
    assert task.state == "né 🙂"


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("Control+1", "First"),
        ("Control+2", "Second"),
        ("Control+9", "Second"),
        ("Control+Tab", "First"),
        ("Control+Shift+Tab", "First"),
        ("Control+PageUp", "First"),
        ("Control+8", "Second"),
    ],
)
def test_keys_switch_tabs(world: World, keys: str, shown: str) -> None:
    open_second(world)
    seen = act(world, Press(keys))
    assert (seen.title, seen.error) == (shown, "")
    assert f"{shown}*" in tab_names(seen)


def test_keys_of_tabs_are_the_pages_own_where_there_is_one(world: World) -> None:
    task = PageTask("<script>const keys = []; onkeydown = (event) => keys.push(event.key)</script>", state="keys")
    open_page(world, task)
    act(world, Press("Control+1"))
    assert task.state == ["Control", "1"]


@pytest.mark.parametrize("how", ["key", "middle click", "script"])
def test_a_tab_that_is_closed_gives_way_to_its_opener(world: World, how: str) -> None:
    _, seen = open_second(world, OPENERS["window.open"])
    third = {"/second": "<title>Second</title><button onclick='window.close()'>shut</button>"}
    task = PageTask("<title>First</title>" + OPENERS["window.open"], pages=third)
    open_page(world, task)
    seen = act(world, Click(element=1))
    closing: dict[str, Action] = {
        "key": Press("Control+w"),
        "middle click": Click(element=find(seen, "tab", "Second").id, button="middle"),
        "script": Click(element=find(seen, "button", "shut").id),
    }
    seen = act(world, closing[how])
    if how == "script":  # it goes after the click has been answered
        seen = wait_for_one_tab(world)
    assert (seen.title, seen.error) == ("First", "")
    assert tab_names(seen) == []
    assert tab_names(act(world, Click(element=find(seen, "button", "go").id))) == ["First", "Second*"]


def test_a_tab_in_the_back_is_closed_without_leaving_the_one_in_front(world: World) -> None:
    _, seen = open_second(world)
    second = find(seen, "tab", "Second").id
    act(world, Press("Control+1"))
    seen = act(world, Click(element=second, button="middle"))
    assert (seen.title, seen.error, tab_names(seen)) == ("First", "", [])


def test_the_tasks_own_tab_stays_open(world: World) -> None:
    open_second(world)
    act(world, Press("Control+1"))
    seen = act(world, Press("Control+w"))
    assert seen.error == "The first tab is the task's own and stays open."
    assert tab_names(seen) == ["First*", "Second"]


def test_a_tab_with_changes_asks_before_it_is_closed(world: World) -> None:
    pages = {"/second": "<title>Second</title><script>onbeforeunload = (e) => e.preventDefault()</script><button>b"}
    open_page(world, PageTask("<title>First</title>" + OPENERS["a target"], pages=pages))
    seen = act(world, Click(element=1))
    act(world, Click(element=find(seen, "button", "b").id))
    stay = act(world, Press("Control+w"))
    seen = act(world, Click(element=find(stay, "button", "Stay").id))
    assert tab_names(seen) == ["First", "Second*"]
    leave = act(world, Press("Control+w"))
    act(world, Click(element=find(leave, "button", "Leave").id))
    assert wait_for_one_tab(world).title == "First"


def test_a_dialog_of_another_tab_comes_to_the_front(world: World) -> None:
    body = "<title>First</title><script>var said = []</script><button onclick='window.open(`/second`)'>go</button>"
    pages = {"/second": "<button onclick='opener.said.push(opener.confirm(`From first`))'>ask</button>"}
    task = PageTask(body, pages=pages, state="said")
    open_page(world, task)
    seen = act(world, Click(element=1))
    seen = act(world, Click(element=find(seen, "button", "ask").id))
    assert find(seen, "dialog").name == "From first"
    act(world, Press("Enter"))
    assert task.state == [True]


def test_no_more_tabs_open_than_are_allowed(world: World) -> None:
    opens = f"for (let n = 0; n < {MAX_TABS + 2}; n++) window.open(`/second`)"
    open_page(world, PageTask(f"<button onclick='{opens}'>go</button>", pages=PAGES))
    seen = act(world, Click(element=1))
    assert len(tab_names(seen)) == MAX_TABS
    assert f"A further tab was closed: at most {MAX_TABS} may be open." in seen.error
    assert find(act(world, Press("Control+1")), "button", "go")


@pytest.mark.parametrize("how", ["window.open(`http://127.0.0.1:9/`)", "window.open(`https://other.invalid/`)"])
def test_a_popup_that_leads_out_is_an_empty_tab_that_says_so(world: World, how: str) -> None:
    open_page(world, PageTask(f"<title>First</title><button onclick='{how}'>go</button>"))
    seen = act(world, Click(element=1))
    assert "was not opened: it is outside of what this task may reach." in seen.error
    assert len(tab_names(seen)) == 2
    assert act(world, Press("Control+w")).title == "First"


def test_a_popup_cannot_see_the_observer_before_it_begins(world: World) -> None:
    pages = {"/second": "<button>x</button><script>opener.found = [typeof agentgym, innerWidth, innerHeight]</script>"}
    body = "<script>let found = 0</script><button onclick='window.open(`/second`)'>go</button>"
    task = PageTask(body.replace("let", "var"), pages=pages, state="found")
    open_page(world, task)
    act(world, Click(element=1))
    assert task.state == ["undefined", 400, 300]


def test_the_next_episode_has_one_tab(world: World) -> None:
    task, _ = open_second(world)
    task.stores_nothing = task.reusable = True
    seen = open_page(world, task)
    assert tab_names(seen) == []
    assert seen.title == "First"
    assert isinstance(world, BrowserWorld)
    connection = world._run(world._browsers[0].connection())
    targets = world._run(connection.call("Target.getTargets"))["targetInfos"]
    assert len([each for each in targets if each["type"] == "page" and each["url"].startswith(ORIGIN)]) == 1


def test_typing_goes_to_the_tab_that_is_shown(world: World) -> None:
    pages = {"/second": "<title>Second</title><input autofocus>"}
    body = "<title>First</title><input autofocus><a href='/second' target=_blank>go</a>"
    task = PageTask(body, pages=pages, state="document.querySelector('input').value")
    seen = open_page(world, task)
    seen = act(world, Click(element=find(seen, "link").id))
    assert find(act(world, Type("two")), "textbox").value == "two"
    assert task.state == ""
    act(world, Press("Control+Tab"))
    act(world, Click(element=find(open_page(world, task), "textbox").id))
    act(world, Type("one"))
    assert task.state == "one"


@pytest.mark.parametrize("how", ["window.open", "window.open without an opener"])
def test_time_passes_in_a_tab_in_the_back(world: World, how: str) -> None:
    clock = "<script>let ticks = 0; setInterval(() => ticks++, 100)</script>"
    task, _ = open_second(world, OPENERS[how] + clock, state="ticks")
    before = task.state
    act(world, Wait(ms=1000))
    assert task.state >= before + 10
