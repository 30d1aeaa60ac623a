"""Files: chosen for upload by name, downloaded into a folder of the session, and gone with it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import Click, Fill, Press, Wait
from agentgym.errors import ActionError
from agentgym_browser import Answer, Setup, files
from agentgym_browser.files import MAX_DOWNLOADS, Downloads, plain_name
from agentgym_browser.observers import handle
from agentgym_browser.world import BrowserWorld
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from agentgym.episode import Score
    from agentgym.world import World
    from agentgym_browser import Evidence

FILES = {"notes.txt": "née 🙂".encode(), "data.bin": bytes(range(256)), "größe 1.csv": b"1,2"}
READ = """<script>let found = []; document.querySelector("input").onchange = async (event) => {
    found = await Promise.all([...event.target.files].map(async (file) => [
      file.name, file.type, [...new Uint8Array(await file.arrayBuffer())],
      event.isTrusted])) }</script>"""
INPUT = "<input type='file' aria-label='Report'>" + READ
SEVERAL = INPUT.replace("type=", "multiple type=")
NOTES = ["notes.txt", "text/plain", list(FILES["notes.txt"]), True]


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld(num_slots=2, screenshot=True) as world:
        yield world


class FileTask(PageTask):
    """A page with files to choose from, which may download."""

    downloads = True

    def __init__(self, body: str, *, files: dict[str, bytes] = FILES, **options: Any) -> None:
        super().__init__(body, **options)
        self.files = files
        self.downloaded: dict[str, bytes] = {}

    def setup(self, rng: Random) -> Setup:
        return Setup(super().setup(rng).instruction, self.html, files=self.files)

    def judge(self, evidence: Evidence) -> Score | None:
        self.downloaded = dict(evidence.downloads)
        return super().judge(evidence)


class TestUpload:
    @pytest.mark.parametrize("by", ["element", "pixel"])
    def test_a_click_shows_the_files_that_the_task_offers_and_one_more_chooses(self, world: World, by: str) -> None:
        task = FileTask(INPUT, state="found")
        seen = open_page(world, task)
        chooser = act(world, Click(element=find(seen, "file", "Report").id))
        roles = [(element.role, element.name) for element in chooser.elements]
        options = [("option", name) for name in FILES]
        assert roles == [("dialog", "Choose a file"), *options, ("button", "Cancel")]
        option = find(chooser, "option", "notes.txt")
        x, y, width, height = option.box
        seen = act(world, Click(element=option.id) if by == "element" else Click(x=x + width // 2, y=y + height // 2))
        assert (find(seen, "file").value, seen.error) == ("notes.txt", "")
        assert task.state == [NOTES]

    def test_several_are_chosen_where_an_input_takes_them(self, world: World) -> None:
        task = FileTask(SEVERAL, state="found")
        chooser = act(world, Click(element=find(open_page(world, task), "file").id))
        for name in ("notes.txt", "data.bin", "größe 1.csv", "data.bin"):
            chooser = act(world, Click(element=find(chooser, "option", name).id))
        assert [each.name for each in chooser.elements if "selected" in each.states] == ["notes.txt", "größe 1.csv"]
        act(world, Click(element=find(chooser, "button", "Open").id))
        assert [name for name, *_ in task.state] == ["notes.txt", "größe 1.csv"]

    @pytest.mark.parametrize("by", ["Cancel", "Escape"])
    def test_choosing_nothing_leaves_the_page_as_it_was(self, world: World, by: str) -> None:
        task = FileTask(INPUT, state="found")
        before = open_page(world, task)
        chooser = act(world, Click(element=find(before, "file").id))
        after = act(world, Press("Escape") if by == "Escape" else Click(element=find(chooser, "button", by).id))
        assert [element.role for element in after.elements] == ["file"]
        assert task.state == []

    def test_what_goes_past_the_choice_is_told_so(self, world: World) -> None:
        seen = open_page(world, FileTask(INPUT))
        act(world, Click(element=find(seen, "file").id))
        assert act(world, Click(x=390, y=290)).error == "A choice of files is open. Answer it first."

    def test_filling_the_input_with_names_does_the_same_at_once(self, world: World) -> None:
        task = FileTask(SEVERAL, state="found")
        field = find(open_page(world, task), "file").id
        act(world, Fill(field, "notes.txt"))
        assert task.state == [NOTES]
        act(world, Fill(field, "data.bin\nnotes.txt"))
        assert [(name, bytes(content)) for name, _, content, _ in task.state] == [
            ("data.bin", FILES["data.bin"]),
            ("notes.txt", FILES["notes.txt"]),
        ]
        seen = act(world, Fill(field, ""))
        assert (find(seen, "file").value, seen.error) == ("", "")

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/passwd",
            "../notes.txt",
            "./notes.txt",
            "notes",
            "NOTES.TXT",
            "🙂",
            "x" * 5000,
            "file:///etc/passwd",
            ".",
        ],
    )
    def test_no_other_file_can_be_named(self, world: World, name: str) -> None:
        task = FileTask(INPUT, state="found")
        seen = act(world, Fill(find(open_page(world, task), "file").id, name))
        assert "There is no file" in seen.error
        assert "notes.txt, data.bin, größe 1.csv" in seen.error
        assert task.state == []

    def test_an_input_for_one_takes_one(self, world: World) -> None:
        field = find(open_page(world, FileTask(INPUT)), "file").id
        assert act(world, Fill(field, "notes.txt\ndata.bin")).error == f"[{field}] takes one file."

    def test_a_task_without_files_has_an_empty_choice(self, world: World) -> None:
        seen = open_page(world, PageTask(INPUT))
        chooser = act(world, Click(element=find(seen, "file").id))
        assert [element.role for element in chooser.elements] == ["dialog", "button"]
        seen = act(world, Press("Escape"))
        assert act(world, Fill(find(seen, "file").id, "x")).error.endswith("The files are: none.")

    def test_an_input_in_a_frame_takes_files(self, world: World) -> None:
        inner = "<input type=file onchange='parent.postMessage(this.files[0].name)'>"
        hear = "<script>var found; onmessage = (event) => { found = event.data }</script>"
        body = f'<iframe srcdoc="{inner}"></iframe>{hear}'
        task = FileTask(body, state="found")
        seen = open_page(world, task)
        act(world, Fill(find(seen, "file").id, "notes.txt"))
        act(world, Wait(ms=0))
        assert task.state == "notes.txt"

    def test_an_input_that_has_gone_meanwhile_takes_none(self, world: BrowserWorld) -> None:
        open_page(world, FileTask(INPUT))
        page = world._sessions[0].page
        assert page is not None
        with pytest.raises(ActionError, match=r"\[99\] is not on screen"):
            world._run(handle(page, 99))

    @pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "a\\b", "a\0b", "x" * 300])
    def test_a_task_cannot_name_a_path(self, name: str) -> None:
        with pytest.raises(ValueError, match="plain name"):
            Setup(files={name: b""})


BLOB = """<button onclick="const link = document.createElement('a');
    link.href = window.URL.createObjectURL(new Blob([{content}])); link.download = {name!a};
    link.click()">save</button>"""


