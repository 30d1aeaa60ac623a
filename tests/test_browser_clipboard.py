"""The clipboard: copying and pasting works within a session; no other session and no later episode sees any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentgym import registry
from agentgym.action import Click, Press, Wait
from agentgym_browser import Site
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.observation import Observation
    from agentgym.world import World

FIELDS = '<input aria-label="from" value="SECRET"><input aria-label="to">'
WATCH = """<script>
    const seen = [], to = () => document.querySelector("[aria-label=to]");
    addEventListener("paste", (e) => seen.push([e.clipboardData.getData("text/plain")]), true);
    const state = () => ({ to: to() ? to().value ?? to().innerHTML : null, seen });
</script>"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", num_slots=2) as world:
        yield world


def page(body: str = FIELDS, **options: Any) -> PageTask:
    return PageTask(WATCH + body, state="typeof state === 'undefined' ? null : state()", **options)


def copy(world: World, *keys: str, slot: int = 0, task: PageTask | None = None) -> Observation:
    """Open a page of the session and copy what is in its field "from"."""
    observation = open_page(world, task or page(), slot=slot)
    act(world, Click(element=find(observation, "textbox", "from").id), slot=slot)
    for each in ("Control+a", *(keys or ("Control+c",))):
        observation = act(world, Press(keys=each), slot=slot)
    return observation


def paste(world: World, observation: Observation, key: str = "Control+v", *, slot: int = 0) -> None:
    act(world, Click(element=find(observation, "textbox", "to").id), slot=slot)
    act(world, Press(keys=key), slot=slot)


class TestWithinASession:
    @pytest.mark.parametrize(
        ("copying", "pasting"),
        [("Control+c", "Control+v"), ("Control+Insert", "Shift+Insert"), ("Control+x", "Control+V"),
         ("Shift+Delete", "Control+Shift+v")],
    )  # fmt: skip
    def test_what_is_copied_in_one_field_is_pasted_into_another(self, world: World, copying: str, pasting: str) -> None:
        task = page()
        paste(world, copy(world, copying, task=task), pasting)
        assert task.state == {"to": "SECRET", "seen": [["SECRET"]]}

    def test_it_outlives_a_navigation(self, world: World) -> None:
        mail = Site(pages={"/": WATCH + FIELDS})
        task = page(f'{FIELDS}<a href="https://mail.invalid/">mail</a>', others={"https://mail.invalid": mail})
        observation = copy(world, task=task)
        paste(world, act(world, Click(element=find(observation, "link", "mail").id)))
        assert task.state == {"to": "SECRET", "seen": [["SECRET"]]}

    def test_it_is_the_same_in_a_frame_of_another_origin(self, world: World) -> None:
        field = '<body style="margin: 0"><input size="10" oninput="parent.postMessage(value, `*`)">'
        body = f"""{FIELDS}<iframe src="https://mail.invalid/" style="position: fixed; left: 0; top: 100px"></iframe>
            <script>addEventListener("message", (event) => {{ to().value = event.data; }});</script>"""
        task = page(body, others={"https://mail.invalid": Site(html=field)})
        copy(world, task=task)
        act(world, Click(x=20, y=112))
        act(world, Press(keys="Control+v"))
        act(world, Wait(ms=50))
        assert task.state == {"to": "SECRET", "seen": []}

    @pytest.mark.parametrize("place", ["window", "document", "document.body"])
    @pytest.mark.parametrize("rest", ["", "e.stopPropagation()"])
    def test_a_page_may_put_something_else_there(self, world: World, place: str, rest: str) -> None:
        handler = f"""<script>addEventListener("load", () => {place}.addEventListener("copy", (e) => {{
            e.clipboardData.setData("text/plain", "own"); e.preventDefault(); {rest} }}))</script>"""
        task = page(FIELDS + handler)
        paste(world, copy(world, task=task))
        assert task.state == {"to": "own", "seen": [["own"]]}

    def test_formatted_text_keeps_its_format(self, world: World) -> None:
        task = page(
            '<div contenteditable role="textbox" aria-label="from">a <b>bold</b> word</div>'
            '<div contenteditable role="textbox" aria-label="to"></div>'
        )
        paste(world, copy(world, task=task))
        assert task.state["to"] == "a <b>bold</b> word"
        assert task.state["seen"] == [["a bold word"]]

    def test_a_page_without_a_field_hears_of_a_paste(self, world: World) -> None:
        task = page('<input aria-label="from" value="SECRET"><p tabindex="0" aria-label="to">text</p>')
        observation = copy(world, task=task)
        act(world, Click(element=find(observation, "clickable").id))
        act(world, Press(keys="Control+v"))
        assert task.state == {"to": "text", "seen": [["SECRET"]]}

    def test_a_page_may_refuse_a_paste(self, world: World) -> None:
        task = page(FIELDS + "<script>addEventListener('paste', (event) => event.preventDefault())</script>")
        paste(world, copy(world, task=task))
        assert task.state == {"to": "", "seen": [["SECRET"]]}

    def test_a_password_is_not_copied(self, world: World) -> None:
        task = page('<input type="password" aria-label="from" value="SECRET"><input aria-label="to">')
        paste(world, copy(world, task=task))
        assert task.state == {"to": "", "seen": [[""]]}

    @pytest.mark.parametrize(
        "how",
        [
            'getSelection().selectAllChildren(document.querySelector("p")); document.execCommand("copy")',
            'navigator.clipboard.writeText("by a script")',
            'navigator.clipboard.write([new ClipboardItem({ "text/plain": new Blob(["by a script"]) })])',
        ],
    )
    def test_a_button_may_copy(self, world: World, how: str) -> None:
        task = page(f"{FIELDS}<p>by a script</p><button onclick='{how}'>copy</button>")
        observation = open_page(world, task)
        observation = act(world, Click(element=find(observation, "button").id))
        paste(world, observation)
        assert task.state == {"to": "by a script", "seen": [["by a script"]]}

    def test_a_script_may_not_copy_before_the_user_has_done_something_and_never_read(self, world: World) -> None:
        task = PageTask(
            """<script>
                let found = "not yet";
                Promise.allSettled([navigator.clipboard.writeText("x"), navigator.clipboard.readText()])
                    .then((results) => { found = results.map((each) => each.reason.name); });
            </script>""",
            state="[found, typeof agentgymClipboard, typeof agentgymKeep]",
        )
        open_page(world, task)
        act(world, Wait(ms=0))
        assert task.state == [["NotAllowedError", "NotAllowedError"], "undefined", "undefined"]


