"""What pages can reach: their own files, and nothing else; not each other, not the network, not the machine."""

from __future__ import annotations

import contextlib
import socket
import threading
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


class Listener:
    """A server on this machine that notes whoever comes, over TCP or UDP."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=self._accept), threading.Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                connection.settimeout(5)
                with contextlib.suppress(TimeoutError):
                    data = connection.recv(100)
                if data == b"stop":
                    return
                self.visits.append(data)

    def _receive(self) -> None:
        while (data := self._udp.recv(1000)) != b"stop":
            self.visits.append(data)

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as visitor:
            visitor.sendall(b"stop")
        self._udp.sendto(b"stop", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join()
        self._tcp.close()
        self._udp.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


# Each waits for its own failure, so that the test need not guess when it would have arrived.
WAYS_OUT = """<script>
  let found = "not yet";
  const http = "http://HOST/", worker = (source) => new Worker(URL.createObjectURL(new Blob([source])));
  const outcome = (target, good, bad) => new Promise((done) => {
    target[good] = () => done("reached");
    target[bad] = () => done("failed");
  });
  const told = (source) => new Promise((done) => {
    const teller = worker(source);
    teller.onmessage = (event) => done(event.data);
    teller.onerror = () => done("failed");
  });
  const frame = document.createElement("iframe"), prefetch = document.createElement("link");
  frame.src = http; document.documentElement.append(frame);
  for (const rel of ["preconnect", "prefetch", "dns-prefetch", "stylesheet", "icon", "manifest", "modulepreload"])
    document.head.append(Object.assign(document.createElement("link"), { rel, href: http }));
  navigator.sendBeacon(http, "x");
  open(http); open(http, "", "noopener");
  const peers = new RTCPeerConnection({ iceServers: [
    { urls: "stun:HOST" }, { urls: "turn:HOST?transport=tcp", username: "u", credential: "c" } ] });
  peers.createDataChannel("x");
  peers.createOffer().then((offer) => peers.setLocalDescription(offer));
  const gathered = new Promise((done) => {
    peers.onicegatheringstatechange = () => peers.iceGatheringState === "complete" && done("failed");
  });
  Promise.all([
    fetch(http, { mode: "no-cors" }).then(() => "reached", () => "failed"),
    outcome(Object.assign(new Image(), { src: http }), "onload", "onerror"),
    outcome(new WebSocket("ws://HOST/"), "onopen", "onerror"),
    outcome(new EventSource(http), "onopen", "onerror"),
    told(`fetch("${http}", { mode: "no-cors" }).then(() => postMessage("reached"), () => postMessage("failed"))`),
    told(`const socket = new WebSocket("ws://HOST/");
      socket.onopen = () => postMessage("reached");
      socket.onerror = () => postMessage("failed");`),
    import(http).then(() => "reached", () => "failed"),
    Promise.race([gathered, new Promise((done) => setTimeout(done, 3000, "failed"))]),
  ]).then((results) => { found = results; });
</script>"""  # fmt: skip


class TestNetworkWall:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_no_way_out_of_a_page_reaches_a_server_on_this_machine(
        self, world: World, listener: Listener, host: str
    ) -> None:
        assert (
            found_on(world, PageTask(WAYS_OUT.replace("HOST", f"{host}:{listener.port}"), state="found"))
            == ["failed"] * 8
        )
        assert listener.visits == []

    def test_the_listener_notes_who_comes(self, listener: Listener) -> None:
        with socket.create_connection(("127.0.0.1", listener.port)) as visitor:
            visitor.sendall(b"hello")
            visitor.recv(1)
        assert listener.visits == [b"hello"]

    def test_a_link_that_leads_out_leaves_the_episode_going(self, world: World, listener: Listener) -> None:
        open_page(world, PageTask(f'<a href="http://127.0.0.1:{listener.port}/">out</a>'))
        world.step({0: Click(element=1)})
        assert listener.visits == []

    def test_files_of_the_machine_cannot_be_opened(self, world: World) -> None:
        body = """<script>
            let found = "not yet";
            fetch("file:///etc/passwd").then(() => { found = "reached" }, () => { found = "failed" });
        </script>"""
        assert found_on(world, PageTask(body, state="found")) == "failed"
