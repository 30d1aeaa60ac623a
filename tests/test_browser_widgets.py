"""What real pages are made of: fields of all kinds, editors, menus, drag and drop, scrolling boxes, keys, a canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentgym import registry
from agentgym.action import Click, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.world import World

AT = "position: absolute; left: {}px; top: {}px; width: 60px; height: 30px"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser") as world:
        yield world


def use(world: World, body: str, *actions: Action, state: str = "found") -> tuple[Any, Observation]:
    """Carry out actions on a page; return what its state is then, and what is seen."""
    task = PageTask(body, state=state)
    seen = open_page(world, task)
    for action in actions:
        seen = act(world, action)
        assert not seen.error, seen.error
    return task.state, seen


class TestFields:
    SEVERAL = """<script>let found = []</script>
        <select multiple onchange="found = [...selectedOptions].map((o) => o.text)">
        <option>A</option><option>B</option><option>C</option></select>"""

    def test_several_options_are_chosen_one_after_the_other(self, world: World) -> None:
        found, seen = use(world, self.SEVERAL, Select(1, "A"), Select(1, "C"))
        assert found == ["A", "C"]
        assert find(seen, "listbox").value == "A, C"

    def test_an_option_of_a_list_that_stands_open_is_clicked(self, world: World) -> None:
        seen = open_page(world, PageTask(self.SEVERAL))
        found, _ = use(world, self.SEVERAL, Click(element=find(seen, "option", "B").id))
        assert found == ["B"]

    @pytest.mark.parametrize(
        ("kind", "role", "text"),
        [
            ("date", "date", "2024-02-29"),
            ("time", "time", "23:59"),
            ("datetime-local", "datetime", "2024-12-31T13:45"),
            ("month", "month", "2024-12"),
            ("week", "week", "2024-W52"),
            ("color", "color", "#00ff7f"),
            ("range", "slider", "40"),
            ("number", "spinbutton", "-1.5"),
            ("email", "textbox", "a@b.c"),
            ("tel", "textbox", "+1 23"),
            ("url", "textbox", "https://x.y/?z"),
            ("search", "searchbox", "née 🙂"),
            ("password", "textbox", "p 🙂"),
        ],
    )
    def test_a_field_of_any_kind_is_filled_and_fires_its_events(
        self, world: World, kind: str, role: str, text: str
    ) -> None:
        body = f"""<script>const kinds = new Set(); const note = (event) => kinds.add(event.type)</script>
            <input type="{kind}" step="any" oninput="note(event)" onchange="note(event)"><button>x</button>"""
        state = "[document.querySelector('input').value, [...kinds].sort()]"
        found, seen = use(world, body, Fill(1, text), Click(element=2), state=state)
        assert found == [text, ["change", "input"]]
        assert find(seen, role).value == text

    def test_a_slider_is_moved_by_keys_and_by_dragging(self, world: World) -> None:
        body = f'<input type="range" min="0" max="10" value="5" style="{AT.format(100, 100)}; width: 200px; margin: 0">'
        state = "document.querySelector('input').valueAsNumber"
        found, _ = use(world, body, Click(x=200, y=115), Press("ArrowRight"), Press("ArrowRight"), state=state)
        assert found == 7
        found, _ = use(world, body, Drag(x=200, y=115, to_x=295, to_y=115), state=state)
        assert found == 10

    def test_a_checkbox_and_a_radio_button_are_clicked_by_their_labels(self, world: World) -> None:
        body = """<label>Yes <input type="checkbox" id="a"></label><label for="c">Two</label>
            <input type="radio" name="r" checked><input type="radio" name="r" id="c">"""
        task = PageTask(body, state="[a.checked, c.checked]")
        seen = open_page(world, task)
        act(world, Click(element=find(seen, "checkbox").id))
        seen = act(world, Click(element=find(seen, "radio", "Two").id))
        assert task.state == [True, True]
        assert "checked" in find(seen, "radio", "Two").states


class TestEditors:
    EDITOR = '<div contenteditable role="textbox" id="field"><p>old text</p></div>'

    def test_what_is_selected_is_made_bold_by_a_shortcut(self, world: World) -> None:
        found, _ = use(world, self.EDITOR, Click(element=1), Press("Control+a"), Press("Control+b"),
                       state="field.innerHTML")  # fmt: skip
        assert found == "<p><b>old text</b></p>"

    def test_text_of_several_lines_is_typed(self, world: World) -> None:
        found, seen = use(
            world, self.EDITOR, Fill(1, "née 🙂"), Press("Enter"), Type("second"), state="field.innerText"
        )
        assert [line for line in found.split("\n") if line] == ["née 🙂", "second"]
        assert find(seen, "textbox").value == "née 🙂 second"

    @pytest.mark.parametrize("field", ["<textarea id=field></textarea>", "<input id=field>"])
    def test_keys_undo_and_redo(self, world: World, field: str) -> None:
        actions = [Click(element=1), Type("ab"), Press("Control+z"), Press("Control+Shift+z")]
        texts = [use(world, field, *actions[: n + 1], state="field.value")[0] for n in range(1, 4)]
        assert texts == ["ab", "", "ab"]

    def test_keys_move_and_select(self, world: World) -> None:
        keys = [Press("Home"), Press("Shift+ArrowRight"), Press("Shift+ArrowRight"), Type("X"), Press("End"), Type("Y")]
        found, _ = use(world, "<input id=field value=abcd>", Click(element=1), *keys, state="field.value")
        assert found == "XcdY"

    def test_text_is_selected_with_the_mouse(self, world: World) -> None:
        body = '<p style="font: 20px monospace; position: absolute; left: 0; top: 0; margin: 0">abcdefgh</p>'
        found, _ = use(world, body, Drag(x=1, y=10, to_x=95, to_y=10), state="getSelection().toString()")
        assert found == "abcdefgh"

    def test_what_is_copied_or_cut_is_pasted_elsewhere(self, world: World) -> None:
        body = "<input id=a value='née 🙂'><input id=b><input id=c>"
        actions = [Click(element=1), Press("Control+a"), Press("Control+c"), Click(element=2), Press("Control+v"),
                   Press("Control+a"), Press("Control+x"), Click(element=3), Press("Control+v")]  # fmt: skip
        found, _ = use(world, body, *actions, state="[a.value, b.value, c.value]")
        assert found == ["née 🙂", "", "née 🙂"]


class TestPointer:
    def test_a_menu_that_opens_while_it_is_hovered_over_is_used(self, world: World) -> None:
        body = """<style>ul ul { display: none } li:hover > ul { display: block }</style><script>let found = 0</script>
            <ul><li>File<ul><li>New<ul><li><button onclick="found++">Window</button></li></ul></li></ul></li></ul>"""
        task = PageTask(body, state="found")
        seen = open_page(world, task)
        assert "New" not in [element.name for element in seen.elements]
        for name in ("File", "New"):
            seen = act(world, Hover(element=find(seen, "text", name).id))
        act(world, Click(element=find(seen, "button", "Window").id))
        assert task.state == 1

    def test_a_menu_that_a_script_opens_on_hover_is_used(self, world: World) -> None:
        body = """<script>let found = 0</script><div onmouseenter="this.lastChild.hidden = false"
            onmouseleave="this.lastChild.hidden = true"><span>Menu</span><button hidden
            onclick="found++">Item</button></div>"""
        task = PageTask(body, state="found")
        seen = act(world, Hover(element=find(open_page(world, task), "text", "Menu").id))
        seen = act(world, Click(element=find(seen, "button", "Item").id))
        assert task.state == 1
        seen = act(world, Hover(x=390, y=290))
        assert "Item" not in [element.name for element in seen.elements]

    def test_a_context_menu_of_the_page_is_used(self, world: World) -> None:
        body = """<script>let found = 0</script><p oncontextmenu="event.preventDefault(); menu.hidden = false">here</p>
            <button id="menu" hidden onclick="found++">Rename</button>"""
        task = PageTask(body, state="found")
        seen = act(world, Click(element=find(open_page(world, task), "text", "here").id, button="right"))
        act(world, Click(element=find(seen, "button", "Rename").id))
        assert task.state == 1

    def test_a_context_menu_of_the_browser_does_not_stop_the_page(self, world: World) -> None:
        body = "<script>let found = 0</script><button onclick='found++'>ok</button>"
        found, _ = use(world, body, Click(element=1, button="right"), Click(element=1))
        assert found == 1

    def test_two_clicks_edit_and_three_select_the_line(self, world: World) -> None:
        body = "<script>let found = 0</script><p ondblclick='found = getSelection().toString().trim()'>one two</p>"
        assert use(world, body, Click(element=1, count=2))[0] in {"one", "two"}
        assert use(world, body, Click(element=1, count=3), state="getSelection().toString().trim()")[0] == "one two"

    def test_a_canvas_is_drawn_on_and_clicked_by_coordinate(self, world: World) -> None:
        body = """<canvas id="c" width="200" height="100" style="position: absolute; left: 50px; top: 50px"></canvas>
            <script>let found = [], down = false;
            c.onpointerdown = (e) => { down = true; found = [[e.offsetX, e.offsetY]] };
            c.onpointermove = (e) => { if (down) found.push([e.offsetX, e.offsetY]) };
            c.onpointerup = (e) => { down = false; found.push("up") }</script>"""
        found, seen = use(world, body, Drag(x=60, y=60, to_x=160, to_y=110))
        assert found[0] == [10, 10]
        assert found[-2:] == [[110, 60], "up"]
        assert find(seen, "canvas").box == (50, 50, 200, 100)
        assert use(world, body, Click(x=75, y=80))[0] == [[25, 30], "up"]


DROP = f"""<script>let found = [], kinds = new Set()
    for (const kind of ["dragstart", "dragenter", "dragover", "drop", "dragend"])
      addEventListener(kind, (event) => kinds.add(kind + (event.isTrusted ? "" : " untrusted")), true)</script>
    <div draggable="true" id="a" style="{AT.format(20, 20)}"
      ondragstart="event.dataTransfer.setData('text/plain', 'née 🙂')">take</div>
    <div id="b" style="{AT.format(300, 200)}; border: 1px solid" ondragover="event.preventDefault()"
      ondrop="found.push(event.dataTransfer.getData('text/plain'))">here</div><button id=c>x</button>"""
SORTABLE = f"""<script>let found = null, at = null
    addEventListener("pointerdown", (e) => {{
      if (e.target.id === "a") {{ at = e.clientX; a.setPointerCapture(e.pointerId) }} }})
    addEventListener("pointermove", (e) => {{ if (at !== null) a.style.left = 20 + e.clientX - at + "px" }})
    addEventListener("pointerup", () => {{ at = null; found = parseInt(a.style.left) }})</script>
    <div id="a" style="{AT.format(20, 20)}; border: 1px solid; touch-action: none">take</div>"""


class TestDragAndDrop:
    @pytest.mark.parametrize("by", ["element", "pixel"])
    def test_what_is_draggable_is_dropped_with_its_data(self, world: World, by: str) -> None:
        task = PageTask(DROP, state="[found, [...kinds]]")
        seen = open_page(world, task)
        take, here = (next(each for each in seen.elements if each.name == name) for name in ("take", "here"))
        drag = Drag(element=take.id, to_element=here.id)
        assert not act(world, drag if by == "element" else Drag(x=40, y=30, to_x=320, to_y=215)).error
        assert task.state == [["née 🙂"], ["dragstart", "dragenter", "dragover", "drop", "dragend"]]

    def test_a_drop_where_nothing_takes_it_ends_the_drag(self, world: World) -> None:
        task = PageTask(DROP, state="[found, [...kinds]]")
        open_page(world, task)
        act(world, Drag(x=40, y=30, to_x=200, to_y=280))
        seen = act(world, Wait(ms=0))
        assert task.state[0] == []
        assert "dragend" in task.state[1]
        assert not act(world, Click(element=find(seen, "button").id)).error
        act(world, Drag(x=40, y=30, to_x=320, to_y=215))
        assert task.state[0] == ["née 🙂"]

    def test_a_link_is_dragged_with_its_address(self, world: World) -> None:
        body = f"""<script>let found = 0</script><a href="/x" style="{AT.format(20, 20)}">link</a>
            <div style="{AT.format(300, 200)}; border: 1px solid" ondragover="event.preventDefault()"
              ondrop="event.preventDefault(); found = event.dataTransfer.getData('text/uri-list')"></div>"""
        assert use(world, body, Drag(x=30, y=28, to_x=320, to_y=215))[0] == "https://task.invalid/x"

    def test_what_follows_the_pointer_by_script_is_moved(self, world: World) -> None:
        assert use(world, SORTABLE, Drag(x=40, y=30, to_x=240, to_y=30))[0] == 220

    def test_text_is_dragged_from_one_field_to_another(self, world: World) -> None:
        body = f"<input id=a value=word style='{AT.format(20, 20)}'><input id=b style='{AT.format(300, 200)}'>"
        actions = [Click(element=1), Press("Control+a"), Drag(x=30, y=35, to_x=320, to_y=215)]
        assert use(world, body, *actions, state="[a.value, b.value]")[0] == ["", "word"]


class TestScrolling:
    BOX = """<style>
        #box { position: absolute; left: 50px; top: 50px; width: 200px; height: 100px; overflow: auto }</style>
        <div id="box"><div style="width: 900px; height: 900px">wide<button style="margin-top: 700px" onclick="found++">
        deep</button></div></div><script>let found = 0</script><p style="height: 2000px"></p>"""

    @pytest.mark.parametrize(
        ("action", "place"),
        [
            (Scroll(0, 60, x=100, y=100), [0, 60, 0]),
            (Scroll(70, 0, x=100, y=100), [70, 0, 0]),
            (Scroll(0, 60, x=300, y=250), [0, 0, 60]),
        ],
    )
    def test_the_wheel_scrolls_what_it_is_over(self, world: World, action: Action, place: list[int]) -> None:
        assert use(world, self.BOX, action, state="[box.scrollLeft, box.scrollTop, scrollY]")[0] == place

    def test_what_a_box_hides_is_scrolled_to_and_clicked(self, world: World) -> None:
        seen = open_page(world, PageTask(self.BOX))
        assert use(world, self.BOX, Click(element=find(seen, "button", "deep").id))[0] == 1

    def test_a_list_that_grows_when_its_end_comes_into_view_grows(self, world: World) -> None:
        body = """<div id="end">end</div><script>let found = 0; new IntersectionObserver((seen) => {
            if (seen[0].isIntersecting && found < 40) for (let n = 0; n < 10; n++)
              end.insertAdjacentHTML("beforebegin", `<p>item ${++found}</p>`) }).observe(end)</script>"""
        task = PageTask(body, state="found")
        open_page(world, task)
        before = task.state
        for _ in range(6):
            act(world, Scroll(0, 3000))
            act(world, Wait(ms=0))
        assert before is None
        assert task.state == 40

    def test_keys_scroll_the_page(self, world: World) -> None:
        found, _ = use(world, "<p style='height: 3000px'>x</p>", Press("PageDown"), Wait(ms=500), state="scrollY")
        assert found > 100


class TestKeys:
    FORM = """<script>let found = 0</script><form onsubmit="event.preventDefault(); found = [...new FormData(this)]">
        <input name="a"><select name="b"><option>x<option>y</select><input type="checkbox" name="c" value="1">
        <textarea name="d"></textarea><button>Send</button></form>"""

    def test_a_form_is_filled_in_with_the_keyboard_alone(self, world: World) -> None:
        keys = [Press("Tab"), Type("née 🙂"), Press("Tab"), Press("ArrowDown"), Press("Tab"), Press("Space"),
                Press("Tab"), Type("two\nlines"), Press("Tab"), Press("Enter")]  # fmt: skip
        found, _ = use(world, self.FORM, *keys)
        assert found == [["a", "née 🙂"], ["b", "y"], ["c", "1"], ["d", "two\nlines"]]

    def test_the_focus_goes_back_with_shift(self, world: World) -> None:
        body = "<input id=a><input id=b>"
        keys = [Press("Tab"), Press("Tab"), Press("Shift+Tab"), Type("x")]
        assert use(world, body, *keys, state="[a.value, b.value]")[0] == ["x", ""]

    def test_a_shortcut_of_the_page_works(self, world: World) -> None:
        body = """<script>let found = []; onkeydown = (e) => { if (e.ctrlKey && e.key === "k") { e.preventDefault();
            found.push("palette") } if (e.key === "?" ) found.push("help") }</script>"""
        assert use(world, body, Press("Control+k"), Press("?"))[0] == ["palette", "help"]

    def test_escape_closes_a_dialog_element(self, world: World) -> None:
        body = "<button onclick='box.showModal()'>open</button><dialog id=box><p>inside</p></dialog>"
        task = PageTask(body, state="box.open")
        seen = open_page(world, task)
        seen = act(world, Click(element=find(seen, "button").id))
        assert task.state is True
        assert find(seen, "text", "inside")
        act(world, Press("Escape"))
        assert task.state is False


class TestBadInput:
    @pytest.mark.parametrize("x", [399, 400, 5000, 16_384])
    def test_a_point_outside_of_the_page_hits_nothing_and_the_page_goes_on(self, world: World, x: int) -> None:
        body = "<script>let found = 0</script><button onclick='found++'>ok</button>"
        for action in (Click(x=x, y=16_384), Hover(x=x, y=16_384), Scroll(0, 9, x=x, y=16_384),
                       Drag(x=x, y=16_384, to_x=1, to_y=1)):  # fmt: skip
            task = PageTask(body, state="found")
            open_page(world, task)
            act(world, action)
            assert not act(world, Click(element=1)).error
            assert task.state == 1

    @pytest.mark.parametrize("text", ["\0", "\u202e", "\ud7ff\ufffe", "🏳️‍🌈" * 500, "\t\r\n", "e\u0301", "x" * 10_000])
    def test_any_text_is_typed_or_filled_and_the_page_goes_on(self, world: World, text: str) -> None:
        task = PageTask("<textarea id=field></textarea>", state="field.value")
        open_page(world, task)
        act(world, Fill(1, text))
        assert task.state == text.replace("\r\n", "\n").replace("\r", "\n")
        act(world, Fill(1, ""))
        act(world, Type(text[:200]))
        assert not act(world, Fill(1, "ok")).error
        assert task.state == "ok"
