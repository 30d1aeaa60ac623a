"""Actions on a real page: what its scripts see of them, and what the agent is told when they cannot be carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentgym import registry
from agentgym.action import Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.look import PLAIN
from agentgym.observation import MAX_NAME
from agentgym_browser.inputs import DRAG_STEPS
from agentgym_browser.keyboard import NAMED
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.action import Action
    from agentgym.world import World

RECORDER = """
<script>
  const seen = [];
  const record = (event) => seen.push({
    type: event.type, on: event.target.id || event.target.tagName, trusted: event.isTrusted, button: event.button,
    detail: event.detail, key: event.key, ctrl: event.ctrlKey, shift: event.shiftKey, buttons: event.buttons,
  });
  for (const type of ["click", "dblclick", "contextmenu", "auxclick", "mouseover", "mousedown", "mousemove",
      "mouseup", "wheel", "keydown", "keyup", "input", "change"]) document.addEventListener(type, record);
</script>
"""
TEXTS = ["hello", "two\nlines", "Zoë 北京 🙂 👩‍👩‍👧", "quotes \" ' \\ </textarea>"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser") as world:
        yield world


def play(world: World, body: str, action: Action) -> list[dict[str, Any]]:
    """Carry out an action on a page and return the events that it saw."""
    task = PageTask(RECORDER + body, state="seen")
    open_page(world, task)
    assert not act(world, action).error
    events: list[dict[str, Any]] = task.state
    assert all(event["trusted"] for event in events if event["type"] not in ("change", "input"))
    return events


def value_after(world: World, body: str, *actions: Action, state: str = "field.value") -> Any:
    """Carry out actions on a page and return a value read from it."""
    task = PageTask(body, state=state)
    open_page(world, task)
    for action in actions:
        assert not act(world, action).error
    return task.state


def error_of(world: World, body: str, action: Action) -> str:
    task = PageTask(body)
    open_page(world, task)
    return act(world, action).error


class TestMouse:
    def test_a_click_is_one_that_a_user_makes(self, world: World) -> None:
        events = play(world, '<button id="ok">ok</button>', Click(element=1))
        clicks = [event for event in events if event["type"] == "click"]
        assert [(event["on"], event["button"], event["detail"]) for event in clicks] == [("ok", 0, 1)]

    def test_a_click_on_a_point_meets_what_is_there(self, world: World) -> None:
        events = play(
            world, '<button id="ok" style="position: fixed; left: 100px; top: 90px">ok</button>', Click(x=105, y=95)
        )
        assert ("click", "ok") in [(event["type"], event["on"]) for event in events]

    def test_two_clicks_are_a_double_click(self, world: World) -> None:
        events = play(world, '<button id="ok">ok</button>', Click(element=1, count=2))
        assert [event["detail"] for event in events if event["type"] == "click"] == [1, 2]
        assert "dblclick" in [event["type"] for event in events]

    @pytest.mark.parametrize(("button", "number", "kind"), [("right", 2, "contextmenu"), ("middle", 1, "auxclick")])
    def test_the_other_buttons_are_pressed_as_such(self, world: World, button: Any, number: int, kind: str) -> None:
        events = play(world, '<button id="ok">ok</button>', Click(element=1, button=button))
        assert number in [event["button"] for event in events if event["type"] == kind]
        assert "click" not in [event["type"] for event in events]

    def test_hovering_moves_the_pointer_onto_the_element_and_presses_nothing(self, world: World) -> None:
        events = play(world, '<button id="ok">ok</button>', Hover(element=1))
        assert ("mouseover", "ok") in [(event["type"], event["on"]) for event in events]
        assert "mousedown" not in [event["type"] for event in events]

    def test_a_drag_presses_moves_in_steps_and_releases_at_its_end(self, world: World) -> None:
        box = '<button id="{0}" style="position: fixed; left: {1}px; top: 100px">{0}</button>'
        events = play(world, box.format("a", 50) + box.format("b", 250), Drag(element=1, to_element=2))
        kinds = [(event["type"], event["on"]) for event in events]
        assert kinds.index(("mousedown", "a")) < kinds.index(("mouseup", "b"))
        held = [event for event in events if event["type"] == "mousemove" and event["buttons"] == 1]
        assert len(held) == DRAG_STEPS

    def test_scrolling_moves_the_page_and_what_is_seen_of_it(self, world: World) -> None:
        task = PageTask('<div style="height: 3000px"><button>ok</button></div>', state="scrollY")
        before = find(open_page(world, task), "button")
        after = find(act(world, Scroll(0, 120)), "button")
        assert task.state == 120
        assert after.box.y == before.box.y - 120

    def test_scrolling_over_an_element_moves_that_element(self, world: World) -> None:
        body = '<div id="field" tabindex="0" style="height: 80px; overflow: auto"><p style="height: 900px">x</p></div>'
        assert value_after(world, body, Scroll(0, 50, element=1), state="[field.scrollTop, scrollY]") == [50, 0]

    def test_an_element_outside_of_the_viewport_is_scrolled_to_before_it_is_clicked(self, world: World) -> None:
        events = play(world, '<p style="height: 2000px"></p><button id="ok">ok</button>', Click(element=1))
        assert ("click", "ok") in [(event["type"], event["on"]) for event in events]

    def test_the_pointer_does_not_stay_on_the_page_for_the_next_episode(self, world: World) -> None:
        task = PageTask(
            "<button>ok</button>", state="document.querySelector('button').matches(':hover')", reusable=True
        )
        open_page(world, task)
        act(world, Hover(element=1))
        assert task.state is True
        open_page(world, task)
        act(world, Wait(ms=0))
        assert task.state is False


class TestKeys:
    @pytest.mark.parametrize("text", [*TEXTS, "a\tb"])
    def test_filling_replaces_the_text_whatever_it_is(self, world: World, text: str) -> None:
        assert value_after(world, '<textarea id="field">old</textarea>', Fill(1, text)) == text

    def test_filling_a_one_line_field_fires_its_events(self, world: World) -> None:
        task = PageTask(
            RECORDER + '<input id="field" value="old">', state="[field.value, seen.map((event) => event.type)]"
        )
        open_page(world, task)
        observation = act(world, Fill(1, "née 🙂"))
        value, kinds = task.state
        assert value == "née 🙂"
        assert "input" in kinds
        assert find(observation, "textbox").value == "née 🙂"

    def test_filling_with_nothing_empties_the_field(self, world: World) -> None:
        assert value_after(world, '<input id="field" value="old">', Fill(1, "")) == ""

    def test_filling_replaces_what_an_editable_element_says(self, world: World) -> None:
        body = '<div id="field" contenteditable>old <b>bold</b></div>'
        assert value_after(world, body, Fill(1, "new 🙂"), state="field.innerText.trim()") == "new 🙂"

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("date", "2024-12-31"),
            ("time", "13:45"),
            ("month", "2024-12"),
            ("week", "2024-W52"),
            ("color", "#ff0000"),
            ("number", "12"),
            ("range", "40"),
        ],
    )
    def test_fields_with_a_format_of_their_own_take_it(self, world: World, kind: str, text: str) -> None:
        assert value_after(world, f'<input id="field" type="{kind}">', Fill(1, text)) == text

    @pytest.mark.parametrize("text", TEXTS)
    def test_typing_goes_to_what_has_the_focus(self, world: World, text: str) -> None:
        assert value_after(world, '<textarea id="field"></textarea>', Click(element=1), Type(text)) == text

    def test_typing_fires_a_key_down_and_a_key_up_for_each_character(self, world: World) -> None:
        events = play(world, '<input id="field" autofocus>', Type("ab"))
        keys = [(event["type"], event["key"]) for event in events if event["type"].startswith("key")]
        assert keys == [("keydown", "a"), ("keyup", "a"), ("keydown", "b"), ("keyup", "b")]

    def test_enter_submits_a_form(self, world: World) -> None:
        body = '<script>let sent = 0</script><form onsubmit="sent++; return false"><input id="field" autofocus></form>'
        assert value_after(world, body, Press("Enter"), state="sent") == 1

    def test_modifiers_are_held_while_the_key_is_pressed(self, world: World) -> None:
        events = play(world, '<input id="field" autofocus>', Press("Control+Shift+k"))
        down = next(event for event in events if event["type"] == "keydown" and event["key"].lower() == "k")
        assert (down["ctrl"], down["shift"]) == (True, True)
        assert events[-1]["type"] == "keyup"
        assert (events[-1]["ctrl"], events[-1]["shift"]) == (False, False)

    def test_a_chord_of_the_editor_works(self, world: World) -> None:
        body = '<input id="field" value="old" autofocus>'
        assert value_after(world, body, Press("Control+a"), Type("new")) == "new"

    def test_a_tab_moves_the_focus_as_on_a_keyboard(self, world: World) -> None:
        body = '<input id="field" autofocus><input id="other">'
        assert value_after(world, body, Type("a\tb"), state="[field.value, other.value]") == ["a", "b"]

    def test_every_named_key_arrives_under_its_name(self, world: World) -> None:
        task = PageTask(
            "<script>const keys = []; onkeydown = (event) => { keys.push(event.key); event.preventDefault() }</script>",
            state="keys",
        )
        open_page(world, task)
        for name in NAMED:
            assert not act(world, Press(name)).error
        assert task.state == [key.key for key in NAMED.values()]

    @pytest.mark.parametrize("keys", ["Hyper+a", "Entr", "ab", "a+b"])
    def test_a_key_that_does_not_exist_is_an_error_that_lists_the_keys(self, world: World, keys: str) -> None:
        error = error_of(world, "", Press(keys))
        assert "press: " in error
        assert "Control" in error


class TestLists:
    LIST = """<select id="field">
        <option>Red</option><option value="g">Dark  green</option><option disabled>Blue</option></select>"""

    def test_selecting_chooses_by_label_and_fires_a_change(self, world: World) -> None:
        task = PageTask(RECORDER + self.LIST, state="[field.value, seen.map((event) => event.type)]")
        open_page(world, task)
        observation = act(world, Select(1, "Dark green"))
        value, kinds = task.state
        assert value == "g"
        assert "change" in kinds
        assert find(observation, "combobox").value == "Dark green"

    @pytest.mark.parametrize(
        ("action", "error"),
        [
            (Select(1, "Yellow"), "[1] has no such option."),
            (Select(1, "Blue"), "[1] is disabled or cannot be changed."),
            (Fill(1, "Red"), "[1] is not a field that text can be written into."),
            (Click(element=2), "[2] is an option of a list: use select(LIST, LABEL)."),
            (Select(2, "Red"), "[2] is not a list with options."),
        ],
    )
    def test_what_cannot_be_chosen_says_why(self, world: World, action: Action, error: str) -> None:
        assert error_of(world, self.LIST, action) == error


class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("body", "action", "error"),
        [
            ("<p>x</p>", Click(element=999), "[999] is not on screen."),
            ("<p>x</p>", Fill(999, "a"), "[999] is not on screen."),
            ("<p>x</p>", Select(999, "a"), "[999] is not on screen."),
            ("<p>x</p>", Fill(1, "a"), "[1] is not a field that text can be written into."),
            ('<input type="checkbox">', Fill(1, "a"), "[1] is not a field that text can be written into."),
            ("<input disabled>", Fill(1, "a"), "[1] is disabled or cannot be changed."),
            ("<input readonly>", Fill(1, "a"), "[1] is disabled or cannot be changed."),
            ('<input type="date">', Fill(1, "31.12.2024"), "[1] takes a date written like 2024-12-31."),
        ],
    )
    def test_the_agent_is_told_why(self, world: World, body: str, action: Action, error: str) -> None:
        assert error_of(world, body, action) == error

    @pytest.mark.parametrize(
        ("change", "error"), [("this.remove()", "is not on screen"), ("this.style.display = 'none'", "is hidden")]
    )
    def test_an_element_that_went_away_cannot_be_clicked(self, world: World, change: str, error: str) -> None:
        open_page(world, PageTask(f'<button onclick="{change}">ok</button><p>x</p>'))
        act(world, Click(element=1))
        assert act(world, Click(element=1)).error == f"[1] {error}."


class TestObservations:
    def test_an_element_keeps_its_id_while_others_come_and_go(self, world: World) -> None:
        body = """<button onclick="document.querySelector('p').remove(); this.before(Object.assign(
            document.createElement('button'), {textContent: 'new'}))">old</button><p>text</p>"""
        before = open_page(world, PageTask(body))
        after = act(world, Click(element=find(before, "button", "old").id))
        assert find(after, "button", "old").id == find(before, "button", "old").id
        assert find(after, "button", "new").id not in [element.id for element in before.elements]

    def test_a_page_of_any_size_gives_a_bounded_observation(self, world: World) -> None:
        task = PageTask(
            "<script>for (let n = 0; n < 3000; n++) document.body.append(document.createElement('button'))</script>"
        )
        assert len(open_page(world, task).elements) == PLAIN.budget.elements

    def test_lists_count_towards_the_bound(self, world: World) -> None:
        body = "<select>" + "<option>x</option>" * 100 + "</select>"
        assert len(open_page(world, PageTask(body * 40)).elements) == PLAIN.budget.elements

    @pytest.mark.parametrize("name", ["x" * 100_000, "🙂" * 1000, 'a" b', "\u202e\u0000evil", "]]>"])
    def test_a_hostile_name_stays_on_one_short_line(self, world: World, name: str) -> None:
        make = f"Object.assign(document.createElement('button'), {{ textContent: {name!a} + '\\nline' }})"
        observation = open_page(world, PageTask(f"<script>document.body.append({make})</script>"))
        button = find(observation, "button")
        assert len(button.name) <= MAX_NAME
        assert "\n" not in button.line
        button.line.encode()

    @pytest.mark.parametrize("action", [Click(element=1), Press("Enter")])
    def test_what_a_page_does_with_its_next_frame_is_seen(self, world: World, action: Action) -> None:
        body = "<button autofocus onclick='requestAnimationFrame(() => { this.textContent = \"drawn\" })'>new</button>"
        open_page(world, PageTask(body))
        assert act(world, action).elements[0].name == "drawn"

    def test_a_long_text_is_told_up_to_its_end_once_it_is_scrolled_there(self, world: World) -> None:
        text = " ".join(f"word{n}" for n in range(MAX_NAME))
        observation = open_page(world, PageTask(f"<textarea>{text}</textarea>"))
        assert find(observation, "textbox").value == text[:MAX_NAME]
        observation = act(world, Scroll(0, 10_000, element=find(observation, "textbox").id))
        assert find(observation, "textbox").value == text[-MAX_NAME:]

    @pytest.mark.parametrize(("content", "name"), [("", "tool bold"), ("Bold", "Bold")])
    def test_a_button_with_nothing_but_a_drawing_is_named_by_its_id_and_classes(
        self, world: World, content: str, name: str
    ) -> None:
        body = f'<button id="tool" class="bold"><svg width="9" height="9"></svg>{content}</button>'
        assert find(open_page(world, PageTask(body)), "button").name == name

    def test_what_a_shadow_root_holds_is_seen_and_can_be_clicked(self, world: World) -> None:
        body = """<script>let clicks = 0</script><div id="host"></div><script>
            const root = host.attachShadow({ mode: "open" });
            root.innerHTML = "<button>inside</button>";
            root.querySelector("button").onclick = () => clicks++;
        </script>"""
        task = PageTask(body, state="clicks")
        button = find(open_page(world, task), "button", "inside")
        assert not act(world, Click(element=button.id)).error
        assert task.state == 1

    def test_a_page_can_neither_see_nor_fool_the_observer(self, world: World) -> None:
        body = """<script>
            WeakMap.prototype.get = Node.prototype.contains = () => { throw new Error("fooled") };
            getComputedStyle = setTimeout = undefined;
            Object.defineProperty(Document.prototype, "body", { get: () => null });
        </script><button>ok</button>"""
        task = PageTask(body, state="typeof agentgym")
        button = find(open_page(world, task), "button", "ok")
        assert find(act(world, Click(element=button.id)), "button", "ok").id == button.id
        assert task.state == "undefined"

    def test_animations_have_ended_in_every_observation(self, world: World) -> None:
        body = """<style>button { position: fixed; left: 0; transition: left 60s } button.moved { left: 200px }
            @keyframes spin { to { transform: rotate(1turn) } } p { animation: spin 1s infinite }</style>
            <button onclick="this.className = 'moved'">ok</button><p>x</p>"""
        open_page(world, PageTask(body))
        assert find(act(world, Click(element=1)), "button").box.x == 200

    def test_images_have_arrived_in_the_first_observation(self, world: World) -> None:
        source = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'/>"
        image = f"Object.assign(new Image(), {{ alt: 'late', src: `{source}` }})"
        body = f"<script>onload = () => document.body.append({image})</script>"
        assert find(open_page(world, PageTask(body)), "img", "late").box[2:] == (40, 30)

    def test_a_link_leads_to_an_observation_of_the_next_page(self, world: World) -> None:
        first = open_page(world, PageTask('<a href="/?next">go</a>'))
        assert act(world, Click(element=find(first, "link").id)).url.endswith("/?next")

    def test_done_is_scored(self, world: World) -> None:
        task = PageTask("<p>x</p>")
        open_page(world, task)
        step: Any = world.step({0: Done("answer")})[0]
        assert step.score.value == 1.0
