"""The network wall: whatever a page tries, a server outside of its task hears nothing.

Each way out is tried twice: by a page behind the wall, and by the same page in a browser that was started without one
(the control). A page behind the wall has had its time once the control, which started after it, has been heard.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest

from agentgym.action import Click, Press, Wait
from agentgym.task import Instance
from agentgym_browser import Answer, BrowserWorld, Site, chromium
from agentgym_browser.network import ORIGIN
from tests.browser_page import PageTask, act, found_on, open_page
from tests.listener import LOOPBACK, Listener, addresses, listening
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agentgym_browser import Setup


class OpenSite(Site):
    """A site that lets all requests through to the network."""

    def read(self, url: str) -> Answer | None:
        return Answer()

    def fulfil(self, request_id: str, url: str) -> tuple[str, dict[str, Any]]:
        return "Fetch.continueRequest", {"requestId": request_id}


class OpenTask(PageTask):
    """A page of a server on this machine, without a wall."""

    def __init__(self, address: str) -> None:
        super().__init__("")
        self._address = address

    def site(self, setup: Setup) -> Site:
        return OpenSite()

    @property
    def url(self) -> str:
        return self._address


class PlainTask(PageTask):
    """A page that came over plain http: a secure one may not ask for anything insecure, wall or no wall."""

    url = "http://plain.invalid/"

    def site(self, setup: Setup) -> Site:
        return Site(others={"http://plain.invalid": super().site(setup)})


class Browsers(NamedTuple):
    """Two browsers, one page each."""

    walled: BrowserWorld
    open: BrowserWorld


CALM = PageTask("<p>calm</p>")


@pytest.fixture(scope="module")
def browsers() -> Iterator[Browsers]:
    with BrowserWorld() as walled, BrowserWorld() as without:
        open_page(walled, CALM)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chromium, "WALL_FLAGS", ())
            open_page(without, CALM)
        yield Browsers(walled, without)


def script(text: str) -> str:
    return f"<script>{text}</script>"


def worker(text: str) -> str:
    return script(f"new Worker(URL.createObjectURL(new Blob([`{text}`])))")


def element(tag: str, **attributes: str) -> str:
    return f"<{tag} " + " ".join(f'{name}="{value}"' for name, value in attributes.items()) + f"></{tag}>"


def link(rel: str, **attributes: str) -> str:
    return element("link", rel=rel, href="http://HOST/", **attributes)


PEERS = """const peers = new RTCPeerConnection({{ iceServers: [{}] }});
    peers.createDataChannel("x");
    peers.createOffer().then((offer) => peers.setLocalDescription(offer));"""
WAYS_OUT = {
    "fetch": script('fetch("http://HOST/", { mode: "no-cors" })'),
    "fetch keepalive": script('fetch("http://HOST/", { mode: "no-cors", keepalive: true })'),
    "XMLHttpRequest": script('const r = new XMLHttpRequest(); r.open("GET", "http://HOST/"); r.send()'),
    "beacon": script('navigator.sendBeacon("http://HOST/", "x")'),
    "img": element("img", src="http://HOST/"),
    "srcset": element("img", srcset="http://HOST/ 1x"),
    "iframe": element("iframe", src="http://HOST/"),
    "object": element("object", data="http://HOST/"),
    "embed": element("embed", src="http://HOST/"),
    "video": element("video", src="http://HOST/", autoplay=""),
    "script": element("script", src="http://HOST/"),
    "import": script('import("http://HOST/")'),
    "stylesheet": link("stylesheet"),
    "CSS import": "<style>@import url(http://HOST/);</style>",
    "CSS image": "<style>body { background: url(http://HOST/) }</style>",
    "CSS font": "<style>@font-face { font-family: x; src: url(http://HOST/) } body { font-family: x }</style>text",
    "SVG use": '<svg><image href="http://HOST/" width="9" height="9" /></svg>',
    "prefetch": link("prefetch"),
    "preload": link("preload", **{"as": "image"}),
    "modulepreload": link("modulepreload"),
    "speculation rules": """<script type="speculationrules">
        {"prefetch": [{"urls": ["http://HOST/"], "eagerness": "immediate"}]}</script>""",
    "EventSource": script('new EventSource("http://HOST/")'),
    "WebSocket": script('new WebSocket("ws://HOST/")'),
    "WebTransport": script('new WebTransport("https://HOST/")'),
    "STUN": script(PEERS.format('{ urls: "stun:HOST" }')),
    "TURN over TCP": script(PEERS.format('{ urls: "turn:HOST?transport=tcp", username: "u", credential: "c" }')),
    "worker fetch": worker('fetch("http://HOST/", { mode: "no-cors" })'),
    "worker WebSocket": worker('new WebSocket("ws://HOST/")'),
    "worker script": worker('importScripts("http://HOST/")'),
    "shared worker fetch": script("""new SharedWorker(URL.createObjectURL(new Blob([
        'fetch("http://HOST/", { mode: "no-cors" })'])))"""),
    "service worker": script('navigator.serviceWorker.register("/service.js")'),
    "popup": script('open("http://HOST/")'),
    "popup without opener": script('open("http://HOST/", "", "noopener")'),
    "location": script('location = "http://HOST/"'),
    "meta refresh": '<meta http-equiv="refresh" content="0; url=http://HOST/">',
    "form post": '<form method="post" action="http://HOST/"></form>' + script("document.forms[0].submit()"),
    "form in a new tab": '<form action="http://HOST/" target="_blank"></form>' + script("document.forms[0].submit()"),
    "link ping": '<a ping="http://HOST/" href="#x">x</a>' + script('document.querySelector("a").click()'),
    "frame of a frame": element("iframe", srcdoc="<img src=http://HOST/>"),
    "blob frame": script("""document.documentElement.append(Object.assign(document.createElement("iframe"), { src:
        URL.createObjectURL(new Blob(["<img src=http://HOST/>"], { type: "text/html" })) }))"""),
    "data frame": element("iframe", src="data:text/html,<img src=http://HOST/>"),
    "redirect": element("img", src="/redirect"),
    "CSP report": element("iframe", src="/reporting"),
}


def pages_of(way: str, listener: Listener) -> dict[str, Answer]:
    """Return the pages of the origin that tries a way out to a listener."""
    host = f"{LOOPBACK}:{listener.port}"
    policy = f"default-src 'none'; report-uri http://{host}/"
    return {
        "/": Answer("<!doctype html><html><body>" + WAYS_OUT[way].replace("HOST", host)),
        "/service.js": Answer(f'fetch("http://{host}/", {{ mode: "no-cors" }})', "text/javascript"),
        "/redirect": Answer(status=302, headers=(("Location", f"http://{host}/"),)),
        "/reporting": Answer("<img src='/x'>", headers=(("Content-Security-Policy", policy),)),
    }


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_way_out_that_is_open_without_the_wall_is_shut_behind_it(browsers: Browsers, way: str) -> None:
    with listening() as behind, listening() as control, listening(pages_of(way, control)) as server:
        open_page(browsers.walled, PageTask("", pages=pages_of(way, behind)))
        browsers.open.reset({0: Instance(OpenTask(f"http://{LOOPBACK}:{server.port}/"), 0)})
        while not control.visits:
            act(browsers.open, Wait(ms=20))
        act(browsers.walled, Wait(ms=20))
        assert behind.visits == []
        open_page(browsers.open, CALM)  # ends what tries again and again


# Each waits for its own failure, so that the test need not guess when it would have arrived. The links have no control:
# the headless shell does not carry all of them out.
ALL_AT_ONCE = """<script>
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
  const frame = document.createElement("iframe");
  frame.src = http; document.documentElement.append(frame);
  for (const rel of ["preconnect", "dns-prefetch", "prefetch", "prerender", "stylesheet", "icon", "manifest",
                     "modulepreload", "preload"])
    document.head.append(Object.assign(document.createElement("link"), { rel, href: http, as: "fetch" }));
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
NAMES = [f"[{name}]" if ":" in name else name for name in addresses()]