def files_in(folder: Path) -> list[str]:
    """Return the names of the folders in which sessions' files lie, one a file."""
    return sorted(path.parent.name for path in folder.rglob("agentgym-sessions/**/*") if path.is_file())


def wait_for_downloads(world: World, task: FileTask, count: int) -> None:
    deadline = time.monotonic() + BOUND_S
    while len(task.downloaded) < count:
        assert not act(world, Wait(ms=0)).error
        assert time.monotonic() < deadline, task.downloaded


def save(world: World, task: FileTask) -> Any:
    """Click on the one thing on a page and return the observation once the download is there."""
    seen = open_page(world, task)
    seen = act(world, Click(element=seen.elements[0].id))
    for _ in range(100):
        if task.downloaded or seen.error:
            break
        seen = act(world, Wait(ms=0))
    return seen


class TestDownload:
    @pytest.mark.parametrize(
        ("body", "name", "content"),
        [
            ('<a href="/report.csv" download>save</a>', "report.csv", b"1,2\n"),
            ('<a href="/report.csv" download="other.csv">save</a>', "other.csv", b"1,2\n"),
            ('<a href="/attached">save</a>', "a b.bin", bytes(range(256))),
            ('<a href="data:text/plain,hello" download="data.txt">save</a>', "data.txt", b"hello"),
            (BLOB.format(content="'née 🙂'", name="größe.txt"), "größe.txt", "née 🙂".encode()),
        ],
    )
    def test_the_task_reads_what_was_downloaded_and_the_agent_is_told(
        self, world: World, body: str, name: str, content: bytes
    ) -> None:
        disposition = ("Content-Disposition", 'attachment; filename="a b.bin"')
        pages = {
            "/report.csv": Answer("1,2\n", "text/csv"),
            "/attached": Answer(bytes(range(256)), "application/octet-stream", headers=(disposition,)),
        }
        task = FileTask(body, pages=pages)
        seen = save(world, task)
        assert task.downloaded == {name: content}
        assert (find(seen, "status").name, seen.error) == (f"Downloaded {name}", "")
        assert seen.elements[0].name == "save"

    def test_a_task_that_takes_none_gets_none(self, world: World) -> None:
        task = FileTask(BLOB.format(content="1", name="a.txt"))
        task.downloads = False
        seen = open_page(world, task)
        for action in (Click(element=1), Wait(ms=0), Wait(ms=0)):
            seen = act(world, action)
        assert [element.role for element in seen.elements] == ["button"]
        assert task.downloaded == {}

    def test_two_of_one_name_are_both_kept(self, world: World) -> None:
        task = FileTask(BLOB.format(content="1", name="a.txt"))
        save(world, task)
        act(world, Click(element=1))
        wait_for_downloads(world, task, 2)
        assert task.downloaded == {"a.txt": b"1", "a (1).txt": b"1"}

    def test_no_more_are_taken_than_are_allowed(self, world: World) -> None:
        task = FileTask(BLOB.format(content="1", name="a.txt"))
        open_page(world, task)
        for _ in range(MAX_DOWNLOADS):
            assert not act(world, Click(element=1)).error
        errors = [act(world, Click(element=1)).error, act(world, Wait(ms=0)).error]
        assert f"A download was stopped: there are {MAX_DOWNLOADS} already." in errors
        assert len(task.downloaded) == MAX_DOWNLOADS

    def test_one_that_is_too_large_is_stopped(self, world: World) -> None:
        task = FileTask(BLOB.format(content="new Uint8Array(21e6)", name="large.bin"))
        seen = save(world, task)
        assert seen.error == "A download was stopped: large.bin has more than 20,000,000 bytes."
        assert task.downloaded == {}

    @pytest.mark.parametrize("name", ["../../x.txt", "/etc/passwd", "..", "C:\\x\\y.txt", "a\nb", "x" * 400, "🙂.txt"])
    def test_a_name_is_never_a_path(self, world: World, name: str, tmp_path: Path) -> None:
        task = FileTask(BLOB.format(content="'x'", name=name))
        save(world, task)
        (got,) = task.downloaded
        assert task.downloaded[got] == b"x"
        assert not set(got) & set("/\\\n")
        assert len(got) <= 200

    @given(st.text())
    def test_any_name_is_made_a_plain_one(self, name: str) -> None:
        plain = plain_name(name)
        assert plain
        assert not set(plain) & set("/\\\n\r\0")
        assert plain not in {".", ".."}

    def test_one_that_has_begun_is_waited_for_to_its_end(
        self, world: BrowserWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "STARTING_S", 0.0)
        open_page(world, FileTask(""))
        page, downloads = world._sessions[0].page, Downloads(tmp_path)
        assert page is not None
        begun = {"guid": "0" * 8, "suggestedFilename": "slow.txt"}
        ended = {"guid": "0" * 8, "receivedBytes": 1, "totalBytes": 1, "state": "completed"}

        async def settle() -> None:
            downloads.hear(page, "Page.downloadWillBegin", begun)
            asyncio.get_running_loop().call_later(0.1, downloads.hear, page, "Page.downloadProgress", ended)
            await downloads.settle()

        world._run(settle())
        assert list(downloads) == ["slow.txt"]

    def test_another_session_sees_nothing_of_it(self, world: World) -> None:
        task, neighbour = (FileTask(BLOB.format(content="1", name="a.txt")) for _ in range(2))
        open_page(world, neighbour, slot=1)
        save(world, task)
        seen = act(world, Wait(ms=0), slot=1)
        assert task.downloaded
        assert (neighbour.downloaded, [each.role for each in seen.elements]) == ({}, ["button"])


