"""What windows bring to the parts of an observation, to traces, hooks and the clipboard."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agentgym import registry
from agentgym.action import Click, Done, Press, Type
from agentgym.look import PARTS, Look
from agentgym_browser import Site
from agentgym_browser.world import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from agentgym.world import World

OTHER = "https://bank.invalid"
INNER = "<main><h1>Bank</h1><button>pay</button></main>"
AT = 'style="position: absolute; left: 100px; top: {top}px; width: 200px; height: 150px"'


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", look=Look(frozenset(PARTS))) as world:
        yield world


def framed(*, top: int = 50) -> PageTask:
    frame = f'<iframe title="Bank" src="{OTHER}/" {AT.format(top=top)}></iframe>'
    return PageTask(f'<nav><a href="#">home</a></nav>{frame}<p>end</p>', others={OTHER: Site(html=INNER)})


class TestFrames:
    def test_the_tree_holds_what_a_frame_shows_in_its_place(self, world: World) -> None:
        seen = open_page(world, framed())
        lines = [
            "navigation",
            f"  {find(seen, 'link').line}",
            'iframe "Bank"',
            "  main",
            f"    {find(seen, 'heading').line} level 1",
            f"    {find(seen, 'button').line}",
            "paragraph",
            f"  {find(seen, 'text', 'end').line}",
        ]
        assert seen.tree == "\n".join(lines)

    def test_the_text_holds_what_a_frame_says(self, world: World) -> None:
        text = open_page(world, framed()).text
        assert text is not None
        assert text.split() == ["home", "end", "Bank", "pay"]

    @pytest.mark.parametrize(("top", "marked"), [(50, True), (1000, False)])
    def test_what_a_frame_shows_is_marked_where_it_is_in_view(self, world: World, top: int, *, marked: bool) -> None:
        seen = open_page(world, framed(top=top))
        button = find(seen, "button", "pay")
        assert seen.marks is not None
        assert seen.screenshot is not None
        left, above, width, height = button.box
        inside = (slice(max(0, above), max(0, above) + height), slice(left, left + width))
        assert bool(np.any(seen.marks[inside] != seen.screenshot[inside])) is marked


class TestDialogs:
    def test_every_part_holds_the_dialog_alone(self, world: World) -> None:
        open_page(world, PageTask("<button onclick=\"confirm('Really?')\">ask</button><p>behind</p>"))
        seen = act(world, Click(element=1))
        assert [each.role for each in seen.elements] == ["dialog", "button", "button"]
        assert seen.tree == "\n".join(each.line for each in seen.elements)
        assert seen.text == "Really?"
        assert seen.marks is not None
        assert seen.screenshot is not None
        assert np.any(seen.marks != seen.screenshot)

    def test_a_traced_episode_has_its_dialogs_and_a_trace(self, tmp_path: Path) -> None:
        task = PageTask("<button onclick=\"textContent = confirm('Really?')\">ask</button>")
        with BrowserWorld(trace=tmp_path) as world:
            open_page(world, task)
            asked = act(world, Click(element=1))
            after = act(world, Click(element=find(asked, "button", "OK").id))
            act(world, Click(element=find(after, "button", "true").id))  # it ends with a dialog
        with zipfile.ZipFile(tmp_path / "test-page-0.zip") as archive:
            recorded = [json.loads(line) for line in archive.read("trace.trace").splitlines()]
        titles = [event["title"] for event in recorded if event["type"] == "before" and event.get("title")]
        assert titles == ["click(1)", "click(1)", "the end"]


class TestTabs:
    def test_all_share_the_clipboard(self, world: World) -> None:
        body = "<button onclick=\"window.open('/second')\">open</button><input value=copied>"
        open_page(world, PageTask(body, pages={"/second": "<input autofocus aria-label=second>"}))
        for action in (Click(element=2), Press("Control+a"), Press("Control+c")):
            assert not act(world, action).error
        opened = act(world, Click(element=1))
        act(world, Click(element=find(opened, "textbox").id))
        assert find(act(world, Press("Control+v")), "textbox", "second").value == "copied"

    def test_hooks_have_the_first_tab_whichever_is_shown(self) -> None:
        def count(page: Page) -> None:
            said.append(page.evaluate("clicks"))

        said: list[int] = []
        task = AuthorTask(
            lambda page: page.evaluate("window.clicks = 0"),
            count,
            body="<button onclick=\"clicks++; window.open('about:blank')\">open</button>",
        )
        with BrowserWorld() as world:
            seen = open_page(world, task)
            seen = act(world, Click(element=find(seen, "button").id))
            assert [each.role for each in seen.elements] == ["tab", "tab"]
            act(world, Type("x"))
            act(world, Done("finished"))
        assert said == [1]
