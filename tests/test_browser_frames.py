"""Frames and shadow roots: what documents inside of a page show, and actions on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym import registry
from agentgym.action import MAX_ELEMENT, Click, Fill, Press, Scroll, Select, Type, Wait
from agentgym.look import DEFAULT_BUDGET, Budget, Look
from agentgym.observation import MAX_ELEMENTS
from agentgym_browser import Site
from agentgym_browser.world import BrowserWorld
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.observation import Observation
    from agentgym.world import World

OTHER = "https://bank.invalid"
INNER = """<body style="margin: 0"><script>let clicks = 0, order = []; const tell = () => parent.postMessage(
    [clicks, ...[...document.querySelectorAll("input, select")].map((each) => each.value)], "*")</script>
    <button onclick="clicks++; tell()" style="position: absolute; left: 10px; top: 10px">inside</button>
    <input oninput="tell()" style="position: absolute; left: 10px; top: 40px; width: 60px">
    <select onchange="tell()" style="position: absolute; left: 10px; top: 70px">
      <option>A</option><option>B</option></select>
    <button style="position: absolute; left: 10px; top: 900px" onclick="clicks += 10; tell()">far</button></body>"""
HEAR = "<script>let heard = null; onmessage = (event) => { heard = event.data }</script>"
STYLE = (
    'style="position: absolute; left: 100px; top: 50px; width: 200px; height: 100px; border: 5px solid; padding: 3px"'
)
SOURCES = {
    "same origin": f'<iframe src="/inner" {STYLE}></iframe>',
    "another origin": f'<iframe src="{OTHER}/" {STYLE}></iframe>',
    "a document in an attribute": f"<iframe srcdoc='{INNER}' {STYLE}></iframe>",
    "a sandbox": f'<iframe src="/inner" sandbox="allow-scripts" {STYLE}></iframe>',
    "a shadow root": "<div id=host></div><script>host.attachShadow({mode: 'open'}).innerHTML = "
    f"'<iframe src=/inner {STYLE}></iframe>'</script>",
    "made by a script": f"<div id=host></div><script>host.innerHTML = '<iframe {STYLE}></iframe>'; "
    "fetch('/inner').then((got) => got.text()).then((text) => { const inner = host.firstChild.contentDocument; "
    "inner.open(); inner.write(text); inner.close() })</script>",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser") as world:
        yield world


def framed(body: str, *, inner: str = INNER) -> PageTask:
    others = {OTHER: Site(html=inner, pages={"/second": "<p>second</p>", "/deep": "<button>deep</button>"})}
    pages = {"/inner": inner, "/second": "<p>second</p>"}
    return PageTask(HEAR + body, pages=pages, others=others, state="heard")


def open_framed(world: World, source: str) -> tuple[PageTask, Observation]:
    task = framed(f"<button>before</button>{SOURCES[source]}<button>after</button>")
    seen = open_page(world, task)
    for _ in range(round(BOUND_S / 0.02)):
        if len(seen.elements) > 2:
            break
        seen = act(world, Wait(ms=20))
    return task, seen


@pytest.mark.parametrize("source", SOURCES)
class TestEveryKind:
    def test_what_it_shows_is_listed_in_its_place(self, world: World, source: str) -> None:
        _, seen = open_framed(world, source)
        names = [element.name or element.role for element in seen.elements]
        assert names == ["before", "inside", "textbox", "combobox", "A", "B", "far", "after"]
        ids = [element.id for element in seen.elements]
        assert len(set(ids)) == len(ids)

    def test_boxes_are_those_of_the_page_and_are_cut_off_by_the_frame(self, world: World, source: str) -> None:
        _, seen = open_framed(world, source)
        assert find(seen, "button", "inside").box[:2] == (100 + 5 + 3 + 10, 50 + 5 + 3 + 10)
        x, y, _, height = find(seen, "button", "far").box
        assert (x, y, height) == (118, 50 + 8 + 100, 0)

    def test_it_is_clicked_filled_and_chosen_from(self, world: World, source: str) -> None:
        task, seen = open_framed(world, source)
        assert not act(world, Click(element=find(seen, "button", "inside").id)).error
        seen = act(world, Fill(find(seen, "textbox").id, "né 🙂"))
        assert (find(seen, "textbox").value, find(seen, "textbox").states) == ("né 🙂", ("focused",))
        act(world, Type("!"))
        act(world, Select(find(seen, "combobox").id, "B"))
        seen = act(world, Wait(ms=0))
        assert task.state == [1, "né 🙂!", "B"]
        assert find(seen, "combobox").value == "B"

    def test_a_pixel_in_it_is_clicked(self, world: World, source: str) -> None:
        task, seen = open_framed(world, source)
        x, y, width, height = find(seen, "button", "inside").box
        act(world, Click(x=x + width // 2, y=y + height // 2))
        act(world, Wait(ms=0))
        assert task.state[0] == 1

    def test_an_element_beyond_its_edge_is_scrolled_to(self, world: World, source: str) -> None:
        task, seen = open_framed(world, source)
        seen = act(world, Click(element=find(seen, "button", "far").id))
        assert not seen.error
        act(world, Wait(ms=0))
        assert task.state[0] == 10
        assert find(seen, "button", "far").box.height > 0


class TestMoreOfThem:
    def test_frames_of_other_origins_share_the_pages_session(self, world: World) -> None:
        open_framed(world, "another origin")
        assert isinstance(world, BrowserWorld)
        connection = world._run(world._browsers[0].connection())
        targets = world._run(connection.call("Target.getTargets"))["targetInfos"]
        assert {target["type"] for target in targets} <= {"page", "browser", "tab"}

    def test_frames_in_frames(self, world: World) -> None:
        inner = f'<button>middle</button><iframe src="{OTHER}/deep"></iframe>'
        task = framed(f'<p style="height: 900px">x</p><iframe src="{OTHER}/" {STYLE}></iframe>', inner=inner)
        seen = open_page(world, task)
        assert [element.name for element in seen.elements if element.role == "button"] == ["middle", "deep"]
        assert not act(world, Click(element=find(seen, "button", "deep").id)).error

    def test_a_frame_below_the_edge_of_the_page_is_scrolled_to(self, world: World) -> None:
        body = f'<p style="height: 2000px">x</p><iframe src="{OTHER}/" style="width: 300px; height: 200px"></iframe>'
        task = framed(body)
        seen = open_page(world, task)
        assert not act(world, Click(element=find(seen, "button", "inside").id)).error
        act(world, Wait(ms=0))
        assert task.state[0] == 1

    def test_a_scaled_frame_is_clicked_where_it_is(self, world: World) -> None:
        style = "position: absolute; left: 0; top: 0; width: 200px; height: 100px; border: 0; transform-origin: 0 0"
        task = framed(f'<iframe src="{OTHER}/" style="{style}; transform: scale(2)"></iframe>')
        seen = open_page(world, task)
        assert find(seen, "button", "inside").box[:2] == (20, 20)
        act(world, Click(element=find(seen, "button", "inside").id))
        act(world, Wait(ms=0))
        assert task.state[0] == 1

    def test_a_frame_that_is_led_on_or_taken_away_is_seen_so(self, world: World) -> None:
        body = """<button onclick="f.src = '/second'">on</button><button onclick="f.remove()">off</button>
            <iframe id="f" src="/inner"></iframe>"""
        seen = open_page(world, framed(body))
        inside = find(seen, "button", "inside")
        second = act(world, Click(element=find(seen, "button", "on").id))
        assert find(second, "text", "second").id not in [element.id for element in seen.elements]
        assert act(world, Click(element=inside.id)).error == f"[{inside.id}] is not on screen."
        gone = act(world, Click(element=find(seen, "button", "off").id))
        assert [element.name for element in gone.elements] == ["on", "off"]

    def test_a_link_in_a_frame_leads_that_frame_on(self, world: World) -> None:
        inner = '<a href="/second">next</a>'
        seen = open_page(world, framed(f'<p>page</p><iframe src="{OTHER}/"></iframe>', inner=inner))
        seen = act(world, Click(element=find(seen, "link", "next").id))
        assert [element.name for element in seen.elements] == ["page", "second"]

    def test_elements_keep_their_ids_while_frames_come(self, world: World) -> None:
        body = """<button onclick="document.body.prepend(Object.assign(document.createElement('iframe'),
            {src: '/inner'}))">more</button>"""
        seen = open_page(world, framed(body))
        for _ in range(3):
            before = {element.name: element.id for element in seen.elements if element.role == "button"}
            seen = act(world, Click(element=find(seen, "button", "more").id))
            after = [element.id for element in seen.elements]
            assert set(before.values()) <= set(after)
            assert len(set(after)) == len(after)
        assert len([element for element in seen.elements if element.name == "inside"]) == 3

    def test_the_wheel_scrolls_the_frame_it_is_over(self, world: World) -> None:
        _, before = open_framed(world, "another origin")
        after = act(world, Scroll(0, 30, element=find(before, "button", "inside").id))
        moved = find(before, "combobox").box.y - find(after, "combobox").box.y
        assert moved == 30

    def test_keys_move_the_focus_into_a_frame(self, world: World) -> None:
        inner = '<input oninput="parent.postMessage(this.value)">'
        task = framed(f"<input autofocus><iframe srcdoc='{inner}' {STYLE}></iframe>")
        open_page(world, task)
        act(world, Press("Tab"))
        act(world, Type("in"))
        act(world, Wait(ms=0))
        assert task.state == "in"

    def test_very_many_frames_give_a_bounded_observation(self, world: World) -> None:
        inner = "<button>x</button>" * 100
        seen = open_page(world, framed("<iframe src=/inner></iframe>" * 40, inner=inner))
        assert len(seen.elements) == DEFAULT_BUDGET.elements
        assert seen.omitted.below > 30  # at least the frames that there is no room for

    def test_a_big_page_leaves_room_for_its_frames(self, world: World) -> None:
        seen = open_page(world, framed(f"{'<button>x</button>' * 1000}{SOURCES['same origin']}"))
        assert not act(world, Click(element=find(seen, "button", "inside").id)).error
        assert len(seen.elements) <= DEFAULT_BUDGET.elements
        assert seen.omitted.below > 500

    def test_a_page_in_itself_gives_a_bounded_observation(self, world: World) -> None:
        inner = '<button>x</button><iframe src="/inner?a"></iframe><iframe src="/inner?b"></iframe>'
        seen = open_page(world, framed("<iframe src=/inner></iframe>", inner=inner))
        assert 1 <= len(seen.elements) <= MAX_ELEMENTS

    def test_ids_begin_anew_before_they_run_out(self) -> None:
        body = """<button onclick="for (const each of document.querySelectorAll('i')) each.outerHTML = '<i>x</i>'">new
            </button><iframe src="/inner"></iframe><script>document.write("<p><i>x</i></p>".repeat(1900))</script>"""
        look = Look(budget=Budget(MAX_ELEMENTS, 1_000_000))
        with registry.make_world("browser", look=look) as world:
            seen = open_page(world, framed(body))
            for _ in range(7):
                seen = act(world, Click(element=find(seen, "button", "new").id))
                assert not seen.error
                assert len(seen.elements) > 1900
                assert max(element.id for element in seen.elements) <= MAX_ELEMENT
            assert not act(world, Click(element=find(seen, "button", "inside").id)).error


