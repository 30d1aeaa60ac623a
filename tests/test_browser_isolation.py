"""What pages can reach: their own files, and nothing else; not each other, not the network, not the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from agentgym.action import Click, Type, Wait
from agentgym_browser import Answer, BrowserWorld
from tests.browser_page import PageTask, act, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld(num_slots=2) as world:
        yield world


class Trace(NamedTuple):
    """JavaScript that leaves something, and an expression that is true where it is seen."""

    leave: str
    look: str


TRACES = {
    "cookie": Trace("document.cookie = 'trace=1; max-age=9999'", "document.cookie"),
    "local storage": Trace("localStorage.trace = 1", "localStorage.length"),
    "session storage": Trace("sessionStorage.trace = 1", "sessionStorage.length"),
    "database": Trace(
        """await new Promise((done) => {
            const request = indexedDB.open("trace");
            request.onsuccess = () => { request.result.close(); done(); };
        })""",
        "(await indexedDB.databases()).length",
    ),
    "cache": Trace("await (await caches.open('trace')).put('/x', new Response('x'))", "(await caches.keys()).length"),
    "file": Trace(
        "await (await navigator.storage.getDirectory()).getFileHandle('trace', { create: true })",
        "!(await (await navigator.storage.getDirectory()).keys().next()).done",
    ),
    "bucket": Trace("await navigator.storageBuckets.open('trace')", "(await navigator.storageBuckets.keys()).length"),
    "name of a window": Trace("window.name = 'trace'", "window.name"),
    "window by its name": Trace(
        """document.body.append(Object.assign(document.createElement("iframe"), { name: "trace" }))""",
        "(() => { const found = open('', 'trace'); return Boolean(found && found.frameElement); })()",
    ),
    "history": Trace("history.pushState(1, '', '#trace')", "history.length > 2"),
    "lock": Trace(
        """await new Promise((held) => navigator.locks.request("trace", () => {
            held();
            return new Promise(() => {});
        }))""",
        "(await navigator.locks.query()).held.length",
    ),
    "shared worker": Trace(
        "window.worker = new SharedWorker('/shared.js'); await heard(worker)",
        "await heard(new SharedWorker('/shared.js')) > 1",
    ),
}
HEARD = "<script>const heard = (worker) => new Promise((done) => worker.port.onmessage = (e) => done(e.data))</script>"
SHARED = "let count = 0; onconnect = (event) => event.ports[0].postMessage(++count)"


def traced(world: World, code: str, *, slot: int, stores_nothing: bool = False) -> bool:
    """Open a page, run code in it and return what it gives."""
    task = PageTask(
        HEARD, state=f"(async () => {{ {code} }})()", pages={"/shared.js": Answer(SHARED, "text/javascript")}
    )
    task.stores_nothing = stores_nothing
    open_page(world, task, slot=slot)
    act(world, Wait(ms=0), slot=slot)
    return bool(task.state)


@pytest.mark.parametrize("name", TRACES)
class TestTraces:
    def test_each_is_seen_where_it_was_left(self, world: World, name: str) -> None:
        leave, look = TRACES[name]
        assert traced(world, f"{leave}; return {look}", slot=0)

    @pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 0)])
    def test_no_other_session_sees_it(self, world: World, name: str, one: int, other: int) -> None:
        leave, look = TRACES[name]
        traced(world, leave, slot=one)
        assert not traced(world, f"return {look}", slot=other)

    @pytest.mark.parametrize("stores_nothing", [False, True])
    def test_no_later_episode_sees_it_though_the_task_says_that_it_stores_nothing(
        self, world: World, name: str, stores_nothing: bool
    ) -> None:
        leave, look = TRACES[name]
        traced(world, leave, slot=0, stores_nothing=stores_nothing)
        assert not traced(world, f"return {look}", slot=0, stores_nothing=stores_nothing)


class TestSessions:
    def test_no_permission_is_granted_and_one_that_a_session_has_is_not_anothers(self, world: BrowserWorld) -> None:
        names = ["clipboard-read", "geolocation", "notifications", "camera", "microphone", "midi", "local-fonts"]
        task = PageTask(
            "",
            state=f"Promise.all({names}.map((name) => navigator.permissions.query({{ name }}).then((is) => is.state)))",
        )
        open_page(world, task, slot=0)
        page, connection = world._sessions[0].page, world._browsers[0].open_connection
        assert page is not None
        assert connection is not None
        for name in names:
            grant = {"permission": {"name": name}, "setting": "granted", "browserContextId": page.context_id}
            world._run(connection.call("Browser.setPermission", grant))
        for slot, expected in ((0, "granted"), (1, "prompt"), (0, "granted")):
            if slot == 1:
                open_page(world, task, slot=1)
            act(world, Wait(ms=0), slot=slot)
            assert task.state == [expected] * len(names)
        open_page(world, task, slot=0)
        act(world, Wait(ms=0), slot=0)
        assert task.state == ["prompt"] * len(names)

    def test_all_have_the_focus(self, world: World) -> None:
        task = PageTask(
            "<input>", state="[document.hasFocus(), document.visibilityState, document.activeElement.tagName]"
        )
        for slot in (0, 1):
            open_page(world, task, slot=slot)
            act(world, Click(element=1), slot=slot)
        for slot in (0, 1):
            act(world, Type("x"), slot=slot)
            assert task.state == [True, "visible", "INPUT"]

    def test_pages_of_different_slots_cannot_speak_to_each_other(self, world: World) -> None:
        listener = PageTask(
            """<script>let heard = 0; new BroadcastChannel("x").onmessage = () => heard++</script>""", state="heard"
        )
        open_page(world, listener, slot=0)
        open_page(world, PageTask("""<script>new BroadcastChannel("x").postMessage(1)</script>"""), slot=1)
        act(world, Wait(ms=50), slot=0)
        assert listener.state == 0