OWNER = """
import sys
from agentgym.action import Click, Fill, Wait
from agentgym_browser.world import BrowserWorld
from tests.browser_page import act, find, open_page
from tests.test_browser_files import BLOB, INPUT, FileTask, wait_for_downloads
with BrowserWorld() as world:
    task = FileTask(INPUT + BLOB.format(content="'x'", name="x.txt"))
    seen = open_page(world, task)
    act(world, Fill(find(seen, "file").id, "notes.txt"))
    act(world, Click(element=find(seen, "button").id))
    wait_for_downloads(world, task, 1)
    print("ready", flush=True)
    sys.stdin.read()
"""


class TestFolders:
    def test_files_of_a_session_are_gone_with_an_owner_that_is_killed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        command = [sys.executable, "-c", OWNER]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
            try:
                assert owner.stdout is not None
                assert owner.stdout.readline() == b"ready\n"
                assert files_in(tmp_path) == ["downloaded", "offered"]
            finally:
                owner.kill()
        deadline = time.monotonic() + BOUND_S
        while list(tmp_path.iterdir()):
            assert time.monotonic() < deadline, list(tmp_path.rglob("*"))
            time.sleep(0.01)

    def test_files_of_a_session_are_gone_with_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        task = FileTask(INPUT + BLOB.format(content="'x'", name="x.txt"))
        with BrowserWorld() as world:
            seen = open_page(world, task)
            act(world, Fill(find(seen, "file").id, "notes.txt"))
            act(world, Click(element=find(seen, "button").id))
            wait_for_downloads(world, task, 1)
            assert files_in(tmp_path) == ["downloaded", "offered"]
            open_page(world, PageTask("<p>next</p>"))
            assert files_in(tmp_path) == []
        assert not list(tmp_path.iterdir())

    def test_the_next_episode_sees_nothing_of_them(self, world: World) -> None:
        task = FileTask(BLOB.format(content="'x'", name="x.txt"))
        task.stores_nothing = True
        save(world, task)
        seen = open_page(world, task)
        act(world, Wait(ms=0))
        assert task.downloaded == {}
        assert [element.role for element in seen.elements] == ["button"]
