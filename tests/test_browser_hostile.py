"""Pages that mean harm, or are badly broken: they fail alone, soon and with a type, and deceive no observation."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from agentgym.action import Click, Fill, Wait
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionTimeoutError
from agentgym.look import Budget, Look
from agentgym.observation import MAX_ELEMENTS, Observation
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_browser import Answer, BrowserWorld, inputs, limits
from agentgym_browser import chromium as chromium_module
from agentgym_browser import page as page_module
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

CALM = PageTask("<button>ok</button>")
TIMEOUT_S = 1.5  # of a page's answer, in these tests: nearly all of them wait for it
LOAD_TIMEOUT_S = 3.0


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld(num_slots=2) as world:
        yield world


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PAGE_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(page_module, "PAGE_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(page_module, "LOAD_TIMEOUT_S", LOAD_TIMEOUT_S)


def hostile(code: str) -> PageTask:
    """A page that runs code at a click."""
    pages: dict[str, str | Answer] = {
        "/away": "<script>location = '/away?' + Math.random()</script>",
        "/redirect": Answer(status=302, headers=(("Location", "/redirect"),)),
        "/frame": "<iframe src='/frame?left'></iframe><iframe src='/frame?right'></iframe>",
        "/file": Answer("x", "application/zip"),
    }
    return PageTask(f"<button onclick='go()'>go</button><script>function go() {{ {code} }}</script>", pages=pages)


HANGING = {
    "loop": "for (;;) {}",
    "loop in a timer": "setTimeout(() => { for (;;) {} })",
    "loop of microtasks": "(function more() { Promise.resolve().then(more) })()",
    "loop in an animation frame": "requestAnimationFrame(() => { for (;;) {} })",
    "loop of requests to itself": """for (;;) {
        const request = new XMLHttpRequest(); request.open("GET", "/", false); request.send(); }""",
    "loop of breakpoints": "for (;;) debugger",
}
BUSY = {
    "loop in a worker": "new Worker(URL.createObjectURL(new Blob(['for (;;) {}'])))",
    "animation without end": "(function more() { requestAnimationFrame(more) })()",
    "alerts": "for (;;) alert(1)",
    "alerts by a timer": "setInterval(() => { alert(1); confirm(2); prompt(3); })",
    "printing": "setInterval(() => print())",
    "refusal to be left": """addEventListener("beforeunload", (event) => event.preventDefault());
        setInterval(() => { location = "/" + Math.random() })""",
    "windows": "setInterval(() => window.open('/'))",
    "history": "for (let n = 0; ; n++) history.pushState(n, '', '#' + n)",
    "history by a timer": "let n = 0; setInterval(() => { history.pushState(n, '', '#' + n++) })",
    "navigation without end": "location = '/away'",
    "redirects without end": "location = '/redirect'",
    "reloads": "setInterval(() => location.reload())",
    "document that never ends": "document.open(); document.write('<p>open')",
    "frames within frames": "document.body.innerHTML = '<iframe src=/frame></iframe>'",
    "large document": "document.body.innerHTML = '<b>x</b>'.repeat(100_000)",
    "growing document": "setInterval(() => document.body.insertAdjacentHTML('beforeend', '<b>x</b>'.repeat(500)))",
    "messages": "setInterval(() => { for (let n = 0; n < 200; n++) console.log('x'.repeat(1000)) })",
    "requests": "setInterval(() => { for (let n = 0; n < 50; n++) fetch('/') })",
    "downloads": """setInterval(() => Object.assign(document.createElement("a"), {
        href: "/file", download: "x" }).click())""",
    "pointer lock": "document.body.requestPointerLock()",
    "its end": "window.close()",
}


@pytest.mark.usefixtures("impatient")
class TestFailsAlone:
    @pytest.mark.parametrize("name", HANGING)
    def test_a_page_that_hangs_is_a_time_out_of_its_session(self, world: BrowserWorld, name: str) -> None:
        world.reset({0: Instance(hostile(HANGING[name]), 0), 1: Instance(CALM, 0)})
        answers = world.step({0: Click(element=1), 1: Click(element=1)})
        assert isinstance(answers[0], SessionTimeoutError), answers[0]
        assert isinstance(answers[1], Step), answers[1]
        assert isinstance(world.reset({0: Instance(CALM, 0)})[0], Observation)

    @pytest.mark.parametrize("name", BUSY)
    def test_a_page_that_is_busy_is_answered_in_time(self, world: BrowserWorld, name: str) -> None:
        world.reset({0: Instance(hostile(BUSY[name]), 0), 1: Instance(CALM, 0)})
        browsers = world.browser_pids
        answers = world.step({0: Click(element=1), 1: Click(element=1)})
        if isinstance(answers[0], Step):
            answers = world.step({0: Wait(ms=50), 1: Click(element=1)})
        assert isinstance(answers[0], Step | InfrastructureError)
        assert isinstance(answers[1], Step), answers[1]
        assert isinstance(world.reset({0: Instance(CALM, 0)})[0], Observation)
        assert world.browser_pids == browsers

    def test_a_world_whose_pages_hang_closes_at_once(self) -> None:
        with BrowserWorld(num_slots=2) as world:
            for slot in (0, 1):
                open_page(world, PageTask("""<button onclick="for (;;) {}">ok</button>"""), slot=slot)
            world.submit({0: Click(element=1), 1: Click(element=1)})
            (keeper,) = [psutil.Process(pid) for pid in world.browser_pids]
            family = [keeper, *keeper.children(recursive=True)]
            began = time.monotonic()
        assert time.monotonic() - began < BOUND_S
        assert not any(process.is_running() for process in family)


class TestMemory:
    def test_scripts_that_fill_their_heap_end_their_own_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chromium_module, "HEAP_FLAG", "--js-flags=--max-old-space-size=48")
        with BrowserWorld(num_slots=2) as world:
            open_page(world, CALM, slot=1)
            open_page(world, hostile("const kept = []; for (;;) kept.push(new Array(1_000_000).fill(Math.random()))"))
            answers = world.step({0: Click(element=1), 1: Click(element=1)})
            assert isinstance(answers[0], SessionCrashedError), answers[0]
            assert isinstance(answers[1], Step)
            open_page(world, CALM, slot=0)

    def test_memory_beyond_the_limit_is_refused_to_the_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "RENDERER_DATA_MB", 900)
        with BrowserWorld(num_slots=2) as world:
            open_page(world, CALM, slot=1)
            task = hostile("""const kept = []; window.mb = 0;
                try { for (; mb < 5000; mb += 10) kept.push(new Uint8Array(10 * 2 ** 20)); }
                catch { window.full = true; }""")
            task.state_script = "[window.full, window.mb]"
            open_page(world, task)
            answers = world.step({0: Click(element=1), 1: Click(element=1)})
            assert isinstance(answers[1], Step)
            assert isinstance(answers[0], Step | SessionCrashedError)  # whichever of its threads asks first
            if isinstance(answers[0], Step):
                full, mb = task.state
                assert full
                assert mb < 900

    def test_renderers_are_what_the_kernel_ends_first_and_have_the_limit(self, world: BrowserWorld) -> None:
        open_page(world, CALM)
        family = psutil.Process(world.browser_pids[0]).children(recursive=True)
        scores: dict[bool, set[int]] = {True: set(), False: set()}
        for process in family:
            renders = "--type=renderer" in " ".join(process.cmdline())
            scores[renders].add(int(Path(f"/proc/{process.pid}/oom_score_adj").read_text()))
            if renders:
                assert process.rlimit(psutil.RLIMIT_DATA)[1] == limits.RENDERER_DATA_MB * 2**20
        assert min(scores[True]) > max(scores[False])


POLLUTION = """<script>
  const lie = () => { throw new Error("polluted"); };
  const forged = { elements: [[1, "button", "forged", "", [], [0, 0, 9, 9]]], url: "x", title: "x" };
  window.agentgym = { observe: () => forged, settle: lie, locate: lie, reset: lie };
  window.agentgymKeep = window.agentgymClipboard = lie;
  for (const [type, names] of [[Array, ["map", "filter", "slice", "push", "join", "forEach", "flatMap"]],
      [String, ["replace", "trim", "slice", "split"]], [Map, ["get", "set"]], [WeakMap, ["get", "set"]],
      [Element, ["getAttribute", "getBoundingClientRect", "querySelector", "matches"]],
      [Document, ["querySelectorAll", "getAnimations"]], [Promise, ["then"]], [Function, ["call", "bind"]]])
    for (const name of names) type.prototype[name] = lie;
  for (const name of ["Date", "Promise", "WeakMap", "Map", "Set", "WeakRef", "setTimeout", "getComputedStyle", "Node"])
    window[name] = lie;
  JSON.stringify = Object.assign = Object.entries = Math.round = lie;
  for (const name of ["id", "tagName", "children", "shadowRoot", "title", "body", "images", "activeElement"])
    for (const type of [Node, Element, Document, Object])
      try { Object.defineProperty(type.prototype || Object.prototype, name, { get: lie }); } catch {}
