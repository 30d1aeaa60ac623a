"""The window's own controls: back, forward, reload and the address field; and pages that lead themselves on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym import registry
from agentgym.action import Click, Fill, Press, Type, Wait
from agentgym_browser import Answer, Site
from agentgym_browser.network import ORIGIN
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.world import World

MAIL = "https://mail.task.invalid"
PAGES = {"/second": "<title>Second</title><a href='/third'>third</a><input>", "/third": "<title>Third</title>"}
FIRST = "<title>First</title><a href='/second'>second</a><script>let loads = Date.now()</script>"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser") as world:
        yield world


def browse(world: World, body: str = FIRST, *, controls: bool = True) -> Observation:
    """Open a page with two more behind it."""
    task = PageTask(body, pages=PAGES, others={MAIL: Site(html="<title>Mail</title>")})
    task.controls = controls
    return open_page(world, task)


def control(seen: Observation, name: str) -> int:
    return next(element.id for element in seen.elements if element.name == name)


def test_a_task_that_does_not_ask_for_them_shows_none(world: World) -> None:
    assert [element.role for element in browse(world, controls=False).elements] == ["link"]


def test_controls_stand_before_the_page_and_keep_their_ids(world: World) -> None:
    first = browse(world)
    assert [element.name for element in first.elements] == ["Back", "Forward", "Reload", "Address", "second"]
    assert find(first, "textbox", "Address").value == f"{ORIGIN}/"
    second = act(world, Click(element=control(first, "second")))
    assert find(second, "textbox", "Address").value == f"{ORIGIN}/second"
    assert [element.id for element in first.elements[:4]] == [element.id for element in second.elements[:4]]


@pytest.mark.parametrize("by", ["button", "key"])
def test_back_and_forward_lead_through_the_pages_that_were_open(world: World, by: str) -> None:
    seen = browse(world)

    def go(name: str, key: str) -> str:
        after = act(world, Click(element=control(seen, name)) if by == "button" else Press(key))
        assert not after.error
        return after.title

    seen = act(world, Click(element=control(seen, "second")))
    act(world, Click(element=control(seen, "third")))
    assert [go("Back", "Alt+ArrowLeft"), go("Back", "Alt+ArrowLeft")] == ["Second", "First"]
    assert [go("Forward", "Alt+ArrowRight"), go("Forward", "Alt+ArrowRight")] == ["Second", "Third"]


@pytest.mark.parametrize(("name", "key"), [("Back", "Alt+ArrowLeft"), ("Forward", "Alt+ArrowRight")])
def test_at_the_end_of_history_nothing_happens_and_the_agent_is_told(world: World, name: str, key: str) -> None:
    seen = browse(world)
    for action in (Click(element=control(seen, name)), Press(key)):
        after = act(world, action)
        assert after.error == f"There is no page to go {name.lower()} to."
        assert after.title == "First"


@pytest.mark.parametrize("key", ["button", "F5", "Control+r", "Control+Shift+r"])
def test_reloading_gives_the_page_anew(world: World, key: str) -> None:
    task = PageTask("<button onclick='n++'>more</button><script>let n = 0</script>", state="n")
    task.controls = True
    seen = open_page(world, task)
    act(world, Click(element=control(seen, "more")))
    assert task.state == 1
    act(world, Click(element=control(seen, "Reload")) if key == "button" else Press(key))
    assert task.state == 0


@pytest.mark.parametrize("key", ["F5", "Alt+ArrowLeft", "Control+r"])
@pytest.mark.parametrize("framed", [False, True])
def test_a_page_can_keep_a_key_to_itself(world: World, key: str, framed: bool) -> None:
    script = "<script>onkeydown = (event) => { event.preventDefault(); top.kept = event.key }</script>"
    inner = f"<input autofocus>{script}"
    body = f"<script>var kept = 0</script><iframe srcdoc='{inner}'></iframe>" if framed else script
    task = PageTask(body + "<script>let mark = 'here'</script>", state="[mark, window.kept]")
    seen = open_page(world, task)
    if framed:
        act(world, Click(element=find(seen, "textbox").id))
    assert not act(world, Press(key)).error
    assert task.state == ["here", key.rsplit("+", maxsplit=1)[-1]]


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/second", "Second"),
        (f"{ORIGIN}/third", "Third"),
        ("task.invalid/third", "Third"),
        (f" {MAIL}/ ", "Mail"),
        ("mail.task.invalid", "Mail"),
    ],
)
def test_an_address_of_the_tasks_origins_is_opened_with_enter(world: World, address: str, title: str) -> None:
    field = control(browse(world), "Address")
    seen = act(world, Fill(field, address))
    assert (find(seen, "textbox", "Address").value, seen.title) == (" ".join(address.split()), "First")
    seen = act(world, Press("Enter"))
    assert (seen.title, seen.error) == (title, "")
    assert act(world, Press("Alt+ArrowLeft")).title == "First"


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/", "https://other.invalid", "file:///etc/passwd", "chrome://version", "javascript:alert(1)",
     "about:blank", "data:text/html,x", "https://[", "🙂", "https://task.invalid.other/", "//other.invalid/", "",
     "x" * 9999],
)  # fmt: skip
def test_other_addresses_are_refused_and_the_page_stays(world: World, address: str) -> None:
    field = control(browse(world), "Address")
    act(world, Fill(field, address))
    seen = act(world, Press("Enter"))
    assert "was not opened" in seen.error
    assert (seen.title, find(seen, "textbox", "Address").value) == ("First", f"{ORIGIN}/")
    assert act(world, Click(element=control(seen, "second"))).title == "Second"


def test_an_address_without_a_page_is_refused_and_the_page_stays(world: World) -> None:
    act(world, Fill(control(browse(world), "Address"), "/nowhere"))
    seen = act(world, Press("Enter"))
    assert seen.error == f"{ORIGIN}/nowhere was not opened: there is no such page."
    assert seen.title == "First"


@pytest.mark.parametrize("action", [Press("Escape"), Type("x"), Wait(ms=0), Press("a")])
def test_an_address_that_is_not_entered_is_forgotten(world: World, action: Action) -> None:
    act(world, Fill(control(browse(world), "Address"), "/second"))
    seen = act(world, action)
    seen = act(world, Press("Enter"))
    assert (seen.title, find(seen, "textbox", "Address").value) == ("First", f"{ORIGIN}/")


def test_controls_cannot_be_dragged_or_filled_in_the_wrong_way(world: World) -> None:
    seen = browse(world)
    assert "can only be clicked" in act(world, Fill(control(seen, "Back"), "x")).error
    assert not act(world, Click(element=control(seen, "Address"))).error
    assert act(world, Press("Control+a")).title == "First"


SINGLE_PAGE = """<nav><a href="/list" onclick="go(event)">list</a> <a href="/item?7" onclick="go(event)">item</a>
    <a href="#part">part</a></nav><main></main><script>
    const show = async () => {
      document.title = location.pathname + location.search + location.hash;
      document.querySelector("main").innerHTML = "<p>loading</p>";
      const data = await (await fetch("/data")).json();
      await new Promise((done) => setTimeout(done, 50));
      document.querySelector("main").innerHTML = `<p>${data.name} of ${document.title}</p>`;
    };
    const go = (event) => { event.preventDefault(); history.pushState(null, "", event.target.href); show(); };
    onpopstate = onhashchange = show; show();</script>"""


class TestSinglePageApps:
    def test_routes_are_followed_back_and_forth_without_loading(self, world: World) -> None:
        pages = {"/data": Answer('{"name": "Data"}', "application/json")}
        task = PageTask(SINGLE_PAGE + "<script>var mark = 1</script>", pages=pages, state="mark")
        seen = open_page(world, task)
        assert find(seen, "text", "Data of /")
        urls, texts = [], []
        for action in (
            Click(element=find(seen, "link", "list").id),
            Click(element=find(seen, "link", "item").id),
            Click(element=find(seen, "link", "part").id),
            Press("Alt+ArrowLeft"),
            Press("Alt+ArrowLeft"),
            Press("Alt+ArrowRight"),
        ):
            seen = act(world, action)
            assert not seen.error
            urls.append(seen.url.removeprefix(ORIGIN))
            texts.append(find(seen, "text").name)
            assert task.state == 1
        assert urls == ["/list", "/item?7", "/item?7#part", "/item?7", "/list", "/item?7"]
        assert texts == [f"Data of {url}" for url in urls]


class TestSlowPages:
    def test_a_page_that_builds_itself_over_seconds_is_seen_once_it_has(self, world: World) -> None:
        body = """<ul></ul><script>(async () => { for (let n = 1; n <= 6; n++) {
            await new Promise((done) => setTimeout(done, 500));
            document.querySelector("ul").insertAdjacentHTML("beforeend", `<li>part ${n}</li>`); } })()</script>"""
        open_page(world, PageTask(body))
        seen = act(world, Wait(ms=3000))
        assert [element.name for element in seen.elements][-1] == "part 6"
