"""What pages can reach: their own files, and nothing else; not each other, not the network, not the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentgym import registry
from agentgym.action import Click, Wait
from tests.browser_page import PageTask, act, found_on, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", num_slots=2) as world:
        yield world


LEAVE_TRACES = """<script>
  document.cookie = "trace=1; max-age=9999";
  localStorage.trace = sessionStorage.trace = 1;
  window.name = "trace";
  let found = "not yet";
  Promise.allSettled([
    new Promise((done) => { const request = indexedDB.open("trace"); request.onsuccess = request.onerror = done; }),
    caches.open("trace").then((cache) => cache.put("/x", new Response("trace"))),
    navigator.serviceWorker.register("/worker.js"),
    navigator.storage.getDirectory().then((folder) => folder.getFileHandle("trace", { create: true })),
  ]).then((results) => { found = results.map((result) => result.status); });
</script>"""
LOOK_FOR_TRACES = """<script>
  let found = "not yet";
  (async () => {
    const files = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) files.push(name);
    found = [document.cookie, localStorage.trace, sessionStorage.trace, window.name, history.length,
      (await indexedDB.databases()).length, (await caches.keys()).length,
      (await navigator.serviceWorker.getRegistrations()).length, files.length];
  })();
</script>"""


class TestSessions:
    def test_nothing_that_a_page_stores_is_there_in_another_slot_or_in_the_next_episode(self, world: World) -> None:
        clean = found_on(world, PageTask(LOOK_FOR_TRACES, state="found"), slot=0)
        assert clean == ["", None, None, "", 2, 0, 0, 0, 0]
        assert found_on(world, PageTask(LEAVE_TRACES, state="found"), slot=0) == [
            "fulfilled",
            "fulfilled",
            "rejected",
            "fulfilled",
        ]
        assert found_on(world, PageTask(LOOK_FOR_TRACES, state="found"), slot=1) == clean
        assert found_on(world, PageTask(LOOK_FOR_TRACES, state="found"), slot=0) == clean

    def test_pages_of_different_slots_cannot_speak_to_each_other(self, world: World) -> None:
        listener = PageTask(
            """<script>let heard = 0; new BroadcastChannel("x").onmessage = () => heard++</script>""", state="heard"
        )
        open_page(world, listener, slot=0)
        open_page(world, PageTask("""<script>new BroadcastChannel("x").postMessage(1)</script>"""), slot=1)
        act(world, Wait(ms=50), slot=0)
        assert listener.state == 0

    @pytest.mark.parametrize(
        "how", ["window.open('/?popup')", "window.open('/?popup', '', 'noopener')", "link.click()"]
    )
    def test_popups_are_closed_and_the_page_goes_on(self, world: World, how: str) -> None:
        body = f"""<a id="link" href="/?popup" target="_blank" rel="noopener"></a>
            <script>let clicks = 0, popup = null</script>
            <button onclick="clicks++; popup = {how}">ok</button>"""
        task = PageTask(body, state="({ clicks, closed: popup ? popup.closed : null })")
        open_page(world, task)
        for count in (1, 2):
            assert not act(world, Click(element=1)).error
            assert task.state["clicks"] == count
        pages = pages_of(world)
        for _ in range(200):
            if len(pages) == 2:
                break
            act(world, Wait(ms=20))
            pages = pages_of(world)
        assert len(pages) == 2, pages


def pages_of(world: World) -> list[str]:
    """Return the URLs of all pages in the browser; the world has two slots."""
    from agentgym_browser.world import BrowserWorld

    assert isinstance(world, BrowserWorld)
    connection = world._run(world._browsers[0].connection())
    targets = world._run(connection.call("Target.getTargets"))["targetInfos"]
    return [target["url"] for target in targets if target["type"] == "page" and target["url"] != "about:blank"]