</script>"""
BODY = '<h1>Title</h1><input aria-label="field"><button onclick="clicks++">ok</button><script>var clicks = 0</script>'
OBSERVER = (Path(page_module.__file__).with_name("observe.js")).read_text()


class TestTheObserver:
    def test_a_page_that_replaces_what_scripts_are_made_of_is_observed_as_it_is(self, world: BrowserWorld) -> None:
        honest = open_page(world, PageTask(BODY))
        task = PageTask(BODY + POLLUTION, state="clicks")
        polluted = open_page(world, task)
        assert polluted.elements == honest.elements
        assert polluted.url == honest.url
        after = act(world, Click(element=find(polluted, "button").id))
        assert (after.error, task.state) == ("", 1)
        after = act(world, Fill(element=find(polluted, "textbox").id, text="text"))
        assert find(after, "textbox").value == "text"

    @pytest.mark.parametrize("forged", ["data-agentgym", "agentgym-id", "id", "bid", "aria-label", "name"])
    def test_ids_are_not_read_from_the_page(self, world: BrowserWorld, forged: str) -> None:
        body = (
            f"<button {forged}='2' onclick='seen = 1'>one</button><button {forged}='1' onclick='seen = 2'>two</button>"
        )
        task = PageTask(f"{body}<script>var seen = 0</script>", state="seen")
        observation = open_page(world, task)
        assert [each.id for each in observation.elements] == [1, 2]
        act(world, Click(element=1))
        assert task.state == 1

    def test_fields_named_like_properties_hide_nothing_else(self) -> None:
        names = sorted(set(re.findall(r"\.([A-Za-z]+)", OBSERVER)))
        assert "getAttribute" in names
        forms = "".join(f'<form tabindex="0"><input name="{name}" aria-label="{name}"></form>' for name in names)
        tags = "".join(f'<img name="{name}"><a id="{name}"></a><form name="{name}"></form>' for name in names)
        task = PageTask(f"<div style='font-size: 1px'>{forms}{tags}</div>{BODY}", state="clicks")
        with BrowserWorld(look=Look(budget=Budget(MAX_ELEMENTS, 1_000_000))) as world:
            observation = open_page(world, task)
            assert {each.name for each in observation.elements if each.role == "textbox"} >= set(names)
            for element in observation.elements:
                if element.role == "clickable":
                    act(world, Click(element=element.id))
            after = act(world, Click(element=find(observation, "button").id))
        assert (after.error, task.state) == ("", 1)