class TestBetweenSessions:
    @pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 0)])
    def test_what_one_copies_another_does_not_paste(self, world: World, one: int, other: int) -> None:
        there = page()
        observation = open_page(world, there, slot=other)
        task = page()
        here = copy(world, slot=one, task=task)
        paste(world, observation, slot=other)
        assert there.state == {"to": "", "seen": [[""]]}
        paste(world, here, slot=one)
        assert task.state["to"] == "SECRET", "the other session's paste took it away"

    @pytest.mark.parametrize("button", ["middle", "right"])
    def test_what_one_selects_the_mouse_does_not_paste_in_another(self, world: World, button: Any) -> None:
        copy(world, slot=0)
        there = page()
        observation = open_page(world, there, slot=1)
        act(world, Click(element=find(observation, "textbox", "to").id, button=button), slot=1)
        assert there.state == {"to": "", "seen": []}

    def test_one_that_copies_without_pause_does_not_disturb_another(self, world: World) -> None:
        storm = PageTask(
            """<input id="field" value="STORM"><button onclick="field.select(); setInterval(() => {
                 for (let n = 0; n < 20; n++) count += document.execCommand('copy'); })">go</button>
               <script>let count = 0</script>""",
            state="count",
        )
        act(world, Click(element=find(open_page(world, storm, slot=1), "button").id), slot=1)
        task = page()
        observation = copy(world, task=task)
        for _ in range(10):
            paste(world, observation)
        act(world, Wait(ms=0), slot=1)
        assert storm.state > 100
        assert sorted(task.state["to"]) == sorted("SECRET" * 10)  # pasted where the click has put the cursor
        assert {text for (text,) in task.state["seen"]} == {"SECRET"}


class TestBetweenEpisodes:
    @pytest.mark.parametrize("kind", ["fresh", "stores_nothing", "reusable"])
    def test_what_one_has_copied_the_next_does_not_paste(self, world: World, kind: str) -> None:
        task = page(FIELDS, reusable=kind == "reusable")
        task.stores_nothing = kind == "stores_nothing"
        copy(world, task=task)
        paste(world, open_page(world, task))
        assert task.state["to"] == ""