def shadow(html: str, host: str = "<div id=host>") -> str:
    return f"{host}</div><script>host.attachShadow({{mode: 'open'}}).innerHTML = `{html}`</script>"


class TestShadowRoots:
    def test_nested_ones_are_looked_into_and_used(self, world: World) -> None:
        body = """<script>let clicks = 0</script><div id="host"></div><script>
            const outer = host.attachShadow({ mode: "open" }); outer.innerHTML = "<p>outer</p><div></div>";
            const inner = outer.querySelector("div").attachShadow({ mode: "open" });
            inner.innerHTML = "<input><button>inner</button>";
            inner.querySelector("button").onclick = () => clicks++;
            const said = () => [clicks, inner.querySelector("input").value]</script>"""
        task = PageTask(body, state="said()")
        seen = open_page(world, task)
        assert [element.name or element.role for element in seen.elements] == ["outer", "textbox", "inner"]
        act(world, Click(element=find(seen, "button", "inner").id))
        seen = act(world, Fill(find(seen, "textbox").id, "né 🙂"))
        assert task.state == [1, "né 🙂"]
        assert find(seen, "textbox").states == ("focused",)

    def test_what_is_put_into_a_slot_is_seen_once_in_the_slots_place(self, world: World) -> None:
        html = "<div><slot name=title></slot></div><p>between</p><slot></slot><footer>end</footer>"
        body = shadow(html, "<div id=host><a href='/'>link</a><span slot=title>Title</span>loose text")
        seen = open_page(world, PageTask(body))
        assert [element.name for element in seen.elements] == ["Title", "between", "loose text", "link", "end"]
        assert all(element.box.width and element.box.height for element in seen.elements)

    def test_a_slot_shows_its_own_content_where_nothing_is_put_into_it(self, world: World) -> None:
        seen = open_page(world, PageTask(shadow("<slot><button>fallback</button></slot>")))
        assert [element.name for element in seen.elements] == ["fallback"]

    def test_what_has_no_slot_is_not_shown(self, world: World) -> None:
        seen = open_page(world, PageTask(shadow("<p>shown</p>", "<div id=host><p>not shown</p>also not")))
        assert [element.name for element in seen.elements] == ["shown"]

    def test_a_button_is_named_by_what_is_put_into_it(self, world: World) -> None:
        seen = open_page(world, PageTask(shadow("<button><slot></slot></button>", "<div id=host>Press <b>me</b>")))
        assert find(seen, "button").name == "Press me"

    def test_labels_of_a_shadow_root_are_found(self, world: World) -> None:
        html = "<span id=label>Your name</span><input aria-labelledby=label><label>Age <input></label>"
        seen = open_page(world, PageTask(shadow(html)))
        assert [element.name for element in seen.elements if element.role == "textbox"] == ["Your name", "Age"]
