"""What a task's origins serve: pages from memory, files of a folder, nothing that lies beside them."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym import registry
from agentgym.action import Click
from agentgym_browser import Answer, Site, clock
from agentgym_browser.network import ORIGIN
from tests.browser_page import PageTask, act, find, found_on, open_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentgym.world import World
    from agentgym_browser import Setup

SECRET = b"outside of the site"
MAIL = "https://mail.task.invalid"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "secret").write_bytes(SECRET)
    (folder / "site-secret").write_bytes(SECRET)
    root = folder / "site"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<p>inside</p>")
    (root / "sub" / "a b.css").write_text("inside")
    (root / "link").symlink_to(folder / "secret")
    (root / "folder-link").symlink_to(folder)
    return Site(root=root)


PARTS = [
    "..",
    ".",
    "",
    "secret",
    "site-secret",
    "index.html",
    "sub",
    "link",
    "folder-link",
    "etc",
    "passwd",
    "\\",
    "%2e%2e",
    "\0",
    "x" * 300,
]
HIDING = [
    str,
    lambda part: quote(part, safe=""),
    lambda part: part.replace(".", "%2e").replace("/", "%2f"),
    lambda part: quote(quote(part)),
]


class TestSite:
    def test_files_are_served_by_their_path(self, site: Site) -> None:
        assert site.read(f"{ORIGIN}/index.html?query#part") == Answer(b"<p>inside</p>", "text/html; charset=utf-8")
        assert site.read(f"{ORIGIN}/sub/a%20b.css") == Answer(b"inside", "text/css; charset=utf-8")

    @pytest.mark.parametrize(
        "path",
        [
            "../secret",
            "%2e%2e/secret",
            "%2e%2e%2fsecret",
            "sub/../../secret",
            "..%5csecret",
            "link",
            "folder-link/secret",
            "../site-secret",
            "/etc/passwd",
            "//etc/passwd",
            ".",
            "sub",
            "a%00b",
            "%ff",
            "x" * 5000,
        ],
    )
    def test_what_lies_outside_or_is_no_file_is_refused(self, site: Site, path: str) -> None:
        assert site.read(f"{ORIGIN}/{path}") is None

    @given(st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(HIDING)), max_size=6))
    def test_no_path_leads_out(self, site: Site, parts: list[tuple[str, Callable[[str], str]]]) -> None:
        found = site.read(f"{ORIGIN}/" + "/".join(hide(part) for part, hide in parts))
        assert found is None or found.body != SECRET

    @given(st.text())
    def test_any_text_is_read_or_refused(self, site: Site, text: str) -> None:
        for url in (text, f"{ORIGIN}/{text}", f"https://[{text}"):
            found = site.read(url)
            assert found is None or found.body != SECRET

    @pytest.mark.parametrize(
        "origin",
        [
            "http://task.invalid",
            "https://task.invalid:444",
            "https://task.invalid.evil",
            "https://u@task.invalid",
            "file://",
        ],
    )
    def test_other_origins_are_refused(self, site: Site, origin: str) -> None:
        assert site.read(f"{origin}/index.html") is None


class TestOrigins:
    @pytest.mark.parametrize("key", ["index.html", "", "https://task.invalid/x"])
    def test_a_page_that_has_no_path_is_refused(self, key: str) -> None:
        with pytest.raises(ValueError, match="starts with a slash"):
            Site(pages={key: "x"})

    @pytest.mark.parametrize(
        "origin", [ORIGIN, f"{MAIL}/", "mail.task.invalid", "https://Mail.task.invalid", "file://"]
    )
    def test_what_is_no_further_origin_is_refused(self, origin: str) -> None:
        with pytest.raises(ValueError, match=r"written like https://mail\.task\.invalid"):
            Site(others={origin: Site()})

    def test_each_serves_its_own(self, site: Site) -> None:
        both = Site(html="shop", pages={"/api": Answer("{}", "application/json")}, others={MAIL: site})
        assert both.read(f"{ORIGIN}/") == Answer("shop")
        assert both.read(f"{ORIGIN}/api?x=1") == Answer("{}", "application/json")
        assert both.read(f"{MAIL}/index.html") == Answer(b"<p>inside</p>")
        assert both.read(f"{MAIL}/") is both.read(f"{ORIGIN}/index.html") is both.read(f"{MAIL}/../secret") is None
        assert both.owns(f"{MAIL}/nothing")
        assert not both.owns("https://mail.task.invalid.evil/")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", num_slots=2) as world:
        yield world


class BrokenSite(Site):
    """An origin with a bug."""

    def read(self, url: str) -> Answer | None:
        return super().read(url) if url == f"{ORIGIN}/" else self.nothing_of_the_kind  # type: ignore[attr-defined]  # the bug


class BrokenTask(PageTask):
    def site(self, setup: Setup) -> Site:
        return BrokenSite(html=setup.html)


class TestInTheBrowser:
    def test_redirects_cookies_and_links_lead_from_one_origin_to_another(self, world: World) -> None:
        cookie = ("Set-Cookie", "name=ann; Path=/")
        mail = Site(pages={"/in": Answer('<a href="https://task.invalid/">back</a>', headers=(cookie,))})
        away = Answer(status=302, headers=(("Location", f"{MAIL}/in"),))
        task = PageTask('<a href="/away">mail</a>', state="document.cookie", pages={"/away": away}, others={MAIL: mail})
        observation = act(world, Click(element=find(open_page(world, task), "link", "mail").id))
        assert (observation.url, observation.error, task.state) == (f"{MAIL}/in", "", "name=ann")
        observation = act(world, Click(element=find(observation, "link", "back").id))
        assert (observation.url, task.state) == (f"{ORIGIN}/", "")

    def test_pages_read_what_other_origins_allow_and_get_a_404_for_what_is_not_there(self, world: World) -> None:
        allowed = Answer("open", "text/plain", headers=(("Access-Control-Allow-Origin", "*"),))
        body = f"""<script>
            let found = "not yet";
            const read = (url) => fetch(url).then((got) => got.ok ? got.text() : got.status, () => "failed");
            const page = ["/nothing", "{MAIL}/open", "{MAIL}/shut", "{MAIL}/nothing", "https://other.invalid/"].map(read);
            const worker = new Worker("/worker.js");
            const heard = new Promise((done) => worker.onmessage = (e) => done(e.data));
            Promise.all([...page, heard]).then((results) => {{ found = results; }});
        </script>"""
        others = {MAIL: Site(pages={"/open": allowed, "/shut": "shut"})}
        pages = {
            "/worker.js": Answer("importScripts('part.js'); postMessage(part)", "text/javascript"),
            "/part.js": Answer("const part = 'part'", "text/javascript"),
        }
        found = found_on(world, PageTask(body, state="found", pages=pages, others=others))
        assert found == [404, "open", "failed", "failed", "failed", "part"]

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [
            ({"body": {"a": 1}}, TypeError),
            ({"status": 99}, ValueError),
            ({"status": 999}, ValueError),
            ({"headers": (("a b", "c"),)}, ValueError),
            ({"headers": (("a", "b\r\nc: d"),)}, ValueError),
            ({"kind": "text/html\n"}, ValueError),
        ],
    )
    def test_an_answer_that_no_browser_takes_is_refused_to_the_author(
        self, wrong: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=r"(body|status|header) is"):
            Answer(**wrong)

    def test_every_status_from_200_on_reaches_the_page(self, world: World) -> None:
        statuses = [each.value for each in http.HTTPStatus if each.value >= 200]
        body = f"""<script>let found = "not yet"; Promise.all({statuses}.map((status) =>
            fetch(`/${{status}}`).then((answer) => answer.status))).then((all) => {{ found = all }})</script>"""
        pages = {f"/{status}": Answer(status=status) for status in statuses}
        assert found_on(world, PageTask(body, state="found", pages=pages)) == statuses

    def test_an_origin_that_fails_hinders_no_other_session(
        self, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clock, "REQUEST_TIMEOUT_S", 0.3)
        broken = BrokenTask("<button onclick='fetch(`/x`)'>go</button>")
        calm = PageTask("<button onclick='count++'>go</button><script>let count = 0</script>", state="count")
        open_page(world, broken, slot=0)
        open_page(world, calm, slot=1)
        world.step({0: Click(element=1), 1: Click(element=1)})
        assert calm.state == 1
        assert "A message of the browser could not be taken" in caplog.text

    @pytest.mark.parametrize(
        ("link", "why"),
        [
            (
                "https://other.invalid/x",
                "https://other.invalid/x was not opened: it is outside of what this task may reach.",
            ),
            ("/nothing", "https://task.invalid/nothing was not opened: there is no such page."),
        ],
    )
    def test_a_link_that_leads_nowhere_leaves_the_page_and_tells_the_agent(
        self, world: World, link: str, why: str
    ) -> None:
        task = PageTask(
            f'<a href="{link}">out</a><button onclick="count++">in</button><script>let count = 0</script>',
            state="count",
        )
        before = open_page(world, task)
        after = act(world, Click(element=find(before, "link").id))
        assert (after.url, after.error) == (before.url, why)
        after = act(world, Click(element=find(before, "button").id))
        assert (after.error, task.state) == ("", 1)