@pytest.mark.parametrize("name", [*NAMES, "localhost", "some.localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"])
def test_no_name_of_this_machine_is_reached(browsers: Browsers, name: str) -> None:
    with listening() as listener:
        task = PlainTask(ALL_AT_ONCE.replace("HOST", f"{name}:{listener.port}"), state="found")
        assert found_on(browsers.walled, task) == ["failed"] * 8
        assert listener.visits == []


@pytest.mark.parametrize("address", addresses())
def test_the_listener_notes_who_comes(address: str) -> None:
    with listening() as listener:
        with socket.create_connection((address, listener.port)) as visitor:
            visitor.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert visitor.recv(12) == b"HTTP/1.1 200"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as visitor:
            visitor.sendto(b"packet", (address, listener.port))
            wait_until(lambda: b"packet" in listener.visits)
        assert listener.visits[:2] == [b"connected", b"GET / HTTP/1.1\r\n\r\n"]


class TestTheMachine:
    """Files, the browser's own pages and its debugging interface."""

    # SECRET stands for a file of this machine that holds the word.
    PLACES = (
        "SECRET", "view-source:SECRET", "filesystem:SECRET", "chrome://version",
        "devtools://devtools/bundled/inspector.html", "view-source:https://task.invalid/",
        "data:text/html,<p>data</p>", "javascript:void(0)", "ftp://task.invalid/x", "https://user@task.invalid/",
    )  # fmt: skip

    @pytest.fixture
    def secret(self, tmp_path: Path) -> str:
        (tmp_path / "file.html").write_text("<p>secret</p><script>top.postMessage('secret', '*')</script>")
        return (tmp_path / "file.html").as_uri()

    @pytest.mark.parametrize("place", PLACES)
    def test_a_page_that_goes_elsewhere_stays_and_the_session_goes_on(
        self, browsers: Browsers, secret: str, place: str
    ) -> None:
        place = place.replace("SECRET", secret)
        task = PageTask(
            f"""<button onclick="location = '{place}'">assign</button>
                <button onclick="window.open('{place}')">open</button>
                <button onclick="window.open('{place}', '_self')">self</button><a href="{place}">link</a>
                <form action="{place}"><button>submit</button></form>""",
            state="document.body.innerText",
        )
        before = open_page(browsers.walled, task)
        for element in [each for each in before.elements if each.role in {"button", "link"}]:
            after = act(browsers.walled, Click(element=element.id))
            if after.elements and after.elements[0].role == "tab":
                assert after.url == "about:blank"
                assert len(after.elements) == 2  # the tabs: nothing is on the page
                after = act(browsers.walled, Press("Control+w"))
            assert after.url.removesuffix("?") == f"{ORIGIN}/"
            assert [each.name for each in after.elements] == [each.name for each in before.elements]

    @pytest.mark.parametrize("place", PLACES[:3])
    def test_a_page_reads_no_file(self, browsers: Browsers, secret: str, place: str) -> None:
        place = place.replace("SECRET", secret)
        body = f"""<script>
            let found = "not yet", heard = [];
            addEventListener("message", (event) => heard.push(event.data));
            const request = new XMLHttpRequest();
            const loads = (tag, key) => new Promise((done) => {{
                const element = Object.assign(document.createElement(tag), {{ [key]: "{place}" }});
                element.onload = () => done(element.contentDocument ? element.contentDocument.body.innerText : "empty");
                element.onerror = () => done("failed");
                document.documentElement.append(element);
                setTimeout(done, 300, "empty");
            }});
            Promise.all([
                fetch("{place}").then((answer) => answer.text(), () => "failed"),
                new Promise((done) => {{
                    request.onloadend = () => done(request.responseText || "failed");
                    try {{ request.open("GET", "{place}"); request.send(); }} catch {{ done("failed"); }}
                }}),
                loads("iframe", "src"), loads("object", "data"), loads("embed", "src"), loads("script", "src"),
                loads("img", "src"),
                import("{place}").then(() => "reached", () => "failed"),
                new Promise((done) => {{
                    try {{ new Worker("{place}").onerror = () => done("failed"); }} catch {{ done("failed"); }}
                }}),
            ]).then((results) => {{ found = [...results, ...heard].filter((each) => each !== "failed"); }});
        </script>"""
        results = found_on(browsers.walled, PageTask(body, state="found"))
        assert set(results) <= {"", "empty"}, results

    def test_the_browser_listens_nowhere(self, browsers: Browsers) -> None:
        keeper = psutil.Process(browsers.walled.browser_pids[0])
        family = [keeper, *keeper.children(recursive=True)]
        assert len(family) > 3
        assert [each for process in family for each in process.net_connections() if each.status == "LISTEN"] == []
